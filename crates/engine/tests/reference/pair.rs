//! The engine and the naive partition side by side, with peers, a store and a clock around both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::{Input, Output, Partition};
use model::Opaque;
use model::{
    Admit, Answer, Ask, AskId, CredentialId, DeviceId, DeviceRow, Dialect, Digest, Epoch, Fence, GroupId, Hears,
    Loaded, MailRow, NetworkId, Now, OperationId, OperationRow, Outcome, Permissions, Position, Principal, PrincipalId,
    RequestKey, Role, Route, Settled, Submit, Takeover, Tell, Timestamp, Verdict, Which, Window, Write,
};

use crate::acts::{self, Act};
use crate::laws::Laws;
use crate::naive::Naive;

const START: u64 = 1_900_000_000_000;

/// Both, and everything around them.
pub(crate) struct Pair {
    engine: Partition,
    naive: Naive,
    laws: Laws,
    now: u64,
    fence: u32,
    seats: Vec<Seat>,
    asks: u32,
    operations: Vec<OperationId>,
    /// Who came in, in order.
    epochs: Vec<Epoch>,
    rows: BTreeMap<OperationId, OperationRow>,
    mail: Vec<MailRow>,
    seen: BTreeMap<DeviceId, DeviceRow>,
    /// Writes that may wait, and do.
    unpaid: Vec<OperationId>,
    settles: Vec<(OperationId, Option<MailRow>)>,
    /// Everything that went in since the last restart, to be played again, and what came.
    played: Vec<(Now, Input)>,
    came: Vec<Vec<Output>>,
    loaded: Loaded,
}

/// A connection as the node sees it.
struct Seat {
    route: Route,
    role: Role,
    /// Our leave was not said yet.
    open: bool,
    /// It was told that another took its place, and its connection still ends.
    displaced: bool,
    /// What it was lent, once it was let in.
    windows: Option<Vec<Window>>,
}

/// What went wrong, in a few lines.
pub(crate) type Broken = String;

impl Pair {
    pub(crate) fn new() -> Self {
        let loaded = Loaded {
            partition: place(),
            fence: Fence(1),
            newest: None,
            operations: Vec::new(),
            mail: Vec::new(),
            devices: Vec::new(),
        };
        Self {
            engine: engine(loaded.clone()),
            naive: Naive::new(loaded.clone(), group(), acts::rulebook),
            laws: Laws::default(),
            now: START,
            fence: 1,
            seats: Vec::new(),
            asks: 0,
            operations: Vec::new(),
            epochs: Vec::new(),
            rows: BTreeMap::new(),
            mail: Vec::new(),
            seen: BTreeMap::new(),
            unpaid: Vec::new(),
            settles: Vec::new(),
            played: Vec::new(),
            came: Vec::new(),
            loaded,
        }
    }

