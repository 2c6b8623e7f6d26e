//! What was said to whom, and the laws about it.
//!
//! Frames are judged as they leave the gateway and as they reach it, so that no delay on the way excuses anything.
//! What the peers themselves made of them is compared with the store at the end.

use std::collections::{BTreeMap, BTreeSet};

use model::{Alert, Event, Happening, OperationId, OperationRow, Outcome, OutcomeKind, Timestamp};

use super::frames;
use super::plan::Plan;
use super::terminal::Terminal;
use super::till::Till;
use super::{Failure, Tally};
use crate::json::Json;

/// How much later than its deadline an outcome may be while the store answers at once.
const SLACK: std::time::Duration = std::time::Duration::from_secs(1);

/// What was said.
#[derive(Default)]
pub(crate) struct Book {
    /// What a terminal may have on its screen: it was given it, and has not said that it does not know it.
    given: BTreeSet<(usize, String)>,
    /// What was asked for, by till and id: each amount.
    asked: BTreeMap<(usize, String), Asked>,
    /// The outcome by till and id, and how often it was said.
    told: BTreeMap<(usize, String), (String, u64)>,
    contradicted: BTreeSet<OperationId>,
    /// Restarts, and loads after commits that failed: each may have an outcome said once more.
    pub(crate) disturbances: u64,
    /// How long commits and reads were held, at most.
    pub(crate) held: std::time::Duration,
}

#[derive(Default)]
struct Asked {
    times: u64,
    amounts: BTreeSet<String>,
}

impl Book {
    /// A frame of a till has reached the gateway.
    pub(crate) fn till_said(&mut self, till: usize, frame: &Json) {
        if let (Some("payment"), Some(id)) = (frames::text(frame, "action"), frames::transaction(frame)) {
            let asked = self.asked.entry((till, id.to_owned())).or_default();
            asked.times += 1;
            let amount = frame.get("paymentRequest").and_then(|request| frames::text(request, "amount"));
            asked.amounts.extend(amount.map(str::to_owned));
        }
    }

    /// A frame of a terminal has reached the gateway.
    pub(crate) fn terminal_said(&mut self, terminal: usize, frame: &Json) {
        if let (Some("paymentUnknown"), Some(id)) = (frames::text(frame, "action"), frames::transaction(frame)) {
            self.given.remove(&(terminal, id.to_owned()));
        }
    }

