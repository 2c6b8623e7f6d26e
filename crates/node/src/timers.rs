//! What a node waits for, earliest first.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{Partition, Timestamp};

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    Slot(u64),
    Home(Partition),
    Credentials,
    Farewell,
}

impl Due {
    const FIRST: Self = Self::Slot(0);
}

/// The timers of one node.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Timestamp, Due)>);

impl Timers {
    /// When the first of them is due.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(crate) fn set(&mut self, at: Timestamp, due: Due) {
        self.0.insert((at, due));
    }

    /// Sets the one timer somebody has, who keeps when that is in `armed`. A later deadline leaves it where it is: it fires
    /// early and looks again.
    pub(crate) fn arm(&mut self, armed: &mut Option<Timestamp>, deadline: Timestamp, due: Due) {
        if armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        self.disarm(armed, due);
        *armed = Some(deadline);
        self.set(deadline, due);
    }

    /// Takes somebody's one timer away.
    pub(crate) fn disarm(&mut self, armed: &mut Option<Timestamp>, due: Due) {
        if let Some(at) = armed.take() {
            self.0.remove(&(at, due));
        }
    }

    /// Takes away every timer for something.
    pub(crate) fn forget(&mut self, due: Due) {
        self.0.retain(|(_, one)| *one != due);
    }

    /// Takes what is due, earliest first.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> impl Iterator<Item = Due> + use<> {
        let later = self.0.split_off(&(now.after(Duration::from_millis(1)), Due::FIRST));
        std::mem::replace(&mut self.0, later).into_iter().map(|(_, due)| due)
    }
}
