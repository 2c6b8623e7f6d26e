//! The till's machine: its payments, its list, and its connection.

use std::time::Duration;

use client::modulus::{Failure, Payment, PaymentRequest, Pos, PosCommand, PosConfig, PosEvent, Status, TransactionId};
use client::{Ended, Input, Lost, Machine as _, NotSent, Output, Problem, State};
use model::{CloseCode, Secret};

use crate::stage::{Stage, closed, connecting, said};

fn config() -> PosConfig {
    PosConfig::new(Secret::new("mk_1"))
}

fn dialing() -> Stage<Pos> {
    let mut stage = Stage::new(|now| Pos::new(config(), 7, now));
    assert_eq!(stage.wait(), [Output::Event(PosEvent::State(connecting())), Output::Connect]);
    stage
}

/// A till that is let in.
fn pos() -> Stage<Pos> {
    let mut stage = dialing();
    assert_eq!(stage.input(Input::Opened), [Output::Event(PosEvent::State(State::Authenticated))]);
    stage
}

fn id(text: &str) -> TransactionId {
    TransactionId::parse(text).unwrap()
}

fn pay(stage: &mut Stage<Pos>, name: &str) -> Vec<Output<PosEvent>> {
    let send_by = stage.seconds_on(30);
    stage.command(PosCommand::Pay {
        transaction_id: id(name),
        terminal_id: "lane-7".to_owned(),
        request: PaymentRequest::new("1250.00", "PHP"),
        send_by,
    })
}

fn asked(name: &str) -> String {
    format!(
        r#"< {{"action":"payment","terminalId":"lane-7","paymentRequest":{{"amount":"1250.00","currency":"PHP","paymentMethod":"CARD","transactionId":"{name}"}}}}"#
    )
}

fn complete(name: &str, status: &str) -> String {
    format!(
        r#"{{"action":"paymentComplete","terminalId":"lane-7","transactionId":"{name}","status":"{status}","paymentResponse":{{"transactionId":"{name}","status":"{status}","amount":"1250.00","currency":"PHP","paymentMethod":"CARD","authorizationCode":"77Q2LM"}},"timestamp":"2031-03-04T05:06:29.450Z","groupId":"store-1","version":"v1"}}"#
    )
}

