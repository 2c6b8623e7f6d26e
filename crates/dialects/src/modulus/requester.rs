//! A till's socket: lists terminals, asks for payments, hears what came of them and who is there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{
    Admit, Ask, AskId, Class, DeviceId, Event, Frame, Happening, Hears, Input, Now, Opaque, Outbox, Outcome, Output,
    Principal, Reason, Refusal, RequestKey, Role, Submit, Takeover, Target, Tell, Timestamp, Wall,
};

use super::choices::Choices;
use super::codes::{self, Code, Told};
use super::connection::{not_let_in, seconds};
use super::manners::{Manners, Pace};
use super::rules::{Kind, rules};
use super::wire::http::{self, About};
use super::wire::payment::{Memo, Payment};
use super::wire::result::answered;
use super::wire::till::{self, Action, Change};
use super::wire::{self};

/// The machine of a till's socket.
#[derive(Debug)]
pub(crate) struct Requester {
    choices: Arc<Choices>,
    principal: Arc<Principal>,
    state: State,
    manners: Manners,
    /// Asks without an answer, and what they want; the node bounds how many there may be.
    asked: Vec<(AskId, Wish)>,
    asks: u32,
    /// Where ids of payments come from that have none.
    dice: u64,
}

/// What the till's socket waits for.
#[derive(Debug)]
enum State {
    /// For its partition to let it in, with the upgrade.
    Admission { ask: AskId, until: Timestamp },
    /// For anything a till may want.
    Ready,
    /// For nothing.
    Closed,
}

/// What an ask wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    List,
    Pay,
    Listen,
}

impl Requester {
    /// The machine of a till whose key was right: it asks to be let in.
    pub(crate) fn new(
        choices: &Arc<Choices>,
        principal: Arc<Principal>,
        seed: u64,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let ask = AskId(0);
        let admit = Admit {
            principal: Arc::clone(&principal),
            role: Role::Requester,
            device: None,
            facts: Opaque::new(),
            hears: Hears::Principal,
            single: Some(format!("till:{}", principal.id).into()),
            takeover: Takeover::NewestWins,
            grace: Duration::ZERO,
            windows: Vec::new(),
        };
        out.push(Output::Ask { id: ask, ask: Ask::Admit(Box::new(admit)) });
        Self {
            state: State::Admission { ask, until: now.at.after(choices.login_within) },
            manners: Manners::new(now.at, choices),
            choices: Arc::clone(choices),
            principal,
            asked: Vec::new(),
            asks: 1,
            dice: seed,
        }
    }

