//! The shell as a theatre: pipes in memory, the codec and HTTP at both ends, a clock moved by hand.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gateway::{Clock, Indoors, Plan, Settings};
use model::{CredentialId, Now, OperationId, Reason, Request, Timestamp};
use store::{Store, StoreError};
use tokio::io::DuplexStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use transcript::Theatre;
use transcript::world::{Hearing, Life, Seen, Sent, Setup, Shown, Sight, Socket};

use crate::caller::Caller;
use crate::client::{Client, Patience};
use crate::clock::HandClock;
use crate::fickle::{Failing, Fickle, fail_one_more};
use crate::receivers::{Received, Receivers};
use crate::watched::{Public, Record, Watched};

/// Rounds of bytes and commits within one instant; beyond it the shell does not come to rest.
const MAX_ROUNDS: u32 = 1_000_000;

/// In which way a story is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) cores: u8,
    /// Bytes that a pipe holds.
    pub(crate) pipe: usize,
    pub(crate) patience: Patience,
}

/// Whoever is at the other end of a pipe.
enum Peer {
    Socket(Client),
    Call(Caller),
}

impl Peer {
    fn life(&self) -> Life {
        match self {
            Self::Socket(client) => client.life(),
            Self::Call(caller) => caller.life(),
        }
    }

    fn leave(&mut self) {
        match self {
            Self::Socket(client) => client.leave(),
            Self::Call(caller) => caller.leave(),
        }
    }

    fn cut(&mut self) {
        match self {
            Self::Socket(client) => client.cut(),
            Self::Call(caller) => caller.cut(),
        }
    }

    fn pump(&mut self, seen: &mut Vec<Shown>) -> Result<bool, String> {
        match self {
            Self::Socket(client) => client.pump(seen),
            Self::Call(caller) => caller.pump(seen),
        }
    }

    fn at_rest(&self, read: bool) -> Option<String> {
        match self {
            Self::Socket(client) => client.at_rest(read),
            Self::Call(caller) => caller.at_rest(),
        }
    }
}

/// Everything between a story and its nodes. Nothing moves but in [`Theatre`]'s calls.
pub(crate) struct Shell {
    setup: Setup,
    manner: Manner,
    clock: HandClock,
    failing: Failing,
    record: Rc<RefCell<Record>>,
    /// None only while it is killed.
    indoors: Option<Indoors>,
    runtime: Runtime,
    clients: Vec<Peer>,
    /// Where each of them comes from.
    addresses: Vec<IpAddr>,
    receivers: Receivers,
    /// Calls of ours by their numbers; none once they are answered.
    calls: Vec<Option<oneshot::Sender<u16>>>,
    starts: u64,
    seen: Vec<Seen>,
    broken: Vec<String>,
}

impl Shell {
    /// A shell on a store that may hold something already.
    pub(crate) fn new(setup: Setup, manner: Manner, store: Box<dyn Store>) -> Self {
        let failing = Failing::default();
        let mut shell = Self {
            clock: HandClock::new(setup.now),
            setup,
            manner,
            record: Rc::default(),
            indoors: None,
            runtime: Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts"),
            clients: Vec::new(),
            addresses: Vec::new(),
            receivers: Receivers::new(manner.pipe),
            calls: Vec::new(),
            starts: 0,
            seen: Vec::new(),
            broken: Vec::new(),
            failing: failing.clone(),
        };
        shell.start(Box::new(Fickle { store, failing }));
        shell
    }

    fn start(&mut self, store: Box<dyn Store>) {
        self.record = Rc::default();
        let plan = Plan {
            dialects: Arc::clone(&self.setup.dialects),
            bounds: self.setup.bounds.clone(),
            seed: self.setup.seed ^ (self.starts << 32),
        };
        let settings = Settings { cores: usize::from(self.manner.cores), ..Settings::default() };
        let (clock, outside) = (Arc::new(self.clock.clone()), Arc::new(self.receivers.clone()));
        let indoors = Indoors::start(settings, clock, outside, Arc::clone(&plan.dialects), store, |birth, out| {
            Box::new(Watched { node: plan.node(birth, out), record: Rc::clone(&self.record) })
        });
        self.indoors = Some(indoors.expect("credentials in memory can be read"));
        self.starts += 1;
        self.settle();
    }

