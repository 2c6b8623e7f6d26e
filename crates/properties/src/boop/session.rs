//! One socket's machine, a vendor's or a scanner's, driven by a program: see `crate::session` for what is the same for
//! all.
//!
//! ```text
//! vta                 the head: vendor or scanner, then switches (see `choices`)
//! l                   its login; `nK` and `pK 250` wish, `xK` cancels, `mK` scans
//! =                   the directory answers no question
//! A250                it is let in, and has said so many frames before
//! gK oK3 OK           about `K`: a note, an outcome, offered
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dialects::boop::Choices;
use dialects::{Config, Door, Way};
use model::{
    CallId, Certainty, CredentialId, DeviceId, Dialect, Done, FailCause, GroupId, Input, NetworkId, Now, Opaque,
    Outcome, Output, Partition, Permissions, Principal, PrincipalId, Request, Response, Role, Tell, Window,
};
use serde_json::json;

use crate::program::{self, name, number};
use crate::session::{self, about, operation};

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

/// Who is at the other end: a vendor or a scanner.
#[derive(Clone, Copy)]
pub(crate) struct Peer(Role);

pub(crate) type Stage = session::Stage<Peer>;

/// What holds for every session: accepted first, let in once, nothing after the end, no deadline in silence.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    session::check(data, |head| {
        let role = if head.starts_with('s') { Role::Performer } else { Role::Requester };
        stage(role, choices(head.get(1..).unwrap_or_default()))
    });
}

/// A machine whose socket is open.
fn stage(role: Role, choices: Choices) -> Stage {
    let config = Config { boop: Arc::new(choices), ..Config::default() };
    let door = Door { dialect: Dialect::Boop, role: Some(role), way: Way::Socket };
    let mut stage = Stage::new(Peer(role), &config, door, Now::from_millis(1_930_000_000_000));
    stage.open(&Request {
        method: "GET".into(),
        path: "/".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Bytes::new(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        certificate: None,
    });
    assert_eq!(stage.said().first(), Some(&Output::Accept));
    stage
}

/// A machine that is logged in.
pub(crate) fn ready(role: Role, choices: Choices) -> Stage {
    let mut stage = stage(role, choices);
    stage.play("l");
    stage.enter();
    assert!(stage.admitted && !stage.closed);
    stage
}

impl session::Peer for Peer {
    const LET_IN_FIRST: bool = false;

    fn has_socket(self) -> bool {
        true
    }

    fn principal(self, rest: &str) -> Arc<Principal> {
        principal(self.0, rest)
    }

    fn windows(self, now: Now, rest: &str) -> Vec<Window> {
        let mut frames = Window::new("frames", Duration::from_secs(60), 2_001);
        for _ in 0..number(rest, 3_000) {
            frames.add(now.at);
        }
        let contexts = Window::new("contexts", Duration::from_secs(60), 100);
        if self.0 == Role::Requester { vec![contexts, frames] } else { vec![frames] }
    }

    fn message(text: &[u8]) {
        program::message(text);
    }

    fn response(response: &Response) {
        panic!("a socket that is open answers no call: {response:?}");
    }

    fn play(stage: &mut Stage, op: char, rest: &str) -> bool {
        let (id, more) = name(rest);
        let (key, nth) = about(rest);
        let operation = operation(stage.now);
        let raw = Opaque::from(Bytes::copy_from_slice(more.as_bytes()));
        let text = |frame: serde_json::Value| frame.to_string();
        match op {
            'l' if stage.peer.0 == Role::Performer => {
                drop(stage.frame(&text(json!({"type": "authenticate", "device_id": "s", "device_key": "dk"}))));
            }
            'l' => drop(stage.frame(&text(json!({"type": "authenticate", "vendor_id": "v", "api_key": "sk"})))),
            'n' => {
                let frame = json!({"type": "create_context", "context_id": id, "requirements": {"type": "entrance"}});
                drop(stage.frame(&text(frame)));
            }
            'p' => {
                let requirements = json!({"type": "payment", "amount": nth});
                let frame = json!({"type": "create_context", "context_id": id, "requirements": requirements});
                drop(stage.frame(&text(frame)));
            }
            'x' => drop(stage.frame(&text(json!({"type": "cancel_context", "context_id": id})))),
            'm' => {
                let frame =
                    json!({"type": "scan_result", "context_id": id, "outcome": "captured", "test_user_id": "m"});
                drop(stage.frame(&text(frame)));
            }
            '=' => {
                let (call, role) = (CallId(u32::MAX), stage.peer.0);
                stage.input(Input::Done { call, done: Done::Authenticated(Ok(principal(role, ""))) });
            }
            _ if !stage.admitted => return false,
            'g' => drop(stage.tell(None, Tell::Progress { operation, key, memo: Opaque::default(), note: raw })),
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
                let (kind, memo, at) = ("payment".into(), Opaque::default(), stage.now.at);
                let target = model::Target::AnyOfGroup;
                let out = stage.tell(None, Tell::Outcome { operation, key, kind, target, memo, outcome, at });
                let told = out.len() == 1 || stage.closed || stage.peer.0 == Role::Performer;
                assert!(told, "an outcome is told once: {out:?}");
            }
            'O' => {
                let answer_by = stage.now.at.after(Duration::from_secs(30));
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
                stage.tell(None, offer);
            }
            _ => return false,
        }
        true
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
