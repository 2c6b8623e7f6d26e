//! A till that was let in: lists terminals, asks for payments, hears what came of them and who is there.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Ask, AskId, Class, DeviceId, Event, Happening, Now, Outbox, Outcome, Output, Principal, Refusal, RequestKey,
    Submit, Target, Tell, Wall,
};

use super::choices::Choices;
use super::codes::{self, Told};
use super::rules::{Kind, rules};
use super::wire;
use super::wire::payment::{Memo, Payment};
use super::wire::result::answered;
use super::wire::till::{self, Action, Change};

/// A till that was let in.
#[derive(Debug)]
pub(crate) struct Requester {
    principal: Arc<Principal>,
    /// The next ask's number.
    asks: u32,
    /// Where ids of payments come from that have none.
    dice: u64,
}

impl Requester {
    /// A till that is in, and hears of its group's terminals from now on: its first ask was to be let in.
    pub(crate) fn new(principal: Arc<Principal>, seed: u64, out: &mut Outbox) -> Self {
        let mut till = Self { principal, asks: 1, dice: seed };
        till.ask(Ask::Listen { since: None }, out);
        till
    }

    /// It says something.
    ///
    /// # Errors
    /// What is wrong with a message that is none of a till's.
    pub(crate) fn hear(
        &mut self,
        choices: &Choices,
        now: Now,
        action: &str,
        text: &str,
        out: &mut Outbox,
    ) -> Result<(), Told> {
        match Action::parse(action) {
            Some(Action::Ping) => send(wire::pong(now.wall), out),
            Some(Action::GetTerminals) => self.ask(Ask::Devices, out),
            Some(Action::Payment) => self.payment(choices, now, text, out),
            None => return Err(Told::bad("Unknown action")),
        }
        Ok(())
    }

    fn payment(&mut self, choices: &Choices, now: Now, text: &str, out: &mut Outbox) {
        let (terminal, request) = match till::payment(text) {
            Ok(payment) => payment,
            Err(text) => return send(wire::error(now.wall, Told::bad(text), None, Some(("payment", None))), out),
        };
        let payment = match Payment::read(request.get(), || fresh(&mut self.dice, now.wall)) {
            Ok(payment) => payment,
            Err(wrong) => {
                let text = format!("Invalid paymentRequest: {} {}", wrong.field, wrong.text);
                let transaction = till::transaction_of(request);
                let about = ("payment", transaction.as_ref().map(RequestKey::as_str));
                return send(wire::error(now.wall, Told::bad(""), Some(&text), Some(about)), out);
            }
        };
        if payment.webhook {
            let text = "Invalid paymentRequest: webhookMode is for HTTP calls only";
            let about = ("payment", Some(payment.key.as_str()));
            return send(wire::error(now.wall, Told::bad(text), None, Some(about)), out);
        }
        let Some(submit) = submit(choices, Kind::Payment, &terminal, payment, now) else {
            return self.refused(now, Refusal::Unknown, None, out);
        };
        self.ask(Ask::Submit(Box::new(submit)), out);
    }

    /// The partition says something.
    pub(crate) fn tell(&self, now: Now, tell: Tell, out: &mut Outbox) {
        match tell {
            Tell::Devices(states) => send(till::terminals(&states, self.principal.partition, now.wall), out),
            Tell::Refused { key, why } => self.refused(now, why, Some(&key), out),
            Tell::Outcome { key, kind, target: Target::Device(terminal), memo, outcome, at, .. } => {
                let ended = now.wall_at(at);
                self.outcome(now, ended, &key, &kind, &terminal, &memo, &outcome, out);
            }
            Tell::Event(event) => self.event(now, &event, out),
            // A payment is never acknowledged, and is for one terminal; and these are no till's business.
            Tell::Displaced
            | Tell::Revoked
            | Tell::Dismissed
            | Tell::Reloaded
            | Tell::Admitted { .. }
            | Tell::NotAdmitted(_)
            | Tell::Accepted { .. }
            | Tell::Cancelling { .. }
            | Tell::Taken { .. }
            | Tell::Serving
            | Tell::TooManyNames { .. }
            | Tell::Listening { .. }
            | Tell::Found(_)
            | Tell::Progress { .. }
            | Tell::Outcome { .. }
            | Tell::Offer { .. }
            | Tell::Withdrawn { .. } => {}
        }
    }

