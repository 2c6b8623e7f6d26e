//! What a core drives: the node, or something as simple as an echo to judge the connection code with.

use std::sync::Arc;

use dialects::{Door, Way};
use model::{DeviceId, DeviceSeen, GroupId, Now, Request, Route, SessionSeen, Sight, Timestamp};
use node::{Bounds, Config, Directory, Input, Node, Output};

/// The pure value behind the sockets of one core. Called synchronously; it never waits.
pub trait Machine {
    /// A route for a new connection; never given twice.
    fn route(&mut self) -> Route;

    /// Takes one input and says everything that follows from it.
    fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>);

    /// When [`Input::Wake`] is wanted, if nothing comes before.
    fn deadline(&self) -> Option<Timestamp>;

    /// How many partitions of this core are not loaded yet.
    fn loading(&self) -> usize;

    /// The door a request knocks at; none when nobody serves it. A call without one never comes to the machine.
    fn door(&self, request: &Request, way: Way) -> Option<Door> {
        dialects::door(request, way)
    }

    /// The devices of its partitions that an operator may see, partition by partition, those after `after`.
    fn devices(&self, _: &Sight, _after: Option<&(GroupId, DeviceId)>, _most: usize) -> Vec<DeviceSeen> {
        Vec::new()
    }

    /// Its sessions that an operator may see, oldest first, those after the slot `after`.
    fn sessions(&self, _: &Sight, _after: Option<u64>, _most: usize) -> Vec<SessionSeen> {
        Vec::new()
    }

    /// One session, if it is in.
    fn session(&self, _: Route) -> Option<SessionSeen> {
        None
    }

    /// Whether it was told to drain and nothing of it is on its way to the store.
    fn is_settled(&self) -> bool {
        true
    }

    /// Whether the shell sends binary messages back as they came, instead of handing them over. Dialects speak text
    /// only, so no [`Output`] can hold one; an echo, which is judged by both kinds, needs it.
    fn repeats_binary(&self) -> bool {
        false
    }
}

impl Machine for Node {
    fn route(&mut self) -> Route {
        Self::route(self)
    }

    fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        Self::handle(self, now, input, out);
    }

    fn deadline(&self) -> Option<Timestamp> {
        Self::deadline(self)
    }

    fn loading(&self) -> usize {
        Self::loading(self)
    }

    fn is_settled(&self) -> bool {
        Self::is_settled(self)
    }

    fn devices(&self, sight: &Sight, after: Option<&(GroupId, DeviceId)>, most: usize) -> Vec<DeviceSeen> {
        Self::devices(self, sight, after, most)
    }

    fn sessions(&self, sight: &Sight, after: Option<u64>, most: usize) -> Vec<SessionSeen> {
        Self::sessions_seen(self, sight, after, most)
    }

    fn session(&self, route: Route) -> Option<SessionSeen> {
        Self::session_seen(self, route)
    }
}

/// What a core's machine is born with.
#[derive(Debug)]
pub struct Birth {
    /// Which core this is, from 0.
    pub core: u8,
    /// How many there are.
    pub cores: u8,
    /// The credentials at the start.
    pub directory: Arc<Directory>,
    /// When.
    pub now: Now,
}

/// What all nodes of a process have in common.
#[derive(Clone)]
pub struct Plan {
    /// Every dialect's numbers.
    pub dialects: Arc<dialects::Config>,
    /// The bounds of a node.
    pub bounds: Bounds,
    /// Where randomness starts; each session derives its own from it.
    pub seed: u64,
}

impl Plan {
    /// The node of one core.
    pub fn node(&self, birth: Birth, out: &mut Vec<Output>) -> Node {
        let config = Config {
            core: birth.core,
            cores: birth.cores,
            dialects: Arc::clone(&self.dialects),
            bounds: self.bounds.clone(),
            seed: self.seed,
        };
        Node::new(config, birth.directory, birth.now, out)
    }
}
