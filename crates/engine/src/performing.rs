//! The life of an operation as performers see it: offered, begun, answered, lost and offered again.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{
    Alert, Answer, AskId, Certainty, Compensation, DeviceId, FailCause, Happening, Late, OperationId, OperationRow,
    Outcome, OutcomeKind, PerformerLost, Presence, Question, Reoffer, Role, Route, Settled, Taken, Target, Tell,
    Timestamp, Verdict, Which, Write,
};

use crate::group::Group;
use crate::operation::{Operation, State};
use crate::port::Output;
use crate::presence::Device;
use crate::timers::Timers;
use crate::{Turn, bounds};

impl Group {
    /// Offers an operation to whoever it is for and has room.
    pub(crate) fn offer(&mut self, turn: &mut Turn<'_>, operation: OperationId) {
        let Some(work) = self.operations.get(&operation) else { return };
        if !work.may_be_offered(turn.now.at) {
            return;
        }
        let one = work.target != Target::AnyOfGroup;
        let tell = work.offer_tell(false);
        let capacity = work.rules.capacity;
        let candidates = self.candidates(&work.target);
        let (mut given, mut short) = (Vec::new(), false);
        for id in candidates {
            let has_room = self.has_room(&id, capacity);
            let Some(device) = self.devices.get_mut(&id) else { continue };
            let Some(route) = device.online() else { continue };
            if device.load.contains(&operation) {
                continue;
            }
            if !has_room {
                short = true;
                continue;
            }
            device.load.insert(operation);
            turn.tell(route, tell.clone());
            given.push(id);
            if one {
                break;
            }
        }
        if short && (given.is_empty() || !one) {
            self.short.insert(operation);
        }
        if given.is_empty() {
            return;
        }
        if let Some(work) = self.operations.get_mut(&operation) {
            work.offered.extend(given);
            if matches!(work.state, State::Waiting) {
                work.now_offered(turn.now.at);
            }
        }
        self.arm(turn.timers, operation);
    }

    /// Offers everything that may go to somebody it has not gone to, oldest first.
    pub(crate) fn offer_waiting(&mut self, turn: &mut Turn<'_>) {
        let running = self.running.iter().filter_map(|operation| self.operations.get(operation));
        let open: Vec<OperationId> =
            running.filter(|work| work.may_be_offered(turn.now.at)).map(|work| work.id).collect();
        for operation in open {
            self.offer(turn, operation);
        }
    }

    /// A device has room again: what found none before is offered, oldest first.
    pub(crate) fn offer_short(&mut self, turn: &mut Turn<'_>) {
        for operation in std::mem::take(&mut self.short) {
            self.offer(turn, operation);
        }
    }

    /// Says an offer again to those who have it.
    pub(crate) fn offer_again(&mut self, turn: &mut Turn<'_>, operation: OperationId) {
        let now = turn.now.at;
        let Some(work) = self.operations.get_mut(&operation) else { return };
        work.now_offered(now);
        let tell = work.offer_tell(false);
        for device in self.devices.values().filter(|device| device.load.contains(&operation)) {
            if let Some(route) = device.online() {
                turn.tell(route, tell.clone());
            }
        }
    }

    /// A device is back: what it had is said again where its kind of work wants that and it had not begun; or it is
    /// asked what became of it.
    pub(crate) fn resume(&mut self, turn: &mut Turn<'_>, id: &DeviceId) {
        let Some(device) = self.devices.get(id) else { return };
        let Some(route) = device.online() else { return };
        for operation in device.load.clone() {
            let Some(work) = self.operations.get_mut(&operation) else { continue };
            match work.state {
                State::Held { started: true, .. } => work.state = State::Started,
                State::Held { started: false, .. } => work.now_offered(turn.now.at),
                State::Waiting if work.inquires() => work.state = State::Offered { again_at: None },
                State::Waiting
                | State::Resting { .. }
                | State::Offered { .. }
                | State::Started
                | State::Settling { .. }
                | State::Orphaned
                | State::Ended { .. } => {}
            }
            let again = match (&work.state, work.rules.reoffer) {
                (State::Offered { .. } | State::Started, Reoffer::Inquire { .. }) => Some(true),
                (State::Offered { .. }, Reoffer::OnReturn | Reoffer::Every { .. }) => Some(false),
                _ => None,
            };
            if let Some(inquiry) = again {
                work.offered.insert(id.clone());
                turn.tell(route, work.offer_tell(inquiry));
            }
            self.arm(turn.timers, operation);
        }
    }