    fn indoors(&mut self) -> &mut Indoors {
        self.indoors.as_mut().expect("it is killed only within a restart")
    }

    /// Moves bytes until nothing moves; the store stands still.
    fn hand_in(&mut self) {
        for _ in 0..MAX_ROUNDS {
            let Some(indoors) = &self.indoors else { return };
            // While anything else can go on, the runtime's own time does not.
            let quiet = async { tokio::time::sleep(Duration::from_millis(1)).await };
            self.runtime.block_on(indoors.run_until(quiet));
            if !self.pump() {
                return;
            }
        }
        self.broken.push(format!("the shell did not come to rest within {MAX_ROUNDS} rounds of one instant"));
    }

    /// Lets every peer write and read what goes; whether anything went.
    fn pump(&mut self) -> bool {
        let at = self.clock.now().at;
        let mut record = self.record.borrow_mut();
        let public = record.public.drain(..).map(|public| match public {
            Public::Event(event) => Sight::Event(event),
            Public::Note(note) => Sight::Note(note),
        });
        self.seen.extend(public.map(|sight| Seen { at, sight }));
        self.broken.append(&mut record.broken);
        drop(record);

        let mut moved = false;
        for Received { posting, answer } in self.receivers.take() {
            self.seen.push(Seen { at, sight: Sight::Post(self.calls.len() as u64, posting) });
            self.calls.push(Some(answer));
            moved = true;
        }
        for (index, client) in self.clients.iter_mut().enumerate() {
            let mut shown = Vec::new();
            match client.pump(&mut shown) {
                Ok(more) => moved |= more,
                Err(why) => {
                    client.cut();
                    self.broken.push(format!("at peer {index}: {why}"));
                }
            }
            let socket = Socket(index);
            self.seen.extend(shown.into_iter().map(|shown| Seen { at, sight: Sight::Wire(socket, shown) }));
        }
        moved
    }

    /// The client of a socket; a story sends frames on nothing else.
    fn client(&mut self, socket: Socket) -> &mut Client {
        match &mut self.clients[socket.0] {
            Peer::Socket(client) => client,
            Peer::Call(_) => panic!("a call takes no frames"),
        }
    }

    /// A pipe to a core.
    fn connect(&mut self, core: u8, peer: IpAddr) -> DuplexStream {
        self.addresses.push(peer);
        let (near, far) = tokio::io::duplex(self.manner.pipe);
        let core = usize::from(core % self.manner.cores);
        self.indoors().connect(core, far, peer);
        near
    }

    /// Something happens between what was said before and what is said after.
    fn between(&mut self, happen: impl FnOnce(&mut Self)) {
        self.hand_in();
        happen(self);
        self.hand_in();
    }

    /// Moves the clock when what peers have sent lies in their pipes and nobody has read it: it comes before any timer.
    pub(crate) fn advance_over_what_is_sent(&mut self, at: Timestamp) {
        self.pump();
        self.advance(at);
    }

    /// What is left when everybody has gone: nothing.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.clients.iter_mut().for_each(Peer::leave);
        self.settle();
        let (open, known) = (self.indoors().sockets(), self.record.borrow().connections());
        if (open, known) != (0, 0) {
            self.broken.push(format!("{open} sockets and {known} connections are left when all have gone"));
        }
        self.broken
    }
}

