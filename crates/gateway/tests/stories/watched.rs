//! The node behind the shell, with everything written down that it makes public, and the shell held to the node's
//! contract: one opening, nothing after the end, exactly one end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use gateway::Machine;
use model::{Event, Now, Route, Timestamp};
use node::{Input, Node, Note, Output, Wire};

/// What came out that no peer hears, and what was wrong.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) public: Vec<Public>,
    pub(crate) broken: Vec<String>,
    /// Connections the nodes know: whether frames may still come.
    routes: BTreeMap<Route, Hears>,
    /// The newest socket from each address.
    newest: BTreeMap<IpAddr, Route>,
    /// Those of them that are not to be read.
    paused: BTreeSet<Route>,
}

pub(crate) enum Public {
    Event(Event),
    Note(Note),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hears {
    Nothing,
    Frames,
    /// We have closed: only its end may come.
    Close,
}

impl Record {
    /// Connections that have not ended for their nodes.
    pub(crate) fn connections(&self) -> usize {
        self.routes.len()
    }

    /// The newest socket from an address.
    pub(crate) fn newest_of(&self, address: IpAddr) -> Option<Route> {
        self.newest.get(&address).copied()
    }

    /// Whether a connection is not to be read now.
    pub(crate) fn pauses_now(&self) -> bool {
        !self.paused.is_empty()
    }

    fn takes(&mut self, input: &Input<'_>) {
        if let Input::Open { route, request } = input {
            self.newest.insert(request.peer, *route);
        }
        let wrong = match input {
            Input::Open { route, .. } | Input::Request { route, .. } => {
                match self.routes.insert(*route, Hears::Nothing) {
                    None => return,
                    Some(_) => format!("{route:?} was opened twice"),
                }
            }
            Input::Frame { route, .. } if self.paused.contains(route) => {
                format!("{input:?} while it is not to be read")
            }
            Input::Frame { route, .. } | Input::Fault { route, .. } => match self.routes.get(route) {
                Some(Hears::Frames) => return,
                hears => format!("{input:?} for a connection that hears {hears:?}"),
            },
            Input::Room { route } | Input::Dropped { route, .. } => match self.routes.get(route) {
                Some(_) => return,
                None => format!("{input:?} for a connection that is over"),
            },
            Input::Gone { route, .. } => match self.routes.remove(route) {
                Some(_) => {
                    self.paused.remove(route);
                    return;
                }
                None => format!("{route:?} is gone, and was over or never there"),
            },
            Input::Wake
            | Input::Committed { .. }
            | Input::Earlier { .. }
            | Input::Loaded { .. }
            | Input::Done { .. }
            | Input::Mail(_)
            | Input::Directory(_)
            | Input::TakeBack { .. }
            | Input::Dismiss { .. }
            | Input::Drain { .. } => return,
        };
        self.broken.push(wrong);
    }

    fn says(&mut self, output: &Output) {
        match output {
            Output::Wire { route, wire } => match wire {
                Wire::Accept => drop(self.routes.insert(*route, Hears::Frames)),
                Wire::Refuse(_) | Wire::Respond(_) => drop(self.routes.remove(route)),
                Wire::Close { .. } => drop(self.routes.insert(*route, Hears::Close)),
                Wire::Pause => drop(self.paused.insert(*route)),
                Wire::Resume => drop(self.paused.remove(route)),
                Wire::Send { .. } | Wire::Ping | Wire::Limit(_) => {}
            },
            Output::Event(event) => self.public.push(Public::Event(event.clone())),
            Output::Note(note) => self.public.push(Public::Note(note.clone())),
            Output::Commit(_)
            | Output::Earlier { .. }
            | Output::Load { .. }
            | Output::Call { .. }
            | Output::Mail { .. } => {}
        }
    }
}

pub(crate) struct Watched {
    pub(crate) node: Node,
    pub(crate) record: Rc<RefCell<Record>>,
}

impl Machine for Watched {
    fn route(&mut self) -> Route {
        self.node.route()
    }

    fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        let before = out.len();
        self.record.borrow_mut().takes(&input);
        self.node.handle(now, input, out);
        let mut record = self.record.borrow_mut();
        out[before..].iter().for_each(|output| record.says(output));
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.node.deadline()
    }

    fn loading(&self) -> usize {
        self.node.loading()
    }

    fn is_settled(&self) -> bool {
        self.node.is_settled()
    }
}