    fn refused(&self, now: Now, why: Refusal, key: Option<&RequestKey>, out: &mut Outbox) {
        let about = ("payment", key.map(RequestKey::as_str));
        send(wire::error(now.wall, codes::refused_on_socket(why), None, Some(about)), out);
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one tell")]
    fn outcome(
        &self,
        now: Now,
        ended: Wall,
        key: &RequestKey,
        kind: &str,
        terminal: &DeviceId,
        memo: &[u8],
        outcome: &Outcome,
        out: &mut Outbox,
    ) {
        let Some(memo) = Memo::read(memo) else { return };
        let (group, terminal) = (self.principal.group.name(), terminal.as_str());
        match Kind::parse(kind) {
            Some(Kind::Payment | Kind::PaymentCall | Kind::PaymentHook) => {
                let answered = answered(&memo, key, outcome, ended);
                send(till::complete(terminal, key, &answered, group, now.wall), out);
            }
            Some(Kind::Void | Kind::VoidCall) => match outcome {
                Outcome::Completed { .. } => send(till::voided(terminal, key, group, ended, now.wall), out),
                // The payment stays failed for the till; an operator has to see to the reversal.
                Outcome::Declined { .. }
                | Outcome::Failed { .. }
                | Outcome::Expired { .. }
                | Outcome::Cancelled { .. } => {}
            },
            None => {}
        }
    }

    fn event(&self, now: Now, event: &Event, out: &mut Outbox) {
        match &event.happening {
            Happening::Presence { device, presence, epoch } => {
                let change = Change { device, epoch: *epoch, presence: *presence, at: event.wall };
                let group = self.principal.group.name();
                send(till::status_update(&change, self.principal.partition, group, now.wall), out);
            }
            Happening::Accepted { .. } | Happening::Ended { .. } | Happening::Alert(_) => {}
        }
    }

    // Helpers.

    fn ask(&mut self, ask: Ask, out: &mut Outbox) {
        let id = AskId(self.asks);
        self.asks = self.asks.wrapping_add(1);
        out.push(Output::Ask { id, ask });
    }
}

/// A payment as it is asked of the partition; none when no terminal can have that name.
pub(crate) fn submit(choices: &Choices, kind: Kind, terminal: &str, payment: Payment, now: Now) -> Option<Submit> {
    Some(Submit {
        key: payment.key,
        kind: kind.name().into(),
        body: payment.body,
        target: Target::Device(DeviceId::parse(terminal).ok()?),
        rules: rules(choices, kind),
        deliver_by: None,
        answer_by: now.at.after(choices.answer_within),
        request: payment.request,
        memo: payment.memo,
    })
}

/// A `UUIDv7` for a payment whose till chose no id.
pub(crate) fn fresh(dice: &mut u64, wall: Wall) -> RequestKey {
    let mut bytes = [0_u8; 10];
    for half in bytes.chunks_mut(8) {
        *dice = dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        half.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..half.len()]);
    }
    uuid_v7(wall, &bytes)
}

/// A `UUIDv7` of that time with those bits.
pub(crate) fn uuid_v7(wall: Wall, bits: &[u8; 10]) -> RequestKey {
    let id = uuid::Builder::from_unix_timestamp_millis(wall.millis(), bits).into_uuid();
    RequestKey::parse(&id.to_string()).expect("a UUID is a short text without control characters")
}

fn send(text: Bytes, out: &mut Outbox) {
    out.push(Output::Send { text, class: Class::Answer });
}
