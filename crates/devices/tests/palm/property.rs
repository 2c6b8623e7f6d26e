//! Whatever the script says and the server does: no panic, no waking for ever, and it ends when it is told to.

use std::convert::Infallible;
use std::time::Duration;

use client::boop::ScannerConfig;
use client::{Input, Lost, Machine, Output};
use devices::palm::{Scanner, Script};
use model::{Secret, Timestamp};
use proptest::prelude::*;

fn line() -> impl Strategy<Value = String> {
    let act = prop::sample::select(vec![
        "palm u",
        "unregistered",
        "poor quality",
        "device error",
        "decline",
        "late u",
        "silence",
        "garbage",
        "drop connection",
    ]);
    (act, 0_u32..3_000).prop_map(|(act, millis)| format!("{act} after {millis}ms"))
}

fn frame() -> impl Strategy<Value = String> {
    let about = |template: &'static str| (0_u8..5).prop_map(move |id| template.replace('@', &format!("c{id}")));
    prop_oneof![
        4 => about(r#"{"type":"context_open","context_id":"@","auth_type":"entrance"}"#),
        1 => about(r#"{"type":"context_closed","context_id":"@"}"#),
        1 => about(r#"{"type":"scan_ack","context_id":"@","status":"rescan"}"#),
        1 => about(r#"{"type":"scan_ack","context_id":"@","status":"matched"}"#),
        1 => about(r#"{"type":"error","error":"no","context_id":"@"}"#),
        1 => Just("{".to_owned()),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Down,
    Dialing,
    Up,
}

impl Line {
    fn tell(&mut self, scanner: &mut Scanner, now: Timestamp, input: Input<'_, Infallible>) {
        let mut out = Vec::new();
        scanner.handle(now, input, &mut out);
        for output in out {
            match output {
                Output::Connect => {
                    assert_eq!(*self, Self::Down, "a second line");
                    *self = Self::Dialing;
                }
                Output::Cut => {
                    assert_ne!(*self, Self::Down, "cut what is not there");
                    *self = Self::Down;
                }
                Output::Send(_) => assert_eq!(*self, Self::Up, "said where nobody hears"),
                Output::Close(_) | Output::Event(_) => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn any_script_against_any_server(
        steps in prop::collection::vec(line(), 0..20),
        otherwise in line(),
        frames in prop::collection::vec((frame(), 0_u64..5_000), 0..80),
        seed: u64,
    ) {
        let script = Script::parse(&format!("{}\notherwise {otherwise}", steps.join("\n"))).unwrap();
        let mut now = Timestamp::from_millis(0);
        let mut scanner = Scanner::new(ScannerConfig::new("pvs_1", Secret::new("dk_1")), script, seed, now);
        let mut line = Line::Down;
        for (frame, millis) in frames {
            let end = now.after(Duration::from_millis(millis));
            let mut turns = 0;
            while let Some(deadline) = scanner.deadline().filter(|deadline| *deadline <= end) {
                now = now.max(deadline);
                line.tell(&mut scanner, now, Input::Wake);
                turns += 1;
                prop_assert!(turns < 10_000, "it wakes for ever");
            }
            now = end;
            match line {
                Line::Dialing => {
                    line = Line::Up;
                    line.tell(&mut scanner, now, Input::Opened);
                    line.tell(&mut scanner, now, Input::Text(r#"{"type":"authenticated"}"#));
                }
                Line::Up => line.tell(&mut scanner, now, Input::Text(&frame)),
                Line::Down => {}
            }
        }
        let mut out = Vec::new();
        scanner.handle(now, Input::Close, &mut out);
        scanner.handle(now, Input::Lost(Lost::Broken("the end".to_owned())), &mut out);
        prop_assert!(scanner.is_over());
        prop_assert_eq!(scanner.deadline(), None);
    }
}
