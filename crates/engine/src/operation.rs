//! One piece of work and where it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::{
    Absent, AskId, Audience, Capacity, Certainty, DeviceId, Dialect, Durability, Fits, Late, MailRow, NetworkId,
    Opaque, OperationId, OperationRow, Outcome, PerformerLost, PrincipalId, Reoffer, Repeat, RequestKey, RequesterLost,
    Route, Rules, Standing, Target, Tell, Timestamp,
};

use crate::bounds;
use crate::group::Group;
use crate::timers::{Timer, Timers};

/// One piece of work.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    pub(crate) key: RequestKey,
    /// In the dialect's word.
    pub(crate) kind: Box<str>,
    /// The work it makes good for.
    pub(crate) about: Option<OperationId>,
    pub(crate) body: model::Digest,
    pub(crate) dialect: Dialect,
    pub(crate) network: NetworkId,
    pub(crate) requester: PrincipalId,
    pub(crate) requester_name: Box<str>,
    pub(crate) target: Target,
    pub(crate) rules: Arc<Rules>,
    pub(crate) accepted_at: Timestamp,
    pub(crate) deliver_by: Option<Timestamp>,
    pub(crate) answer_by: Timestamp,
    pub(crate) request: Opaque,
    pub(crate) memo: Opaque,
    /// The sessions that asked for it and may still wait, the last one last.
    pub(crate) waiters: Vec<Route>,
    /// Every device it was ever offered to: a result is taken from any of them.
    pub(crate) offered: BTreeSet<DeviceId>,
    /// When it was first offered.
    pub(crate) offered_at: Option<Timestamp>,
    /// It comes from the store: nobody remembers whether it was offered.
    pub(crate) restored: bool,
    /// Answers that were decided upon.
    pub(crate) attempts: u32,
    /// How often it was left to nobody because a performer did nothing of it.
    pub(crate) not_started: u16,
    /// Sessions its outcome was told to, as far as is known.
    pub(crate) told: u32,
    /// A performer said something after the end, and that is on record.
    pub(crate) has_late: bool,
    /// Further work makes good for it.
    pub(crate) made_good: bool,
    /// A performer said something after the end that does not go with it, and an operator was alarmed.
    pub(crate) disputed: bool,
    pub(crate) state: State,
}

/// Where a piece of work stands.
#[derive(Debug)]
pub(crate) enum State {
    /// For a performer.
    Waiting,
    /// For a while, after a performer did nothing of it, to be offered again.
    Resting { until: Timestamp },
    /// For an answer of those who have it, who are asked again then.
    Offered { again_at: Option<Timestamp> },
    /// For the answer of a performer that has begun.
    Started,
    /// For a performer that went away to come back.
    Held { until: Timestamp, started: bool },
    /// For our service's decision on an answer.
    Settling {
        device: DeviceId,
        from: Route,
        ask: AskId,
        owed_until: Timestamp,
        /// The requester took it back meanwhile: it ends with this decision or without it.
        taken_back: bool,
    },
    /// For the first turn after a restart, to fail: its dialect no longer knows this kind of work.
    Orphaned,
    /// For nothing: it has its outcome.
    Ended { outcome: Outcome, at: Timestamp, forget_at: Timestamp },
}

impl Operation {
    pub(crate) const fn is_running(&self) -> bool {
        !matches!(self.state, State::Ended { .. })
    }

    /// Whether its outcome is kept for a requester that is away.
    pub(crate) fn is_owed(&self) -> bool {
        self.rules.audience == Audience::Principal && !self.rules.owed_for.is_zero()
    }

    pub(crate) fn is_durable(&self) -> bool {
        self.rules.durability == Durability::Durable
    }

    /// Whether a performer may have acted on it.
    pub(crate) fn certainty(&self) -> Certainty {
        if self.offered.is_empty() && !self.restored { Certainty::NotDelivered } else { Certainty::Unknown }
    }

