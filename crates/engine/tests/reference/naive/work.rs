//! What becomes of a piece of work.

use std::sync::Arc;

use engine::Output;
use model::{
    Absent, Alert, Answer, AskId, Capacity, Certainty, DeviceId, Epoch, FailCause, Fits, Happening, Late, Loaded,
    Opaque, OperationId, OperationRow, Outcome, OutcomeKind, PerformerLost, Presence, PrincipalId, Question, Refusal,
    Reoffer, Repeat, RequestKey, RequesterLost, Role, Route, Rules, Settled, Submit, Taken, Target, Tell, Timestamp,
    Verdict, Which, Write,
};

use super::{Mail, Naive, State, Work};

impl Naive {
    pub(super) fn running(&self) -> impl Iterator<Item = &Work> {
        self.work.iter().filter(|work| work.is_running())
    }

    pub(super) fn submit(&mut self, from: Route, id: AskId, submit: Submit, earlier: Option<OperationRow>) {
        let key = submit.key.clone();
        let refused = |why| Tell::Refused { key: key.clone(), why };
        let commands = self.session(from).filter(|session| !session.displaced && session.role == Role::Requester);
        let Some(principal) = commands.map(|session| Arc::clone(&session.principal)) else {
            return self.answer(from, id, refused(Refusal::Full));
        };
        let known = self.latest(&key).and_then(|known| self.at(known));
        let first = match (known, earlier) {
            (Some(at), _) => {
                let work = &self.work[at];
                Some((work.id, work.requester.clone(), (work.body, work.target.clone()), None))
            }
            (None, Some(row)) => {
                let told = row.outcome.clone().map(|(outcome, at)| Tell::Outcome {
                    operation: row.id,
                    key: key.clone(),
                    kind: row.kind.clone(),
                    target: row.target.clone(),
                    memo: row.memo.clone(),
                    outcome,
                    at,
                });
                Some((row.id, row.requester, (row.body, row.target), told))
            }
            (None, None) => None,
        };
        if let Some((operation, requester, (body, target), told)) = first {
            let now = self.resolve(submit.target.clone());
            let ended = match &now {
                Target::Device(name) => {
                    let connection = Epoch::parse_connection(name.as_str()).is_some();
                    connection && !self.devices.iter().any(|device| device.id == *name)
                }
                _ => false,
            };
            let same = requester == principal.id && body == submit.body && (ended || target == now);
            match submit.rules.repeat {
                Repeat::Refuse => return self.answer(from, id, refused(Refusal::Duplicate)),
                Repeat::Join if !same => return self.answer(from, id, refused(Refusal::Conflict)),
                Repeat::Join => {
                    if let Some(at) = known {
                        self.work[at].waiters.retain(|waiter| *waiter != from);
                        self.work[at].waiters.push(from);
                    }
                    self.answer(from, id, Tell::Accepted { operation, key: key.clone() });
                    if self.outcome_tell(operation).is_some() {
                        self.tell_once_more(operation);
                    }
                    if let Some(tell) = self.outcome_tell(operation).or(told) {
                        self.tell(from, tell);
                    }
                    return;
                }
                Repeat::Run => {}
            }
        }
        if self.running().count() >= engine::bounds::RUNNING_PER_GROUP {
            return self.answer(from, id, refused(Refusal::Full));
        }
        let target = self.resolve(submit.target);
        let there = self.candidates(&target);
        if there.is_empty() && submit.rules.absent == Absent::Refuse {
            let why = match &target {
                Target::Device(name) if !self.devices.iter().any(|device| device.id == *name) => {
                    let connection = Epoch::parse_connection(name.as_str());
                    let elsewhere = connection.is_some_and(|(partition, _)| partition != self.partition);
                    if elsewhere { Refusal::Foreign } else { Refusal::Unknown }
                }
                _ => Refusal::Absent,
            };
            return self.answer(from, id, refused(why));
        }
        let queues = matches!(submit.rules.capacity, Capacity::Queue(_));
        if !there.is_empty() && !queues && !there.iter().any(|id| self.has_room(id, submit.rules.capacity)) {
            return self.answer(from, id, refused(Refusal::Busy));
        }
        let operation = OperationId::next(self.partition, self.now.at.millis(), self.last_operation);
        self.last_operation = Some(operation);
        let row = OperationRow {
            id: operation,
            group: self.group.clone(),
            network: principal.network.clone(),
            requester: principal.id.clone(),
            requester_name: principal.name.clone(),
            dialect: principal.dialect,
            kind: submit.kind.clone(),
            key: key.clone(),
            body: submit.body,
            target,
            accepted_at: self.now.at,
            deliver_by: submit.deliver_by,
            answer_by: submit.answer_by,
            request: submit.request,
            memo: submit.memo,
            outcome: None,
            about: None,
            late: None,
            compensation: None,
        };
        if submit.rules.durability == model::Durability::Durable {
            self.write(Write::Accepted(Box::new(row.clone())));
        }
        let mut work = Work::from_row(row, submit.rules);
        work.waiters = vec![from];
        work.restored = false;
        let late = work.answer_by.min(work.deliver_by.unwrap_or(work.answer_by)) <= self.now.at;
        self.work.push(work);
        self.answer(from, id, Tell::Accepted { operation, key });
        self.happened(Happening::Accepted { operation, kind: submit.kind });
        if late {
            self.end(operation, Outcome::Expired { certainty: Certainty::NotDelivered });
        } else {
            self.offer(operation);
        }
    }

