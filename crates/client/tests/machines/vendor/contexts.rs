//! Contexts: how they go out, what settles them, and that it happens once.

use super::*;

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
