//! One socket's machine, a vendor's or a scanner's, driven by a program of every kind of input.
//!
//! ```text
//! vta                 the head: vendor or scanner, then switches (see `choices`)
//! >{"type":"ping"}    a text frame; `b` binary, `i` control ping, `I` pong
//! l                   its login; `nK` and `pK 250` wish, `xK` cancels, `mK` scans
//! +                   the directory says who it is; `-2`: it refuses; `=`: an answer to no question
//! A                   it is let in; `N1`: it is not
//! RK2 aK gK oK3       about `K`: refused, accepted, a note, an outcome
//! OK wK tK1           about `K`: offered, withdrawn, what became of a scan
//! D V L Z d U u       displaced, revoked, reloaded, dismissed, drained; telemetry dropped, room again
//! @1500               time passes, in milliseconds
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialects::boop::Choices;
use dialects::{Config, Door, Session, Way};
use model::{
    Ask, AskId, CallId, Certainty, CredentialId, Denied, DeviceId, Dialect, Done, Epoch, FailCause, Fence, Frame,
    GroupId, Input, NetworkId, NotAdmitted, Now, Opaque, OperationId, Outcome, OutcomeKind, Output, Partition,
    Permissions, Principal, PrincipalId, Refusal, Request, RequestKey, Role, Taken, Tell, Window,
};
use serde_json::json;

use crate::program::{self, first, name, number};

/// The longest sleep.
const SLEEP_MOST: u64 = 200_000;

fn choices(head: &str) -> Choices {
    let mut choices = Choices { test_user_ids: true, ..Choices::default() };
    for switch in head.chars() {
        match switch {
            'r' => choices.reject_new = true,
            't' => choices.scan_attempts = 2,
            'c' => choices.contexts_per_span = 2,
            'f' => (choices.frames_per_span, choices.frames_at_most) = (3, 6),
            'm' => choices.malformed_in_a_row = 2,
            _ => {}
        }
    }
    choices
}

/// A machine, and what has come of it.
pub(crate) struct Stage {
    pub(crate) role: Role,
    machine: Session,
    pub(crate) now: Now,
    call: Option<CallId>,
    admit: Option<AskId>,
    asked: Vec<AskId>,
    seen: BTreeSet<u32>,
    admitted: bool,
    closed: bool,
}

/// A machine accepts first, says nothing after its close, asks to be let in first and once, has one question to the
/// directory at a time, and never lets a deadline pass in silence.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let (head, lines) = program::lines(data);
    let role = if head.starts_with('s') { Role::Performer } else { Role::Requester };
    let mut stage = Stage::new(role, choices(head.get(1..).unwrap_or_default()));
    for line in lines {
        stage.play(&line);
    }
    stage.end();
}

impl Stage {
    pub(crate) fn new(role: Role, choices: Choices) -> Self {
        let now = Now::from_millis(1_930_000_000_000);
        let config = Config { boop: Arc::new(choices), ..Config::default() };
        let machine =
            Session::new(&config, Door { dialect: Dialect::Boop, role: Some(role), way: Way::Socket }, 7, now)
                .expect("there is one");
        let mut stage = Self {
            role,
            machine,
            now,
            call: None,
            admit: None,
            asked: Vec::new(),
            seen: BTreeSet::new(),
            admitted: false,
            closed: false,
        };
        let request = Request {
            method: "GET".into(),
            path: "/".into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
            certificate: None,
        };
        let out = stage.input(Input::Open(&request));
        assert_eq!(out.first(), Some(&Output::Accept));
        stage
    }

    /// A machine that is logged in.
    pub(crate) fn ready(role: Role, choices: Choices) -> Self {
        let mut stage = Self::new(role, choices);
        stage.play("l");
        stage.play("+");
        stage.play("A");
        assert!(stage.admitted && !stage.closed);
        stage
    }

