//! The machine of raw lines.

use client::boop::VendorConfig;
use client::{Input, Line, Lines, LinesEvent, Lost, NotSent, Output, State, Text};
use model::Secret;

use crate::stage::{Stage, said};

fn lines() -> Stage<Lines<VendorConfig>> {
    let config = VendorConfig::new("ven_1", Secret::new("sk_1"));
    let mut stage = Stage::new(|now| Lines::new(&config, 7, now));
    stage.wait();
    stage
}

fn line(text: &'static str) -> Line {
    Line(Text::new(text))
}

fn frame(text: &str) -> Output<LinesEvent> {
    Output::Event(LinesEvent::Frame(text.to_owned()))
}

#[test]
fn lines_pass_both_ways_as_they_are_once_the_login_is_done() {
    let mut stage = lines();
    assert_eq!(stage.command(line("anything at all")), []);
    stage.input(Input::Opened);
    let out = stage.hear(r#"{"type":"authenticated"}"#);
    assert_eq!(out[0], Output::Event(LinesEvent::State(State::Authenticated)));
    assert_eq!(said(&out[1..]), ["< anything at all"]);
    for text in ["not JSON", r#"{"type":"news"}"#, r#"{"type":"error","error":"no"}"#] {
        assert_eq!(stage.hear(text), [frame(text)]);
    }
}

#[test]
fn our_own_heartbeat_is_not_a_line_and_a_pong_that_was_asked_for_is() {
    let mut stage = lines();
    stage.input(Input::Opened);
    stage.hear(r#"{"type":"authenticated"}"#);
    let pong = r#"{"type":"pong"}"#;
    stage.command(line(r#"{"type":"ping"}"#));
    assert_eq!(stage.hear(pong), [frame(pong)]);
    assert_eq!(said(&stage.wait()), [r#"< {"type":"ping"}"#]);
    assert_eq!(stage.hear(pong), []);
    assert_eq!(stage.hear(pong), [frame(pong)]);
}

#[test]
fn a_line_that_never_left_is_told() {
    let mut stage = lines();
    stage.command(line("one"));
    stage.lost(Lost::Unreachable("refused".to_owned()));
    let expired = stage.pass(std::time::Duration::from_secs(30));
    let told = LinesEvent::NotSent { line: Text::new("one"), why: NotSent::Expired };
    assert!(expired.contains(&Output::Event(told)), "{expired:?}");
    stage.command(line("two"));
    let out = stage.input(Input::Close);
    let told = LinesEvent::NotSent { line: Text::new("two"), why: NotSent::Closed };
    assert!(out.contains(&Output::Event(told)), "{out:?}");
}
