//! The same partition once more, written to be believed by reading: everything in lists that are searched from
//! the front, no index, no timer. At each step it looks at everything it has and works out what is due.

mod late;
mod sessions;
mod work;

use std::sync::Arc;
use std::time::Duration;

use engine::{Input, Output};
use model::{
    Admit, Ask, AskId, Audience, Capacity, DeviceId, DeviceRow, Dialect, Digest, Durability, Epoch, Event, Fence,
    GroupId, Happening, Hears, Loaded, NetworkId, Now, OperationId, Outcome, Position, Presence, Principal,
    PrincipalId, Reoffer, RequestKey, Role, Route, Rules, Target, Tell, Timestamp, Verdict, Wall, Which, Window, Write,
};

pub(crate) struct Naive {
    partition: model::Partition,
    group: GroupId,
    fence: Fence,
    now: Now,
    out: Vec<Output>,
    epochs: u64,
    last_operation: Option<OperationId>,
    sessions: Vec<Session>,
    waiting: Vec<Waiting>,
    partings: Vec<Parting>,
    /// When a displaced holder is let go although it did not hand back.
    handovers: Vec<(Box<str>, Timestamp)>,
    /// Takeovers of living peers.
    proven: Vec<(Box<str>, Timestamp)>,
    listeners: Vec<Route>,
    devices: Vec<Device>,
    work: Vec<Work>,
    mail: Vec<Mail>,
    windows: Vec<(PrincipalId, Window)>,
    events: Vec<(Timestamp, Event)>,
    rules: Rulebook,
    /// What the store remembers of devices, until the first turn.
    remembered: Vec<DeviceRow>,
}

pub(crate) type Rulebook = fn(&str) -> Option<Arc<Rules>>;

struct Session {
    route: Route,
    epoch: Epoch,
    principal: Arc<Principal>,
    role: Role,
    device: Option<DeviceId>,
    single: Option<Box<str>>,
    grace: Duration,
    serves: Vec<Box<str>>,
    hears: Hears,
    displaced: bool,
}

struct Waiting {
    route: Route,
    ask: AskId,
    name: Box<str>,
    admit: Admit,
}

struct Parting {
    route: Route,
    name: Box<str>,
    principal: PrincipalId,
    device: Option<DeviceId>,
    until: Timestamp,
}

struct Device {
    id: DeviceId,
    route: Option<Route>,
    epoch: Epoch,
    presence: Presence,
    away_until: Option<Timestamp>,
    listed_until: Option<Timestamp>,
    since: Wall,
    active: Wall,
    facts: model::Opaque,
}

struct Work {
    id: OperationId,
    key: RequestKey,
    kind: Box<str>,
    about: Option<OperationId>,
    body: Digest,
    dialect: Dialect,
    network: NetworkId,
    requester: PrincipalId,
    requester_name: Box<str>,
    target: Target,
    rules: Arc<Rules>,
    accepted_at: Timestamp,
    deliver_by: Option<Timestamp>,
    answer_by: Timestamp,
    request: model::Opaque,
    memo: model::Opaque,
    waiters: Vec<Route>,
    told: u32,
    has_late: bool,
    made_good: bool,
    disputed: bool,
    has_it: Vec<DeviceId>,
    offered_at: Option<Timestamp>,
    restored: bool,
    attempts: u32,
    not_started: u16,
    state: State,
}

enum State {
    Waiting,
    Resting { until: Timestamp },
    Offered { again_at: Option<Timestamp> },
    Started,
    Held { until: Timestamp, started: bool },
    Deciding { device: DeviceId, from: Route, ask: AskId, owed_until: Timestamp, taken_back: bool },
    Orphaned,
    Ended { outcome: Outcome, at: Timestamp, forget_at: Timestamp },
}

struct Mail {
    principal: PrincipalId,
    operation: OperationId,
    until: Timestamp,
    durable: bool,
}

/// What can be due, in the order things of one instant are done.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Due {
    HandOver(Box<str>),
    Parting(Route),
    Grace(DeviceId),
    Work(OperationId),
    Mail(PrincipalId),
}

