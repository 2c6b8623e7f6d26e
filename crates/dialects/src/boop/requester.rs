//! A vendor's socket: logs in, creates contexts, hears what came of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::{
    Admit, Ask, AskId, Call, CallId, Class, CloseCode, Denied, Dialect, Digest, Done, Frame, Hears, Input, NotAdmitted,
    Now, Opaque, Outbox, Output, Permissions, Principal, Reason, Refusal, RequestKey, Role, Submit, Takeover, Target,
    Tell, Timestamp, Window,
};

use super::choices::Choices;
use super::codes::{self, Code};
use super::context::{Context, Kind};
use super::findings::{Memo, Note};
use super::manners::Manners;
use super::rules::rules;
use super::wire::vendor::{self, Message};
use super::wire::{self, About, Fault, Form, Wrong};
use crate::pace::Pace;

/// The name of the window of created contexts.
const CONTEXTS: &str = "contexts";

/// The machine of a vendor's socket.
#[derive(Debug)]
pub struct Requester {
    choices: Arc<Choices>,
    state: State,
    manners: Manners,
    /// What may be created, once that was lent.
    contexts: Option<Window>,
    /// Asks without an answer, and what they want; the node bounds how many there may be.
    asked: Vec<(AskId, Wish)>,
    asks: u32,
    calls: u32,
}

/// What the vendor's socket waits for.
#[derive(Debug)]
enum State {
    /// For the upgrade.
    Opening,
    /// For a login.
    Login { until: Timestamp },
    /// For the directory's word on who this is.
    Proving { call: CallId, vendor_id: Box<str>, until: Timestamp },
    /// For its partition to let it in.
    Admission { ask: AskId, vendor_id: Box<str>, principal: Arc<Principal>, until: Timestamp },
    /// For anything a vendor may want; and for the directory, when it logs in once more.
    Ready { vendor_id: Box<str>, principal: Arc<Principal>, again: Option<CallId> },
    /// For nothing.
    Closed,
}

/// What an ask wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Create,
    Cancel,
}

impl Requester {
    /// A machine whose first input is `Open`.
    #[must_use]
    pub fn new(choices: &Arc<Choices>, now: Now) -> Self {
        Self {
            manners: Manners::new(now.at, choices),
            choices: Arc::clone(choices),
            state: State::Opening,
            contexts: None,
            asked: Vec::new(),
            asks: 0,
            calls: 0,
        }
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        match (&self.state, input) {
            (State::Opening, Input::Open(_)) => self.open(now, out),
            // What is lent to a session that is over is handed back all the same.
            (State::Closed, Input::Tell { tell: Tell::Admitted { windows, .. }, .. }) => self.lend(now, windows),
            (State::Opening | State::Closed, _)
            | (
                _,
                Input::Open(_)
                | Input::Request(_)
                | Input::Room
                | Input::Dropped(_)
                | Input::Done { done: Done::Endpoints(_) | Done::Drawn(_) | Done::Posted(_), .. },
            ) => {}
            (_, Input::Frame(frame)) => self.frame(now, frame, out),
            (_, Input::Wake) => self.wake(now, out),
            (_, Input::Tell { ask, tell }) => self.tell(now, ask, tell, out),
            (_, Input::Done { call, done: Done::Authenticated(result) }) => self.proven(now, call, result, out),
            (_, Input::Drain { retry_after }) => {
                let about = About { retry_after: Some(retry_after), ..About::default() };
                self.part(now, Code::GoingAway, about, Reason::Drained, out);
            }
        }
    }

