//! How connections end: the right code, everything queued before it, and the machine told how it was.

use websocket::{Close, CloseCode, Message};

use crate::peer::{Peer, frame, text};
use crate::{eventually, start};

/// What the machine was told of the endings so far.
fn endings(address: std::net::SocketAddr, want: &str) {
    let mut witness = Peer::open(address, "/echo");
    eventually(want, || {
        witness.say("endings");
        witness.hear() == want
    });
}

#[test]
fn what_is_wrong_on_the_wire_has_its_code() {
    let running = start(|_| {});
    let unmasked = b"\x81\x02hi".to_vec();
    let bad_text = frame(&Message::binary(b"caf\xff".to_vec())).into_iter().enumerate();
    // The same frame as text: only the opcode differs.
    let bad_text: Vec<u8> = bad_text.map(|(index, byte)| if index == 0 { 0x81 } else { byte }).collect();
    let table = [
        (text(&"x".repeat(4097)), 1009),
        (text(&"x".repeat(1_000_000)), 1009),
        (frame(&Message::binary(b"bytes".to_vec())), 1003),
        (bad_text, 1007),
        (unmasked, 1002),
        (b"\xf1\x80\0\0\0\0".to_vec(), 1002),
        (b"\x80\x80\0\0\0\0".to_vec(), 1002),
        (b"\x09\x80\0\0\0\0".to_vec(), 1002),
    ];
    for (bytes, code) in table {
        let mut peer = Peer::open(running.addresses()[0], "/echo");
        peer.say("before");
        peer.try_send(&bytes);
        assert_eq!(peer.hear(), "before");
        assert_eq!(peer.hear_close().0, code, "{:02x?}", &bytes[..bytes.len().min(16)]);
        assert!(peer.hear_end(), "{code}");
    }
}

#[test]
fn a_limit_holds_from_the_next_frame_of_the_same_packet() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    let long = "x".repeat(10_000);
    let mut bytes = text("limit 10000");
    bytes.extend(text(&long));
    bytes.extend(text("limit 100"));
    bytes.extend(text(&long));
    peer.send(&bytes);
    assert_eq!(peer.hear(), long);
    assert_eq!(peer.hear_close(), (1009, "too_big".to_owned()));
}

#[test]
fn one_message_may_be_larger_than_what_may_wait() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    peer.say("limit 8000000");
    let long = "x".repeat(8_000_000);
    for _ in 0..2 {
        peer.send(&text(&long));
        assert_eq!(peer.hear().len(), long.len());
    }
}

#[test]
fn what_was_queued_comes_before_the_close_and_nothing_after() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    let mut bytes = text("farewell");
    bytes.extend(text("more"));
    peer.send(&bytes);
    assert_eq!(peer.hear(), "bye");
    assert_eq!(peer.hear_close(), (1000, "finished".to_owned()));
    assert!(peer.hear_end());
}

#[test]
fn a_peer_that_completes_our_close_was_alive() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    peer.say("close");
    assert_eq!(peer.hear_close(), (4409, "displaced".to_owned()));
    peer.send(&text("late"));
    peer.send(&frame(&Message::Close(Close::code_only(CloseCode::NORMAL))));
    assert!(peer.hear_end());
    endings(address, "displaced/true");
}

#[test]
fn a_peer_that_does_not_is_cut_in_time() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    peer.say("close");
    assert_eq!(peer.hear_close().0, 4409);
    assert!(peer.hear_end());
    endings(address, "displaced/false");
}

#[test]
fn the_peers_close_is_repeated_after_what_it_was_owed() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    let mut bytes = text("last words");
    bytes.extend(frame(&Message::Close(Close::new(CloseCode::GOING_AWAY, "lunch").unwrap())));
    peer.send(&bytes);
    assert_eq!(peer.hear(), "last words");
    assert_eq!(peer.hear_close(), (1001, String::new()));
    assert!(peer.hear_end());
    endings(address, "peer_closed/false");
}

#[test]
fn half_a_close_still_hears_its_answers() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    peer.say("answers 100");
    peer.end_sending();
    for index in 0..100 {
        assert_eq!(peer.hear(), format!("{index:01000}"));
    }
    assert!(peer.hear_end());
    endings(address, "peer_lost/false");
}

#[test]
fn pings_are_answered_with_their_payload_and_in_order() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    let mut bytes = text("one");
    bytes.extend(frame(&Message::Ping(websocket::ControlPayload::new(&b"p"[..]).unwrap())));
    bytes.extend(text("ping"));
    peer.send(&bytes);
    assert_eq!(peer.hear(), "one");
    assert_eq!(peer.message(), Some(Message::Pong(websocket::ControlPayload::new(&b"p"[..]).unwrap())));
    assert_eq!(peer.message(), Some(Message::Ping(websocket::ControlPayload::EMPTY)));
}

#[test]
fn a_panic_ends_the_connection_that_caused_it_and_no_other() {
    let running = start(|_| {});
    let address = running.addresses()[0];
    let mut other = Peer::open(address, "/echo");
    let mut peer = Peer::open(address, "/echo");
    peer.say("panic");
    assert_eq!(peer.hear_close(), (1011, "fault".to_owned()));
    other.say("still here");
    assert_eq!(other.hear(), "still here");
    assert!(running.metrics().contains("tillgate_panics_total 1"));
}
