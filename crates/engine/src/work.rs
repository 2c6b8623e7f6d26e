//! The life of an operation as requesters see it: accepted or refused, taken back, ended exactly once.

use std::collections::BTreeSet;

use model::{
    Absent, Alert, AskId, Capacity, DeviceId, FailCause, Found, Happening, OperationId, OperationRow, Outcome,
    OutcomeKind, PrincipalId, Refusal, Repeat, RequestKey, RequesterLost, Role, Route, Standing, Submit, Tell,
    Timestamp, Write,
};

use crate::group::Group;
use crate::operation::{Operation, State};
use crate::port::Output;
use crate::timers::{Timer, Timers};
use crate::{Turn, bounds};

impl Group {
    /// Accepts a piece of work, or says why not.
    pub(crate) fn submit(
        &mut self,
        turn: &mut Turn<'_>,
        from: Route,
        id: AskId,
        submit: Submit,
        earlier: Option<Box<OperationRow>>,
        elsewhere: bool,
    ) {
        let refuse = |turn: &mut Turn<'_>, why| turn.answer(from, id, Tell::Refused { key: submit.key.clone(), why });
        let Some(session) = self.commanding(from, Role::Requester) else { return refuse(turn, Refusal::Full) };
        let principal = std::sync::Arc::clone(&session.principal);
        if submit.rules.repeat != Repeat::Run {
            if let Some(known) = self.latest(&submit.key) {
                return self.repeated(turn, from, id, &submit, &principal.id, known);
            }
            if let Some(row) = earlier {
                return self.repeated_after_days(turn, from, id, &submit, &principal.id, *row);
            }
        }
        if self.running.len() >= bounds::RUNNING_PER_GROUP {
            return refuse(turn, Refusal::Full);
        }
        let target = self.resolve(turn.partition, &submit.target);
        let there = self.candidates(&target);
        if there.is_empty() && submit.rules.absent == Absent::Refuse {
            return refuse(turn, self.why_nobody(&target, elsewhere));
        }
        let room = |device: &DeviceId| self.has_room(device, submit.rules.capacity);
        let queues = match submit.rules.capacity {
            Capacity::Queue(_) => true,
            Capacity::Busy | Capacity::Many(_) => false,
        };
        if !queues && !there.is_empty() && !there.iter().any(room) {
            return refuse(turn, Refusal::Busy);
        }
        let operation = OperationId::next(turn.partition, turn.now.at.millis(), *turn.last_operation);
        *turn.last_operation = Some(operation);
        let work = Operation {
            id: operation,
            key: submit.key.clone(),
            kind: submit.kind.clone(),
            about: None,
            body: submit.body,
            dialect: principal.dialect,
            network: principal.network.clone(),
            requester: principal.id.clone(),
            requester_name: principal.name.clone(),
            target,
            rules: submit.rules,
            accepted_at: turn.now.at,
            deliver_by: submit.deliver_by,
            answer_by: submit.answer_by,
            request: submit.request,
            memo: submit.memo,
            waiters: vec![from],
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
        if work.is_durable() {
            turn.out.push(Output::Write(Write::Accepted(Box::new(self.row(&work)))));
        }
        turn.answer(from, id, Tell::Accepted { operation, key: submit.key.clone() });
        self.running.insert(operation);
        turn.places.insert(operation, self.id.clone());
        self.keys.insert((submit.key, operation));
        self.operations.insert(operation, work);
        self.happened(turn, Happening::Accepted { operation, kind: submit.kind });
        if submit.answer_by.min(submit.deliver_by.unwrap_or(submit.answer_by)) <= turn.now.at {
            // Too late already, as after a long wait on the way here: no performer must see it.
            return self.operation_due(turn, operation);
        }
        self.offer(turn, operation);
        self.arm(turn.timers, operation);
    }

    /// Takes a piece of work back, unless it has its outcome. One that is being decided upon ends as decided,
    /// or is taken back when the decision is that it goes on.
    pub(crate) fn cancel(&mut self, turn: &mut Turn<'_>, from: Route, id: AskId, key: RequestKey) {
        let found = self.commanding(from, Role::Requester).and_then(|session| {
            let operation = self.latest(&key)?;
            let work = self.operations.get(&operation)?;
            (work.is_running() && work.requester == session.principal.id).then_some(operation)
        });
        let Some(operation) = found else {
            return turn.answer(from, id, Tell::Refused { key, why: Refusal::NotFound });
        };
        turn.answer(from, id, Tell::Cancelling { key });
        self.take_back(turn, operation);
    }

    /// The requester's last session is gone.
    pub(crate) fn requester_lost(&mut self, turn: &mut Turn<'_>, principal: &PrincipalId) {
        let cancelled: Vec<OperationId> = self
            .running
            .iter()
            .filter_map(|operation| self.operations.get(operation))
            .filter(|work| work.requester == *principal)
            .filter(|work| work.rules.requester_lost == RequesterLost::Cancel)
            .map(|work| work.id)
            .collect();
        for operation in cancelled {
            self.take_back(turn, operation);
        }
    }

    /// The next thing in an operation's life has come.
    pub(crate) fn operation_due(&mut self, turn: &mut Turn<'_>, operation: OperationId) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let (now, certainty) = (turn.now.at, work.certainty());
        let expired = now >= work.answer_by;
        let undelivered = work.deliver_by.is_some_and(|at| now >= at);
        match &work.state {
            State::Resting { .. } if !expired && !undelivered => {
                work.state = State::Waiting;
                self.offer(turn, operation);
                self.arm(turn.timers, operation);
            }
            State::Resting { .. } => self.end(turn, operation, Outcome::Expired { certainty }),
            State::Waiting => {
                let outcome = if expired || undelivered {
                    Outcome::Expired { certainty }
                } else {
                    Outcome::Failed { cause: FailCause::Absent, certainty, body: model::Opaque::new() }
                };
                self.end(turn, operation, outcome);
            }
            State::Offered { .. } if !expired => {
                self.offer_again(turn, operation);
                self.arm(turn.timers, operation);
            }
            State::Held { .. } if !expired => {
                let outcome =
                    Outcome::Failed { cause: FailCause::PerformerLost, certainty, body: model::Opaque::new() };
                self.end(turn, operation, outcome);
            }
            State::Offered { .. } | State::Started | State::Held { .. } => {
                self.end(turn, operation, Outcome::Expired { certainty });
            }
            State::Settling { .. } => {}
            State::Orphaned => {
                let outcome = Outcome::Failed { cause: FailCause::Service, certainty, body: model::Opaque::new() };
                self.end(turn, operation, outcome);
            }
            State::Ended { .. } => {
                turn.places.remove(&operation);
                if let Some(work) = self.operations.remove(&operation) {
                    let names = if work.about.is_none() { &mut self.keys } else { &mut self.amends };
                    names.remove(&(work.key, operation));
                }
            }
        }
    }

    /// Gives a running operation its outcome, tells everybody who has to know, and uses the room it leaves.
    pub(crate) fn end(&mut self, turn: &mut Turn<'_>, operation: OperationId, outcome: Outcome) {
        self.end_by(turn, operation, outcome, None);
        self.offer_short(turn);
    }

    /// The same for the outcome a device gave, which hears what became of it before it is given more.
    pub(crate) fn end_by(
        &mut self,
        turn: &mut Turn<'_>,
        operation: OperationId,
        outcome: Outcome,
        by: Option<&DeviceId>,
    ) {
        let Some(work) = self.operations.get(&operation).filter(|work| work.is_running()) else { return };
        let until = turn.now.at.after(work.rules.owed_for);
        if work.is_durable() {
            turn.out.push(Output::Write(Write::Ended { operation, outcome: outcome.clone(), at: turn.now.at }));
        }
        if let Some(mail) = self.mail_row(work, until) {
            turn.out.push(Output::Write(Write::Owed(mail)));
        }
        self.ended(turn, operation, outcome, until, by);
    }

    /// Everything that follows from an outcome that is stored, or about to be.
    pub(crate) fn ended(
        &mut self,
        turn: &mut Turn<'_>,
        operation: OperationId,
        outcome: Outcome,
        owed_until: Timestamp,
        by: Option<&DeviceId>,
    ) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let how = outcome.kind();
        let forget_at = turn.now.at.after(work.rules.remember);
        work.state = State::Ended { outcome, at: turn.now.at, forget_at };
        work.request = model::Opaque::new();
        self.running.remove(&operation);
        self.short.remove(&operation);
        let (rules, requester, about) = (std::sync::Arc::clone(&work.rules), work.requester.clone(), work.about);
        let (tell, offered) = (work.outcome_tell(), work.offered.clone());
        let (durable, owed) = (work.is_durable(), work.is_owed());
        let hearers = self.hearers(operation);
        if let Some(work) = self.operations.get_mut(&operation) {
            work.waiters = Vec::new();
        }
        self.arm(turn.timers, operation);
        // A call that waits hears it too, but what is owed is owed to one that hears for the principal.
        let is_paid = hearers.iter().filter_map(|route| self.sessions.get(route)).any(|session| session.hears_for());
        if let Some(tell) = tell {
            self.told(operation, hearers.len());
            for route in hearers {
                turn.tell(route, tell.clone());
            }
        }
        match (owed, is_paid) {
            (true, true) if durable => turn.out.push(Output::Write(Write::Paid { operation })),
            (true, false) => {
                self.remember_until(turn.timers, operation, owed_until);
                self.owe(turn, &requester, operation, owed_until, &rules);
            }
            (true, true) | (false, _) => {}
        }
        for id in &offered {
            let Some(device) = self.devices.get_mut(id) else { continue };
            let had_it = device.load.remove(&operation);
            if let (true, Some(route), true) = (had_it, device.online(), by != Some(id)) {
                let key = self.operations.get(&operation).map(|work| work.key.clone());
                if let Some(key) = key {
                    turn.tell(route, Tell::Withdrawn { operation, key, how });
                }
            }
            self.relieved(turn, id);
        }
        self.happened(turn, Happening::Ended { operation, how });
        if let (Some(about), true) = (about, how != OutcomeKind::Completed) {
            self.happened(turn, Happening::Alert(Alert::NotCompensated { operation: about }));
        }
    }