impl Naive {
    pub(crate) fn new(loaded: Loaded, group: GroupId, rules: Rulebook) -> Self {
        let mut naive = Self {
            partition: loaded.partition,
            group,
            fence: loaded.fence,
            now: Now::from_millis(0),
            out: Vec::new(),
            epochs: 0,
            last_operation: None,
            sessions: Vec::new(),
            waiting: Vec::new(),
            partings: Vec::new(),
            handovers: Vec::new(),
            proven: Vec::new(),
            listeners: Vec::new(),
            devices: Vec::new(),
            work: Vec::new(),
            mail: Vec::new(),
            windows: Vec::new(),
            events: Vec::new(),
            rules,
            remembered: loaded.devices.clone(),
        };
        naive.restore(loaded);
        naive
    }

    pub(crate) fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        let first = self.now == Now::from_millis(0);
        self.now = now;
        if first {
            let millis = now.at.millis() + u64::from(self.fence.0 % 1_000);
            let used = OperationId::next(self.partition, millis, self.last_operation);
            self.last_operation = Some(used);
            self.wake_up();
        }
        while let Some(due) = self.earliest_due() {
            self.come_due(due);
        }
        match input {
            Input::Ask { from, id, ask, earlier } => self.ask(from, id, ask, earlier.map(|row| *row)),
            Input::Parted { from, alive } => self.parted(from, alive),
            Input::Settled { operation, settled } => self.settled(operation, settled),
            Input::Undelivered { operation } => self.undelivered(operation),
            Input::TakeBack { operation } => self.take_back(operation),
            Input::Wake => {}
        }
        std::mem::take(&mut self.out)
    }

    /// Everything that will be due some day, with its instant.
    fn agenda(&self) -> Vec<(Timestamp, Due)> {
        let mut agenda = Vec::new();
        agenda.extend(self.handovers.iter().map(|(name, at)| (*at, Due::HandOver(name.clone()))));
        agenda.extend(self.partings.iter().map(|parting| (parting.until, Due::Parting(parting.route))));
        for device in &self.devices {
            agenda.extend(device.away_until.map(|at| (at, Due::Grace(device.id.clone()))));
            agenda.extend(device.listed_until.map(|at| (at, Due::Grace(device.id.clone()))));
        }
        agenda.extend(self.work.iter().filter_map(|work| Some((work.due()?, Due::Work(work.id)))));
        agenda.extend(self.mail.iter().map(|mail| (mail.until, Due::Mail(mail.principal.clone()))));
        agenda
    }

    fn earliest_due(&self) -> Option<Due> {
        let (at, due) = self.agenda().into_iter().min()?;
        (at <= self.now.at).then_some(due)
    }

    fn come_due(&mut self, due: Due) {
        match due {
            Due::HandOver(name) => {
                let holder = self.sessions.iter().find(|session| session.single.as_ref() == Some(&name));
                if let Some(route) = holder.map(|session| session.route) {
                    self.leave(route, Vec::new());
                }
                self.handovers.retain(|(handed, _)| *handed != name);
            }
            Due::Parting(route) => self.parted(route, false),
            Due::Grace(id) => self.grace_over(&id),
            Due::Work(id) => self.work_due(id),
            Due::Mail(principal) => {
                let now = self.now.at;
                let (old, kept): (Vec<Mail>, Vec<Mail>) = std::mem::take(&mut self.mail)
                    .into_iter()
                    .partition(|mail| mail.principal == principal && mail.until <= now);
                self.mail = kept;
                for mail in old {
                    self.give_up(&mail);
                }
            }
        }
    }

    fn ask(&mut self, from: Route, id: AskId, ask: Ask, earlier: Option<model::OperationRow>) {
        if !matches!(ask, Ask::Admit(_)) && !self.knows(from) {
            return self.turn_away(from, id, &ask);
        }
        match ask {
            Ask::Admit(admit) => self.admit(from, id, *admit),
            Ask::Leave { windows } => self.leave(from, windows),
            Ask::Submit(submit) => self.submit(from, id, *submit, earlier),
            Ask::Cancel { key } => self.cancel(from, id, key),
            Ask::Answer(answer) => self.performer_answers(from, id, answer, earlier),
            Ask::Serve { names } => self.serve(from, id, names),
            Ask::Listen { since } => self.listen(from, id, since),
            Ask::Devices => self.list_devices(from, id),
            Ask::Look { key } => self.look(from, id, &key, earlier),
        }
    }

    fn turn_away(&mut self, from: Route, id: AskId, ask: &Ask) {
        let tell = match ask {
            Ask::Admit(_) | Ask::Leave { .. } => return,
            Ask::Submit(submit) => Tell::Refused { key: submit.key.clone(), why: model::Refusal::Full },
            Ask::Cancel { key } => Tell::Refused { key: key.clone(), why: model::Refusal::NotFound },
            Ask::Answer(_) => Tell::Taken { operation: None, key: None, taken: model::Taken::NotYours },
            Ask::Serve { .. } => Tell::Serving,
            Ask::Listen { .. } => Tell::Listening { at: Position::default(), gap: true },
            Ask::Devices => Tell::Devices(Vec::new()),
            Ask::Look { .. } => Tell::Found(None),
        };
        self.answer(from, id, tell);
    }

    pub(crate) fn wants_earlier(&self, from: Route, ask: &Ask) -> Option<RequestKey> {
        let key = match ask {
            Ask::Submit(submit) if submit.rules.durability == Durability::Durable => &submit.key,
            Ask::Answer(model::Answer { which: Which::Key(key), verdict }) => match verdict {
                Verdict::Started | Verdict::NotStarted | Verdict::Note(_) => return None,
                Verdict::Evidence(_) | Verdict::Completed(_) | Verdict::Declined(_) | Verdict::Failed(_) => key,
            },
            Ask::Look { key } => return self.knows(from).then(|| key.clone()),
            _ => return None,
        };
        (self.knows(from) && self.latest(key).is_none()).then(|| key.clone())
    }

    /// In, waiting to be in, or just out.
    fn knows(&self, route: Route) -> bool {
        self.sessions.iter().any(|session| session.route == route)
            || self.waiting.iter().any(|waiting| waiting.route == route)
            || self.partings.iter().any(|parting| parting.route == route)
    }

    fn session(&self, route: Route) -> Option<&Session> {
        self.sessions.iter().find(|session| session.route == route)
    }

    /// The latest work somebody asked for under a key that is still remembered.
    fn latest(&self, key: &RequestKey) -> Option<OperationId> {
        self.work.iter().filter(|work| work.key == *key && work.about.is_none()).map(|work| work.id).max()
    }

    fn at(&self, id: OperationId) -> Option<usize> {
        self.work.iter().position(|work| work.id == id)
    }

    /// How much running work a device has.
    fn load(&self, id: &DeviceId) -> usize {
        self.work.iter().filter(|work| work.is_running() && work.has_it.contains(id)).count()
    }

    fn has_room(&self, id: &DeviceId, capacity: Capacity) -> bool {
        if !self.devices.iter().any(|device| device.id == *id) {
            return false;
        }
        let mut has = self.work.iter().filter(|work| work.is_running() && work.has_it.contains(id));
        match capacity {
            Capacity::Busy | Capacity::Queue(_) => has.all(|work| matches!(work.rules.capacity, Capacity::Many(_))),
            Capacity::Many(most) => self.load(id) < most as usize,
        }
    }

    /// The session work can be given to now.
    fn online(&self, id: &DeviceId) -> Option<Route> {
        let device = self.devices.iter().find(|device| device.id == *id)?;
        if device.presence == Presence::Online { device.route } else { None }
    }

    fn answer(&mut self, to: Route, ask: AskId, tell: Tell) {
        self.out.push(Output::Tell { to, ask: Some(ask), tell });
    }

    fn tell(&mut self, to: Route, tell: Tell) {
        self.out.push(Output::Tell { to, ask: None, tell });
    }

    fn write(&mut self, write: Write) {
        self.out.push(Output::Write(write));
    }

    fn place(&self) -> Position {
        self.events.last().map_or(Position { fence: self.fence, n: 0 }, |(_, event)| event.position)
    }

    fn happened(&mut self, happening: Happening) {
        let position = Position { fence: self.fence, n: self.place().n + 1 };
        let event = Event { position, group: self.group.clone(), wall: self.now.wall, happening };
        self.events.push((self.now.at, event.clone()));
        self.listeners.sort();
        for route in self.listeners.clone() {
            self.tell(route, Tell::Event(Box::new(event.clone())));
        }
        self.out.push(Output::Event(event));
    }

    fn listen(&mut self, from: Route, id: AskId, since: Option<Position>) {
        let at = self.place();
        let kept = &self.events[self.events.len().saturating_sub(engine::bounds::EVENTS_PER_GROUP)..];
        let young = |since: &Timestamp| since.after(engine::bounds::EVENTS_KEPT) > self.now.at;
        let kept: Vec<Event> = kept.iter().filter(|(at, _)| young(at)).map(|(_, event)| event.clone()).collect();
        let (gap, missed) = match since {
            None => (false, Vec::new()),
            Some(since) if since.fence != self.fence || since.n > at.n => (true, kept),
            Some(since) => {
                let missed: Vec<Event> = kept.into_iter().filter(|event| event.position.n > since.n).collect();
                (missed.len() as u64 != at.n - since.n, missed)
            }
        };
        self.answer(from, id, Tell::Listening { at, gap });
        if self.session(from).is_some_and(|session| !session.displaced) {
            if !self.listeners.contains(&from) {
                self.listeners.push(from);
            }
            for event in missed {
                self.tell(from, Tell::Event(Box::new(event)));
            }
        }
    }
}