    /// Whether an answer of that device can be about it.
    pub(crate) fn is_for(&self, device: &DeviceId) -> bool {
        let may_be = match &self.target {
            // It had it, even if it said that it did nothing of it.
            Target::Device(target) => target == device && (self.restored || self.offered_at.is_some()),
            Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_) => self.restored,
        };
        self.offered.contains(device) || may_be
    }

    /// Whether that device may have it: it was offered there, or nobody remembers that it was not.
    pub(crate) fn may_have(&self, device: &DeviceId) -> bool {
        let meant = matches!(&self.target, Target::Device(target) if target == device);
        self.offered.contains(device) || (self.restored && meant && self.inquires())
    }

    /// The next thing in its life.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            // Nobody remembers whether a performer has it: only the last deadline is sure to be meant.
            State::Waiting if self.restored => Some(self.answer_by),
            State::Waiting => {
                let queue = match self.rules.capacity {
                    Capacity::Queue(longest) => Some(self.accepted_at.after(longest)),
                    Capacity::Busy | Capacity::Many(_) => None,
                };
                [Some(self.answer_by), self.deliver_by, queue].into_iter().flatten().min()
            }
            State::Resting { until } => Some(
                [Some(*until), Some(self.answer_by), self.deliver_by].into_iter().flatten().min().unwrap_or(*until),
            ),
            State::Offered { again_at } => Some(again_at.map_or(self.answer_by, |again| again.min(self.answer_by))),
            State::Started => Some(self.answer_by),
            State::Held { until, .. } => Some(self.answer_by.min(*until)),
            State::Settling { .. } => None,
            State::Orphaned => Some(self.accepted_at),
            State::Ended { forget_at, .. } => Some(*forget_at),
        }
    }

    /// Whether it may go to a performer that has not got it, in time. Restored work may have been offered before: where
    /// that must never happen twice, or its time to be delivered is over, it only waits for answers.
    pub(crate) fn may_be_offered(&self, now: Timestamp) -> bool {
        let in_time = self.deliver_by.is_none_or(|by| now < by);
        let open = match &self.state {
            State::Waiting => in_time,
            State::Offered { .. } => self.target == Target::AnyOfGroup,
            State::Resting { .. }
            | State::Started
            | State::Held { .. }
            | State::Settling { .. }
            | State::Orphaned
            | State::Ended { .. } => false,
        };
        let again = match self.rules.reoffer {
            Reoffer::Never | Reoffer::Inquire { .. } => false,
            Reoffer::OnReturn | Reoffer::Every { .. } => in_time,
        };
        open && now < self.answer_by && (again || !self.restored)
    }

    /// Waits for the answer to an offer said now, and says it again when its kind of work wants that.
    pub(crate) fn now_offered(&mut self, now: Timestamp) {
        let first = *self.offered_at.get_or_insert(now);
        let again_at = match self.rules.reoffer {
            Reoffer::Every { pause, until } => {
                let next = now.after(pause.max(bounds::REOFFER_PAUSE_LEAST));
                (next <= first.after(until)).then_some(next)
            }
            Reoffer::Never | Reoffer::OnReturn | Reoffer::Inquire { .. } => None,
        };
        self.state = State::Offered { again_at };
    }

    /// Whether a performer that comes back with it is asked what became of it, not given it again.
    pub(crate) fn inquires(&self) -> bool {
        matches!(self.rules.reoffer, Reoffer::Inquire { .. })
    }

    /// Where it stands, as others are told.
    pub(crate) const fn standing(&self) -> Standing {
        match self.state {
            State::Waiting | State::Resting { .. } | State::Orphaned => Standing::Waiting,
            State::Offered { .. } | State::Started | State::Settling { .. } => Standing::Offered,
            State::Held { .. } => Standing::Held,
            State::Ended { .. } => Standing::Ended,
        }
    }

    /// A performer that has the offer has reacted: it is not asked again and again any more.
    pub(crate) fn reacted(&mut self) {
        if let State::Offered { again_at } = &mut self.state {
            *again_at = None;
        }
    }

    /// Nobody has it any more, because a performer did nothing of it: waits to be offered again, at once or in a while.
    /// False when that was so too often.
    pub(crate) fn rests(&mut self, now: Timestamp) -> bool {
        self.state = State::Waiting;
        let Reoffer::Inquire { times, pause } = self.rules.reoffer else { return true };
        let pause = pause.saturating_mul(self.not_started.into());
        self.not_started = self.not_started.saturating_add(1);
        if !pause.is_zero() {
            self.state = State::Resting { until: now.after(pause) };
        }
        self.not_started <= times
    }

    /// What the requester is told once it has ended.
    pub(crate) fn outcome_tell(&self) -> Option<Tell> {
        let State::Ended { outcome, at, .. } = &self.state else { return None };
        Some(Tell::Outcome {
            operation: self.id,
            key: self.key.clone(),
            kind: self.kind.clone(),
            target: self.target.clone(),
            memo: self.memo.clone(),
            outcome: outcome.clone(),
            at: *at,
        })
    }

    /// What a performer is given, or asked about.
    pub(crate) fn offer_tell(&self, inquiry: bool) -> Tell {
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

impl Group {
    /// Takes an operation back from the store. One of a kind nobody knows any more is kept to be ended.
    pub(crate) fn restore(&mut self, row: OperationRow, rules: Option<Arc<Rules>>, timers: &mut Timers) {
        let (has_late, made_good) = (row.late.is_some(), row.compensation.is_some());
        let known = rules.is_some();
        let rules = rules.unwrap_or_else(orphan_rules);
        let state = match row.outcome {
            Some((outcome, at)) => State::Ended { outcome, at, forget_at: at.after(rules.remember) },
            None if known => State::Waiting,
            None => State::Orphaned,
        };
        let work = Operation {
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
            offered: BTreeSet::new(),
            offered_at: None,
            restored: true,
            attempts: 0,
            not_started: 0,
            told: 0,
            has_late,
            made_good,
            disputed: false,
            state,
        };
        if work.is_running() {
            self.running.insert(work.id);
        }
        let names = if work.about.is_none() { &mut self.keys } else { &mut self.amends };
        names.insert((work.key.clone(), work.id));
        timers.set(Timer::Operation(self.id.clone(), work.id), work.deadline());
        self.operations.insert(work.id, work);
    }

    /// The row of an operation as memory knows it.
    pub(crate) fn row(&self, work: &Operation) -> OperationRow {
        let outcome = match &work.state {
            State::Ended { outcome, at, .. } => Some((outcome.clone(), *at)),
            State::Waiting
            | State::Resting { .. }
            | State::Offered { .. }
            | State::Started
            | State::Held { .. }
            | State::Settling { .. }
            | State::Orphaned => None,
        };
        OperationRow {
            id: work.id,
            group: self.id.clone(),
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

    /// The mail of an outcome that is owed until then; none when this kind of work owes nothing.
    pub(crate) fn mail_row(&self, work: &Operation, until: Timestamp) -> Option<MailRow> {
        if !work.is_owed() || !work.is_durable() {
            return None;
        }
        Some(MailRow { operation: work.id, group: self.id.clone(), principal: work.requester.clone(), until })
    }
}

/// How work behaves whose kind is no longer known: it fails, and that is owed.
fn orphan_rules() -> Arc<Rules> {
    Arc::new(Rules {
        capacity: Capacity::Many(0),
        absent: Absent::Refuse,
        performer_lost: PerformerLost::OthersGoOn,
        requester_lost: RequesterLost::GoOn,
        repeat: Repeat::Refuse,
        reoffer: Reoffer::Never,
        fits: Fits::ANYTHING,
        late: Late::Record,
        audience: Audience::Principal,
        durability: Durability::Durable,
        remember: bounds::ORPHAN_OWED_FOR,
        owed_for: bounds::ORPHAN_OWED_FOR,
        owed_most: bounds::ORPHAN_OWED_MOST,
    })
}
