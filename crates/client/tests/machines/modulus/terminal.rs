//! The terminal's machine: one result for each payment, said until it is acknowledged.

use std::time::Duration;

use client::modulus::{Ack, Offer, Report, Terminal, TerminalCommand, TerminalConfig, TerminalEvent, TransactionId};
use client::{Ended, Input, Lost, Machine as _, Output, State};
use model::{Secret, Wall};

use crate::stage::{Stage, closed, connecting, said};

fn terminal_with(config: TerminalConfig) -> Stage<Terminal> {
    let mut stage = Stage::new(|now| Terminal::new(config, 7, now));
    assert_eq!(stage.wait(), [Output::Event(TerminalEvent::State(connecting())), Output::Connect]);
    assert_eq!(stage.input(Input::Opened), [Output::Event(TerminalEvent::State(State::Authenticated))]);
    stage
}

fn terminal() -> Stage<Terminal> {
    terminal_with(TerminalConfig::new(Secret::new("mt_1"), "lane-7"))
}

fn id(text: &str) -> TransactionId {
    TransactionId::parse(text).unwrap()
}

fn asks(action: &str, name: &str) -> String {
    let request = format!(
        r#"{{"transactionId":"{name}","amount":1250.10,"currency":"PHP","paymentMethod":"CARD","metadata":{{"check":"K-118"}}}}"#
    );
    format!(r#"{{"action":"{action}","terminalId":"lane-7","transactionId":"{name}","paymentRequest":{request}}}"#)
}

fn offered(stage: &mut Stage<Terminal>, name: &str) -> Offer {
    let out = stage.hear(&asks("payment", name));
    let [Output::Event(TerminalEvent::Offered(offer))] = &out[..] else { panic!("{out:?}") };
    offer.clone()
}

fn approve(stage: &mut Stage<Terminal>, offer: &Offer) -> Vec<Output<TerminalEvent>> {
    let report = Report::approved(offer, "77Q2LM", Wall::parse("2031-03-04T05:06:29.410Z").unwrap());
    stage.command(TerminalCommand::Answer(Box::new(report)))
}

fn result(name: &str) -> String {
    format!(
        r#"< {{"action":"paymentResponse","transactionId":"{name}","paymentResponse":{{"transactionId":"{name}","status":"SUCCESS","amount":1250.10,"currency":"PHP","paymentMethod":"CARD","authorizationCode":"77Q2LM","timestamp":"2031-03-04T05:06:29.410Z","metadata":{{"check":"K-118"}}}}}}"#
    )
}

fn ack(name: &str, result: &str) -> String {
    format!(r#"{{"action":"paymentAck","transactionId":"{name}","result":"{result}"}}"#)
}

fn acknowledged(name: &str, ack: Ack) -> Output<TerminalEvent> {
    Output::Event(TerminalEvent::Acknowledged { transaction_id: id(name), ack, message: None })
}

fn lose(stage: &mut Stage<Terminal>) {
    stage.lost(Lost::Broken("cable".to_owned()));
}

/// Gets the next connection. Gives what is said on it at once.
fn come_back(stage: &mut Stage<Terminal>) -> Vec<String> {
    assert_eq!(stage.wait(), [Output::Connect]);
    said(&stage.input(Input::Opened)[1..])
}

#[test]
fn a_payment_is_offered_answered_and_acknowledged_with_the_amount_as_it_was_written() {
    let mut stage = terminal();
    let offer = offered(&mut stage, "a");
    assert_eq!((offer.amount.as_str(), offer.amount_text()), ("1250.10", "1250.10"));
    assert_eq!(said(&approve(&mut stage, &offer)), [result("a")]);
    assert_eq!(stage.hear(&ack("a", "accepted")), [acknowledged("a", Ack::Accepted)]);
    assert!(said(&stage.pass(Duration::from_secs(30))).iter().all(|line| line.contains("ping")));
}

#[test]
fn an_amount_nobody_can_hold_is_refused_as_it_was_written() {
    let mut stage = terminal();
    let out = stage.hear(&asks("payment", "a").replace("1250.10", "1e400"));
    let [Output::Event(TerminalEvent::Offered(offer))] = &out[..] else { panic!("{out:?}") };
    let report = Report::declined(offer, "INVALID_AMOUNT", "not with this terminal", Wall::from_millis(0));
    let out = said(&stage.command(TerminalCommand::Answer(Box::new(report))));
    assert!(out.len() == 1 && out[0].contains(r#""amount":1e400,"#), "{out:?}");
}

#[test]
fn a_result_is_said_until_there_is_a_last_word_about_it() {
    for last in ["accepted", "late", "unknown"] {
        let mut stage = terminal();
        let offer = offered(&mut stage, "a");
        approve(&mut stage, &offer);
        assert_eq!(said(&stage.pass(Duration::from_secs(10))), [result("a")]);
        assert_eq!(stage.hear(&ack("a", "pending")), []);
        assert_eq!(said(&stage.pass(Duration::from_secs(10))), [result("a")]);
        lose(&mut stage);
        assert_eq!(come_back(&mut stage), [result("a")]);
        stage.hear(&ack("a", last));
        lose(&mut stage);
        assert_eq!(come_back(&mut stage), [""; 0], "{last}");
    }
}

#[test]
fn a_word_about_what_is_on_the_screen_is_none_about_its_result() {
    let mut stage = terminal();
    let offer = offered(&mut stage, "a");
    assert_eq!(said(&stage.hear(&asks("payment", "a"))).len(), 1, "pending");
    assert_eq!(said(&approve(&mut stage, &offer)), [result("a")]);
    assert_eq!(stage.hear(&ack("a", "late")), [], "it ended before the first of the two came");
    lose(&mut stage);
    assert_eq!(come_back(&mut stage), [result("a")]);
    assert_eq!(stage.hear(&ack("a", "late")), [acknowledged("a", Ack::Late)]);
    lose(&mut stage);
    assert_eq!(come_back(&mut stage), [""; 0]);
}

#[test]
fn what_happened_while_the_line_was_down_is_said_when_it_is_back() {
    let mut stage = terminal();
    let offer = offered(&mut stage, "a");
    lose(&mut stage);
    assert_eq!(approve(&mut stage, &offer), []);
    assert_eq!(come_back(&mut stage), [result("a")]);
    assert_eq!(stage.hear(&asks("paymentInquiry", "a")), [], "said on this connection already");
}

#[test]
fn an_inquiry_is_answered_from_what_was_done() {
    let mut stage = terminal();
    let offer = offered(&mut stage, "a");
    lose(&mut stage);
    come_back(&mut stage);
    let pending = said(&stage.hear(&asks("paymentInquiry", "a")));
    assert!(pending.len() == 1 && pending[0].contains(r#""status":"PENDING""#), "on the screen: {pending:?}");
    assert_eq!(stage.hear(&ack("a", "pending")), [acknowledged("a", Ack::Pending)]);
    approve(&mut stage, &offer);
    stage.hear(&ack("a", "accepted"));
    assert_eq!(said(&stage.hear(&asks("paymentInquiry", "a"))), [result("a")], "done");
}

#[test]
fn an_inquiry_about_what_was_never_seen_is_the_applications_to_answer() {
    let mut stage = terminal();
    let out = stage.hear(&asks("paymentInquiry", "a"));
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Inquired(_))]), "{out:?}");
    assert_eq!(stage.hear(&asks("paymentInquiry", "a")), [], "it is told once");
    let out = stage.command(TerminalCommand::NotBegun { transaction_id: id("a") });
    assert_eq!(said(&out), [r#"< {"action":"paymentUnknown","transactionId":"a"}"#]);
    offered(&mut stage, "a");

    let mut stage = terminal();
    let out = stage.hear(&asks("paymentInquiry", "b"));
    let [Output::Event(TerminalEvent::Inquired(offer))] = &out[..] else { panic!("{out:?}") };
    assert_eq!(said(&approve(&mut stage, &offer.clone())), [result("b")], "it was paid in an earlier life");
}

#[test]
fn one_id_is_one_payment_with_one_result() {
    let mut stage = terminal();
    let offer = offered(&mut stage, "a");
    let again = said(&stage.hear(&asks("payment", "a")));
    assert!(again.len() == 1 && again[0].contains("PENDING"), "{again:?}");
    approve(&mut stage, &offer);
    let out = approve(&mut stage, &offer);
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Problem { .. })]), "{out:?}");
    stage.hear(&ack("a", "accepted"));
    assert_eq!(said(&stage.hear(&asks("payment", "a"))), [result("a")]);
    let out = stage.command(TerminalCommand::NotBegun { transaction_id: id("a") });
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Problem { .. })]), "{out:?}");
}