    pub(super) fn cancel(&mut self, from: Route, id: AskId, key: RequestKey) {
        let who = self.session(from).filter(|session| !session.displaced && session.role == Role::Requester);
        let who = who.map(|session| session.principal.id.clone());
        let found = self.latest(&key).and_then(|operation| self.at(operation));
        let mine = |at: &usize| self.work[*at].is_running() && Some(&self.work[*at].requester) == who.as_ref();
        let Some(at) = found.filter(mine) else {
            return self.answer(from, id, Tell::Refused { key, why: Refusal::NotFound });
        };
        self.answer(from, id, Tell::Cancelling { key });
        self.take_back(self.work[at].id);
    }

    pub(super) fn requester_lost(&mut self, who: &PrincipalId) {
        let lost = |work: &&Work| work.requester == *who && work.rules.requester_lost == RequesterLost::Cancel;
        let lost: Vec<OperationId> = self.running().filter(lost).map(|work| work.id).collect();
        for operation in lost {
            self.take_back(operation);
        }
    }

    pub(super) fn take_back(&mut self, operation: OperationId) {
        let Some(at) = self.at(operation) else { return };
        let certainty = self.work[at].certainty();
        match &mut self.work[at].state {
            State::Deciding { taken_back, .. } => *taken_back = true,
            State::Ended { .. } => {}
            _ => self.end(operation, Outcome::Cancelled { certainty }),
        }
    }

    pub(super) fn work_due(&mut self, operation: OperationId) {
        let Some(at) = self.at(operation) else { return };
        let (now, certainty, work) = (self.now.at, self.work[at].certainty(), &mut self.work[at]);
        let failed = |cause| Outcome::Failed { cause, certainty, body: Opaque::new() };
        let expired = now >= work.answer_by;
        let outcome = match &work.state {
            State::Ended { .. } => {
                self.work.remove(at);
                return;
            }
            State::Orphaned => failed(FailCause::Service),
            _ if expired => Outcome::Expired { certainty },
            State::Waiting | State::Resting { .. } if work.deliver_by.is_some_and(|by| now >= by) => {
                Outcome::Expired { certainty }
            }
            State::Resting { .. } => {
                work.state = State::Waiting;
                return self.offer(operation);
            }
            State::Waiting => failed(FailCause::Absent),
            State::Held { .. } => failed(FailCause::PerformerLost),
            State::Offered { .. } => {
                work.offered_now(now);
                let (tell, devices) = (work.offer_tell(false), sorted(&work.has_it));
                for device in devices {
                    if let Some(route) = self.online(&device) {
                        self.tell(route, tell.clone());
                    }
                }
                return;
            }
            State::Started | State::Deciding { .. } => return,
        };
        self.end(operation, outcome);
    }

