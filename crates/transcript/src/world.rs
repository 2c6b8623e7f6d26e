//! Real nodes on a store, a clock that only moves when told, and connections that keep the shell's contract.
//!
//! The World hands inputs in and carries outputs out: mail between cores in rounds, commits at once, closes
//! completed by their peers. It knows no story; a story is played on it by `play`, a simulation by its own dice.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dialects::Way;
use model::{
    Call, CallId, Commit, CommitError, CredentialId, Done, Event, Frame, GroupId, Now, OperationId, Partition, Post,
    Posted, Reason, Request, RequestKey, Route, Timestamp, Wall,
};
use node::{Directory, Ending, Input, Mail, Node, Note, Output, Unread, Wire};
use store::{Horizon, Store, StoreError};

pub use crate::calls::Posting;
use crate::calls::{Caller, Calls};
use crate::connection::{Connection, Took};
pub use crate::connection::{Hearing, Life, Sent, Shown, Socket};

/// How long a peer has to complete our close before it is given up.
pub const CLOSE_WAIT: Duration = Duration::from_secs(3);
/// How long after a failed load the next try comes.
pub const LOAD_PAUSE: Duration = Duration::from_secs(1);
/// The bytes of a message before a session says another limit.
pub const FIRST_LIMIT: usize = 4096;
/// Rounds of mail, commits and wakes within one instant; beyond it the nodes do not come to rest.
pub const MAX_ROUNDS: u32 = 1_000_000;

/// What a World is made with.
#[derive(Clone)]
pub struct Setup {
    /// How many cores.
    pub cores: u8,
    /// Where all randomness starts.
    pub seed: u64,
    /// Both clocks at the start.
    pub now: Now,
    /// Every dialect's numbers.
    pub dialects: Arc<dialects::Config>,
    /// The node's own bounds.
    pub bounds: node::Bounds,
}

/// Something that came out.
#[derive(Debug)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// What.
    pub sight: Sight,
}

/// What came out.
#[derive(Debug)]
pub enum Sight {
    /// Something a peer hears.
    Wire(Socket, Shown),
    /// Something public.
    Event(Event),
    /// Something for operators.
    Note(Note),
    /// An HTTP call that we make, by its number; it waits for [`World::answer`].
    Post(u64, Posting),
}

enum Work {
    Commit(Commit),
    Earlier { partition: Partition, ticket: u64, group: GroupId, key: RequestKey },
    Load(Partition),
    Call { route: Route, call: CallId, work: Call },
}

/// Nodes, a store, a clock and connections.
pub struct World {
    setup: Setup,
    now: Now,
    nodes: Vec<Node>,
    store: Box<dyn Store>,
    connections: Vec<Connection>,
    routes: BTreeMap<Route, usize>,
    mail: Vec<(u8, Mail)>,
    work: VecDeque<(usize, Work)>,
    held: Option<VecDeque<(usize, Commit)>>,
    reads_held: Option<VecDeque<(usize, Work)>>,
    failing_commits: u32,
    failing_loads: u32,
    loads_again: Vec<(Timestamp, usize, Partition)>,
    dies_after: Option<u32>,
    calls: Calls,
    starts: u64,
    seen: Vec<Seen>,
    broken: Vec<String>,
    out: Vec<Output>,
}

impl World {
    /// A World on a store that may hold something already.
    ///
    /// # Errors
    /// When the store's credentials cannot be read.
    pub fn new(setup: Setup, store: Box<dyn Store>) -> Result<Self, StoreError> {
        let mut world = Self {
            now: setup.now,
            calls: Calls::new(Arc::clone(&setup.dialects)),
            setup,
            nodes: Vec::new(),
            store,
            connections: Vec::new(),
            routes: BTreeMap::new(),
            mail: Vec::new(),
            work: VecDeque::new(),
            held: None,
            reads_held: None,
            failing_commits: 0,
            failing_loads: 0,
            loads_again: Vec::new(),
            dies_after: None,
            starts: 0,
            seen: Vec::new(),
            broken: Vec::new(),
            out: Vec::new(),
        };
        world.start()?;
        Ok(world)
    }

