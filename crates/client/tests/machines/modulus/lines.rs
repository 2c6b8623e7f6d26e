//! The machine of raw lines.

use client::modulus::PosConfig;
use client::{Ended, Input, Line, Lines, LinesEvent, Lost, Output, State, Text};
use model::Secret;

use crate::stage::{Stage, closed, said};

fn lines() -> Stage<Lines<PosConfig>> {
    let config = PosConfig::new(Secret::new("mk_1"));
    let mut stage = Stage::new(|now| Lines::new(&config, 7, now));
    stage.wait();
    stage
}

fn frame(text: &str) -> Output<LinesEvent> {
    Output::Event(LinesEvent::Frame(text.to_owned()))
}

#[test]
fn lines_pass_both_ways_as_they_are_once_the_upgrade_is_done() {
    let mut stage = lines();
    assert_eq!(stage.command(Line(Text::new("anything at all"))), []);
    let out = stage.input(Input::Opened);
    assert_eq!(out[0], Output::Event(LinesEvent::State(State::Authenticated)));
    assert_eq!(said(&out[1..]), ["< anything at all"]);
    for text in ["not JSON", r#"{"action":"news"}"#, r#"{"action":"error","error":"no"}"#, r#"{"action":"pong"}"#] {
        assert_eq!(stage.hear(text), [frame(text)]);
    }
}

#[test]
fn our_own_heartbeat_is_not_a_line() {
    let mut stage = lines();
    stage.input(Input::Opened);
    assert_eq!(said(&stage.wait()), [r#"< {"action":"ping"}"#]);
    let pong = r#"{"action":"pong","timestamp":"2031-03-04T05:06:00.120Z"}"#;
    assert_eq!(stage.hear(pong), []);
    assert_eq!(stage.hear(pong), [frame(pong)]);
}

#[test]
fn a_word_that_sends_us_away_is_a_line_and_is_obeyed() {
    let mut stage = lines();
    stage.input(Input::Opened);
    let word = r#"{"action":"forceDisconnect","reason":"NEW_CONNECTION"}"#;
    assert_eq!(stage.hear(word)[0], frame(word));
    let out = stage.lost(closed(4409, "displaced"));
    assert_eq!(out, [Output::Event(LinesEvent::State(State::Closed(Ended::Displaced)))]);

    let mut stage = lines();
    stage.input(Input::Opened);
    stage.hear(r#"{"action":"forceDisconnect","reason":"SERVER_RESTART"}"#);
    let out = stage.lost(Lost::Closed { code: Some(1001), reason: String::new() });
    assert!(matches!(&out[1], Output::Event(LinesEvent::State(State::Connecting { .. }))), "{out:?}");
}
