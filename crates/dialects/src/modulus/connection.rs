//! A socket from its upgrade on: the key is looked up, and then it is a till's or a terminal's.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{
    Call, CallId, Denied, DeviceId, Dialect, Done, Input, NotAdmitted, Now, Opaque, Outbox, Output, Principal, Request,
    Role, Secret, Tell, Timestamp, Window,
};

use super::choices::Choices;
use super::codes::{self, Code};
use super::performer::Performer;
use super::presented;
use super::requester::Requester;
use super::wire::http::{self, About};

/// The machine of a socket.
#[derive(Debug)]
pub struct Connection {
    choices: Arc<Choices>,
    /// Where its ids come from.
    seed: u64,
    state: State,
}

/// What the socket is.
#[derive(Debug)]
enum State {
    /// Not yet anything.
    Opening,
    /// Somebody who has shown a key.
    Proving { wants: Box<Wants>, until: Timestamp },
    /// A till.
    Till(Requester),
    /// A terminal.
    Terminal(Performer),
    /// Over.
    Closed,
}

/// What a newcomer says of itself besides its key.
#[derive(Debug)]
struct Wants {
    group: Option<Box<str>>,
    device: Option<DeviceId>,
    metadata: Opaque,
}

impl Connection {
    /// A machine whose first input is `Open`.
    #[must_use]
    pub fn new(choices: &Arc<Choices>, seed: u64) -> Self {
        Self { choices: Arc::clone(choices), seed, state: State::Opening }
    }

    /// Takes one input and says everything that follows from it.
    pub fn handle(&mut self, now: Now, input: Input<'_>, out: &mut Outbox) {
        match (&mut self.state, input) {
            (State::Opening, Input::Open(request)) => self.open(now, request, out),
            (State::Opening | State::Closed, _) => {}
            (State::Till(till), input) => till.handle(now, input, out),
            (State::Terminal(terminal), input) => terminal.handle(now, input, out),
            (State::Proving { .. }, Input::Done { done: Done::Authenticated(result), .. }) => {
                self.proven(now, result, out);
            }
            (State::Proving { until, .. }, Input::Wake) if *until <= now.at => {
                self.refuse(now, Code::Unavailable, About { retry_after: Some(1), ..About::default() }, out);
            }
            (State::Proving { .. }, Input::Drain { retry_after }) => {
                let about = About { retry_after: Some(seconds(retry_after)), ..About::default() };
                self.refuse(now, Code::Unavailable, about, out);
            }
            (
                State::Proving { .. },
                Input::Open(_)
                | Input::Request(_)
                | Input::Frame(_)
                | Input::Wake
                | Input::Tell { .. }
                | Input::Done { done: Done::Endpoints(_) | Done::Drawn(_) | Done::Posted(_), .. }
                | Input::Room
                | Input::Dropped(_),
            ) => {}
        }
    }

