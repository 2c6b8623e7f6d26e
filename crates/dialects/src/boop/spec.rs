//! What must hold besides the stories in `spec/`: a session told anything at all, in any order, does not panic,
//! says nothing after its close, keeps a deadline while it waits for a peer, and repeats itself exactly.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::{
    Ask, AskId, CallId, Certainty, Denied, Dialect, Digest, Done, Epoch, FailCause, Frame, GroupId, Input, NetworkId,
    NotAdmitted, Now, Opaque, OperationId, Outbox, Outcome, OutcomeKind, Output, Partition, Permissions, Principal,
    Refusal, Request, RequestKey, Role, Taken, Tell, Timestamp, Window,
};

use super::Choices;
use crate::{Config, Door, Session};

/// A session under test, and what it has left open.
struct Rig {
    session: Session,
    role: Role,
    now: u64,
    closed: bool,
    asks: Vec<(AskId, Ask)>,
    calls: Vec<CallId>,
    said: Vec<Output>,
}

/// Dice that replay from their seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.roll(from.len() as u64);
        from[usize::try_from(at).unwrap()]
    }
}

const FRAMES: [&str; 24] = [
    r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_1"}"#,
    r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_1"}"#,
    r#"{"type":"authenticate","vendor_id":"ven_2","api_key":"sk_1"}"#,
    r#"{"type":"authenticate","device_id":"lane","device_key":"dk_1"}"#,
    r#"{"type":"pvs_hello","pvs_id":"lane","api_key":"dk_1"}"#,
    r#"{"type":"authenticate"}"#,
    r#"{"type":"create_context","context_id":"a","requirements":{"type":"payment","amount":100,"attributes":["email"]}}"#,
    r#"{"type":"create_context","context_id":"b","requirements":{"type":"entrance"}}"#,
    r#"{"type":"create_context","context_id":"c","requirements":{"type":"payment","amount":-1}}"#,
    r#"{"type":"create_context","context_id":"d","context_type":"access"}"#,
    r#"{"type":"create_auth_context","context_id":"e"}"#,
    r#"{"type":"vendor_hello"}"#,
    r#"{"type":"cancel_context","context_id":"a"}"#,
    r#"{"type":"scan_result","context_id":"a","outcome":"captured","test_user_id":"usr_1"}"#,
    r#"{"type":"scan_result","context_id":"a","outcome":"captured","test_user_id":null}"#,
    r#"{"type":"scan_result","context_id":"a","outcome":"captured","template":"cGFsbQ=="}"#,
    r#"{"type":"scan_result","context_id":"b","outcome":"poor_quality"}"#,
    r#"{"type":"scan_result","context_id":"b","outcome":"cancelled"}"#,
    r#"{"type":"scan_result","context_id":"b","outcome":"lost"}"#,
    r#"{"type":"ping"}"#,
    r#"{"type":"ping","more":[[[]]]}"#,
    r#"{"type":"#,
    r#"[]"#,
    r#""#,
];

fn key(dice: &mut Dice) -> RequestKey {
    RequestKey::parse(dice.pick(&["a", "b", "c"])).unwrap()
}

fn principal(role: Role, dice: &mut Dice) -> Arc<Principal> {
    let group = GroupId::parse("ven_1").unwrap();
    let only: BTreeSet<Box<str>> = ["kind:payment".into(), "attribute:email".into()].into();
    Arc::new(Principal {
        id: model::PrincipalId::parse(dice.pick(&["ven_1", "ven_1", "ven_1", "ven_2"])).unwrap(),
        dialect: Dialect::Boop,
        network: NetworkId::parse("main").unwrap(),
        partition: Partition::of(&group),
        group,
        role,
        device: None,
        credential: model::CredentialId::parse("key").unwrap(),
        name: "Harbour Bakery".into(),
        permissions: if dice.roll(4) == 0 { Permissions::Only(only) } else { Permissions::All },
    })
}

fn bytes(dice: &mut Dice) -> Opaque {
    let choices = [
        "",
        "7",
        "{\"v\":1}",
        "{\"v\":1,\"code\":\"AUTH_DEVICE_ERROR\"}",
        "{\"v\":1,\"form\":\"P\"}",
        "{\"v\":1,\"kind\":\"entrance\",\"required\":[],\"optional\":[],\"adult_age\":18,\"scan_attempts\":1}",
        "{\"v\":1,\"code\":\"AUTH_FAILED\",\"text\":\"no\"}",
        "{\"v\":1,\"user_id\":\"usr_1\",\"attributes\":{}}",
    ];
    Opaque::from_static(dice.pick(&choices).as_bytes())
}

fn outcome(dice: &mut Dice) -> Outcome {
    let (certainty, body) = (Certainty::Unknown, bytes(dice));
    match dice.roll(5) {
        0 => Outcome::Completed { body },
        1 => Outcome::Declined { body },
        2 => Outcome::Failed { cause: FailCause::Service, certainty, body },
        3 => Outcome::Expired { certainty },
        _ => Outcome::Cancelled { certainty },
    }
}

