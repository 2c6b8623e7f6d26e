//! What comes to the glass, when, and what goes wrong.

use std::time::Duration;

use client::boop::ScannerConfig;
use client::{Input, Lost, Machine, Output};
use devices::palm::{Event, Scanner, Script};
use model::{MemberId, Secret, Timestamp};

/// A scanner that is logged in, and its clock.
struct Stage {
    scanner: Scanner,
    now: Timestamp,
}

impl Stage {
    fn following(script: &str) -> Self {
        Self::with(Script::parse(script).unwrap())
    }

    fn with(script: Script) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        let config = ScannerConfig::new("pvs_till2", Secret::new("dk_1"));
        let mut stage = Self { scanner: Scanner::new(config, script, 7, now), now };
        assert_eq!(stage.wire(Input::Wake), ["connect"]);
        stage.login();
        stage
    }

    fn login(&mut self) {
        self.wire(Input::Opened);
        self.wire(Input::Text(r#"{"type":"authenticated"}"#));
    }

    /// Tells the machine something. Gives what it does on the line, events left out.
    fn wire(&mut self, input: Input<'_, std::convert::Infallible>) -> Vec<String> {
        let mut out = Vec::new();
        self.scanner.handle(self.now, input, &mut out);
        on_the_line(&out)
    }

    fn open(&mut self, name: &str) -> Vec<String> {
        self.wire(Input::Text(&format!(
            r#"{{"type":"context_open","context_id":"{name}","auth_type":"entrance","vendor_name":"Hall B"}}"#
        )))
    }

    fn ack(&mut self, name: &str, status: &str) -> Vec<String> {
        self.wire(Input::Text(&format!(r#"{{"type":"scan_ack","context_id":"{name}","status":"{status}"}}"#)))
    }

    fn over(&mut self, name: &str) -> Vec<String> {
        self.wire(Input::Text(&format!(r#"{{"type":"context_closed","context_id":"{name}","reason":"expired"}}"#)))
    }

    /// Lets time pass. Gives what happens on the line, each with the milliseconds it took; pings are answered.
    fn pass(&mut self, millis: u64) -> Vec<(u64, String)> {
        let start = self.now;
        let end = start.after(Duration::from_millis(millis));
        let mut all = Vec::new();
        while let Some(deadline) = self.scanner.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            for line in self.wire(Input::Wake) {
                if line == r#"{"type":"ping"}"# {
                    self.wire(Input::Text(r#"{"type":"pong"}"#));
                } else {
                    all.push((millis_since(self.now, start), line));
                }
            }
        }
        self.now = end;
        all
    }
}

fn millis_since(now: Timestamp, start: Timestamp) -> u64 {
    now.millis() - start.millis()
}

fn on_the_line(out: &[Output<Event>]) -> Vec<String> {
    out.iter()
        .filter_map(|output| match output {
            Output::Connect => Some("connect".to_owned()),
            Output::Send(text) => Some(text.reveal().to_owned()),
            Output::Close(code) => Some(format!("close {}", code.0)),
            Output::Cut => Some("cut".to_owned()),
            Output::Event(_) => None,
        })
        .collect()
}

fn scan(name: &str, what: &str) -> String {
    format!(r#"{{"type":"scan_result","context_id":"{name}",{what}}}"#)
}

fn palm(name: &str, user: &str) -> String {
    scan(name, &format!(r#""outcome":"captured","test_user_id":"{user}","palm_side":"right","quality":93"#))
}

#[test]
fn a_registered_right_palm_comes_so_long_after_any_context_opens() {
    let script = Script::presenting(MemberId::parse("usr_1").unwrap(), Duration::from_millis(250));
    let mut stage = Stage::with(script);
    for name in ["a", "b"] {
        assert_eq!(stage.open(name), [""; 0]);
        assert_eq!(stage.pass(1_000), [(250, palm(name, "usr_1"))]);
        stage.ack(name, "matched");
        assert_eq!(stage.over(name), [""; 0]);
    }
    assert_eq!(stage.pass(120_000), []);
}

#[test]
fn contexts_that_are_open_together_keep_their_own_time_and_their_order() {
    let mut stage = Stage::following("palm u1 after 2s\npalm u2 after 1s\notherwise palm u3 after 1s");
    for name in ["a", "b", "c"] {
        stage.open(name);
    }
    assert_eq!(stage.pass(5_000), [(1_000, palm("b", "u2")), (1_000, palm("c", "u3")), (2_000, palm("a", "u1"))]);
}

#[test]
fn each_step_is_written_as_the_protocol_has_it() {
    let table = [
        ("palm u left quality 81", r#""outcome":"captured","test_user_id":"u","palm_side":"left","quality":81"#),
        ("unregistered", r#""outcome":"captured","test_user_id":null,"palm_side":"right","quality":93"#),
        ("poor quality", r#""outcome":"poor_quality""#),
        ("device error", r#""outcome":"device_error""#),
        ("decline", r#""outcome":"cancelled""#),
    ];
    for (step, written) in table {
        let mut stage = Stage::following(step);
        assert_eq!(stage.open("a"), [scan("a", written)], "{step}");
    }
}

#[test]
fn a_context_that_goes_on_takes_the_next_step() {
    let mut stage = Stage::following("poor quality\npalm u after 3s\ndecline");
    stage.open("a");
    assert_eq!(stage.ack("a", "rescan"), [""; 0]);
    assert_eq!(stage.pass(5_000), [(3_000, palm("a", "u"))]);
    stage.ack("a", "matched");
    assert_eq!(stage.open("b"), [scan("b", r#""outcome":"cancelled""#)]);
}

#[test]
fn nobody_comes_in_silence_nor_to_a_context_that_is_over() {
    let mut stage = Stage::following("silence\npalm u after 2s");
    stage.open("a");
    assert_eq!(stage.pass(35_000), []);
    stage.open("b");
    stage.pass(1_000);
    stage.over("b");
    assert_eq!(stage.pass(35_000), []);
    stage.open("c");
    assert_eq!(stage.pass(100_000), [], "nothing is left in the script");
}

#[test]
fn a_late_palm_comes_when_the_context_is_over() {
    let mut stage = Stage::following("late u after 1s\nlate");
    stage.open("a");
    assert_eq!(stage.pass(30_000), []);
    stage.over("a");
    assert_eq!(stage.pass(5_000), [(1_000, palm("a", "u"))]);
    assert_eq!(stage.ack("a", "late"), [""; 0]);
    // Also when the server never says that it is over.
    stage.open("b");
    let nobodys = scan("b", r#""outcome":"captured","test_user_id":null,"palm_side":"right","quality":93"#);
    assert_eq!(stage.pass(61_000), [(60_000, nobodys)]);
}

#[test]
fn garbage_is_no_json_and_the_context_goes_on() {
    let mut stage = Stage::following("garbage after 1s\npalm u");
    stage.open("a");
    let line = stage.pass(2_000);
    let [(1_000, garbage), (1_100, scan)] = &line[..] else { panic!("{line:?}") };
    assert!(!garbage.starts_with(r#"{"type""#), "{garbage}");
    assert_eq!(*scan, palm("a", "u"));
}

#[test]
fn a_dropped_line_comes_back_and_the_context_is_a_new_one_there() {
    let mut stage = Stage::following("drop connection after 500ms\npalm u after 1s");
    stage.open("a");
    let line = stage.pass(2_000);
    let [(500, cut), (_, connect)] = &line[..] else { panic!("{line:?}") };
    assert_eq!((cut.as_str(), connect.as_str()), ("cut", "connect"));
    stage.login();
    stage.open("a");
    assert_eq!(stage.pass(2_000), [(1_000, palm("a", "u"))]);
}

#[test]
fn a_context_offered_again_after_a_loss_is_not_served_twice() {
    let mut stage = Stage::following("otherwise palm u after 5s");
    stage.open("a");
    stage.pass(1_000);
    stage.wire(Input::Lost(Lost::Broken("cable".to_owned())));
    let line = stage.pass(1_000);
    assert!(matches!(&line[..], [(_, connect)] if connect == "connect"), "{line:?}");
    stage.login();
    stage.open("a");
    assert_eq!(stage.pass(10_000), [(3_000, palm("a", "u"))]);
}

#[test]
fn a_scan_that_nobody_answers_is_tried_again() {
    let mut stage = Stage::following("otherwise palm u after 1s");
    stage.open("a");
    assert_eq!(stage.pass(1_000), [(1_000, palm("a", "u"))]);
    assert_eq!(stage.pass(20_000), [(11_000, palm("a", "u"))], "ten seconds without a word, and a second to try");
}

#[test]
fn closing_says_goodbye_and_nothing_happens_after_it() {
    let mut stage = Stage::following("otherwise palm u after 1s");
    stage.open("a");
    assert_eq!(stage.wire(Input::Close), ["close 1000"]);
    stage.wire(Input::Lost(Lost::Closed { code: Some(1000), reason: String::new() }));
    assert!(stage.scanner.is_over());
    assert_eq!(stage.scanner.deadline(), None);
}
