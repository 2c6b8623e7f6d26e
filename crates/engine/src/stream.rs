//! What happened in a group, numbered, for listeners that come and go.

use std::collections::VecDeque;

use model::{AskId, Event, Happening, Position, Route, Tell, Timestamp};

use crate::group::Group;
use crate::port::Output;
use crate::timers::Timer;
use crate::{Turn, bounds};

/// The latest events and where the stream stands.
#[derive(Debug)]
pub(crate) struct Stream {
    at: Position,
    kept: VecDeque<(Timestamp, Event)>,
}

impl Stream {
    /// A stream whose first event comes after a position.
    pub(crate) const fn new(start: Position) -> Self {
        Self { at: start, kept: VecDeque::new() }
    }

    /// The latest event's position.
    pub(crate) const fn at(&self) -> Position {
        self.at
    }

    /// Whether no event is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// When the oldest event is too old to be kept.
    fn old_at(&self) -> Option<Timestamp> {
        self.kept.front().map(|(at, _)| at.after(bounds::EVENTS_KEPT))
    }

    /// Forgets events that are too old.
    fn forget_old(&mut self, now: Timestamp) {
        while self.old_at().is_some_and(|at| at <= now) {
            self.kept.pop_front();
        }
        if self.kept.len() < self.kept.capacity() / 4 {
            self.kept.shrink_to_fit();
        }
    }

    /// What came after a position, and whether something is missing in between.
    fn since(&self, since: Position) -> (bool, Vec<Event>) {
        let first = self.kept.front().map_or(self.at.n + 1, |(_, event)| event.position.n);
        let gap = since.fence != self.at.fence || since.n > self.at.n || since.n + 1 < first;
        let from = if since.fence == self.at.fence && since.n <= self.at.n { since.n } else { 0 };
        let kept = self.kept.iter().map(|(_, event)| event);
        (gap, kept.filter(|event| event.position.n > from).cloned().collect())
    }
}

impl Group {
    /// Numbers what happened, keeps it, and tells everybody who listens.
    pub(crate) fn happened(&mut self, turn: &mut Turn<'_>, happening: Happening) {
        let stream = &mut self.stream;
        stream.at.n += 1;
        let event = Event { position: stream.at, group: self.id.clone(), wall: turn.now.wall, happening };
        if stream.kept.len() == bounds::EVENTS_PER_GROUP {
            stream.kept.pop_front();
        }
        stream.kept.push_back((turn.now.at, event.clone()));
        if stream.kept.len() == 1 {
            turn.timers.set(Timer::Events(self.id.clone()), stream.old_at());
        }
        for route in &self.listeners {
            turn.tell(*route, Tell::Event(Box::new(event.clone())));
        }
        turn.out.push(Output::Event(event));
    }

    /// Events that are too old to be told again are forgotten.
    pub(crate) fn events_due(&mut self, turn: &mut Turn<'_>) {
        self.stream.forget_old(turn.now.at);
        turn.timers.set(Timer::Events(self.id.clone()), self.stream.old_at());
    }

    /// A listener says where it was and is told everything since, or plainly that there is a gap.
    pub(crate) fn listen(&mut self, turn: &mut Turn<'_>, from: Route, id: AskId, since: Option<Position>) {
        let (gap, missed) = since.map_or((false, Vec::new()), |since| self.stream.since(since));
        turn.answer(from, id, Tell::Listening { at: self.stream.at, gap });
        if self.sessions.get(&from).is_none_or(|session| session.displaced) {
            return;
        }
        self.listeners.insert(from);
        for event in missed {
            turn.tell(from, Tell::Event(Box::new(event)));
        }
    }
}
