//! One core: its machine, its slots, and the turns between them.
//!
//! A turn is one input to the machine and everything that follows from it, done at once: frames go into slots, writes to
//! the store thread, mail into batches for other cores. Nothing here awaits, so nothing is borrowed across an await.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use axum::Router;
use bytes::{Bytes, BytesMut};
use dialects::{Door, Way};
use model::{
    Call, CallId, Class, CloseCode, Commit, CommitError, Done, EndpointWork, Now, Partition, Posted, Reason, Request,
    Route, Secret, Timestamp,
};
use node::{Ending, Input, Note, Output, Unread, Wire};
use tokio::sync::Notify;
use websocket::{ControlPayload, Message};
use zeroize::Zeroizing;

use crate::clock::{Clock, Sleep};
use crate::inbox::{Inbox, Letter, Order};
use crate::machine::Machine;
use crate::mailroom::Errand;
use crate::metrics::{CoreCounters, Metrics};
use crate::notes;
use crate::operators;
use crate::queue::Spares;
use crate::refusals::Refusals;
use crate::running::House;
use crate::settings::Settings;
use crate::slot::{Decision, Slot};
use crate::storage::{Job, Question, StoreDesk};

/// Connections woken or letters handled before others get a turn.
const SLICE: usize = 64;

/// Bytes read from a socket at once; one buffer for all connections of a core. A peer that has more to say waits for the
/// others' turn.
const READ_BYTES: usize = 16 * 1024;

/// One thread's share of everything.
pub(crate) struct Core {
    number: u8,
    machine: RefCell<Box<dyn Machine>>,
    slots: RefCell<HashMap<u64, Rc<RefCell<Slot>>, BuildHasherDefault<NumberHasher>>>,
    /// The slot whose connection is being polled: it looks at its slot itself and needs no wake.
    polled: Cell<Option<u64>>,
    /// Slots to wake beyond the first [`SLICE`] of a turn.
    paced: RefCell<VecDeque<Rc<RefCell<Slot>>>>,
    outputs: RefCell<Vec<Output>>,
    /// How many of the slots are calls.
    calls: Cell<usize>,
    /// Bytes of calls' bodies that are being read.
    body_bytes: Cell<usize>,
    /// Which refused logins are logged.
    refusals: RefCell<Refusals>,
    /// Mail of this turn, by core.
    mail: RefCell<Vec<Vec<Letter>>>,
    /// What the store is to write and to read once whoever is ready now has had a turn: one job of each, so that its
    /// thread is woken once and finds all there is.
    commits: RefCell<Vec<Commit>>,
    questions: RefCell<Vec<Question>>,
    /// Partitions to load that this turn asked for.
    loads: RefCell<Vec<Partition>>,
    /// When the machine wants to be woken.
    deadline: Cell<Option<Timestamp>>,
    /// Rings when there is something for [`Core::run`] that its inbox does not know of.
    bell: Notify,
    /// The telemetry frame encoded last, by its text: fan-out tells many listeners the same one after the other.
    encoded: RefCell<(Bytes, Bytes)>,
    pub(crate) spares: RefCell<Spares>,
    pub(crate) read_buffer: RefCell<Box<[u8]>>,
    pub(crate) house: Arc<House>,
    desk: StoreDesk,
    /// The operators' API.
    operators: Router,
}

impl Core {
    pub(crate) fn new(number: u8, machine: Box<dyn Machine>, house: Arc<House>, desk: StoreDesk) -> Rc<Self> {
        let cores = house.inboxes.len();
        Rc::new(Self {
            number,
            machine: RefCell::new(machine),
            slots: RefCell::default(),
            polled: Cell::new(None),
            paced: RefCell::default(),
            outputs: RefCell::default(),
            calls: Cell::default(),
            body_bytes: Cell::default(),
            refusals: RefCell::default(),
            mail: RefCell::new((0..cores).map(|_| Vec::new()).collect()),
            commits: RefCell::default(),
            questions: RefCell::default(),
            loads: RefCell::default(),
            deadline: Cell::new(None),
            bell: Notify::new(),
            encoded: RefCell::default(),
            spares: RefCell::default(),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
            operators: operators::router(&house, &desk),
            house,
            desk,
        })
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.house.clock
    }