    fn start(&mut self) -> Result<(), StoreError> {
        let directory = Arc::new(Directory::new(self.store.credentials()?));
        self.nodes.clear();
        for core in 0..self.setup.cores {
            let config = node::Config {
                core,
                cores: self.setup.cores,
                dialects: Arc::clone(&self.setup.dialects),
                bounds: self.setup.bounds.clone(),
                seed: self.setup.seed ^ (u64::from(core) << 56) ^ (self.starts << 32),
            };
            let mut out = Vec::new();
            self.nodes.push(Node::new(config, Arc::clone(&directory), self.now, &mut out));
            out.into_iter().for_each(|output| self.carry(usize::from(core), output));
        }
        self.starts += 1;
        self.settle();
        Ok(())
    }

    /// How many cores it has.
    #[must_use]
    pub fn cores(&self) -> u8 {
        self.setup.cores
    }

    /// How often it was started.
    #[must_use]
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Somebody sets the clock that is printed; what deadlines use goes on as before.
    pub fn step_wall(&mut self, to: Wall) {
        self.now.wall = to;
    }

    /// The store, for checks.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The store, for what happens beside the nodes.
    pub fn store_mut(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    /// How far a connection is.
    #[must_use]
    pub fn life(&self, socket: Socket) -> Life {
        self.connections[socket.0].life
    }

    /// Whether frames of an opening connection wait for its upgrade.
    #[must_use]
    pub fn waits_for_upgrade(&self, socket: Socket) -> bool {
        let connection = &self.connections[socket.0];
        connection.life == Life::Opening && !connection.waiting.is_empty()
    }

    /// How many connections the nodes know, and how many of them are logged in.
    #[must_use]
    pub fn sessions(&self) -> (usize, usize) {
        self.nodes.iter().map(Node::sessions).fold((0, 0), |sum, (all, known)| (sum.0 + all, sum.1 + known))
    }

    /// Everything that came out since the last look.
    pub fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    /// Rules of the node's surface that were broken since the last look: each is a bug.
    pub fn take_broken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.broken)
    }

    /// When something will happen by itself.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let give_up = self.connections.iter().filter_map(|connection| match connection.hearing {
            Hearing::Hears => None,
            Hearing::Deaf => connection.closing.map(|(_, since)| since.after(CLOSE_WAIT)),
        });
        let again = self.loads_again.iter().map(|(at, ..)| *at);
        self.nodes.iter().filter_map(Node::deadline).chain(give_up).chain(again).chain(self.calls.deadline()).min()
    }

    /// Moves both clocks to `at`, which lies not before now, and lets everything due happen.
    pub fn advance(&mut self, at: Timestamp) {
        let by = at.since(self.now.at);
        self.now = Now { at: self.now.at.after(by), wall: self.now.wall.after(by) };
        self.settle();
    }

    /// A peer asks for an upgrade on a core.
    pub fn open(&mut self, core: u8, request: &Request, hearing: Hearing) -> Socket {
        self.ask(core, request, Way::Socket, hearing)
    }

    /// A peer makes an HTTP call on a core.
    pub fn call(&mut self, core: u8, request: &Request) -> Socket {
        self.ask(core, request, Way::Call, Hearing::Hears)
    }

    fn ask(&mut self, core: u8, request: &Request, way: Way, hearing: Hearing) -> Socket {
        let core = usize::from(core) % self.nodes.len();
        let route = self.nodes[core].route();
        let socket = Socket(self.connections.len());
        self.connections.push(Connection::new(route, way, hearing));
        if self.routes.insert(route, socket.0).is_some() {
            self.broken.push(format!("the route {route:?} was given twice"));
        }
        self.handle(
            core,
            match way {
                Way::Socket => Input::Open { route, request },
                Way::Call => Input::Request { route, request },
            },
        );
        socket
    }

    /// A peer sends a frame. It waits while the upgrade is not answered or the socket is not read.
    pub fn send(&mut self, socket: Socket, frame: Sent) {
        let connection = &mut self.connections[socket.0];
        match connection.life {
            Life::Opening => connection.waiting.push_back(frame),
            Life::Open if connection.paused || !connection.waiting.is_empty() => connection.waiting.push_back(frame),
            Life::Open => self.give(socket.0, &frame),
            Life::Closing | Life::Over => {}
        }
    }

    fn give(&mut self, index: usize, frame: &Sent) {
        let Connection { route, limit, .. } = self.connections[index];
        let size = match frame {
            Sent::Text(text) => text.len(),
            Sent::Binary(bytes) => bytes.len(),
            Sent::Ping | Sent::Pong => 0,
        };
        let input = match frame {
            _ if size > limit => Input::Fault { route, reason: Reason::TooBig },
            Sent::Text(text) => Input::Frame { route, frame: Frame::Text(text) },
            Sent::Binary(bytes) => Input::Frame { route, frame: Frame::Binary(bytes) },
            Sent::Ping => Input::Frame { route, frame: Frame::Ping },
            Sent::Pong => Input::Frame { route, frame: Frame::Pong },
        };
        self.handle(usize::from(route.core), input);
    }

    /// The peer closes properly.
    pub fn close(&mut self, socket: Socket) {
        self.part(socket.0, Reason::PeerClosed, true);
    }

    /// The peer does its part no more: half-open from now on.
    pub fn deafen(&mut self, socket: Socket) {
        self.connections[socket.0].hearing = Hearing::Deaf;
    }

    /// The connection is lost without a word.
    pub fn lose(&mut self, socket: Socket) {
        self.part(socket.0, Reason::PeerLost, false);
    }

    /// The codec or the writer gives the connection up.
    pub fn fault(&mut self, socket: Socket, reason: Reason) {
        if self.life(socket) == Life::Open {
            let route = self.connections[socket.0].route;
            self.handle(usize::from(route.core), Input::Fault { route, reason });
        }
    }

    /// Telemetry was dropped, because the peer does not read.
    pub fn dropped(&mut self, socket: Socket, count: u32) {
        if self.life(socket) == Life::Open {
            let route = self.connections[socket.0].route;
            self.handle(usize::from(route.core), Input::Dropped { route, count });
        }
    }

    /// The peer reads again.
    pub fn room(&mut self, socket: Socket) {
        if self.life(socket) == Life::Open {
            let route = self.connections[socket.0].route;
            self.handle(usize::from(route.core), Input::Room { route });
        }
    }

    fn part(&mut self, index: usize, reason: Reason, completed: bool) {
        let connection = &mut self.connections[index];
        if connection.life == Life::Over {
            return;
        }
        let reason = connection.end().unwrap_or(reason);
        let route = connection.route;
        self.routes.remove(&route);
        self.handle(usize::from(route.core), Input::Gone { route, ending: Ending { reason, completed } });
    }

    /// Killed and started again on the same store: sockets, mail and what was not yet durable are lost.
    ///
    /// # Errors
    /// When the store's credentials cannot be read.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        for connection in &mut self.connections {
            connection.end();
        }
        self.routes.clear();
        self.mail.clear();
        self.work.clear();
        self.held = None;
        self.reads_held = None;
        self.loads_again.clear();
        self.dies_after = None;
        self.calls.forget(Arc::clone(&self.setup.dialects));
        self.start()
    }

    /// Killed and started again as soon as so many more commits are durable; what they let out is lost with it.
    pub fn die_after_commits(&mut self, count: u32) {
        self.dies_after = Some(count);
    }

    /// Asked to end, with return hints spread over so long.
    pub fn drain(&mut self, spread: Duration) {
        for core in 0..self.nodes.len() {
            self.handle(core, Input::Drain { spread: node::Spread::at_once(spread) });
        }
    }

    /// Ends a credential now. True when it was there and good.
    ///
    /// # Errors
    /// When the store cannot.
    pub fn revoke(&mut self, id: &CredentialId) -> Result<bool, StoreError> {
        let was_good = self.store.end_credential(id, self.now.wall, self.now.wall)?;
        let directory = Arc::new(Directory::new(self.store.credentials()?));
        for core in 0..self.nodes.len() {
            self.handle(core, Input::Directory(Arc::clone(&directory)));
        }
        Ok(was_good)
    }

    /// An operator takes work back.
    pub fn take_back(&mut self, operation: OperationId) {
        let core = usize::from(operation.partition().0) % self.nodes.len();
        self.handle(core, Input::TakeBack { operation });
    }

    /// An operator ends a session.
    pub fn dismiss(&mut self, socket: Socket) {
        if self.life(socket) == Life::Open {
            let route = self.connections[socket.0].route;
            self.handle(usize::from(route.core), Input::Dismiss { route });
        }
    }

    /// One more commit fails.
    pub fn fail_commit(&mut self) {
        self.failing_commits += 1;
    }

    /// One more load fails.
    pub fn fail_load(&mut self) {
        self.failing_loads += 1;
    }

    /// Nothing more fails than what has failed already.
    pub fn heal(&mut self) {
        (self.failing_commits, self.failing_loads, self.dies_after) = (0, 0, None);
    }

    /// Commits wait until they are released.
    pub fn hold_commits(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Commits go on.
    pub fn release_commits(&mut self) {
        let held = self.held.take().unwrap_or_default();
        self.work.extend(held.into_iter().map(|(core, commit)| (core, Work::Commit(commit))));
    }

    /// How many commits wait to be released.
    #[must_use]
    pub fn held_commits(&self) -> usize {
        self.held.as_ref().map_or(0, VecDeque::len)
    }

    /// Reads of stored rows wait until they are released.
    pub fn hold_reads(&mut self) {
        self.reads_held.get_or_insert_default();
    }

    /// Reads go on.
    pub fn release_reads(&mut self) {
        self.work.extend(self.reads_held.take().unwrap_or_default());
    }

    /// Lets everything follow that follows within this instant.
    pub fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let moved = self.deliver_mail()
                || self.do_work()
                || self.give_waiting()
                || self.part_closed()
                || self.wake_due()
                || self.carry_out();
            if !moved {
                return;
            }
        }
        self.broken.push(format!("the nodes did not come to rest within {MAX_ROUNDS} rounds of one instant"));
    }

    fn deliver_mail(&mut self) -> bool {
        let round = std::mem::take(&mut self.mail);
        let any = !round.is_empty();
        for (to, mail) in round {
            self.handle(usize::from(to), Input::Mail(mail));
        }
        any
    }

    fn do_work(&mut self) -> bool {
        let Some((core, work)) = self.work.pop_front() else { return false };
        match work {
            Work::Commit(commit) => {
                let (partition, batch) = (commit.partition, commit.batch);
                if !commit.announces.is_empty() {
                    self.calls.stir();
                }
                let result = if self.failing_commits > 0 {
                    self.failing_commits -= 1;
                    Err(CommitError::Unavailable("told to fail".into()))
                } else {
                    let told = self.store.commit(&[commit]).pop();
                    told.unwrap_or_else(|| Err(CommitError::Unavailable("the store gave no answer".into())))
                };
                if let Some(left) = &mut self.dies_after {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        if let Err(error) = self.restart() {
                            self.broken.push(format!("it does not start again: {error:?}"));
                        }
                        return true;
                    }
                }
                self.handle(core, Input::Committed { partition, batch, result });
            }
            Work::Earlier { partition, ticket, group, key } => {
                let row = self.store.earlier(&group, &key).map(|row| row.map(Box::new));
                let row = row.map_err(|error| match error {
                    StoreError::Corrupt(cause) => Unread::Damaged(cause),
                    other => Unread::Unavailable(format!("{other:?}").into()),
                });
                self.handle(core, Input::Earlier { ticket, partition, row });
            }
            Work::Call { route, call, work } => self.call_for(route, call, work),
            Work::Load(partition) => {
                let horizon = Horizon {
                    ended: self.now.at.before(node::REMEMBER),
                    seen: self.now.at.before(node::LISTED),
                    devices: node::LISTED_MOST,
                };
                let loaded = if self.failing_loads > 0 {
                    self.failing_loads -= 1;
                    Err("told to fail".into())
                } else {
                    let loaded = self.store.load(&[partition], horizon).map(|mut loaded| loaded.pop());
                    match loaded {
                        Ok(Some(loaded)) => Ok(Box::new(loaded)),
                        Ok(None) => Err("the store gave no answer".into()),
                        Err(error) => Err(format!("{error:?}").into()),
                    }
                };
                if loaded.is_err() {
                    self.loads_again.push((self.now.at.after(LOAD_PAUSE), core, partition));
                }
                self.handle(core, Input::Loaded { partition, loaded });
            }
        }
        true
    }

    /// A receiver answers a call of ours; whether it still waited for that.
    pub fn answer(&mut self, number: u64, posted: Posted) -> bool {
        match self.calls.answered(number) {
            None => return false,
            Some(Caller::Session { route, call }) => {
                self.handle(usize::from(route.core), Input::Done { route, call, done: Done::Posted(posted) });
            }
            Some(Caller::Courier { place }) => {
                if let Err(error) = self.calls.carried(self.now, &mut *self.store, place, posted) {
                    self.broken.push(format!("a try is not written down: {error:?}"));
                }
            }
        }
        true
    }

    fn post(&mut self, caller: Caller, post: &Post) {
        let number = self.calls.make(self.now, caller, post);
        self.see(Sight::Post(number, Posting::of(post)));
    }

    /// Gives up calls that took too long, and makes those that are due.
    fn carry_out(&mut self) -> bool {
        if let Some(number) = self.calls.late(self.now) {
            return self.answer(number, Posted::Late);
        }
        let due = self.calls.due(self.now, &*self.store).unwrap_or_else(|error| {
            self.broken.push(format!("what is due cannot be read: {error:?}"));
            Vec::new()
        });
        due.iter().for_each(|(place, post)| self.post(Caller::Courier { place: *place }, post));
        !due.is_empty()
    }

    /// Slow work for a session.
    fn call_for(&mut self, route: Route, call: CallId, work: Call) {
        let done = match work {
            Call::Endpoints { group, work } => {
                self.calls.stir();
                Done::Endpoints(self.store.endpoints(&group, &work).ok())
            }
            Call::Draw => Done::Drawn(Some(self.calls.draw())),
            Call::Post(post) => return self.post(Caller::Session { route, call }, &post),
            Call::Authenticate { .. } => return self.broken.push("the node left a login to others".to_owned()),
        };
        self.handle(usize::from(route.core), Input::Done { route, call, done });
    }

    fn give_waiting(&mut self) -> bool {
        for index in 0..self.connections.len() {
            let connection = &mut self.connections[index];
            if connection.life == Life::Open
                && !connection.paused
                && let Some(frame) = connection.waiting.pop_front()
            {
                self.give(index, &frame);
                return true;
            }
        }
        false
    }

    fn part_closed(&mut self) -> bool {
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            if let Some((reason, since)) = connection.closing {
                let completed = connection.hearing == Hearing::Hears;
                if completed || since.after(CLOSE_WAIT) <= self.now.at {
                    self.part(index, reason, completed);
                    return true;
                }
            }
        }
        false
    }

    fn wake_due(&mut self) -> bool {
        if let Some(index) = self.loads_again.iter().position(|(at, ..)| *at <= self.now.at) {
            let (_, core, partition) = self.loads_again.remove(index);
            self.work.push_back((core, Work::Load(partition)));
            return true;
        }
        let due = |node: &Node| node.deadline().is_some_and(|deadline| deadline <= self.now.at);
        let Some(core) = self.nodes.iter().position(due) else { return false };
        self.handle(core, Input::Wake);
        true
    }

    fn handle(&mut self, core: usize, input: Input<'_>) {
        let mut out = std::mem::take(&mut self.out);
        self.nodes[core].handle(self.now, input, &mut out);
        out.drain(..).for_each(|output| self.carry(core, output));
        self.out = out;
    }

    fn carry(&mut self, core: usize, output: Output) {
        match output {
            Output::Wire { route, wire } => match self.routes.get(&route) {
                Some(&index) => self.wire(index, wire),
                None => self.broken.push(format!("{wire:?} for a connection that is over")),
            },
            Output::Commit(commit) => match &mut self.held {
                Some(held) => held.push_back((core, commit)),
                None => self.work.push_back((core, Work::Commit(commit))),
            },
            Output::Earlier { ticket, partition, group, key } => {
                let work = (core, Work::Earlier { partition, ticket, group, key });
                self.reads_held.as_mut().unwrap_or(&mut self.work).push_back(work);
            }
            Output::Load { partition } => self.work.push_back((core, Work::Load(partition))),
            Output::Call { route, call, work } => self.work.push_back((core, Work::Call { route, call, work })),
            Output::Mail { to, mail } => self.mail.push((to, mail)),
            Output::Event(event) => self.see(Sight::Event(event)),
            Output::Note(note) => self.see(Sight::Note(note)),
        }
    }

    fn wire(&mut self, index: usize, wire: Wire) {
        let socket = Socket(index);
        let connection = &mut self.connections[index];
        match connection.take(wire, self.now.at) {
            Took::Silently => {}
            Took::Shown(shown) => {
                if connection.life == Life::Over {
                    self.routes.remove(&connection.route);
                }
                self.see(Sight::Wire(socket, shown));
            }
            Took::Never(wire) => {
                let life = connection.life;
                self.broken.push(format!("{wire:?} for a connection that is {life:?}"));
            }
        }
    }

    fn see(&mut self, sight: Sight) {
        self.seen.push(Seen { at: self.now.at, sight });
    }
}