    /// Hands one input in and holds what comes against what a machine may say.
    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        assert!(!self.closed || out.is_empty(), "something after the close: {out:?}");
        for (at, output) in out.iter().enumerate() {
            match output {
                Output::Send { text, .. } => drop(program::message(text)),
                Output::Close { .. } => {
                    assert_eq!(at + 1, out.len(), "something behind a close: {out:?}");
                    self.closed = true;
                }
                Output::Ask { id, ask } => {
                    assert!(self.seen.insert(id.0), "an ask's id came again");
                    match ask {
                        Ask::Admit(_) => {
                            assert!(self.admit.replace(*id).is_none(), "a second wish to be let in");
                        }
                        _ => assert!(self.admitted, "asked before it was let in: {ask:?}"),
                    }
                    self.asked.push(*id);
                }
                Output::Call { id, .. } => {
                    assert!(self.call.replace(*id).is_none(), "two questions to the directory at once");
                }
                Output::Respond(_) => panic!("a socket answers no call"),
                Output::Accept | Output::Refuse(_) | Output::Ping | Output::Limit(_) => {}
            }
        }
        if self.closed {
            assert_eq!(self.machine.deadline(), None, "a closed machine waits for something");
            assert!(!self.machine.is_logging_in());
        } else {
            assert!(self.machine.deadline().is_some(), "an open machine waits for nothing");
        }
        out
    }

    pub(crate) fn frame(&mut self, text: &str) -> Vec<Output> {
        // The node holds frames back while a login is on its way.
        if self.machine.is_logging_in() { Vec::new() } else { self.input(Input::Frame(Frame::Text(text))) }
    }

    fn tell(&mut self, ask: Option<AskId>, tell: Tell) -> Vec<Output> {
        self.input(Input::Tell { ask, tell })
    }

    /// Answers the oldest ask.
    fn answer(&mut self, tell: Tell) -> Vec<Output> {
        let ask = if self.asked.is_empty() { None } else { Some(self.asked.remove(0)) };
        self.tell(ask, tell)
    }

    fn done(&mut self, result: Result<Arc<Principal>, Denied>) {
        if let Some(call) = self.call.take() {
            self.input(Input::Done { call, done: Done::Authenticated(result) });
        }
    }

    fn play(&mut self, line: &str) {
        let Some((op, rest)) = first(line) else { return };
        let (id, more) = name(rest);
        let key = RequestKey::parse(id).expect("letters and digits are an id");
        let nth = usize::try_from(number(more.trim_start(), 99)).unwrap_or(0);
        let operation = OperationId::next(Partition(7), self.now.at.millis(), None);
        let raw = Opaque::from(Bytes::copy_from_slice(more.as_bytes()));
        let text = |frame: serde_json::Value| frame.to_string();
        match op {
            '>' => drop(self.frame(rest)),
            'b' | 'i' | 'I' if !self.machine.is_logging_in() => {
                let frame = match op {
                    'b' => Frame::Binary(rest.as_bytes()),
                    'i' => Frame::Ping,
                    _ => Frame::Pong,
                };
                self.input(Input::Frame(frame));
            }
            'l' if self.role == Role::Performer => {
                drop(self.frame(&text(json!({"type": "authenticate", "device_id": "s", "device_key": "dk"}))));
            }
            'l' => drop(self.frame(&text(json!({"type": "authenticate", "vendor_id": "v", "api_key": "sk"})))),
            'n' => {
                let frame = json!({"type": "create_context", "context_id": id, "requirements": {"type": "entrance"}});
                drop(self.frame(&text(frame)));
            }
            'p' => {
                let requirements = json!({"type": "payment", "amount": nth});
                let frame = json!({"type": "create_context", "context_id": id, "requirements": requirements});
                drop(self.frame(&text(frame)));
            }
            'x' => drop(self.frame(&text(json!({"type": "cancel_context", "context_id": id})))),
            'm' => {
                let frame =
                    json!({"type": "scan_result", "context_id": id, "outcome": "captured", "test_user_id": "m"});
                drop(self.frame(&text(frame)));
            }
            '+' => self.done(Ok(principal(self.role, rest))),
            '-' => {
                let all = [
                    Denied::Unknown,
                    Denied::Expired,
                    Denied::Revoked,
                    Denied::WrongRole,
                    Denied::Throttled(Duration::from_millis(1)),
                ];
                self.done(Err(all[usize::try_from(number(rest, 4)).unwrap_or(0)]));
            }
            '=' => {
                let (call, role) = (CallId(u32::MAX), self.role);
                self.input(Input::Done { call, done: Done::Authenticated(Ok(principal(role, ""))) });
            }
            // Once it was let in a partition does not let it in again.
            'A' if self.admit.is_some() && !self.admitted => {
                let mut frames = Window::new("frames", Duration::from_secs(60), 2_001);
                for _ in 0..number(rest, 3_000) {
                    frames.add(self.now.at);
                }
                let contexts = Window::new("contexts", Duration::from_secs(60), 100);
                let windows = if self.role == Role::Requester { vec![contexts, frames] } else { vec![frames] };
                self.admitted = true;
                let admit = self.admit;
                self.asked.retain(|ask| Some(*ask) != admit);
                let epoch = Epoch { fence: Fence(1), n: 1 };
                self.tell(admit, Tell::Admitted { epoch, windows, owed: 0 });
            }
            'N' if self.admit.is_some() && !self.admitted => {
                let why = match number(rest, 1) {
                    0 => NotAdmitted::Occupied,
                    _ => NotAdmitted::Damped(Duration::from_millis(1_001)),
                };
                let admit = self.admit;
                self.tell(admit, Tell::NotAdmitted(why));
            }
            _ if !self.admitted => self.anywhere(op, rest),
            'R' => {
                let all = [
                    Refusal::Duplicate,
                    Refusal::Conflict,
                    Refusal::Busy,
                    Refusal::Absent,
                    Refusal::NotFound,
                    Refusal::Full,
                ];
                self.answer(Tell::Refused { key, why: all[nth % all.len()] });
            }
            'a' => drop(self.answer(Tell::Accepted { operation, key })),
            'g' => drop(self.tell(None, Tell::Progress { operation, key, memo: Opaque::default(), note: raw })),
            'o' => {
                let body = Opaque::from(Bytes::copy_from_slice(
                    more.trim_start_matches(|c: char| c.is_ascii_digit()).as_bytes(),
                ));
                let certainty = Certainty::Unknown;
                let outcome = match nth % 5 {
                    0 => Outcome::Completed { body },
                    1 => Outcome::Declined { body },
                    2 => Outcome::Failed { cause: FailCause::Service, certainty, body },
                    3 => Outcome::Expired { certainty },
                    _ => Outcome::Cancelled { certainty },
                };
                let (kind, memo, at) = ("payment".into(), Opaque::default(), self.now.at);
                let out = self.tell(None, Tell::Outcome { operation, key, kind, memo, outcome, at });
                let told = out.len() == 1 || self.closed || self.role == Role::Performer;
                assert!(told, "an outcome is told once: {out:?}");
            }
            'O' => {
                let answer_by = self.now.at.after(Duration::from_secs(30));
                let from = "Harbour Bakery".into();
                let offer = Tell::Offer {
                    operation,
                    key,
                    kind: "payment".into(),
                    inquiry: false,
                    from,
                    request: raw,
                    answer_by,
                };
                self.tell(None, offer);
            }
            'w' => drop(self.tell(None, Tell::Withdrawn { operation, key, how: OutcomeKind::Expired })),
            't' => {
                let all = [
                    Taken::Ended(OutcomeKind::Completed),
                    Taken::Ended(OutcomeKind::Declined),
                    Taken::Noted,
                    Taken::Again,
                    Taken::Late(None),
                    Taken::Deciding,
                    Taken::NotYours,
                ];
                let taken = all[nth % all.len()];
                self.answer(Tell::Taken { operation: Some(operation), key: Some(key), taken });
            }
            _ => self.anywhere(op, rest),
        }
    }

    /// What may come at any time.
    fn anywhere(&mut self, op: char, rest: &str) {
        match op {
            'D' => drop(self.tell(None, Tell::Displaced)),
            'V' => drop(self.tell(None, Tell::Revoked)),
            'L' => drop(self.tell(None, Tell::Reloaded)),
            'Z' => drop(self.tell(None, Tell::Dismissed)),
            'd' => {
                self.input(Input::Drain { retry_after: Duration::from_millis(number(rest, SLEEP_MOST)) });
            }
            'U' => drop(self.input(Input::Dropped(3))),
            'u' => drop(self.input(Input::Room)),
            '@' => self.sleep(Duration::from_millis(number(rest, SLEEP_MOST))),
            _ => {}
        }
    }

    fn sleep(&mut self, duration: Duration) {
        let end = self.now.at.after(duration);
        while let Some(deadline) = self.machine.deadline().filter(|deadline| *deadline <= end) {
            let by = deadline.since(self.now.at);
            self.now = Now { at: self.now.at.after(by), wall: self.now.wall.after(by) };
            self.input(Input::Wake);
            assert!(self.machine.deadline().is_none_or(|next| next > deadline), "a deadline passed in silence");
        }
        let by = end.since(self.now.at);
        self.now = Now { at: end, wall: self.now.wall.after(by) };
    }

    /// A peer that says nothing more is closed, and what was lent comes back once.
    fn end(mut self) {
        self.sleep(Duration::from_secs(200));
        assert!(self.closed, "a silent peer is kept for ever");
        let windows = self.machine.leave();
        assert!(windows.len() <= if self.role == Role::Requester { 2 } else { 1 });
        assert!(self.machine.leave().is_empty(), "what was lent came back twice");
        assert!(self.input(Input::Frame(Frame::Text("{}"))).is_empty());
        assert_ne!(windows.is_empty(), self.admitted, "what was lent comes back");
    }
}

fn principal(role: Role, other: &str) -> Arc<Principal> {
    let group = GroupId::parse("v").expect("an id");
    let id = if other.starts_with('2') { "w" } else { "v" };
    Arc::new(Principal {
        id: PrincipalId::parse(id).expect("an id"),
        dialect: Dialect::Boop,
        network: NetworkId::parse("main").expect("an id"),
        partition: Partition::of(&group),
        group,
        role,
        device: (role == Role::Performer).then(|| DeviceId::parse("s").expect("an id")),
        credential: CredentialId::parse("key").expect("an id"),
        name: "Harbour Bakery".into(),
        permissions: Permissions::All,
    })
}
