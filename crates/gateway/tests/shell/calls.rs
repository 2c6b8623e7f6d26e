//! HTTP calls: read within bounds, answered by the machine, and gone when the caller is.

use std::time::Duration;

use crate::peer::{Peer, text};
use crate::{eventually, start};

/// A call with a body of so many bytes.
fn post(path: &str, bytes: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: gate\r\nContent-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
}

/// What the machine was told of endings, as soon as it was told of one.
fn ended(witness: &mut Peer) -> Option<String> {
    witness.send(&text("endings"));
    Some(witness.hear()).filter(|endings| !endings.is_empty())
}

#[test]
fn calls_of_one_connection_are_answered_one_after_the_other() {
    let running = start(|_| {});
    let mut peer = Peer::connect(running.addresses()[0]);
    let chunked =
        "PUT /call/a HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    peer.send([&post("/call/later", 1), chunked, &post("/call/b?x-api-key=k", 70_000)].concat().as_bytes());
    let answers = [peer.answer(), peer.answer(), peer.answer()];
    let said = answers.each_ref().map(|answer| (answer.status, answer.body.as_str()));
    assert_eq!(
        said,
        [(200, "{}"), (201, r#"{"method":"PUT","bytes":5}"#), (201, r#"{"method":"POST","bytes":70000}"#)]
    );
    assert!(answers.iter().all(|answer| answer.header("connection").is_none()));

    // What the shell says itself comes first, and what nobody answers stays so.
    peer.send(b"GET /health HTTP/1.1\r\nHost: gate\r\n\r\n");
    assert_eq!(peer.answer().status, 200);
    peer.send(post("/health", 0).as_bytes());
    assert_eq!(peer.answer().status, 405);
    peer.send(post("/other", 10).as_bytes());
    assert_eq!(peer.answer().status, 404);
    let page = running.metrics();
    for line in [
        "tillgate_calls_total{dialect=\"modulus\",status=\"2xx\"} 3",
        "tillgate_calls_open 0",
        "tillgate_connections_open 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn who_is_turned_away_has_to_connect_again() {
    let running = start(|_| {});
    for (status, last) in [(401, true), (429, true), (409, false)] {
        let mut peer = Peer::connect(running.addresses()[0]);
        peer.send(post(&format!("/call/{status}"), 1).as_bytes());
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("connection")), (status, last.then_some("close")), "{answer:?}");
        if last {
            assert!(peer.hear_end(), "something was said");
        } else {
            peer.send(post("/call/a", 1).as_bytes());
            assert_eq!(peer.answer().status, 201);
        }
    }
}

#[test]
fn a_body_that_is_too_long_is_not_read() {
    let running = start(|settings| settings.call_body_most = 1024);
    let announced = "POST /call HTTP/1.1\r\nHost: gate\r\nContent-Length: 1025\r\n\r\n".to_owned();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let chunked = format!("POST /call HTTP/1.1\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{chunk}");
    for request in [announced, chunked] {
        let mut peer = Peer::connect(running.addresses()[0]);
        peer.send(request.as_bytes());
        let answer = peer.answer();
        assert_eq!((answer.status, answer.header("connection")), (413, Some("close")), "{answer:?}");
        assert!(answer.body.contains(r#""code":"too_big""#), "{answer:?}");
    }
    let mut peer = Peer::connect(running.addresses()[0]);
    peer.send(post("/call", 1024).as_bytes());
    assert_eq!(peer.answer().status, 201);
    assert!(running.metrics().contains("tillgate_calls_refused_total{reason=\"too_big\"} 2"));
}

#[test]
fn a_body_that_does_not_come_is_waited_for_only_so_long() {
    let running = start(|settings| settings.handshake_time = Duration::from_millis(200));
    let mut peer = Peer::connect(running.addresses()[0]);
    peer.send(b"POST /call HTTP/1.1\r\nHost: gate\r\nContent-Length: 10\r\n\r\nabc");
    eventually("its call is read", || running.metrics().contains("tillgate_calls_open 1"));
    assert!(peer.hear_end(), "something was said");
    eventually("its call is forgotten", || running.metrics().contains("tillgate_calls_open 0"));
}

#[test]
fn a_caller_that_hangs_up_is_gone_once() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut witness = Peer::open(address, "/echo");
    let mut caller = Peer::connect(address);
    caller.send(post("/call/never", 5).as_bytes());
    eventually("its call waits", || running.metrics().contains("tillgate_calls_open 1"));
    assert_eq!(ended(&mut witness), None);
    drop(caller);
    eventually("it is gone", || ended(&mut witness).is_some_and(|endings| endings == "peer_lost/false"));
    let page = running.metrics();
    assert!(page.contains("tillgate_calls_open 0") && page.contains("tillgate_connections_open 1"), "{page}");
}

#[test]
fn an_answer_takes_as_long_as_the_dialect_wants_and_no_longer_than_set() {
    let running = start(|settings| {
        settings.handshake_time = Duration::from_millis(100);
        settings.call_time = Duration::from_millis(900);
    });
    let address = running.addresses()[0];
    let mut witness = Peer::open(address, "/echo");
    let mut caller = Peer::connect(address);
    caller.send(post("/call/later", 0).as_bytes());
    assert_eq!(caller.answer().status, 200);
    // Afterwards the next request is awaited for as short as ever.
    assert!(caller.hear_end(), "something was said");

    let mut caller = Peer::connect(address);
    caller.send(post("/call/never", 0).as_bytes());
    assert!(caller.hear_end(), "something was said");
    assert_eq!(ended(&mut witness).as_deref(), Some("peer_lost/false"));
}

#[test]
fn calls_beyond_the_bound_hear_when_to_come_back() {
    let running = start(|settings| settings.calls_most = 1);
    let address = running.addresses()[0];
    let mut first = Peer::connect(address);
    first.send(post("/call/never", 0).as_bytes());
    eventually("its call waits", || running.metrics().contains("tillgate_calls_open 1"));
    let mut second = Peer::connect(address);
    second.send(post("/call", 0).as_bytes());
    let answer = second.answer();
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")), "{answer:?}");
    assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()), "{answer:?}");
    drop(first);
    eventually("there is room again", || {
        let mut third = Peer::connect(address);
        third.send(post("/call", 0).as_bytes());
        third.answer().status == 201
    });
}

