//! One input, the complete list of outputs. What several peers see together stands in `spec/`.

use model::{Certainty, Epoch, GroupId, NetworkId, OperationId, Outcome, Partition, PrincipalId, Request};

use super::*;
use crate::boop::codes::Finding;
use crate::boop::findings::Refused;

const NOON: u64 = 1_900_000_000_000;

struct Vendor {
    machine: Requester,
    now: u64,
}

fn principal(id: &str, permissions: Permissions) -> Arc<Principal> {
    let group = GroupId::parse("ven_1").unwrap();
    Arc::new(Principal {
        id: PrincipalId::parse(id).unwrap(),
        dialect: Dialect::Boop,
        network: NetworkId::parse("main").unwrap(),
        partition: Partition::of(&group),
        group,
        role: Role::Requester,
        device: None,
        credential: model::CredentialId::parse("key").unwrap(),
        name: "Harbour Bakery".into(),
        permissions,
    })
}

/// An output as a line. An `error` is shown by its code, its context and its hint.
fn line(output: &Output) -> String {
    match output {
        Output::Send { text, class: Class::Answer } => {
            let value: serde_json::Value = serde_json::from_slice(text).unwrap();
            match (value["type"].as_str().unwrap(), &value["code"]) {
                ("error", code) => {
                    assert_eq!(value["error"], value["message"]);
                    let about = value["context_id"].as_str().map(|id| format!(" {id}")).unwrap_or_default();
                    assert_eq!(value["context_id"], value["details"]["context_id"]);
                    let hint = value["details"]["retry_after"].as_u64();
                    let hint = hint.map(|hint| format!(" after {hint}")).unwrap_or_default();
                    format!("error {}{about}{hint}", code.as_str().unwrap())
                }
                ("auth_result", _) => format!("auth_result {} {}", value["context_id"], value["result"]["success"]),
                (kind, _) => kind.to_owned(),
            }
        }
        Output::Close { code, reason } => format!("close {} {reason}", code.0),
        Output::Ask { id, ask: Ask::Admit(admit) } => {
            format!("ask {} admit {} {:?}", id.0, admit.single.as_deref().unwrap_or_default(), admit.takeover)
        }
        Output::Ask { id, ask: Ask::Submit(submit) } => {
            format!("ask {} {} {} {:?}", id.0, submit.kind, submit.key, submit.target)
        }
        Output::Ask { id, ask: Ask::Cancel { key } } => format!("ask {} cancel {key}", id.0),
        Output::Call { id, call: Call::Authenticate { role: Some(role), subject, secret, .. } } => {
            format!("call {} {role} {} {}", id.0, subject.as_deref().unwrap_or_default(), secret.reveal())
        }
        other => format!("{other:?}"),
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

impl Vendor {
    fn new(choices: Choices) -> Self {
        let now = Now::from_millis(NOON);
        let mut vendor = Self { machine: Requester::new(&Arc::new(choices), now), now: NOON };
        let request = request();
        assert_eq!(vendor.feed(Input::Open(&request)), ["Accept", "Limit(4096)"]);
        vendor
    }

    fn ready(choices: Choices, permissions: Permissions) -> Self {
        let mut vendor = Self::new(choices);
        assert_eq!(vendor.says(LOGIN), ["call 0 requester ven_1 sk_1"]);
        assert!(vendor.machine.is_logging_in());
        assert_eq!(vendor.done(0, Ok(principal("ven_1", permissions))), ["ask 0 admit vendor:ven_1 NewestWins"]);
        assert!(vendor.machine.is_logging_in());
        let windows = vec![contexts(&vendor.machine.choices), Manners::wanted(&vendor.machine.choices)];
        assert_eq!(vendor.answer(0, admitted(windows)), ["authenticated", "Limit(65536)"]);
        assert!(!vendor.machine.is_logging_in());
        vendor
    }

    fn feed(&mut self, input: Input<'_>) -> Vec<String> {
        let mut out = Outbox::new();
        self.machine.handle(Now::from_millis(self.now), input, &mut out);
        out.iter().map(line).collect()
    }

    fn says(&mut self, text: &str) -> Vec<String> {
        self.feed(Input::Frame(Frame::Text(text)))
    }

    fn done(&mut self, call: u32, result: Result<Arc<Principal>, Denied>) -> Vec<String> {
        self.feed(Input::Done { call: CallId(call), done: Done::Authenticated(result) })
    }

    fn answer(&mut self, ask: u32, tell: Tell) -> Vec<String> {
        self.feed(Input::Tell { ask: Some(AskId(ask)), tell })
    }

    fn told(&mut self, tell: Tell) -> Vec<String> {
        self.feed(Input::Tell { ask: None, tell })
    }

    /// Creates contexts until one is not asked for; says how many were, and what was said instead.
    fn creates(&mut self, from: u32) -> (u32, Vec<String>) {
        for n in from.. {
            let text =
                format!(r#"{{"type":"create_context","context_id":"c{n}","requirements":{{"type":"entrance"}}}}"#);
            let said = self.says(&text);
            if !said[0].starts_with("ask") {
                return (n - from, said);
            }
        }
        unreachable!("contexts are limited")
    }
}

fn admitted(windows: Vec<Window>) -> Tell {
    Tell::Admitted { epoch: Epoch::default(), windows, owed: 0 }
}

fn id(text: &str) -> RequestKey {
    RequestKey::parse(text).unwrap()
}

const LOGIN: &str = r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_1"}"#;
const PING: &str = r#"{"type":"ping"}"#;
const CREATE: &str = r#"{"type":"create_context","context_id":"a","requirements":{"type":"payment","amount":5}}"#;
const CANCEL: &str = r#"{"type":"cancel_context","context_id":"a"}"#;
const OPERATION: OperationId = OperationId::from_number(7);

#[test]
fn before_login_a_ping_is_answered_and_everything_else_wants_a_login() {
    let mut vendor = Vendor::new(Choices::default());
    assert_eq!(vendor.says(PING), ["pong"]);
    assert_eq!(vendor.says(CREATE), ["error AUTH_REQUIRED a"]);
    assert_eq!(vendor.says(CANCEL), ["error AUTH_REQUIRED a"]);
    assert_eq!(vendor.says(r#"{"type":"create_context"}"#), ["error AUTH_REQUIRED"]);
    assert_eq!(vendor.says(r#"{"type":"vendor_hello","vendor_id":"v"}"#), ["error INVALID_REQUEST"]);
    assert_eq!(vendor.says("nonsense"), ["error INVALID_REQUEST"]);
    assert_eq!(vendor.says(r#"{"type":"authenticate"}"#), ["error INVALID_REQUEST"]);
    assert_eq!(vendor.machine.leave(), []);
}

#[test]
fn pings_do_not_put_off_the_login() {
    let mut vendor = Vendor::new(Choices::default());
    vendor.now += 9_999;
    assert_eq!(vendor.says(PING), ["pong"]);
    assert_eq!(vendor.feed(Input::Wake), [""; 0]);
    vendor.now += 1;
    assert_eq!(vendor.machine.deadline(), Some(Timestamp::from_millis(vendor.now)));
    assert_eq!(vendor.feed(Input::Wake), ["error AUTH_REQUIRED", "close 4408 silent_before_login"]);
    assert_eq!(vendor.machine.deadline(), None);
    assert_eq!(vendor.says(PING), [""; 0]);
}

#[test]
fn every_refused_login_has_its_close() {
    let wait = Duration::from_millis(2_500);
    for (denied, told) in [
        (Denied::Unknown, ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]),
        (Denied::Expired, ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]),
        (Denied::Revoked, ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]),
        (Denied::WrongRole, ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]),
        (Denied::Throttled(wait), ["error VENDOR_RATE_LIMIT after 3", "close 4429 too_much"]),
    ] {
        let mut vendor = Vendor::new(Choices::default());
        vendor.says(LOGIN);
        assert_eq!(vendor.done(0, Err(denied)), told);
    }
    for (why, told) in [
        (NotAdmitted::Damped(wait), ["error VENDOR_RATE_LIMIT after 3", "close 4429 damped"]),
        (NotAdmitted::Occupied, ["error CONNECTION_REPLACED", "close 4409 displaced"]),
    ] {
        let mut vendor = Vendor::new(Choices { reject_new: true, ..Choices::default() });
        vendor.says(LOGIN);
        let asked = vendor.done(0, Ok(principal("ven_1", Permissions::All)));
        assert_eq!(asked, ["ask 0 admit vendor:ven_1 IncumbentStays"]);
        assert_eq!(vendor.answer(0, Tell::NotAdmitted(why)), told);
    }
}

#[test]
fn when_we_do_not_answer_a_login_in_time_it_is_our_fault() {
    let mut vendor = Vendor::new(Choices::default());
    vendor.now += 9_000;
    vendor.says(LOGIN);
    vendor.now += 9_000;
    assert_eq!(vendor.feed(Input::Wake), [""; 0]);
    vendor.now += 1_000;
    assert_eq!(vendor.feed(Input::Wake), ["error INTERNAL_ERROR after 1", "close 1013 fault"]);
}

#[test]
fn a_second_login_is_proven_again() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    assert_eq!(vendor.says(LOGIN), ["call 1 requester ven_1 sk_1"]);
    assert!(vendor.machine.is_logging_in());
    assert_eq!(vendor.done(0, Err(Denied::Unknown)), [""; 0], "an old call answers nothing");
    let outcome = Outcome::Cancelled { certainty: Certainty::Unknown };
    let tell = Tell::Outcome {
        operation: OPERATION,
        key: id("a"),
        kind: "payment".into(),
        target: model::Target::AnyOfGroup,
        memo: model::Opaque::new(),
        outcome,
        at: Timestamp::from_millis(NOON),
    };
    assert_eq!(vendor.told(tell), ["auth_result \"a\" false"], "results do not wait");
    assert_eq!(vendor.done(1, Ok(principal("ven_1", Permissions::All))), ["authenticated"]);
    assert!(!vendor.machine.is_logging_in());
    assert_eq!(vendor.says(LOGIN), ["call 2 requester ven_1 sk_1"]);
    assert_eq!(vendor.done(2, Err(Denied::Unknown)), ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"]);
}

#[test]
fn a_login_of_another_vendor_on_the_same_socket_ends_it() {
    let ended = ["error INVALID_CREDENTIALS", "close 4401 not_authenticated"];
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    assert_eq!(vendor.says(&LOGIN.replace("ven_1", "ven_2")), ended);
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    vendor.says(LOGIN);
    assert_eq!(vendor.done(1, Ok(principal("ven_2", Permissions::All))), ended);
}

#[test]
fn a_context_is_asked_for_with_everything_it_takes() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    let mut out = Outbox::new();
    vendor.machine.handle(Now::from_millis(NOON + 5), Input::Frame(Frame::Text(CREATE)), &mut out);
    let [Output::Ask { id: AskId(1), ask: Ask::Submit(submit) }] = &*out else { panic!("{out:?}") };
    assert_eq!((submit.key.as_str(), &*submit.kind, &submit.target), ("a", "payment", &Target::AnyOfGroup));
    assert_eq!((submit.deliver_by, submit.answer_by), (None, Timestamp::from_millis(NOON + 30_005)));
    assert_eq!(submit.body, Digest::of(&submit.request));
    let context = Context::read(&submit.request).unwrap();
    assert_eq!((context.kind, context.money().unwrap().minor), (Kind::Payment, 5));
    assert_eq!(Memo::read(&submit.memo), Form::Primary);
    assert_eq!(vendor.answer(1, Tell::Accepted { operation: OPERATION, key: id("a") }), [""; 0]);
    let at = r#"{"type":"create_context","context_id":"b","requirements":{"type":"membership","terminal_id":"t2"}}"#;
    assert_eq!(vendor.says(at), ["ask 2 membership b Device(\"t2\")"]);
}

#[test]
fn a_vendor_may_only_what_it_may() {
    let only = Permissions::Only(["kind:entrance".into(), "attribute:email".into()].into());
    let mut vendor = Vendor::ready(Choices::default(), only);
    assert_eq!(vendor.says(CREATE), ["error VENDOR_PERMISSION_DENIED a"]);
    let with = |keys: &str| {
        format!(r#"{{"type":"create_context","context_id":"a","requirements":{{"type":"entrance",{keys}}}}}"#)
    };
    assert_eq!(vendor.says(&with(r#""attributes":["email","phone"]"#)), ["error VENDOR_ATTRIBUTE_DENIED a"]);
    assert_eq!(vendor.says(&with(r#""attributes_optional":["phone"]"#)), ["error VENDOR_ATTRIBUTE_DENIED a"]);
    assert_eq!(vendor.says(&with(r#""minimum_age":16"#)), ["error VENDOR_ATTRIBUTE_DENIED a"]);
    assert_eq!(vendor.says(&with(r#""attributes":["email"]"#)), ["ask 1 entrance a AnyOfGroup"]);
}

#[test]
fn a_hundred_contexts_a_minute_and_refused_ones_do_not_count() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    let (asked, said) = vendor.creates(0);
    assert_eq!((asked, said), (100, vec!["error VENDOR_RATE_LIMIT c100 after 60".to_owned()]));
    for (ask, why) in [(1, Refusal::Duplicate), (2, Refusal::Full)] {
        let told = vendor.answer(ask, Tell::Refused { key: id("x"), why });
        assert!(told[0].starts_with("error"), "{told:?}");
    }
    assert_eq!(vendor.creates(200).0, 2);
    let bad = CREATE.replace("\"amount\":5", "\"amount\":0");
    assert_eq!(vendor.says(&bad), ["error INVALID_REQUEST a"]);
    vendor.now += 60_000;
    assert_eq!(vendor.creates(300).0, 100);
}

#[test]
fn what_was_lent_comes_back_with_its_history() {
    let mut first = Vendor::ready(Choices::default(), Permissions::All);
    assert_eq!(first.creates(0).0, 100);
    let mut windows = first.machine.leave();
    let names: Vec<_> = windows.iter().map(Window::name).collect();
    assert_eq!(names, ["contexts", "frames"]);
    assert_eq!(windows[0].count(Timestamp::from_millis(NOON)), 100);
    assert_eq!(windows[1].count(Timestamp::from_millis(NOON)), 102, "the login, and the refused one");
    assert_eq!(first.machine.leave(), [], "only once");

    let mut second = Vendor::new(Choices::default());
    second.says(LOGIN);
    second.done(0, Ok(principal("ven_1", Permissions::All)));
    second.answer(0, admitted(windows));
    assert_eq!(second.creates(0).0, 0);
    let mut back = second.machine.leave();
    assert_eq!(back[1].count(Timestamp::from_millis(NOON)), 104);
}

#[test]
fn what_comes_too_late_to_be_lent_is_handed_back() {
    let mut vendor = Vendor::new(Choices::default());
    vendor.says(LOGIN);
    vendor.done(0, Ok(principal("ven_1", Permissions::All)));
    let goodbye = vendor.feed(Input::Drain { retry_after: Duration::from_millis(4_200) });
    assert_eq!(goodbye, ["error GOING_AWAY after 5", "close 1001 drained"]);
    let mut used = contexts(&Choices::default());
    used.add(Timestamp::from_millis(NOON));
    assert_eq!(vendor.answer(0, admitted(vec![used.clone()])), [""; 0]);
    assert_eq!(vendor.machine.leave()[0], used);
}

#[test]
fn a_refusal_is_told_by_what_was_asked() {
    for (why, create, cancel) in [
        (Refusal::Duplicate, "INVALID_REQUEST", "AUTH_CONTEXT_NOT_FOUND"),
        (Refusal::Conflict, "INVALID_REQUEST", "AUTH_CONTEXT_NOT_FOUND"),
        (Refusal::NotFound, "AUTH_CONTEXT_NOT_FOUND", "AUTH_CONTEXT_NOT_FOUND"),
        (Refusal::Absent, "AUTH_DEVICE_ERROR", "AUTH_CONTEXT_NOT_FOUND"),
        (Refusal::Busy, "VENDOR_RATE_LIMIT", "VENDOR_RATE_LIMIT"),
        (Refusal::Full, "VENDOR_RATE_LIMIT", "VENDOR_RATE_LIMIT"),
    ] {
        let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
        assert_eq!(vendor.says(CREATE), ["ask 1 payment a AnyOfGroup"]);
        assert_eq!(vendor.says(CANCEL), ["ask 2 cancel a"]);
        assert_eq!(vendor.answer(2, Tell::Refused { key: id("a"), why }), [format!("error {cancel} a")]);
        assert_eq!(vendor.answer(1, Tell::Refused { key: id("a"), why }), [format!("error {create} a")]);
        assert_eq!(vendor.answer(1, Tell::Refused { key: id("a"), why }), [""; 0], "only once");
    }
}

#[test]
fn what_comes_of_a_context_is_told() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    let (operation, key, memo) = (OPERATION, id("a"), Memo::bytes(Form::Primary));
    for code in [Code::AuthBiometricQuality, Code::AuthDeviceError, Code::AuthFailed] {
        let tell = Tell::Progress { operation, key: key.clone(), memo: memo.clone(), note: Note::bytes(code) };
        assert_eq!(vendor.told(tell), [format!("error {} a", code.name())]);
    }
    let mut outcome = |outcome| {
        let (key, kind, memo) = (key.clone(), "payment".into(), memo.clone());
        let (target, at) = (model::Target::AnyOfGroup, Timestamp::from_millis(NOON));
        vendor.told(Tell::Outcome { operation, key, kind, target, memo, outcome, at })
    };
    let certainty = Certainty::NotDelivered;
    assert_eq!(outcome(Outcome::Expired { certainty }), ["error AUTH_CONTEXT_EXPIRED a"]);
    assert_eq!(outcome(Outcome::Cancelled { certainty }), ["auth_result \"a\" false"]);
    let body = Refused::found(Finding::UserNotFound).bytes();
    assert_eq!(outcome(Outcome::Declined { body }), ["auth_result \"a\" false"]);
    assert_eq!(vendor.told(Tell::Cancelling { key: id("a") }), [""; 0]);
}

#[test]
fn whoever_ends_the_session_is_named() {
    for (tell, told) in [
        (Tell::Displaced, ["error CONNECTION_REPLACED", "close 4409 displaced"]),
        (Tell::Revoked, ["error INVALID_CREDENTIALS", "close 4401 revoked"]),
        (Tell::Dismissed, ["error GOING_AWAY after 1", "close 1013 closed_by_operator"]),
        (Tell::Reloaded, ["error INTERNAL_ERROR after 1", "close 1013 reloaded"]),
    ] {
        let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
        assert_eq!(vendor.told(tell.clone()), told);
        assert_eq!(vendor.told(tell), [""; 0], "nothing after the close");
    }
}

#[test]
fn ninety_seconds_without_a_frame_end_it_and_control_frames_count() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    vendor.now += 89_999;
    assert_eq!(vendor.feed(Input::Frame(Frame::Ping)), [""; 0]);
    vendor.now += 89_999;
    assert_eq!(vendor.feed(Input::Wake), [""; 0]);
    vendor.now += 1;
    assert_eq!(vendor.feed(Input::Wake), ["close 4408 silent"]);
}

#[test]
fn ten_frames_in_a_row_that_are_no_message_end_it() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    for _ in 0..3 {
        for _ in 0..9 {
            assert_eq!(vendor.says("{}"), ["error INVALID_REQUEST"]);
        }
        let bad = CREATE.replace("\"amount\":5", "\"amount\":0");
        assert_eq!(vendor.says(&bad), ["error INVALID_REQUEST a"], "a message, though not a good one");
    }
    for _ in 0..9 {
        vendor.says("{\"type\":\"dance\"}");
    }
    assert_eq!(vendor.says("[]"), ["error INVALID_REQUEST", "close 1007 malformed"]);
}

#[test]
fn a_binary_frame_ends_it() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    assert_eq!(vendor.feed(Input::Frame(Frame::Binary(b"x"))), ["close 1003 binary"]);
}

#[test]
fn frames_beyond_a_thousand_are_not_read_and_beyond_two_thousand_end_it() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    for _ in 1..1_000 {
        assert_eq!(vendor.says(PING), ["pong"], "with the login, a thousand");
    }
    assert_eq!(vendor.says(PING), ["error VENDOR_RATE_LIMIT after 60"]);
    assert_eq!(vendor.says(CREATE), [""; 0]);
    vendor.now += 1_000;
    assert_eq!(vendor.says(LOGIN), ["error VENDOR_RATE_LIMIT after 59"]);
    for _ in 1_003..2_000 {
        assert_eq!(vendor.says("{"), [""; 0], "not even bad frames are read");
    }
    assert_eq!(vendor.says(PING), ["close 4429 too_much"]);
}

#[test]
fn forms_that_are_not_spoken_yet_say_so() {
    let mut vendor = Vendor::ready(Choices::default(), Permissions::All);
    for text in [
        r#"{"type":"create_auth_context","context_id":"a","auth_type":"payment","requirements":{}}"#,
        r#"{"type":"create_context","context_id":"a","context_type":"access","attributes":[]}"#,
    ] {
        assert_eq!(vendor.says(text), ["error INVALID_REQUEST a"]);
    }
}