#[test]
fn a_result_from_a_record_of_ones_own_is_said_without_being_asked_for() {
    let offer = offered(&mut terminal(), "a");
    let kept = Report::approved(&offer, "77Q2LM", Wall::parse("2031-03-04T05:06:29.410Z").unwrap()).frame();
    let recalled = || TerminalCommand::Answer(Box::new(Report::of_frame(kept.reveal()).unwrap()));

    let mut stage = Stage::new(|now| Terminal::new(TerminalConfig::new(Secret::new("mt_1"), "lane-7"), 7, now));
    assert_eq!(stage.command(recalled()), [], "there is no connection yet");
    stage.wait();
    assert_eq!(said(&stage.input(Input::Opened)[1..]), [result("a")]);
    assert_eq!(stage.hear(&asks("paymentInquiry", "a")), [], "said on this connection already");
    assert_eq!(said(&stage.pass(Duration::from_secs(10))), [result("a")], "and once more, until there is a word");
    assert_eq!(stage.hear(&ack("a", "late")), [acknowledged("a", Ack::Late)]);
    assert_eq!(said(&stage.pass(Duration::from_secs(15))), [""; 0]);
    let out = stage.command(recalled());
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Problem { .. })]), "{out:?}");

    let mut stage = terminal();
    assert_eq!(said(&stage.command(recalled())), [result("a")], "on a connection that is there, at once");
    stage.hear(&ack("a", "rejected"));
    assert_eq!(said(&approve(&mut stage, &offer)), [result("a")], "another is awaited");
}

