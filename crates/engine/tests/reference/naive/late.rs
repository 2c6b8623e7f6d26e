//! What is said of work after its end, what makes good for it, and where it stands for whoever looks.

use std::sync::Arc;

use model::{
    Alert, AskId, Compensation, DeviceId, Found, Happening, Late, Opaque, OperationId, OperationRow, OutcomeKind,
    RequestKey, Route, Standing, Target, Tell, Verdict, Write,
};

use super::{Naive, State, Work};

impl Naive {
    /// Work that only the store knows is remembered again for a while, when a word about it matters.
    pub(super) fn recall(&mut self, row: &OperationRow) {
        let rules = (self.rules)(&row.kind).filter(|rules| rules.late != Late::Drop && row.outcome.is_some());
        let Some(rules) = rules else { return };
        self.work.push(Work::from_row(row.clone(), rules));
        self.work.sort_by_key(|work| work.id);
        let at = self.at(row.id).expect("it was just put there");
        self.remember(at, self.now.at.after(engine::bounds::RECALLED));
    }

    /// A word about work that has its outcome: on record once, and made good for once where it was done after all.
    pub(super) fn came_late(&mut self, at: usize, device: DeviceId, verdict: Verdict) {
        let now = self.now.at;
        let work = &mut self.work[at];
        let operation = work.id;
        let (done, body) = match verdict {
            Verdict::Started | Verdict::NotStarted | Verdict::Note(_) => return,
            Verdict::Completed(body) => (true, body),
            Verdict::Evidence(body) | Verdict::Declined(body) | Verdict::Failed(body) => (false, body),
        };
        let was_done = matches!(&work.state, State::Ended { outcome, .. } if outcome.kind() == OutcomeKind::Completed);
        if !work.is_durable() {
            return;
        }
        let rules = Arc::clone(&work.rules);
        let other = done && !(rules.fits.0)(&work.memo, &body);
        if rules.late != Late::Drop && (other || (was_done && !done)) && !work.disputed {
            work.disputed = true;
            self.happened(Happening::Alert(Alert::Contradiction { operation, device: device.clone() }));
        }
        if was_done {
            return;
        }
        let work = &mut self.work[at];
        match &rules.late {
            Late::Compensate(compensation) if done && !work.made_good => {
                (work.made_good, work.has_late) = (true, true);
                self.write(Write::LateAnswer { operation, body: body.clone(), at: now });
                self.make_good(at, device, compensation, body);
            }
            Late::Record | Late::Compensate(_) if !work.has_late => {
                work.has_late = true;
                self.write(Write::LateAnswer { operation, body, at: now });
            }
            Late::Record | Late::Compensate(_) | Late::Drop => {}
        }
    }

    fn make_good(&mut self, at: usize, device: DeviceId, compensation: &Compensation, late: Opaque) {
        let operation = OperationId::next(self.partition, self.now.at.millis(), self.last_operation);
        self.last_operation = Some(operation);
        let first = self.row(&self.work[at]);
        let row = OperationRow {
            id: operation,
            kind: compensation.kind.clone(),
            target: Target::Device(device),
            accepted_at: self.now.at,
            deliver_by: None,
            answer_by: self.now.at.after(compensation.answer_within),
            request: late,
            outcome: None,
            about: Some(first.id),
            ..first
        };
        self.write(Write::Accepted(Box::new(row.clone())));
        let mut work = Work::from_row(row, Arc::clone(&compensation.rules));
        work.restored = false;
        self.work.push(work);
        self.happened(Happening::Accepted { operation, kind: compensation.kind.clone() });
        self.offer(operation);
    }

    /// What memory has of a piece of work, as a row.
    fn row(&self, work: &Work) -> OperationRow {
        let outcome = match &work.state {
            State::Ended { outcome, at, .. } => Some((outcome.clone(), *at)),
            _ => None,
        };
        OperationRow {
            id: work.id,
            group: self.group.clone(),
            network: work.network.clone(),
            requester: work.requester.clone(),
            requester_name: work.requester_name.clone(),
            dialect: work.dialect,
            kind: work.kind.clone(),
            key: work.key.clone(),
            body: work.body,
            target: work.target.clone(),
            accepted_at: work.accepted_at,
            deliver_by: work.deliver_by,
            answer_by: work.answer_by,
            request: work.request.clone(),
            memo: work.memo.clone(),
            outcome,
            about: work.about,
            late: None,
            compensation: None,
        }
    }

    pub(super) fn look(&mut self, from: Route, id: AskId, key: &RequestKey, earlier: Option<OperationRow>) {
        let known = self.latest(key).and_then(|operation| self.at(operation)).map(|at| &self.work[at]);
        let newest = known.map(|work| work.id).max(earlier.as_ref().map(|row| row.id));
        let Some(newest) = newest else { return self.answer(from, id, Tell::Found(None)) };
        let known = known.filter(|work| work.id == newest);
        let stored = earlier.filter(|row| row.id == newest);
        let standing = match known.map(|work| &work.state) {
            Some(State::Waiting | State::Resting { .. } | State::Orphaned) => Standing::Waiting,
            Some(State::Offered { .. } | State::Started | State::Deciding { .. }) => Standing::Offered,
            Some(State::Held { .. }) => Standing::Held,
            Some(State::Ended { .. }) => Standing::Ended,
            None if stored.as_ref().is_some_and(|row| row.outcome.is_some()) => Standing::Ended,
            None => Standing::Waiting,
        };
        let memory = known.map(|work| self.row(work));
        let outcome = memory.as_ref().and_then(|row| row.outcome.clone());
        let mut row = stored.or(memory).expect("one of the two is the newest");
        row.outcome = outcome.or(row.outcome);
        if let Some(work) = self.work.iter().filter(|work| work.about == Some(newest)).max_by_key(|work| work.id) {
            let ended = self.row(work).outcome.map(|(outcome, at)| (outcome.kind(), at));
            row.compensation = Some((work.id, ended));
        }
        self.answer(from, id, Tell::Found(Some(Box::new(Found { row, standing }))));
    }
}
