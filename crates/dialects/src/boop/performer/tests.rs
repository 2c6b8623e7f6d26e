//! One input, the complete list of outputs. What several peers see together stands in `spec/`.

use std::time::Duration;

use model::{Epoch, GroupId, NetworkId, OperationId, OutcomeKind, Partition, Permissions, PrincipalId, Request, Taken};

use super::*;
use crate::boop::context::Kind;
use crate::boop::findings::Evidence;

const NOON: u64 = 1_900_000_000_000;
const LOGIN: &str = r#"{"type":"authenticate","device_id":"lane","device_key":"dk_1"}"#;
const SCAN: &str = r#"{"type":"scan_result","context_id":"a","outcome":"captured","template":"cGFsbQ=="}"#;
const OPERATION: OperationId = OperationId::from_number(7);

struct Scanner {
    machine: Performer,
    now: u64,
}

fn principal() -> Arc<Principal> {
    let group = GroupId::parse("ven_1").unwrap();
    Arc::new(Principal {
        id: PrincipalId::parse("lane").unwrap(),
        dialect: Dialect::Boop,
        network: NetworkId::parse("main").unwrap(),
        partition: Partition::of(&group),
        group,
        role: Role::Performer,
        device: Some(DeviceId::parse("lane").unwrap()),
        credential: model::CredentialId::parse("key").unwrap(),
        name: "lane".into(),
        permissions: Permissions::All,
    })
}

fn line(output: &Output) -> String {
    match output {
        Output::Send { text, class: Class::Answer } => {
            let value: serde_json::Value = serde_json::from_slice(text).unwrap();
            let word = |key: &str| value[key].as_str().map(|word| format!(" {word}")).unwrap_or_default();
            let kind = value["type"].as_str().unwrap();
            format!("{kind}{}{}{}{}", word("code"), word("context_id"), word("reason"), word("status"))
        }
        Output::Close { code, reason } => format!("close {} {reason}", code.0),
        Output::Ask { id, ask: Ask::Admit(admit) } => {
            let (single, device) = (admit.single.as_deref().unwrap(), admit.device.as_ref().unwrap());
            format!("ask {} admit {single} {device} {:?}", id.0, admit.grace)
        }
        Output::Ask { id, ask: Ask::Answer(Answer { which: Which::Key(key), verdict }) } => {
            let verdict = match verdict {
                Verdict::Evidence(_) => "evidence".to_owned(),
                Verdict::Note(note) => format!("note {}", Note::read(note).unwrap().name()),
                Verdict::Declined(body) => format!("declined {}", Refused::read(body).finding().unwrap().name()),
                other => format!("{other:?}"),
            };
            format!("ask {} answer {key} {verdict}", id.0)
        }
        Output::Call { id, call: Call::Authenticate { role: Some(role), subject, secret, .. } } => {
            format!("call {} {role} {} {}", id.0, subject.as_deref().unwrap_or_default(), secret.reveal())
        }
        other => format!("{other:?}"),
    }
}

impl Scanner {
    fn new() -> Self {
        let now = Now::from_millis(NOON);
        let mut scanner = Self { machine: Performer::new(&Arc::new(Choices::default()), now), now: NOON };
        let request = Request {
            method: "GET".into(),
            path: "/ws/pvs".into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            peer: std::net::Ipv4Addr::LOCALHOST.into(),
            certificate: None,
        };
        assert_eq!(scanner.feed(Input::Open(&request)), ["Accept", "Limit(4096)"]);
        scanner
    }

    fn ready() -> Self {
        let mut scanner = Self::new();
        assert_eq!(scanner.says(LOGIN), ["call 0 performer lane dk_1"]);
        assert!(scanner.machine.is_logging_in());
        let done = Done::Authenticated(Ok(principal()));
        assert_eq!(scanner.feed(Input::Done { call: CallId(0), done }), ["ask 0 admit device:lane lane 10s"]);
        let windows = vec![Manners::wanted(&Choices::default())];
        let tell = Tell::Admitted { epoch: Epoch::default(), windows, owed: 0 };
        assert_eq!(scanner.answer(0, tell), ["authenticated", "Limit(65536)"]);
        assert!(!scanner.machine.is_logging_in());
        scanner
    }

