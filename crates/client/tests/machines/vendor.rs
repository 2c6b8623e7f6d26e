//! The vendor's machine.

use std::time::Duration;

use client::boop::{
    AuthResult, ContextId, Declined, Failure, Requirements, Vendor, VendorCommand, VendorConfig, VendorEvent,
};
use client::{Ended, Input, Lost, Machine as _, NotSent, Output, Preset, Problem, State};
use model::{CloseCode, Secret, Timestamp};

use crate::stage::{Stage, closed, connecting, said};

const LOGIN: &str = r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_1"}"#;
const AUTHENTICATED: &str = r#"{"type":"authenticated","vendor_id":"ven_1"}"#;

fn config() -> VendorConfig {
    VendorConfig::new("ven_1", Secret::new("sk_1"))
}

fn vendor_with(config: VendorConfig) -> Stage<Vendor> {
    let mut stage = Stage::new(|now| Vendor::new(config, 7, now));
    let out = stage.wait();
    assert_eq!(out, [Output::Event(VendorEvent::State(connecting())), Output::Connect]);
    stage
}

fn open_with(config: VendorConfig) -> Stage<Vendor> {
    let mut stage = vendor_with(config);
    let out = stage.input(Input::Opened);
    assert_eq!(out[0], Output::Event(VendorEvent::State(State::Open)));
    assert_eq!(said(&out[1..]), [format!("< {LOGIN}")]);
    stage
}

/// A vendor that has logged in.
fn vendor() -> Stage<Vendor> {
    logged_in(config())
}

fn logged_in(config: VendorConfig) -> Stage<Vendor> {
    let mut stage = open_with(config);
    assert_eq!(stage.hear(AUTHENTICATED), [Output::Event(VendorEvent::State(State::Authenticated))]);
    stage
}

fn id(text: &str) -> ContextId {
    ContextId::parse(text).unwrap()
}

fn create(name: &str, send_by: Timestamp) -> VendorCommand {
    VendorCommand::Create { context_id: id(name), requirements: Requirements::entrance(), send_by }
}

