//! Where time comes from: the one place that asks the machine, and a trait so that tests can move it.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use model::{Now, Timestamp, Wall};

/// A wait that ends when a clock has reached an instant.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The time of this process.
pub trait Clock: Send + Sync {
    /// Both readings of this moment.
    fn now(&self) -> Now;

    /// Ends when [`Self::now`] has reached `at`, at once when it has.
    fn until(&self, at: Timestamp) -> Sleep;
}

/// The machine's clocks: a line that starts at the wall clock's reading and then only follows the monotone one.
#[derive(Debug)]
pub struct RealClock {
    start: Instant,
    at_start: Timestamp,
}

impl RealClock {
    /// A clock whose line starts now. There should be one in a process.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now(), at_start: Timestamp::from_millis(wall().millis()) }
    }
}

impl Clock for RealClock {
    fn now(&self) -> Now {
        Now { at: self.at_start.after(self.start.elapsed()), wall: wall() }
    }

    fn until(&self, at: Timestamp) -> Sleep {
        let instant = self.start.checked_add(at.since(self.at_start));
        Box::pin(async move {
            match instant {
                Some(instant) => tokio::time::sleep_until(instant.into()).await,
                None => std::future::pending().await,
            }
        })
    }
}

fn wall() -> Wall {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_wait_is_over_when_the_clock_says_so() {
        let clock = RealClock::start();
        let at = clock.now().at.after(Duration::from_millis(20));
        clock.until(at).await;
        assert!(clock.now().at >= at);
    }
}
