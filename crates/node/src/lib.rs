//! Where sessions and partitions meet, one value per core: it routes asks and tells, holds what a
//! partition says until its writes are durable, and keeps mail for other cores.
//!
//! Nothing here waits, reads a clock or touches a socket; the shell, the transcripts and the
//! simulation all drive this same value.

mod courier;
mod directory;
mod farewell;
mod home;
mod port;
mod refusal;
mod slot;
mod slots;
mod throttle;
mod timers;

pub use courier::{Carried, Courier, DELIVERIES_AT_ONCE, DELIVERIES_PER_ENDPOINT, DELIVERIES_UNTRUSTED};
pub use directory::{Directory, Presented};
pub use farewell::Spread;
pub use home::{LAZY_WRITES, LISTED, LISTED_MOST, REMEMBER, WRITES_PER_BATCH};
pub use port::{Ending, Input, Mail, Note, Output, Unread, Wire};
pub use slot::{LINE_BYTES, LINE_FRAMES};
pub use throttle::Throttle;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use model::{
    Ask, AskId, Call, CallId, Denied, DeviceId, DeviceSeen, Digest, Done, Frame, GroupId, Now, OperationId, Partition,
    Reason, Request, Response, Route, SessionSeen, Sight, Tell, Timestamp,
};

use dialects::{Session, Way};
use farewell::Farewell;
use home::{Home, Said, Step};
use refusal::refusal;
use slot::{Admission, HeldFrame, Slot};
use slots::Slots;
use timers::{Due, Timers};

/// One core's sessions and partitions.
#[derive(Debug)]
pub struct Node {
    config: Config,
    directory: Arc<Directory>,
    throttle: Throttle,
    slots: Slots,
    next_slot: u64,
    homes: BTreeMap<Partition, Home>,
    touched: BTreeSet<Partition>,
    timers: Timers,
    tickets: u64,
    queue: VecDeque<Work>,
    said: VecDeque<Said>,
    scratch: model::Outbox,
    /// Bytes of asks that have no answer yet.
    open_bytes: usize,
    /// Sessions that are not read because the node's credit was used up.
    starved: VecDeque<u64>,
    draining: bool,
    /// The drain's goodbyes, from its begin on.
    farewell: Option<Farewell>,
}

/// What a node is made with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which core this is, from 0.
    pub core: u8,
    /// How many cores there are; partition `p` lives on core `p % cores`.
    pub cores: u8,
    /// Every dialect's numbers.
    pub dialects: Arc<dialects::Config>,
    /// The bounds of the node itself.
    pub bounds: Bounds,
    /// Where its randomness starts.
    pub seed: u64,
}

model::settings! {
    /// The node's own bounds.
    pub struct Bounds {
        /// Asks a session may have open; beyond it its socket is not read.
        pub asks_per_session: usize = 32, 1..=1024, Choice;
        /// Bytes of asks a core may have open; beyond it no socket that wants more is read.
        pub ask_bytes: usize = 67_108_864, 65_536..=4_294_967_296, Choice;
    }
}

/// What is still to be done within a turn.
#[derive(Debug)]
enum Work {
    Tell { slot: u64, ask: Option<AskId>, tell: Tell },
    Done { slot: u64, call: CallId, done: Done },
    Ask { from: Route, partition: Partition, id: AskId, ask: Ask },
    Parted { from: Route, partition: Partition, alive: bool },
    Undelivered { operation: OperationId },
    Line(u64),
}

