//! A scanner's socket: logs in, is shown open contexts, says what it scanned.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Admit, Answer, Ask, AskId, Call, CallId, Class, CloseCode, Denied, DeviceId, Dialect, Done, Frame, Hears, Input,
    NotAdmitted, Now, Opaque, Outbox, Output, Principal, Reason, RequestKey, Role, Takeover, Tell, Timestamp, Verdict,
    Which, Window,
};

use super::choices::Choices;
use super::codes::{self, Code, Finding};
use super::context::Context;
use super::findings::{Note, Refused};
use super::manners::Manners;
use super::wire::scanner::{self, Message, Scan};
use super::wire::{self, About, Fault, Wrong};
use crate::pace::Pace;

/// The machine of a scanner's socket.
#[derive(Debug)]
pub struct Performer {
    choices: Arc<Choices>,
    state: State,
    manners: Manners,
    /// Whether the window of frames is lent.
    is_lent: bool,
    asks: u32,
    calls: u32,
}

/// What the scanner's socket waits for.
#[derive(Debug)]
enum State {
    /// For the upgrade.
    Opening,
    /// For a login.
    Login { until: Timestamp },
    /// For the directory's word on who this is.
    Proving { call: CallId, device: DeviceId, until: Timestamp },
    /// For its partition to let it in.
    Admission { ask: AskId, device: DeviceId, principal: Arc<Principal>, until: Timestamp },
    /// For scans, and contexts to show; and for the directory, when it logs in once more.
    Ready { device: DeviceId, principal: Arc<Principal>, again: Option<CallId> },
    /// For nothing.
    Closed,
}