    fn end(&mut self, operation: OperationId, outcome: Outcome) {
        self.end_by(operation, outcome, None);
        self.offer_everything();
    }

    fn end_by(&mut self, operation: OperationId, outcome: Outcome, by: Option<&DeviceId>) {
        let Some(at) = self.at(operation) else { return };
        let until = self.now.at.after(self.work[at].rules.owed_for);
        if self.work[at].is_durable() {
            self.write(Write::Ended { operation, outcome: outcome.clone(), at: self.now.at });
        }
        if let Some(mail) = self.mail_row(at, until) {
            self.write(Write::Owed(mail));
        }
        self.ended(operation, outcome, until, by);
    }

    fn ended(&mut self, operation: OperationId, outcome: Outcome, owed_until: Timestamp, by: Option<&DeviceId>) {
        let Some(at) = self.at(operation) else { return };
        let how = outcome.kind();
        let work = &mut self.work[at];
        let forget_at = self.now.at.after(work.rules.remember);
        work.state = State::Ended { outcome, at: self.now.at, forget_at };
        work.request = Opaque::new();
        let (key, owes, durable) = (work.key.clone(), work.is_owed(), work.is_durable());
        let (about, had) = (work.about, sorted(&work.has_it));
        let hearers = self.hearers(at);
        for route in &hearers {
            let tell = self.outcome_tell(operation).expect("it has one");
            self.tell_once_more(operation);
            self.tell(*route, tell);
        }
        if owes && !hearers.iter().any(|route| self.is_till(*route)) {
            self.remember(at, owed_until);
            self.owe(at, owed_until);
        } else if owes && durable {
            self.write(Write::Paid { operation });
        }
        for device in had {
            if let (Some(route), true) = (self.online(&device), by != Some(&device)) {
                self.tell(route, Tell::Withdrawn { operation, key: key.clone(), how });
            }
            self.relieved(&device);
        }
        self.happened(Happening::Ended { operation, how });
        if let (Some(operation), true) = (about, how != OutcomeKind::Completed) {
            self.happened(Happening::Alert(Alert::NotCompensated { operation }));
        }
    }

    pub(super) fn remember(&mut self, at: usize, until: Timestamp) {
        if let State::Ended { forget_at, .. } = &mut self.work[at].state {
            *forget_at = until.max(*forget_at);
        }
    }

