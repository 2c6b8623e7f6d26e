//! Whatever the script says and the server does: no panic, no waking for ever, one result for each payment, and it ends
//! when it is told to.

use std::collections::BTreeMap;
use std::time::Duration;

use client::modulus::TerminalConfig;
use client::{Input, Lost, Machine, Output};
use devices::terminal::{Press, Script, Terminal};
use model::{Secret, Timestamp};
use proptest::prelude::*;
use serde_json::Value;

fn line() -> impl Strategy<Value = String> {
    let act = prop::sample::select(vec![
        "approve",
        "approve twice",
        "decline X",
        "cancel",
        "busy",
        "silence",
        "garbage",
        "drop unstarted for 2s",
        "drop started for 2s",
        "drop paid for 70s",
        "by amount",
        "person",
    ]);
    (act, 0_u32..3_000).prop_map(|(act, millis)| format!("{act} after {millis}ms"))
}

fn frame() -> impl Strategy<Value = String> {
    let about = |template: &'static str| (0_u8..5).prop_map(move |id| template.replace('@', &format!("t{id}")));
    let request = r#"{"transactionId":"@","amount":"1.00","currency":"PHP","paymentMethod":"CARD"}"#;
    let offer = format!(r#"{{"action":"payment","paymentRequest":{request}}}"#);
    let inquiry = format!(r#"{{"action":"paymentInquiry","paymentRequest":{request}}}"#);
    prop_oneof![
        4 => about(Box::leak(offer.into_boxed_str())),
        2 => about(Box::leak(inquiry.into_boxed_str())),
        1 => about(r#"{"action":"paymentAck","transactionId":"@","result":"accepted"}"#),
        1 => about(r#"{"action":"paymentAck","transactionId":"@","result":"pending"}"#),
        1 => about(r#"{"action":"paymentClosed","transactionId":"@","status":"FAILED"}"#),
        1 => about(r#"{"action":"voidPayment","transactionId":"@","reason":"R"}"#),
        1 => Just("{".to_owned()),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Down,
    Dialing,
    Up,
}

struct Stage {
    terminal: Terminal,
    line: Line,
    /// The one result said about each payment.
    results: BTreeMap<String, String>,
}

impl Stage {
    fn tell(&mut self, now: Timestamp, input: Input<'_, Press>) {
        let mut out = Vec::new();
        self.terminal.handle(now, input, &mut out);
        for output in out {
            match output {
                Output::Connect => {
                    assert_eq!(self.line, Line::Down, "a second line");
                    self.line = Line::Dialing;
                }
                Output::Cut => {
                    assert_ne!(self.line, Line::Down, "cut what is not there");
                    self.line = Line::Down;
                }
                Output::Send(text) => {
                    assert_eq!(self.line, Line::Up, "said where nobody hears");
                    self.said(text.reveal());
                }
                Output::Close(_) | Output::Event(_) => {}
            }
        }
    }

    fn said(&mut self, frame: &str) {
        let Ok(value) = serde_json::from_str::<Value>(frame) else { return };
        if value["action"] == "paymentResponse" && value["paymentResponse"]["status"] != "PENDING" {
            let id = value["transactionId"].to_string();
            let first = self.results.entry(id).or_insert_with(|| frame.to_owned());
            assert_eq!(first, frame, "a second result");
        }
    }
}

proptest! {
    #[test]
    fn any_script_against_any_server(
        steps in prop::collection::vec(line(), 0..20),
        otherwise in line(),
        frames in prop::collection::vec((frame(), 0_u64..5_000, any::<bool>()), 0..80),
        seed: u64,
    ) {
        let script = Script::parse(&format!("{}\notherwise {otherwise}", steps.join("\n"))).unwrap();
        let mut now = Timestamp::from_millis(0);
        let config = TerminalConfig::new(Secret::new("mt_1"), "lane-7");
        let terminal = Terminal::new(config, script, seed, now);
        let mut stage = Stage { terminal, line: Line::Down, results: BTreeMap::new() };
        for (frame, millis, is_pressed) in frames {
            let end = now.after(Duration::from_millis(millis));
            let mut turns = 0;
            while let Some(deadline) = stage.terminal.deadline().filter(|deadline| *deadline <= end) {
                now = now.max(deadline);
                stage.tell(now, Input::Wake);
                turns += 1;
                prop_assert!(turns < 10_000, "it wakes for ever");
            }
            now = end;
            if is_pressed {
                stage.tell(now, Input::Command(Press::Approve));
            }
            match stage.line {
                Line::Dialing => {
                    stage.line = Line::Up;
                    stage.tell(now, Input::Opened);
                }
                Line::Up => stage.tell(now, Input::Text(&frame)),
                Line::Down => {}
            }
        }
        let mut out = Vec::new();
        stage.terminal.handle(now, Input::Close, &mut out);
        stage.terminal.handle(now, Input::Lost(Lost::Broken("the end".to_owned())), &mut out);
        prop_assert!(stage.terminal.is_over());
        prop_assert_eq!(stage.terminal.deadline(), None);
    }
}
