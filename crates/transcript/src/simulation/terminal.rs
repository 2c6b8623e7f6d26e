//! A simulated terminal: it knows truthfully what it took and what it gave back.

use std::collections::BTreeMap;

use super::frames;
use super::plan::{Conduct, Cut, Millis, NEVER, Plan, Verdict, Void};
use super::{Effect, Failure, Soon};
use crate::json::Json;

/// How long a terminal that is back waits to be asked, before it says by itself what was never acknowledged.
const SAYS_AGAIN: Millis = 1_000;
/// What it does with a payment the plan says nothing about.
const PLAIN: Conduct = Conduct {
    verdict: Verdict::Approve,
    takes: 0,
    cut: None,
    says_pending: false,
    answers_twice: false,
    wrong_amount: false,
    heeds_closed: true,
    void: Void::Confirm,
};

/// A terminal.
#[derive(Default)]
pub(crate) struct Terminal {
    pub(crate) works: BTreeMap<String, Work>,
}

/// One payment as the terminal knows it.
pub(crate) struct Work {
    conduct: Conduct,
    amount: String,
    /// Whether it was ever on the screen.
    begun: bool,
    pub(crate) ended: Option<Verdict>,
    pub(crate) reversed: bool,
    /// The last word about its result, other than that it goes on.
    pub(crate) ack: Option<String>,
    /// The planned loss of the connection was there.
    was_cut: bool,
}

impl Work {
    pub(crate) fn is_charged(&self) -> bool {
        self.ended == Some(Verdict::Approve)
    }

    fn response(&self, id: &str) -> Effect {
        let status = match self.ended {
            Some(Verdict::Approve) => "SUCCESS",
            Some(Verdict::Decline) => "FAILED",
            Some(Verdict::Cancel) => "CANCELLED",
            None => "PENDING",
        };
        let amount = if self.conduct.wrong_amount && self.is_charged() {
            format!("9{}", self.amount)
        } else {
            self.amount.clone()
        };
        Effect::Say(frames::response(id, status, &amount))
    }
}

impl Terminal {
    /// It is connected.
    pub(crate) fn connected(out: &mut Vec<Effect>) {
        out.push(Effect::Soon(SAYS_AGAIN, Soon::SayAgain));
    }

    /// It hears a frame.
    pub(crate) fn hear(&mut self, plan: &Plan, me: usize, frame: &Json, out: &mut Vec<Effect>) -> Result<(), Failure> {
        let Some(id) = frames::transaction(frame) else { return Ok(()) };
        match frames::text(frame, "action") {
            Some("payment") => self.payment(plan, me, id, frame, out)?,
            Some("paymentInquiry") => match self.works.get(id).filter(|work| work.begun) {
                Some(work) if !(plan.terminals[me].lies && work.is_charged()) => out.push(work.response(id)),
                Some(_) | None => out.push(Effect::Say(frames::named("paymentUnknown", id))),
            },
            Some("paymentAck") => {
                let result = frames::text(frame, "result").unwrap_or_default();
                if let Some(work) = self.works.get_mut(id).filter(|work| work.ended.is_some() && result != "pending") {
                    work.ack = Some(result.to_owned());
                }
            }
            Some("paymentClosed") => {
                if let Some(work) = self.works.get_mut(id)
                    && work.begun
                    && work.ended.is_none()
                    && work.conduct.heeds_closed
                {
                    (work.ended, work.ack) = (Some(Verdict::Cancel), Some("closed".to_owned()));
                }
            }
            Some("voidPayment") => self.void(me, id, out)?,
            _ => {}
        }
        Ok(())
    }

    fn payment(
        &mut self,
        plan: &Plan,
        me: usize,
        id: &str,
        frame: &Json,
        out: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        let group = plan.terminals[me].group;
        let planned = plan.payments.iter().find(|payment| payment.id == id && plan.tills[payment.till].group == group);
        let amount = frame.get("paymentRequest").and_then(|request| frames::text(request, "amount"));
        let work = self.works.entry(id.to_owned()).or_insert_with(|| Work {
            conduct: planned.map_or(PLAIN, |payment| payment.conduct),
            amount: amount.unwrap_or_default().to_owned(),
            begun: false,
            ended: None,
            reversed: false,
            ack: None,
            was_cut: false,
        });
        if work.begun {
            return Err(Failure::new("no double charge", format!("t{me} was given {id} a second time")));
        }
        let cut = work.conduct.cut.filter(|_| !work.was_cut);
        if let Some((Cut::Before, back)) = cut {
            work.was_cut = true;
            out.push(Effect::Drop(back));
            return Ok(());
        }
        work.begun = true;
        if work.conduct.says_pending {
            out.push(work.response(id));
        }
        let takes = work.conduct.takes;
        if let Some((Cut::During, back)) = cut {
            work.was_cut = true;
            out.push(Effect::Soon((takes / 2).min(20_000), Soon::Drop(back)));
        }
        if takes < NEVER {
            out.push(Effect::Soon(takes, Soon::Decide(id.to_owned())));
        }
        Ok(())
    }

    /// The card was there, or the button was pressed.
    pub(crate) fn decide(&mut self, id: &str, latency: Millis, out: &mut Vec<Effect>) {
        let Some(work) = self.works.get_mut(id).filter(|work| work.begun && work.ended.is_none()) else { return };
        work.ended = Some(work.conduct.verdict);
        match work.conduct.cut.filter(|_| !work.was_cut) {
            Some((Cut::After, back)) => {
                work.was_cut = true;
                out.push(Effect::Drop(back));
                return;
            }
            Some((Cut::Said, back)) => {
                work.was_cut = true;
                out.push(Effect::Soon(latency, Soon::Drop(back)));
            }
            Some((Cut::Before | Cut::During, _)) | None => {}
        }
        out.push(work.response(id));
        if work.conduct.answers_twice {
            out.push(work.response(id));
        }
    }

    fn void(&mut self, me: usize, id: &str, out: &mut Vec<Effect>) -> Result<(), Failure> {
        let Some(work) = self.works.get_mut(id).filter(|work| work.is_charged()) else {
            return Err(Failure::new("only what was taken is given back", format!("t{me} never took {id}")));
        };
        match work.conduct.void {
            _ if work.reversed => out.push(Effect::Say(frames::void_result(id, true))),
            Void::Confirm => self.reverse(id, out),
            Void::ConfirmAfter(wait) => out.push(Effect::Soon(wait, Soon::Reverse(id.to_owned()))),
            Void::Refuse => out.push(Effect::Say(frames::void_result(id, false))),
            Void::Never => {}
        }
        Ok(())
    }

    /// Gives back what it took.
    pub(crate) fn reverse(&mut self, id: &str, out: &mut Vec<Effect>) {
        if let Some(work) = self.works.get_mut(id) {
            work.reversed = true;
            out.push(Effect::Say(frames::void_result(id, true)));
        }
    }

    /// Says once more what was never acknowledged.
    pub(crate) fn say_again(&self, out: &mut Vec<Effect>) {
        for (id, work) in self.works.iter().filter(|(_, work)| work.ended.is_some() && work.ack.is_none()) {
            out.push(work.response(id));
        }
    }
}