impl Performer {
    /// A machine whose first input is `Open`.
    #[must_use]
    pub fn new(choices: &Arc<Choices>, now: Now) -> Self {
        Self {
            manners: Manners::new(now.at, choices),
            choices: Arc::clone(choices),
            state: State::Opening,
            is_lent: false,
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

    /// Hands the lent window back.
    pub fn leave(&mut self) -> Vec<Window> {
        if !std::mem::take(&mut self.is_lent) {
            return Vec::new();
        }
        vec![self.manners.hand_back(&self.choices)]
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

    // What the scanner says.

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
        let message = match scanner::message(text) {
            Ok(message) => message,
            Err(wrong) => return self.wrong(now, &wrong, out),
        };
        self.manners.message();
        match (&self.state, message) {
            (_, Message::Ping) => send(wire::pong(), out),
            (_, Message::Authenticate) => self.authenticate(now, text, out),
            (State::Ready { .. }, Message::ScanResult) => self.scan(now, text, out),
            (_, Message::ScanResult) => {
                let context_id = wire::about(text);
                let about = About { context_id: context_id.as_ref(), ..About::default() };
                self.error(now, Code::AuthRequired, about, out);
            }
        }
    }

    fn authenticate(&mut self, now: Now, text: &str, out: &mut Outbox) {
        let (presented, secret) = match scanner::authenticate(text) {
            Ok(login) => login,
            Err(wrong) => return self.wrong(now, &wrong, out),
        };
        let call = CallId(self.calls);
        let subject = Some(presented.as_str().into());
        match &mut self.state {
            State::Login { .. } => {
                let until = now.at.after(self.choices.login_within);
                self.state = State::Proving { call, device: presented, until };
            }
            State::Ready { device, again, .. } if *device == presented => *again = Some(call),
            State::Ready { .. } => {
                let reason = Reason::NotAuthenticated;
                return self.part(now, Code::InvalidCredentials, About::default(), reason, out);
            }
            // The node holds frames back while a login is on its way.
            State::Proving { .. } | State::Admission { .. } | State::Opening | State::Closed => return,
        }
        self.calls = self.calls.wrapping_add(1);
        let (dialect, role) = (Dialect::Boop, Some(Role::Performer));
        out.push(Output::Call { id: call, call: Call::Authenticate { dialect, role, subject, secret, proof: None } });
    }

    fn scan(&mut self, now: Now, text: &str, out: &mut Outbox) {
        let (key, scan) = match scanner::scan_result(text, &self.choices) {
            Ok(scan) => scan,
            Err(wrong) => return self.wrong(now, &wrong, out),
        };
        let verdict = match scan {
            Scan::Captured(evidence) => Verdict::Evidence(evidence.bytes()),
            Scan::PoorQuality => Verdict::Note(Note::bytes(Code::AuthBiometricQuality)),
            Scan::DeviceError => Verdict::Note(Note::bytes(Code::AuthDeviceError)),
            Scan::Cancelled => Verdict::Declined(cancelled_here().bytes()),
        };
        let id = self.next_ask();
        out.push(Output::Ask { id, ask: Ask::Answer(Answer { which: Which::Key(key), verdict }) });
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
            State::Ready { device, principal, again } if principal.id == proven.id => {
                *again = None;
                send(scanner::authenticated(device, &principal.group), out);
            }
            State::Ready { .. } => {
                self.part(now, Code::InvalidCredentials, About::default(), Reason::NotAuthenticated, out);
            }
            State::Proving { device, .. } => {
                let device = proven.device.clone().unwrap_or_else(|| device.clone());
                self.admit(now, device, proven, out);
            }
            State::Opening | State::Login { .. } | State::Admission { .. } | State::Closed => {}
        }
    }

    fn admit(&mut self, now: Now, device: DeviceId, principal: Arc<Principal>, out: &mut Outbox) {
        let ask = self.next_ask();
        let admit = Admit {
            principal: Arc::clone(&principal),
            role: Role::Performer,
            device: Some(device.clone()),
            single: Some(format!("device:{device}").into()),
            takeover: if self.choices.reject_new { Takeover::IncumbentStays } else { Takeover::NewestWins },
            grace: self.choices.scanner_grace,
            facts: Opaque::new(),
            hears: Hears::Principal,
            windows: vec![Manners::wanted(&self.choices)],
        };
        let until = now.at.after(self.choices.login_within);
        self.state = State::Admission { ask, device, principal, until };
        out.push(Output::Ask { id: ask, ask: Ask::Admit(Box::new(admit)) });
    }

    fn tell(&mut self, now: Now, ask: Option<AskId>, tell: Tell, out: &mut Outbox) {
        match tell {
            Tell::Admitted { windows, .. } => self.admitted(now, ask, windows, out),
            Tell::NotAdmitted(why) => {
                let (code, reason) = codes::not_admitted(why);
                let about = match why {
                    NotAdmitted::Damped(wait) => About { retry_after: Some(wait), ..About::default() },
                    NotAdmitted::Occupied => {
                        About { text: Some("Another connection holds this device id"), ..About::default() }
                    }
                };
                self.part(now, code, about, reason, out);
            }
            Tell::Offer { key, from, request, answer_by, .. } => {
                self.offer(now, &key, &from, &request, answer_by, out);
            }
            Tell::Withdrawn { key, how, .. } => send(scanner::context_closed(&key, how), out),
            Tell::Taken { key: Some(key), taken, .. } => send(scanner::scan_ack(&key, taken), out),
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
            // A scanner names its context by key, so a word without one answers nobody; and these are no
            // scanner's business.
            Tell::Taken { key: None, .. }
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

    fn admitted(&mut self, now: Now, answers: Option<AskId>, windows: Vec<Window>, out: &mut Outbox) {
        let State::Admission { ask, device, principal, .. } = &self.state else { return };
        if answers != Some(*ask) {
            return;
        }
        let (device, principal) = (device.clone(), Arc::clone(principal));
        send(scanner::authenticated(&device, &principal.group), out);
        out.push(Output::Limit(self.choices.frame_after_login));
        self.state = State::Ready { device, principal, again: None };
        self.lend(now, windows);
    }

    fn lend(&mut self, now: Now, windows: Vec<Window>) {
        for window in windows.into_iter().filter(Manners::is_mine) {
            self.manners.lend(now.at, window);
            self.is_lent = true;
        }
    }

    fn offer(&self, now: Now, key: &RequestKey, from: &str, request: &[u8], answer_by: Timestamp, out: &mut Outbox) {
        // What a later version wrote is left to scanners of a later version; it expires in its time.
        if let Some(context) = Context::read(request) {
            send(scanner::context_open(key, &context, from, now.wall_at(answer_by)), out);
        }
    }

    // Helpers.

    fn next_ask(&mut self) -> AskId {
        let id = AskId(self.asks);
        self.asks = self.asks.wrapping_add(1);
        id
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
        out.push(Output::Close { code, reason });
    }
}

fn send(text: Bytes, out: &mut Outbox) {
    out.push(Output::Send { text, class: Class::Answer });
}

/// Somebody pressed cancel at the scanner: a definite no.
fn cancelled_here() -> Refused {
    Refused::found(Finding::Cancelled).saying("Cancelled at the scanner")
}

#[cfg(test)]
mod tests;