#[test]
fn a_result_is_kept_as_its_frame_and_nothing_else_is_read_as_one() {
    let offer = offered(&mut terminal(), "a");
    let wall = Wall::parse("2031-03-04T05:06:29.410Z").unwrap();
    let reports = [
        Report::approved(&offer, "77Q2LM", wall).receipt("two\nlines").amount("\"9\""),
        Report::declined(&Offer { metadata: None, ..offer.clone() }, "EXPIRED_CARD", "expired", wall),
        Report::cancelled(&offer, wall),
    ];
    for report in reports {
        assert_eq!(Report::of_frame(report.frame().reveal()).as_ref(), Some(&report));
    }
    let whole = result("a");
    let whole = whole.trim_start_matches("< ");
    for (there, instead) in
        [("SUCCESS", "PAID"), ("\"transactionId\"", "\"id\""), ("paymentResponse\":", "p\":"), ("}", "")]
    {
        assert_eq!(Report::of_frame(&whole.replace(there, instead)), None, "{instead} for {there}");
    }
}

#[test]
fn a_rejected_result_is_replaced_by_another() {
    let bad = r#"{"action":"error","error":"Bad Request","message":"m","requestAction":"paymentResponse","transactionId":"a"}"#;
    for rejection in [ack("a", "rejected"), bad.to_owned()] {
        let mut stage = terminal();
        let offer = offered(&mut stage, "a");
        approve(&mut stage, &offer);
        assert_eq!(stage.hear(&rejection).len(), 1);
        assert_eq!(said(&stage.pass(Duration::from_secs(20))), [""; 0], "it is not said again");
        assert_eq!(said(&approve(&mut stage, &offer)), [result("a")]);
    }
}