fn tell(dice: &mut Dice, windows: Vec<Window>) -> Tell {
    let operation = OperationId::from_number(dice.roll(9));
    let key = key(dice);
    let wait = Duration::from_millis(dice.roll(5_000));
    match dice.roll(18) {
        0..=3 => Tell::Admitted { epoch: Epoch::default(), windows, owed: 0 },
        4 => Tell::NotAdmitted(dice.pick(&[NotAdmitted::Damped(wait), NotAdmitted::Occupied])),
        5 => Tell::Accepted { operation, key },
        6 => {
            let all = [
                Refusal::Duplicate,
                Refusal::Conflict,
                Refusal::Busy,
                Refusal::Absent,
                Refusal::NotFound,
                Refusal::Full,
            ];
            Tell::Refused { key, why: dice.pick(&all) }
        }
        7 => Tell::Cancelling { key },
        8 => {
            let all = [
                Taken::Ended(OutcomeKind::Completed),
                Taken::Ended(OutcomeKind::Declined),
                Taken::Noted,
                Taken::Again,
                Taken::Late(None),
                Taken::Deciding,
                Taken::NotYours,
            ];
            Tell::Taken { operation: None, key: (dice.roll(3) > 0).then_some(key), taken: dice.pick(&all) }
        }
        9 => Tell::Progress { operation, key, memo: bytes(dice), note: bytes(dice) },
        10 | 11 => {
            let (kind, memo, outcome) = ("payment".into(), bytes(dice), outcome(dice));
            Tell::Outcome {
                operation,
                key,
                kind,
                target: model::Target::AnyOfGroup,
                memo,
                outcome,
                at: Timestamp::from_millis(0),
            }
        }
        12 => {
            let answer_by = Timestamp::from_millis(dice.roll(100_000));
            Tell::Offer {
                operation,
                key,
                kind: "payment".into(),
                inquiry: false,
                from: "x".into(),
                request: bytes(dice),
                answer_by,
            }
        }
        13 => Tell::Withdrawn { operation, key, how: outcome(dice).kind() },
        14 => Tell::Displaced,
        15 => Tell::Revoked,
        16 => Tell::Reloaded,
        17 => Tell::Dismissed,
        _ => Tell::Serving,
    }
}

impl Rig {
    fn new(role: Role) -> Self {
        let boop = Choices {
            frames_per_span: 20,
            frames_at_most: 40,
            contexts_per_span: 3,
            test_user_ids: true,
            ..Choices::default()
        };
        let config = Config { boop: Arc::new(boop), ..Config::default() };
        let door = Door { dialect: Dialect::Boop, role: Some(role), way: crate::Way::Socket };
        let session = Session::new(&config, door, 0, Now::from_millis(1_000)).unwrap();
        Self { session, role, now: 1_000, closed: false, asks: Vec::new(), calls: Vec::new(), said: Vec::new() }
    }

    fn feed(&mut self, input: Input<'_>) {
        let mut out = Outbox::new();
        self.session.handle(Now::from_millis(self.now), input, &mut out);
        assert!(!self.closed || out.is_empty(), "after its close it said {out:?}");
        for (at, output) in out.iter().enumerate() {
            match output {
                Output::Close { .. } => {
                    assert_eq!(at + 1, out.len(), "after its close it said {:?}", &out[at + 1..]);
                    self.closed = true;
                }
                Output::Ask { id, ask } => {
                    assert!(self.asks.iter().all(|(open, _)| open != id), "an ask id is open twice");
                    self.asks.push((*id, ask.clone()));
                }
                Output::Call { id, .. } => self.calls.push(*id),
                Output::Send { text, .. } => {
                    let value: serde_json::Value = serde_json::from_slice(text).expect("we send JSON");
                    assert!(value["type"].is_string(), "{value}");
                }
                Output::Accept | Output::Limit(_) | Output::Refuse(_) | Output::Respond(_) | Output::Ping => {}
            }
        }
        if !self.said.is_empty() || !out.is_empty() {
            assert!(self.closed || self.session.deadline().is_some(), "an open session waits for ever");
        }
        self.said.extend(out);
    }

