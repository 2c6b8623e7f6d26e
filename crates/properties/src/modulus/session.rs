//! One socket's machine, a till's or a terminal's, or that of one call, driven by a program of every kind of input.
//!
//! ```text
//! tm                  the head: till, terminal (`p`), or a call that pays (`c`), lists (`g`) or looks up (`k`); then
//!                     switches (see `given`)
//! >{"action":"ping"}  a text frame; `b` binary, `i` control ping, `I` pong
//! l  nK 25.00         asks for the terminals; for a payment `K`
//! sK 25.00 fK cK hK   a terminal's word about `K`: paid, failed, cancelled, pending; `uK` never begun; `vK1` reversed
//! +                   the directory says who it is; `+0`: an admin, `+1`: for nothing; `-2`: it refuses
//! A                   it is let in; `N1`: it is not
//! RK2 aK oK3 e1 F1    refused, accepted, an outcome, the terminals, what was looked for
//! OK OK4 wK2 tK1      about `K`: offered in one of several ways, withdrawn, what became of an answer
//! E1                  a terminal comes or goes
//! D V L d U u         displaced, revoked, reloaded, drained; telemetry dropped, room again
//! @1500               time passes, in milliseconds
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dialects::modulus::{Choices, Kind};
use dialects::{Config, Door, Session, Way};
use model::{
    Ask, AskId, CallId, Certainty, Denied, DeviceState, Dialect, Done, Epoch, Event, FailCause, Fence, Found, Frame,
    Happening, Input, NotAdmitted, Now, Opaque, OperationId, OperationRow, Outcome, OutcomeKind, Output, Partition,
    Permissions, Position, Presence, Refusal, Request, RequestKey, Response, Role, Standing, Submit, Taken, Target,
    Tell,
};
use serde_json::json;

use super::{START_MILLIS, device, group, message, object, principal, request};
use crate::program::{self, first, name, number};

/// The longest sleep.
const SLEEP_MOST: u64 = 200_000;
/// Longer than any socket may be silent, and any call may wait.
const END: Duration = Duration::from_secs(200);

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Till,
    Terminal,
    Caller,
}

/// A machine, and what has come of it.
pub(crate) struct Stage {
    peer: Peer,
    machine: Session,
    pub(crate) now: Now,
    call: Option<CallId>,
    admit: Option<AskId>,
    asked: Vec<AskId>,
    seen: BTreeSet<u32>,
    admitted: bool,
    accepted: bool,
    pub(crate) closed: bool,
    /// What was asked for, by its id.
    submits: BTreeMap<RequestKey, Submit>,
    /// Everything that was said.
    said: Vec<Output>,
}

/// A machine accepts or refuses once, a call responds once; nothing is said after the end; it asks to be let in first
/// and once, names each ask anew, never lets a deadline pass in silence, and does all of it again from the same seed.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let said = play(data);
    assert_eq!(said, play(data), "the same from the same seed");
}

fn play(data: &[u8]) -> Vec<Output> {
    let (head, lines) = program::lines(data);
    let (mut stage, request) = given(&head);
    stage.open(&request);
    for line in lines {
        stage.play(&line);
    }
    stage.end()
}

fn given(head: &str) -> (Stage, Request) {
    let mut choices = Choices::default();
    let mut headers = vec![("x-api-key", "mk_1")];
    let mut query = None;
    for switch in head.chars().skip(1) {
        match switch {
            'f' => (choices.frames_per_span, choices.frames_at_most) = (3, 6),
            'm' => choices.malformed_per_span = 2,
            'q' => (choices.query_keys, query) = (false, Some(("x-api-key", "mk_1"))),
            'Q' => query = Some(("x-api-key", "mk_1")),
            'd' => headers.push(("x-device-id", "lane-7")),
            'n' => headers.push(("x-device-id", "gw_0000")),
            'w' => headers.push(("x-terminal-metadata", "e30=")),
            'W' => headers.push(("x-terminal-metadata", "bnVsbA==")),
            'g' => headers.push(("x-group-id", super::GROUP)),
            'o' => headers.push(("x-group-id", "store-2")),
            _ => {}
        }
    }
    if query.is_some() {
        headers.remove(0);
    }
    let body = br#"{"transactionId":"K","amount":"25.00","currency":"PHP","paymentMethod":"CARD"}"#;
    let (peer, mut request) = match head.chars().next() {
        Some('p') => (Peer::Terminal, request("GET", "/v1", &headers, b"")),
        Some('c') => (Peer::Caller, request("POST", "/v1/terminals/lane-7/payments", &headers, body)),
        Some('g') => (Peer::Caller, request("GET", "/v1/terminals", &headers, b"")),
        Some('k') => (Peer::Caller, request("GET", "/v1/transactions/K", &headers, b"")),
        Some(_) | None => (Peer::Till, request("GET", "/v1", &headers, b"")),
    };
    request.query.extend(query.map(|(name, value)| (name.into(), value.into())));
    (Stage::new(peer, choices), request)
}