    /// Lets one thing happen to both and compares everything that follows.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), Broken> {
        match act {
            Act::Admit { person, single, stays, grace } => self.admit(person, single, stays, grace),
            Act::Leave { who, used } => self.leave(who, used),
            Act::Submit { .. } => self.submit(act),
            Act::Cancel { who, key } => self.ask(who, Some(Role::Requester), Ask::Cancel { key: key_of(key) }),
            Act::Answer { who, which, verdict } => self.answer(who, which, verdict),
            Act::Serve { who, names } => {
                let names = (0..2).filter(|n| names >> n & 1 == 1).map(acts::name).collect();
                self.ask(who, Some(Role::Performer), Ask::Serve { names })
            }
            Act::Listen { who, since } => {
                let fence = Fence(self.fence - u32::from(since.is_multiple_of(16) && self.fence > 1));
                let since = (since % 3 > 0).then(|| Position { fence, n: u64::from(since) - 1 });
                self.ask(who, None, Ask::Listen { since })
            }
            Act::Devices { who } => self.ask(who, None, Ask::Devices),
            Act::Look { who, key } => self.ask(who, None, Ask::Look { key: key_of(key) }),
            Act::Parted { who, alive } => self.parted(who, alive),
            Act::War { person } => self.war(person),
            Act::Settle { which, outcome } => self.settle(which, outcome),
            Act::Undelivered { which } => match pick(&self.operations, which) {
                Some(operation) => self.handle(Input::Undelivered { operation }),
                None => Ok(()),
            },
            Act::TakeBack { which } => match pick(&self.operations, which) {
                Some(operation) => self.handle(Input::TakeBack { operation }),
                None => Ok(()),
            },
            Act::Deadline => match self.engine.deadline() {
                Some(at) => self.wait(at.millis().saturating_sub(self.now)),
                None => Ok(()),
            },
            Act::Wait { millis } => self.wait(u64::from(millis)),
            Act::Sleep { seconds } => {
                self.now += u64::from(seconds) * 1_000;
                Ok(())
            }
            Act::Pay => {
                self.pay();
                Ok(())
            }
            Act::Restart => self.restart(),
        }
    }

    /// Every kind of thing that was said.
    pub(crate) fn reached(self) -> BTreeSet<String> {
        self.laws.reached
    }

    /// Lets everything end, and looks at what is left.
    pub(crate) fn finish(&mut self) -> Result<(), Broken> {
        while !self.settles.is_empty() {
            self.settle(0, true)?;
        }
        for at in 0..self.seats.len() {
            if self.seats[at].open {
                self.leave_seat(at, 0)?;
            }
        }
        for _ in 0..20_000 {
            let Some(at) = self.engine.deadline() else { break };
            self.wait(at.millis().saturating_sub(self.now))?;
        }
        self.laws.at_the_end()?;
        let left = format!("{:?}", self.engine);
        for table in ["groups", "routes", "places", "due", "set"] {
            if !left.contains(&format!(" {table}: {{}}")) {
                return Err(format!("something stays in {table} for ever"));
            }
        }
        self.replay()
    }

    /// The same inputs give the same outputs.
    fn replay(&self) -> Result<(), Broken> {
        let mut again = engine(self.loaded.clone());
        for ((now, input), came) in self.played.iter().zip(&self.came) {
            let mut out = Vec::new();
            again.handle(*now, input.clone(), &mut out);
            if out != *came {
                return Err(format!("played again, {input:?} gave\n{out:#?}\ninstead of\n{came:#?}"));
            }
        }
        Ok(())
    }

    fn admit(&mut self, person: u8, single: bool, stays: bool, grace: u8) -> Result<(), Broken> {
        let (name, role, device) = match person % 10 {
            0 | 1 => (format!("shop {}", person % 10), Role::Requester, None),
            2 => ("operator".to_owned(), Role::Admin, None),
            3 => ("nameless".to_owned(), Role::Performer, None),
            number @ 4..=8 => (format!("reader {}", number % 3), Role::Performer, Some(acts::device(number))),
            _ => (format!("shop {}", person / 10 % 2), Role::Requester, None),
        };
        let calls = person % 10 == 9;
        let principal = Arc::new(Principal {
            id: PrincipalId::parse(&name).expect("a good name"),
            dialect: Dialect::Boop,
            network: NetworkId::parse("town").expect("a good name"),
            group: group(),
            partition: place(),
            role,
            device: device.clone(),
            credential: CredentialId::parse(&name).expect("a good name"),
            name: name.clone().into(),
            permissions: Permissions::All,
        });
        let admit = Admit {
            principal,
            role,
            device,
            facts: Opaque::copy_from_slice(&[person]),
            hears: if calls { Hears::Own } else { Hears::Principal },
            single: (single && !calls && name != "nameless").then(|| name.into()),
            takeover: if stays { Takeover::IncumbentStays } else { Takeover::NewestWins },
            grace: Duration::from_secs(u64::from(grace % 4) * 2),
            windows: vec![Window::new("frames", Duration::from_secs(60), 100)],
        };
        let slot = self.seats.len() as u64 + 1;
        let route = Route { core: 0, slot };
        self.seats.push(Seat { route, role, open: true, displaced: false, windows: None });
        self.ask_from(route, Ask::Admit(Box::new(admit)))
    }

    fn leave(&mut self, who: u8, used: u8) -> Result<(), Broken> {
        let open: Vec<usize> = (0..self.seats.len()).filter(|at| self.seats[*at].open).collect();
        pick(&open, who).map_or(Ok(()), |at| self.leave_seat(at, used))
    }

    fn leave_seat(&mut self, at: usize, used: u8) -> Result<(), Broken> {
        let now = Timestamp::from_millis(self.now);
        let seat = &mut self.seats[at];
        let mut windows = seat.windows.take().unwrap_or_default();
        for window in &mut windows {
            for _ in 0..used % 4 {
                window.add(now);
            }
        }
        let route = seat.route;
        seat.open = false;
        self.ask_from(route, Ask::Leave { windows })?;
        self.laws.left(route);
        Ok(())
    }

    /// The connection of a displaced session has ended; or of any, which means nothing.
    fn parted(&mut self, who: u8, alive: bool) -> Result<(), Broken> {
        let any = who.is_multiple_of(16);
        let ended = |at: &usize| !self.seats[*at].open && (any || self.seats[*at].displaced);
        let gone: Vec<usize> = (0..self.seats.len()).filter(ended).collect();
        let Some(at) = pick(&gone, who) else { return Ok(()) };
        self.seats[at].displaced = false;
        self.handle(Input::Parted { from: self.seats[at].route, alive })
    }

    fn war(&mut self, person: u8) -> Result<(), Broken> {
        for _ in 0..8 {
            self.admit(person, true, false, person)?;
            let told = |at: &usize| self.seats[*at].open && self.seats[*at].displaced;
            if let Some(at) = (0..self.seats.len()).find(told) {
                self.leave_seat(at, 1)?;
                self.seats[at].displaced = false;
                self.handle(Input::Parted { from: self.seats[at].route, alive: true })?;
            }
        }
        Ok(())
    }

    fn submit(&mut self, act: Act) -> Result<(), Broken> {
        let Act::Submit { who, key, body, kind, target, deliver, answer } = act else { return Ok(()) };
        let now = Timestamp::from_millis(self.now);
        let name: Box<str> = format!("kind {kind}").into();
        let lately = &self.epochs[self.epochs.len().saturating_sub(6)..];
        let epoch = pick(lately, target).unwrap_or_default();
        let millis = |number: u8| Duration::from_millis(u64::from(number % 64) * 250);
        let submit = Submit {
            key: key_of(key),
            kind: name,
            body: Digest::of(&[body % 2]),
            target: acts::target(target, place(), epoch),
            rules: acts::rules(kind),
            deliver_by: (deliver.is_multiple_of(3)).then(|| now.after(millis(deliver))),
            answer_by: now.after(millis(answer)),
            request: Opaque::copy_from_slice(&[key, body]),
            memo: Opaque::copy_from_slice(&[key]),
        };
        self.ask(who, Some(Role::Requester), Ask::Submit(Box::new(submit)))
    }

    fn answer(&mut self, who: u8, which: u8, verdict: u8) -> Result<(), Broken> {
        let body = Opaque::copy_from_slice(&[verdict]);
        let verdict = match verdict % 16 {
            0 => Verdict::Started,
            1 | 2 => Verdict::Note(body),
            3 | 4 => Verdict::NotStarted,
            5..=8 => Verdict::Evidence(body),
            9..=12 => Verdict::Completed(body),
            13 => Verdict::Declined(body),
            _ => Verdict::Failed(body),
        };
        let latest: Vec<OperationId> = self.operations.iter().rev().take(8).copied().collect();
        let which = match pick(&latest, which / 2) {
            Some(operation) if which.is_multiple_of(2) => Which::Id(operation),
            _ if which.is_multiple_of(5) => Which::Compensation(key_of(which / 2)),
            _ => Which::Key(key_of(which / 2)),
        };
        self.ask(who, Some(Role::Performer), Ask::Answer(Answer { which, verdict }))
    }

    fn settle(&mut self, which: u8, outcome: bool) -> Result<(), Broken> {
        if self.settles.is_empty() {
            return Ok(());
        }
        let (operation, owed) = self.settles.remove(usize::from(which) % self.settles.len());
        let body = Opaque::copy_from_slice(&[which]);
        let settled =
            if outcome { Settled::Outcome(Outcome::Completed { body }) } else { Settled::Again { note: body } };
        if let (Settled::Outcome(outcome), Some(row)) = (&settled, self.rows.get_mut(&operation)) {
            row.outcome = Some((outcome.clone(), Timestamp::from_millis(self.now)));
            self.mail.extend(owed);
            self.laws.settled(operation);
        }
        self.handle(Input::Settled { operation, settled })
    }

    /// Time passes, and the partition is woken at its deadlines and at the end.
    fn wait(&mut self, millis: u64) -> Result<(), Broken> {
        let target = self.now + millis;
        loop {
            let deadline = self.engine.deadline().map(Timestamp::millis).filter(|at| *at <= target);
            let silent = deadline.is_none_or(|at| at > target);
            self.now = deadline.unwrap_or(target).max(self.now);
            let before = self.came.len();
            self.handle(Input::Wake)?;
            if silent && self.came[before..].iter().any(|out| !out.is_empty()) {
                return Err("something was said that no deadline had announced".into());
            }
            if self.engine.deadline().is_some_and(|at| at.millis() <= self.now) {
                return Err("a deadline has come and nothing was done about it".into());
            }
            if silent {
                return Ok(());
            }
        }
    }

    /// A role's session asks, or anybody's.
    fn ask(&mut self, who: u8, role: Option<Role>, ask: Ask) -> Result<(), Broken> {
        let fits = |seat: &&Seat| seat.open && (role.is_none() || who.is_multiple_of(16) || role == Some(seat.role));
        let open: Vec<Route> = self.seats.iter().filter(fits).map(|seat| seat.route).collect();
        pick(&open, who).map_or(Ok(()), |route| self.ask_from(route, ask))
    }

    fn ask_from(&mut self, from: Route, ask: Ask) -> Result<(), Broken> {
        self.asks += 1;
        let id = AskId(self.asks);
        let wanted = self.engine.wants_earlier(from, &ask).map(|(_, key)| key.clone());
        if wanted != self.naive.wants_earlier(from, &ask) {
            return Err(format!("the stored row of {wanted:?} is wanted by one and not the other"));
        }
        let newest = |key| self.rows.values().rev().find(|row| row.about.is_none() && row.key == key);
        let row = wanted.and_then(newest).map(|row| self.stored(row));
        self.laws.asked(from, id, &ask);
        self.handle(Input::Ask { from, id, ask, earlier: row.map(Box::new) })
    }

    fn handle(&mut self, input: Input) -> Result<(), Broken> {
        let now = Now::from_millis(self.now);
        self.played.push((now, input.clone()));
        let mut out = Vec::new();
        self.engine.handle(now, input.clone(), &mut out);
        let naive = self.naive.handle(now, input.clone());
        if out != naive {
            let same = out.iter().zip(&naive).take_while(|(one, other)| one == other).count();
            return Err(format!(
                "after {input:?}\nboth said {same} things; then the engine\n{:#?}\nand the naive one\n{:#?}",
                &out[same..],
                &naive[same..]
            ));
        }
        for output in &out {
            self.laws.came(output)?;
            self.follow(output);
        }
        self.came.push(out);
        self.laws.step_over()
    }

    /// Does what the node and the store do with an output.
    fn follow(&mut self, output: &Output) {
        match output {
            Output::Tell { to, tell: Tell::Admitted { epoch, windows, .. }, .. } => {
                self.epochs.push(*epoch);
                if let Some(seat) = self.seats.iter_mut().find(|seat| seat.route == *to) {
                    seat.windows = Some(windows.clone());
                }
            }
            Output::Tell { to, tell: Tell::Displaced, .. } => {
                if let Some(seat) = self.seats.iter_mut().find(|seat| seat.route == *to) {
                    seat.displaced = true;
                }
            }
            Output::Tell { tell: Tell::Accepted { operation, .. }, .. } if !self.operations.contains(operation) => {
                self.operations.push(*operation);
            }
            Output::Write(Write::Accepted(row)) => {
                if row.about.is_some() {
                    self.operations.push(row.id);
                }
                self.rows.insert(row.id, (**row).clone());
            }
            Output::Write(Write::Ended { operation, outcome, at }) => {
                if let Some(row) = self.rows.get_mut(operation) {
                    row.outcome.get_or_insert((outcome.clone(), *at));
                }
            }
            Output::Write(Write::LateAnswer { operation, body, at }) => {
                if let Some(row) = self.rows.get_mut(operation) {
                    row.late = Some((body.clone(), *at));
                }
            }
            Output::Write(Write::Seen(row)) => {
                self.seen.insert(row.device.clone(), row.clone());
            }
            Output::Write(Write::Owed(mail)) => {
                // What may wait is written before what is said later.
                if self.unpaid.contains(&mail.operation) {
                    self.pay();
                }
                self.mail.push(mail.clone());
            }
            Output::Write(Write::Paid { operation }) => self.unpaid.push(*operation),
            Output::Settle { question, owed, .. } => self.settles.push((question.operation, owed.clone())),
            Output::Tell { .. } | Output::Event(_) => {}
        }
    }

    /// A row as the store gives it: with the work that makes good for it.
    fn stored(&self, row: &OperationRow) -> OperationRow {
        let making_good = self.rows.values().find(|other| other.about == Some(row.id));
        let ended = |row: &OperationRow| row.outcome.as_ref().map(|(outcome, at)| (outcome.kind(), *at));
        OperationRow { compensation: making_good.map(|row| (row.id, ended(row))), ..row.clone() }
    }

    fn pay(&mut self) {
        let paid: BTreeSet<OperationId> = std::mem::take(&mut self.unpaid).into_iter().collect();
        self.mail.retain(|mail| !paid.contains(&mail.operation));
    }

    /// The process dies with what may wait unwritten, and a new owner starts from the rest.
    fn restart(&mut self) -> Result<(), Broken> {
        self.replay()?;
        self.fence += 1;
        self.unpaid.clear();
        self.settles.clear();
        for seat in &mut self.seats {
            seat.open = false;
        }
        let now = Timestamp::from_millis(self.now);
        let horizon = Duration::from_secs(60);
        let owed: BTreeSet<OperationId> = self.mail.iter().map(|mail| mail.operation).collect();
        let kept = |row: &&OperationRow| {
            let lately = row.outcome.as_ref().is_none_or(|(_, at)| now.since(*at) < horizon);
            lately || owed.contains(&row.id)
        };
        self.loaded = Loaded {
            partition: place(),
            fence: Fence(self.fence),
            newest: None,
            operations: self.rows.values().filter(kept).map(|row| self.stored(row)).collect(),
            mail: self.mail.clone(),
            devices: self.seen.values().cloned().collect(),
        };
        self.engine = engine(self.loaded.clone());
        self.naive = Naive::new(self.loaded.clone(), group(), acts::rulebook);
        self.laws.restarted();
        self.played.clear();
        self.came.clear();
        self.handle(Input::Wake)
    }
}

/// The engine under test.
fn engine(loaded: Loaded) -> Partition {
    Partition::new(loaded, Arc::new(|_, kind| acts::rulebook(kind)))
}

fn pick<T: Copy>(from: &[T], number: u8) -> Option<T> {
    if from.is_empty() { None } else { Some(from[usize::from(number) % from.len()]) }
}

fn key_of(number: u8) -> RequestKey {
    RequestKey::parse(&format!("k{}", number % 12)).expect("a good name")
}

fn group() -> GroupId {
    GroupId::parse("shop").expect("a good name")
}

fn place() -> model::Partition {
    model::Partition::of(&group())
}
