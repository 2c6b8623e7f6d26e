//! Peers that do not read, and peers that are not read.

use std::time::Duration;

use websocket::{ControlPayload, Message};

use crate::peer::{Peer, frame, text};
use crate::{eventually, start};

#[test]
fn a_paused_peer_is_not_read_until_it_is_resumed() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    let mut bytes = text("pause");
    bytes.extend(text("one"));
    bytes.extend(text("two"));
    peer.send(&bytes);
    assert_eq!([peer.hear(), peer.hear(), peer.hear()], ["again", "one", "two"]);
}

#[test]
fn a_burst_of_answers_is_no_slowness_for_a_peer_that_reads() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    // 60 KiB of small frames come in one read and ask for far more than what may wait.
    let pong = ControlPayload::new(vec![b'x'; 100]).unwrap();
    let pings = frame(&Message::Ping(pong.clone())).repeat(2000);
    let reader = std::thread::spawn({
        let mut writer = peer.clone_for_writing();
        move || writer.send(&pings)
    });
    for _ in 0..2000 {
        assert_eq!(peer.message(), Some(Message::Pong(pong.clone())));
    }
    reader.join().unwrap();
}

#[test]
fn too_many_unread_answers_close_the_peer_as_slow() {
    let running = start(|settings| settings.slow_time = Duration::from_secs(60));
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    // Far more than the kernel takes for a peer that does not read.
    peer.say("answers 20000");
    let mut witness = Peer::open(address, "/echo");
    eventually("the slow one is gone", || {
        witness.say("endings");
        witness.hear() == "slow/false"
    });
}

#[test]
fn a_peer_that_asks_and_never_reads_is_slow_after_its_time() {
    let running = start(|settings| settings.slow_time = Duration::from_millis(300));
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    let chatter = text(&"x".repeat(4000)).repeat(100);
    // We stop reading long before this has all been sent.
    for _ in 0..200 {
        if !peer.try_send(&chatter) {
            break;
        }
    }
    let mut witness = Peer::open(address, "/echo");
    eventually("the slow one is gone", || {
        witness.say("endings");
        witness.hear() == "slow/false"
    });
}

#[test]
fn telemetry_is_dropped_oldest_first_and_the_listener_is_told() {
    let running = start(|_| {});
    let mut peer = Peer::open(running.addresses()[0], "/echo");
    peer.say("telemetry 100");
    let mut heard = Vec::new();
    loop {
        let text = peer.hear();
        if text == "room" {
            break;
        }
        heard.push(text);
    }
    // One turn said 100 KiB of it; the last 16 KiB were kept.
    assert_eq!(heard.len(), 17);
    assert_eq!(heard[0], format!("{:01000}", 84));
    assert_eq!(heard[15], format!("{:01000}", 99));
    assert_eq!(heard[16], "dropped 84");
}
