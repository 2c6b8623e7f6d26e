//! A socket: its key is looked up, its partition lets it in, and then it is a till's or a terminal's. What both must keep
//! to, and how both are sent away, is here.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::{
    Admit, Ask, AskId, Call, CallId, Class, Denied, DeviceId, Dialect, Done, Frame, Hears, Input, NotAdmitted, Now,
    Opaque, Outbox, Output, Principal, Reason, Request, Role, Secret, Takeover, Tell, Timestamp, Window,
};

use super::choices::Choices;
use super::codes::{self, Code, Told};
use super::manners::Manners;
use super::performer::{Conduct, Performer};
use super::presented;
use super::requester::Requester;
use super::wire;
use super::wire::http::{self, About};
use crate::pace::Pace;

/// The ask to be let in.
const ADMISSION: AskId = AskId(0);

/// The machine of a socket.
#[derive(Debug)]
pub struct Connection {
    choices: Arc<Choices>,
    /// Where its ids come from.
    seed: u64,
    state: State,
}

/// What the socket waits for.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "but for a moment it is ready all its life")]
enum State {
    /// For the upgrade.
    Opening,
    /// For the directory's word on the key.
    Proving { wants: Box<Wants>, until: Timestamp },
    /// For its partition to let it in, with the upgrade.
    Admission { principal: Arc<Principal>, device: Option<DeviceId>, until: Timestamp },
    /// For anything its peer may say or hear.
    Ready { peer: Peer, manners: Manners },
    /// For nothing.
    Closed,
}

