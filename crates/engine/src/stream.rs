//! What happened in a group, numbered, for listeners that come and go.

use std::collections::VecDeque;

use model::{AskId, Event, Fence, Happening, Position, Route, Tell};

use crate::group::Group;
use crate::port::Output;
use crate::{Turn, bounds};

/// The latest events and where the stream stands.
#[derive(Debug)]
pub(crate) struct Stream {
    at: Position,
    kept: VecDeque<Event>,
}

impl Stream {
    pub(crate) const fn new(fence: Fence) -> Self {
        Self { at: Position { fence, n: 0 }, kept: VecDeque::new() }
    }

    /// What came after a position, and whether something is missing in between.
    fn since(&self, since: Position) -> (bool, Vec<Event>) {
        let first = self.kept.front().map_or(self.at.n + 1, |event| event.position.n);
        let gap = since.fence != self.at.fence || since.n > self.at.n || since.n + 1 < first;
        let from = if since.fence == self.at.fence && since.n <= self.at.n { since.n } else { 0 };
        (gap, self.kept.iter().filter(|event| event.position.n > from).cloned().collect())
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
        stream.kept.push_back(event.clone());
        for route in &self.listeners {
            turn.tell(*route, Tell::Event(Box::new(event.clone())));
        }
        turn.out.push(Output::Event(event));
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
