//! Where a partition lives: asks wait here for the row they need, and outputs for the writes they rest on.
//!
//! Answers leave after their commit, in order. A commit that fails, or a panic in the partition, has one
//! answer: what was held is dropped, the sessions are told to come back soon, and the partition starts again
//! from the store, exactly as after a restart.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use model::{
    Announce, Ask, AskId, Commit, CommitError, DeviceId, DeviceSeen, Dialect, EndpointId, Event, GroupId, Loaded,
    Notice, Now, Occasion, OperationId, OperationRow, Partition, Question, Route, Settle, Settled, Sight, Tell,
    Timestamp, Write,
};

use crate::port::{Note, Output, Unread};

/// Writes in one batch; while that many gather behind a batch in flight, the partition takes no asks.
pub const WRITES_PER_BATCH: usize = 256;
/// How long a write that may wait waits for another that cannot.
pub const LAZY_WRITES: Duration = Duration::from_secs(1);

/// After a start, operations that ended within this time are loaded; of older ones a repeat is answered from the store.
pub const REMEMBER: Duration = Duration::from_secs(300);
/// After a start, devices seen within this time are loaded.
pub const LISTED: Duration = engine::bounds::DEVICE_LISTED;
/// And of those so many of each group, the ones seen last.
pub const LISTED_MOST: usize = engine::bounds::DEVICES_LISTED;

/// What a partition says once it may be said.
#[derive(Debug)]
pub(crate) enum Said {
    /// Something for a session.
    Tell { to: Route, ask: Option<AskId>, tell: Tell },
    /// Something others may hear.
    Event(Event),
}

/// What a step of a home may say, and where tickets come from.
pub(crate) struct Step<'a> {
    pub(crate) now: Now,
    pub(crate) dialects: &'a Arc<dialects::Config>,
    pub(crate) tickets: &'a mut u64,
    /// Nothing waits for company any more: we are going away.
    pub(crate) draining: bool,
    pub(crate) said: &'a mut VecDeque<Said>,
    pub(crate) out: &'a mut Vec<Output>,
}

/// One partition's place on this core.
#[derive(Debug)]
pub(crate) struct Home {
    id: Partition,
    state: State,
    /// Asks that wait for the partition to be loaded, or for room in its batch.
    backlog: VecDeque<(Route, AskId, Ask)>,
    /// Per session, asks behind one that waits: for its stored row, or, where a session wants to be let in, for
    /// everything that was asked before it. Otherwise it could displace one whose last words are still unread.
    lines: BTreeMap<Route, VecDeque<Waiting>>,
    /// Counts the asks as they come.
    came: u64,
    /// Whose row is being read.
    tickets: BTreeMap<u64, Route>,
    /// Where batches count on after a reload, so that an answer to an older one is not mistaken.
    first_batch: u64,
    /// When the timer set for it is due.
    pub(crate) armed: Option<Timestamp>,
}

/// An ask in a line.
#[derive(Debug)]
struct Waiting {
    /// When it came, as a count.
    turn: u64,
    id: AskId,
    ask: Ask,
}

#[derive(Debug)]
enum State {
    Loading,
    Live(Box<Live>),
}

#[derive(Debug)]
struct Live {
    engine: engine::Partition,
    /// The number of the batch that gathers; lower ones are durable or in flight.
    batch: u64,
    writes: Vec<Write>,
    settles: Vec<Settle>,
    announces: Vec<Announce>,
    /// Running operations that webhook endpoints are told of.
    announced: Announced,
    in_flight: Option<InFlight>,
    /// What was said, each with the batch it rests on; in order.
    held: VecDeque<(u64, Said)>,
    /// Writes that may wait, each with the batch it must come after.
    lazy: Vec<(u64, Write)>,
    lazy_since: Option<Timestamp>,
}

#[derive(Debug)]
struct InFlight {
    batch: u64,
    settles: Vec<OperationId>,
}

impl Home {
    /// A place whose partition is being loaded.
    pub(crate) const fn new(id: Partition) -> Self {
        Self {
            id,
            state: State::Loading,
            backlog: VecDeque::new(),
            lines: BTreeMap::new(),
            came: 0,
            tickets: BTreeMap::new(),
            first_batch: 1,
            armed: None,
        }
    }

    pub(crate) const fn is_loading(&self) -> bool {
        matches!(self.state, State::Loading)
    }