impl Node {
    /// A node without connections. Its partitions are loaded first; asks wait for that.
    pub fn new(config: Config, directory: Arc<Directory>, now: Now, out: &mut Vec<Output>) -> Self {
        let mine = (0..=u8::MAX).filter(|partition| partition % config.cores == config.core).map(Partition);
        let homes: BTreeMap<Partition, Home> = mine.map(|id| (id, Home::new(id))).collect();
        out.extend(homes.keys().map(|partition| Output::Load { partition: *partition }));
        let mut node = Self {
            config,
            directory: Arc::default(),
            throttle: Throttle::default(),
            slots: Slots::default(),
            next_slot: 1,
            homes,
            touched: BTreeSet::new(),
            timers: Timers::default(),
            tickets: 0,
            queue: VecDeque::new(),
            said: VecDeque::new(),
            scratch: Vec::new(),
            open_bytes: 0,
            starved: VecDeque::new(),
            draining: false,
            farewell: None,
        };
        node.replace_directory(now, directory, out);
        node
    }

    /// A route for a new connection; never given twice.
    pub fn route(&mut self) -> Route {
        let slot = self.next_slot;
        self.next_slot += 1;
        Route { core: self.config.core, slot }
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Vec<Output>) {
        match input {
            Input::Open { route, request } => self.open(now, route.slot, request, Way::Socket, out),
            Input::Request { route, request } => self.open(now, route.slot, request, Way::Call, out),
            Input::Frame { route, frame } => self.frame(now, route.slot, frame, out),
            Input::Fault { route, reason } => self.close(route.slot, reason, out),
            Input::Room { route } => self.session(now, route.slot, model::Input::Room, out),
            Input::Dropped { route, count } => self.session(now, route.slot, model::Input::Dropped(count), out),
            Input::Gone { route, ending } => self.gone(route.slot, ending, out),
            Input::Wake => self.wake(now, out),
            Input::Committed { partition, batch, result } => {
                self.home(now, partition, out, |home, step| home.committed(step, batch, result));
            }
            Input::Earlier { ticket, partition, row } => {
                self.home(now, partition, out, |home, step| home.earlier(step, ticket, row));
            }
            Input::Loaded { partition, loaded } => match loaded {
                Ok(loaded) => self.home(now, partition, out, |home, step| home.loaded(step, *loaded)),
                Err(cause) => out.push(Output::Note(Note::LoadFailed { partition, cause })),
            },
            Input::Done { route, call, done } => {
                self.session(now, route.slot, model::Input::Done { call, done }, out);
            }
            Input::Mail(mail) => self.mail(mail),
            Input::Directory(directory) => self.replace_directory(now, directory, out),
            Input::TakeBack { operation } => {
                self.home(now, operation.partition(), out, |home, step| home.take_back(step, operation));
            }
            Input::Dismiss { route } => {
                let tell = model::Input::Tell { ask: None, tell: Tell::Dismissed };
                self.session(now, route.slot, tell, out);
            }
            Input::Drain { spread } => self.drain(now, spread, out),
        }
        self.settle_down(now, out);
    }

