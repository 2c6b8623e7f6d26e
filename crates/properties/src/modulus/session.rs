//! One socket's machine, a till's or a terminal's, or that of one call, driven by a program: see `crate::session` for
//! what is the same for all.
//!
//! ```text
//! tm                  the head: till, terminal (`p`), or a call that pays (`c`), lists (`g`) or looks up (`k`); then
//!                     switches (see `given`)
//! l  nK 25.00         asks for the terminals; for a payment `K`
//! sK 25.00 fK cK hK   a terminal's word about `K`: paid, failed, cancelled, pending; `uK` never begun; `vK1` reversed
//! +0 +1               the directory says that it is an admin; somebody who may do nothing
//! oK3 e1 F1           an outcome, the terminals, what was looked for
//! OK OK4              about `K`: offered in one of several ways
//! E1                  a terminal comes or goes
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dialects::modulus::{Choices, Kind};
use dialects::{Config, Door, Way};
use model::{
    Certainty, DeviceState, Dialect, Epoch, Event, FailCause, Fence, Found, Happening, Now, Opaque, OperationRow,
    Outcome, Permissions, Position, Presence, Principal, Request, Response, Role, Standing, Submit, Target, Tell,
    Window,
};
use serde_json::json;

use super::{START_MILLIS, device, group, message, object, principal, request};
use crate::program::{name, number};
use crate::session::{self, about, operation};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Till,
    Terminal,
    Caller,
}

pub(crate) type Stage = session::Stage<Peer>;

/// What holds for every session: accepted or refused once, nothing after the end, no deadline in silence.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    session::check(data, |head| {
        let (mut stage, request) = given(head);
        stage.open(&request);
        stage
    });
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
    (stage(peer, choices), request)
}

/// A machine nobody has spoken to.
pub(crate) fn stage(peer: Peer, choices: Choices) -> Stage {
    let config = Config { modulus: Arc::new(choices), ..Config::default() };
    let way = if peer == Peer::Caller { Way::Call } else { Way::Socket };
    let door = Door { dialect: Dialect::Modulus, role: None, way };
    Stage::new(peer, &config, door, Now::from_millis(START_MILLIS))
}

/// A socket's machine that is let in.
pub(crate) fn ready(peer: Peer) -> Stage {
    let mut stage = stage(peer, Choices::default());
    stage.open(&request("GET", "/v1", &[("x-api-key", "mk_1"), ("x-device-id", "lane-7")], b""));
    stage.enter();
    assert!(stage.accepted && !stage.closed);
    stage
}

impl session::Peer for Peer {
    const LET_IN_FIRST: bool = true;

    fn has_socket(self) -> bool {
        self != Self::Caller
    }

    fn principal(self, rest: &str) -> Arc<Principal> {
        let role = match self {
            _ if rest.starts_with('0') => Role::Admin,
            Self::Terminal => Role::Performer,
            Self::Till | Self::Caller => Role::Requester,
        };
        let permissions = if rest.starts_with('1') { Permissions::Only(BTreeSet::new()) } else { Permissions::All };
        principal(role, permissions)
    }

    fn windows(self, _: Now, _: &str) -> Vec<Window> {
        Vec::new()
    }

    fn message(text: &[u8]) {
        message(text);
    }

    /// A response every HTTP client can read.
    fn response(response: &Response) {
        assert!((200..600).contains(&response.status));
        assert!(response.headers.iter().all(|(_, value)| !value.contains(['\r', '\n'])), "{:?}", response.headers);
        let body = object(&response.body);
        if response.status >= 400 {
            assert!(body["code"].is_string() && body["code"] == body["error"]["code"], "{body}");
        }
    }

    fn play(stage: &mut Stage, op: char, rest: &str) -> bool {
        let (id, more) = name(rest);
        let more = more.trim_start();
        let (key, nth) = about(rest);
        let operation = operation(stage.now);
        match op {
            'l' => drop(stage.frame(r#"{"action":"getTerminals"}"#)),
            'n' => {
                let request = json!({"transactionId": id, "amount": more, "currency": "PHP", "paymentMethod": "CARD"});
                let frame = json!({"action": "payment", "terminalId": "lane-7", "paymentRequest": request});
                drop(stage.frame(&frame.to_string()));
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
                drop(stage.frame(&frame.to_string()));
            }
            'u' if !rest.is_empty() => {
                drop(stage.frame(&json!({"action": "paymentUnknown", "transactionId": id}).to_string()));
            }
            'v' => {
                let frame = json!({"action": "voidResult", "transactionId": id, "success": nth == 0});
                drop(stage.frame(&frame.to_string()));
            }
            'd' => {
                stage.input(model::Input::Drain { retry_after: Duration::from_millis(number(rest, 200_000)) });
                assert!(stage.closed, "drained, and still there");
            }
            'E' if stage.admitted => {
                let (device, presence) = (device("lane-7"), presence(rest));
                let happening = Happening::Presence { device, presence, epoch: Epoch { fence: Fence(1), n: 3 } };
                let position = Position { fence: Fence(1), n: 1 };
                let event = Event { position, group: group(), wall: stage.now.wall, happening };
                drop(stage.tell(None, Tell::Event(Box::new(event))));
            }
            _ if !stage.admitted => return false,
            'o' => {
                let Some(submit) = stage.submits.get(&key).cloned() else { return true };
                let out = stage.tell(None, ended(&submit, outcomes()[nth % outcomes().len()].clone(), stage.now));
                assert!(out.len() == 1 || stage.closed, "an outcome is told once: {out:?}");
            }
            'e' => {
                let state = DeviceState {
                    device: device("lane-7"),
                    presence: presence(rest),
                    epoch: nth.is_multiple_of(2).then_some(Epoch { fence: Fence(1), n: 3 }),
                    since: stage.now.wall,
                    active: stage.now.wall,
                    facts: Opaque::from_static(if nth.is_multiple_of(3) { b"{\"lane\":7}" } else { b"" }),
                };
                stage.answer(Tell::Devices(vec![state; nth % 3]));
            }
            'F' => {
                let found = stage.submits.get(&key).map(|submit| {
                    let outcome = outcomes().get(nth).cloned();
                    let standing = if outcome.is_none() { Standing::Held } else { Standing::Ended };
                    Box::new(Found { row: row(submit, outcome, stage.now), standing })
                });
                stage.answer(Tell::Found(found));
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
                    answer_by: stage.now.at.after(Duration::from_secs(900)),
                };
                let out = stage.tell(None, offer);
                assert_eq!(out.len(), usize::from(stage.peer == Peer::Terminal && !stage.closed), "{out:?}");
            }
            _ => return false,
        }
        true
    }
}

fn presence(rest: &str) -> Presence {
    match number(rest, 2) {
        0 => Presence::Online,
        1 => Presence::Away,
        _ => Presence::Offline,
    }
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
    let target = submit.target.clone();
    Tell::Outcome { operation: operation(now), key, kind, target, memo, outcome, at: now.at }
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
