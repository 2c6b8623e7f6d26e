//! Who is in, who is there, and what is kept for who is not.

use model::{
    Admit, Alert, AskId, Audience, DeviceId, DeviceRow, DeviceState, Epoch, Happening, Hears, MailRow, NotAdmitted,
    Opaque, OperationId, Presence, PrincipalId, Role, Route, Takeover, Target, Tell, Timestamp, Window, Write,
};

use super::{Device, Mail, Naive, Parting, Session, Waiting};

impl Naive {
    pub(super) fn admit(&mut self, from: Route, id: AskId, admit: Admit) {
        let Some(name) = admit.single.clone() else { return self.let_in(from, id, admit) };
        let Some(holder) = self.sessions.iter().position(|session| session.single.as_ref() == Some(&name)) else {
            return self.let_in(from, id, admit);
        };
        if admit.takeover == Takeover::IncumbentStays {
            return self.answer(from, id, Tell::NotAdmitted(NotAdmitted::Occupied));
        }
        let now = self.now.at;
        let span = engine::bounds::DAMPING_SPAN;
        let lately: Vec<Timestamp> =
            self.proven.iter().filter(|(of, at)| *of == name && now.since(*at) < span).map(|(_, at)| *at).collect();
        if lately.len() >= engine::bounds::DAMPING_AFTER {
            let wait = lately[0].after(span).since(now);
            self.answer(from, id, Tell::NotAdmitted(NotAdmitted::Damped(wait)));
            return self.happened(Happening::Alert(Alert::TakeoverWar { principal: admit.principal.id.clone() }));
        }
        let before = self.waiting.iter().position(|waiting| waiting.name == name).map(|at| self.waiting.remove(at));
        if let Some(before) = before {
            self.answer(before.route, before.ask, Tell::NotAdmitted(NotAdmitted::Occupied));
        }
        self.waiting.push(Waiting { route: from, ask: id, name: name.clone(), admit });
        let session = &mut self.sessions[holder];
        if session.displaced {
            return;
        }
        session.displaced = true;
        let (route, epoch) = (session.route, session.epoch);
        for device in &mut self.devices {
            if device.epoch == epoch {
                device.route = None;
            }
        }
        self.listeners.retain(|listener| *listener != route);
        self.handovers.push((name, now.after(engine::bounds::HANDOVER)));
        self.tell(route, Tell::Displaced);
    }

    fn let_in(&mut self, route: Route, ask: AskId, admit: Admit) {
        self.epochs += 1;
        let epoch = Epoch { fence: self.fence, n: self.epochs };
        let Admit { principal, role, mut device, facts, hears, single, takeover: _, mut grace, windows } = admit;
        if role == Role::Performer && device.is_none() {
            device = Some(self.connection(epoch));
            grace = std::time::Duration::ZERO;
        }
        let told = role == Role::Requester && hears == Hears::Principal;
        let who = principal.id.clone();
        let windows = windows.into_iter().map(|fresh| self.lend(&who, fresh)).collect();
        let mail: Vec<Mail> = if told {
            let (mine, others) = std::mem::take(&mut self.mail).into_iter().partition(|mail| mail.principal == who);
            self.mail = others;
            mine
        } else {
            Vec::new()
        };
        let owed = u32::try_from(mail.len()).expect("few");
        self.sessions.push(Session {
            route,
            epoch,
            principal,
            role,
            device: device.clone(),
            single,
            grace,
            serves: Vec::new(),
            hears,
            displaced: false,
        });
        self.answer(route, ask, Tell::Admitted { epoch, windows, owed });
        for mail in mail {
            if let Some(tell) = self.outcome_tell(mail.operation) {
                self.tell_once_more(mail.operation);
                self.tell(route, tell);
                if mail.durable {
                    self.write(Write::Paid { operation: mail.operation });
                }
            }
        }
        if let Some(device) = device {
            self.device_came(route, device, epoch, facts);
        }
    }

