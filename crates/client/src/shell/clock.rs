//! The one place that asks the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Timestamp, Wall};
use tokio::time::Instant;

/// What the wall clock says, for what is signed.
pub(crate) fn wall() -> Wall {
    Wall::from_millis(0).after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A line that never goes back, starting at the wall clock's reading. In tests tokio moves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    at: Timestamp,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), at: Timestamp::default().after(since_epoch) }
    }

    pub(crate) fn now(self) -> Timestamp {
        self.at.after(self.start.elapsed())
    }

    /// When `at` will be. Far away is as good as never.
    pub(crate) fn instant(self, at: Timestamp) -> Instant {
        const NEVER: Duration = Duration::from_secs(86_400 * 365);
        self.start + at.since(self.at).min(NEVER)
    }
}
