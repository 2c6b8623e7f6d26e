//! The last events of this process, numbered: whoever listens reads at its own pace, and nobody waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use model::{Event, Happening, OperationId, Sight};
use tokio::sync::watch;

/// Where everything that happens is kept for a while.
#[derive(Debug)]
pub(crate) struct Ring {
    events: Mutex<Events>,
    bell: watch::Sender<()>,
    most: usize,
}

#[derive(Debug, Default)]
struct Events {
    /// The number of the oldest that is kept; they count from 1.
    first: u64,
    kept: VecDeque<Arc<Event>>,
}

impl Events {
    /// The number of the next.
    fn next(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

/// What there is from a number on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// These, numbered; and where to go on.
    Events(Vec<(u64, Arc<Event>)>, u64),
    /// Some of them are gone, or never were.
    Gap,
}

impl Ring {
    pub(crate) fn new(most: usize) -> Self {
        let events = Mutex::new(Events { first: 1, kept: VecDeque::new() });
        Self { events, bell: watch::Sender::new(()), most }
    }

    /// One more has happened. Never waits for a listener.
    pub(crate) fn push(&self, event: Event) {
        {
            let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
            if events.kept.len() >= self.most {
                events.kept.pop_front();
                events.first += 1;
            }
            events.kept.push_back(Arc::new(event));
        }
        self.ring();
    }

    /// Wakes whoever listens, to look at more than events.
    pub(crate) fn ring(&self) {
        if self.bell.receiver_count() > 0 {
            self.bell.send_replace(());
        }
    }

    /// Rings with every event from now on.
    pub(super) fn listen(&self) -> watch::Receiver<()> {
        self.bell.subscribe()
    }

    /// The number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// What may be seen from a number on, at most so many.
    pub(super) fn read(&self, from: u64, sight: &Sight, most: usize) -> Read {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(skipped) = from.checked_sub(events.first).and_then(|count| usize::try_from(count).ok()) else {
            return Read::Gap;
        };
        if from > events.next() {
            return Read::Gap;
        }
        let mut seen = Vec::new();
        let mut next = from;
        for event in events.kept.iter().skip(skipped) {
            if seen.len() == most {
                break;
            }
            if sight.sees(&event.group) {
                seen.push((next, Arc::clone(event)));
            }
            next += 1;
        }
        Read::Events(seen, next)
    }

    /// Whether a piece of work has ended at a number or later, or nobody can tell any more; and where to go on.
    pub(super) fn may_have_ended(&self, operation: OperationId, from: u64) -> (bool, u64) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(skipped) = from.checked_sub(events.first).and_then(|count| usize::try_from(count).ok()) else {
            return (true, events.next());
        };
        let is_end =
            |event: &Arc<Event>| matches!(event.happening, Happening::Ended { operation: it, .. } if it == operation);
        (events.kept.iter().skip(skipped).any(is_end), events.next())
    }
}

#[cfg(test)]
mod tests {
    use model::{GroupId, Position, Wall};

    use super::*;

    fn event(group: &str, kind: &str) -> Event {
        let operation = OperationId::from_number(7);
        let happening = match kind {
            "ended" => Happening::Ended { operation, how: model::OutcomeKind::Expired },
            kind => Happening::Accepted { operation, kind: kind.into() },
        };
        let group = GroupId::parse(group).unwrap();
        Event { position: Position::default(), group, wall: Wall::from_millis(0), happening }
    }

    fn numbers(read: Read) -> Option<(Vec<u64>, u64)> {
        match read {
            Read::Events(events, next) => Some((events.into_iter().map(|(number, _)| number).collect(), next)),
            Read::Gap => None,
        }
    }

    #[test]
    fn it_is_read_on_from_anywhere_that_is_kept() {
        let ring = Ring::new(3);
        assert_eq!(numbers(ring.read(1, &Sight::Every, 10)), Some((vec![], 1)));
        for _ in 0..5 {
            ring.push(event("a", "payment"));
        }
        assert_eq!(ring.next(), 6);
        assert_eq!(numbers(ring.read(2, &Sight::Every, 10)), None);
        assert_eq!(numbers(ring.read(3, &Sight::Every, 2)), Some((vec![3, 4], 5)));
        assert_eq!(numbers(ring.read(5, &Sight::Every, 2)), Some((vec![5], 6)));
        assert_eq!(numbers(ring.read(6, &Sight::Every, 2)), Some((vec![], 6)));
        assert_eq!(numbers(ring.read(7, &Sight::Every, 2)), None);
        assert_eq!(numbers(ring.read(0, &Sight::Every, 2)), None);
    }

    #[test]
    fn others_events_are_passed_over() {
        let ring = Ring::new(10);
        for group in ["a", "b", "a", "b"] {
            ring.push(event(group, "payment"));
        }
        let own = Sight::Group(GroupId::parse("b").unwrap());
        assert_eq!(numbers(ring.read(1, &own, 1)), Some((vec![2], 3)));
        assert_eq!(numbers(ring.read(3, &own, 9)), Some((vec![4], 5)));
    }

    #[test]
    fn an_end_is_noticed_and_so_is_that_it_may_have_been_missed() {
        let ring = Ring::new(2);
        let operation = OperationId::from_number(7);
        ring.push(event("a", "payment"));
        assert_eq!(ring.may_have_ended(operation, 1), (false, 2));
        ring.push(event("a", "ended"));
        assert_eq!(ring.may_have_ended(operation, 1), (true, 3));
        assert_eq!(ring.may_have_ended(operation, 3), (false, 3));
        ring.push(event("a", "payment"));
        assert_eq!(ring.may_have_ended(OperationId::from_number(8), 1), (true, 4));
    }
}
