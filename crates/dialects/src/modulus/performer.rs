//! A terminal's socket: is asked for payments and reversals, and says what became of them.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Admit, Answer, Ask, AskId, Class, DeviceId, Frame, Hears, Input, Now, Opaque, OperationId, Outbox, Output,
    Principal, Reason, RequestKey, Role, Taken, Takeover, Tell, Timestamp, Verdict, Which,
};

use super::choices::Choices;
use super::codes::{self, Code, Told};
use super::connection::{not_let_in, seconds};
use super::manners::{Manners, Pace};
use super::rules::Kind;
use super::wire::http::{self, About};
use super::wire::terminal::{self, Action, Response, Status};
use super::wire::{self, Wrong};

/// The machine of a terminal's socket.
#[derive(Debug)]
pub(crate) struct Performer {
    choices: Arc<Choices>,
    principal: Arc<Principal>,
    /// Its name; that of its connection when it gave none.
    device: Option<DeviceId>,
    state: State,
    manners: Manners,
    /// What it was asked for on this connection and has not ended.
    offered: Vec<Offered>,
    /// Answers whose fate is not known yet.
    asked: Vec<(AskId, Asked)>,
    asks: u32,
}

/// What the terminal's socket waits for.
#[derive(Debug)]
enum State {
    /// For its partition to let it in, with the upgrade.
    Admission { ask: AskId, until: Timestamp },
    /// For anything a terminal may say.
    Ready,
    /// For nothing.
    Closed,
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

impl Performer {
    /// The machine of a terminal whose key was right: it asks to be let in.
    pub(crate) fn new(
        choices: &Arc<Choices>,
        principal: Arc<Principal>,
        device: Option<DeviceId>,
        metadata: Opaque,
        now: Now,
        out: &mut Outbox,
    ) -> Self {
        let ask = AskId(0);
        let admit = Admit {
            principal: Arc::clone(&principal),
            role: Role::Performer,
            device: device.clone(),
            facts: metadata,
            hears: Hears::Own,
            single: device.as_ref().map(|device| format!("terminal:{device}").into()),
            takeover: Takeover::NewestWins,
            grace: if device.is_some() { choices.terminal_grace } else { std::time::Duration::ZERO },
            windows: Vec::new(),
        };
        out.push(Output::Ask { id: ask, ask: Ask::Admit(Box::new(admit)) });
        Self {
            state: State::Admission { ask, until: now.at.after(choices.login_within) },
            manners: Manners::new(now.at, choices),
            choices: Arc::clone(choices),
            principal,
            device,
            offered: Vec::new(),
            asked: Vec::new(),
            asks: 1,
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
            (State::Admission { until, .. }, Input::Wake) if *until <= now.at => {
                self.refuse(now, Code::Unavailable, About { retry_after: Some(1), ..About::default() }, out);
            }
            (State::Admission { .. }, Input::Drain { retry_after }) => {
                let about = About { retry_after: Some(seconds(retry_after)), ..About::default() };
                self.refuse(now, Code::Unavailable, about, out);
            }
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
            Tell::Admitted { epoch, .. } if is_answer => {
                let connection = epoch.connection(self.principal.partition);
                self.device = self.device.take().or_else(|| DeviceId::parse(&connection).ok());
                self.state = State::Ready;
                out.push(Output::Accept);
                out.push(Output::Limit(self.choices.frame_bytes));
            }
            _ => {
                let (code, about) = not_let_in(is_answer, tell, &self.choices);
                self.refuse(now, code, about, out);
            }
        }
    }

    fn refuse(&mut self, now: Now, code: Code, about: About<'_>, out: &mut Outbox) {
        self.state = State::Closed;
        out.push(Output::Refuse(http::error(now.wall, code, about)));
    }