    /// The gateway says something to a till.
    pub(crate) fn told_till(&mut self, plan: &Plan, till: usize, frame: &Json) -> Result<(), Failure> {
        let group = format!("g{}", plan.tills[till].group);
        if frames::text(frame, "groupId").is_some_and(|told| told != group) {
            return Err(Failure::new("no answer to a stranger", format!("till{till} of {group} heard {frame}")));
        }
        let action = frames::text(frame, "action").unwrap_or_default();
        let Some(id) = frames::transaction(frame) else { return Ok(()) };
        let at = (till, id.to_owned());
        let Some(asked) = self.asked.get(&at) else {
            return Err(Failure::new("no answer to a stranger", format!("till{till} never asked for {id}: {frame}")));
        };
        match action {
            "paymentComplete" => {
                let outcome = frames::outcome(frame);
                let amount = frame.get("paymentResponse").and_then(|response| frames::text(response, "amount"));
                if !amount.is_some_and(|amount| asked.amounts.contains(amount)) {
                    return Err(Failure::new(
                        "no answer to a stranger",
                        format!("till{till} asked for other money: {frame}"),
                    ));
                }
                let (first, times) = self.told.entry(at).or_insert_with(|| (outcome.clone(), 0));
                *times += 1;
                if *first != outcome {
                    let detail = format!("till{till} heard `{first}` and then `{outcome}` of {id}");
                    return Err(Failure::new("one outcome", detail));
                }
                if *times > asked.times + self.disturbances {
                    let detail = format!("till{till} heard {id} {times} times and had asked {}", asked.times);
                    return Err(Failure::new("one outcome", detail));
                }
                Ok(())
            }
            "paymentVoided" => match self.told.get(&at) {
                Some((outcome, _)) if outcome.starts_with("SUCCESS") => {
                    Err(Failure::new("one outcome", format!("till{till} heard a success and a void of {id}")))
                }
                Some(_) | None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// The gateway says something to a terminal.
    pub(crate) fn told_terminal(&mut self, plan: &Plan, terminal: usize, frame: &Json) -> Result<(), Failure> {
        let Some(id) = frames::transaction(frame) else { return Ok(()) };
        let group = plan.terminals[terminal].group;
        let action = frames::text(frame, "action").unwrap_or_default();
        if !matches!(action, "payment" | "paymentInquiry" | "voidPayment") {
            return Ok(());
        }
        let amount = frame.get("paymentRequest").and_then(|request| frames::text(request, "amount"));
        let mut askers = self.asked.iter().filter(|((till, asked), _)| asked == id && plan.tills[*till].group == group);
        if !askers.any(|(_, asked)| amount.is_none_or(|amount| asked.amounts.contains(amount))) {
            let detail = format!("nobody in g{group} asked t{terminal} for that: {frame}");
            return Err(Failure::new("no answer to a stranger", detail));
        }
        if action == "payment" && !self.given.insert((terminal, id.to_owned())) {
            return Err(Failure::new("no double charge", format!("t{terminal} is given {id} while it may have it")));
        }
        Ok(())
    }

    /// The gateway makes something public.
    pub(crate) fn happened(&mut self, event: &Event) {
        match &event.happening {
            Happening::Alert(Alert::Contradiction { operation, .. }) => drop(self.contradicted.insert(*operation)),
            Happening::Alert(
                Alert::Unasked { .. }
                | Alert::NotCompensated { .. }
                | Alert::TakeoverWar { .. }
                | Alert::GivenUp { .. },
            )
            | Happening::Presence { .. }
            | Happening::Accepted { .. }
            | Happening::Ended { .. } => {}
        }
    }

    /// What the store says at the end, beside what was said and what the peers did.
    pub(crate) fn audit(
        &self,
        plan: &Plan,
        rows: &[OperationRow],
        tills: &[Till],
        terminals: &[Terminal],
    ) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        let mut names = BTreeSet::new();
        for row in rows {
            let about = format!("{} {} of {}", row.kind, row.key, row.group.name());
            let Some((outcome, at)) = &row.outcome else {
                return Err(Failure::new("every deadline", format!("{about} is still open")));
            };
            if *at > row.answer_by.after(SLACK + self.held) {
                let late = at.since(row.answer_by);
                return Err(Failure::new("every deadline", format!("{about} ended {late:?} after its deadline")));
            }
            if row.about.is_some() {
                continue;
            }
            if !names.insert((row.group.clone(), row.key.clone())) {
                return Err(Failure::new("the ledger balances", format!("{about} was accepted twice")));
            }
            tally.accepted += 1;
            match (outcome.kind(), row.compensation) {
                (_, Some((_, Some((OutcomeKind::Completed, _))))) => tally.voided += 1,
                (OutcomeKind::Completed, _) => tally.completed += 1,
                (OutcomeKind::Declined, _) if is_cancelled(outcome) => tally.cancelled += 1,
                (OutcomeKind::Cancelled, _) => tally.cancelled += 1,
                (OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::Expired, _) => tally.failed += 1,
            }
            self.till_agrees(row, outcome, tills, &about)?;
            self.terminal_agrees(plan, row, outcome, terminals, &about)?;
        }
        for ((till, id), (outcome, _)) in &self.told {
            let group = format!("g{}", plan.tills[*till].group);
            if !rows.iter().any(|row| row.key.as_str() == id && row.group.name() == group) {
                let detail = format!("till{till} heard `{outcome}` of {id}, which is not stored");
                return Err(Failure::new("the ledger balances", detail));
            }
        }
        Ok(tally)
    }

    fn till_agrees(&self, row: &OperationRow, outcome: &Outcome, tills: &[Till], about: &str) -> Result<(), Failure> {
        let till = row.requester.as_str().strip_prefix("till").and_then(|number| number.parse::<usize>().ok());
        let Some((number, till)) = till.and_then(|number| Some((number, tills.get(number)?))) else {
            return Err(Failure::new("the ledger balances", format!("{about} was asked for by {}", row.requester)));
        };
        let id = row.key.as_str().to_owned();
        if let Some((told, _)) = self.told.get(&(number, id.clone()))
            && told.starts_with("SUCCESS") != (outcome.kind() == OutcomeKind::Completed)
        {
            let detail = format!("{about}: the till heard `{told}`, stored is {}", outcome.kind().label());
            return Err(Failure::new("one outcome", detail));
        }
        let status = match (outcome.kind(), row.compensation) {
            (_, Some((_, Some((OutcomeKind::Completed, _))))) => "VOIDED",
            (OutcomeKind::Completed, _) => "COMPLETED",
            (OutcomeKind::Declined, _) if is_cancelled(outcome) => "CANCELLED",
            _ => "FAILED",
        };
        match till.asked.get(&id) {
            Some(asked) if asked.looked.as_ref().is_some_and(|looked| looked != status) => {
                let detail = format!("{about} is {status}, and looking it up says {:?}", asked.looked);
                Err(Failure::new("one outcome", detail))
            }
            Some(asked) if till.listed && !asked.refused && asked.outcome.is_none() => {
                Err(Failure::new("every repeat is answered", format!("{about}: its till asked at the end, in vain")))
            }
            Some(_) => Ok(()),
            None => Err(Failure::new("the ledger balances", format!("{about} was never asked for"))),
        }
    }

    fn terminal_agrees(
        &self,
        plan: &Plan,
        row: &OperationRow,
        outcome: &Outcome,
        terminals: &[Terminal],
        about: &str,
    ) -> Result<(), Failure> {
        let wrong = |detail: &str| Err(Failure::new("money", format!("{about}: {detail}")));
        let is_here = |number: &usize| format!("g{}", plan.terminals[*number].group) == row.group.name();
        let mut with = (0..terminals.len()).filter(is_here).filter_map(|number| {
            terminals[number].works.get(row.key.as_str()).map(|work| (&plan.terminals[number], work))
        });
        let Some((terminal, work)) = with.next() else {
            return match outcome.kind() {
                OutcomeKind::Completed => wrong("completed, and no terminal has it"),
                _ => Ok(()),
            };
        };
        if with.next().is_some() {
            return wrong("two terminals have it");
        }
        let made_good = row.compensation.map(|(_, ended)| ended.map(|(how, _)| how));
        // The ledger shows a void that is not confirmed; an alert beside it is lost with the process.
        let is_unconfirmed = matches!(made_good, Some(Some(how)) if how != OutcomeKind::Completed);
        let is_flagged = is_unconfirmed || self.contradicted.contains(&row.id);
        match (outcome.kind(), work.is_charged(), work.reversed) {
            (OutcomeKind::Completed, true, false) if made_good.is_none() => Ok(()),
            (OutcomeKind::Completed, true, false) => wrong("completed and made good for"),
            (OutcomeKind::Completed, true, true) => wrong("completed and given back"),
            (OutcomeKind::Completed, false, _) => wrong("completed and never taken"),
            (_, false, _) if made_good.is_some() => wrong("made good for and never taken"),
            (_, false, _) => Ok(()),
            (_, true, true) => Ok(()),
            (_, true, false) if made_good == Some(Some(OutcomeKind::Completed)) => wrong("voided and not given back"),
            (_, true, false) if is_flagged => Ok(()),
            // It has no name by which it could say afterwards what it did.
            (_, true, false) if !terminal.named => Ok(()),
            (_, true, false) if work.ack.is_none() => {
                wrong("taken, and what the terminal says of it is not acknowledged")
            }
            (_, true, false) => wrong("taken, not given back, and nobody is told"),
        }
    }

    /// When everything that can still run must have ended.
    pub(crate) fn end_of(rows: &[OperationRow]) -> Option<Timestamp> {
        rows.iter().filter(|row| row.outcome.is_none()).map(|row| row.answer_by).max()
    }
}

/// A terminal's own word for a payment that a person took back.
fn is_cancelled(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Declined { body } => {
            frames::read(body).is_some_and(|body| frames::text(&body, "status") == Some("CANCELLED"))
        }
        Outcome::Completed { .. } | Outcome::Failed { .. } | Outcome::Expired { .. } | Outcome::Cancelled { .. } => {
            false
        }
    }
}
