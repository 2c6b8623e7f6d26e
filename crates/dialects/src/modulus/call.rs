//! One signed HTTP call of a till: its own short session, which waits as long as the call does.

use std::sync::Arc;
use std::time::Duration;

use model::{
    Admit, Ask, AskId, Call as Slow, CallId, Denied, Dialect, Digest, Done, EndpointId, Hears, Input, Now, Opaque,
    Outbox, Output, Principal, Request, RequestKey, Response, Role, Secret, Submit, Takeover, Tell, Timestamp, Wall,
    Window,
};

use super::choices::Choices;
use super::codes::{self, Code};
use super::connection::seconds;
use super::hooks::{Errand, Next};
use super::presented;
use super::requester::{submit, uuid_v7};
use super::rules::Kind;
use super::signature::{Signed, is_fresh, signed};
use super::wire::Wrong;
use super::wire::hook::{self, Change};
use super::wire::http::{self, About, Hook, Wish};
use super::wire::payment::{Memo, Payment};
use super::wire::result::answered;

/// The machine of a call.
#[derive(Debug)]
pub struct Call {
    choices: Arc<Choices>,
    state: State,
}

/// What the call waits for.
#[derive(Debug)]
enum State {
    /// For the request.
    Opening,
    /// For the directory's word on who this is.
    Proving { asks: Box<Asks>, until: Timestamp },
    /// For its partition to let it in.
    Admission { asks: Box<Asks>, principal: Arc<Principal>, until: Timestamp },
    /// For the answer to what it wants.
    Answer { principal: Arc<Principal>, payment: Option<RequestKey>, waits: Waits, until: Timestamp },
    /// For the next piece of an errand about webhook endpoints.
    Errand { errand: Box<Errand>, principal: Arc<Principal>, until: Timestamp },
    /// For nothing.
    Over,
}

/// When a call is answered that asks for a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// When it has its outcome.
    Outcome,
    /// When it is stored.
    Accepted,
}

/// What was asked for, once it is known by whom.
#[derive(Debug)]
struct Asks {
    wish: Result<Wish, Code>,
    group: Option<Box<str>>,
    at: Option<Wall>,
    /// Digest of its signature: no other call has it.
    signature: Digest,
    body: bytes::Bytes,
}

/// The id of a payment whose till chose none. The same call, sent again by whatever stands in between, has the same
/// signature and so the same id: it joins the first instead of paying twice.
fn named(at: Wall, signature: &Digest) -> RequestKey {
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&signature.0[..10]);
    uuid_v7(at, &bytes)
}

/// The one ask after the admission.
const WISH: AskId = AskId(1);

impl Call {
    /// A machine whose first input is `Request`.
    #[must_use]
    pub fn new(choices: &Arc<Choices>) -> Self {
        Self { choices: Arc::clone(choices), state: State::Opening }
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        match (&self.state, input) {
            (State::Opening, Input::Request(request)) => self.request(now, request, out),
            (State::Proving { .. }, Input::Done { done: Done::Authenticated(result), .. }) => {
                self.proven(now, result, out);
            }
            (State::Admission { .. }, Input::Tell { ask, tell }) => self.let_in(now, ask, &tell, out),
            (State::Answer { .. }, Input::Tell { tell, .. }) => self.tell(now, tell, out),
            (State::Errand { .. }, Input::Done { done, .. }) => self.errand_done(now, done, out),
            (State::Errand { .. }, Input::Tell { tell, .. }) => self.meanwhile(now, &tell, out),
            (
                State::Proving { until, .. } | State::Admission { until, .. } | State::Errand { until, .. },
                Input::Wake,
            ) if *until <= now.at => {
                self.unavailable(now, Duration::from_secs(1), out);
            }
            (State::Answer { payment, until, .. }, Input::Wake) if *until <= now.at => {
                let payment = payment.clone();
                let code = if payment.is_some() { Code::Timeout } else { Code::Unavailable };
                self.error(now, code, About { transaction: payment.as_ref(), ..About::default() }, out);
            }
            (
                State::Proving { .. } | State::Admission { .. } | State::Answer { .. } | State::Errand { .. },
                Input::Drain { retry_after },
            ) => self.unavailable(now, retry_after, out),
            (
                State::Opening
                | State::Proving { .. }
                | State::Admission { .. }
                | State::Answer { .. }
                | State::Errand { .. }
                | State::Over,
                _,
            ) => {}
        }
    }