    pub(super) fn leave(&mut self, from: Route, windows: Vec<Window>) {
        let Some(at) = self.sessions.iter().position(|session| session.route == from) else {
            if let Some(parting) = self.partings.iter().find(|parting| parting.route == from) {
                let principal = parting.principal.clone();
                return self.hand_back(&principal, windows);
            }
            return self.waiting.retain(|waiting| waiting.route != from);
        };
        let session = self.sessions.remove(at);
        let who = session.principal.id.clone();
        self.listeners.retain(|listener| *listener != from);
        self.hand_back(&who, windows);
        if let Some(name) = session.single.clone() {
            if session.displaced {
                let (device, until) = (session.device.clone(), self.now.at.after(engine::bounds::PARTING));
                self.partings.push(Parting { route: from, name: name.clone(), principal: who.clone(), device, until });
            }
            self.handovers.retain(|(handed, _)| *handed != name);
            if let Some(at) = self.waiting.iter().position(|waiting| waiting.name == name) {
                let Waiting { route, ask, admit, .. } = self.waiting.remove(at);
                self.let_in(route, ask, admit);
            }
        }
        let heard = session.role == Role::Requester && session.hears == Hears::Principal;
        if heard && self.reach(&who).is_none() {
            self.requester_lost(&who);
        }
        if let Some(device) = session.device.clone() {
            self.device_left(&session, &device);
        }
    }

    pub(super) fn parted(&mut self, from: Route, alive: bool) {
        let Some(at) = self.partings.iter().position(|parting| parting.route == from) else { return };
        let Parting { name, .. } = self.partings.remove(at);
        if alive {
            self.proven.push((name, self.now.at));
        }
    }

    fn device_came(&mut self, route: Route, id: DeviceId, epoch: Epoch, facts: Opaque) {
        for work in self.work.iter_mut().filter(|work| work.is_running() && work.restored && work.inquires()) {
            // Nobody remembers whether it was given there: it may have been.
            if work.target == Target::Device(id.clone()) && !work.has_it.contains(&id) {
                work.has_it.push(id.clone());
            }
        }
        self.devices.retain(|device| device.id != id);
        let presence = Presence::Online;
        let wall = self.now.wall;
        self.devices.push(Device {
            id: id.clone(),
            route: Some(route),
            epoch,
            presence,
            away_until: None,
            listed_until: None,
            since: wall,
            active: wall,
            facts,
        });
        self.devices.sort_by(|one, other| one.id.cmp(&other.id));
        self.seen(&id, epoch);
        self.happened(Happening::Presence { device: id.clone(), presence, epoch });
        self.resume(&id, route);
        self.offer_everything();
    }

    fn device_left(&mut self, session: &Session, id: &DeviceId) {
        self.seen(id, session.epoch);
        let now = self.now.at;
        let Some(device) = self.devices.iter_mut().find(|device| device.id == *id) else { return };
        if device.epoch != session.epoch {
            return;
        }
        device.route = None;
        device.presence = if session.grace.is_zero() { Presence::Offline } else { Presence::Away };
        device.away_until = (!session.grace.is_zero()).then(|| now.after(session.grace));
        if device.presence == Presence::Offline {
            device.facts = Opaque::new();
        }
        let (presence, epoch) = (device.presence, device.epoch);
        self.happened(Happening::Presence { device: id.clone(), presence, epoch });
        let had: Vec<OperationId> =
            self.running().filter(|work| work.has_it.contains(id)).map(|work| work.id).collect();
        for operation in had {
            self.left_alone(operation);
        }
        self.retire(id);
    }

    /// An offline device stays listed for a day, unless it was known by its connection.
    fn retire(&mut self, id: &DeviceId) {
        let until = self.now.at.after(engine::bounds::DEVICE_LISTED);
        let Some(at) = self.devices.iter().position(|device| device.id == *id) else { return };
        if self.devices[at].presence != Presence::Offline {
            return;
        }
        if self.connection(self.devices[at].epoch) == *id {
            return self.forget_device(id);
        }
        self.devices[at].listed_until = Some(until);
    }