    /// Whether nothing of it is on its way to the store, or waits to be.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.state {
            State::Loading => true,
            State::Live(live) => {
                let gathered = live.writes.len() + live.settles.len() + live.lazy.len();
                live.in_flight.is_none() && gathered == 0 && self.lines.is_empty()
            }
        }
    }

    /// When it wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let State::Live(live) = &self.state else { return None };
        // While a batch is in flight nothing can follow it; when it is durable there is a flush anyway.
        let lazy = live.lazy_since.filter(|_| live.in_flight.is_none()).map(|since| since.after(LAZY_WRITES));
        [live.engine.deadline(), lazy].into_iter().flatten().min()
    }

    /// The partition starts from what the store had.
    pub(crate) fn loaded(&mut self, step: &mut Step<'_>, loaded: Loaded) {
        let dialects = Arc::clone(step.dialects);
        let runs = loaded.operations.iter().filter(|row| row.outcome.is_none());
        let told =
            |row: &OperationRow| dialects::announces(&dialects, row.dialect, &row.kind).map(|how| Told(how.print));
        let announced = Announced(runs.filter_map(|row| Some((row.id, told(row)?))).collect());
        let rules = move |dialect: Dialect, kind: &str| dialects::rules(&dialects, dialect, kind);
        self.state = State::Live(Box::new(Live {
            engine: engine::Partition::new(loaded, Arc::new(rules)),
            batch: self.first_batch,
            writes: Vec::new(),
            settles: Vec::new(),
            announces: Vec::new(),
            announced,
            in_flight: None,
            held: VecDeque::new(),
            lazy: Vec::new(),
            lazy_since: None,
        }));
        self.turn(step, engine::Input::Wake);
        self.drain_backlog(step);
    }

    /// A session asks; its asks are taken in order.
    pub(crate) fn ask(&mut self, step: &mut Step<'_>, from: Route, id: AskId, ask: Ask) {
        let full = match &self.state {
            State::Loading => true,
            State::Live(live) => live.in_flight.is_some() && live.writes.len() + live.settles.len() >= WRITES_PER_BATCH,
        };
        if full || !self.backlog.is_empty() {
            self.backlog.push_back((from, id, ask));
        } else {
            self.came += 1;
            self.take(step, from, Waiting { turn: self.came, id, ask });
        }
    }

    /// The stored row an ask waited for. Where that one is damaged, reading everything again would not mend it: only the
    /// session that asked is sent away.
    pub(crate) fn earlier(&mut self, step: &mut Step<'_>, ticket: u64, row: Result<Option<Box<OperationRow>>, Unread>) {
        let Some(from) = self.tickets.remove(&ticket) else { return };
        let row = match row {
            Ok(row) => Some(row),
            Err(Unread::Damaged(cause)) => {
                step.out.push(Output::Note(Note::RowDamaged { partition: self.id, cause }));
                step.said.push_back(Said::Tell { to: from, ask: None, tell: Tell::Reloaded });
                None
            }
            Err(Unread::Unavailable(cause)) => return self.fail(step, CommitError::Unavailable(cause)),
        };
        let Some(line) = self.lines.get_mut(&from) else { return };
        let Some(Waiting { id, ask, .. }) = line.pop_front() else { return };
        let rest = self.lines.remove(&from).unwrap_or_default();
        if let Some(earlier) = row {
            self.turn(step, engine::Input::Ask { from, id, ask, earlier });
        }
        self.take_all(step, from, rest);
        while let Some(from) = self.next_to_admit() {
            let line = self.lines.remove(&from).unwrap_or_default();
            self.take_all(step, from, line);
        }
    }

    /// The session that wants to be let in and came before everything that still waits.
    fn next_to_admit(&self) -> Option<Route> {
        let fronts = self.lines.iter().filter_map(|(from, line)| line.front().map(|front| (from, front)));
        let (from, first) = fronts.min_by_key(|(_, front)| front.turn)?;
        matches!(first.ask, Ask::Admit(_)).then_some(*from)
    }

    fn take_all(&mut self, step: &mut Step<'_>, from: Route, line: VecDeque<Waiting>) {
        for waiting in line {
            self.take(step, from, waiting);
        }
    }

    /// A batch is durable: what rests on it may be said. Or it is not, and everything starts again.
    pub(crate) fn committed(&mut self, step: &mut Step<'_>, batch: u64, result: Result<Vec<Settled>, CommitError>) {
        let State::Live(live) = &mut self.state else { return };
        if live.in_flight.as_ref().is_none_or(|flight| flight.batch != batch) {
            return;
        }
        let Some(flight) = live.in_flight.take() else { return };
        let settled = match result {
            Ok(settled) => settled,
            Err(error) => return self.fail(step, error),
        };
        while live.held.front().is_some_and(|(rests_on, _)| *rests_on <= batch) {
            let Some((_, said)) = live.held.pop_front() else { break };
            step.said.push_back(said);
        }
        for (operation, settled) in flight.settles.into_iter().zip(settled) {
            self.turn(step, engine::Input::Settled { operation, settled });
        }
        self.drain_backlog(step);
    }

    /// The connection of a displaced session has ended.
    pub(crate) fn parted(&mut self, step: &mut Step<'_>, from: Route, alive: bool) {
        self.turn(step, engine::Input::Parted { from, alive });
    }

    /// An outcome met a session that was gone.
    pub(crate) fn undelivered(&mut self, step: &mut Step<'_>, operation: OperationId) {
        self.turn(step, engine::Input::Undelivered { operation });
    }

    /// An operator takes work back.
    pub(crate) fn take_back(&mut self, step: &mut Step<'_>, operation: OperationId) {
        self.turn(step, engine::Input::TakeBack { operation });
    }

    /// The devices that an operator may see, by group and name, those after `after`.
    pub(crate) fn devices(&self, sight: &Sight, after: Option<&(GroupId, DeviceId)>, most: usize) -> Vec<DeviceSeen> {
        match &self.state {
            State::Loading => Vec::new(),
            State::Live(live) => live.engine.devices(sight, after).take(most).collect(),
        }
    }

    /// The deadline has come.
    pub(crate) fn wake(&mut self, step: &mut Step<'_>) {
        self.turn(step, engine::Input::Wake);
    }

    /// Sends what has gathered to the store, when nothing of this partition is on its way there.
    pub(crate) fn flush(&mut self, step: &mut Step<'_>) {
        let State::Live(live) = &mut self.state else { return };
        if live.in_flight.is_some() {
            return;
        }
        let due = |since: Timestamp| step.draining || since.after(LAZY_WRITES) <= step.now.at;
        let lazy_due = live.lazy_since.is_some_and(due);
        if live.writes.is_empty() && live.settles.is_empty() && !lazy_due {
            return;
        }
        let batch = live.batch;
        let (ready, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut live.lazy).into_iter().partition(|(after, _)| *after < batch);
        live.lazy = later;
        live.lazy_since = if live.lazy.is_empty() { None } else { live.lazy_since };
        let mut writes: Vec<Write> = ready.into_iter().map(|(_, write)| write).collect();
        writes.append(&mut live.writes);
        let settles = std::mem::take(&mut live.settles);
        let announces = std::mem::take(&mut live.announces);
        live.in_flight =
            Some(InFlight { batch, settles: settles.iter().map(|settle| settle.question.operation).collect() });
        live.batch += 1;
        let fence = live.engine.fence();
        step.out.push(Output::Commit(Commit { partition: self.id, fence, batch, writes, settles, announces }));
    }

    /// Takes an ask that need not wait for room, or lets it wait in a line.
    fn take(&mut self, step: &mut Step<'_>, from: Route, waiting: Waiting) {
        // What memory forgets in the turn that takes the ask must be known to be forgotten now: else nobody would ask the
        // store for it, a repeat would be new work, and a late answer one that nobody asked for.
        if let State::Live(live) = &self.state
            && live.engine.deadline().is_some_and(|at| at <= step.now.at)
        {
            self.wake(step);
        }
        let State::Live(live) = &self.state else {
            self.backlog.push_back((from, waiting.id, waiting.ask));
            return;
        };
        if let Some(line) = self.lines.get_mut(&from) {
            line.push_back(waiting);
            return;
        }
        let is_first = |line: &VecDeque<Waiting>| line.front().is_some_and(|front| front.turn < waiting.turn);
        if matches!(waiting.ask, Ask::Admit(_)) && self.lines.values().any(is_first) {
            self.lines.insert(from, VecDeque::from([waiting]));
            return;
        }
        if let Some((group, key)) = live.engine.wants_earlier(from, &waiting.ask) {
            *step.tickets += 1;
            let ticket = *step.tickets;
            step.out.push(Output::Earlier { ticket, partition: self.id, group, key: key.clone() });
            self.tickets.insert(ticket, from);
            self.lines.insert(from, VecDeque::from([waiting]));
            return;
        }
        let Waiting { id, ask, .. } = waiting;
        self.turn(step, engine::Input::Ask { from, id, ask, earlier: None });
    }

    fn drain_backlog(&mut self, step: &mut Step<'_>) {
        for (from, id, ask) in std::mem::take(&mut self.backlog) {
            self.ask(step, from, id, ask);
        }
    }

    /// One turn of the partition: its writes gather, the rest is said once they are durable.
    fn turn(&mut self, step: &mut Step<'_>, input: engine::Input) {
        let State::Live(live) = &mut self.state else { return };
        let mut outputs = Vec::new();
        let turned = catch_unwind(AssertUnwindSafe(|| live.engine.handle(step.now, input, &mut outputs)));
        if turned.is_err() {
            return self.fail(step, CommitError::Unavailable("a fault in the partition".into()));
        }
        let mut said = Vec::new();
        let mut lazy = Vec::new();
        for output in outputs {
            match output {
                engine::Output::Tell { to, ask, tell } => said.push(Said::Tell { to, ask, tell }),
                engine::Output::Event(event) => said.push(Said::Event(event)),
                engine::Output::Write(write) if write.may_wait() => lazy.push(write),
                engine::Output::Write(write) => {
                    live.announces.extend(live.announced.of(step, &write));
                    live.writes.push(write);
                }
                engine::Output::Settle { dialect, question, owed, at } => {
                    live.settles.push(settle(dialect, *question, owed, at));
                }
            }
        }
        let gathering = !live.writes.is_empty() || !live.settles.is_empty();
        let rests_on = if gathering { Some(live.batch) } else { live.in_flight.as_ref().map(|flight| flight.batch) };
        if !lazy.is_empty() {
            live.lazy_since.get_or_insert(step.now.at);
            live.lazy.extend(lazy.into_iter().map(|write| (rests_on.unwrap_or(0), write)));
        }
        match rests_on {
            Some(batch) => live.held.extend(said.into_iter().map(|said| (batch, said))),
            None => step.said.extend(said),
        }
    }

    /// Starts again from the store.
    fn fail(&mut self, step: &mut Step<'_>, error: CommitError) {
        let State::Live(live) = std::mem::replace(&mut self.state, State::Loading) else { return };
        self.first_batch = live.batch + 1;
        step.out.push(Output::Note(Note::CommitFailed { partition: self.id, error }));
        // A session that was displaced is none of the engine's any more, and what would have told it so is dropped here.
        let mut routes = live.engine.routes();
        for (_, said) in &live.held {
            if let Said::Tell { to, .. } = said
                && !routes.contains(to)
            {
                routes.push(*to);
            }
        }
        for to in routes {
            step.said.push_back(Said::Tell { to, ask: None, tell: Tell::Reloaded });
        }
        // Who waited to be let in does so still.
        for (from, line) in std::mem::take(&mut self.lines) {
            if line.front().is_some_and(|front| matches!(front.ask, Ask::Admit(_))) {
                self.backlog.extend(line.into_iter().map(|waiting| (from, waiting.id, waiting.ask)));
            }
        }
        self.tickets.clear();
        step.out.push(Output::Load { partition: self.id });
    }
}

