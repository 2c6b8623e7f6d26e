//! `tillgate demo`: a payment with nothing set up, the same keys after a restart, and a clean end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::server::{PATIENCE, Server, signal, until, wait};
use common::{ended, tillgate};
use serde_json::Value;

struct Demo {
    folder: tempfile::TempDir,
    server: Server,
    boop: Value,
    modulus: Value,
    token: String,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        Self::again(tempfile::tempdir().unwrap(), arguments)
    }

    fn again(folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let ready = folder.path().join("ready.json");
        let mut command = tillgate();
        command.args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
        command.arg("--ready-file").arg(&ready).args(arguments);
        let base = |line: &str| line.strip_prefix("Tillgate demo at ").map(str::to_owned);
        let server = Server::start(command, &folder.path().join("log.txt"), base);
        let file: Value = until(PATIENCE, || serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).unwrap());
        assert_eq!(file["base"], server.base);
        Self {
            folder,
            server,
            boop: file["boop"].clone(),
            modulus: file["modulus"].clone(),
            token: file["admin"]["token"].as_str().unwrap().to_owned(),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.boop[name].as_str().unwrap()
    }

    /// Asks for one context as the vendor; the next so many frames.
    fn frames(&self, context: &str, count: usize) -> Vec<Value> {
        let mut child = tillgate()
            .args(["connect", "boop", "--url", self.text("url"), "--vendor", self.text("vendor_id")])
            .env("TILLGATE_KEY", self.text("api_key"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = child.stdin.take().unwrap();
        writeln!(lines, "{context}").unwrap();
        let frames = BufReader::new(child.stdout.take().unwrap()).lines().take(count);
        let frames = frames.map(|frame| serde_json::from_str(&frame.unwrap()).unwrap()).collect();
        signal(&child, "INT");
        assert_eq!(wait(&mut child, PATIENCE).code(), Some(0));
        frames
    }

    fn context(&self, context: &str) -> Value {
        self.frames(context, 1).remove(0)
    }

    fn stop(self) -> tempfile::TempDir {
        let (status, took) = self.server.stop();
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(10), "{took:?}");
        let log = std::fs::read_to_string(self.folder.path().join("log.txt")).unwrap();
        assert!(!log.contains("ERROR"), "{log}");
        for key in ["api_key", "scanner_key"] {
            assert!(!log.contains(self.boop[key].as_str().unwrap()), "{log}");
        }
        self.folder
    }
}

const PAYMENT: &str = r#"{"type":"create_context","context_id":"c1","requirements":{"type":"payment","amount":2500,"attributes":["email"]}}"#;

#[test]
fn a_simulated_palm_pays_at_once_and_a_restart_keeps_keys_and_balances() {
    let demo = Demo::start(&[]);
    let paid = demo.context(PAYMENT);
    assert_eq!((&paid["type"], &paid["result"]["success"]), (&"auth_result".into(), &true.into()), "{paid}");
    assert_eq!(paid["result"]["user_id"], demo.boop["test_user_id"]);
    let (first, modulus) = (demo.boop.clone(), demo.modulus.clone());
    let folder = demo.stop();
    assert_eq!(mode(&folder.path().join("data/demo.json")), 0o600);
    assert_eq!(mode(&folder.path().join("ready.json")), 0o600);

    let demo = Demo::again(folder, &[]);
    for name in ["vendor_id", "api_key", "scanner_id", "scanner_key", "test_user_id"] {
        assert_eq!(demo.boop[name], first[name], "{name}");
    }
    for name in ["api_key", "api_secret", "group_id", "terminal_id", "terminal_api_key"] {
        assert_eq!(demo.modulus[name], modulus[name], "{name}");
    }
    // What the vendor heard before the goodbye is owed no more.
    let told = demo.context(PAYMENT);
    assert_eq!(told["code"], "INVALID_REQUEST", "the context of before the restart is not forgotten: {told}");
    let folder = demo.stop();
    let accounts = ended(tillgate().args(["members", "list", "--data"]).arg(folder.path().join("data"))).good();
    let ida = accounts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|a| a["id"] == "usr_ida");
    let ida = ida.unwrap();
    assert_eq!((&ida["debits"], &ida["debited"]), (&1.into(), &2500.into()), "{ida}");
}

