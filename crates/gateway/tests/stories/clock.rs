//! A clock that a test moves: the instants somebody waits for, and who.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use gateway::{Clock, Sleep};
use model::{Now, Timestamp};

/// Stands still until [`HandClock::move_to`]. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct HandClock(Arc<Mutex<Hands>>);

struct Hands {
    now: Now,
    next: u64,
    waits: BTreeMap<(Timestamp, u64), Waker>,
}

impl HandClock {
    pub(crate) fn new(now: Now) -> Self {
        Self(Arc::new(Mutex::new(Hands { now, next: 0, waits: BTreeMap::new() })))
    }

    /// The next instant after now that somebody waits for.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let hands = self.hands();
        hands.waits.keys().map(|(at, _)| *at).find(|at| *at > hands.now.at)
    }

    /// Moves both readings, and wakes everybody whose instant has come.
    pub(crate) fn move_to(&self, at: Timestamp) {
        let mut hands = self.hands();
        let by = at.since(hands.now.at);
        hands.now = Now { at: hands.now.at.after(by), wall: hands.now.wall.after(by) };
        let now = hands.now.at;
        let due: Vec<Waker> =
            hands.waits.iter().take_while(|((at, _), _)| *at <= now).map(|(_, waker)| waker.clone()).collect();
        drop(hands);
        due.into_iter().for_each(Waker::wake);
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for HandClock {
    fn now(&self) -> Now {
        self.hands().now
    }

    fn until(&self, at: Timestamp) -> Sleep {
        let mut hands = self.hands();
        hands.next += 1;
        Box::pin(Wait { key: (at, hands.next), clock: self.clone() })
    }
}

struct Wait {
    key: (Timestamp, u64),
    clock: HandClock,
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.clock.hands();
        if self.key.0 <= hands.now.at {
            return Poll::Ready(());
        }
        hands.waits.insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.clock.hands().waits.remove(&self.key);
    }
}