impl Work {
    fn is_running(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    fn is_owed(&self) -> bool {
        self.rules.audience == Audience::Principal && !self.rules.owed_for.is_zero()
    }

    fn is_durable(&self) -> bool {
        self.rules.durability == Durability::Durable
    }

    fn certainty(&self) -> model::Certainty {
        if self.has_it.is_empty() && !self.restored {
            model::Certainty::NotDelivered
        } else {
            model::Certainty::Unknown
        }
    }

    /// When something happens to it if nobody does anything.
    fn due(&self) -> Option<Timestamp> {
        match &self.state {
            State::Waiting if self.restored => Some(self.answer_by),
            State::Waiting => {
                let queue = match self.rules.capacity {
                    Capacity::Queue(longest) => self.accepted_at.after(longest),
                    Capacity::Busy | Capacity::Many(_) => self.answer_by,
                };
                Some(self.answer_by.min(queue).min(self.deliver_by.unwrap_or(self.answer_by)))
            }
            State::Resting { until } => Some(self.answer_by.min(*until).min(self.deliver_by.unwrap_or(self.answer_by))),
            State::Offered { again_at } => Some(self.answer_by.min(again_at.unwrap_or(self.answer_by))),
            State::Started => Some(self.answer_by),
            State::Held { until, .. } => Some(self.answer_by.min(*until)),
            State::Deciding { .. } => None,
            State::Orphaned => Some(self.accepted_at),
            State::Ended { forget_at, .. } => Some(*forget_at),
        }
    }

    fn may_be_offered(&self, now: Timestamp) -> bool {
        let too_late = self.deliver_by.is_some_and(|by| now >= by);
        let open = match self.state {
            State::Waiting => !too_late,
            State::Offered { .. } => self.target == Target::AnyOfGroup,
            _ => false,
        };
        let never_again = matches!(self.rules.reoffer, Reoffer::Never | Reoffer::Inquire { .. });
        if self.restored && (never_again || too_late) {
            return false;
        }
        open && now < self.answer_by
    }
}
