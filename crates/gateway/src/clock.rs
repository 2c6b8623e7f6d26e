//! Where time comes from: the one place that asks the machine, and a trait so that tests can move it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
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

/// How far the two clocks may drift apart, in milliseconds, before it is looked at. Both are read in whole milliseconds, one
/// after the other: without this a moment that is stored would be printed a millisecond earlier or later each time.
const DRIFT: u64 = 2;

/// The machine's clocks: a line that starts at the wall clock's reading and then only follows the monotone one.
#[derive(Debug)]
pub struct RealClock {
    start: Instant,
    at_start: Timestamp,
    /// How far the wall clock is ahead of the line, in milliseconds.
    ahead: AtomicI64,
}

impl RealClock {
    /// A clock whose line starts now. There should be one in a process.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now(), at_start: Timestamp::from_millis(wall().millis()), ahead: AtomicI64::new(0) }
    }

    /// The wall clock's reading at a point of the line, steadied.
    fn steadied(&self, at: Timestamp, wall: Wall) -> Wall {
        let ahead = self.ahead.load(Relaxed);
        let expected = Wall::from_millis(at.millis().saturating_add_signed(ahead));
        if expected.millis().abs_diff(wall.millis()) <= DRIFT {
            return expected;
        }
        self.ahead.store(wall.millis().wrapping_sub(at.millis()).cast_signed(), Relaxed);
        wall
    }
}

impl Clock for RealClock {
    fn now(&self) -> Now {
        let at = self.at_start.after(self.start.elapsed());
        Now { at, wall: self.steadied(at, wall()) }
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

    #[test]
    fn a_wall_clock_that_trembles_is_steady_and_one_that_jumps_is_followed() {
        let clock = RealClock::start();
        let at = |millis| Timestamp::from_millis(millis);
        let read = |line: u64, wall: u64| clock.steadied(at(line), Wall::from_millis(wall)).millis();
        assert_eq!([read(1_000, 1_001), read(2_000, 1_999), read(3_000, 3_002)], [1_000, 2_000, 3_000]);
        assert_eq!([read(4_000, 4_500), read(5_000, 5_499)], [4_500, 5_500]);
        assert_eq!([read(6_000, 3), read(7_000, 1_004)], [3, 1_003]);
    }

    #[tokio::test]
    async fn the_wait_is_over_when_the_clock_says_so() {
        let clock = RealClock::start();
        let at = clock.now().at.after(Duration::from_millis(20));
        clock.until(at).await;
        assert!(clock.now().at >= at);
    }
}
