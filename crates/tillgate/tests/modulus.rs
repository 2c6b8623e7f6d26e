//! A till on the command line: payments on the demo's terminal and on one of one's own, signatures, exit codes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use client::modulus::{Ack, Report, TerminalClient, TerminalConfig, TerminalEvent};
use client::{Endpoint, Heard};
use common::server::{PATIENCE, Server, signal, until, wait};
use common::{Said, ended, feed, tillgate};
use model::{Secret, Wall};
use serde_json::{Value, json};

/// A demo, and where its Modulus is.
struct Demo {
    folder: tempfile::TempDir,
    server: Server,
    modulus: Value,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready.json");
        let mut command = tillgate();
        command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        command.arg("--ready-file").arg(&ready).args(arguments);
        let base = |line: &str| line.strip_prefix("Tillgate demo at ").map(str::to_owned);
        let server = Server::start(command, &folder.path().join("log.txt"), base);
        let file: Value = until(PATIENCE, || serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).unwrap());
        Self { folder, server, modulus: file["modulus"].clone() }
    }

    fn text(&self, name: &str) -> &str {
        self.modulus[name].as_str().unwrap()
    }

    fn till(&self, command: &str) -> Command {
        let mut till = tillgate();
        till.arg(command).env("TILLGATE_KEY", self.text("api_key")).env("TILLGATE_SECRET", self.text("api_secret"));
        till
    }

    /// Pays on the demo's terminal.
    fn pay(&self, amount: &str, more: &[&str]) -> (i32, Value) {
        let mut till = self.till("pay");
        till.args(["--url", self.text("http"), "--terminal", "TERM-001", "--currency", "PHP", "--amount", amount]);
        outcome(ended(till.args(more)))
    }

    fn stop(self) {
        let (status, _) = self.server.stop();
        assert_eq!(status.code(), Some(0));
        let log = std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap();
        assert!(!log.contains("ERROR"), "{log}");
        for key in ["api_key", "api_secret", "terminal_api_key"] {
            assert!(!log.contains(self.modulus[key].as_str().unwrap()), "{log}");
        }
    }
}

/// A payment's exit code and the one object it prints.
#[track_caller]
fn outcome(said: Said) -> (i32, Value) {
    let Ok(outcome) = serde_json::from_str(&said.out) else { panic!("{}{}", said.out, said.err) };
    (said.code, outcome)
}

