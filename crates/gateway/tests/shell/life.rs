//! Starting, filling up, draining.

use std::time::Duration;

use gateway::{Gateway, StartError};
use websocket::{Close, CloseCode, Message};

use crate::parrot::Parrot;
use crate::peer::{Peer, frame, request};
use crate::{eventually, plan, start, storage};

#[test]
fn a_plain_socket_for_others_to_hear_is_refused() {
    let address = "0.0.0.0:0".parse().unwrap();
    let refused = Gateway::new(vec![address]).start(storage(), plan()).unwrap_err();
    assert!(matches!(refused, StartError::Plaintext { .. }));
    assert!(refused.to_string().contains("allow_plaintext_behind_proxy"), "{refused}");

    let mut gateway = Gateway::new(vec![address]);
    gateway.settings.allow_plaintext_behind_proxy = true;
    assert!(gateway.start(storage(), plan()).is_ok());
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let refused = Gateway::new(vec![address]).start(storage(), plan()).unwrap_err();
    assert!(refused.to_string().contains(&address.to_string()), "{refused}");
}

#[test]
fn nodes_load_their_partitions_and_become_ready() {
    let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
    gateway.settings.cores = 2;
    let running = gateway.start(storage(), plan()).unwrap();
    assert!(running.wait_ready(Duration::from_secs(5)));
    assert!(running.is_alive());
    assert_eq!(running.refresh(), Ok(()));
}

#[test]
fn every_core_takes_connections() {
    let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
    gateway.settings.cores = 2;
    let running = gateway.start_with(storage(), |birth, _| Box::new(Parrot::new(birth.core))).unwrap();
    let mut peers: Vec<Peer> = (0..40).map(|_| Peer::open(running.addresses()[0], "/echo")).collect();
    for peer in &mut peers {
        peer.say("hi");
        assert_eq!(peer.hear(), "hi");
    }
    assert_eq!(running.connections(), 40);
    drop(peers);
    eventually("all are gone", || running.connections() == 0);
}

#[test]
fn beyond_the_bound_upgrades_are_told_to_come_back() {
    let running = start(|settings| settings.connections_most = 2);
    let address = running.addresses()[0];
    let first = Peer::open(address, "/echo");
    let _second = Peer::open(address, "/echo");
    let mut third = Peer::connect(address);
    third.send(request("/echo").as_bytes());
    let answer = third.answer();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("5"));
    drop((first, third));
    eventually("there is room again", || {
        let mut peer = Peer::connect(address);
        peer.send(request("/echo").as_bytes());
        peer.answer().status == 101
    });
}

#[test]
fn a_drain_says_goodbye_and_refuses_newcomers_until_all_are_gone() {
    let running = start(|settings| settings.close_wait = Duration::from_secs(3));
    let address = running.addresses()[0];
    let mut peer = Peer::open(address, "/echo");
    let mut probe = Peer::connect(address);
    let drained = std::thread::spawn(move || running.drain());
    assert_eq!(peer.hear_close(), (1001, "drained".to_owned()));

    probe.send(b"GET /readyz HTTP/1.1\r\nHost: gate\r\n\r\n");
    assert_eq!(probe.answer().status, 503);
    let mut newcomer = Peer::connect(address);
    newcomer.send(request("/echo").as_bytes());
    let answer = newcomer.answer();
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");

    peer.send(&frame(&Message::Close(Close::code_only(CloseCode::GOING_AWAY))));
    assert!(peer.hear_end());
    assert_eq!(drained.join().unwrap().cut, 0);
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let running = start(|settings| {
        settings.close_wait = Duration::from_secs(30);
        settings.drain_time = Duration::from_millis(200);
    });
    let _peer = Peer::open(running.addresses()[0], "/echo");
    assert_eq!(running.drain().cut, 1);
}
