//! A terminal that was let in: is asked for payments and reversals, and says what became of them.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Answer, Ask, AskId, Class, DeviceId, Now, Opaque, OperationId, Outbox, Output, Principal, RequestKey, Taken, Tell,
    Verdict, Which,
};

use super::codes::Told;
use super::rules::Kind;
use super::wire::terminal::{self, Action, Response, Status};
use super::wire::{self, Wrong};

/// A terminal that was let in.
#[derive(Debug)]
pub(crate) struct Performer {
    principal: Arc<Principal>,
    /// Its name; that of its connection when it gave none.
    device: DeviceId,
    /// What it was asked for on this connection and has not ended.
    offered: Vec<Offered>,
    /// Answers whose fate is not known yet.
    asked: Vec<(AskId, Asked)>,
    /// The next ask's number.
    asks: u32,
}

/// A payment or a reversal it was asked for.
#[derive(Debug)]
struct Offered {
    operation: OperationId,
    kind: Kind,
}

/// An answer on its way.
#[derive(Debug)]
struct Asked {
    key: RequestKey,
    /// The word for it when it was only noted.
    noted: &'static str,
    /// How it says the payment stands, where it says that.
    status: Option<Status>,
}

/// What a partition's word about an answer says of the terminal that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Nothing against it.
    Good,
    /// It took money nobody asked it for: an operator was alarmed.
    Alarming,
}

impl Performer {
    /// A terminal that is in: its first ask was to be let in.
    pub(crate) const fn new(principal: Arc<Principal>, device: DeviceId) -> Self {
        Self { principal, device, offered: Vec::new(), asked: Vec::new(), asks: 1 }
    }

    /// It says something.
    ///
    /// # Errors
    /// What is wrong with a message that is none of a terminal's.
    pub(crate) fn hear(&mut self, now: Now, name: &str, text: &str, out: &mut Outbox) -> Result<(), Told> {
        let action = Action::parse(name).ok_or(Told::bad("Unknown action"))?;
        let told = match action {
            Action::Ping => {
                send(wire::pong(now.wall), out);
                Ok(())
            }
            Action::Pong => Ok(()),
            Action::PaymentResponse => terminal::response(text).map(|response| self.response(&response, out)),
            Action::PaymentUnknown => terminal::named(text).map(|key| self.unknown(key, out)),
            Action::VoidResult => {
                terminal::void_result(text).map(|(key, success)| self.void_result(key, success, text, out))
            }
        };
        if let Err(Wrong { field, text: why }) = told {
            let transaction = terminal::about(text);
            let about = (name, transaction.as_ref().map(RequestKey::as_str));
            let why = format!("Invalid {name}: {field} {why}");
            send(wire::error(now.wall, Told::bad(""), Some(&why), Some(about)), out);
        }
        Ok(())
    }

    fn response(&mut self, response: &Response<'_>, out: &mut Outbox) {
        let key = response.key.clone();
        let body = || Opaque::copy_from_slice(response.text.as_bytes());
        let verdict = match response.status {
            Status::Success => Verdict::Completed(body()),
            // Both are a definite no: the till may try again.
            Status::Failed | Status::Cancelled => Verdict::Declined(body()),
            Status::Pending => Verdict::Started,
        };
        let asked = Asked { key: key.clone(), noted: "pending", status: Some(response.status) };
        self.answer(Which::Key(key), verdict, asked, out);
    }

    fn unknown(&mut self, key: RequestKey, out: &mut Outbox) {
        let asked = Asked { key: key.clone(), noted: "accepted", status: None };
        self.answer(Which::Key(key), Verdict::NotStarted, asked, out);
    }

    fn void_result(&mut self, key: RequestKey, success: bool, text: &str, out: &mut Outbox) {
        let body = Opaque::copy_from_slice(text.as_bytes());
        let verdict = if success { Verdict::Completed(body) } else { Verdict::Failed(body) };
        let asked = Asked { key: key.clone(), noted: "accepted", status: None };
        self.answer(Which::Compensation(key), verdict, asked, out);
    }

    fn answer(&mut self, which: Which, verdict: Verdict, asked: Asked, out: &mut Outbox) {
        let id = AskId(self.asks);
        self.asks = self.asks.wrapping_add(1);
        self.asked.push((id, asked));
        out.push(Output::Ask { id, ask: Ask::Answer(Answer { which, verdict }) });
    }

