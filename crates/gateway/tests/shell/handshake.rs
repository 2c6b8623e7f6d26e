//! Upgrades: nothing but a WebSocket client of version 13 passes, and everybody else hears why.

use std::time::Duration;

use crate::peer::{KEY, Peer, request, text};
use crate::start;

/// The right request with one line changed; nothing to take it out.
fn changed(line: &str, by: &str) -> String {
    let replaced = request("/echo")
        .split("\r\n")
        .filter_map(|found| {
            if !found.starts_with(line) {
                return Some(found.to_owned());
            }
            if by.is_empty() { None } else { Some(by.to_owned()) }
        })
        .collect::<Vec<_>>()
        .join("\r\n");
    assert_ne!(replaced, request("/echo"), "{line}");
    replaced
}

#[test]
fn only_a_right_handshake_passes() {
    let running = start(|_| {});
    let version = "Sec-WebSocket-Version";
    let table = [
        (request("/echo"), 101),
        (changed("Upgrade", "Upgrade: WebSocket"), 101),
        (changed("Connection", "Connection: keep-alive, Upgrade"), 101),
        (changed("GET", "POST /echo HTTP/1.1"), 405),
        (changed("GET", "GET /echo HTTP/1.0"), 400),
        (changed("Host", ""), 400),
        (changed("Host", "Host: gate\r\nHost: other"), 400),
        (changed("Upgrade", "Upgrade: h2c"), 426),
        (changed("Connection", "Connection: keep-alive"), 400),
        (changed(version, ""), 426),
        (changed(version, "Sec-WebSocket-Version: 8"), 426),
        (changed(version, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"), 426),
        (changed("Sec-WebSocket-Key", ""), 400),
        (changed("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="), 400),
        (changed("Host", "Host: gate\r\nContent-Length: 4"), 400),
        (changed("GET", "GET /refuse HTTP/1.1"), 401),
    ];
    for (request, status) in table {
        let mut peer = Peer::connect(running.addresses()[0]);
        peer.send(request.as_bytes());
        let answer = peer.answer();
        assert_eq!(answer.status, status, "{request}\n{answer:?}");
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"), "{answer:?}");
        }
        if status == 101 {
            assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{KEY}");
            peer.say("hi");
            assert_eq!(peer.hear(), "hi");
        } else {
            assert!(!answer.body.is_empty());
            assert!(peer.hear_end(), "a refused upgrade ends the connection properly: {request}");
        }
    }
}

#[test]
fn tokens_are_found_in_lists_and_in_repeated_headers() {
    let running = start(|_| {});
    let table = [
        changed("Upgrade", "Upgrade: h2c, WEBSOCKET"),
        changed("Upgrade", "Upgrade: h2c\r\nUpgrade: websocket"),
        changed("Connection", "connection: keep-alive ,\tUPGRADE "),
        changed("Connection", "Connection: keep-alive\r\nConnection: upgrade"),
        changed("GET", "GET http://gate/echo?q=1 HTTP/1.1"),
        changed("Host", "Host: gate\r\nContent-Length: 0"),
        changed("Host", "Host: gate\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: chat"),
    ];
    for request in table {
        let mut peer = Peer::connect(running.addresses()[0]);
        peer.send(request.as_bytes());
        let answer = peer.answer();
        assert_eq!(answer.status, 101, "{request}\n{answer:?}");
        for never_agreed in ["sec-websocket-extensions", "sec-websocket-protocol"] {
            assert_eq!(answer.header(never_agreed), None, "{answer:?}");
        }
        peer.say("hi");
        assert_eq!(peer.hear(), "hi");
    }
}

#[test]
fn what_is_nearly_right_is_refused_with_what_would_be_right() {
    let running = start(|_| {});
    let key = |value: &str| changed("Sec-WebSocket-Key", &format!("Sec-WebSocket-Key: {value}"));
    let version = |value: &str| changed("Sec-WebSocket-Version", &format!("Sec-WebSocket-Version: {value}"));
    let table = [
        (changed("GET", "PUT /echo HTTP/1.1"), 405, "method_not_get"),
        (changed("GET", "get /echo HTTP/1.1"), 405, "method_not_get"),
        (changed("GET", "OPTIONS /echo HTTP/1.1"), 405, "method_not_get"),
        (changed("GET", "GET /echo HTTP/1.0"), 400, "http_version"),
        (changed("Upgrade", ""), 426, "upgrade_missing"),
        (changed("Upgrade", "Upgrade: websockets"), 426, "upgrade_missing"),
        (changed("Upgrade", "Upgrade: websocket/13"), 426, "upgrade_missing"),
        (changed("Connection", ""), 400, "connection_missing"),
        (changed("Connection", "Connection: not-upgrade"), 400, "connection_missing"),
        (version("013"), 426, "version_unsupported"),
        (version("13, 8"), 426, "version_unsupported"),
        (version("14"), 426, "version_unsupported"),
        (changed("Host", "Host:"), 400, "host_missing"),
        (changed("Host", "Host: gate\r\nHost: gate"), 400, "host_repeated"),
        (changed("Host", "Host: gate\r\nTransfer-Encoding: chunked"), 400, "body_present"),
        (key(""), 400, "key_invalid"),
        // 15 bytes, 17 bytes, 16 without padding, and a letter that is none.
        (key("MDEyMzQ1Njc4OWFiY2Rl"), 400, "key_invalid"),
        (key("MDEyMzQ1Njc4OWFiY2RlZmc="), 400, "key_invalid"),
        (key("dGhlIHNhbXBsZSBub25jZQ"), 400, "key_invalid"),
        (key("dGhlIHNhbXBsZSBub25j_Q=="), 400, "key_invalid"),
        (key(&format!("{KEY}\r\nSec-WebSocket-Key: {KEY}")), 400, "key_repeated"),
    ];
    for (request, status, name) in table {
        let mut peer = Peer::connect(running.addresses()[0]);
        peer.send(request.as_bytes());
        let answer = peer.answer();
        assert_eq!(answer.status, status, "{request}\n{answer:?}");
        assert!(answer.body.contains(name), "{request}\n{answer:?}");
        let told = match status {
            405 => ("allow", Some("GET")),
            426 => ("sec-websocket-version", Some("13")),
            _ => ("sec-websocket-accept", None),
        };
        assert_eq!(answer.header(told.0), told.1, "{request}\n{answer:?}");
        assert!(peer.hear_end(), "a refused upgrade ends the connection properly: {request}");
    }
}

#[test]
fn after_a_refusal_nothing_of_the_same_packet_is_listened_to() {
    let running = start(|_| {});
    let mut peer = Peer::connect(running.addresses()[0]);
    let mut bytes = changed("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8").into_bytes();
    bytes.extend(text("taken for a request"));
    bytes.extend(request("/greeting").into_bytes());
    peer.send(&bytes);
    assert_eq!(peer.answer().status, 426);
    assert!(peer.hear_end(), "one answer and no greeting");
}

#[test]
fn a_request_may_come_byte_by_byte_and_the_first_frame_with_its_end() {
    let running = start(|_| {});
    let mut peer = Peer::connect(running.addresses()[0]);
    let request = request("/echo").into_bytes();
    let (last, slowly) = request.split_last().unwrap();
    for byte in slowly {
        peer.send(&[*byte]);
    }
    let mut bytes = vec![*last];
    bytes.extend(text("at once"));
    peer.send(&bytes);
    assert_eq!(peer.answer().status, 101);
    assert_eq!(peer.hear(), "at once");
}

#[test]
fn frames_in_the_packet_of_the_request_are_heard() {
    let running = start(|_| {});
    let mut peer = Peer::connect(running.addresses()[0]);
    let mut bytes = request("/greeting").into_bytes();
    bytes.extend(text("one"));
    bytes.extend(text("two"));
    // Half a frame too: it goes on where it stopped.
    let three = text("three");
    bytes.extend(&three[..4]);
    peer.send(&bytes);
    assert_eq!(peer.answer().status, 101);
    assert_eq!([peer.hear(), peer.hear(), peer.hear()], ["hello", "one", "two"]);
    peer.send(&three[4..]);
    assert_eq!(peer.hear(), "three");
}

#[test]
fn a_browser_needs_its_origin_listed() {
    let running = crate::Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
    let running = running.start(crate::storage(), crate::plan()).unwrap();
    let with_origin = |origin: &str| request("/ws/vendor").replace("Host:", &format!("Origin: {origin}\r\nHost:"));
    let mut peer = Peer::connect(running.addresses()[0]);
    peer.send(with_origin("https://evil.example").as_bytes());
    let answer = peer.answer();
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("origin_not_allowed"), "{answer:?}");
}

#[test]
fn who_says_nothing_is_gone_after_the_handshake_time() {
    let running = start(|settings| settings.handshake_time = Duration::from_millis(200));
    let address = running.addresses()[0];
    let mut silent = Peer::connect(address);
    let mut slow = Peer::connect(address);
    slow.send(b"GET /echo HTTP/1.1\r\nHost: g");
    let mut undecided = Peer::connect(address);
    undecided.send(request("/silence").as_bytes());
    for peer in [&mut silent, &mut slow, &mut undecided] {
        assert!(peer.hear_end());
    }
    let mut witness = Peer::open(address, "/echo");
    witness.say("endings");
    assert_eq!(witness.hear(), "peer_lost/false", "the machine hears that the undecided one is gone");
}