fn sent(name: &str) -> String {
    format!(r#"< {{"type":"create_context","context_id":"{name}","requirements":{{"type":"entrance"}}}}"#)
}

fn settled(name: &str, result: Result<AuthResult, Failure>) -> Output<VendorEvent> {
    Output::Event(VendorEvent::Settled { context_id: id(name), result })
}

fn is_success(out: &[Output<VendorEvent>], name: &str) {
    let [Output::Event(VendorEvent::Settled { context_id, result: Ok(AuthResult::Matched(who)) })] = out else {
        panic!("{out:?}");
    };
    assert_eq!(context_id, &id(name));
    assert_eq!(who.user_id.as_deref(), Some("usr_8tk2"));
}

fn success(name: &str) -> String {
    format!(r#"{{"type":"auth_result","context_id":"{name}","result":{{"success":true,"user_id":"usr_8tk2"}}}}"#)
}

fn open_context(stage: &mut Stage<Vendor>, name: &str) {
    let out = stage.command(create(name, stage.seconds_on(30)));
    assert_eq!(said(&out), [sent(name)]);
}

/// Loses the connection and gets the next one, not logged in yet.
fn reconnect(stage: &mut Stage<Vendor>) {
    stage.lost(Lost::Broken("cable".to_owned()));
    assert_eq!(stage.wait(), [Output::Connect]);
    stage.input(Input::Opened);
}

#[test]
fn a_context_is_settled_by_its_result_and_only_once() {
    let mut stage = vendor();
    open_context(&mut stage, "a");
    is_success(&stage.hear(&success("a")), "a");

    let again = stage.hear(&success("a"));
    assert!(matches!(&again[..], [Output::Event(VendorEvent::Unclaimed { .. })]), "{again:?}");
}

#[test]
fn a_payment_goes_out_as_the_vendors_page_writes_it() {
    let mut stage = vendor();
    let bread = model::Money { minor: 2500, currency: model::Currency::USD };
    let requirements = Requirements::payment(bread).attributes(["email"]);
    let send_by = stage.seconds_on(1);
    let out = stage.command(VendorCommand::Create { context_id: id("a"), requirements, send_by });
    let frame = r#"{"type":"create_context","context_id":"a","requirements":{"amount":2500,"attributes":["email"],"type":"payment"}}"#;
    assert_eq!(said(&out), [format!("< {frame}")]);
}

#[test]
fn every_form_of_an_outcome_is_read() {
    let declined = |code: Option<&str>, problem: Option<&str>, text: &str, missing: &[&str]| {
        Ok(AuthResult::Declined(Declined {
            code: code.map(str::to_owned),
            problem: Problem {
                code: problem.map(str::to_owned),
                text: text.to_owned(),
                retry_allowed: false,
                retry_after: None,
            },
            missing_attributes: missing.iter().map(|name| (*name).to_owned()).collect(),
        }))
    };
    let table = [
        (
            r#"{"type":"auth_result","context_id":"a","result":{"success":false,"code":"user-not-found","error":{"code":"AUTH_USER_NOT_FOUND","message":"User not found"}}}"#,
            declined(Some("user-not-found"), Some("AUTH_USER_NOT_FOUND"), "User not found", &[]),
        ),
        (
            r#"{"type":"auth_result","context_id":"a","result":{"success":false,"code":"user-missing-attributes","missing_attributes":["email"]}}"#,
            declined(Some("user-missing-attributes"), Some("user-missing-attributes"), "", &["email"]),
        ),
        (
            r#"{"type":"auth_result","context_id":"a","success":false,"error":{"code":"AUTH_TIMEOUT","message":"Authentication timeout"}}"#,
            declined(None, Some("AUTH_TIMEOUT"), "Authentication timeout", &[]),
        ),
        (
            r#"{"type":"auth_result","context_id":"a","success":false,"result":null,"error":"no"}"#,
            declined(None, None, "no", &[]),
        ),
        (
            r#"{"type":"authentication_failed","context_id":"a","reason":"insufficient-balance"}"#,
            declined(Some("insufficient-balance"), Some("insufficient-balance"), "", &[]),
        ),
        (r#"{"type":"context_expired","context_id":"a"}"#, Err(Failure::Expired)),
        (r#"{"type":"error","error":"Context expired","context_id":"a"}"#, Err(Failure::Expired)),
        (
            r#"{"type":"error","message":"too late","code":"AUTH_CONTEXT_EXPIRED","details":{"context_id":"a"}}"#,
            Err(Failure::Expired),
        ),
        (
            r#"{"type":"error","code":"VENDOR_ATTRIBUTE_DENIED","message":"no email","details":{"context_id":"a","retry_allowed":false}}"#,
            Err(Failure::Refused(Problem {
                code: Some("VENDOR_ATTRIBUTE_DENIED".to_owned()),
                text: "no email".to_owned(),
                ..Problem::default()
            })),
        ),
        (
            r#"{"type":"error","error":{"code":"X","message":"deep"},"context_id":"a"}"#,
            Err(Failure::Refused(Problem {
                code: Some("X".to_owned()),
                text: "deep".to_owned(),
                ..Problem::default()
            })),
        ),
    ];
    for (frame, result) in table {
        let mut stage = vendor();
        open_context(&mut stage, "a");
        assert_eq!(stage.hear(frame), [settled("a", result)], "{frame}");
    }
    for frame in [
        r#"{"type":"auth_result","context_id":"a","success":true,"user_id":"usr_8tk2","attributes":{"email":"ida@sample.test"}}"#,
        r#"{"type":"authentication_success","context_id":"a","user_id":"usr_8tk2","attributes":{}}"#,
    ] {
        let mut stage = vendor();
        open_context(&mut stage, "a");
        is_success(&stage.hear(frame), "a");
    }
}

#[test]
fn a_poor_scan_is_progress_and_the_context_goes_on() {
    let mut stage = vendor();
    open_context(&mut stage, "a");
    let poor = r#"{"type":"error","code":"AUTH_BIOMETRIC_QUALITY","error":"Scan quality too low","context_id":"a","details":{"retry_allowed":true}}"#;
    let out = stage.hear(poor);
    assert!(matches!(&out[..], [Output::Event(VendorEvent::Progress { .. })]), "{out:?}");
    is_success(&stage.hear(&success("a")), "a");
}

#[test]
fn a_rate_limit_ends_a_context_unless_it_may_answer_the_cancel() {
    let limit = r#"{"type":"error","code":"VENDOR_RATE_LIMIT","error":"Too many","context_id":"a","details":{"retry_allowed":true}}"#;
    let mut stage = vendor();
    open_context(&mut stage, "a");
    let out = stage.hear(limit);
    assert!(
        matches!(&out[..], [Output::Event(VendorEvent::Settled { result: Err(Failure::Refused(_)), .. })]),
        "{out:?}"
    );

    let mut stage = vendor();
    open_context(&mut stage, "a");
    let out = stage.command(VendorCommand::Cancel { context_id: id("a") });
    assert_eq!(said(&out), [r#"< {"type":"cancel_context","context_id":"a"}"#]);
    let out = stage.hear(limit);
    assert!(matches!(&out[..], [Output::Event(VendorEvent::Progress { .. })]), "{out:?}");
    is_success(&stage.hear(&success("a")), "a");
}

#[test]
fn our_own_timer_ends_a_context_five_seconds_after_its_life() {
    let mut stage = vendor();
    open_context(&mut stage, "a");
    let made = stage.now;
    assert_eq!(said(&stage.wait()), [r#"< {"type":"ping"}"#]);
    stage.hear(r#"{"type":"pong"}"#);
    assert_eq!(stage.wait(), [settled("a", Err(Failure::NoAnswer))]);
    assert_eq!(stage.now, made.after(Duration::from_secs(35)));
    assert!(!Failure::NoAnswer.is_safe_to_retry());
}

#[test]
fn a_context_asked_for_early_is_sent_after_the_login_and_its_life_begins_there() {
    let mut stage = vendor_with(config());
    assert_eq!(stage.command(create("a", stage.seconds_on(30))), []);
    stage.input(Input::Opened);
    assert_eq!(stage.command(create("b", stage.seconds_on(30))), []);
    stage.pass(Duration::from_secs(9));
    let out = stage.hear(AUTHENTICATED);
    assert_eq!(out[0], Output::Event(VendorEvent::State(State::Authenticated)));
    assert_eq!(said(&out[1..]), [sent("a"), sent("b")]);
    let expired = stage.seconds_on(35);
    stage.pass(Duration::from_secs(30));
    stage.hear(r#"{"type":"pong"}"#);
    let out = stage.wait();
    assert_eq!(out, [settled("a", Err(Failure::NoAnswer)), settled("b", Err(Failure::NoAnswer))]);
    assert_eq!(stage.now, expired);
}

#[test]
fn an_expired_request_is_never_sent() {
    let mut stage = vendor_with(config());
    stage.command(create("a", stage.seconds_on(5)));
    stage.command(create("b", stage.seconds_on(8)));
    stage.input(Input::Opened);
    // The login is answered in the very instant in which one of them expires.
    stage.now = stage.seconds_on(5);
    let out = stage.hear(AUTHENTICATED);
    assert_eq!(out[0], settled("a", Err(NotSent::Expired.into())));
    assert_eq!(out[1], Output::Event(VendorEvent::State(State::Authenticated)));
    assert_eq!(said(&out[2..]), [sent("b")]);

    let mut stage = vendor();
    let out = stage.command(create("c", stage.now));
    assert_eq!(out, [settled("c", Err(NotSent::Expired.into()))]);
}

#[test]
fn what_waits_for_a_login_is_bounded() {
    let preset = Preset { queue_messages: 2, ..Preset::default() };
    let mut stage = vendor_with(VendorConfig { preset, ..config() });
    let send_by = stage.seconds_on(30);
    assert_eq!(stage.command(create("a", send_by)), []);
    assert_eq!(stage.command(create("b", send_by)), []);
    assert_eq!(stage.command(create("c", send_by)), [settled("c", Err(NotSent::Full.into()))]);
}

#[test]
fn a_request_too_long_to_be_taken_is_not_sent() {
    let mut stage = vendor();
    let requirements = Requirements::entrance().with("note", "x".repeat(70_000));
    let send_by = stage.seconds_on(1);
    let out = stage.command(VendorCommand::Create { context_id: id("a"), requirements, send_by });
    assert!(
        matches!(
            &out[..],
            [Output::Event(VendorEvent::Settled { result: Err(Failure::NotSent(NotSent::TooBig { .. })), .. })]
        ),
        "{out:?}"
    );
}

#[test]
fn a_context_taken_back_before_the_login_is_never_sent() {
    let mut stage = vendor_with(config());
    stage.command(create("a", stage.seconds_on(30)));
    let out = stage.command(VendorCommand::Cancel { context_id: id("a") });
    assert_eq!(out, [settled("a", Err(NotSent::Cancelled.into()))]);
    stage.input(Input::Opened);
    assert_eq!(stage.hear(AUTHENTICATED), [Output::Event(VendorEvent::State(State::Authenticated))]);
}

#[test]
fn a_written_context_stays_open_across_a_reconnect_and_is_not_sent_again() {
    let mut stage = vendor();
    open_context(&mut stage, "a");
    reconnect(&mut stage);
    assert_eq!(stage.command(create("b", stage.seconds_on(30))), []);
    let out = stage.hear(AUTHENTICATED);
    assert_eq!(said(&out[1..]), [sent("b")], "only what was never written");
    is_success(&stage.hear(&success("a")), "a");
}

#[test]
fn an_answer_to_what_was_never_written_is_nobodys() {
    let mut stage = vendor_with(config());
    stage.command(create("a", stage.seconds_on(30)));
    stage.input(Input::Opened);
    let out = stage.hear(&success("a"));
    assert!(matches!(&out[..], [Output::Event(VendorEvent::Unclaimed { .. })]), "{out:?}");
    assert_eq!(said(&stage.hear(AUTHENTICATED)[1..]), [sent("a")]);
    is_success(&stage.hear(&success("a")), "a");
}

#[test]
fn refused_credentials_end_the_attempts_and_fail_what_waits() {
    let error = r#"{"type":"error","error":"Authentication failed","code":"INVALID_CREDENTIALS"}"#;
    let problem = Problem {
        code: Some("INVALID_CREDENTIALS".to_owned()),
        text: "Authentication failed".to_owned(),
        ..Problem::default()
    };
    for frame in [
        error,
        r#"{"type":"vendor_hello_response","success":false,"error":"Authentication failed","code":"INVALID_CREDENTIALS"}"#,
    ] {
        let mut stage = open_with(config());
        stage.command(create("a", stage.seconds_on(30)));
        let out = stage.hear(frame);
        assert_eq!(out, [Output::Event(VendorEvent::State(State::Closing)), Output::Close(CloseCode::NORMAL)]);
        assert_eq!(
            stage.lost(closed(4401, "not_authenticated")),
            [
                settled("a", Err(NotSent::Closed.into())),
                Output::Event(VendorEvent::State(State::Closed(Ended::Refused(problem.clone())))),
            ]
        );
        assert_eq!(stage.machine.deadline(), None);
    }
}

#[test]
fn a_close_that_says_never_is_obeyed() {
    let ended = |out: &[Output<VendorEvent>]| match out.last() {
        Some(Output::Event(VendorEvent::State(State::Closed(ended)))) => ended.clone(),
        other => panic!("{other:?}"),
    };
    let mut stage = vendor();
    assert!(matches!(ended(&stage.lost(closed(4401, "revoked"))), Ended::Refused(_)));
    let mut stage = vendor();
    assert!(matches!(ended(&stage.lost(closed(4403, ""))), Ended::Forbidden(_)));
    let mut stage = vendor();
    open_context(&mut stage, "a");
    let out = stage.lost(closed(4409, "displaced"));
    assert_eq!(out[1], settled("a", Err(Failure::Closed)), "at once");
    assert_eq!(ended(&out), Ended::Displaced);
    for (status, refused) in [(401, true), (403, false)] {
        let mut stage = vendor_with(config());
        let ended = ended(&stage.lost(Lost::Rejected { status, retry_after: None }));
        assert_eq!(matches!(ended, Ended::Refused(_)), refused);
    }
}

#[test]
fn a_displaced_session_says_goodbye_and_stays_away() {
    let mut stage = vendor();
    let out = stage.hear(r#"{"type":"error","error":"replaced","code":"CONNECTION_REPLACED"}"#);
    assert_eq!(out, [Output::Event(VendorEvent::State(State::Closing)), Output::Close(CloseCode::NORMAL)]);
    let out = stage.lost(closed(4409, "displaced"));
    assert_eq!(out, [Output::Event(VendorEvent::State(State::Closed(Ended::Displaced)))]);
}

#[test]
fn a_silent_server_is_left_ten_seconds_after_a_ping() {
    let mut stage = vendor();
    let start = stage.now;
    assert_eq!(said(&stage.wait()), [r#"< {"type":"ping"}"#]);
    assert_eq!(stage.now, start.after(Duration::from_secs(30)));
    let out = stage.wait();
    assert_eq!(stage.now, start.after(Duration::from_secs(40)));
    assert_eq!(out[..2], [Output::Cut, Output::Event(VendorEvent::Lost(Lost::PingTimeout))]);
    let [Output::Event(VendorEvent::State(State::Connecting { attempt: 2, pause }))] = out[2..] else {
        panic!("{out:?}");
    };
    assert!(pause <= Duration::from_secs(1));
    assert_eq!(stage.wait(), [Output::Connect]);
}

#[test]
fn a_ping_goes_out_every_thirty_seconds_and_any_frame_answers_it() {
    let mut stage = vendor();
    let start = stage.now;
    for (turn, answer) in [(1, r#"{"type":"pong"}"#), (2, "not even JSON"), (3, r#"{"type":"news"}"#)] {
        assert_eq!(said(&stage.wait()), [r#"< {"type":"ping"}"#]);
        assert_eq!(stage.now, start.after(Duration::from_secs(30 * turn)));
        stage.now = stage.seconds_on(9);
        stage.hear(answer);
    }
}

#[test]
fn an_unanswered_login_and_an_endless_dial_are_cut_after_ten_seconds() {
    let mut stage = vendor_with(config());
    let start = stage.now;
    let out = stage.wait();
    assert_eq!(out[..2], [Output::Cut, Output::Event(VendorEvent::Lost(Lost::ConnectTimeout))]);
    assert_eq!(stage.now, start.after(Duration::from_secs(10)));

    let mut stage = open_with(config());
    let start = stage.now;
    let out = stage.wait();
    assert_eq!(out[..2], [Output::Cut, Output::Event(VendorEvent::Lost(Lost::LoginTimeout))]);
    assert_eq!(stage.now, start.after(Duration::from_secs(10)));
}

#[test]
fn pauses_grow_until_a_stable_session_and_not_after_a_short_one() {
    let attempt = |out: &[Output<VendorEvent>]| match out.last() {
        Some(Output::Event(VendorEvent::State(State::Connecting { attempt, .. }))) => *attempt,
        other => panic!("{other:?}"),
    };
    let mut stage = vendor_with(config());
    for failures in 1..=4 {
        let out = stage.lost(Lost::Unreachable("refused".to_owned()));
        assert_eq!(attempt(&out), failures + 1);
        assert_eq!(stage.wait(), [Output::Connect]);
    }
    stage.input(Input::Opened);
    stage.hear(AUTHENTICATED);
    stage.now = stage.seconds_on(5);
    assert_eq!(attempt(&stage.lost(closed(1011, ""))), 6, "a short session changes nothing");
    stage.wait();
    stage.input(Input::Opened);
    stage.hear(AUTHENTICATED);
    stage.now = stage.seconds_on(61);
    assert_eq!(attempt(&stage.lost(closed(1011, ""))), 1, "a stable session does");
    assert_eq!(stage.wait(), [Output::Connect]);
}

#[test]
fn a_server_that_asks_to_be_left_alone_is() {
    let pause = |out: &[Output<VendorEvent>]| match out.last() {
        Some(Output::Event(VendorEvent::State(State::Connecting { pause, .. }))) => *pause,
        other => panic!("{other:?}"),
    };
    let mut stage = vendor();
    stage.hear(
        r#"{"type":"error","error":"bye","code":"GOING_AWAY","details":{"retry_allowed":true,"retry_after":12}}"#,
    );
    stage.now = stage.seconds_on(2);
    assert_eq!(pause(&stage.lost(closed(1001, "drained"))), Duration::from_secs(10));

    let mut stage = vendor();
    assert_eq!(pause(&stage.lost(closed(1013, "retry_after=45"))), Duration::from_secs(45));

    let mut stage = vendor_with(config());
    let busy = Lost::Rejected { status: 503, retry_after: Some(Duration::from_secs(40)) };
    assert_eq!(pause(&stage.lost(busy)), Duration::from_secs(40));
}

#[test]
fn attempts_end_where_the_preset_says() {
    let preset = Preset { attempts_most: 3, ..Preset::default() };
    let mut stage = vendor_with(VendorConfig { preset, ..config() });
    stage.command(create("a", stage.seconds_on(300)));
    let lost = Lost::Unreachable("refused".to_owned());
    stage.lost(lost.clone());
    stage.wait();
    stage.lost(lost.clone());
    stage.wait();
    let given_up = Ended::GaveUp { attempts: 3, last: lost.clone() };
    assert_eq!(
        stage.lost(lost.clone()),
        [
            Output::Event(VendorEvent::Lost(lost)),
            settled("a", Err(NotSent::Closed.into())),
            Output::Event(VendorEvent::State(State::Closed(given_up))),
        ]
    );
    let out = stage.command(create("b", stage.seconds_on(30)));
    assert_eq!(out, [settled("b", Err(NotSent::Closed.into()))], "answered even now");
}

#[test]
fn closing_says_goodbye_waits_five_seconds_and_does_not_come_back() {
    let mut stage = vendor();
    open_context(&mut stage, "a");
    open_context(&mut stage, "b");
    let start = stage.now;
    let out = stage.input(Input::Close);
    assert_eq!(out, [Output::Event(VendorEvent::State(State::Closing)), Output::Close(CloseCode::NORMAL)]);
    is_success(&stage.hear(&success("a")), "a");
    assert_eq!(stage.command(create("c", stage.seconds_on(30))), [settled("c", Err(NotSent::Closed.into()))]);
    let over = [
        Output::Cut,
        settled("b", Err(Failure::Closed)),
        Output::Event(VendorEvent::State(State::Closed(Ended::Finished))),
    ];
    assert_eq!(stage.wait(), over);
    assert_eq!(stage.now, start.after(Duration::from_secs(5)));
    assert_eq!(stage.input(Input::Close), []);
    assert_eq!(stage.hear(&success("b")), []);
    assert_eq!(stage.machine.deadline(), None);
}

#[test]
fn closing_in_any_state_ends_it() {
    let finished = || Output::Event(VendorEvent::State(State::Closed(Ended::Finished)));
    let mut stage = Stage::new(|now| Vendor::new(config(), 7, now));
    assert_eq!(stage.input(Input::Close), [finished()]);

    let mut stage = vendor_with(config());
    assert_eq!(stage.input(Input::Close), [Output::Cut, finished()]);

    let mut stage = vendor_with(config());
    stage.lost(Lost::Unreachable("refused".to_owned()));
    assert_eq!(stage.input(Input::Close), [finished()]);

    let mut stage = open_with(config());
    stage.input(Input::Close);
    assert_eq!(stage.lost(closed(1000, "")), [finished()]);
}

#[test]
fn bad_frames_are_counted_and_unknown_ones_handed_over() {
    let mut stage = vendor();
    let bad = [
        "",
        "nonsense",
        "[]",
        "7",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"auth_result"}"#,
        r#"{"type":"auth_result","context_id":"a"}"#,
        r#"{"type":"auth_result","context_id":"","success":true}"#,
        r#"{"type":"error","context_id":7}"#,
        r#"{"type":"vendor_hello_response"}"#,
    ];
    for (count, frame) in (1..).zip(bad) {
        assert_eq!(stage.hear(frame), [Output::Event(VendorEvent::Malformed { count })], "{frame}");
    }
    for kind in ["context_created", "context_open", "scan_ack", "hologram"] {
        let frame = format!(r#"{{"type":"{kind}","context_id":"a","auth_type":"entrance","status":"late"}}"#);
        let unknown = VendorEvent::Unknown { kind: kind.to_owned(), frame: frame.clone() };
        assert_eq!(stage.hear(&frame), [Output::Event(unknown)]);
    }
    open_context(&mut stage, "a");
    is_success(&stage.hear(&success("a")), "a");
}

#[test]
fn debug_output_shows_no_secret() {
    let mut stage = vendor_with(config());
    let out = stage.input(Input::Opened);
    let shown = format!("{out:?} {:?}", stage.machine);
    assert!(!shown.contains("sk_1"), "{shown}");
}