#[test]
fn more_bytes_than_a_core_reads_at_once_hear_when_to_come_back() {
    let running = start(|settings| settings.call_bytes_most = 65_536);
    let address = running.addresses()[0];
    let mut slow = Peer::connect(address);
    slow.send(
        format!("POST /call HTTP/1.1\r\nHost: gate\r\nContent-Length: 60000\r\n\r\n{}", "x".repeat(50_000)).as_bytes(),
    );
    eventually("others have no room", || {
        let mut other = Peer::connect(address);
        other.send(post("/call", 20_000).as_bytes());
        other.answer().status == 503
    });
    slow.send("x".repeat(10_000).as_bytes());
    assert_eq!(slow.answer().status, 201);
    let mut other = Peer::connect(address);
    other.send(post("/call", 20_000).as_bytes());
    assert_eq!(other.answer().status, 201);
}

#[test]
fn a_call_the_machine_breaks_over_is_answered() {
    let running = start(|_| {});
    let mut caller = Peer::connect(running.addresses()[0]);
    caller.send(post("/call/panic", 0).as_bytes());
    let answer = caller.answer();
    assert_eq!((answer.status, answer.header("connection")), (500, Some("close")), "{answer:?}");
    assert!(running.metrics().contains("tillgate_calls_open 0"));
}

#[test]
fn a_drain_waits_for_the_answers_of_calls() {
    let running = start(|_| {});
    let mut caller = Peer::connect(running.addresses()[0]);
    caller.send(post("/call/never", 0).as_bytes());
    eventually("its call waits", || running.metrics().contains("tillgate_calls_open 1"));
    let drained = running.drain();
    let answer = caller.answer();
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")), "{answer:?}");
    assert_eq!((answer.header("retry-after"), drained.cut), (Some("1"), 0));
}