    /// The devices that are there for a target, in the order they are tried.
    fn candidates(&self, target: &Target) -> Vec<DeviceId> {
        let serves = |route: Option<Route>, name: &str| {
            let session = route.and_then(|route| self.session(route));
            session.is_some_and(|session| session.serves.iter().any(|served| **served == *name))
        };
        let mut fitting: Vec<(usize, DeviceId)> = self
            .devices
            .iter()
            .filter(|device| device.presence == Presence::Online)
            .filter(|device| match target {
                Target::Device(id) => device.id == *id,
                Target::AnyOfGroup | Target::FirstIdle => true,
                Target::Serving(name) => serves(device.route, name),
            })
            .map(|device| match target {
                Target::Device(_) | Target::AnyOfGroup => (0, device.id.clone()),
                Target::FirstIdle | Target::Serving(_) => (self.load(&device.id), device.id.clone()),
            })
            .collect();
        fitting.sort();
        fitting.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn offer_everything(&mut self) {
        let mut running: Vec<OperationId> = self.running().map(|work| work.id).collect();
        running.sort();
        for operation in running {
            self.offer(operation);
        }
    }

    pub(super) fn offer(&mut self, operation: OperationId) {
        let Some(at) = self.at(operation) else { return };
        if !self.work[at].may_be_offered(self.now.at) {
            return;
        }
        let capacity = self.work[at].rules.capacity;
        let mut offered = false;
        for id in self.candidates(&self.work[at].target) {
            let Some(route) = self.online(&id) else { continue };
            if self.work[at].has_it.contains(&id) || !self.has_room(&id, capacity) {
                continue;
            }
            let tell = self.work[at].offer_tell(false);
            self.tell(route, tell);
            self.work[at].has_it.push(id);
            offered = true;
            if self.work[at].target != Target::AnyOfGroup {
                break;
            }
        }
        if offered && matches!(self.work[at].state, State::Waiting) {
            self.work[at].offered_now(self.now.at);
        }
    }

    pub(super) fn resume(&mut self, id: &DeviceId, route: Route) {
        let now = self.now.at;
        for at in 0..self.work.len() {
            let work = &mut self.work[at];
            if !work.is_running() || !work.has_it.contains(id) {
                continue;
            }
            match work.state {
                State::Held { started: true, .. } => work.state = State::Started,
                State::Held { started: false, .. } => work.offered_now(now),
                State::Waiting if work.inquires() => work.state = State::Offered { again_at: None },
                _ => {}
            }
            let (offered, started) =
                (matches!(work.state, State::Offered { .. }), matches!(work.state, State::Started));
            let again = match work.rules.reoffer {
                Reoffer::Never => false,
                Reoffer::Inquire { .. } => offered || started,
                Reoffer::OnReturn | Reoffer::Every { .. } => offered,
            };
            if again {
                let tell = work.offer_tell(work.inquires());
                self.tell(route, tell);
            }
        }
    }

    pub(super) fn left_alone(&mut self, operation: OperationId) {
        let Some(at) = self.at(operation) else { return };
        let here =
            |id: &DeviceId| self.devices.iter().any(|device| device.id == *id && device.presence == Presence::Online);
        if self.work[at].has_it.iter().any(here) {
            return;
        }
        let away =
            |id: &DeviceId| self.devices.iter().any(|device| device.id == *id && device.presence == Presence::Away);
        let may_return = self.work[at].has_it.iter().any(away);
        let now = self.now.at;
        let work = &mut self.work[at];
        let started = match work.state {
            State::Started => true,
            State::Offered { .. } => false,
            _ => return,
        };
        match work.rules.performer_lost {
            PerformerLost::Hold(longest) if may_return => {
                work.state = State::Held { until: now.after(longest), started };
            }
            PerformerLost::Fail | PerformerLost::Hold(_) => {
                let (cause, certainty) = (FailCause::PerformerLost, Certainty::Unknown);
                self.end(operation, Outcome::Failed { cause, certainty, body: Opaque::new() });
            }
            PerformerLost::OthersGoOn => {}
        }
    }

    /// After a restart nobody remembers who had it: work that is held for its device is held from now on.
    pub(super) fn hold_restored(&mut self) {
        let now = self.now.at;
        for work in self.work.iter_mut().filter(|work| matches!(work.state, State::Waiting) && work.inquires()) {
            if let PerformerLost::Hold(longest) = work.rules.performer_lost {
                work.state = State::Held { until: now.after(longest), started: false };
            }
        }
    }

    pub(super) fn performer_answers(&mut self, from: Route, id: AskId, answer: Answer, earlier: Option<OperationRow>) {
        if let (Which::Key(key), Some(row)) = (&answer.which, &earlier)
            && self.latest(key).is_none()
        {
            self.recall(row);
        }
        let (found, key) = match &answer.which {
            Which::Id(operation) => (Some(*operation), None),
            Which::Key(key) => (self.latest(key), Some(key.clone())),
            Which::Compensation(key) => {
                let making_good = self.work.iter().filter(|work| work.about.is_some() && work.key == *key);
                (making_good.map(|work| work.id).max(), Some(key.clone()))
            }
        };
        let parting = self.partings.iter().find(|parting| parting.route == from);
        let device = match self.session(from) {
            Some(session) if session.role == Role::Performer => session.device.clone(),
            _ => parting.and_then(|parting| parting.device.clone()),
        };
        let Some(device) = device else {
            return self.answer(from, id, Tell::Taken { operation: found, key, taken: Taken::NotYours });
        };
        let wall = self.now.wall;
        if let Some(device) = self.devices.iter_mut().find(|known| known.id == device) {
            device.active = wall;
        }
        let Some(at) = found.and_then(|operation| self.at(operation)) else {
            let others = |row: &OperationRow| matches!(&row.target, Target::Device(target) if *target != device);
            let how = earlier.as_ref().and_then(|row| row.outcome.as_ref()).map(|(outcome, _)| outcome.kind());
            let taken = if earlier.as_ref().is_some_and(others) { Taken::NotYours } else { Taken::Late(how) };
            let operation = earlier.map(|row| row.id);
            self.answer(from, id, Tell::Taken { operation, key, taken });
            if let (None, Which::Key(key), Verdict::Completed(_)) = (operation, answer.which, answer.verdict) {
                self.happened(Happening::Alert(Alert::Unasked { key, device }));
            }
            return;
        };
        let work = &mut self.work[at];
        let (operation, key) = (work.id, Some(work.key.clone()));
        let told = |taken| Tell::Taken { operation: Some(operation), key, taken };
        let may_be = match &work.target {
            Target::Device(target) => *target == device && (work.restored || work.offered_at.is_some()),
            _ => work.restored,
        };
        if !(work.has_it.contains(&device) || may_be) {
            self.answer(from, id, told(Taken::NotYours));
            if matches!(answer.verdict, Verdict::Completed(_)) {
                self.happened(Happening::Alert(Alert::Contradiction { operation, device }));
            }
            return;
        }
        match &work.state {
            State::Ended { outcome, .. } => {
                let how = outcome.kind();
                self.answer(from, id, told(Taken::Late(Some(how))));
                return self.came_late(at, device, answer.verdict);
            }
            State::Deciding { .. } => return self.answer(from, id, told(Taken::Deciding)),
            State::Resting { .. } if answer.verdict == Verdict::NotStarted => {
                return self.answer(from, id, told(Taken::Noted));
            }
            _ => {}
        }
        if !work.has_it.contains(&device) {
            work.has_it.push(device.clone());
            if matches!(work.state, State::Waiting | State::Resting { .. }) {
                work.state = State::Offered { again_at: None };
            }
        }
        let outcome = match answer.verdict {
            Verdict::Started => {
                match &mut work.state {
                    State::Held { started, .. } => *started = true,
                    _ => work.state = State::Started,
                }
                return self.answer(from, id, told(Taken::Noted));
            }
            Verdict::NotStarted => {
                self.answer(from, id, told(Taken::Noted));
                return self.not_started(at, &device);
            }
            Verdict::Note(note) => {
                if let State::Offered { again_at } = &mut work.state {
                    *again_at = None;
                }
                self.progress(at, note);
                return self.answer(from, id, told(Taken::Noted));
            }
            Verdict::Evidence(evidence) => return self.decide(at, from, id, device, evidence),
            Verdict::Completed(body) if !(work.rules.fits.0)(&work.memo, &body) => {
                self.happened(Happening::Alert(Alert::Contradiction { operation, device }));
                return self.answer(from, id, told(Taken::Contradicts));
            }
            Verdict::Completed(body) => Outcome::Completed { body },
            Verdict::Declined(body) => Outcome::Declined { body },
            Verdict::Failed(body) => {
                Outcome::Failed { cause: FailCause::Performer, certainty: Certainty::Unknown, body }
            }
        };
        let how = outcome.kind();
        self.end_by(operation, outcome, Some(&device));
        self.answer(from, id, told(Taken::Ended(how)));
        self.offer_everything();
    }

    /// The performer certainly did nothing of it; one that said that it had begun is not believed.
    fn not_started(&mut self, at: usize, device: &DeviceId) {
        let now = self.now.at;
        let work = &mut self.work[at];
        if matches!(work.state, State::Started) {
            return;
        }
        let operation = work.id;
        work.offered_at.get_or_insert(now);
        work.has_it.retain(|id| id != device);
        if matches!(work.target, Target::Device(_)) {
            work.restored = false;
        }
        if work.has_it.is_empty() {
            work.state = State::Waiting;
            if let Reoffer::Inquire { times, pause } = work.rules.reoffer {
                work.not_started += 1;
                if work.not_started > times {
                    let (cause, certainty) = (FailCause::Performer, work.certainty());
                    return self.end(operation, Outcome::Failed { cause, certainty, body: Opaque::new() });
                }
                if work.not_started > 1 && !pause.is_zero() {
                    work.state = State::Resting { until: now.after(pause * u32::from(work.not_started - 1)) };
                }
            }
        }
        self.offer(operation);
        self.left_alone(operation);
        self.offer_everything();
    }

    fn decide(&mut self, at: usize, from: Route, ask: AskId, device: DeviceId, evidence: Opaque) {
        let until = self.now.at.after(self.work[at].rules.owed_for);
        let owed = self.mail_row(at, until);
        let work = &mut self.work[at];
        work.attempts += 1;
        work.state = State::Deciding { device, from, ask, owed_until: until, taken_back: false };
        let question = Question {
            operation: work.id,
            key: work.key.clone(),
            network: work.network.clone(),
            group: self.group.clone(),
            request: work.request.clone(),
            memo: work.memo.clone(),
            evidence,
            attempt: work.attempts,
            wall: self.now.wall,
        };
        let dialect = work.dialect;
        self.out.push(Output::Settle { dialect, question: Box::new(question), owed, at: self.now.at });
    }

    pub(super) fn settled(&mut self, operation: OperationId, settled: Settled) {
        let Some(at) = self.at(operation) else { return };
        let work = &mut self.work[at];
        let State::Deciding { device, from, ask, owed_until, taken_back } = &work.state else { return };
        let (device, from, ask, owed_until, taken_back) = (device.clone(), *from, *ask, *owed_until, *taken_back);
        let (key, certainty) = (Some(work.key.clone()), work.certainty());
        let taken = match settled {
            Settled::Outcome(outcome) => {
                let how = outcome.kind();
                self.ended(operation, outcome, owed_until, Some(&device));
                Taken::Ended(how)
            }
            Settled::Again { note } => {
                work.state = State::Offered { again_at: None };
                if taken_back || self.now.at >= work.answer_by {
                    let outcome =
                        if taken_back { Outcome::Cancelled { certainty } } else { Outcome::Expired { certainty } };
                    let how = outcome.kind();
                    self.end_by(operation, outcome, Some(&device));
                    Taken::Late(Some(how))
                } else {
                    self.progress(at, note);
                    self.left_alone(operation);
                    self.offer(operation);
                    Taken::Again
                }
            }
        };
        if self.session(from).is_some() {
            self.answer(from, ask, Tell::Taken { operation: Some(operation), key, taken });
        }
        self.offer_everything();
    }

    fn progress(&mut self, at: usize, note: Opaque) {
        let work = &self.work[at];
        let (operation, key, memo) = (work.id, work.key.clone(), work.memo.clone());
        for route in self.hearers(at) {
            let (key, memo, note) = (key.clone(), memo.clone(), note.clone());
            self.tell(route, Tell::Progress { operation, key, memo, note });
        }
    }

    pub(super) fn outcome_tell(&self, operation: OperationId) -> Option<Tell> {
        let work = &self.work[self.at(operation)?];
        let State::Ended { outcome, at, .. } = &work.state else { return None };
        let (key, kind, memo) = (work.key.clone(), work.kind.clone(), work.memo.clone());
        let target = work.target.clone();
        Some(Tell::Outcome { operation, key, kind, target, memo, outcome: outcome.clone(), at: *at })
    }

    pub(super) fn restore(&mut self, loaded: Loaded) {
        for row in loaded.operations {
            self.last_operation = self.last_operation.max(Some(row.id));
            let known = (self.rules)(&row.kind);
            let orphan = known.is_none();
            let mut work = Work::from_row(row, known.unwrap_or_else(orphan_rules));
            if orphan && work.is_running() {
                work.state = State::Orphaned;
            }
            self.work.push(work);
        }
        self.work.sort_by_key(|work| work.id);
        let mut owed = loaded.mail;
        owed.sort_by_key(|mail| (mail.until, mail.operation));
        for mail in owed {
            let at = self.at(mail.operation).expect("stores keep what is owed");
            self.remember(at, mail.until);
            let (principal, operation, until) = (mail.principal, mail.operation, mail.until);
            self.mail.push(Mail { principal, operation, until, durable: true });
        }
    }
}

impl Work {
    pub(super) fn from_row(row: OperationRow, rules: Arc<Rules>) -> Self {
        let state = match row.outcome {
            Some((outcome, at)) => State::Ended { outcome, at, forget_at: at.after(rules.remember) },
            None => State::Waiting,
        };
        Self {
            id: row.id,
            key: row.key,
            kind: row.kind,
            about: row.about,
            body: row.body,
            dialect: row.dialect,
            network: row.network,
            requester: row.requester,
            requester_name: row.requester_name,
            target: row.target,
            rules,
            accepted_at: row.accepted_at,
            deliver_by: row.deliver_by,
            answer_by: row.answer_by,
            request: row.request,
            memo: row.memo,
            waiters: Vec::new(),
            told: 0,
            has_late: row.late.is_some(),
            made_good: row.compensation.is_some(),
            disputed: false,
            has_it: Vec::new(),
            offered_at: None,
            restored: true,
            attempts: 0,
            not_started: 0,
            state,
        }
    }