fn error(title: &str, about: &str) -> String {
    format!(r#"{{"action":"error","error":"{title}","message":"m","statusCode":400{about}}}"#)
}

/// The two texts that the socket's one title for a conflict comes with.
const BUSY: &str = "Payment already in progress";
const DUPLICATE: &str = "Duplicate transactionId with different content";

/// A conflict about the payment `a`.
fn conflict(text: &str) -> String {
    error("Conflict", &about("a")).replace(r#""message":"m""#, &format!(r#""message":"{text}""#))
}

fn about(name: &str) -> String {
    format!(r#","requestAction":"payment","transactionId":"{name}""#)
}

#[track_caller]
fn outcome(out: &[Output<PosEvent>]) -> (&TransactionId, &Payment) {
    let [Output::Event(PosEvent::Settled { transaction_id, result: Ok(payment) })] = out else { panic!("{out:?}") };
    (transaction_id, payment)
}

#[track_caller]
fn failure(out: &[Output<PosEvent>]) -> (&str, &Failure) {
    let [Output::Event(PosEvent::Settled { transaction_id, result: Err(failure) })] = out else { panic!("{out:?}") };
    (transaction_id.as_str(), failure)
}

fn reconnect(stage: &mut Stage<Pos>) -> Vec<Output<PosEvent>> {
    stage.lost(Lost::Broken("cable".to_owned()));
    assert_eq!(stage.wait(), [Output::Connect]);
    stage.input(Input::Opened)
}

#[test]
fn a_payment_is_asked_for_and_settled_by_its_outcome() {
    for (word, status) in [("SUCCESS", Status::Success), ("FAILED", Status::Failed), ("CANCELLED", Status::Cancelled)] {
        let mut stage = pos();
        assert_eq!(said(&pay(&mut stage, "K-118")), [asked("K-118")]);
        let out = stage.hear(&complete("K-118", word));
        let (name, payment) = outcome(&out);
        assert_eq!((name.as_str(), payment.status), ("K-118", status));
        assert_eq!(payment.terminal_id.as_deref(), Some("lane-7"));
        let response = payment.response.as_ref().unwrap();
        assert_eq!((response.amount.as_deref(), response.status), (Some("1250.00"), status));
    }
}

#[test]
fn an_outcome_is_found_wherever_a_gateway_puts_it() {
    let result = r#"{"transactionId":"t","status":"SUCCESS","amount":1250.10}"#;
    let forms = [
        format!(r#"{{"action":"paymentComplete","paymentResponse":{result}}}"#),
        format!(r#"{{"action":"paymentComplete","response":{result}}}"#),
        format!(r#"{{"action":"paymentComplete","payment":{result},"extra":[1]}}"#),
        r#"{"action":"paymentComplete","transactionId":"t","status":"SUCCESS","amount":1250.10}"#.to_owned(),
    ];
    for form in forms {
        let mut stage = pos();
        pay(&mut stage, "t");
        let out = stage.hear(&form);
        let (_, payment) = outcome(&out);
        assert_eq!(payment.response.as_ref().unwrap().amount.as_deref(), Some("1250.10"), "{form}");
        assert_eq!(payment.json, form);
    }
}

#[test]
fn an_amount_nobody_can_hold_is_told_as_it_was_written() {
    for amount in ["1e400", "-0", "123456789012345678901234567890.123456789"] {
        let mut stage = pos();
        pay(&mut stage, "t");
        let out = stage.hear(&format!(
            r#"{{"action":"paymentComplete","transactionId":"t","n":1e999,"paymentResponse":{{"status":"SUCCESS","amount":{amount}}}}}"#
        ));
        assert_eq!(outcome(&out).1.response.as_ref().unwrap().amount.as_deref(), Some(amount));
    }
}

#[test]
fn after_a_lost_connection_it_is_asked_for_again_with_the_same_id_and_body() {
    let mut stage = pos();
    for name in ["b", "a"] {
        pay(&mut stage, name);
    }
    let out = reconnect(&mut stage);
    assert_eq!(said(&out[1..]), [asked("b"), asked("a")], "in the order of the first time");
    assert_eq!(outcome(&stage.hear(&complete("a", "SUCCESS"))).0.as_str(), "a");
    let out = reconnect(&mut stage);
    assert_eq!(said(&out[1..]), [asked("b")]);
}

#[test]
fn a_payment_wanted_while_the_line_is_down_waits_for_it_but_not_for_ever() {
    let mut stage = dialing();
    assert_eq!(pay(&mut stage, "a"), []);
    let out = stage.input(Input::Opened);
    assert_eq!(said(&out[1..]), [asked("a")]);

    let mut stage = dialing();
    pay(&mut stage, "b");
    let out = stage.pass(Duration::from_secs(30));
    let settled: Vec<_> = out.iter().filter(|out| matches!(out, Output::Event(PosEvent::Settled { .. }))).collect();
    let expired = PosEvent::Settled { transaction_id: id("b"), result: Err(NotSent::Expired.into()) };
    assert_eq!(settled, [&Output::Event(expired)]);
}

#[test]
fn every_outcome_is_told_once_also_those_nobody_waits_for() {
    let mut stage = pos();
    pay(&mut stage, "a");
    outcome(&stage.hear(&complete("a", "SUCCESS")));
    assert_eq!(stage.hear(&complete("a", "SUCCESS")), []);
    let out = stage.hear(&complete("b", "FAILED"));
    assert!(matches!(&out[..], [Output::Event(PosEvent::Unclaimed(_))]), "{out:?}");
    assert_eq!(stage.hear(&complete("b", "FAILED")), []);
    let voided = r#"{"action":"paymentVoided","terminalId":"lane-7","transactionId":"b","voidReason":"LATE_RECONNECTION","voidedAt":"2031-03-04T05:12:31.000Z"}"#;
    let out = stage.hear(voided);
    let [Output::Event(PosEvent::Voided(voided_b))] = &out[..] else { panic!("{out:?}") };
    assert_eq!(voided_b.reason.as_deref(), Some("LATE_RECONNECTION"));
    assert_eq!(stage.hear(voided), []);
}

#[test]
fn asked_for_anew_under_a_settled_id_it_is_settled_anew() {
    let mut stage = pos();
    for _ in 0..2 {
        pay(&mut stage, "a");
        outcome(&stage.hear(&complete("a", "SUCCESS")));
    }
    pay(&mut stage, "a");
    let out = pay(&mut stage, "a");
    assert!(matches!(&out[..], [Output::Event(PosEvent::Problem { .. })]), "while it is open: {out:?}");
}

#[test]
fn an_outcome_that_is_none_yet_settles_nothing() {
    let mut stage = pos();
    pay(&mut stage, "a");
    let out = stage.hear(&complete("a", "PENDING"));
    assert!(matches!(&out[..], [Output::Event(PosEvent::Progress { .. })]), "{out:?}");
    outcome(&stage.hear(&complete("a", "SUCCESS")));
}

#[test]
fn a_refusal_settles_the_payment_and_says_that_nothing_was_begun() {
    let titles = ["Bad Request", "Not Found", "Forbidden", "Too Many Requests"];
    for refusal in titles.map(|title| error(title, &about("a"))).into_iter().chain([conflict(BUSY)]) {
        let mut stage = pos();
        pay(&mut stage, "a");
        let out = stage.hear(&refusal);
        let (name, failure) = failure(&out);
        assert!(name == "a" && failure.is_safe_to_retry(), "{failure}");
    }
    let mut stage = pos();
    pay(&mut stage, "a");
    let out = stage.hear(&error("Internal Server Error", &about("a")));
    assert!(!failure(&out).1.is_safe_to_retry(), "a fault may come after the terminal was asked");
}

#[test]
fn under_an_id_that_was_used_for_another_payment_something_may_have_been_paid() {
    for text in [DUPLICATE, "m"] {
        let mut stage = pos();
        pay(&mut stage, "a");
        let out = stage.hear(&conflict(text));
        let (_, failure) = failure(&out);
        assert!(matches!(failure, Failure::Refused(_)) && !failure.is_safe_to_retry(), "{failure}");
    }
    let mut stage = pos();
    pay(&mut stage, "a");
    reconnect(&mut stage);
    let out = stage.hear(&conflict(DUPLICATE));
    let (_, failure) = failure(&out);
    assert!(matches!(failure, Failure::RefusedAgain(_)) && !failure.is_safe_to_retry(), "{failure}");
}

#[test]
fn a_refusal_without_a_name_is_about_the_only_payment_there_is() {
    let forms = [
        r#"{"action":"error","error":"Not Found","message":"Terminal connection not found","requestAction":"payment","transactionId":null}"#,
        r#"{"error":"Not Found","message":"Terminal connection not found"}"#,
        r#"{"message":"Terminal connection not found"}"#,
        r#"{"action":"failure","message":"Terminal connection not found"}"#,
    ];
    for form in forms {
        let mut stage = pos();
        pay(&mut stage, "a");
        let out = stage.hear(form);
        assert_eq!(failure(&out).0, "a", "{form}");
        pay(&mut stage, "a");
        pay(&mut stage, "b");
        let out = stage.hear(form);
        assert!(matches!(&out[..], [Output::Event(PosEvent::Problem { .. })]), "{out:?}");
    }
    let mut stage = pos();
    pay(&mut stage, "a");
    let other = error("Bad Request", r#","requestAction":"getTerminals""#);
    assert!(matches!(&stage.hear(&other)[..], [Output::Event(PosEvent::Problem { .. })]));
    let dropped = error("Too Many Requests", r#","requestAction":null"#);
    assert!(
        matches!(&stage.hear(&dropped)[..], [Output::Event(PosEvent::Problem { .. })]),
        "a ping may have been dropped"
    );
}

#[test]
fn what_is_refused_when_asked_for_again_may_have_been_begun_the_first_time() {
    let mut stage = pos();
    pay(&mut stage, "a");
    reconnect(&mut stage);
    for open in [conflict(BUSY), error("Too Many Requests", &about("a")), error("Internal Server Error", &about("a"))] {
        let out = stage.hear(&open);
        assert!(matches!(&out[..], [Output::Event(PosEvent::Progress { .. })]), "{out:?}");
    }
    let out = stage.hear(&error("Not Found", &about("a")));
    let (_, failure) = failure(&out);
    assert!(matches!(failure, Failure::RefusedAgain(_)) && !failure.is_safe_to_retry(), "{failure}");
}

#[test]
fn a_payment_without_an_outcome_is_given_up_after_a_quarter_of_an_hour_and_is_then_unclaimed() {
    let mut stage = pos();
    pay(&mut stage, "a");
    let mut out = Vec::new();
    // The gateway beats on.
    for _ in 0..31 {
        out.extend(stage.pass(Duration::from_secs(30)));
        stage.hear(r#"{"action":"pong"}"#);
    }
    out.retain(|out| !matches!(out, Output::Send(_)));
    assert_eq!(failure(&out), ("a", &Failure::NoAnswer));
    let out = stage.hear(&complete("a", "SUCCESS"));
    assert!(matches!(&out[..], [Output::Event(PosEvent::Unclaimed(_))]), "{out:?}");
}

#[test]
fn terminals_are_asked_for_once_at_a_time_and_again_after_a_loss() {
    let list = r#"{"action":"terminalsResponse","terminals":[{"connectionId":"c-9","deviceId":"lane-7","connectedAt":"x","lastActivity":"y","status":"online","metadata":{}},{"connectionId":"c-10","status":"offline"}],"timestamp":"z"}"#;
    let ask = [r#"< {"action":"getTerminals"}"#];
    let mut stage = pos();
    assert_eq!(said(&stage.command(PosCommand::List)), ask);
    assert_eq!(stage.command(PosCommand::List), []);
    let out = reconnect(&mut stage);
    assert_eq!(said(&out[1..]), ask);
    let out = stage.hear(list);
    let [Output::Event(PosEvent::Listed(Ok(terminals)))] = &out[..] else { panic!("{out:?}") };
    let names: Vec<_> = terminals.iter().map(|one| (one.terminal_id.as_str(), one.status.as_str())).collect();
    assert_eq!(names, [("lane-7", "online"), ("c-10", "offline")]);
    assert_eq!(stage.hear(list), [], "nobody asked");
    stage.command(PosCommand::List);
    let out = stage.pass(Duration::from_secs(10));
    assert_eq!(out, [Output::Event(PosEvent::Listed(Err(Failure::NoAnswer)))]);
}

#[test]
fn a_displaced_till_says_so_and_stays_away() {
    for reason in ["NEW_CONNECTION", "SOMETHING_OF_THE_VENDORS"] {
        let mut stage = pos();
        pay(&mut stage, "a");
        let out = stage.hear(&format!(r#"{{"action":"forceDisconnect","reason":"{reason}","message":"replaced"}}"#));
        let [Output::Event(PosEvent::Problem { problem, .. }), state, close] = &out[..] else { panic!("{out:?}") };
        assert_eq!(problem.to_string(), format!("replaced ({reason})"));
        assert_eq!(*state, Output::Event(PosEvent::State(State::Closing)));
        assert_eq!(*close, Output::Close(CloseCode::NORMAL));
        let out = stage.lost(closed(4409, "displaced"));
        assert_eq!(failure(&out[..1]), ("a", &Failure::Closed));
        assert_eq!(out[1..], [Output::Event(PosEvent::State(State::Closed(Ended::Displaced)))]);
        assert_eq!(stage.machine.deadline(), None);
        assert_eq!(failure(&pay(&mut stage, "b")).1, &NotSent::Closed.into());
    }
}

#[test]
fn a_gateway_that_goes_away_is_come_back_to_and_one_that_revokes_the_key_is_not() {
    let mut stage = pos();
    for reason in ["SERVER_SHUTDOWN", "SERVER_RESTART"] {
        let out = stage.hear(&format!(r#"{{"action":"forceDisconnect","reason":"{reason}"}}"#));
        assert!(matches!(&out[..], [Output::Event(PosEvent::Problem { .. })]), "{out:?}");
    }
    let out = stage.lost(closed(1001, "retry_after=3"));
    let [_, Output::Event(PosEvent::State(State::Connecting { pause, .. }))] = &out[..] else { panic!("{out:?}") };
    assert!(*pause >= Duration::from_secs(3));

    let mut stage = pos();
    stage.hear(r#"{"action":"forceDisconnect","reason":"KEY_REVOKED"}"#);
    let out = stage.lost(closed(4401, "revoked"));
    assert!(matches!(&out[..], [Output::Event(PosEvent::State(State::Closed(Ended::Refused(_))))]), "{out:?}");
}

#[test]
fn a_silent_gateway_is_left_ten_seconds_after_a_ping() {
    let mut stage = pos();
    let start = stage.now;
    assert_eq!(said(&stage.wait()), [r#"< {"action":"ping"}"#]);
    assert_eq!(stage.now, start.after(Duration::from_secs(30)));
    let out = stage.wait();
    assert_eq!(stage.now, start.after(Duration::from_secs(40)));
    assert_eq!(out[..2], [Output::Cut, Output::Event(PosEvent::Lost(Lost::PingTimeout))]);

    let mut stage = pos();
    stage.wait();
    stage.hear(r#"{"action":"heartbeat"}"#);
    assert_eq!(said(&stage.wait()), [r#"< {"action":"ping"}"#], "anything is a sign of life");
}

#[test]
fn an_upgrade_that_is_refused_is_the_last_attempt() {
    for (status, is_refused) in [(401, true), (403, false)] {
        let mut stage = dialing();
        pay(&mut stage, "a");
        let out = stage.lost(Lost::Rejected { status, problem: Problem::default() });
        let Some(Output::Event(PosEvent::State(State::Closed(ended)))) = out.last() else { panic!("{out:?}") };
        assert_eq!(matches!(ended, Ended::Refused(_)), is_refused);
        assert_eq!(failure(&out[1..2]), ("a", &NotSent::Closed.into()));
    }
    let problem = Problem { code: Some("FORBIDDEN".to_owned()), text: "HTTP only".to_owned(), ..Problem::default() };
    let out = dialing().lost(Lost::Rejected { status: 403, problem: problem.clone() });
    let closed = PosEvent::State(State::Closed(Ended::Forbidden(problem)));
    assert_eq!(out.last(), Some(&Output::Event(closed)), "in the gateway's own words");
}

#[test]
fn what_is_too_big_or_too_much_is_refused_at_once() {
    let mut stage = pos();
    let request = PaymentRequest::new("1.00", "PHP").with("metadata", "x".repeat(300_000));
    let send_by = stage.seconds_on(30);
    let big = PosCommand::Pay { transaction_id: id("a"), terminal_id: "lane-7".to_owned(), request, send_by };
    let out = stage.command(big);
    assert!(matches!(failure(&out).1, Failure::NotSent(NotSent::TooBig { most: 262_144, .. })), "{out:?}");
    for n in 0..1_000 {
        pay(&mut stage, &format!("n{n}"));
    }
    let out = pay(&mut stage, "more");
    assert_eq!(failure(&out).1, &NotSent::Full.into());
}

#[test]
fn bad_frames_are_counted_and_unknown_ones_handed_over() {
    let mut stage = pos();
    let bad = ["{", "[]", r#"["paymentComplete"]"#, "{}", r#"{"action":7}"#, r#"{"action":"paymentComplete"}"#];
    for (count, frame) in (1..).zip(bad) {
        assert_eq!(stage.hear(frame), [Output::Event(PosEvent::Malformed { count })], "{frame}");
    }
    let out = stage.hear(r#"{"action":"news"}"#);
    assert!(matches!(&out[..], [Output::Event(PosEvent::Unknown { .. })]), "{out:?}");
    let out = stage
        .hear(r#"{"action":"terminalStatusUpdate","terminalId":"lane-7","deviceId":"lane-7","status":"reconnecting"}"#);
    let [Output::Event(PosEvent::Terminal(change))] = &out[..] else { panic!("{out:?}") };
    assert_eq!((change.terminal_id.as_str(), change.status.as_str()), ("lane-7", "reconnecting"));
}