    /// A device's session is over: what it had is held, failed, or left to others.
    pub(crate) fn performer_lost(&mut self, turn: &mut Turn<'_>, id: &DeviceId) {
        let Some(device) = self.devices.get(id) else { return };
        for operation in device.load.clone() {
            self.left_alone(turn, operation);
        }
    }

    /// After a restart: work that is held for its performer is held from now on.
    pub(crate) fn hold_restored(&mut self, now: Timestamp, timers: &mut Timers) {
        for operation in self.running.clone() {
            let Some(work) = self.operations.get_mut(&operation) else { continue };
            if let (State::Waiting, PerformerLost::Hold(longest)) = (&work.state, work.rules.performer_lost)
                && work.inquires()
            {
                work.state = State::Held { until: now.after(longest), started: false };
                self.arm(timers, operation);
            }
        }
    }

    /// Work whose last performer may have gone: what its kind of work wants then.
    fn left_alone(&mut self, turn: &mut Turn<'_>, operation: OperationId) {
        let has_it = |device: &&Device| device.load.contains(&operation);
        let others = self.devices.values().filter(has_it).any(|device| device.presence == Presence::Online);
        let may_return = self.devices.values().filter(has_it).any(|device| device.presence == Presence::Away);
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let started = matches!(work.state, State::Started);
        let waits = started || matches!(work.state, State::Offered { .. });
        if others || !waits {
            return;
        }
        match work.rules.performer_lost {
            PerformerLost::Hold(longest) if may_return => {
                work.state = State::Held { until: turn.now.at.after(longest), started };
                self.arm(turn.timers, operation);
            }
            PerformerLost::Fail | PerformerLost::Hold(_) => {
                let certainty = Certainty::Unknown;
                let outcome =
                    Outcome::Failed { cause: FailCause::PerformerLost, certainty, body: model::Opaque::new() };
                self.end(turn, operation, outcome);
            }
            PerformerLost::OthersGoOn => {}
        }
    }