#[test]
fn a_revoked_demo_key_is_replaced_at_the_next_start() {
    let demo = Demo::start(&["--without-devices"]);
    let data = demo.folder.path().join("data");
    let keys = ended(tillgate().args(["keys", "list", "--role", "requester", "--json", "--data"]).arg(&data)).good();
    for key in keys.lines() {
        let id = serde_json::from_str::<Value>(key).unwrap()["id"].as_str().unwrap().to_owned();
        ended(tillgate().args(["keys", "revoke", &id, "--data"]).arg(&data)).good();
    }
    let (first, modulus) = (demo.boop.clone(), demo.modulus.clone());
    let demo = Demo::again(demo.stop(), &["--without-devices"]);
    assert_ne!(demo.boop["api_key"], first["api_key"]);
    assert_eq!(demo.boop["scanner_key"], first["scanner_key"]);
    for name in ["api_key", "api_secret"] {
        assert_ne!(demo.modulus[name], modulus[name], "{name}");
    }
    assert_eq!(demo.modulus["terminal_api_key"], modulus["terminal_api_key"]);
    let check = ["connect", "boop", "--check", "--url", demo.text("url"), "--vendor", demo.text("vendor_id")];
    assert_eq!(ended(tillgate().args(check).env("TILLGATE_KEY", demo.text("api_key"))).code, 0);
    demo.stop();
}

#[test]
fn somebody_elses_scanner_answers_where_none_is_simulated() {
    let demo = Demo::start(&["--without-devices"]);
    let script = demo.folder.path().join("script.txt");
    std::fs::write(&script, "poor quality\nunregistered after 100ms\notherwise palm usr_cleo\n").unwrap();
    let mut scanner = tillgate()
        .args([
            "simulate",
            "scanner",
            "--url",
            demo.text("scanner_url"),
            "--device",
            demo.text("scanner_id"),
            "--script",
        ])
        .arg(&script)
        .env("TILLGATE_KEY", demo.text("scanner_key"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told = demo.frames(r#"{"type":"create_context","context_id":"c1","requirements":{"type":"entrance"}}"#, 2);
    assert_eq!(told[0]["code"], "AUTH_BIOMETRIC_QUALITY", "{told:?}");
    assert_eq!(told[1]["result"]["code"], "user-not-found", "{told:?}");
    let broke = demo.context(PAYMENT.replace("\"c1\"", "\"c2\"").as_str());
    assert_eq!(broke["result"]["payment"], "failed", "{broke}");
    signal(&scanner, "TERM");
    assert_eq!(wait(&mut scanner, PATIENCE).code(), Some(0));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut scanner.stdout.take().unwrap(), &mut said).unwrap();
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["event"], &events[0]["context_id"]), (&"opened".into(), &"c1".into()), "{said}");
    assert!(events.iter().any(|event| event["act"] == "unregistered right"), "{said}");
    demo.stop();
}

#[test]
fn an_operators_token_lives_as_long_as_its_demo() {
    let demo = Demo::start(&["--without-devices"]);
    let sees = |demo: &Demo, token: &str| {
        let mut stream = TcpStream::connect(demo.server.base.strip_prefix("http://").unwrap()).unwrap();
        let head = "GET /tillgate/v1/operations HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n";
        write!(stream, "{head}Authorization: Bearer {token}\r\n\r\n").unwrap();
        let mut told = String::new();
        std::io::Read::read_to_string(&mut stream, &mut told).unwrap();
        told.split(' ').nth(1).unwrap().to_owned()
    };
    let first = demo.token.clone();
    assert_eq!(sees(&demo, &first), "200");
    let demo = Demo::again(demo.stop(), &["--without-devices"]);
    assert_eq!((sees(&demo, &first), sees(&demo, &demo.token)), ("401".to_owned(), "200".to_owned()));
    demo.stop();
}

#[test]
fn a_demo_with_a_folder_in_use_says_so() {
    let demo = Demo::start(&["--without-devices"]);
    let data = demo.folder.path().join("data");
    let said = ended(tillgate().args(["demo", "--listen", "127.0.0.1:0", "--data"]).arg(&data));
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
    demo.stop();
}

fn mode(file: &Path) -> u32 {
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}