    fn forget_device(&mut self, id: &DeviceId) {
        if self.load(id) == 0 {
            self.devices.retain(|device| device.id != *id || device.presence != Presence::Offline);
        }
    }

    /// Work that a device had was ended.
    pub(super) fn relieved(&mut self, id: &DeviceId) {
        if self.load(id) == 0 {
            self.retire(id);
        }
    }

    pub(super) fn list_devices(&mut self, from: Route, id: AskId) {
        let state = |device: &Device| DeviceState {
            device: device.id.clone(),
            presence: device.presence,
            epoch: (device.epoch != Epoch::default()).then_some(device.epoch),
            since: device.since,
            active: device.active,
            facts: device.facts.clone(),
        };
        let states = self.devices.iter().map(state).collect();
        self.answer(from, id, Tell::Devices(states));
    }

    /// The first turn: the store's devices are listed, and work is held for its device from now on.
    pub(super) fn wake_up(&mut self) {
        for row in std::mem::take(&mut self.remembered) {
            let seen = self.now.wall_at(row.last_seen_at);
            self.devices.push(Device {
                id: row.device,
                route: None,
                epoch: Epoch::default(),
                presence: Presence::Offline,
                away_until: None,
                listed_until: Some(row.last_seen_at.after(engine::bounds::DEVICE_LISTED)),
                since: seen,
                active: seen,
                facts: Opaque::new(),
            });
        }
        self.devices.sort_by(|one, other| one.id.cmp(&other.id));
        self.hold_restored();
    }

    fn connection(&self, epoch: Epoch) -> DeviceId {
        DeviceId::parse(&epoch.connection(self.partition)).expect("a good name")
    }

    /// What a target means: a device's name, or that of the connection it is there with.
    pub(super) fn resolve(&self, target: Target) -> Target {
        let Target::Device(name) = &target else { return target };
        if self.devices.iter().any(|device| device.id == *name) {
            return target;
        }
        let named = |device: &&Device| device.route.is_some() && self.connection(device.epoch) == *name;
        self.devices.iter().find(named).map_or(target.clone(), |device| Target::Device(device.id.clone()))
    }

    pub(super) fn grace_over(&mut self, id: &DeviceId) {
        let Some(device) = self.devices.iter_mut().find(|device| device.id == *id) else { return };
        if device.listed_until.take().is_some() {
            return self.forget_device(id);
        }
        device.presence = Presence::Offline;
        device.facts = Opaque::new();
        device.away_until = None;
        let epoch = device.epoch;
        self.happened(Happening::Presence { device: id.clone(), presence: Presence::Offline, epoch });
        self.retire(id);
    }

    pub(super) fn serve(&mut self, from: Route, id: AskId, names: Vec<Box<str>>) {
        self.answer(from, id, Tell::Serving);
        if let Some(session) = self.sessions.iter_mut().find(|session| session.route == from) {
            session.serves = names;
            self.offer_everything();
        }
    }

    fn seen(&mut self, id: &DeviceId, epoch: Epoch) {
        if self.connection(epoch) == *id {
            return;
        }
        self.write(Write::Seen(DeviceRow {
            group: self.group.clone(),
            device: id.clone(),
            dialect: model::Dialect::Boop,
            last_seen_at: self.now.at,
        }));
    }

    /// The newest session that hears all of a principal's news.
    pub(super) fn reach(&self, who: &PrincipalId) -> Option<Route> {
        let hears = |session: &&Session| {
            session.principal.id == *who
                && session.role == Role::Requester
                && session.hears == Hears::Principal
                && !session.displaced
        };
        self.sessions.iter().filter(hears).max_by_key(|session| session.epoch).map(|session| session.route)
    }