    /// When it wants `Wake`.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Opening | State::Closed => None,
            State::Proving { until, .. } => Some(*until),
            State::Till(till) => till.deadline(),
            State::Terminal(terminal) => terminal.deadline(),
        }
    }

    /// Whether a login is on its way. It is part of the upgrade: no frame comes before its answer.
    #[must_use]
    pub const fn is_logging_in(&self) -> bool {
        matches!(self.state, State::Opening | State::Proving { .. })
    }

    /// Modulus lends no windows: its limits are those of one socket.
    #[must_use]
    pub const fn leave(&self) -> Vec<Window> {
        Vec::new()
    }

    fn open(&mut self, now: Now, request: &Request, out: &mut Outbox) {
        if request.headers.iter().filter(|(name, _)| &**name == "x-api-key").count() > 1 {
            let about = About { text: Some("x-api-key must be given once"), ..About::default() };
            return self.refuse(now, Code::InvalidRequest, about, out);
        }
        let key = request.header("x-api-key").or_else(|| {
            let key = request.query("x-api-key");
            key.filter(|_| self.choices.query_keys)
        });
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return self.refuse(now, Code::Unauthorized, About::default(), out);
        };
        let wants = match self.wants(request) {
            Ok(wants) => wants,
            Err((field, text)) => {
                let about = About { text: Some(&text), field: Some(field), ..About::default() };
                return self.refuse(now, Code::InvalidRequest, about, out);
            }
        };
        self.state = State::Proving { wants: Box::new(wants), until: now.at.after(self.choices.login_within) };
        let call = Call::Authenticate {
            dialect: Dialect::Modulus,
            role: None,
            subject: None,
            secret: Secret::new(key),
            proof: None,
        };
        out.push(Output::Call { id: CallId(0), call });
    }

    fn wants(&self, request: &Request) -> Result<Wants, (&'static str, String)> {
        let device = presented(request, "x-device-id").map(DeviceId::parse).transpose();
        let device = device.map_err(|bad| ("x-device-id", format!("x-device-id {bad}")))?;
        if device.as_ref().is_some_and(|device| model::Epoch::parse_connection(device.as_str()).is_some()) {
            return Err(("x-device-id", "x-device-id must not look like a connection id".to_owned()));
        }
        let metadata = match presented(request, "x-terminal-metadata") {
            None => Opaque::new(),
            Some(text) => metadata(text, self.choices.metadata_bytes).ok_or_else(|| {
                let most = self.choices.metadata_bytes;
                let text = format!("x-terminal-metadata must be a JSON object in Base64, of at most {most} bytes");
                ("x-terminal-metadata", text)
            })?,
        };
        let group = presented(request, "x-group-id").map(Into::into);
        Ok(Wants { group, device, metadata })
    }

    fn proven(&mut self, now: Now, result: Result<Arc<Principal>, Denied>, out: &mut Outbox) {
        let State::Proving { wants, .. } = &mut self.state else { return };
        let wants = std::mem::replace(wants, Box::new(Wants { group: None, device: None, metadata: Opaque::new() }));
        let principal = match result {
            Ok(principal) => principal,
            Err(denied) => {
                let retry_after = match denied {
                    Denied::Throttled(wait) => Some(seconds(wait)),
                    Denied::Unknown
                    | Denied::Expired
                    | Denied::Revoked
                    | Denied::WrongRole
                    | Denied::BadProof
                    | Denied::WrongCertificate => None,
                };
                return self.refuse(now, codes::denied(denied), About { retry_after, ..About::default() }, out);
            }
        };
        if !principal.permissions.allow("websocket") {
            let about = About { text: Some("The API key is not authorized for WebSocket access"), ..About::default() };
            return self.refuse(now, Code::Forbidden, about, out);
        }
        if wants.group.is_some_and(|group| *group != *principal.group.name()) {
            return self.refuse(now, Code::GroupMismatch, About::default(), out);
        }
        let choices = &self.choices;
        self.state = match principal.role {
            Role::Requester => State::Till(Requester::new(choices, principal, self.seed, now, out)),
            Role::Performer => {
                if wants.device.is_some() && principal.device.is_some() && wants.device != principal.device {
                    let about = About { text: Some("The API key belongs to another device"), ..About::default() };
                    return self.refuse(now, Code::Forbidden, about, out);
                }
                let device = principal.device.clone().or(wants.device);
                State::Terminal(Performer::new(choices, principal, device, wants.metadata, now, out))
            }
            Role::Admin => return self.refuse(now, Code::Forbidden, About::default(), out),
        };
    }

    fn refuse(&mut self, now: Now, code: Code, about: About<'_>, out: &mut Outbox) {
        self.state = State::Closed;
        out.push(Output::Refuse(http::error(now.wall, code, about)));
    }
}

/// Why a till or a terminal whose key was right is not let in.
pub(crate) fn not_let_in(is_answer: bool, tell: &Tell, choices: &Choices) -> (Code, About<'static>) {
    let later = |retry_after: u64| About { retry_after: Some(retry_after), ..About::default() };
    match tell {
        Tell::NotAdmitted(why) if is_answer => match why {
            NotAdmitted::Damped(wait) => (codes::not_admitted(*why), later(seconds(*wait))),
            NotAdmitted::Occupied => (codes::not_admitted(*why), later(1)),
        },
        Tell::Revoked => (Code::Unauthorized, About::default()),
        _ => (Code::Unavailable, later(seconds(choices.reload_pause))),
    }
}

/// Seconds, rounded up: a hint must not say "now" when it means "soon".
pub(crate) fn seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A terminal's own data: a JSON object in Base64.
fn metadata(text: &str, most: usize) -> Option<Opaque> {
    let json = STANDARD.decode(text).ok().filter(|json| json.len() <= most)?;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&json).ok()?;
    serde_json::to_vec(&object).ok().map(Opaque::from)
}
