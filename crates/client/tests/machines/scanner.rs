//! The scanner's machine.

use std::time::Duration;

use client::boop::{
    Capture, CloseReason, ContextId, Failure, Sample, Scan, ScanStatus, Scanner, ScannerCommand, ScannerConfig,
    ScannerEvent,
};
use client::{Ended, Input, Lost, NotSent, Output, State};
use model::{Secret, Side, Timestamp};

use crate::stage::{Stage, closed, connecting, said};

const OFFER: &str = r#"{"type":"context_open","context_id":"a","auth_type":"payment","vendor_name":"Harbour Bakery","amount":1875,"currency":"USD","attributes_required":["email"],"attributes_optional":[],"expires_at":"2026-03-02T18:04:35Z"}"#;

fn scanner() -> Stage<Scanner> {
    let config = ScannerConfig::new("pvs_till2", Secret::new("dk_test_77c"));
    let mut stage = Stage::new(|now| Scanner::new(config, 7, now));
    assert_eq!(stage.wait(), [Output::Event(ScannerEvent::State(connecting())), Output::Connect]);
    let out = stage.input(Input::Opened);
    assert_eq!(said(&out[1..]), [r#"< {"type":"authenticate","device_id":"pvs_till2","device_key":"dk_test_77c"}"#]);
    let out = stage.hear(r#"{"type":"authenticated","device_id":"pvs_till2","vendor_id":"ven_1"}"#);
    assert_eq!(out, [Output::Event(ScannerEvent::State(State::Authenticated))]);
    stage
}

fn id(text: &str) -> ContextId {
    ContextId::parse(text).unwrap()
}

fn scan(name: &str, scan: Scan, send_by: Timestamp) -> ScannerCommand {
    ScannerCommand::Scan { context_id: id(name), scan, send_by }
}

fn settled(name: &str, result: Result<ScanStatus, Failure>) -> Output<ScannerEvent> {
    Output::Event(ScannerEvent::Settled { context_id: id(name), result })
}

#[test]
fn a_context_opens_a_palm_is_presented_and_the_word_about_it_settles_the_scan() {
    let mut stage = scanner();
    let out = stage.hear(OFFER);
    let [Output::Event(ScannerEvent::Opened(context))] = &out[..] else { panic!("{out:?}") };
    assert_eq!((context.vendor_name.as_str(), context.amount), ("Harbour Bakery", Some(1875)));
    assert_eq!(context.attributes_required, ["email"]);

    let out = stage.command(scan("a", Scan::test_user(Some("usr_8tk2"), Side::Left), stage.seconds_on(1)));
    assert_eq!(
        said(&out),
        [
            r#"< {"type":"scan_result","context_id":"a","outcome":"captured","test_user_id":"usr_8tk2","palm_side":"left","quality":93}"#
        ]
    );
    assert_eq!(
        stage.hear(r#"{"type":"scan_ack","context_id":"a","status":"matched"}"#),
        [settled("a", Ok(ScanStatus::Matched))]
    );
    assert_eq!(
        stage.hear(r#"{"type":"context_closed","context_id":"a","reason":"completed"}"#),
        [Output::Event(ScannerEvent::Closed { context_id: id("a"), reason: CloseReason::Completed })]
    );
}

#[test]
fn every_scan_is_written_as_the_protocol_has_it() {
    let template = Capture { sample: Sample::Template(Secret::new("cGFsbQ==")), side: Side::Right, quality: 88 };
    let table = [
        (
            Scan::test_user(None, Side::Right),
            r#""outcome":"captured","test_user_id":null,"palm_side":"right","quality":93"#,
        ),
        (Scan::Captured(template), r#""outcome":"captured","template":"cGFsbQ==","palm_side":"right","quality":88"#),
        (Scan::PoorQuality, r#""outcome":"poor_quality""#),
        (Scan::DeviceError, r#""outcome":"device_error""#),
        (Scan::Cancelled, r#""outcome":"cancelled""#),
    ];
    for (what, written) in table {
        let mut stage = scanner();
        let out = stage.command(scan("a", what, stage.seconds_on(1)));
        assert_eq!(said(&out), [format!(r#"< {{"type":"scan_result","context_id":"a",{written}}}"#)]);
    }
}

#[test]
fn a_scan_without_a_word_about_it_is_given_up_after_ten_seconds() {
    let mut stage = scanner();
    stage.command(scan("a", Scan::PoorQuality, stage.seconds_on(1)));
    let start = stage.now;
    assert_eq!(stage.wait(), [settled("a", Err(Failure::NoAnswer))]);
    assert_eq!(stage.now, start.after(Duration::from_secs(10)));
}

#[test]
fn a_scan_made_while_the_line_is_down_waits_for_the_next_login() {
    let mut stage = scanner();
    stage.lost(Lost::Broken("cable".to_owned()));
    assert_eq!(stage.command(scan("a", Scan::Cancelled, stage.seconds_on(30))), []);
    assert_eq!(stage.command(scan("b", Scan::Cancelled, stage.seconds_on(30))), []);
    stage.pass(Duration::from_secs(1));
    stage.input(Input::Opened);
    let out = stage.hear(r#"{"type":"authenticated"}"#);
    assert_eq!(out.len(), 3, "{out:?}");
    assert_eq!(
        stage.hear(r#"{"type":"scan_ack","context_id":"a","status":"late"}"#),
        [settled("a", Ok(ScanStatus::Late))]
    );
    assert_eq!(
        stage.lost(closed(4409, "displaced")),
        [
            Output::Event(ScannerEvent::Lost(closed(4409, "displaced"))),
            settled("b", Err(Failure::Closed)),
            Output::Event(ScannerEvent::State(State::Closed(Ended::Displaced))),
        ]
    );
    let out = stage.command(scan("c", Scan::Cancelled, stage.seconds_on(30)));
    assert_eq!(out, [settled("c", Err(NotSent::Closed.into()))]);
}

#[test]
fn an_error_about_a_scan_settles_it_and_other_errors_do_not() {
    let mut stage = scanner();
    stage.command(scan("a", Scan::PoorQuality, stage.seconds_on(1)));
    let out = stage.hear(r#"{"type":"error","error":"Invalid request","code":"INVALID_REQUEST","context_id":"b"}"#);
    assert!(matches!(&out[..], [Output::Event(ScannerEvent::Problem { .. })]), "{out:?}");
    let out = stage.hear(r#"{"type":"error","error":"Invalid request","code":"INVALID_REQUEST","context_id":"a"}"#);
    assert!(
        matches!(&out[..], [Output::Event(ScannerEvent::Settled { result: Err(Failure::Refused(_)), .. })]),
        "{out:?}"
    );
}

#[test]
fn bad_frames_are_counted_and_unknown_ones_handed_over() {
    let mut stage = scanner();
    for (count, frame) in
        (1..).zip(["{", r#"{"type":"context_open"}"#, r#"{"type":"scan_ack","context_id":"a","status":"hm"}"#])
    {
        assert_eq!(stage.hear(frame), [Output::Event(ScannerEvent::Malformed { count })]);
    }
    let frame = r#"{"type":"firmware"}"#;
    let unknown = ScannerEvent::Unknown { kind: "firmware".to_owned(), frame: frame.to_owned() };
    assert_eq!(stage.hear(frame), [Output::Event(unknown)]);
}