    /// Keeps an ended operation in memory at least until then.
    pub(crate) fn remember_until(&mut self, timers: &mut Timers, operation: OperationId, until: Timestamp) {
        if let Some(Operation { state: State::Ended { forget_at, .. }, .. }) = self.operations.get_mut(&operation) {
            *forget_at = until.max(*forget_at);
            self.arm(timers, operation);
        }
    }

    /// Sets an operation's next deadline.
    pub(crate) fn arm(&self, timers: &mut Timers, operation: OperationId) {
        let deadline = self.operations.get(&operation).and_then(Operation::deadline);
        timers.set(Timer::Operation(self.id.clone(), operation), deadline);
    }

    /// Ends a piece of work for its requester or an operator, at once or with the decision that is on its way.
    pub(crate) fn take_back(&mut self, turn: &mut Turn<'_>, operation: OperationId) {
        let Some(work) = self.operations.get_mut(&operation).filter(|work| work.is_running()) else { return };
        if let State::Settling { taken_back, .. } = &mut work.state {
            *taken_back = true;
            return;
        }
        let outcome = Outcome::Cancelled { certainty: work.certainty() };
        self.end(turn, operation, outcome);
    }

    /// The key was used before, and memory knows for what.
    fn repeated(
        &mut self,
        turn: &mut Turn<'_>,
        from: Route,
        id: AskId,
        submit: &Submit,
        who: &PrincipalId,
        known: OperationId,
    ) {
        let key = submit.key.clone();
        let Some(work) = self.operations.get(&known) else { return };
        let is_same = submit.body == work.body && self.may_be(turn.partition, &submit.target, &work.target);
        let verdict = verdict_on_repeat(submit.rules.repeat, who == &work.requester && is_same);
        match verdict {
            Some(why) => turn.answer(from, id, Tell::Refused { key, why }),
            None => {
                turn.answer(from, id, Tell::Accepted { operation: known, key });
                match work.outcome_tell() {
                    Some(tell) => {
                        self.told(known, 1);
                        turn.tell(from, tell);
                    }
                    None => self.waits(from, known),
                }
            }
        }
    }