    fn feed(&mut self, input: Input<'_>) -> Vec<String> {
        let mut out = Outbox::new();
        self.machine.handle(Now::from_millis(self.now), input, &mut out);
        out.iter().map(line).collect()
    }

    fn says(&mut self, text: &str) -> Vec<String> {
        self.feed(Input::Frame(Frame::Text(text)))
    }

    fn answer(&mut self, ask: u32, tell: Tell) -> Vec<String> {
        self.feed(Input::Tell { ask: Some(AskId(ask)), tell })
    }

    fn told(&mut self, tell: Tell) -> Vec<String> {
        self.feed(Input::Tell { ask: None, tell })
    }
}

fn id(text: &str) -> RequestKey {
    RequestKey::parse(text).unwrap()
}

#[test]
fn before_login_a_scan_wants_a_login() {
    let mut scanner = Scanner::new();
    assert_eq!(scanner.says(r#"{"type":"ping"}"#), ["pong"]);
    assert_eq!(scanner.says(SCAN), ["error AUTH_REQUIRED a"]);
    assert_eq!(scanner.says(r#"{"type":"create_context"}"#), ["error INVALID_REQUEST"]);
    scanner.now += 10_000;
    assert_eq!(scanner.feed(Input::Wake), ["error AUTH_REQUIRED", "close 4408 silent_before_login"]);
}

#[test]
fn a_wrong_key_is_refused_like_a_vendors() {
    let mut scanner = Scanner::new();
    scanner.says(r#"{"type":"pvs_hello","pvs_id":"lane","api_key":"dk_1"}"#);
    let done = Done::Authenticated(Err(Denied::Unknown));
    assert_eq!(
        scanner.feed(Input::Done { call: CallId(0), done }),
        ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]
    );
}

#[test]
fn an_open_context_is_shown_with_the_wall_clock_of_its_end() {
    let mut scanner = Scanner::ready();
    let request = Context::new(Kind::Entrance, &Choices::default()).bytes();
    let answer_by = Timestamp::from_millis(NOON + 30_000);
    let (operation, key) = (OPERATION, id("a"));
    let tell = Tell::Offer {
        operation,
        key: key.clone(),
        kind: "payment".into(),
        inquiry: false,
        from: "Harbour Bakery".into(),
        request,
        answer_by,
    };
    let mut out = Outbox::new();
    let now = Now { at: Timestamp::from_millis(NOON), wall: model::Wall::from_millis(NOON + 500) };
    scanner.machine.handle(now, Input::Tell { ask: None, tell }, &mut out);
    let [Output::Send { text, .. }] = &*out else { panic!("{out:?}") };
    let value: serde_json::Value = serde_json::from_slice(text).unwrap();
    assert_eq!(value["expires_at"], "2030-03-17T17:47:10.5Z");
    assert_eq!((&value["auth_type"], &value["vendor_name"]), (&"entrance".into(), &"Harbour Bakery".into()));
    assert!(value.get("amount").is_none());

    let request = model::Opaque::from_static(b"{\"v\":2}");
    let tell =
        Tell::Offer { operation, key, kind: "payment".into(), inquiry: false, from: "x".into(), request, answer_by };
    assert_eq!(scanner.told(tell), [""; 0], "what a later version wrote is not guessed at");
}

#[test]
fn what_was_scanned_is_said_of_its_context() {
    let mut scanner = Scanner::ready();
    let with = |outcome: &str| format!(r#"{{"type":"scan_result","context_id":"a","outcome":"{outcome}"}}"#);
    assert_eq!(scanner.says(SCAN), ["ask 1 answer a evidence"]);
    assert_eq!(scanner.says(&with("poor_quality")), ["ask 2 answer a note AUTH_BIOMETRIC_QUALITY"]);
    assert_eq!(scanner.says(&with("device_error")), ["ask 3 answer a note AUTH_DEVICE_ERROR"]);
    assert_eq!(scanner.says(&with("cancelled")), ["ask 4 answer a declined cancelled"]);
    assert_eq!(scanner.says(&with("captured")), ["error INVALID_REQUEST a"]);
    assert_eq!(scanner.says(&with("lost")), ["error INVALID_REQUEST a"]);
}

#[test]
fn a_palm_leaves_the_session_as_a_digest() {
    let mut scanner = Scanner::ready();
    let mut out = Outbox::new();
    scanner.machine.handle(Now::from_millis(NOON), Input::Frame(Frame::Text(SCAN)), &mut out);
    let [Output::Ask { ask: Ask::Answer(Answer { verdict: Verdict::Evidence(bytes), .. }), .. }] = &*out else {
        panic!("{out:?}")
    };
    let evidence = Evidence::read(bytes).unwrap();
    assert!(evidence.subject().unwrap().starts_with("template:"));
    assert!(!String::from_utf8(bytes.to_vec()).unwrap().contains("cGFsbQ"));
}

#[test]
fn every_scan_has_one_acknowledgement() {
    for (taken, status) in [
        (Taken::Ended(OutcomeKind::Completed), "matched"),
        (Taken::Ended(OutcomeKind::Declined), "rejected"),
        (Taken::Ended(OutcomeKind::Failed), "rejected"),
        (Taken::Again, "rescan"),
        (Taken::Noted, "rescan"),
        (Taken::Deciding, "rescan"),
        (Taken::Late(Some(OutcomeKind::Expired)), "late"),
        (Taken::Late(None), "late"),
        (Taken::NotYours, "late"),
    ] {
        let mut scanner = Scanner::ready();
        scanner.says(SCAN);
        let tell = Tell::Taken { operation: None, key: Some(id("a")), taken };
        assert_eq!(scanner.answer(1, tell), [format!("scan_ack a {status}")]);
    }
}

#[test]
fn a_context_that_ended_elsewhere_is_closed_here() {
    for (how, reason) in [
        (OutcomeKind::Completed, "completed"),
        (OutcomeKind::Declined, "failed"),
        (OutcomeKind::Failed, "failed"),
        (OutcomeKind::Expired, "expired"),
        (OutcomeKind::Cancelled, "cancelled"),
    ] {
        let tell = Tell::Withdrawn { operation: OPERATION, key: id("a"), how };
        assert_eq!(Scanner::ready().told(tell), [format!("context_closed a {reason}")]);
    }
}

#[test]
fn whoever_ends_the_session_is_named() {
    for (tell, told) in [
        (Tell::Displaced, ["error CONNECTION_REPLACED", "close 4409 displaced"]),
        (Tell::Revoked, ["error INVALID_CREDENTIALS", "close 4401 revoked"]),
        (Tell::Dismissed, ["error GOING_AWAY", "close 1013 closed_by_operator"]),
        (Tell::Reloaded, ["error INTERNAL_ERROR", "close 1013 reloaded"]),
    ] {
        assert_eq!(Scanner::ready().told(tell), told);
    }
    let drain = Input::Drain { retry_after: Duration::from_secs(2) };
    assert_eq!(Scanner::ready().feed(drain), ["error GOING_AWAY", "close 1001 drained"]);
}

#[test]
fn silence_noise_and_binary_end_it() {
    let mut scanner = Scanner::ready();
    scanner.now += 90_000;
    assert_eq!(scanner.feed(Input::Wake), ["close 4408 silent"]);
    let mut scanner = Scanner::ready();
    (0..9).for_each(|_| assert_eq!(scanner.says("?"), ["error INVALID_REQUEST"]));
    assert_eq!(scanner.says("?"), ["error INVALID_REQUEST", "close 1007 malformed"]);
    assert_eq!(Scanner::ready().feed(Input::Frame(Frame::Binary(b"x"))), ["close 1003 binary"]);
    let mut scanner = Scanner::ready();
    (1..2_000).for_each(|_| {
        scanner.feed(Input::Frame(Frame::Ping));
    });
    assert_eq!(scanner.feed(Input::Frame(Frame::Ping)), ["close 4429 too_much"], "control frames count");
}

#[test]
fn a_second_login_is_of_the_same_device() {
    let mut scanner = Scanner::ready();
    assert_eq!(scanner.says(LOGIN), ["call 1 performer lane dk_1"]);
    let done = Done::Authenticated(Ok(principal()));
    assert_eq!(scanner.feed(Input::Done { call: CallId(1), done }), ["authenticated"]);
    let other = LOGIN.replace("lane", "till");
    assert_eq!(scanner.says(&other), ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]);
    assert_eq!(scanner.machine.leave().len(), 1);
    assert_eq!(scanner.machine.leave(), []);
}
