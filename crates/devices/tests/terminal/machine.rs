//! What happens to each payment, when, and what goes wrong.

use std::time::Duration;

use client::modulus::TerminalConfig;
use client::{Input, Machine, Output};
use devices::terminal::{Event, Press, Script, Terminal};
use model::{Secret, Timestamp};
use serde_json::Value;

/// A terminal that is let in, and its clock.
struct Stage {
    terminal: Terminal,
    now: Timestamp,
}

impl Stage {
    fn following(script: &str) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        let config = TerminalConfig::new(Secret::new("mt_1"), "lane-7");
        let script = Script::parse(script).unwrap();
        let mut stage = Self { terminal: Terminal::new(config, script, 7, now), now };
        assert_eq!(stage.wire(Input::Wake), ["connect"]);
        assert_eq!(stage.wire(Input::Opened), [""; 0]);
        stage
    }

    /// Tells the machine something. Gives what it does on the line, in few words.
    fn wire(&mut self, input: Input<'_, Press>) -> Vec<String> {
        let mut out = Vec::new();
        self.terminal.handle(self.now, input, &mut out);
        on_the_line(&out)
    }

    fn asks(&mut self, action: &str, name: &str, amount: &str) -> Vec<String> {
        let request =
            format!(r#"{{"transactionId":"{name}","amount":"{amount}","currency":"PHP","paymentMethod":"CARD"}}"#);
        self.wire(Input::Text(&format!(
            r#"{{"action":"{action}","terminalId":"lane-7","transactionId":"{name}","paymentRequest":{request}}}"#
        )))
    }

    fn offer(&mut self, name: &str, amount: &str) -> Vec<String> {
        self.asks("payment", name, amount)
    }

    fn ack(&mut self, name: &str, result: &str) -> Vec<String> {
        self.wire(Input::Text(&format!(r#"{{"action":"paymentAck","transactionId":"{name}","result":"{result}"}}"#)))
    }

    fn void(&mut self, name: &str) -> Vec<String> {
        self.wire(Input::Text(&format!(r#"{{"action":"voidPayment","transactionId":"{name}","reason":"LATE"}}"#)))
    }

    /// Lets time pass. Gives what happens on the line, each with the milliseconds it took; connections are made,
    /// pings and results are answered.
    fn pass(&mut self, millis: u64) -> Vec<(u64, String)> {
        let start = self.now;
        let end = start.after(Duration::from_millis(millis));
        let mut all = Vec::new();
        while let Some(deadline) = self.terminal.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            let lines = self.wire(Input::Wake);
            all.extend(self.heard(lines, start));
        }
        self.now = end;
        all
    }

    fn heard(&mut self, lines: Vec<String>, start: Timestamp) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        for line in lines {
            let answer = match line.as_str() {
                "ping" => self.wire(Input::Text(r#"{"action":"pong"}"#)),
                "connect" => {
                    all.push((self.now.since(start).as_millis().try_into().unwrap(), line));
                    self.wire(Input::Opened)
                }
                _ => {
                    all.push((self.now.since(start).as_millis().try_into().unwrap(), line));
                    Vec::new()
                }
            };
            all.extend(self.heard(answer, start));
        }
        all
    }
}

fn on_the_line(out: &[Output<Event>]) -> Vec<String> {
    out.iter()
        .filter_map(|output| match output {
            Output::Connect => Some("connect".to_owned()),
            Output::Send(text) => Some(short(text.reveal())),
            Output::Close(code) => Some(format!("close {}", code.0)),
            Output::Cut => Some("cut".to_owned()),
            Output::Event(_) => None,
        })
        .collect()
}

/// A frame in few words: `a SUCCESS 25.00`.
fn short(frame: &str) -> String {
    let Ok(frame) = serde_json::from_str::<Value>(frame) else { return "garbage".to_owned() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let id = text(&frame["transactionId"]);
    let response = &frame["paymentResponse"];
    match frame["action"].as_str().unwrap() {
        "paymentResponse" => {
            let code = response["errorCode"].as_str().map_or_else(|| text(&response["amount"]), str::to_owned);
            format!("{id} {} {code}", text(&response["status"]))
        }
        "paymentUnknown" => format!("{id} unknown"),
        "voidResult" => format!("{id} voided {}", frame["success"]),
        action => action.to_owned(),
    }
}

fn at(millis: u64, line: &str) -> (u64, String) {
    (millis, line.to_owned())
}

#[test]
fn the_cents_say_what_happens() {
    let table = [
        ("25.00", vec![at(0, "a SUCCESS 25.00")]),
        ("25", vec![at(0, "a SUCCESS 25")]),
        ("25.05", vec![at(0, "a FAILED INSUFFICIENT_FUNDS")]),
        ("25.06", vec![at(0, "a FAILED EXPIRED_CARD")]),
        ("25.10", vec![at(0, "a CANCELLED 25.10")]),
        ("25.20", vec![at(5_000, "a SUCCESS 25.20")]),
        ("25.40", vec![at(0, "a SUCCESS 25.40"), at(0, "a SUCCESS 25.40")]),
        ("25.41", vec![at(0, "nobody-asked-for-this SUCCESS 25.41"), at(0, "a SUCCESS 25.41")]),
        ("25.50", vec![at(0, "a SUCCESS 925.50")]),
        ("25.60", vec![at(0, "a FAILED TERMINAL_BUSY")]),
        ("25.70", vec![at(0, "garbage"), at(1_000, "a SUCCESS 25.70")]),
        ("25.99", vec![]),
    ];
    for (amount, expected) in table {
        let mut stage = Stage::following("");
        let now = stage.now;
        let lines = stage.offer("a", amount);
        let mut happened = stage.heard(lines, now);
        happened.extend(stage.pass(9_000));
        assert_eq!(happened, expected, "{amount}");
    }
}

#[test]
fn steps_are_taken_in_turn_each_in_its_own_time() {
    let mut stage = Stage::following("approve after 2s\ndecline after 1s\notherwise cancel after 1s");
    for name in ["a", "b", "c"] {
        assert_eq!(stage.offer(name, "1.00"), [""; 0]);
    }
    let expected =
        [at(1_000, "b FAILED INSUFFICIENT_FUNDS"), at(1_000, "c CANCELLED 1.00"), at(2_000, "a SUCCESS 1.00")];
    assert_eq!(stage.pass(5_000), expected);
}

#[test]
fn one_id_is_paid_once() {
    let mut stage = Stage::following("approve\notherwise decline");
    assert_eq!(stage.offer("a", "1.00"), ["a SUCCESS 1.00"]);
    stage.ack("a", "accepted");
    assert_eq!(stage.offer("a", "1.00"), ["a SUCCESS 1.00"]);
    assert_eq!(stage.asks("paymentInquiry", "a", "1.00"), ["a SUCCESS 1.00"]);
}

#[test]
fn a_wrong_amount_is_put_right_once_it_is_rejected() {
    let mut stage = Stage::following("approve wrong");
    assert_eq!(stage.offer("a", "25.50"), ["a SUCCESS 925.50"]);
    stage.ack("a", "rejected");
    assert_eq!(stage.pass(5_000), [at(1_000, "a SUCCESS 25.50")]);
}

#[test]
fn a_line_that_drops_before_the_screen_shows_it_begins_nothing() {
    let mut stage = Stage::following("drop unstarted for 2s\notherwise decline");
    assert_eq!(stage.offer("a", "1.00"), ["cut"]);
    let line = stage.pass(5_000);
    assert!(matches!(&line[..], [(2_000.., connect)] if connect == "connect"), "{line:?}");
    assert_eq!(stage.asks("paymentInquiry", "a", "1.00"), ["a unknown"]);
    assert_eq!(stage.offer("a", "1.00"), [""; 0]);
    assert_eq!(stage.pass(2_000), [at(1_000, "a SUCCESS 1.00")], "offered again, it is paid");
}

#[test]
fn a_line_that_drops_while_the_screen_shows_it_is_back_within_the_grace() {
    let mut stage = Stage::following("drop started for 5s");
    assert_eq!(stage.offer("a", "1.00"), ["cut"]);
    let line = stage.pass(5_000);
    let [(5_000, connect)] = &line[..] else { panic!("{line:?}") };
    assert_eq!(connect, "connect");
    assert_eq!(stage.asks("paymentInquiry", "a", "1.00"), ["a PENDING 1.00"]);
    assert_eq!(stage.pass(2_000), [at(1_000, "a SUCCESS 1.00")]);
}

#[test]
fn what_is_paid_while_the_line_is_down_is_said_when_it_is_back_and_can_be_given_back() {
    for (script, given_back) in [("drop paid for 65s", true), ("drop paid for 65s refusing void", false)] {
        let mut stage = Stage::following(script);
        assert_eq!(stage.offer("a", "1.00"), ["cut"]);
        assert_eq!(stage.pass(66_000), [at(65_000, "connect"), at(65_000, "a SUCCESS 1.00")]);
        stage.ack("a", "late");
        let said = [format!("a voided {given_back}")];
        assert_eq!(stage.void("a"), said);
        assert_eq!(stage.void("a"), said, "and said again as it was");
        assert_eq!(stage.void("b"), ["b voided false"], "nothing was taken for it");
    }
}

#[test]
fn a_person_decides_the_oldest_first() {
    let mut stage = Stage::following("otherwise person");
    assert_eq!(stage.wire(Input::Command(Press::Approve)), [""; 0], "nothing is on the screen");
    for name in ["a", "b", "c"] {
        stage.offer(name, "1.00");
    }
    assert_eq!(stage.pass(20_000), []);
    assert_eq!(stage.wire(Input::Command(Press::Decline)), ["a FAILED CARD_DECLINED"]);
    stage.wire(Input::Text(r#"{"action":"paymentClosed","transactionId":"b","status":"FAILED"}"#));
    assert_eq!(stage.wire(Input::Command(Press::Approve)), ["c SUCCESS 1.00"], "b is off the screen");
    assert_eq!(stage.wire(Input::Command(Press::Cancel)), [""; 0]);
}

#[test]
fn closing_says_goodbye_and_nothing_happens_after_it() {
    let mut stage = Stage::following("otherwise approve after 1s");
    stage.offer("a", "1.00");
    assert_eq!(stage.wire(Input::Close), ["close 1000"]);
    stage.wire(Input::Lost(client::Lost::Closed { code: Some(1000), reason: String::new() }));
    assert!(stage.terminal.is_over());
    assert_eq!(stage.terminal.deadline(), None);
}