    /// The key was used before, and only the store knew.
    fn repeated_after_days(
        &self,
        turn: &mut Turn<'_>,
        from: Route,
        id: AskId,
        submit: &Submit,
        who: &PrincipalId,
        row: OperationRow,
    ) {
        let key = submit.key.clone();
        let is_same = submit.body == row.body && self.may_be(turn.partition, &submit.target, &row.target);
        match verdict_on_repeat(submit.rules.repeat, *who == row.requester && is_same) {
            Some(why) => turn.answer(from, id, Tell::Refused { key, why }),
            None => {
                turn.answer(from, id, Tell::Accepted { operation: row.id, key: key.clone() });
                if let Some((outcome, at)) = row.outcome {
                    let (operation, kind, target, memo) = (row.id, row.kind, row.target, row.memo);
                    turn.tell(from, Tell::Outcome { operation, key, kind, target, memo, outcome, at });
                }
            }
        }
    }

    /// One more session waits for a piece of work.
    fn waits(&mut self, from: Route, operation: OperationId) {
        let Some(work) = self.operations.get_mut(&operation) else { return };
        let sessions = &self.sessions;
        work.waiters.retain(|route| *route != from && sessions.contains_key(route));
        work.waiters.push(from);
    }

    /// Where a piece of the group's work stands; `earlier` is what the store has under the key.
    pub(crate) fn look(
        &self,
        turn: &mut Turn<'_>,
        from: Route,
        id: AskId,
        key: &RequestKey,
        earlier: Option<Box<OperationRow>>,
    ) {
        let known = self.latest(key).and_then(|operation| self.operations.get(&operation));
        // The newer of the two is meant; of the same one the store knows more, and memory the latest.
        let stored = earlier.filter(|row| known.is_none_or(|work| row.id >= work.id));
        let work = known.filter(|work| stored.as_ref().is_none_or(|row| row.id == work.id));
        let mut row = match (stored, work) {
            (None, None) => return turn.answer(from, id, Tell::Found(None)),
            (Some(row), None) => *row,
            (stored, Some(work)) => {
                let memory = self.row(work);
                match stored {
                    Some(stored) => OperationRow { outcome: memory.outcome.or(stored.outcome), ..*stored },
                    None => memory,
                }
            }
        };
        let making_good = self.amends_for(key).find(|work| work.about == Some(row.id));
        if let Some(making_good) = making_good {
            let ended = match &making_good.state {
                State::Ended { outcome, at, .. } => Some((outcome.kind(), *at)),
                State::Waiting
                | State::Resting { .. }
                | State::Offered { .. }
                | State::Started
                | State::Held { .. }
                | State::Settling { .. }
                | State::Orphaned => None,
            };
            row.compensation = Some((making_good.id, ended));
        }
        let ended = if row.outcome.is_some() { Standing::Ended } else { Standing::Waiting };
        let standing = work.map_or(ended, Operation::standing);
        turn.answer(from, id, Tell::Found(Some(Box::new(Found { row, standing }))));
    }
}

/// Why a repeat is refused; none when it joins the first. Somebody else's work is not the same, and never joined: its
/// outcome is not theirs to hear.
fn verdict_on_repeat(repeat: Repeat, is_same: bool) -> Option<Refusal> {
    match repeat {
        Repeat::Refuse => Some(Refusal::Duplicate),
        Repeat::Join if !is_same => Some(Refusal::Conflict),
        Repeat::Join | Repeat::Run => None,
    }
}