    fn offered_now(&mut self, now: Timestamp) {
        let first = *self.offered_at.get_or_insert(now);
        let again_at = match self.rules.reoffer {
            Reoffer::Every { pause, until } => {
                Some(now.after(pause.max(engine::bounds::REOFFER_PAUSE_LEAST))).filter(|at| *at <= first.after(until))
            }
            Reoffer::Never | Reoffer::OnReturn | Reoffer::Inquire { .. } => None,
        };
        self.state = State::Offered { again_at };
    }

    pub(super) fn inquires(&self) -> bool {
        matches!(self.rules.reoffer, Reoffer::Inquire { .. })
    }

    fn offer_tell(&self, inquiry: bool) -> Tell {
        Tell::Offer {
            operation: self.id,
            key: self.key.clone(),
            kind: self.kind.clone(),
            inquiry,
            from: self.requester_name.clone(),
            request: self.request.clone(),
            answer_by: self.answer_by,
        }
    }
}

fn sorted(ids: &[DeviceId]) -> Vec<DeviceId> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

fn orphan_rules() -> Arc<Rules> {
    Arc::new(Rules {
        capacity: Capacity::Many(0),
        absent: Absent::Refuse,
        performer_lost: PerformerLost::OthersGoOn,
        requester_lost: RequesterLost::GoOn,
        repeat: Repeat::Refuse,
        reoffer: Reoffer::Never,
        late: Late::Record,
        audience: model::Audience::Principal,
        durability: model::Durability::Durable,
        remember: engine::bounds::ORPHAN_OWED_FOR,
        owed_for: engine::bounds::ORPHAN_OWED_FOR,
        fits: Fits::ANYTHING,
        owed_most: engine::bounds::ORPHAN_OWED_MOST,
    })
}