    /// When it wants `Wake`.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Opening | State::Closed => None,
            State::Login { until } | State::Proving { until, .. } | State::Admission { until, .. } => Some(*until),
            State::Ready { .. } => Some(self.manners.silent_at(&self.choices)),
        }
    }

    /// Whether a login is on its way: frames are held until it is answered.
    #[must_use]
    pub const fn is_logging_in(&self) -> bool {
        match &self.state {
            State::Proving { .. } | State::Admission { .. } => true,
            State::Ready { again, .. } => again.is_some(),
            State::Opening | State::Login { .. } | State::Closed => false,
        }
    }

    /// Hands the lent windows back.
    pub fn leave(&mut self) -> Vec<Window> {
        match self.contexts.take() {
            Some(contexts) => vec![contexts, self.manners.hand_back(&self.choices)],
            None => Vec::new(),
        }
    }

    fn open(&mut self, now: Now, out: &mut Outbox) {
        out.push(Output::Accept);
        out.push(Output::Limit(self.choices.frame_before_login));
        self.state = State::Login { until: now.at.after(self.choices.login_within) };
    }

    fn wake(&mut self, now: Now, out: &mut Outbox) {
        if self.deadline().is_none_or(|deadline| deadline > now.at) {
            return;
        }
        match &self.state {
            State::Login { .. } => {
                self.part(now, Code::AuthRequired, About::default(), Reason::SilentBeforeLogin, out);
            }
            // It is we who are silent.
            State::Proving { .. } | State::Admission { .. } => self.fail(now, Reason::Fault, out),
            State::Ready { .. } => self.close(Reason::Silent.code(), Reason::Silent, out),
            State::Opening | State::Closed => {}
        }
    }

    // What the vendor says.

    fn frame(&mut self, now: Now, frame: Frame<'_>, out: &mut Outbox) {
        match self.manners.heard(now.at, &self.choices) {
            Pace::Fine => {}
            Pace::Over => return,
            Pace::Tell(retry_after) => {
                let about = About { retry_after: Some(retry_after), ..About::default() };
                return self.error(now, Code::VendorRateLimit, about, out);
            }
            Pace::TooMuch => return self.close(Reason::TooMuch.code(), Reason::TooMuch, out),
        }
        match frame {
            Frame::Text(text) => self.text(now, text, out),
            Frame::Binary(_) => self.close(Reason::Binary.code(), Reason::Binary, out),
            Frame::Ping | Frame::Pong => {}
        }
    }

    fn text(&mut self, now: Now, text: &str, out: &mut Outbox) {
        let message = match vendor::message(text) {
            Ok(message) => message,
            Err(wrong) => return self.wrong(now, &wrong, out),
        };
        self.manners.message();
        match (&self.state, message) {
            (_, Message::Ping) => send(wire::pong(), out),
            (_, Message::Authenticate) => self.authenticate(now, text, out),
            (_, Message::VendorHello) => {
                self.wrong(
                    now,
                    &vendor::not_spoken(text, "vendor_hello is not spoken here yet, send authenticate"),
                    out,
                );
            }
            (State::Ready { .. }, Message::CreateContext) => self.create(now, text, out),
            (State::Ready { .. }, Message::CancelContext) => self.cancel(now, text, out),
            (State::Ready { .. }, Message::CreateAuthContext) => {
                let told = "create_auth_context is not spoken here yet, send create_context";
                self.wrong(now, &vendor::not_spoken(text, told), out);
            }
            (_, Message::CreateContext | Message::CancelContext | Message::CreateAuthContext) => {
                let context_id = wire::about(text);
                let about = About { context_id: context_id.as_ref(), ..About::default() };
                self.error(now, Code::AuthRequired, about, out);
            }
        }
    }

    fn authenticate(&mut self, now: Now, text: &str, out: &mut Outbox) {
        let (vendor_id, secret) = match vendor::authenticate(text) {
            Ok(login) => login,
            Err(wrong) => return self.wrong(now, &wrong, out),
        };
        let call = CallId(self.calls);
        match &mut self.state {
            State::Login { .. } => {
                let until = now.at.after(self.choices.login_within);
                self.state = State::Proving { call, vendor_id: vendor_id.clone(), until };
            }
            State::Ready { vendor_id: known, again, .. } if *known == vendor_id => *again = Some(call),
            State::Ready { .. } => {
                let reason = Reason::NotAuthenticated;
                return self.part(now, Code::InvalidCredentials, About::default(), reason, out);
            }
            // The node holds frames back while a login is on its way.
            State::Proving { .. } | State::Admission { .. } | State::Opening | State::Closed => return,
        }
        self.calls = self.calls.wrapping_add(1);
        let (dialect, role) = (Dialect::Boop, Some(Role::Requester));
        out.push(Output::Call {
            id: call,
            call: Call::Authenticate { dialect, role, subject: Some(vendor_id), secret, proof: None },
        });
    }

    fn create(&mut self, now: Now, text: &str, out: &mut Outbox) {
        let (key, form, context) = match vendor::create_context(text, &self.choices) {
            Ok(created) => created,
            Err(wrong) => return self.wrong(now, &wrong, out),
        };
        let State::Ready { principal, .. } = &self.state else { return };
        let about = About { context_id: Some(&key), ..About::default() };
        if !permits(&principal.permissions, context.kind) {
            return self.error(now, Code::VendorPermissionDenied, about, out);
        }
        if let Some(name) = context.not_permitted(&principal.permissions, &self.choices) {
            let told = format!("{}: {name}", Code::VendorAttributeDenied.text());
            return self.error(now, Code::VendorAttributeDenied, About { text: Some(&told), ..about }, out);
        }
        let most = self.choices.contexts_per_span;
        let room_in = self.contexts.as_mut().and_then(|window| {
            if window.count(now.at) >= most {
                return Some(window.room_in(now.at, most));
            }
            window.add(now.at);
            None
        });
        if room_in.is_some() {
            return self.error(now, Code::VendorRateLimit, About { retry_after: room_in, ..about }, out);
        }
        let submit = self.submit(now, key, form, &context);
        self.ask(Wish::Create, Ask::Submit(Box::new(submit)), out);
    }

    fn submit(&self, now: Now, key: RequestKey, form: Form, context: &Context) -> Submit {
        let request = context.bytes();
        Submit {
            key,
            kind: context.kind.name().into(),
            body: Digest::of(&request),
            target: context.terminal().map_or(Target::AnyOfGroup, Target::Device),
            rules: rules(&self.choices),
            deliver_by: None,
            answer_by: now.at.after(self.choices.context_life),
            request,
            memo: Memo::bytes(form),
        }
    }

    fn cancel(&mut self, now: Now, text: &str, out: &mut Outbox) {
        match vendor::cancel_context(text) {
            Ok(key) => self.ask(Wish::Cancel, Ask::Cancel { key }, out),
            Err(wrong) => self.wrong(now, &wrong, out),
        }
    }

    fn wrong(&mut self, now: Now, wrong: &Wrong, out: &mut Outbox) {
        let about = About { text: Some(&wrong.text), context_id: wrong.context_id.as_ref(), ..About::default() };
        self.error(now, Code::InvalidRequest, about, out);
        match wrong.fault {
            Fault::Form if self.manners.malformed(&self.choices) => {
                self.close(Reason::Malformed.code(), Reason::Malformed, out);
            }
            Fault::Form | Fault::Content => {}
        }
    }

    // What the directory and the partition say.

    fn proven(&mut self, now: Now, call: CallId, result: Result<Arc<Principal>, Denied>, out: &mut Outbox) {
        let due = match &self.state {
            State::Proving { call: awaited, .. } => *awaited == call,
            State::Ready { again, .. } => *again == Some(call),
            State::Opening | State::Login { .. } | State::Admission { .. } | State::Closed => false,
        };
        if !due {
            return;
        }
        let proven = match result {
            Ok(principal) => principal,
            Err(denied) => {
                let retry_after = match denied {
                    Denied::Throttled(wait) => Some(wait),
                    Denied::Unknown
                    | Denied::Expired
                    | Denied::Revoked
                    | Denied::WrongRole
                    | Denied::BadProof
                    | Denied::WrongCertificate => None,
                };
                let (code, reason) = codes::denied(denied);
                return self.part(now, code, About { retry_after, ..About::default() }, reason, out);
            }
        };
        match &mut self.state {
            State::Ready { vendor_id, principal, again } if principal.id == proven.id => {
                *again = None;
                send(vendor::authenticated(vendor_id, now.wall), out);
            }
            State::Ready { .. } => {
                self.part(now, Code::InvalidCredentials, About::default(), Reason::NotAuthenticated, out);
            }
            State::Proving { vendor_id, .. } => {
                let vendor_id = std::mem::take(vendor_id);
                self.admit(now, vendor_id, proven, out);
            }
            State::Opening | State::Login { .. } | State::Admission { .. } | State::Closed => {}
        }
    }

    fn admit(&mut self, now: Now, vendor_id: Box<str>, principal: Arc<Principal>, out: &mut Outbox) {
        let ask = self.next_ask();
        let admit = Admit {
            principal: Arc::clone(&principal),
            role: Role::Requester,
            device: None,
            single: Some(format!("vendor:{vendor_id}").into()),
            takeover: if self.choices.reject_new { Takeover::IncumbentStays } else { Takeover::NewestWins },
            grace: Duration::ZERO,
            facts: Opaque::new(),
            hears: Hears::Principal,
            windows: vec![contexts(&self.choices), Manners::wanted(&self.choices)],
        };
        let until = now.at.after(self.choices.login_within);
        self.state = State::Admission { ask, vendor_id, principal, until };
        out.push(Output::Ask { id: ask, ask: Ask::Admit(Box::new(admit)) });
    }

    fn tell(&mut self, now: Now, ask: Option<AskId>, tell: Tell, out: &mut Outbox) {
        let wish = ask.and_then(|ask| self.answered(ask));
        match tell {
            Tell::Admitted { windows, .. } => self.admitted(now, ask, windows, out),
            Tell::NotAdmitted(why) => {
                let (code, reason) = codes::not_admitted(why);
                let about = match why {
                    NotAdmitted::Damped(wait) => About { retry_after: Some(wait), ..About::default() },
                    NotAdmitted::Occupied => {
                        About { text: Some("Another connection holds this vendor id"), ..About::default() }
                    }
                };
                self.part(now, code, about, reason, out);
            }
            Tell::Refused { key, why } => self.refused(now, wish, &key, why, out),
            Tell::Progress { key, note, .. } => {
                if let Some(code) = Note::read(&note) {
                    self.error(now, code, About { context_id: Some(&key), ..About::default() }, out);
                }
            }
            Tell::Outcome { key, memo, outcome, .. } => {
                send(vendor::outcome(Memo::read(&memo), now.wall, &key, &outcome), out);
            }
            Tell::Displaced => self.part(now, Code::ConnectionReplaced, About::default(), Reason::Displaced, out),
            Tell::Revoked => {
                let about = About { text: Some("Credentials revoked"), ..About::default() };
                self.part(now, Code::InvalidCredentials, about, Reason::Revoked, out);
            }
            Tell::Dismissed => {
                let about = About {
                    text: Some("Closed by an operator"),
                    retry_after: Some(self.choices.reload_pause),
                    ..About::default()
                };
                self.part(now, Code::GoingAway, about, Reason::Dismissed, out);
            }
            Tell::Reloaded => self.fail(now, Reason::Reloaded, out),
            // The primary form has no word for these; and these are no vendor's business.
            Tell::Accepted { .. }
            | Tell::Cancelling { .. }
            | Tell::Taken { .. }
            | Tell::Serving
            | Tell::TooManyNames { .. }
            | Tell::Listening { .. }
            | Tell::Devices(_)
            | Tell::Found(_)
            | Tell::Offer { .. }
            | Tell::Withdrawn { .. }
            | Tell::Event(_) => {}
        }
    }

    fn admitted(&mut self, now: Now, answers: Option<AskId>, windows: Vec<Window>, out: &mut Outbox) {
        let State::Admission { ask, vendor_id, principal, .. } = &mut self.state else { return };
        if answers != Some(*ask) {
            return;
        }
        let (vendor_id, principal) = (std::mem::take(vendor_id), Arc::clone(principal));
        send(vendor::authenticated(&vendor_id, now.wall), out);
        out.push(Output::Limit(self.choices.frame_after_login));
        self.state = State::Ready { vendor_id, principal, again: None };
        self.lend(now, windows);
    }

    fn lend(&mut self, now: Now, windows: Vec<Window>) {
        let mut created = contexts(&self.choices);
        for window in windows {
            if Manners::is_mine(&window) {
                self.manners.lend(now.at, window);
            } else if window.name() == CONTEXTS {
                created = window;
            }
        }
        self.contexts = Some(created);
    }

    fn refused(&mut self, now: Now, wish: Option<Wish>, key: &RequestKey, why: Refusal, out: &mut Outbox) {
        let (code, text) = match wish {
            Some(Wish::Create) => {
                // What was refused does not count.
                if let Some(window) = &mut self.contexts {
                    window.take_back();
                }
                codes::submit_refused(why)
            }
            Some(Wish::Cancel) => {
                let code = codes::cancel_refused(why);
                (code, code.text())
            }
            None => return,
        };
        self.error(now, code, About { text: Some(text), context_id: Some(key), ..About::default() }, out);
    }

    // Helpers.

    fn next_ask(&mut self) -> AskId {
        let id = AskId(self.asks);
        self.asks = self.asks.wrapping_add(1);
        id
    }

    fn ask(&mut self, wish: Wish, ask: Ask, out: &mut Outbox) {
        let id = self.next_ask();
        self.asked.push((id, wish));
        out.push(Output::Ask { id, ask });
    }

    fn answered(&mut self, id: AskId) -> Option<Wish> {
        let at = self.asked.iter().position(|(open, _)| *open == id)?;
        let (_, wish) = self.asked.swap_remove(at);
        if self.asked.is_empty() {
            // An idle session keeps no memory.
            self.asked = Vec::new();
        }
        Some(wish)
    }

    fn error(&self, now: Now, code: Code, about: About<'_>, out: &mut Outbox) {
        send(wire::error(now.wall, code, about), out);
    }

    /// Our fault: come back soon.
    fn fail(&mut self, now: Now, reason: Reason, out: &mut Outbox) {
        let about = About { retry_after: Some(self.choices.reload_pause), ..About::default() };
        self.error(now, Code::InternalError, about, out);
        self.close(CloseCode::TRY_LATER, reason, out);
    }

    /// Says why in the dialect's words, then closes.
    fn part(&mut self, now: Now, code: Code, about: About<'_>, reason: Reason, out: &mut Outbox) {
        self.error(now, code, about, out);
        self.close(reason.code(), reason, out);
    }

    fn close(&mut self, code: CloseCode, reason: Reason, out: &mut Outbox) {
        self.state = State::Closed;
        self.asked = Vec::new();
        out.push(Output::Close { code, reason });
    }
}

fn send(text: Bytes, out: &mut Outbox) {
    out.push(Output::Send { text, class: Class::Answer });
}

fn permits(permissions: &Permissions, kind: Kind) -> bool {
    match permissions {
        Permissions::All => true,
        Permissions::Only(_) => permissions.allow(&format!("kind:{}", kind.name())),
    }
}

fn contexts(choices: &Choices) -> Window {
    Window::new(CONTEXTS, choices.rate_span, choices.contexts_per_span)
}

#[cfg(test)]
mod tests;