    /// Takes one input and says everything that follows from it.
    pub(crate) fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        match (&self.state, input) {
            (State::Closed, _) => {}
            (State::Admission { ask, .. }, Input::Tell { ask: answers, tell }) => {
                let is_answer = answers == Some(*ask);
                self.let_in(now, is_answer, &tell, out);
            }
            (State::Admission { until, .. }, Input::Wake) if *until <= now.at => self.turn_away(now, None, out),
            (State::Admission { .. }, Input::Drain { retry_after }) => self.turn_away(now, Some(retry_after), out),
            (State::Ready, Input::Frame(frame)) => self.frame(now, frame, out),
            (State::Ready, Input::Wake) => {
                if self.manners.silent_at(&self.choices) <= now.at {
                    self.close(Reason::Silent, out);
                }
            }
            (State::Ready, Input::Tell { ask, tell }) => self.tell(now, ask, tell, out),
            (State::Ready, Input::Drain { .. }) => self.part(now, Reason::Drained, out),
            (
                State::Admission { .. } | State::Ready,
                Input::Open(_)
                | Input::Request(_)
                | Input::Frame(_)
                | Input::Wake
                | Input::Done { .. }
                | Input::Room
                | Input::Dropped(_),
            ) => {}
        }
    }

    /// When it wants `Wake`.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Admission { until, .. } => Some(*until),
            State::Ready => Some(self.manners.silent_at(&self.choices)),
            State::Closed => None,
        }
    }

    // The upgrade.

    fn let_in(&mut self, now: Now, is_answer: bool, tell: &Tell, out: &mut Outbox) {
        match tell {
            Tell::Admitted { .. } if is_answer => {
                self.state = State::Ready;
                out.push(Output::Accept);
                out.push(Output::Limit(self.choices.frame_bytes));
                self.ask(Wish::Listen, Ask::Listen { since: None }, out);
            }
            _ => {
                let (code, about) = not_let_in(is_answer, tell, &self.choices);
                self.refuse(now, code, about, out);
            }
        }
    }

    fn turn_away(&mut self, now: Now, retry_after: Option<Duration>, out: &mut Outbox) {
        let about = About { retry_after: retry_after.map(seconds), ..About::default() };
        self.refuse(now, Code::Unavailable, about, out);
    }

    fn refuse(&mut self, now: Now, code: Code, about: About<'_>, out: &mut Outbox) {
        self.state = State::Closed;
        out.push(Output::Refuse(http::error(now.wall, code, about)));
    }

    // What the till says.

    fn frame(&mut self, now: Now, frame: Frame<'_>, out: &mut Outbox) {
        match self.manners.heard(now.at, &self.choices) {
            Pace::Fine => {}
            Pace::Over => return,
            Pace::Tell(_) => return send(wire::error(now.wall, Told::TOO_MANY, None, None), out),
            Pace::TooMuch => return self.close(Reason::TooMuch, out),
        }
        match frame {
            Frame::Text(text) => self.text(now, text, out),
            Frame::Binary(_) => self.close(Reason::Binary, out),
            Frame::Ping | Frame::Pong => {}
        }
    }

    fn text(&mut self, now: Now, text: &str, out: &mut Outbox) {
        let action = match wire::action(text) {
            Ok(action) => action,
            Err(told) => return self.malformed(now, told, None, out),
        };
        match Action::parse(&action) {
            Some(Action::Ping) => send(wire::pong(now.wall), out),
            Some(Action::GetTerminals) => self.ask(Wish::List, Ask::Devices, out),
            Some(Action::Payment) => self.payment(now, text, out),
            None => self.malformed(now, Told::bad("Unknown action"), Some(&action), out),
        }
    }

    /// The frame is no message; too many of them end the connection.
    fn malformed(&mut self, now: Now, told: Told, action: Option<&str>, out: &mut Outbox) {
        send(wire::error(now.wall, told, None, action.map(|action| (action, None))), out);
        if self.manners.malformed(now.at, &self.choices) {
            self.close(Reason::Malformed, out);
        }
    }

    fn payment(&mut self, now: Now, text: &str, out: &mut Outbox) {
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
        let Some(submit) = submit(&self.choices, Kind::Payment, &terminal, payment, now) else {
            return self.refused(now, Refusal::Unknown, None, out);
        };
        self.ask(Wish::Pay, Ask::Submit(Box::new(submit)), out);
    }

    // What the partition says.

    fn tell(&mut self, now: Now, ask: Option<AskId>, tell: Tell, out: &mut Outbox) {
        if let Some(ask) = ask {
            self.answered(ask);
        }
        match tell {
            Tell::Devices(states) => send(till::terminals(&states, self.principal.partition, now.wall), out),
            Tell::Refused { key, why } => self.refused(now, why, Some(&key), out),
            Tell::Outcome { key, kind, target: Target::Device(terminal), memo, outcome, at, .. } => {
                let ended = now.wall_at(at);
                self.outcome(now, ended, &key, &kind, &terminal, &memo, &outcome, out);
            }
            Tell::Event(event) => self.event(now, &event, out),
            Tell::Displaced => self.part(now, Reason::Displaced, out),
            Tell::Revoked => self.part(now, Reason::Revoked, out),
            Tell::Dismissed => self.part(now, Reason::Dismissed, out),
            Tell::Reloaded => self.part(now, Reason::Reloaded, out),
            // A payment is never acknowledged, and is for one terminal; and these are no till's business.
            Tell::Admitted { .. }
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

    fn ask(&mut self, wish: Wish, ask: Ask, out: &mut Outbox) {
        let id = AskId(self.asks);
        self.asks = self.asks.wrapping_add(1);
        self.asked.push((id, wish));
        out.push(Output::Ask { id, ask });
    }

    fn answered(&mut self, id: AskId) {
        self.asked.retain(|(open, _)| *open != id);
        if self.asked.is_empty() {
            // An idle session keeps no memory.
            self.asked = Vec::new();
        }
    }

    /// Says why in the dialect's words, then closes.
    fn part(&mut self, now: Now, reason: Reason, out: &mut Outbox) {
        if let Some(farewell) = codes::farewell(reason) {
            send(wire::force_disconnect(now.wall, farewell), out);
        }
        self.close(reason, out);
    }

    fn close(&mut self, reason: Reason, out: &mut Outbox) {
        self.state = State::Closed;
        self.asked = Vec::new();
        out.push(Output::Close { code: reason.code(), reason });
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