    /// When it wants `Wake`.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Opening | State::Over => None,
            State::Proving { until, .. }
            | State::Admission { until, .. }
            | State::Answer { until, .. }
            | State::Errand { until, .. } => Some(*until),
        }
    }

    /// A call lends nothing.
    #[must_use]
    pub const fn leave(&self) -> Vec<Window> {
        Vec::new()
    }

    // Who it is.

    fn request(&mut self, now: Now, request: &Request, out: &mut Outbox) {
        let Some(key) = request.header("x-api-key").filter(|key| !key.is_empty()) else {
            return self.error(now, Code::Unauthorized, About::default(), out);
        };
        if request.header("x-timestamp").is_none() || request.header("x-signature").is_none() {
            let about = About { text: Some("x-timestamp and x-signature are required"), ..About::default() };
            return self.error(now, Code::Unauthorized, about, out);
        }
        if request.headers.iter().filter(|(name, _)| &**name == "x-api-key").count() > 1 {
            let about = About { text: Some("x-api-key must be given once"), ..About::default() };
            return self.error(now, Code::InvalidRequest, about, out);
        }
        let Signed { at, proof } = signed(request);
        let asks = Asks {
            wish: http::wish(&request.method, &request.path),
            group: presented(request, "x-group-id").map(Into::into),
            at,
            signature: Digest::of(&proof.mac),
            body: request.body.clone(),
        };
        self.state = State::Proving { asks: Box::new(asks), until: now.at.after(self.choices.login_within) };
        let call = Slow::Authenticate {
            dialect: Dialect::Modulus,
            role: Some(Role::Requester),
            subject: None,
            secret: Secret::new(key),
            proof: Some(proof),
        };
        out.push(Output::Call { id: CallId(0), call });
    }

    fn proven(&mut self, now: Now, result: Result<Arc<Principal>, Denied>, out: &mut Outbox) {
        let State::Proving { asks, .. } = std::mem::replace(&mut self.state, State::Over) else { return };
        // Where the key is right, the time is looked at before the signature.
        if matches!(result, Ok(_) | Err(Denied::BadProof)) && !is_fresh(asks.at, now, &self.choices) {
            return self.error(now, Code::TimestampExpired, About::default(), out);
        }
        let principal = match result {
            Ok(principal) => principal,
            Err(Denied::Throttled(wait)) => {
                let about = About { retry_after: Some(seconds(wait)), ..About::default() };
                return self.error(now, Code::TooManyRequests, about, out);
            }
            Err(denied) => return self.error(now, codes::denied(denied), About::default(), out),
        };
        if !principal.permissions.allow("http") {
            return self.error(now, Code::Forbidden, About::default(), out);
        }
        if asks.group.as_ref().is_some_and(|group| **group != *principal.group.name()) {
            return self.error(now, Code::GroupMismatch, About::default(), out);
        }
        if let Err(code) = asks.wish {
            return self.error(now, code, About::default(), out);
        }
        let admit = Admit {
            principal: Arc::clone(&principal),
            role: Role::Requester,
            device: None,
            facts: Opaque::new(),
            hears: Hears::Own,
            single: None,
            takeover: Takeover::NewestWins,
            grace: Duration::ZERO,
            windows: Vec::new(),
        };
        out.push(Output::Ask { id: AskId(0), ask: Ask::Admit(Box::new(admit)) });
        self.state = State::Admission { asks, principal, until: now.at.after(self.choices.login_within) };
    }

    fn let_in(&mut self, now: Now, ask: Option<AskId>, tell: &Tell, out: &mut Outbox) {
        match tell {
            Tell::Admitted { .. } if ask == Some(AskId(0)) => self.wish(now, out),
            Tell::Revoked => self.error(now, Code::Unauthorized, About::default(), out),
            _ => self.unavailable(now, self.choices.reload_pause, out),
        }
    }

    // What it wants.

    fn wish(&mut self, now: Now, out: &mut Outbox) {
        let State::Admission { asks, principal, until } = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let (ask, payment, until) = match asks.wish {
            Ok(Wish::List) => (Ask::Devices, None, until),
            Ok(Wish::Look { transaction }) => match RequestKey::parse(&transaction) {
                Ok(key) => (Ask::Look { key }, None, until),
                Err(_) => return self.error(now, Code::TransactionNotFound, About::default(), out),
            },
            Ok(Wish::Pay { ref terminal }) => match self.payment(now, terminal, &asks, out) {
                Some((submit, Waits::Outcome)) => {
                    let key = submit.key.clone();
                    (Ask::Submit(submit), Some(key), now.at.after(self.choices.long_poll))
                }
                Some((submit, Waits::Accepted)) => return self.begin(now, principal, Errand::Pay(submit), out),
                None => return,
            },
            Ok(Wish::Hook(hook)) => {
                return match self.hook(hook, &asks.body) {
                    Ok(errand) => self.begin(now, principal, errand, out),
                    Err((code, wrong)) => self.wrong(now, code, wrong, out),
                };
            }
            Err(code) => return self.error(now, code, About::default(), out),
        };
        out.push(Output::Ask { id: WISH, ask });
        self.state = State::Answer { principal, payment, waits: Waits::Outcome, until };
    }

    /// The payment a call asks for, and when the call is answered; none when it was answered already.
    fn payment(&mut self, now: Now, terminal: &str, asks: &Asks, out: &mut Outbox) -> Option<(Box<Submit>, Waits)> {
        let Ok(text) = std::str::from_utf8(&asks.body) else {
            let about = About { text: Some("The body must be JSON in UTF-8"), ..About::default() };
            self.error(now, Code::InvalidRequest, about, out);
            return None;
        };
        let payment = match Payment::read(text, || named(asks.at.unwrap_or(now.wall), &asks.signature)) {
            Ok(payment) => payment,
            Err(wrong) => {
                self.wrong(now, Code::InvalidRequest, Some(wrong), out);
                return None;
            }
        };
        let (kind, waits) = match payment.webhook {
            true => (Kind::PaymentHook, Waits::Accepted),
            false => (Kind::PaymentCall, Waits::Outcome),
        };
        let Some(submit) = submit(&self.choices, kind, terminal, payment, now) else {
            self.error(now, Code::TerminalNotFound, About::default(), out);
            return None;
        };
        Some((Box::new(submit), waits))
    }

    // Webhook endpoints.

    fn hook(&self, hook: Hook, body: &[u8]) -> Result<Errand, (Code, Option<Wrong>)> {
        let id = |id: String| EndpointId::parse(&id).map_err(|_| (Code::EndpointNotFound, None));
        let read = || {
            let change = Change::read(body, self.choices.allow_private_webhook_targets);
            change.map_err(|wrong| (Code::InvalidRequest, Some(wrong)))
        };
        Ok(match hook {
            Hook::List => Errand::List,
            Hook::Read(text) => Errand::Read(id(text)?),
            Hook::Remove(text) => Errand::Remove(id(text)?),
            Hook::Update(text) => Errand::Update(id(text)?, read()?),
            Hook::Create => {
                let change = read()?;
                change.is_whole().map_err(|wrong| (Code::InvalidRequest, Some(wrong)))?;
                Errand::Create(change)
            }
        })
    }

    fn begin(&mut self, now: Now, principal: Arc<Principal>, errand: Errand, out: &mut Outbox) {
        let call = errand.begin(&principal.group);
        self.go_on(now, principal, call, errand, out);
    }

    /// Another piece of work, and as long as it may take.
    fn go_on(&mut self, now: Now, principal: Arc<Principal>, call: Slow, errand: Errand, out: &mut Outbox) {
        out.push(Output::Call { id: CallId(1), call });
        let until = now.at.after(self.choices.webhook_within).after(self.choices.login_within);
        self.state = State::Errand { errand: Box::new(errand), principal, until };
    }

    fn errand_done(&mut self, now: Now, done: Done, out: &mut Outbox) {
        let State::Errand { errand, principal, .. } = std::mem::replace(&mut self.state, State::Over) else { return };
        match errand.done(&self.choices, &principal.group, now, done) {
            Next::Call(call, errand) => self.go_on(now, principal, call, errand, out),
            Next::Pay(submit) => {
                let payment = Some(submit.key.clone());
                out.push(Output::Ask { id: WISH, ask: Ask::Submit(submit) });
                let until = now.at.after(self.choices.login_within);
                self.state = State::Answer { principal, payment, waits: Waits::Accepted, until };
            }
            Next::Respond(response) => self.respond(response, out),
            Next::Fail(Code::Unavailable) => self.unavailable(now, Duration::from_secs(1), out),
            Next::Fail(Code::NoWebhookEndpoints) => {
                let about = About { field: Some("webhookMode"), ..About::default() };
                self.error(now, Code::NoWebhookEndpoints, about, out);
            }
            Next::Fail(code) => self.error(now, code, About::default(), out),
        }
    }

    /// The partition speaks while work goes on elsewhere: only an end is heard.
    fn meanwhile(&mut self, now: Now, tell: &Tell, out: &mut Outbox) {
        match tell {
            Tell::Revoked => self.error(now, Code::Unauthorized, About::default(), out),
            Tell::Reloaded => self.unavailable(now, self.choices.reload_pause, out),
            _ => {}
        }
    }

    fn tell(&mut self, now: Now, tell: Tell, out: &mut Outbox) {
        let State::Answer { principal, payment, waits, .. } = &self.state else { return };
        let is_payment = payment.is_some();
        match tell {
            Tell::Accepted { key, .. } if *waits == Waits::Accepted => self.respond(hook::pending(&key, now.wall), out),
            Tell::Devices(states) => {
                let response = http::terminals(&states, principal.partition, now.wall);
                self.respond(response, out);
            }
            Tell::Found(Some(found)) => self.respond(http::transaction(&found.row, found.standing, now), out),
            Tell::Found(None) => self.error(now, Code::TransactionNotFound, About::default(), out),
            Tell::Refused { key, why } => {
                let about = About { transaction: Some(&key), ..About::default() };
                self.error(now, codes::refused(why), about, out);
            }
            Tell::Outcome { key, memo, outcome, at, .. } => match Memo::read(&memo) {
                Some(memo) => {
                    let answered = answered(&memo, &key, &outcome, now.wall_at(at));
                    self.respond(http::complete(&key, &answered, now.wall), out);
                }
                None => self.error(now, Code::InternalError, About::default(), out),
            },
            // It was signed when it came: whoever waits for a payment is told what becomes of it.
            Tell::Revoked if is_payment => {}
            Tell::Revoked => self.error(now, Code::Unauthorized, About::default(), out),
            Tell::Dismissed | Tell::Reloaded => self.unavailable(now, self.choices.reload_pause, out),
            Tell::Admitted { .. }
            | Tell::NotAdmitted(_)
            | Tell::Accepted { .. }
            | Tell::Cancelling { .. }
            | Tell::Taken { .. }
            | Tell::Serving
            | Tell::TooManyNames { .. }
            | Tell::Listening { .. }
            | Tell::Progress { .. }
            | Tell::Offer { .. }
            | Tell::Withdrawn { .. }
            | Tell::Displaced
            | Tell::Event(_) => {}
        }
    }

    // How it ends.

    /// We cannot answer now: come back soon. A payment may be under way, so its id is said.
    fn unavailable(&mut self, now: Now, retry_after: Duration, out: &mut Outbox) {
        let payment = match &mut self.state {
            State::Answer { payment, .. } => payment.take(),
            State::Opening | State::Proving { .. } | State::Admission { .. } | State::Errand { .. } | State::Over => {
                None
            }
        };
        let about =
            About { transaction: payment.as_ref(), retry_after: Some(seconds(retry_after)), ..About::default() };
        self.error(now, Code::Unavailable, about, out);
    }

    /// Something about the request cannot be right.
    fn wrong(&mut self, now: Now, code: Code, wrong: Option<Wrong>, out: &mut Outbox) {
        let text = wrong.as_ref().map(|wrong| format!("{} {}", wrong.field, wrong.text));
        let about = About { text: text.as_deref(), field: wrong.as_ref().map(|wrong| wrong.field), ..About::default() };
        self.error(now, code, about, out);
    }

    fn error(&mut self, now: Now, code: Code, about: About<'_>, out: &mut Outbox) {
        self.respond(http::error(now.wall, code, about), out);
    }

    fn respond(&mut self, response: Response, out: &mut Outbox) {
        self.state = State::Over;
        out.push(Output::Respond(response));
    }
}