/// Who is at the other end.
#[derive(Debug)]
enum Peer {
    Till(Requester),
    Terminal(Performer),
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
        match (&self.state, input) {
            (State::Opening, Input::Open(request)) => self.open(now, request, out),
            (State::Opening | State::Closed, _) => {}
            (State::Proving { .. }, Input::Done { done: Done::Authenticated(result), .. }) => {
                self.proven(now, result, out);
            }
            (State::Admission { .. }, Input::Tell { ask, tell }) => {
                self.let_in(now, ask == Some(ADMISSION), &tell, out)
            }
            (State::Proving { until, .. } | State::Admission { until, .. }, Input::Wake) if *until <= now.at => {
                self.turn_away(now, Duration::from_secs(1), out);
            }
            (State::Proving { .. } | State::Admission { .. }, Input::Drain { retry_after }) => {
                self.turn_away(now, retry_after, out);
            }
            (State::Ready { .. }, Input::Frame(frame)) => self.frame(now, frame, out),
            (State::Ready { .. }, Input::Tell { ask, tell }) => self.tell(now, ask, tell, out),
            (State::Ready { manners, .. }, Input::Wake) if manners.silent_at(&self.choices) <= now.at => {
                self.close(Reason::Silent, out);
            }
            (State::Ready { .. }, Input::Drain { .. }) => self.part(now, Reason::Drained, out),
            (
                State::Proving { .. } | State::Admission { .. } | State::Ready { .. },
                Input::Open(_)
                | Input::Request(_)
                | Input::Frame(_)
                | Input::Wake
                | Input::Tell { .. }
                | Input::Done { .. }
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
            State::Proving { until, .. } | State::Admission { until, .. } => Some(*until),
            State::Ready { manners, .. } => Some(manners.silent_at(&self.choices)),
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

    // The upgrade.

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
        let (device, facts) = match principal.role {
            Role::Requester => (None, Opaque::new()),
            Role::Performer => {
                if wants.device.is_some() && principal.device.is_some() && wants.device != principal.device {
                    let about = About { text: Some("The API key belongs to another device"), ..About::default() };
                    return self.refuse(now, Code::Forbidden, about, out);
                }
                (principal.device.clone().or(wants.device), wants.metadata)
            }
            Role::Admin => return self.refuse(now, Code::Forbidden, About::default(), out),
        };
        let admit = admit(&self.choices, &principal, device.clone(), facts);
        out.push(Output::Ask { id: ADMISSION, ask: Ask::Admit(Box::new(admit)) });
        self.state = State::Admission { principal, device, until: now.at.after(self.choices.login_within) };
    }

    fn let_in(&mut self, now: Now, is_answer: bool, tell: &Tell, out: &mut Outbox) {
        let State::Admission { principal, device, .. } = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        let epoch = match tell {
            Tell::Admitted { epoch, .. } if is_answer => epoch,
            _ => return self.not_let_in(now, is_answer, tell, out),
        };
        let connection = || DeviceId::parse(&epoch.connection(principal.partition));
        out.push(Output::Accept);
        out.push(Output::Limit(self.choices.frame_bytes));
        let peer = match principal.role {
            Role::Performer => {
                let device = device.unwrap_or_else(|| connection().expect("a connection id is a short text"));
                Peer::Terminal(Performer::new(principal, device))
            }
            Role::Requester | Role::Admin => Peer::Till(Requester::new(principal, self.seed, out)),
        };
        self.state = State::Ready { peer, manners: Manners::new(now.at, &self.choices) };
    }

    /// Its key was right, and it is not let in all the same.
    fn not_let_in(&mut self, now: Now, is_answer: bool, tell: &Tell, out: &mut Outbox) {
        let later = |retry_after| About { retry_after: Some(seconds(retry_after)), ..About::default() };
        let (code, about) = match tell {
            Tell::NotAdmitted(why) if is_answer => match why {
                NotAdmitted::Damped(wait) => (codes::not_admitted(*why), later(*wait)),
                NotAdmitted::Occupied => (codes::not_admitted(*why), later(Duration::from_secs(1))),
            },
            Tell::Revoked => (Code::Unauthorized, About::default()),
            _ => (Code::Unavailable, later(self.choices.reload_pause)),
        };
        self.refuse(now, code, about, out);
    }

    fn turn_away(&mut self, now: Now, retry_after: Duration, out: &mut Outbox) {
        let about = About { retry_after: Some(seconds(retry_after)), ..About::default() };
        self.refuse(now, Code::Unavailable, about, out);
    }

    fn refuse(&mut self, now: Now, code: Code, about: About<'_>, out: &mut Outbox) {
        self.state = State::Closed;
        out.push(Output::Refuse(http::error(now.wall, code, about)));
    }

    // What is said, by either side.

    fn frame(&mut self, now: Now, frame: Frame<'_>, out: &mut Outbox) {
        let State::Ready { manners, .. } = &mut self.state else { return };
        match manners.heard(now.at, &self.choices) {
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
        let State::Ready { peer, .. } = &mut self.state else { return };
        let (told, action) = match wire::action(text) {
            Err(told) => (told, None),
            Ok(action) => {
                let heard = match peer {
                    Peer::Till(till) => till.hear(&self.choices, now, &action, text, out),
                    Peer::Terminal(terminal) => terminal.hear(now, &action, text, out),
                };
                match heard {
                    Ok(()) => return,
                    Err(told) => (told, Some(action)),
                }
            }
        };
        send(wire::error(now.wall, told, None, action.as_deref().map(|action| (action, None))), out);
        self.misbehaved(now, out);
    }

    fn tell(&mut self, now: Now, ask: Option<AskId>, tell: Tell, out: &mut Outbox) {
        let State::Ready { peer, .. } = &mut self.state else { return };
        let conduct = match (tell, peer) {
            (Tell::Displaced, _) => return self.part(now, Reason::Displaced, out),
            (Tell::Revoked, _) => return self.part(now, Reason::Revoked, out),
            (Tell::Dismissed, _) => return self.part(now, Reason::Dismissed, out),
            (Tell::Reloaded, _) => return self.part(now, Reason::Reloaded, out),
            (tell, Peer::Till(till)) => return till.tell(now, tell, out),
            (tell, Peer::Terminal(terminal)) => terminal.tell(now, ask, tell, out),
        };
        match conduct {
            Conduct::Good => {}
            Conduct::Alarming => self.misbehaved(now, out),
        }
    }

    /// The peer said what is no message, or cannot be believed; too much of that ends the connection.
    fn misbehaved(&mut self, now: Now, out: &mut Outbox) {
        let State::Ready { manners, .. } = &mut self.state else { return };
        if manners.malformed(now.at, &self.choices) {
            self.close(Reason::Malformed, out);
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
        out.push(Output::Close { code: reason.code(), reason });
    }
}

/// How a till or a terminal asks to be let in.
fn admit(choices: &Choices, principal: &Arc<Principal>, device: Option<DeviceId>, facts: Opaque) -> Admit {
    let (single, hears) = match principal.role {
        Role::Performer => (device.as_ref().map(|device| format!("terminal:{device}")), Hears::Own),
        Role::Requester | Role::Admin => (Some(format!("till:{}", principal.id)), Hears::Principal),
    };
    Admit {
        principal: Arc::clone(principal),
        role: principal.role,
        grace: if device.is_some() { choices.terminal_grace } else { Duration::ZERO },
        device,
        facts,
        hears,
        single: single.map(Into::into),
        takeover: Takeover::NewestWins,
        windows: Vec::new(),
    }
}

fn send(text: Bytes, out: &mut Outbox) {
    out.push(Output::Send { text, class: Class::Answer });
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