#[test]
fn a_payment_that_ended_elsewhere_leaves_the_screen_and_a_success_is_said_all_the_same() {
    let mut stage = terminal();
    let offer = offered(&mut stage, "a");
    let out = stage.hear(r#"{"action":"paymentClosed","transactionId":"a","status":"FAILED"}"#);
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Closed { .. })]), "{out:?}");
    assert_eq!(said(&approve(&mut stage, &offer)), [result("a")]);
    assert_eq!(stage.hear(&ack("a", "late")), [acknowledged("a", Ack::Late)]);
}

#[test]
fn a_payment_is_given_back_once_and_that_is_said_as_often_as_it_is_asked() {
    let mut stage = terminal();
    let void = r#"{"action":"voidPayment","terminalId":"lane-7","transactionId":"a","reason":"LATE_RECONNECTION"}"#;
    let out = stage.hear(void);
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Void { .. })]), "{out:?}");
    assert_eq!(stage.hear(void), [], "it is being worked on");
    let done = TerminalCommand::VoidDone { transaction_id: id("a"), success: true, message: None };
    let result = [r#"< {"action":"voidResult","transactionId":"a","success":true}"#];
    assert_eq!(said(&stage.command(done.clone())), result);
    lose(&mut stage);
    come_back(&mut stage);
    assert_eq!(said(&stage.hear(void)), result);
    assert_eq!(stage.hear(&ack("a", "accepted")), [acknowledged("a", Ack::Accepted)]);
    assert!(matches!(&stage.command(done)[..], [Output::Event(TerminalEvent::Problem { .. })]));
}

#[test]
fn what_is_known_is_bounded_and_only_what_is_over_is_forgotten() {
    let mut config = TerminalConfig::new(Secret::new("mt_1"), "lane-7");
    config.choices.transactions_most = 2;
    let mut stage = terminal_with(config);
    let first = offered(&mut stage, "a");
    offered(&mut stage, "b");
    assert_eq!(said(&stage.hear(&asks("payment", "c"))), [r#"< {"action":"paymentUnknown","transactionId":"c"}"#]);
    approve(&mut stage, &first);
    assert_eq!(said(&stage.hear(&asks("payment", "c"))), [r#"< {"action":"paymentUnknown","transactionId":"c"}"#]);
    let nobodys = Offer { transaction_id: id("z"), ..first };
    assert!(matches!(&approve(&mut stage, &nobodys)[..], [Output::Event(TerminalEvent::Problem { .. })]));
    stage.hear(&ack("a", "accepted"));
    offered(&mut stage, "c");
}

#[test]
fn a_displaced_terminal_stays_away() {
    let mut stage = terminal();
    stage.hear(r#"{"action":"forceDisconnect","reason":"NEW_CONNECTION","message":"m"}"#);
    let out = stage.lost(closed(4409, "displaced"));
    assert_eq!(out, [Output::Event(TerminalEvent::State(State::Closed(Ended::Displaced)))]);
    assert_eq!(stage.machine.deadline(), None);
}

#[test]
fn bad_frames_are_counted_and_unknown_ones_handed_over() {
    let mut stage = terminal();
    let bad = [
        "{",
        r#"{"action":"payment"}"#,
        r#"{"action":"payment","paymentRequest":{"transactionId":"a"}}"#,
        r#"{"action":"paymentAck","transactionId":"a","result":"hm"}"#,
        r#"{"action":"voidPayment"}"#,
    ];
    for (count, frame) in (1..).zip(bad) {
        assert_eq!(stage.hear(frame), [Output::Event(TerminalEvent::Malformed { count })], "{frame}");
    }
    let out = stage.hear(r#"{"action":"firmware"}"#);
    assert!(matches!(&out[..], [Output::Event(TerminalEvent::Unknown { .. })]), "{out:?}");
}
