//! A running gateway and the commands beside it: who may have the folder, and what becomes of keys while it runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use common::server::{PATIENCE, Server, signal, wait};
use common::{Said, ended, tillgate};
use serde_json::Value;

/// A data folder with one vendor, and a gateway on it.
struct House {
    folder: tempfile::TempDir,
    server: Server,
    /// The vendor's first key.
    key: Key,
}

struct Key {
    id: String,
    secret: String,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = create(&folder.path().join("data"));
        let server = Server::serve(&folder.path().join("data"), "127.0.0.1:0", &folder.path().join("log.txt"), &[]);
        Self { folder, server, key }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn keys(&self, arguments: &[&str]) -> Said {
        ended(tillgate().arg("keys").args(arguments).arg("--data").arg(self.data()))
    }

    /// Logs in once and pings.
    fn check(&self, secret: &str) -> Said {
        check(&self.server.url("/ws/vendor"), secret)
    }

    /// Waits until the gateway knows this key, asking five times a second: who asks much oftener is held off as a
    /// guesser.
    fn learns(&self, secret: &str, within: Duration) {
        let began = Instant::now();
        while self.check(secret).code != 0 {
            assert!(began.elapsed() < within, "the key is not known after {within:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn check(url: &str, secret: &str) -> Said {
    ended(
        tillgate().args(["connect", "boop", "--check", "--vendor", "ven_1", "--url", url]).env("TILLGATE_KEY", secret),
    )
}

fn create(data: &Path) -> Key {
    let vendor = ["keys", "create", "--dialect", "boop", "--role", "requester", "--vendor-id", "ven_1", "--json"];
    key_in(&ended(tillgate().args(vendor).arg("--data").arg(data)).good())
}

fn key_in(json: &str) -> Key {
    let made: Value = serde_json::from_str(json).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Key { id: text("id"), secret: text("secret") }
}

/// A vendor whose connection stays.
struct Line {
    child: Child,
    lines: ChildStdin,
    frames: BufReader<ChildStdout>,
}

impl Line {
    fn open(url: &str, secret: &str) -> Self {
        let mut child = tillgate()
            .args(["connect", "boop", "--vendor", "ven_1", "--url", url])
            .env("TILLGATE_KEY", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (lines, frames) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut line = Self { child, lines, frames };
        // A frame of its own is answered only after the login.
        assert_eq!(line.ask(r#"{"type":"ping"}"#), r#"{"type":"pong"}"#);
        line
    }

    fn ask(&mut self, frame: &str) -> String {
        writeln!(self.lines, "{frame}").unwrap();
        let mut answer = String::new();
        self.frames.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Waits until it ends by itself; its exit code.
    fn code(mut self) -> i32 {
        wait(&mut self.child, PATIENCE).code().unwrap()
    }
}

#[test]
fn a_second_gateway_on_the_same_folder_is_refused() {
    let house = House::new();
    let said = ended(tillgate().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(house.data()));
    assert_eq!((said.code, said.out.as_str()), (3, ""), "{}", said.err);
    assert!(said.err.contains("another gateway is using the folder"), "{}", said.err);
    assert_eq!(house.check(&house.key.secret).code, 0, "the first one goes on");
}

#[test]
fn a_port_is_not_shared_with_another_gateway() {
    let house = House::new();
    let other = house.folder.path().join("other");
    let said = ended(tillgate().args(["serve", "--listen", house.server.listen(), "--data"]).arg(other));
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains("cannot listen on"), "{}", said.err);
}

#[test]
fn a_revoked_key_ends_its_session_within_a_second() {
    let house = House::new();
    let line = Line::open(&house.server.url("/ws/vendor"), &house.key.secret);
    let began = Instant::now();
    house.keys(&["revoke", &house.key.id]).good();
    assert_eq!(line.code(), 10);
    // From before the command was even started.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(house.check(&house.key.secret).code, 10);
}

#[test]
fn both_keys_work_while_a_rotation_overlaps_and_then_only_the_new_one() {
    let house = House::new();
    let new = key_in(&house.keys(&["rotate", &house.key.id, "--overlap", "3s", "--json"]).good());
    let rotated = Instant::now();
    house.learns(&new.secret, Duration::from_secs(2));
    assert_eq!(house.check(&house.key.secret).code, 0, "the old key works until the overlap is over");
    assert!(rotated.elapsed() < Duration::from_secs(3), "too slow to tell");
    let line = Line::open(&house.server.url("/ws/vendor"), &house.key.secret);
    assert_eq!(line.code(), 10, "the old key's session ends with it");
    assert!(rotated.elapsed() >= Duration::from_millis(2_900), "{:?}", rotated.elapsed());
    assert_eq!(house.check(&house.key.secret).code, 10);
    assert_eq!(house.check(&new.secret).code, 0);
}

#[test]
fn a_key_made_while_it_runs_works_within_a_second() {
    let house = House::new();
    let key = create(&house.data());
    house.learns(&key.secret, Duration::from_secs(1));
}

#[test]
fn a_connection_tells_by_its_exit_code_how_it_ended() {
    let house = House::new();
    let url = house.server.url("/ws/vendor");
    let good = house.check(&house.key.secret);
    assert_eq!(good.code, 0, "{}", good.err);
    assert!(good.out.trim().parse::<f64>().is_ok(), "{:?} is the ping's milliseconds", good.out);
    assert_eq!(check(&url, "sk_live_wrong").code, 10);
    assert_eq!(check("ws://127.0.0.1:1/ws/vendor", "any").code, 12);
    assert_eq!(check(&house.server.url("/nowhere"), "any").code, 12);
    assert_eq!(check(&url.replace("ws://", "wss://"), "any").code, 13);
    assert_eq!(check("http://127.0.0.1/", "any").code, 2);
    assert_eq!(check("ws://gateway.sample.test/", "any").code, 2, "no key goes over a network in clear");

    let older = Line::open(&url, &house.key.secret);
    let newer = Line::open(&url, &house.key.secret);
    assert_eq!(older.code(), 15);
    drop(newer.lines);
}

#[test]
fn a_key_on_the_command_line_is_refused_and_not_repeated() {
    for option in ["--key", "--api-key", "--device-key", "--secret"] {
        let url = "ws://127.0.0.1:1/ws/vendor";
        let said = ended(tillgate().args(["connect", "boop", "--vendor", "v", "--url", url, option, "sk_live_hidden"]));
        assert_eq!(said.code, 2);
        assert!(said.err.contains("TILLGATE_KEY") && !said.err.contains("sk_live_hidden"), "{}", said.err);
    }
}

#[test]
fn a_key_can_stand_in_a_file() {
    let house = House::new();
    let file = house.folder.path().join("key.txt");
    std::fs::write(&file, format!("{}\n", house.key.secret)).unwrap();
    let url = house.server.url("/ws/vendor");
    let arguments = ["connect", "boop", "--check", "--vendor", "ven_1", "--url", &url, "--key-file"];
    assert_eq!(ended(tillgate().args(arguments).arg(&file)).code, 0);
}

#[test]
fn other_addresses_than_loopback_need_a_word_about_the_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let said = ended(tillgate().args(["serve", "--listen", "0.0.0.0:0", "--data"]).arg(folder.path().join("data")));
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("allow_plaintext_behind_proxy"), "{}", said.err);
}

#[test]
fn sigterm_drains_peers_and_exits_with_0() {
    let house = House::new();
    let line = Line::open(&house.server.url("/ws/vendor"), &house.key.secret);
    let (status, took) = house.server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(line.code(), 12, "the peer is told to come back");
    let log = std::fs::read_to_string(house.folder.path().join("log.txt")).unwrap();
    assert!(!log.contains("ERROR") && !log.contains(&house.key.secret), "{log}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tillgate();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path().join("data"));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut base = String::new();
    stdout.read_line(&mut base).unwrap();
    let address = base.trim().strip_prefix("http://").unwrap();
    // Each is a line of the log; a pipe takes some 500 of them.
    for _ in 0..1_500 {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(
            b"GET /nowhere HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
        let mut answer = [0; 12];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
    }
    signal(&child, "TERM");
    assert_eq!(wait(&mut child, PATIENCE).code(), Some(0));
}

#[test]
fn log_lines_are_json_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.txt");
    let server = Server::serve(&folder.path().join("data"), "127.0.0.1:0", &log, &[("TILLGATE_LOG_FORMAT", "json")]);
    let (status, _) = server.stop();
    assert_eq!(status.code(), Some(0));
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["level"].is_string(), "{line}");
    }
}