    // What the terminal says.

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
        let name = match wire::action(text) {
            Ok(name) => name,
            Err(told) => return self.malformed(now, told, None, out),
        };
        let Some(action) = Action::parse(&name) else {
            return self.malformed(now, Told::bad("Unknown action"), Some(&name), out);
        };
        let told = match action {
            Action::Ping => return send(wire::pong(now.wall), out),
            Action::Pong => return,
            Action::PaymentResponse => terminal::response(text).map(|response| self.response(&response, out)),
            Action::PaymentUnknown => terminal::named(text).map(|key| self.unknown(key, out)),
            Action::VoidResult => {
                terminal::void_result(text).map(|(key, success)| self.void_result(key, success, text, out))
            }
        };
        if let Err(Wrong { field, text: why }) = told {
            let transaction = terminal::about(text);
            let about = (&*name, transaction.as_ref().map(RequestKey::as_str));
            let why = format!("Invalid {name}: {field} {why}");
            send(wire::error(now.wall, Told::bad(""), Some(&why), Some(about)), out);
        }
    }

    /// The frame is no message; too many of them end the connection.
    fn malformed(&mut self, now: Now, told: Told, action: Option<&str>, out: &mut Outbox) {
        send(wire::error(now.wall, told, None, action.map(|action| (action, None))), out);
        if self.manners.malformed(now.at, &self.choices) {
            self.close(Reason::Malformed, out);
        }
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

    // What the partition says.

    fn tell(&mut self, now: Now, ask: Option<AskId>, tell: Tell, out: &mut Outbox) {
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
            Tell::Taken { operation, taken, .. } => self.taken(now, ask, operation, taken, out),
            Tell::Displaced => self.part(now, Reason::Displaced, out),
            Tell::Revoked => self.part(now, Reason::Revoked, out),
            Tell::Dismissed => self.part(now, Reason::Dismissed, out),
            Tell::Reloaded => self.part(now, Reason::Reloaded, out),
            // These are no terminal's business.
            Tell::Admitted { .. }
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
        let (Some(kind), Some(device)) = (Kind::parse(kind), &self.device) else { return };
        let group = self.principal.group.name();
        let frame = match kind {
            Kind::Payment | Kind::PaymentCall | Kind::PaymentHook => {
                terminal::payment(inquiry, device.as_str(), key, request, group, now.wall)
            }
            Kind::Void | Kind::VoidCall => terminal::void(device.as_str(), key, group, now.wall),
        };
        send(frame, out);
        self.offered.retain(|offered| offered.operation != operation);
        self.offered.push(Offered { operation, kind });
    }

    fn taken(&mut self, now: Now, ask: Option<AskId>, operation: Option<OperationId>, taken: Taken, out: &mut Outbox) {
        let Some(at) = self.asked.iter().position(|(open, _)| Some(*open) == ask) else { return };
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
            return send(terminal::closed(&asked.key, how, now.wall), out);
        }
        send(terminal::ack(&asked.key, result, message, now.wall), out);
        // A charge nobody asked for: an operator is alarmed, and no more often than is good for an operator.
        let alarms = match taken {
            Taken::NotYours | Taken::Contradicts | Taken::Late(None) => asked.status == Some(Status::Success),
            Taken::Ended(_) | Taken::Noted | Taken::Late(Some(_)) | Taken::Again | Taken::Deciding => false,
        };
        if alarms && self.manners.malformed(now.at, &self.choices) {
            self.close(Reason::Malformed, out);
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

    /// Says why in the dialect's words, then closes.
    fn part(&mut self, now: Now, reason: Reason, out: &mut Outbox) {
        if let Some(farewell) = codes::farewell(reason) {
            send(wire::force_disconnect(now.wall, farewell), out);
        }
        self.close(reason, out);
    }

    fn close(&mut self, reason: Reason, out: &mut Outbox) {
        self.state = State::Closed;
        (self.offered, self.asked) = (Vec::new(), Vec::new());
        out.push(Output::Close { code: reason.code(), reason });
    }
}

fn send(text: Bytes, out: &mut Outbox) {
    out.push(Output::Send { text, class: Class::Answer });
}