    /// The sessions news of work go to: those that wait for it, and its requester's newest if none of them is a till.
    pub(super) fn hearers(&self, at: usize) -> Vec<Route> {
        let work = &self.work[at];
        let listens = |route: &&Route| self.session(**route).is_some_and(|session| !session.displaced);
        let mut hearers: Vec<Route> = work.waiters.iter().filter(listens).copied().collect();
        if work.rules.audience == Audience::Principal && !hearers.iter().any(|route| self.is_till(*route)) {
            hearers.extend(self.reach(&work.requester));
        }
        hearers
    }

    /// Whether a session hears for its principal.
    pub(super) fn is_till(&self, route: Route) -> bool {
        let session = self.session(route);
        session.is_some_and(|session| session.role == Role::Requester && session.hears == Hears::Principal)
    }

    pub(super) fn tell_once_more(&mut self, operation: OperationId) {
        if let Some(at) = self.at(operation) {
            self.work[at].told += 1;
        }
    }

    fn lend(&mut self, who: &PrincipalId, fresh: Window) -> Window {
        let kept = |(of, window): &(PrincipalId, Window)| of == who && window.name() == fresh.name();
        match self.windows.iter().position(kept) {
            // The engine forgets what has slid empty; looking at it does the same.
            Some(at) => {
                let (_, window) = self.windows.remove(at);
                if window.empty_at().is_some_and(|at| at > self.now.at) { window } else { fresh }
            }
            None => fresh,
        }
    }

    fn hand_back(&mut self, who: &PrincipalId, windows: Vec<Window>) {
        let now = self.now.at;
        for mut window in windows {
            let count = window.count(now);
            if count == 0 {
                continue;
            }
            let before = self.windows.iter().position(|(of, kept)| of == who && kept.name() == window.name());
            let fuller = before.is_none_or(|at| self.windows[at].1.count(now) < count);
            if fuller {
                if let Some(at) = before {
                    self.windows.remove(at);
                }
                self.windows.push((who.clone(), window));
            }
        }
    }

    pub(super) fn owe(&mut self, at: usize, until: Timestamp) {
        let work = &self.work[at];
        let (principal, operation, durable) = (work.requester.clone(), work.id, work.is_durable());
        let most = work.rules.owed_most as usize;
        self.mail.push(Mail { principal: principal.clone(), operation, until, durable });
        let mine = |mail: &Mail| mail.principal == principal;
        if self.mail.iter().filter(|mail| mine(mail)).count() > most {
            let oldest = self.mail.iter().position(mine).expect("there is one");
            let oldest = self.mail.remove(oldest);
            self.give_up(&oldest);
        }
    }

    pub(super) fn give_up(&mut self, mail: &Mail) {
        let (operation, principal) = (mail.operation, mail.principal.clone());
        if mail.durable {
            self.write(Write::Paid { operation });
        }
        self.happened(Happening::Alert(Alert::GivenUp { operation, principal }));
    }

    pub(super) fn undelivered(&mut self, operation: OperationId) {
        let Some(at) = self.at(operation) else { return };
        self.work[at].told = self.work[at].told.saturating_sub(1);
        let Some(tell) = self.outcome_tell(operation) else { return };
        if self.work[at].told > 0 || self.work[at].rules.audience == Audience::Waiting {
            return;
        }
        if self.mail.iter().any(|mail| mail.operation == operation) {
            return;
        }
        if let Some(route) = self.reach(&self.work[at].requester) {
            self.tell_once_more(operation);
            return self.tell(route, tell);
        }
        let until = self.now.at.after(self.work[at].rules.owed_for);
        if let Some(mail) = self.mail_row(at, until) {
            self.write(Write::Owed(mail));
        }
        if !self.work[at].rules.owed_for.is_zero() {
            self.remember(at, until);
            self.owe(at, until);
        }
    }

    pub(super) fn mail_row(&self, at: usize, until: Timestamp) -> Option<MailRow> {
        let work = &self.work[at];
        (work.is_durable() && work.is_owed()).then(|| MailRow {
            operation: work.id,
            group: self.group.clone(),
            principal: work.requester.clone(),
            until,
        })
    }
}