    /// Takes a performer's answer: a fact, from whichever session of the device it comes.
    pub(crate) fn answer(
        &mut self,
        turn: &mut Turn<'_>,
        from: Route,
        id: AskId,
        answer: Answer,
        earlier: Option<Box<OperationRow>>,
    ) {
        if let (Which::Key(key), Some(row)) = (&answer.which, &earlier)
            && self.latest(key).is_none()
        {
            self.recall(turn, row);
        }
        let (found, key) = match &answer.which {
            Which::Id(operation) => (Some(*operation), None),
            Which::Key(key) => (self.latest(key), Some(key.clone())),
            Which::Compensation(key) => (self.amends_for(key).next().map(|work| work.id), Some(key.clone())),
        };
        let Some(device) = self.device_behind(from) else {
            return turn.answer(from, id, Tell::Taken { operation: found, key, taken: Taken::NotYours });
        };
        if let Some(device) = self.devices.get_mut(&device) {
            device.active = turn.now.wall;
        }
        let Some(work) = found.and_then(|operation| self.operations.get_mut(&operation)) else {
            let how = earlier.as_ref().and_then(|row| row.outcome.as_ref()).map(|(outcome, _)| outcome.kind());
            let taken = match earlier.as_ref().map(|row| &row.target) {
                Some(Target::Device(target)) if *target != device => Taken::NotYours,
                Some(Target::Device(_) | Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_)) | None => {
                    Taken::Late(how)
                }
            };
            let operation = earlier.map(|row| row.id);
            turn.answer(from, id, Tell::Taken { operation, key: key.clone(), taken });
            if let (Which::Key(key), Verdict::Completed(_), None) = (answer.which, answer.verdict, operation) {
                self.happened(turn, Happening::Alert(Alert::Unasked { key, device }));
            }
            return;
        };
        let operation = work.id;
        let key = Some(work.key.clone());
        if !work.is_for(&device) {
            turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken: Taken::NotYours });
            if matches!(answer.verdict, Verdict::Completed(_)) {
                // It did what nobody asked of it.
                self.happened(turn, Happening::Alert(Alert::Contradiction { operation, device }));
            }
            return;
        }
        let taken = match &work.state {
            State::Ended { outcome, .. } => {
                let taken = Taken::Late(Some(outcome.kind()));
                turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken });
                return self.came_late(turn, operation, &device, answer.verdict);
            }
            State::Settling { .. } => Taken::Deciding,
            // It said so before.
            State::Resting { .. } if answer.verdict == Verdict::NotStarted => Taken::Noted,
            State::Waiting
            | State::Resting { .. }
            | State::Offered { .. }
            | State::Started
            | State::Held { .. }
            | State::Orphaned => {
                return self.running_answer(turn, from, id, operation, device, answer.verdict);
            }
        };
        turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken });
    }

    /// Work that ended so long ago that only the store knew it is taken back into memory, where a word about it matters.
    fn recall(&mut self, turn: &mut Turn<'_>, row: &OperationRow) {
        let rules = (turn.rules)(row.dialect, &row.kind);
        if row.outcome.is_some() && rules.as_ref().is_some_and(|rules| rules.late != Late::Drop) {
            turn.places.insert(row.id, self.id.clone());
            self.restore(row.clone(), rules, turn.timers);
            self.remember_until(turn.timers, row.id, turn.now.at.after(bounds::RECALLED));
        }
    }

    /// A performer says what became of work that has its outcome: put on record once, and made good for where that
    /// outcome said that it was not done.
    fn came_late(&mut self, turn: &mut Turn<'_>, operation: OperationId, device: &DeviceId, verdict: Verdict) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let (done, body) = match verdict {
            Verdict::Started | Verdict::NotStarted | Verdict::Note(_) => return,
            Verdict::Completed(body) => (true, body),
            Verdict::Evidence(body) | Verdict::Declined(body) | Verdict::Failed(body) => (false, body),
        };
        if work.rules.late == Late::Drop || !work.is_durable() {
            return;
        }
        let State::Ended { outcome, .. } = &work.state else { return };
        let undone = match outcome.kind() {
            OutcomeKind::Completed => false,
            OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::Expired | OutcomeKind::Cancelled => true,
        };
        // Something else was done; or first it was done, and now it is said not to be: a person has to find out.
        let disputes = if done { !(work.rules.fits.0)(&work.memo, &body) } else { !undone };
        if disputes && !std::mem::replace(&mut work.disputed, true) {
            let device = device.clone();
            self.happened(turn, Happening::Alert(Alert::Contradiction { operation, device }));
        }
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let compensation = match &work.rules.late {
            Late::Compensate(compensation) if done && undone && !work.made_good => Some(Arc::clone(compensation)),
            Late::Compensate(_) | Late::Record | Late::Drop => None,
        };
        if compensation.is_none() && (work.has_late || !undone) {
            return;
        }
        work.has_late = true;
        work.made_good |= compensation.is_some();
        turn.out.push(Output::Write(Write::LateAnswer { operation, body: body.clone(), at: turn.now.at }));
        if let Some(compensation) = compensation {
            self.make_good(turn, operation, device, &compensation, body);
        }
    }

    /// Accepts the work that makes good for work that was done after all.
    fn make_good(
        &mut self,
        turn: &mut Turn<'_>,
        about: OperationId,
        device: &DeviceId,
        compensation: &Compensation,
        late: model::Opaque,
    ) {
        let Some(first) = self.operations.get(&about) else { return };
        let operation = OperationId::next(turn.partition, turn.now.at.millis(), *turn.last_operation);
        *turn.last_operation = Some(operation);
        let work = Operation {
            id: operation,
            key: first.key.clone(),
            kind: compensation.kind.clone(),
            about: Some(about),
            body: first.body,
            dialect: first.dialect,
            network: first.network.clone(),
            requester: first.requester.clone(),
            requester_name: first.requester_name.clone(),
            target: Target::Device(device.clone()),
            rules: Arc::clone(&compensation.rules),
            accepted_at: turn.now.at,
            deliver_by: None,
            answer_by: turn.now.at.after(compensation.answer_within),
            request: late,
            memo: first.memo.clone(),
            waiters: Vec::new(),
            offered: BTreeSet::new(),
            offered_at: None,
            restored: false,
            attempts: 0,
            not_started: 0,
            told: 0,
            has_late: false,
            made_good: false,
            disputed: false,
            state: State::Waiting,
        };
        turn.out.push(Output::Write(Write::Accepted(Box::new(self.row(&work)))));
        self.running.insert(operation);
        turn.places.insert(operation, self.id.clone());
        let kind = work.kind.clone();
        self.amends.insert((work.key.clone(), operation));
        self.operations.insert(operation, work);
        self.happened(turn, Happening::Accepted { operation, kind });
        self.offer(turn, operation);
        self.arm(turn.timers, operation);
    }

    /// The device a session is, or was until it was let go a moment ago.
    fn device_behind(&self, from: Route) -> Option<DeviceId> {
        let session = self.sessions.get(&from).filter(|session| session.role == Role::Performer);
        let parting = || self.partings.get(&from).and_then(|parting| parting.device.clone());
        session.map_or_else(parting, |session| session.device.clone())
    }

    /// The service has decided on an answer, and what it decided is durable.
    pub(crate) fn settled(&mut self, turn: &mut Turn<'_>, operation: OperationId, settled: Settled) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let State::Settling { device, from, ask, owed_until, taken_back } = &work.state else { return };
        let (device, from, ask, owed_until, taken_back) = (device.clone(), *from, *ask, *owed_until, *taken_back);
        let key = Some(work.key.clone());
        let taken = match settled {
            Settled::Outcome(outcome) => {
                let how = outcome.kind();
                self.ended(turn, operation, outcome, owed_until, Some(&device));
                Taken::Ended(how)
            }
            Settled::Again { note } => self.goes_on(turn, operation, &device, taken_back, note),
        };
        if self.sessions.contains_key(&from) {
            turn.answer(from, ask, Tell::Taken { operation: Some(operation), key, taken });
        }
        self.offer_short(turn);
    }

    /// The decision was that the work goes on: unless it was taken back or its time passed meanwhile.
    fn goes_on(
        &mut self,
        turn: &mut Turn<'_>,
        operation: OperationId,
        device: &DeviceId,
        taken_back: bool,
        note: model::Opaque,
    ) -> Taken {
        let Some(work) = self.operations.get_mut(&operation) else { return Taken::Late(None) };
        work.state = State::Offered { again_at: None };
        let certainty = work.certainty();
        let outcome = if taken_back {
            Some(Outcome::Cancelled { certainty })
        } else if turn.now.at >= work.answer_by {
            Some(Outcome::Expired { certainty })
        } else {
            None
        };
        if let Some(outcome) = outcome {
            let how = outcome.kind();
            self.end_by(turn, operation, outcome, Some(device));
            return Taken::Late(Some(how));
        }
        self.progress(turn, operation, note);
        self.arm(turn.timers, operation);
        self.left_alone(turn, operation);
        self.offer(turn, operation);
        Taken::Again
    }

    /// An answer to work that has no outcome yet.
    fn running_answer(
        &mut self,
        turn: &mut Turn<'_>,
        from: Route,
        id: AskId,
        operation: OperationId,
        device: DeviceId,
        verdict: Verdict,
    ) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let key = Some(work.key.clone());
        if work.offered.insert(device.clone()) {
            // Now we know who has it, or that it was wrong to say it had not.
            if matches!(work.state, State::Waiting | State::Resting { .. }) {
                work.state = State::Offered { again_at: None };
            }
            if let Some(device) = self.devices.get_mut(&device) {
                device.load.insert(operation);
            }
        }
        let outcome = match verdict {
            Verdict::Started => {
                match &mut work.state {
                    // A word that came from a session that is over: it is waited for all the same.
                    State::Held { started, .. } => *started = true,
                    _ => work.state = State::Started,
                }
                self.arm(turn.timers, operation);
                return turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken: Taken::Noted });
            }
            Verdict::NotStarted => {
                turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken: Taken::Noted });
                return self.not_started(turn, operation, &device);
            }
            Verdict::Note(note) => {
                work.reacted();
                self.arm(turn.timers, operation);
                self.progress(turn, operation, note);
                return turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken: Taken::Noted });
            }
            Verdict::Evidence(evidence) => return self.decide(turn, from, id, operation, device, evidence),
            Verdict::Completed(body) if !(work.rules.fits.0)(&work.memo, &body) => {
                self.happened(turn, Happening::Alert(Alert::Contradiction { operation, device }));
                let taken = Taken::Contradicts;
                return turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken });
            }
            Verdict::Completed(body) => Outcome::Completed { body },
            Verdict::Declined(body) => Outcome::Declined { body },
            Verdict::Failed(body) => {
                Outcome::Failed { cause: FailCause::Performer, certainty: Certainty::Unknown, body }
            }
        };
        let how: OutcomeKind = outcome.kind();
        self.end_by(turn, operation, outcome, Some(&device));
        turn.answer(from, id, Tell::Taken { operation: Some(operation), key, taken: Taken::Ended(how) });
        self.offer_short(turn);
    }

    /// The performer certainly did nothing of it: it is given again while that is in time, and not too often.
    fn not_started(&mut self, turn: &mut Turn<'_>, operation: OperationId, device: &DeviceId) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        if matches!(work.state, State::Started) {
            // It said before that it had begun: of the two words the first is the careful one.
            return;
        }
        work.offered_at.get_or_insert(turn.now.at);
        work.offered.remove(device);
        work.restored &= !matches!(work.target, Target::Device(_));
        let is_given_up = work.offered.is_empty() && !work.rests(turn.now.at);
        let certainty = work.certainty();
        if let Some(device) = self.devices.get_mut(device) {
            device.load.remove(&operation);
        }
        if is_given_up {
            let outcome = Outcome::Failed { cause: FailCause::Performer, certainty, body: model::Opaque::new() };
            return self.end(turn, operation, outcome);
        }
        self.offer(turn, operation);
        self.arm(turn.timers, operation);
        self.left_alone(turn, operation);
        self.offer_short(turn);
    }

    /// Hands an answer to the dialect's service; the performer hears what became of it afterwards.
    fn decide(
        &mut self,
        turn: &mut Turn<'_>,
        from: Route,
        ask: AskId,
        operation: OperationId,
        device: DeviceId,
        evidence: model::Opaque,
    ) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        work.attempts += 1;
        work.offered.insert(device.clone());
        let owed_until = turn.now.at.after(work.rules.owed_for);
        work.state = State::Settling { device, from, ask, owed_until, taken_back: false };
        let question = Question {
            operation,
            key: work.key.clone(),
            network: work.network.clone(),
            group: self.id.clone(),
            request: work.request.clone(),
            memo: work.memo.clone(),
            evidence,
            attempt: work.attempts,
            wall: turn.now.wall,
        };
        let dialect = work.dialect;
        self.arm(turn.timers, operation);
        let owed = self.operations.get(&operation).and_then(|work| self.mail_row(work, owed_until));
        turn.out.push(Output::Settle { dialect, question: Box::new(question), owed, at: turn.now.at });
    }

    /// Tells the requester something that is not the outcome; nothing is owed when nobody is there.
    fn progress(&mut self, turn: &mut Turn<'_>, operation: OperationId, note: model::Opaque) {
        let Some(work) = self.operations.get(&operation) else { return };
        for route in self.hearers(operation) {
            let (key, memo, note) = (work.key.clone(), work.memo.clone(), note.clone());
            turn.tell(route, Tell::Progress { operation, key, memo, note });
        }
    }
}