/// Running operations that webhook endpoints are told of, and how.
#[derive(Debug, Default)]
struct Announced(BTreeMap<OperationId, Told>);

#[derive(Clone, Copy)]
struct Told(fn(&Announce, &OperationRow, &EndpointId) -> Option<Notice>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Announced {
    /// What endpoints are told of a write, in the batch it is in.
    fn of(&mut self, step: &Step<'_>, write: &Write) -> Option<Announce> {
        let now = step.now;
        match write {
            Write::Accepted(row) => {
                let hooks = dialects::announces(step.dialects, row.dialect, &row.kind)?;
                self.0.insert(row.id, Told(hooks.print));
                let occasion = Occasion::Late(now.at.after(hooks.late_after));
                Some(Announce { operation: row.id, occasion, at: now.at, wall: now.wall, print: hooks.print })
            }
            Write::Ended { operation, at, .. } => {
                let Told(print) = self.0.remove(operation)?;
                let (occasion, wall) = (Occasion::Ended, now.wall_at(*at));
                Some(Announce { operation: *operation, occasion, at: *at, wall, print })
            }
            Write::Owed(_) | Write::Paid { .. } | Write::LateAnswer { .. } | Write::Seen(_) => None,
        }
    }
}

/// Joins a question with the service that decides it.
fn settle(dialect: Dialect, question: Question, owed: Option<model::MailRow>, at: Timestamp) -> Settle {
    match dialects::service(dialect) {
        Some(service) => {
            let subject = (service.subject)(&question);
            Settle { question, subject, decide: service.decide, owed, at }
        }
        None => Settle { question, subject: None, decide: undecided, owed, at },
    }
}

/// A dialect without a service was given evidence: nobody can say what it means.
fn undecided(_: &Question, _: Option<&model::Member>) -> model::Decision {
    let outcome = model::Outcome::Failed {
        cause: model::FailCause::Service,
        certainty: model::Certainty::Unknown,
        body: model::Opaque::new(),
    };
    model::Decision { settled: Settled::Outcome(outcome), debit: None }
}