    /// The partition says something.
    pub(crate) fn tell(&mut self, now: Now, ask: Option<AskId>, tell: Tell, out: &mut Outbox) -> Conduct {
        match tell {
            Tell::Offer { operation, key, kind, inquiry, request, .. } => {
                self.offer(now, operation, &key, &kind, inquiry, &request, out);
            }
            Tell::Withdrawn { operation, key, how } => {
                let kind = self.over(operation);
                if !matches!(kind, Some(Kind::Void | Kind::VoidCall)) {
                    send(terminal::closed(&key, how, now.wall), out);
                }
            }
            Tell::Taken { operation, taken, .. } => return self.taken(now, ask, operation, taken, out),
            // These are no terminal's business.
            Tell::Displaced
            | Tell::Revoked
            | Tell::Dismissed
            | Tell::Reloaded
            | Tell::Admitted { .. }
            | Tell::NotAdmitted(_)
            | Tell::Accepted { .. }
            | Tell::Refused { .. }
            | Tell::Cancelling { .. }
            | Tell::Serving
            | Tell::TooManyNames { .. }
            | Tell::Listening { .. }
            | Tell::Devices(_)
            | Tell::Found(_)
            | Tell::Progress { .. }
            | Tell::Outcome { .. }
            | Tell::Event(_) => {}
        }
        Conduct::Good
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one tell")]
    fn offer(
        &mut self,
        now: Now,
        operation: OperationId,
        key: &RequestKey,
        kind: &str,
        inquiry: bool,
        request: &[u8],
        out: &mut Outbox,
    ) {
        let Some(kind) = Kind::parse(kind) else { return };
        let (device, group) = (self.device.as_str(), self.principal.group.name());
        let frame = match kind {
            Kind::Payment | Kind::PaymentCall | Kind::PaymentHook => {
                terminal::payment(inquiry, device, key, request, group, now.wall)
            }
            Kind::Void | Kind::VoidCall => terminal::void(device, key, group, now.wall),
        };
        send(frame, out);
        self.offered.retain(|offered| offered.operation != operation);
        self.offered.push(Offered { operation, kind });
    }

    fn taken(
        &mut self,
        now: Now,
        ask: Option<AskId>,
        operation: Option<OperationId>,
        taken: Taken,
        out: &mut Outbox,
    ) -> Conduct {
        let Some(at) = self.asked.iter().position(|(open, _)| Some(*open) == ask) else {
            return Conduct::Good;
        };
        let (_, asked) = self.asked.swap_remove(at);
        if self.asked.is_empty() {
            // An idle session keeps no memory.
            self.asked = Vec::new();
        }
        let result = match taken {
            Taken::Noted => asked.noted,
            Taken::Ended(_)
            | Taken::Late(_)
            | Taken::NotYours
            | Taken::Contradicts
            | Taken::Again
            | Taken::Deciding => terminal::taken(taken),
        };
        if let (Taken::Ended(_) | Taken::Late(_), Some(operation)) = (taken, operation) {
            self.over(operation);
        }
        let message = match taken {
            Taken::NotYours => Some("it was not offered to this terminal"),
            Taken::Contradicts => Some("another amount or currency than was asked for"),
            Taken::Ended(_) | Taken::Noted | Taken::Late(_) | Taken::Again | Taken::Deciding => None,
        };
        if let (Some(Status::Pending), Taken::Late(Some(how))) = (asked.status, taken) {
            // Its result may be on the way already: an acknowledgement would be taken for that result's, and if the
            // result were lost then, nobody would ever hear of it.
            send(terminal::closed(&asked.key, how, now.wall), out);
            return Conduct::Good;
        }
        send(terminal::ack(&asked.key, result, message, now.wall), out);
        match taken {
            Taken::NotYours | Taken::Contradicts | Taken::Late(None) if asked.status == Some(Status::Success) => {
                Conduct::Alarming
            }
            Taken::NotYours
            | Taken::Contradicts
            | Taken::Late(_)
            | Taken::Ended(_)
            | Taken::Noted
            | Taken::Again
            | Taken::Deciding => Conduct::Good,
        }
    }

    // Helpers.

    /// It has ended: what kind it was.
    fn over(&mut self, operation: OperationId) -> Option<Kind> {
        let at = self.offered.iter().position(|offered| offered.operation == operation)?;
        let offered = self.offered.swap_remove(at);
        if self.offered.is_empty() {
            self.offered = Vec::new();
        }
        Some(offered.kind)
    }
}

fn send(text: Bytes, out: &mut Outbox) {
    out.push(Output::Send { text, class: Class::Answer });
}
