//! The connection: login, heartbeat, pauses, goodbye, and frames that are none of a context's.

use super::*;

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
        let ended = ended(&stage.lost(Lost::Rejected { status, problem: Problem::default() }));
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
fn one_connection_is_one_however_long_it_lasts() {
    let mut stage = logged_in(VendorConfig { preset: Preset::once(), ..config() });
    stage.now = stage.seconds_on(3_600);
    let lost = Lost::Broken("cable".to_owned());
    let given_up = Ended::GaveUp { attempts: 1, last: lost.clone() };
    assert_eq!(
        stage.lost(lost.clone()),
        [Output::Event(VendorEvent::Lost(lost)), Output::Event(VendorEvent::State(State::Closed(given_up))),]
    );
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
    let busy = Lost::Rejected {
        status: 503,
        problem: Problem { retry_after: Some(Duration::from_secs(40)), ..Problem::default() },
    };
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