    pub(crate) fn now(&self) -> Now {
        self.house.clock.now()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.house.settings
    }

    pub(crate) fn operators(&self) -> Router {
        self.operators.clone()
    }

    pub(crate) fn counters(&self) -> &CoreCounters {
        self.house.metrics.core(self.number)
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.house.metrics
    }

    fn inbox(&self) -> &Inbox {
        &self.house.inboxes[usize::from(self.number)]
    }

    /// Does what the machine said when it was born.
    pub(crate) fn begin(&self, mut born: Vec<Output>) {
        self.follow(&mut born);
        self.settle();
        self.count_loading();
    }

    /// Serves the inbox, the machine's deadline and the paced wakes until told to stop.
    pub(crate) async fn run(&self) {
        let mut armed: Option<(Timestamp, Sleep)> = None;
        loop {
            let letters = self.inbox().take();
            let mut loaded = false;
            for (index, letter) in letters.into_iter().enumerate() {
                if index % SLICE == SLICE - 1 {
                    self.hand_over();
                    tokio::task::yield_now().await;
                }
                loaded |= matches!(letter, Letter::Loaded { .. });
                match letter.into_order() {
                    Order::Input(input) => self.turn(input),
                    Order::Look(look) => look(&**self.machine.borrow()),
                    Order::Stop => return self.hand_over(),
                }
            }
            if loaded {
                self.count_loading();
            }
            self.wake_if_due();
            self.hand_over();
            if self.wake_paced() {
                tokio::task::yield_now().await;
                continue;
            }
            // Fire early and recompute: an armed timer is only ever replaced by an earlier one.
            let wanted = self.deadline.get();
            if let Some(at) = wanted
                && armed.as_ref().is_none_or(|(armed, _)| at < *armed)
            {
                armed = Some((at, self.clock().until(at)));
            }
            let fired = async {
                match &mut armed {
                    Some((_, sleep)) => sleep.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.inbox().rung() => {}
                () = self.bell.notified() => {}
                () = fired => armed = None,
            }
        }
    }

    fn wake_if_due(&self) {
        if self.deadline.get().is_some_and(|at| at <= self.now().at) {
            self.turn(Input::Wake);
        }
    }

    /// Hands the store what has gathered for it.
    fn hand_over(&self) {
        let commits = self.commits.take();
        if !commits.is_empty() {
            let whose: Vec<_> = commits.iter().map(|commit| (commit.partition, commit.batch)).collect();
            if let Err(cause) = self.desk.send(Job::Commit { core: self.number, commits }) {
                let failed = |(partition, batch)| {
                    let result = Err(CommitError::Unavailable(Arc::clone(&cause)));
                    Letter::Committed { partition, batch, result }
                };
                self.inbox().deliver(&mut whose.into_iter().map(failed).collect());
            }
        }
        let questions = self.questions.take();
        if !questions.is_empty() {
            let whose: Vec<_> = questions.iter().map(|question| (question.ticket, question.partition)).collect();
            if let Err(cause) = self.desk.read(Job::Earlier { core: self.number, questions }) {
                let unread = |(ticket, partition)| {
                    let row = Err(Unread::Unavailable(Arc::clone(&cause)));
                    Letter::Earlier { ticket, partition, row }
                };
                self.inbox().deliver(&mut whose.into_iter().map(unread).collect());
            }
        }
    }

    /// Wakes the next few of those that wait for their wake; whether there were any.
    fn wake_paced(&self) -> bool {
        let mut paced = self.paced.borrow_mut();
        if paced.is_empty() {
            return false;
        }
        let few = paced.len().min(SLICE);
        for slot in paced.drain(..few) {
            slot.borrow().wake();
        }
        if paced.is_empty() {
            *paced = VecDeque::new();
        }
        true
    }

    /// One input, and everything that follows from it.
    pub(crate) fn turn(&self, input: Input<'_>) {
        self.step(self.now(), input);
        self.settle();
    }

    /// One of several inputs of one moment, such as frames that came together; [`Core::settle`] comes after the last.
    pub(crate) fn step(&self, now: Now, input: Input<'_>) {
        let route = route_of(&input);
        let mut outputs = self.outputs.take();
        let handled = catch_unwind(AssertUnwindSafe(|| {
            self.machine.borrow_mut().handle(now, input, &mut outputs);
        }));
        if handled.is_ok() {
            self.follow(&mut outputs);
        } else {
            outputs.clear();
            self.panicked(route);
        }
        outputs.shrink_to(SLICE * 16);
        self.outputs.replace(outputs);
    }

    /// The machine broke in the middle of a turn. Its outputs are gone; the connection it was for is closed.
    fn panicked(&self, route: Option<Route>) {
        self.counters().panics.add(1);
        tracing::error!(
            core = self.number,
            slot = route.map(|route| route.slot),
            "turn panicked, connection is closed"
        );
        if let Some(slot) = route.and_then(|route| self.slot(route)) {
            slot.borrow_mut().close.get_or_insert((CloseCode::FAULT, Reason::Fault));
            self.wake_slot(&slot, 0);
        }
    }

    /// Does what the machine said, in order. Never calls it.
    fn follow(&self, outputs: &mut Vec<Output>) {
        let mut wakes = 0;
        for output in outputs.drain(..) {
            match output {
                Output::Wire { route, wire } => self.wire(route, wire, &mut wakes),
                Output::Commit(commit) => {
                    self.commits.borrow_mut().push(commit);
                    self.bell.notify_one();
                }
                Output::Earlier { ticket, partition, group, key } => {
                    self.questions.borrow_mut().push(Question { ticket, partition, group, key });
                    self.bell.notify_one();
                }
                Output::Load { partition } => self.loads.borrow_mut().push(partition),
                Output::Call { route, call, work } => self.call_out(route, call, work),
                Output::Mail { to, mail } => {
                    if let Some(batch) = self.mail.borrow_mut().get_mut(usize::from(to)) {
                        batch.push(Letter::Mail(mail));
                    }
                }
                Output::Event(event) => {
                    notes::event(&event, self.metrics());
                    self.house.office.ring.push(event);
                }
                Output::Note(note) => self.note(&note),
            }
        }
    }

    /// Slow work for a session.
    fn call_out(&self, route: Route, call: CallId, work: Call) {
        let done = match work {
            Call::Endpoints { group, work } => {
                let only_looks = work == EndpointWork::List;
                let job = Job::Endpoints { core: self.number, route, call, group, work };
                let sent = if only_looks { self.desk.read(job) } else { self.desk.send(job) };
                if sent.is_ok() {
                    return;
                }
                Done::Endpoints(None)
            }
            Call::Post(post) => {
                if self.desk.poster().send(Errand::Call { core: self.number, route, call, post }) {
                    return;
                }
                Done::Posted(Posted::Unreachable)
            }
            Call::Draw => Done::Drawn(drawn()),
            // The node answers that itself.
            Call::Authenticate { .. } => return,
        };
        self.inbox().deliver_one(Letter::Done { route, call, done });
    }

    /// Logs a note and counts what it says has changed.
    fn note(&self, note: &Note) {
        let route = match note {
            Note::NoDoor { route } | Note::LoginRefused { route, .. } | Note::LoggedIn { route, .. } => Some(*route),
            Note::Ended { .. } | Note::LoadFailed { .. } | Note::RowDamaged { .. } => None,
            Note::CommitFailed { .. } => {
                self.count_loading();
                None
            }
        };
        let slot = route.and_then(|route| self.slot(route));
        let peer = slot.as_ref().map(|slot| slot.borrow().peer);
        notes::note(note, self.now().at, peer, self.metrics(), &mut self.refusals.borrow_mut());
        if let (Note::LoggedIn { .. }, Some(slot)) = (note, slot) {
            slot.borrow_mut().logged_in = true;
            self.counters().logged_in.add(1);
        }
    }

    /// What a turn leaves for others leaves now: one batch and one wake each.
    pub(crate) fn settle(&self) {
        for (batch, inbox) in self.mail.borrow_mut().iter_mut().zip(&self.house.inboxes) {
            inbox.deliver(batch);
        }
        let partitions = self.loads.take();
        if !partitions.is_empty()
            && let Err(cause) = self.desk.send(Job::Load { core: self.number, partitions })
        {
            tracing::error!(%cause, "partitions cannot be loaded");
        }
        if self.house.is_draining() {
            self.house.settled(self.number, self.machine.borrow().is_settled());
        }
        let mut refusals = self.refusals.borrow_mut();
        if refusals.any() {
            notes::silenced(&refusals.over(self.now().at));
        }
        let deadline = self.machine.borrow().deadline();
        if deadline.is_some_and(|at| self.deadline.get().is_none_or(|before| at < before)) {
            self.bell.notify_one();
        }
        self.deadline.set(deadline);
    }

    fn wire(&self, route: Route, wire: Wire, wakes: &mut usize) {
        let Some(slot) = self.slot(route) else { return };
        let over = matches!(wire, Wire::Refuse(_) | Wire::Respond(_));
        {
            let mut slot = slot.borrow_mut();
            let slot = &mut *slot;
            match wire {
                Wire::Accept => slot.decision = Decision::Accepted,
                Wire::Refuse(response) => {
                    notes::refused(route, slot.peer, response.status);
                    slot.decision = Decision::Answered(Box::new(response));
                }
                Wire::Respond(response) => {
                    slot.decision = Decision::Answered(Box::new(response));
                }
                Wire::Send { text, class } => self.send(slot, text, class),
                Wire::Ping => {
                    if slot.takes_frames() {
                        slot.queue.push(&Message::Ping(ControlPayload::EMPTY), &mut self.spares.borrow_mut());
                    }
                }
                Wire::Close { code, reason } => {
                    slot.close.get_or_insert((code, reason));
                }
                Wire::Limit(limit) => slot.limit = Some(limit),
                Wire::Pause => slot.paused = true,
                Wire::Resume => slot.paused = false,
            }
        }
        *wakes += 1;
        self.wake_slot(&slot, *wakes);
        if over {
            self.forget(route);
        }
    }

    /// Takes the slot out; whether it was there.
    fn forget(&self, route: Route) -> bool {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.remove(&route.slot) else { return false };
        if slot.borrow().logged_in {
            self.counters().logged_in.take(1);
        }
        if slot.borrow().way == Way::Call {
            self.calls.set(self.calls.get() - 1);
        }
        self.counters().open.set((slots.len() - self.calls.get()) as u64);
        if slots.capacity() > 1024 && slots.len() < slots.capacity() / 8 {
            slots.shrink_to_fit();
        }
        true
    }

    fn send(&self, slot: &mut Slot, text: Bytes, class: Class) {
        if !slot.takes_frames() {
            return;
        }
        match class {
            Class::Answer => match std::str::from_utf8(&text) {
                Ok(text) => slot.queue.push(&Message::text(text), &mut self.spares.borrow_mut()),
                Err(_) => return tracing::error!("outgoing text is not utf-8, dropped"),
            },
            Class::Telemetry => {
                let Some(frame) = self.encoded_once(text) else { return };
                slot.queue.push_telemetry(frame, self.settings().telemetry_most);
            }
        }
        self.counters().frames_out.add(1);
    }

    /// The frame for a text; the one just encoded when it is the same text for another listener.
    fn encoded_once(&self, text: Bytes) -> Option<Bytes> {
        let mut last = self.encoded.borrow_mut();
        // While `last` holds the text, nobody else's can lie at its address.
        if last.0.as_ptr() != text.as_ptr() || last.0.len() != text.len() || text.is_empty() {
            let Ok(valid) = std::str::from_utf8(&text) else {
                tracing::error!("outgoing text is not utf-8, dropped");
                return None;
            };
            let frame = websocket::shared(&Message::text(valid));
            *last = (text, frame);
        }
        Some(last.1.clone())
    }

    /// Wakes a connection, now or, when a turn has woken many, in its order.
    fn wake_slot(&self, slot: &Rc<RefCell<Slot>>, wakes: usize) {
        if self.polled.get() == Some(slot.borrow().route.slot) {
            return;
        }
        if wakes <= SLICE {
            slot.borrow().wake();
            return;
        }
        self.paced.borrow_mut().push_back(Rc::clone(slot));
        self.bell.notify_one();
    }

    fn slot(&self, route: Route) -> Option<Rc<RefCell<Slot>>> {
        self.slots.borrow().get(&route.slot).map(Rc::clone)
    }

    /// A peer asks to open, or makes a call: the machine is told, its decision comes into the slot.
    pub(crate) fn open(&self, request: &Request, way: Way) -> Rc<RefCell<Slot>> {
        let route = self.machine.borrow_mut().route();
        let slot = Rc::new(RefCell::new(Slot::new(route, request.peer, way)));
        let mut slots = self.slots.borrow_mut();
        slots.insert(route.slot, Rc::clone(&slot));
        if way == Way::Call {
            self.calls.set(self.calls.get() + 1);
        }
        self.counters().open.set((slots.len() - self.calls.get()) as u64);
        drop(slots);
        self.turn(match way {
            Way::Socket => Input::Open { route, request },
            Way::Call => Input::Request { route, request },
        });
        slot
    }

    /// The door a request knocks at; none when nobody serves it.
    pub(crate) fn door(&self, request: &Request, way: Way) -> Option<Door> {
        self.machine.borrow().door(request, way)
    }

    /// Counts bytes of a call's body in; false, and nothing counted, when there are too many.
    pub(crate) fn take_body_bytes(&self, count: usize) -> bool {
        let bytes = self.body_bytes.get() + count;
        let fits = bytes <= self.settings().call_bytes_most;
        if fits {
            self.body_bytes.set(bytes);
        }
        fits
    }

    /// Counts them out again.
    pub(crate) fn give_body_bytes(&self, count: usize) {
        self.body_bytes.set(self.body_bytes.get() - count);
    }

    /// The connection is over: the machine is told, its slot is gone. What is queued can still be written.
    pub(crate) fn gone(&self, route: Route, ending: Ending) {
        if self.forget(route) {
            self.turn(Input::Gone { route, ending });
        }
    }

    /// Keeps `connection` from waking itself while it is polled.
    pub(crate) fn polling<T>(&self, route: Route, poll: impl FnOnce() -> T) -> T {
        self.polled.set(Some(route.slot));
        let polled = poll();
        self.polled.set(None);
        polled
    }

    pub(crate) fn repeats_binary(&self) -> bool {
        self.machine.borrow().repeats_binary()
    }

    fn count_loading(&self) {
        let loading = self.machine.borrow().loading();
        self.counters().loading.set(loading as u64);
    }

    /// Appends a frame of the shell's own.
    pub(crate) fn append<T>(&self, slot: &RefCell<Slot>, write: impl FnOnce(&mut BytesMut) -> T) -> T {
        slot.borrow_mut().queue.append(&mut self.spares.borrow_mut(), write)
    }
}

/// Waits for the machine's decision about an upgrade, or its answer to a call.
pub(crate) async fn decided(slot: &RefCell<Slot>) -> Decision {
    poll_fn(|context| slot.borrow_mut().poll_decision(context)).await
}

/// A secret from the system's randomness.
fn drawn() -> Option<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).ok()?;
    let mut text = Zeroizing::new(String::with_capacity(64));
    for byte in &*bytes {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Some(Secret::new(&text))
}

fn route_of(input: &Input<'_>) -> Option<Route> {
    match input {
        Input::Open { route, .. }
        | Input::Request { route, .. }
        | Input::Frame { route, .. }
        | Input::Fault { route, .. }
        | Input::Room { route }
        | Input::Dropped { route, .. }
        | Input::Gone { route, .. }
        | Input::Dismiss { route } => Some(*route),
        Input::Wake
        | Input::Committed { .. }
        | Input::Earlier { .. }
        | Input::Loaded { .. }
        | Input::Done { .. }
        | Input::Mail(_)
        | Input::Directory(_)
        | Input::TakeBack { .. }
        | Input::Drain { .. } => None,
    }
}

/// Spreads slot numbers, which count upwards and are chosen by us: nothing an attacker could aim at.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte) ^ self.0);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