#[test]
fn a_payment_ends_with_its_own_number_called_or_on_a_socket() {
    let demo = Demo::start(&[]);
    for socket in [&[][..], &["--socket"]] {
        for (amount, code, status) in [("25.00", 0, "SUCCESS"), ("25.05", 20, "FAILED"), ("25.10", 21, "CANCELLED")] {
            let (ended_with, outcome) = demo.pay(amount, socket);
            assert_eq!((ended_with, &outcome["status"]), (code, &status.into()), "{outcome}");
            assert_eq!(outcome["paymentResponse"]["amount"], amount);
        }
        let (code, outcome) =
            demo.pay("25.00", &[socket, &["--method", "cash", "--metadata", r#"{"check":"K-118"}"#]].concat());
        assert_eq!((code, &outcome["paymentResponse"]["paymentMethod"]), (0, &"CASH".into()), "{outcome}");
        assert_eq!(outcome["paymentResponse"]["metadata"], json!({"check": "K-118"}));
    }
    demo.stop();
}

#[test]
fn one_id_is_one_payment_however_often_and_whichever_way_it_is_asked_for() {
    let demo = Demo::start(&[]);
    let (_, first) = demo.pay("25.00", &["--id", "K-118"]);
    assert_eq!(first["transactionId"], "K-118");
    for way in [&["--id", "K-118"][..], &["--id", "K-118", "--socket"]] {
        let (code, again) = demo.pay("25.00", way);
        assert_eq!((code, &again["paymentResponse"]), (0, &first["paymentResponse"]));
    }
    let (code, other) = demo.pay("26.00", &["--id", "K-118"]);
    assert_eq!((code, &other["status"]), (24, &"UNKNOWN".into()), "the first may have been paid: {other}");
    let (code, other) = demo.pay("26.00", &["--id", "K-118", "--socket"]);
    assert_eq!((code, &other["status"]), (24, &"UNKNOWN".into()), "{other}");
    demo.stop();
}

#[test]
fn what_is_refused_and_what_never_left_have_their_numbers() {
    let demo = Demo::start(&["--without-devices"]);
    let (code, absent) = demo.pay("25.00", &[]);
    assert_eq!((code, &absent["status"]), (23, &"REFUSED".into()), "{absent}");
    let pay = |url: &str, key: &str, secret: &str, more: &[&str]| {
        let mut till = tillgate();
        till.args(["pay", "--url", url, "--terminal", "T", "--currency", "PHP", "--amount", "1.00"]).args(more);
        outcome(ended(till.env("TILLGATE_KEY", key).env("TILLGATE_SECRET", secret)))
    };
    let (http, key, secret) = (demo.text("http"), demo.text("api_key"), demo.text("api_secret"));
    assert_eq!(pay(http, "mk_of_nobody", secret, &[]).0, 10);
    assert_eq!(pay(http, "mk_of_nobody", secret, &["--socket"]).0, 10);
    assert_eq!(pay(http, key, "ms_of_nobody", &[]).0, 10);
    assert_eq!(pay(http, demo.text("terminal_api_key"), "x", &[]).0, 11);
    let (code, nobody) = pay("http://127.0.0.1:1/v1", key, secret, &[]);
    assert_eq!((code, &nobody["status"]), (12, &"NOT_SENT".into()));
    let no_secret = ended(
        tillgate()
            .args(["pay", "--url", http, "--terminal", "T", "--currency", "PHP", "--amount", "1"])
            .env("TILLGATE_KEY", key),
    );
    assert_eq!((no_secret.code, no_secret.out.as_str()), (2, ""));
    assert!(no_secret.err.contains("TILLGATE_SECRET"), "{}", no_secret.err);
    demo.stop();
}

/// A terminal of one's own; its keys are struck on stdin.
fn terminal(demo: &Demo, arguments: &[&str]) -> Child {
    tillgate()
        .args(["simulate", "terminal", "--url", demo.text("url"), "--device", "TERM-001"])
        .args(arguments)
        .env("TILLGATE_KEY", demo.text("terminal_api_key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The next event of that name.
fn event(events: &mut impl Iterator<Item = std::io::Result<String>>, name: &str) -> Value {
    events
        .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
        .find(|event| event["event"] == name)
        .expect("the terminal is there")
}

fn is_online(demo: &Demo) -> bool {
    let connect = ["connect", "modulus", "--url", demo.text("url"), "--linger", "1s"];
    let mut child = tillgate()
        .args(connect)
        .env("TILLGATE_KEY", demo.text("api_key"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), r#"{{"action":"getTerminals"}}"#).unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    signal(&child, "INT");
    wait(&mut child, PATIENCE);
    serde_json::from_str::<Value>(&line).unwrap()["terminals"][0]["status"] == "online"
}

#[test]
fn a_terminal_follows_a_script_or_whoever_strikes_its_keys() {
    let demo = Demo::start(&["--without-devices"]);
    let script = demo.folder.path().join("script.txt");
    std::fs::write(&script, "decline EXPIRED_CARD after 100ms\notherwise approve\n").unwrap();
    let mut scripted = terminal(&demo, &["--script", script.to_str().unwrap()]);
    until(PATIENCE, || is_online(&demo).then_some(()));
    assert_eq!(demo.pay("25.00", &[]).1["paymentResponse"]["errorCode"], "EXPIRED_CARD");
    assert_eq!(demo.pay("25.05", &[]).0, 0);
    signal(&scripted, "TERM");
    assert_eq!(wait(&mut scripted, PATIENCE).code(), Some(0));

    let mut by_hand = terminal(&demo, &["--interactive"]);
    let mut keys = by_hand.stdin.take().unwrap();
    let mut events = BufReader::new(by_hand.stdout.take().unwrap()).lines();
    until(PATIENCE, || is_online(&demo).then_some(()));
    for (key, code) in [(b"a", 0), (b"d", 20), (b"c", 21)] {
        let paying = std::thread::scope(|scope| {
            let paying = scope.spawn(|| demo.pay("25.00", &[]));
            assert_eq!(event(&mut events, "offered")["amount"], "25.00");
            keys.write_all(key).unwrap();
            keys.flush().unwrap();
            assert_eq!(event(&mut events, "acknowledged")["result"], "accepted");
            paying.join().unwrap()
        });
        assert_eq!(paying.0, code, "{}", paying.1);
    }
    signal(&by_hand, "TERM");
    assert_eq!(wait(&mut by_hand, PATIENCE).code(), Some(0));
    demo.stop();
}

#[test]
fn a_result_of_before_the_terminals_restart_is_volunteered_and_is_the_outcome() {
    let demo = Demo::start(&["--without-devices"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let terminal = || {
        let config = TerminalConfig::new(Secret::new(demo.text("terminal_api_key")), "lane-7");
        TerminalClient::connect(Endpoint::new(demo.text("url")), config).unwrap()
    };
    let (till, kept) = runtime.block_on(async {
        let before = terminal();
        let mut offers = before.offers();
        before.authenticated().await.unwrap();
        let mut till = demo.till("pay");
        till.args(["--url", demo.text("http"), "--terminal", "lane-7", "--amount", "12.50", "--currency", "PHP"]);
        let till = till.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let offer = offers.next().await.unwrap();
        // The card is charged and written down; then the terminal dies before it has said so.
        let report = Report::approved(&offer, "77Q2LM", Wall::from_millis(1_930_000_000_000));
        before.close().await;
        (till, report.frame().reveal().to_owned())
    });
    let (ack, message) = runtime.block_on(async {
        let after = terminal();
        let mut events = after.events();
        assert!(after.answer(Report::of_frame(&kept).unwrap()));
        loop {
            match events.next().await.unwrap() {
                Heard::Event(TerminalEvent::Acknowledged { ack, message, .. }) => return (ack, message),
                Heard::Event(TerminalEvent::Inquired(_)) => panic!("it said so before it was asked"),
                Heard::Event(_) | Heard::Missed(_) => {}
            }
        }
    });
    assert_eq!(ack, Ack::Accepted, "{message:?}");
    let paid = till.wait_with_output().unwrap();
    let paid_for: Value = serde_json::from_slice(&paid.stdout).unwrap();
    assert_eq!((paid.status.code(), &paid_for["status"]), (Some(0), &"SUCCESS".into()), "{paid_for}");
    assert_eq!(paid_for["paymentResponse"]["authorizationCode"], "77Q2LM");
    demo.stop();
}

#[test]
fn a_bad_script_and_a_bad_address_are_usage_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.txt");
    std::fs::write(&script, "aprove\n").unwrap();
    let run = |url: &str, script: &str| {
        let terminal = ["simulate", "terminal", "--url", url, "--device", "T", "--script", script];
        ended(tillgate().args(terminal).env("TILLGATE_KEY", "mt_1"))
    };
    let said = run("ws://127.0.0.1:1/v1", script.to_str().unwrap());
    assert_eq!(said.code, 2);
    assert!(said.err.contains("line 1: expected one of `approve`"), "{}", said.err);
    std::fs::write(&script, "").unwrap();
    assert_eq!(run("ws://gateway/v1", script.to_str().unwrap()).code, 2);
}

#[test]
fn a_signature_is_three_headers_or_what_curl_reads() {
    let sign = |arguments: &[&str]| {
        let mut command = tillgate();
        command.arg("sign").args(arguments).env("TILLGATE_KEY", "mk_1").env("TILLGATE_SECRET", "ms_1");
        command
    };
    let out = ended(&mut sign(&["GET", "/v1/terminals"])).good();
    let names: Vec<_> = out.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(names, ["x-api-key", "x-timestamp", "x-signature"], "{out}");
    assert!(!out.contains("ms_1"));

    let body = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(body.path(), "{\"a\":\"b\\\\c\"}\n").unwrap();
    let curl = ["--curl", "post", "/v1/x", "--url", "http://a/", "--body", body.path().to_str().unwrap()];
    let out = ended(&mut sign(&curl)).good();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..2], [r#"request = "POST""#, r#"url = "http://a/v1/x""#]);
    assert_eq!(lines[6], r#"data-binary = "{\"a\":\"b\\\\c\"}\n""#);

    assert_eq!(ended(&mut sign(&["GET", "v1/terminals"])).code, 2);
    let no_key = feed(["sign", "GET", "/v1/terminals"], "");
    assert_eq!(no_key.code, 2);
    assert!(no_key.err.contains("TILLGATE_KEY"), "{}", no_key.err);
}

#[test]
fn a_connection_is_looked_at_and_each_peers_own_words_stay_its_own() {
    let demo = Demo::start(&["--without-devices"]);
    let connect = |key: &str, more: &[&str]| {
        let connect = ["connect", "modulus", "--check", "--url", demo.text("url")];
        ended(tillgate().args(connect).args(more).env("TILLGATE_KEY", key))
    };
    let check = |key: &str, more: &[&str]| connect(key, more).code;
    let (till, terminals) = (demo.text("api_key"), demo.text("terminal_api_key"));
    assert_eq!(check(till, &[]), 0);
    assert_eq!(check(till, &["--group", demo.text("group_id")]), 0);
    assert_eq!(check(terminals, &["--device", "TERM-001"]), 0);
    assert_eq!(check(till, &["--vendor", "ven_1"]), 2);
    let refused = connect("mk_of_nobody", &[]);
    assert_eq!(refused.code, 10);
    assert!(refused.err.starts_with("tillgate: credentials refused: ") && refused.err.ends_with(" (UNAUTHORIZED)\n"));
    let forbidden = connect(till, &["--group", "store-of-others"]);
    assert_eq!(forbidden.code, 11);
    assert!(forbidden.err.starts_with("tillgate: not permitted: ") && forbidden.err.ends_with(" (GROUP_MISMATCH)\n"));
    demo.stop();
}