impl Stage {
    pub(crate) fn new(peer: Peer, choices: Choices) -> Self {
        let now = Now::from_millis(START_MILLIS);
        let config = Config { modulus: Arc::new(choices), ..Config::default() };
        let way = if peer == Peer::Caller { Way::Call } else { Way::Socket };
        let machine = Session::new(&config, Door { dialect: Dialect::Modulus, role: None, way }, 7, now);
        Self {
            peer,
            machine: machine.expect("there is one"),
            now,
            call: None,
            admit: None,
            asked: Vec::new(),
            seen: BTreeSet::new(),
            admitted: false,
            accepted: false,
            closed: false,
            submits: BTreeMap::new(),
            said: Vec::new(),
        }
    }

    /// A socket's machine that is let in.
    pub(crate) fn ready(peer: Peer) -> Self {
        let mut stage = Self::new(peer, Choices::default());
        stage.open(&request("GET", "/v1", &[("x-api-key", "mk_1"), ("x-device-id", "lane-7")], b""));
        stage.enter();
        assert!(stage.accepted && !stage.closed);
        stage
    }

    /// It is who it says, and is let in.
    pub(crate) fn enter(&mut self) {
        self.play("+");
        self.play("A");
    }

    /// What was asked for.
    pub(crate) fn submits(&self) -> impl Iterator<Item = &Submit> {
        self.submits.values()
    }

    /// The first input: a request for a socket, or a call.
    pub(crate) fn open(&mut self, request: &Request) {
        match self.peer {
            Peer::Till | Peer::Terminal => self.input(Input::Open(request)),
            Peer::Caller => self.input(Input::Request(request)),
        };
    }