impl Theatre for Shell {
    fn place(&self) -> String {
        let Manner { cores, pipe, patience } = self.manner;
        format!("through the shell, {cores} cores, pipes of {pipe} bytes, a peer {patience:?}").to_lowercase()
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn store(&self) -> &dyn Store {
        self.indoors.as_ref().expect("it is killed only within a restart").store()
    }

    fn life(&self, socket: Socket) -> Life {
        self.clients[socket.0].life()
    }

    fn waits_for_upgrade(&self, socket: Socket) -> bool {
        match &self.clients[socket.0] {
            Peer::Socket(client) => client.waits_for_upgrade(),
            Peer::Call(_) => false,
        }
    }

    fn open(&mut self, core: u8, request: &Request, hearing: Hearing) -> Socket {
        let near = self.connect(core, request.peer);
        let nonce = self.clients.len() as u128;
        self.clients.push(Peer::Socket(Client::new(near, request, hearing, self.manner.patience, nonce)));
        Socket(self.clients.len() - 1)
    }

    fn call(&mut self, core: u8, request: &Request) -> Socket {
        let near = self.connect(core, request.peer);
        self.clients.push(Peer::Call(Caller::new(near, request)));
        Socket(self.clients.len() - 1)
    }

    fn send(&mut self, socket: Socket, frame: Sent) {
        self.client(socket).send(&frame);
    }

    fn close(&mut self, socket: Socket, code: u16, reason: &str) {
        if let Err(why) = self.client(socket).close(code, reason) {
            self.broken.push(why);
        }
    }

    fn lose(&mut self, socket: Socket) {
        self.between(|shell| shell.clients[socket.0].leave());
    }

    fn fault(&mut self, socket: Socket, reason: Reason) -> Result<(), String> {
        self.client(socket).offend(reason)
    }

    fn dropped(&mut self, _: Socket, _: u32) -> Result<(), String> {
        Err("how many frames are dropped is the writer's business".to_owned())
    }

    fn room(&mut self, _: Socket) -> Result<(), String> {
        Err("when there is room again is the writer's business".to_owned())
    }

    fn restart(&mut self) -> Result<(), StoreError> {
        self.hand_in();
        let killed = self.indoors.take().expect("it is killed only here");
        // What its nodes hear while they die is nobody's business.
        let store = killed.kill();
        self.clients.iter_mut().for_each(Peer::cut);
        self.start(store);
        Ok(())
    }

    fn drain(&mut self, spread: Duration) {
        self.between(|shell| shell.indoors().drain(spread));
    }

    fn revoke(&mut self, id: &CredentialId) -> Result<bool, StoreError> {
        let wall = self.now().wall;
        let mut ended = Ok(false);
        self.between(|shell| {
            ended = shell.indoors().store_mut().end_credential(id, wall, wall);
            if let Err(why) = shell.indoors().refresh() {
                shell.broken.push(format!("credentials cannot be read: {why}"));
            }
        });
        ended
    }

    fn take_back(&mut self, operation: OperationId) {
        self.between(|shell| shell.indoors().take_back(operation));
    }

    fn dismiss(&mut self, socket: Socket) {
        self.between(|shell| {
            let address = shell.addresses[socket.0];
            let route = shell.record.borrow().newest_of(address);
            match route {
                Some(route) => shell.indoors().dismiss(route),
                None => shell.broken.push(format!("no session of {address} is open")),
            }
        });
    }

    fn fail_commit(&mut self) {
        self.between(|shell| fail_one_more(&shell.failing.commits));
    }

    fn fail_load(&mut self) {
        self.between(|shell| fail_one_more(&shell.failing.loads));
    }

    fn hold_commits(&mut self) {
        self.between(|shell| shell.indoors().hold_commits());
    }

    fn release_commits(&mut self) {
        self.between(|shell| shell.indoors().release_commits());
    }

    fn answer(&mut self, number: u64, status: u16) -> bool {
        let Some(call) = usize::try_from(number).ok().and_then(|number| self.calls.get_mut(number)) else {
            return false;
        };
        call.take().is_some_and(|call| call.send(status).is_ok())
    }

    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.hand_in();
            if !self.indoors().store_works() {
                let read = !self.record.borrow().pauses_now();
                for (index, client) in self.clients.iter().enumerate() {
                    let wrong = client.at_rest(read).map(|wrong| format!("at peer {index}: {wrong}"));
                    self.broken.extend(wrong);
                }
                return;
            }
        }
        self.broken.push(format!("the shell did not come to rest within {MAX_ROUNDS} commits of one instant"));
    }

    fn deadline(&self) -> Option<Timestamp> {
        let store = self.indoors.as_ref().and_then(Indoors::store_deadline);
        self.clock.deadline().into_iter().chain(store).min()
    }

    fn advance(&mut self, at: Timestamp) {
        self.clock.move_to(at);
        self.settle();
    }

    fn take_seen(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }

    fn take_broken(&mut self) -> Vec<String> {
        std::mem::take(&mut self.broken)
    }
}