    fn step(&mut self, dice: &mut Dice) {
        match dice.roll(20) {
            0 => self.feed(Input::Open(&request())),
            1..=9 => {
                let text = dice.pick(&FRAMES);
                if !self.session.is_logging_in() || dice.roll(10) == 0 {
                    self.feed(Input::Frame(Frame::Text(text)));
                }
            }
            10 => {
                let frame = dice.pick(&[Frame::Ping, Frame::Pong, Frame::Ping, Frame::Pong, Frame::Binary(b"x")]);
                self.feed(Input::Frame(frame));
            }
            11 | 12 => {
                let call = if self.calls.is_empty() { CallId(99) } else { self.calls.remove(0) };
                let denied = [Denied::Unknown, Denied::Revoked, Denied::Throttled(Duration::from_secs(3))];
                let result = if dice.roll(6) == 0 { Err(dice.pick(&denied)) } else { Ok(principal(self.role, dice)) };
                self.feed(Input::Done { call, done: Done::Authenticated(result) });
            }
            13..=16 => {
                let answers = (!self.asks.is_empty() && dice.roll(4) > 0).then(|| self.asks.remove(0));
                let (ask, tell) = match answers {
                    Some((id, Ask::Admit(admit))) if dice.roll(4) > 0 => {
                        (Some(id), Tell::Admitted { epoch: Epoch::default(), windows: admit.windows, owed: 1 })
                    }
                    Some((id, _)) => (Some(id), tell(dice, Vec::new())),
                    None => (None, tell(dice, Vec::new())),
                };
                self.feed(Input::Tell { ask, tell });
            }
            17 => {
                self.now += dice.roll(30_000);
                self.feed(Input::Wake);
            }
            18 => {
                if let Some(deadline) = self.session.deadline() {
                    self.now = self.now.max(deadline.millis());
                    self.feed(Input::Wake);
                    assert!(self.closed || self.session.deadline() > Some(deadline), "a deadline passed in silence");
                }
            }
            _ => match dice.roll(20) {
                0 => self.feed(Input::Drain { retry_after: Duration::from_millis(dice.roll(9_000)) }),
                1..=9 => self.feed(Input::Room),
                _ => self.feed(Input::Dropped(3)),
            },
        }
    }
}

fn request() -> Request {
    Request {
        method: "GET".into(),
        path: "/ws/vendor".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        certificate: None,
    }
}

impl Rig {
    /// What usually happens first, so that the dice get to what comes after it.
    fn log_in(&mut self, dice: &mut Dice) {
        self.feed(Input::Open(&request()));
        self.feed(Input::Frame(Frame::Text(match self.role {
            Role::Requester => FRAMES[0],
            Role::Performer | Role::Admin => FRAMES[3],
        })));
        let principal = principal(self.role, dice);
        let call = self.calls.remove(0);
        self.feed(Input::Done { call, done: Done::Authenticated(Ok(principal)) });
        let (id, Ask::Admit(admit)) = self.asks.remove(0) else { panic!("the first ask is to be let in") };
        let tell = Tell::Admitted { epoch: Epoch::default(), windows: admit.windows, owed: 0 };
        self.feed(Input::Tell { ask: Some(id), tell });
    }
}

fn play(role: Role, seed: u64) -> Vec<Output> {
    let mut dice = Dice(seed);
    let mut rig = Rig::new(role);
    match dice.roll(10) {
        0 => {}
        1..=4 => rig.feed(Input::Open(&request())),
        _ => rig.log_in(&mut dice),
    }
    for _ in 0..120 {
        rig.step(&mut dice);
        if rig.closed && dice.roll(10) == 0 {
            rig.session.leave();
        }
    }
    rig.said
}

#[test]
fn sessions_bear_anything_in_any_order() {
    let (mut ready, mut closed) = (0, 0);
    for seed in 0..4_000 {
        for role in [Role::Requester, Role::Performer] {
            // The seed replays everything; it is printed with a failure.
            let said = std::panic::catch_unwind(|| play(role, seed))
                .unwrap_or_else(|_| panic!("failed with {role} and seed {seed}"));
            let has = |what: &str| {
                said.iter()
                    .any(|output| matches!(output, Output::Send { text, .. } if text.starts_with(what.as_bytes())))
            };
            ready += u32::from(has("{\"type\":\"authenticated\""));
            closed += u32::from(said.iter().any(|output| matches!(output, Output::Close { .. })));
        }
    }
    assert!(ready > 1_000 && closed > 1_000, "the dice are loaded: {ready} logged in, {closed} closed");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    for seed in 0..200 {
        for role in [Role::Requester, Role::Performer] {
            assert_eq!(play(role, seed), play(role, seed), "{role} and seed {seed}");
        }
    }
}

#[test]
fn the_service_bears_anything() {
    let service = super::service();
    let mut dice = Dice(7);
    for _ in 0..2_000 {
        let question = model::Question {
            operation: OperationId::from_number(1),
            key: key(&mut dice),
            network: NetworkId::parse("main").unwrap(),
            group: GroupId::parse("ven_1").unwrap(),
            request: bytes(&mut dice),
            memo: bytes(&mut dice),
            evidence: bytes(&mut dice),
            attempt: 1,
            wall: model::Wall::from_millis(0),
        };
        let _ = (service.subject)(&question);
        let decision = (service.decide)(&question, None);
        assert_eq!(decision.debit, None, "nobody pays nothing");
    }
    let _ = Digest::of(b"");
}