    /// Hands one input in and holds what comes against what a machine may say.
    pub(crate) fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        let mut out = Vec::new();
        self.machine.handle(self.now, input, &mut out);
        assert!(!self.closed || out.is_empty(), "something after the end: {out:?}");
        let is_socket = self.peer != Peer::Caller;
        for (at, output) in out.iter().enumerate() {
            let is_last = at + 1 == out.len();
            match output {
                Output::Send { text, .. } => {
                    assert!(self.accepted, "said before the upgrade");
                    drop(message(text));
                }
                Output::Close { .. } => {
                    assert!(is_last && self.accepted, "a close that is not the end of a socket: {out:?}");
                    self.closed = true;
                }
                Output::Refuse(response) => {
                    assert!(is_last && is_socket && !self.accepted, "refused what was accepted: {out:?}");
                    answer(response);
                    self.closed = true;
                }
                Output::Respond(response) => {
                    assert!(is_last && !is_socket, "no answer to a call: {out:?}");
                    answer(response);
                    self.closed = true;
                }
                Output::Accept => {
                    assert!(is_socket && self.admitted && !self.accepted, "accepted twice, or who was not let in");
                    self.accepted = true;
                }
                Output::Limit(bytes) => assert!(self.accepted && *bytes > 0),
                Output::Ask { id, ask } => {
                    assert!(self.seen.insert(id.0), "an ask's id came again");
                    if let Ask::Submit(submit) = ask {
                        self.submits.insert(submit.key.clone(), Submit::clone(submit));
                    }
                    match ask {
                        Ask::Admit(_) => assert!(self.admit.replace(*id).is_none(), "a second wish to be let in"),
                        _ => {
                            assert!(self.admitted, "asked before it was let in: {ask:?}");
                            self.asked.push(*id);
                        }
                    }
                }
                Output::Call { id, .. } => {
                    assert!(self.call.replace(*id).is_none(), "two questions to the directory at once");
                }
                Output::Ping => panic!("Modulus' clients ping, not we"),
            }
        }
        if self.closed {
            assert_eq!(self.machine.deadline(), None, "a closed machine waits for something");
            assert!(!self.machine.is_logging_in());
        } else {
            assert!(self.machine.deadline().is_some(), "an open machine waits for nothing");
        }
        self.said.extend(out.iter().cloned());
        out
    }

    pub(crate) fn frame(&mut self, text: &str) -> Vec<Output> {
        self.bare(Frame::Text(text))
    }

    /// A frame comes only on a socket that was accepted.
    fn bare(&mut self, frame: Frame<'_>) -> Vec<Output> {
        if self.accepted { self.input(Input::Frame(frame)) } else { Vec::new() }
    }

    pub(crate) fn tell(&mut self, ask: Option<AskId>, tell: Tell) -> Vec<Output> {
        self.input(Input::Tell { ask, tell })
    }

    /// Answers the oldest ask.
    pub(crate) fn answer(&mut self, tell: Tell) -> Vec<Output> {
        let ask = if self.asked.is_empty() { None } else { Some(self.asked.remove(0)) };
        self.tell(ask, tell)
    }

    fn done(&mut self, rest: &str) {
        let role = match self.peer {
            _ if rest.starts_with('0') => Role::Admin,
            Peer::Terminal => Role::Performer,
            Peer::Till | Peer::Caller => Role::Requester,
        };
        let permissions = if rest.starts_with('1') { Permissions::Only(BTreeSet::new()) } else { Permissions::All };
        self.proven(Ok(principal(role, permissions)));
    }

    fn proven(&mut self, result: Result<Arc<model::Principal>, Denied>) {
        if let Some(call) = self.call.take() {
            self.input(Input::Done { call, done: Done::Authenticated(result) });
        }
    }

    /// Slow work is done.
    pub(crate) fn worked(&mut self, done: Done) -> Vec<Output> {
        let call = self.call.take().expect("work that was asked for");
        self.input(Input::Done { call, done })
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> &[Output] {
        &self.said
    }

    fn play(&mut self, line: &str) {
        let Some((op, rest)) = first(line) else { return };
        let (id, more) = name(rest);
        let more = more.trim_start();
        let nth = usize::try_from(number(more, 99)).unwrap_or(0);
        match op {
            '>' => drop(self.frame(rest)),
            'b' => drop(self.bare(Frame::Binary(rest.as_bytes()))),
            'i' => drop(self.bare(Frame::Ping)),
            'I' => drop(self.bare(Frame::Pong)),
            'l' => drop(self.frame(r#"{"action":"getTerminals"}"#)),
            'n' => {
                let request = json!({"transactionId": id, "amount": more, "currency": "PHP", "paymentMethod": "CARD"});
                let frame = json!({"action": "payment", "terminalId": "lane-7", "paymentRequest": request});
                drop(self.frame(&frame.to_string()));
            }
            's' | 'f' | 'c' | 'h' => {
                let status = match op {
                    's' => "SUCCESS",
                    'f' => "FAILED",
                    'c' => "CANCELLED",
                    _ => "PENDING",
                };
                let mut told = json!({"status": status});
                if !more.is_empty() {
                    (told["amount"], told["currency"]) = (more.into(), "PHP".into());
                }
                let frame = json!({"action": "paymentResponse", "transactionId": id, "paymentResponse": told});
                drop(self.frame(&frame.to_string()));
            }
            'u' if !rest.is_empty() => {
                drop(self.frame(&json!({"action": "paymentUnknown", "transactionId": id}).to_string()));
            }
            'v' => {
                let frame = json!({"action": "voidResult", "transactionId": id, "success": nth == 0});
                drop(self.frame(&frame.to_string()));
            }
            '+' => self.done(rest),
            '-' => {
                let all = [
                    Denied::Unknown,
                    Denied::Expired,
                    Denied::Revoked,
                    Denied::WrongRole,
                    Denied::BadProof,
                    Denied::WrongCertificate,
                    Denied::Throttled(Duration::from_millis(1)),
                ];
                self.proven(Err(all[usize::try_from(number(rest, 6)).unwrap_or(0)]));
            }
            // Once it was let in a partition does not let it in again.
            'A' if self.admit.is_some() && !self.admitted => {
                self.admitted = true;
                let epoch = Epoch { fence: Fence(1), n: 1 };
                self.tell(self.admit, Tell::Admitted { epoch, windows: Vec::new(), owed: 0 });
            }
            'N' if self.admit.is_some() && !self.admitted => {
                let why = match number(rest, 1) {
                    0 => NotAdmitted::Occupied,
                    _ => NotAdmitted::Damped(Duration::from_millis(1_001)),
                };
                self.tell(self.admit, Tell::NotAdmitted(why));
            }
            _ if self.admitted => {
                let key = RequestKey::parse(id).expect("letters and digits are an id");
                self.told(op, rest, &key, nth);
            }
            _ => self.anywhere(op, rest),
        }
    }

    /// What a partition says to whom it has let in.
    fn told(&mut self, op: char, rest: &str, key: &RequestKey, nth: usize) {
        let (operation, key) = (operation(self.now), key.clone());
        match op {
            'R' => {
                let all = [
                    Refusal::Duplicate,
                    Refusal::Conflict,
                    Refusal::Busy,
                    Refusal::Absent,
                    Refusal::Unknown,
                    Refusal::Foreign,
                    Refusal::NotFound,
                    Refusal::Full,
                ];
                self.answer(Tell::Refused { key, why: all[nth % all.len()] });
            }
            'a' => drop(self.answer(Tell::Accepted { operation, key })),
            'o' => {
                let Some(submit) = self.submits.get(&key).cloned() else { return };
                let out = self.tell(None, ended(&submit, outcomes()[nth % outcomes().len()].clone(), self.now));
                assert!(out.len() == 1 || self.closed, "an outcome is told once: {out:?}");
            }
            'e' => {
                let state = DeviceState {
                    device: device("lane-7"),
                    presence: presence(rest),
                    epoch: nth.is_multiple_of(2).then_some(Epoch { fence: Fence(1), n: 3 }),
                    since: self.now.wall,
                    active: self.now.wall,
                    facts: Opaque::from_static(if nth.is_multiple_of(3) { b"{\"lane\":7}" } else { b"" }),
                };
                self.answer(Tell::Devices(vec![state; nth % 3]));
            }
            'F' => {
                let found = self.submits.get(&key).map(|submit| {
                    let outcome = outcomes().get(nth).cloned();
                    let standing = if outcome.is_none() { Standing::Held } else { Standing::Ended };
                    Box::new(Found { row: row(submit, outcome, self.now), standing })
                });
                self.answer(Tell::Found(found));
            }
            'O' => {
                let kind = Kind::ALL[nth % Kind::ALL.len()].name().into();
                let request = json!({"transactionId": key.as_str(), "amount": "25.00", "currency": "PHP"});
                let offer = Tell::Offer {
                    operation,
                    key,
                    kind,
                    inquiry: nth > 3,
                    from: "Till 4".into(),
                    request: Opaque::from(request.to_string()),
                    answer_by: self.now.at.after(Duration::from_secs(900)),
                };
                let out = self.tell(None, offer);
                assert_eq!(out.len(), usize::from(self.peer == Peer::Terminal && !self.closed), "{out:?}");
            }
            'w' => {
                let all = [OutcomeKind::Expired, OutcomeKind::Failed, OutcomeKind::Cancelled, OutcomeKind::Completed];
                drop(self.tell(None, Tell::Withdrawn { operation, key, how: all[nth % all.len()] }));
            }
            't' => {
                let all = [
                    Taken::Ended(OutcomeKind::Completed),
                    Taken::Ended(OutcomeKind::Declined),
                    Taken::Noted,
                    Taken::Again,
                    Taken::Late(None),
                    Taken::Late(Some(OutcomeKind::Expired)),
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
            'E' if self.admitted => {
                let (device, presence) = (device("lane-7"), presence(rest));
                let happening = Happening::Presence { device, presence, epoch: Epoch { fence: Fence(1), n: 3 } };
                let position = Position { fence: Fence(1), n: 1 };
                let event = Event { position, group: group(), wall: self.now.wall, happening };
                drop(self.tell(None, Tell::Event(Box::new(event))));
            }
            'D' if self.admit.is_some() => drop(self.tell(None, Tell::Displaced)),
            'V' if self.admit.is_some() => drop(self.tell(None, Tell::Revoked)),
            'L' if self.admit.is_some() => drop(self.tell(None, Tell::Reloaded)),
            'd' => {
                self.input(Input::Drain { retry_after: Duration::from_millis(number(rest, SLEEP_MOST)) });
                assert!(self.closed, "drained, and still there");
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

    /// A peer that says nothing more is closed, and a call is answered. Gives everything that was said.
    pub(crate) fn end(mut self) -> Vec<Output> {
        self.sleep(END);
        assert!(self.closed, "a silent peer is kept for ever");
        assert!(self.machine.leave().is_empty(), "nothing was lent");
        assert!(self.input(Input::Frame(Frame::Text("{}"))).is_empty());
        self.said
    }
}

/// A response every HTTP client can read.
fn answer(response: &Response) {
    assert!((200..600).contains(&response.status));
    assert!(response.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "{:?}", response.headers);
    let body = object(&response.body);
    if response.status >= 400 {
        assert!(body["code"].is_string() && body["code"] == body["error"]["code"], "{body}");
    }
}

fn presence(rest: &str) -> Presence {
    match number(rest, 2) {
        0 => Presence::Online,
        1 => Presence::Away,
        _ => Presence::Offline,
    }
}

pub(crate) fn operation(now: Now) -> OperationId {
    OperationId::next(Partition(7), now.at.millis(), None)
}

/// Every way to end, without a word of the terminal.
pub(crate) fn outcomes() -> [Outcome; 6] {
    let certainty = Certainty::Unknown;
    [
        Outcome::Completed { body: Opaque::from_static(br#"{"status":"SUCCESS","amount":"25.00"}"#) },
        Outcome::Declined { body: Opaque::from_static(br#"{"status":"CANCELLED"}"#) },
        Outcome::Failed { cause: FailCause::PerformerLost, certainty, body: Opaque::new() },
        Outcome::Failed { cause: FailCause::Service, certainty, body: Opaque::from_static(b"no") },
        Outcome::Expired { certainty },
        Outcome::Cancelled { certainty },
    ]
}

/// What a partition tells of the end of what was asked for.
pub(crate) fn ended(submit: &Submit, outcome: Outcome, now: Now) -> Tell {
    let (key, kind, memo) = (submit.key.clone(), submit.kind.clone(), submit.memo.clone());
    Tell::Outcome { operation: operation(now), key, kind, memo, outcome, at: now.at }
}

/// What a store keeps of it.
pub(crate) fn row(submit: &Submit, outcome: Option<Outcome>, now: Now) -> OperationRow {
    let till = principal(Role::Requester, Permissions::All);
    OperationRow {
        id: operation(now),
        group: till.group.clone(),
        network: till.network.clone(),
        requester: till.id.clone(),
        requester_name: till.name.clone(),
        dialect: Dialect::Modulus,
        kind: submit.kind.clone(),
        key: submit.key.clone(),
        body: submit.body,
        target: Target::Device(device("lane-7")),
        accepted_at: now.at,
        deliver_by: None,
        answer_by: submit.answer_by,
        request: submit.request.clone(),
        memo: submit.memo.clone(),
        outcome: outcome.map(|outcome| (outcome, now.at)),
        about: None,
        late: None,
        compensation: None,
    }
}
