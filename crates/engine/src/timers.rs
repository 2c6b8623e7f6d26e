//! Every deadline of a partition in one ordered set; each thing has at most one.

use std::collections::{BTreeMap, BTreeSet};

use model::{DeviceId, GroupId, OperationId, PrincipalId, Route, Timestamp};

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A newcomer's wait for the older session.
    Handover(GroupId, Box<str>),
    /// A displaced peer's proof of life, and the span in which it counts.
    Parting(Route),
    /// A device's grace.
    Grace(GroupId, DeviceId),
    /// The next thing in an operation's life.
    Operation(GroupId, OperationId),
    /// A principal's oldest mail.
    Mail(GroupId, PrincipalId),
    /// A principal's windows that have slid empty.
    Windows(GroupId, PrincipalId),
    /// Takeovers that no longer count.
    Damping(GroupId, Box<str>),
    /// Events that are too old to be told again.
    Events(GroupId),
}

/// The set.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Timestamp, Timer)>,
    set: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    /// Sets, moves or clears the one deadline of a thing.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Timestamp>) {
        if let Some(before) = self.set.get(&timer) {
            if Some(*before) == at {
                return;
            }
            self.due.remove(&(*before, timer.clone()));
        }
        match at {
            Some(at) => {
                self.set.insert(timer.clone(), at);
                self.due.insert((at, timer));
            }
            None => {
                self.set.remove(&timer);
            }
        }
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline that has come.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        let (_, timer) = self.due.pop_first()?;
        self.set.remove(&timer);
        Some(timer)
    }
}