    /// When [`Input::Wake`] is wanted, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.timers.first()
    }

    /// How many connections are open, and how many of them are logged in.
    #[must_use]
    pub fn sessions(&self) -> (usize, usize) {
        let inside = |slot: &Slot| matches!(slot.admission, Admission::Inside(_)) && slot.closing.is_none();
        (self.slots.len(), self.slots.ids(inside).len())
    }

    /// The devices of this core's partitions that an operator may see, partition by partition, those after `after`.
    #[must_use]
    pub fn devices(&self, sight: &Sight, after: Option<&(GroupId, DeviceId)>, most: usize) -> Vec<DeviceSeen> {
        let begun = after.map(|(group, _)| Partition::of(group));
        let mut seen = Vec::new();
        for (id, home) in self.homes.range(begun.unwrap_or(Partition(0))..) {
            let after = after.filter(|_| begun == Some(*id));
            seen.extend(home.devices(sight, after, most - seen.len()));
            if seen.len() == most {
                break;
            }
        }
        seen
    }

    /// The sessions of this core that an operator may see, oldest first, those after the slot `after`.
    #[must_use]
    pub fn sessions_seen(&self, sight: &Sight, after: Option<u64>, most: usize) -> Vec<SessionSeen> {
        let is_seen = |slot: &Slot| slot.group_seen().is_some_and(|group| sight.sees(group));
        let of = |id: u64| self.slots.get(id).and_then(|slot| slot.seen(self.here(id)));
        self.slots.first(after, most, is_seen).into_iter().filter_map(of).collect()
    }

    /// Whose session that is, if it is in.
    #[must_use]
    pub fn session_seen(&self, route: Route) -> Option<SessionSeen> {
        self.slots.get(route.slot).and_then(|slot| slot.seen(route)).filter(|_| route.core == self.config.core)
    }

    /// Whether it drains and nothing is on its way to the store any more: it can be let go.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.draining && self.homes.values().all(Home::is_settled)
    }

    /// How many partitions of this core are not loaded yet.
    #[must_use]
    pub fn loading(&self) -> usize {
        self.homes.values().filter(|home| home.is_loading()).count()
    }

    fn open(&mut self, now: Now, slot: u64, request: &Request, way: Way, out: &mut Vec<Output>) {
        let route = self.here(slot);
        let refuse = |out: &mut Vec<Output>, response| {
            let wire = match way {
                Way::Socket => Wire::Refuse(response),
                Way::Call => Wire::Respond(response),
            };
            out.push(Output::Wire { route, wire });
        };
        if let Some(farewell) = &mut self.farewell {
            let mut response = refusal::error(503, "draining", "going away, come back soon");
            let seconds = farewell.turn_away(now.at).as_millis().div_ceil(1000).max(1);
            response.headers.push(("retry-after", seconds.to_string()));
            return refuse(out, response);
        }
        let seed = seed_of(self.config.seed, route);
        let door = dialects::door(request, way);
        let session = door.and_then(|door| Session::new(&self.config.dialects, door, seed, now).map(|it| (door, it)));
        let Some((door, session)) = session else {
            out.push(Output::Note(Note::NoDoor { route }));
            return refuse(out, refusal::error(404, "not_found", "nothing is served under this path"));
        };
        self.slots.insert(slot, Slot::new(now.wall, door, session, request));
        let input = match way {
            Way::Socket => model::Input::Open(request),
            Way::Call => model::Input::Request(request),
        };
        self.session(now, slot, input, out);
    }

    fn frame(&mut self, now: Now, slot: u64, frame: Frame<'_>, out: &mut Vec<Output>) {
        let most = self.config.bounds.asks_per_session;
        let Some(held) = self.slots.get_mut(slot).filter(|slot| slot.closing.is_none()) else { return };
        if held.must_hold(most) {
            held.hold(HeldFrame::hold(frame));
            self.pace(slot, out);
        } else {
            self.session(now, slot, model::Input::Frame(frame), out);
        }
    }

    /// Feeds one input to a session's machine and does what it says.
    fn session(&mut self, now: Now, id: u64, input: model::Input<'_>, out: &mut Vec<Output>) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.closing.is_none()) else { return };
        let mut outputs = std::mem::take(&mut self.scratch);
        let handled = catch_unwind(AssertUnwindSafe(|| slot.session.handle(now, input, &mut outputs)));
        if handled.is_err() {
            outputs.clear();
            self.scratch = outputs;
            return self.close(id, Reason::Fault, out);
        }
        for output in outputs.drain(..) {
            self.output(now, id, output, out);
        }
        self.scratch = outputs;
        self.arm_slot(id);
        if !self.slots.get(id).is_some_and(Slot::is_quiet) {
            self.queue.push_back(Work::Line(id));
        }
    }

    /// Does one thing a session says; what it says after its end is not heard.
    fn output(&mut self, now: Now, id: u64, output: model::Output, out: &mut Vec<Output>) {
        if self.slots.get(id).is_none_or(|slot| slot.closing.is_some()) {
            return;
        }
        let route = self.here(id);
        let wire = match output {
            model::Output::Accept => {
                if let Some(slot) = self.slots.get_mut(id) {
                    slot.accepted = true;
                }
                Wire::Accept
            }
            model::Output::Send { text, class } => Wire::Send { text, class },
            model::Output::Ping => Wire::Ping,
            model::Output::Limit(bytes) => Wire::Limit(bytes),
            model::Output::Refuse(response) | model::Output::Respond(response) => {
                return self.refuse(id, response, out);
            }
            model::Output::Close { code, reason } if self.slots.get(id).is_some_and(|slot| slot.accepted) => {
                self.closed(id, reason);
                Wire::Close { code, reason }
            }
            // There is no socket yet that could be closed.
            model::Output::Close { reason, .. } => return self.refuse(id, refusal(reason), out),
            model::Output::Ask { id: ask_id, ask } => return self.session_asks(id, ask_id, ask),
            model::Output::Call { id: call, call: Call::Authenticate { dialect, role, subject, secret, proof } } => {
                let (subject_text, proof) = (subject.as_deref(), proof.as_ref());
                let certificate = self.slots.get(id).and_then(|slot| slot.certificate);
                let presented = Presented { role, subject: subject_text, secret: &secret, proof, certificate };
                let result = self.authenticate(now, id, dialect, &presented);
                if let Err(denied) = result {
                    out.push(Output::Note(Note::LoginRefused { route, dialect, role, subject, denied }));
                }
                self.queue.push_back(Work::Done { slot: id, call, done: Done::Authenticated(result) });
                return;
            }
            model::Output::Call { id: call, call: work @ (Call::Endpoints { .. } | Call::Draw | Call::Post(_)) } => {
                return out.push(Output::Call { route, call, work });
            }
        };
        out.push(Output::Wire { route, wire });
    }

    fn authenticate(
        &mut self,
        now: Now,
        slot: u64,
        dialect: model::Dialect,
        presented: &Presented<'_>,
    ) -> Result<Arc<model::Principal>, Denied> {
        let Some(peer) = self.slots.get(slot).map(|slot| slot.peer) else { return Err(Denied::Unknown) };
        // Thirty tills may stand behind one address: where nobody names itself, each key is counted by itself.
        let key = || presented.secret.digest().0[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let name = presented.subject.map_or_else(key, ToOwned::to_owned);
        let who = format!("{peer} {dialect} {name}");
        if let Some(wait) = self.throttle.wait(now.at, peer, &who) {
            return Err(Denied::Throttled(wait));
        }
        let result = self.directory.authenticate(now.wall, dialect, presented);
        match &result {
            Ok(_) => self.throttle.succeeded(&who),
            Err(_) => self.throttle.failed(now.at, peer, &who),
        }
        result
    }

    fn session_asks(&mut self, id: u64, ask_id: AskId, ask: Ask) {
        let from = self.here(id);
        let Some(slot) = self.slots.get_mut(id) else { return };
        let partition = match &ask {
            Ask::Admit(admit) => {
                slot.principal = Some(Arc::clone(&admit.principal));
                slot.device.clone_from(&admit.device);
                slot.admission = Admission::Asked(ask_id, admit.principal.partition);
                admit.principal.partition
            }
            Ask::Leave { .. }
            | Ask::Submit(_)
            | Ask::Cancel { .. }
            | Ask::Answer(_)
            | Ask::Serve { .. }
            | Ask::Listen { .. }
            | Ask::Devices
            | Ask::Look { .. } => match slot.admission.partition() {
                Some(partition) => partition,
                None => return,
            },
        };
        self.open_bytes += slot.asked(ask_id, &ask);
        self.queue.push_back(Work::Ask { from, partition, id: ask_id, ask });
    }

    /// We close: the session hands back what it was lent and is over for its partition.
    fn closed(&mut self, id: u64, reason: Reason) {
        let from = self.here(id);
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.closing = Some(reason);
        self.timers.disarm(&mut slot.armed, Due::Slot(id));
        self.open_bytes -= slot.open_bytes();
        if let Some(partition) = slot.admission.partition() {
            let ask = Ask::Leave { windows: slot.session.leave() };
            self.queue.push_back(Work::Ask { from, partition, id: AskId(u32::MAX), ask });
        }
    }

    fn close(&mut self, id: u64, reason: Reason, out: &mut Vec<Output>) {
        let Some(slot) = self.slots.get(id).filter(|slot| slot.closing.is_none()) else { return };
        if !slot.accepted {
            return self.refuse(id, refusal(reason), out);
        }
        let code = dialects::close_code(slot.door.dialect, reason);
        out.push(Output::Wire { route: self.here(id), wire: Wire::Close { code, reason } });
        self.closed(id, reason);
    }

    /// Refuses an upgrade, or answers a call: the session is over and never had a socket.
    fn refuse(&mut self, id: u64, response: Response, out: &mut Vec<Output>) {
        self.closed(id, Reason::Finished);
        let way = self.slots.remove(id).map(|slot| slot.door.way);
        let wire = if way == Some(Way::Call) { Wire::Respond(response) } else { Wire::Refuse(response) };
        out.push(Output::Wire { route: self.here(id), wire });
    }

    fn gone(&mut self, id: u64, ending: Ending, out: &mut Vec<Output>) {
        if self.slots.get(id).is_some_and(|slot| slot.closing.is_none()) {
            self.closed(id, ending.reason);
        }
        let Some(slot) = self.slots.remove(id) else { return };
        let route = self.here(id);
        let reason = slot.closing.unwrap_or(ending.reason);
        if let (Reason::Displaced, Some(partition)) = (reason, slot.admission.partition()) {
            self.queue.push_back(Work::Parted { from: route, partition, alive: ending.completed });
        }
        let principal = slot.principal.map(|principal| principal.id.clone());
        out.push(Output::Note(Note::Ended { route, dialect: Some(slot.door.dialect), principal, reason }));
    }

    fn wake(&mut self, now: Now, out: &mut Vec<Output>) {
        for due in self.timers.take_due(now.at) {
            match due {
                Due::Slot(id) => {
                    let Some(slot) = self.slots.get_mut(id) else { continue };
                    slot.armed = None;
                    // A deadline that moved on while its timer stood still is only looked at again.
                    if slot.session.deadline().is_some_and(|deadline| deadline <= now.at) {
                        self.session(now, id, model::Input::Wake, out);
                    } else {
                        self.arm_slot(id);
                    }
                }
                Due::Home(partition) => {
                    self.home(now, partition, out, |home, step| {
                        home.armed = None;
                        home.wake(step);
                    });
                }
                Due::Credentials => self.check_credentials(now, out),
                Due::Farewell => self.say_goodbye(now, out),
            }
            self.settle_down(now, out);
        }
    }

    fn mail(&mut self, mail: Mail) {
        self.queue.push_back(match mail {
            Mail::Ask { from, partition, id, ask } => Work::Ask { from, partition, id, ask },
            Mail::Parted { from, partition, alive } => Work::Parted { from, partition, alive },
            Mail::Undelivered { operation } => Work::Undelivered { operation },
            Mail::Tell { to, ask, tell } => Work::Tell { slot: to.slot, ask, tell },
        });
    }

    fn replace_directory(&mut self, now: Now, directory: Arc<Directory>, out: &mut Vec<Output>) {
        self.directory = directory;
        self.check_credentials(now, out);
    }

    /// Ends the sessions whose credential is good no more, and looks again when the next one expires.
    fn check_credentials(&mut self, now: Now, out: &mut Vec<Output>) {
        let directory = Arc::clone(&self.directory);
        let good = |slot: &Slot| slot.principal.as_ref().is_none_or(|who| directory.is_good(&who.credential, now.wall));
        for id in self.slots.ids(|slot| !good(slot)) {
            self.session(now, id, model::Input::Tell { ask: None, tell: Tell::Revoked }, out);
        }
        self.timers.forget(Due::Credentials);
        if let Some(expiry) = self.directory.next_expiry(now.wall) {
            let pause = Duration::from_millis(expiry.millis().saturating_sub(now.wall.millis()));
            self.timers.set(now.at.after(pause), Due::Credentials);
        }
    }

    fn drain(&mut self, now: Now, spread: Spread, out: &mut Vec<Output>) {
        self.draining = true;
        self.touched.extend(self.homes.keys());
        self.farewell = Some(Farewell::new(now.at, spread, self.slots.ids(|_| true)));
        self.say_goodbye(now, out);
    }

    /// Tells those whose turn it is to go, and looks again when the next one's is.
    fn say_goodbye(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(mut farewell) = self.farewell.take() else { return };
        while let Some((id, retry_after)) = farewell.next(now.at) {
            self.session(now, id, model::Input::Drain { retry_after }, out);
        }
        if let Some(at) = farewell.deadline() {
            self.timers.set(at, Due::Farewell);
        }
        self.farewell = Some(farewell);
    }

    /// Does everything that follows within this core, until nothing more does.
    fn settle_down(&mut self, now: Now, out: &mut Vec<Output>) {
        loop {
            while let Some(said) = self.said.pop_front() {
                self.say(said, out);
            }
            let Some(work) = self.queue.pop_front() else { break };
            self.work(now, work, out);
        }
        for partition in std::mem::take(&mut self.touched) {
            self.home(now, partition, out, Home::flush);
            self.touched.remove(&partition);
            self.arm_home(partition);
        }
    }

    fn work(&mut self, now: Now, work: Work, out: &mut Vec<Output>) {
        match work {
            Work::Tell { slot, ask, tell } => self.tell(now, slot, ask, tell, out),
            Work::Done { slot, call, done } => self.session(now, slot, model::Input::Done { call, done }, out),
            Work::Line(id) => {
                let most = self.config.bounds.asks_per_session;
                let frame = self.slots.get_mut(id).and_then(|slot| slot.next_held(most));
                match frame {
                    Some(frame) => self.session(now, id, model::Input::Frame(frame.frame()), out),
                    None => self.pace(id, out),
                }
            }
            Work::Ask { from, partition, id, ask } => match self.core_of(partition) {
                core if core == self.config.core => {
                    self.home(now, partition, out, |home, step| home.ask(step, from, id, ask));
                }
                to => out.push(Output::Mail { to, mail: Mail::Ask { from, partition, id, ask } }),
            },
            Work::Parted { from, partition, alive } => match self.core_of(partition) {
                core if core == self.config.core => {
                    self.home(now, partition, out, |home, step| home.parted(step, from, alive));
                }
                to => out.push(Output::Mail { to, mail: Mail::Parted { from, partition, alive } }),
            },
            Work::Undelivered { operation } => match self.core_of(operation.partition()) {
                core if core == self.config.core => {
                    self.home(now, operation.partition(), out, |home, step| home.undelivered(step, operation));
                }
                to => out.push(Output::Mail { to, mail: Mail::Undelivered { operation } }),
            },
        }
    }

    fn say(&mut self, said: Said, out: &mut Vec<Output>) {
        match said {
            Said::Tell { to, ask, tell } if to.core == self.config.core => {
                self.queue.push_back(Work::Tell { slot: to.slot, ask, tell });
            }
            Said::Tell { to, ask, tell } => out.push(Output::Mail { to: to.core, mail: Mail::Tell { to, ask, tell } }),
            Said::Event(event) => out.push(Output::Event(event)),
        }
    }

    fn tell(&mut self, now: Now, id: u64, ask: Option<AskId>, tell: Tell, out: &mut Vec<Output>) {
        let route = self.here(id);
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.closing.is_none()) else {
            if let Tell::Outcome { operation, .. } = tell {
                self.queue.push_back(Work::Undelivered { operation });
            }
            return;
        };
        if let Some(ask) = ask {
            self.open_bytes -= slot.answered(ask);
        }
        if let (Tell::Admitted { .. }, Admission::Asked(_, partition)) = (&tell, slot.admission) {
            slot.admission = Admission::Inside(partition);
            if let (Some(who), Way::Socket) = (&slot.principal, slot.door.way) {
                out.push(Output::Note(Note::LoggedIn {
                    route,
                    dialect: slot.door.dialect,
                    role: who.role,
                    group: who.group.clone(),
                    principal: who.id.clone(),
                }));
            }
        }
        self.session(now, id, model::Input::Tell { ask, tell }, out);
        self.feed_starved();
    }

    /// Reads a socket or lets it wait, as the session and the node have room.
    fn pace(&mut self, id: u64, out: &mut Vec<Output>) {
        let most = self.config.bounds.asks_per_session;
        let broke = self.open_bytes >= self.config.bounds.ask_bytes;
        let route = self.here(id);
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.closing.is_none()) else { return };
        let starves = broke && slot.open_bytes() > 0;
        if !slot.paused && (slot.is_full(most) || starves) {
            slot.paused = true;
            out.push(Output::Wire { route, wire: Wire::Pause });
            if starves {
                self.starved.push_back(id);
            }
        } else if slot.paused && slot.is_free(most) && !starves {
            slot.paused = false;
            out.push(Output::Wire { route, wire: Wire::Resume });
        }
    }

    /// Credit came back: sessions that waited for it are looked at again.
    fn feed_starved(&mut self) {
        if self.open_bytes < self.config.bounds.ask_bytes {
            self.queue.extend(self.starved.drain(..).map(Work::Line));
        }
    }

    fn home(
        &mut self,
        now: Now,
        partition: Partition,
        out: &mut Vec<Output>,
        step: impl FnOnce(&mut Home, &mut Step<'_>),
    ) {
        let Some(home) = self.homes.get_mut(&partition) else { return };
        let (dialects, tickets, said) = (&self.config.dialects, &mut self.tickets, &mut self.said);
        step(home, &mut Step { now, dialects, tickets, draining: self.draining, said, out });
        self.touched.insert(partition);
    }

    fn arm_slot(&mut self, id: u64) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.closing.is_none()) else { return };
        let Some(deadline) = slot.session.deadline() else { return };
        self.timers.arm(&mut slot.armed, deadline, Due::Slot(id));
    }

    fn arm_home(&mut self, partition: Partition) {
        let Some(home) = self.homes.get_mut(&partition) else { return };
        let Some(deadline) = home.deadline() else { return };
        self.timers.arm(&mut home.armed, deadline, Due::Home(partition));
    }

    const fn core_of(&self, partition: Partition) -> u8 {
        partition.0 % self.config.cores
    }

    const fn here(&self, slot: u64) -> Route {
        Route { core: self.config.core, slot }
    }
}

/// Where a session's randomness starts: neighbours share no numbers, and nobody learns ours from what it draws.
fn seed_of(seed: u64, route: Route) -> u64 {
    let mut whole = [0; 17];
    whole[..8].copy_from_slice(&seed.to_be_bytes());
    whole[8..16].copy_from_slice(&route.slot.to_be_bytes());
    whole[16] = route.core;
    let [a, b, c, d, e, f, g, h, ..] = Digest::of(&whole).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_sessions_draw_no_number_twice() {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let routes = (0..4).flat_map(|core| (1..=1_000).map(move |slot| Route { core, slot }));
        let draws = |route| (0..50_u64).map(move |draw| seed_of(7, route).wrapping_add(draw.wrapping_mul(STEP)));
        let drawn: BTreeSet<u64> = routes.flat_map(draws).collect();
        assert_eq!(drawn.len(), 4 * 1_000 * 50);
    }
}
