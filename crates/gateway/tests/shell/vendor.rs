//! The whole of it: real nodes, a store, BOOP vendors and scanners on real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gateway::{Gateway, Running, Settings, Storage};
use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role,
    Secret, Wall,
};
use store::{Memory, Store};
use websocket::{Close, CloseCode, Message};

use crate::peer::{Peer, frame};
use crate::{eventually, plan};

/// A gateway with one vendor and one scanner of the same shop, and their store.
struct Shop {
    running: Running,
    store: Memory,
}

impl Shop {
    fn open(change: impl FnOnce(&mut Settings)) -> Self {
        let store = Memory::new();
        let vendor = credential("vendor", Role::Requester, None);
        let scanner = credential("scanner", Role::Performer, Some("scanner"));
        store.clone().add_credentials(&[vendor, scanner]).unwrap();
        let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
        gateway.settings.cores = 2;
        gateway.settings.close_wait = Duration::from_millis(300);
        change(&mut gateway.settings);
        let boxed: Box<dyn Store> = Box::new(store.clone());
        let running = gateway.start(Storage::from(boxed), plan()).unwrap();
        assert!(running.wait_ready(Duration::from_secs(5)));
        Self { running, store }
    }

    fn address(&self) -> SocketAddr {
        self.running.addresses()[0]
    }

    fn vendor(&self) -> Peer {
        let mut peer = Peer::open(self.address(), "/ws/vendor");
        peer.say(r#"{"type":"authenticate","vendor_id":"vendor","api_key":"secret of vendor"}"#);
        assert_eq!(kind(&peer.hear()), "authenticated");
        peer
    }

    fn scanner(&self) -> Peer {
        let mut peer = Peer::open(self.address(), "/ws/pvs");
        peer.say(r#"{"type":"authenticate","device_id":"scanner","device_key":"secret of scanner"}"#);
        assert_eq!(kind(&peer.hear()), "authenticated");
        peer
    }
}

fn credential(name: &str, role: Role, device: Option<&str>) -> Credential {
    Credential {
        id: CredentialId::parse(&format!("key-of-{name}")).unwrap(),
        dialect: Dialect::Boop,
        role,
        network: NetworkId::parse("network").unwrap(),
        group: GroupId::parse("shop").unwrap(),
        principal: PrincipalId::parse(name).unwrap(),
        subject: Some(name.into()),
        device: device.map(|device| DeviceId::parse(device).unwrap()),
        name: name.into(),
        secret: CredentialKind::Digest(Secret::new(&format!("secret of {name}")).digest()),
        permissions: Permissions::All,
        certificate: None,
        created_at: Wall::from_millis(0),
        expires_at: None,
        revoked_at: None,
    }
}

fn kind(text: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    json["type"].as_str().unwrap_or_default().to_owned()
}

const CONTEXT: &str = r#"{"type":"create_context","context_id":"c-1","requirements":{"type":"entrance"}}"#;

#[test]
fn a_palm_is_shown_and_the_vendor_hears_of_it() {
    let shop = Shop::open(|_| {});
    // Several connections, so that vendor, scanner and partition do not all meet on one core.
    for _ in 0..8 {
        let (mut vendor, mut scanner) = (shop.vendor(), shop.scanner());
        let context = CONTEXT.replace("c-1", &format!("c-{:?}", Instant::now()).replace([' ', ':', '{', '}'], ""));
        vendor.say(&context);
        let opened: serde_json::Value = serde_json::from_str(&scanner.hear()).unwrap();
        assert_eq!(opened["type"], "context_open", "{opened}");
        let id = opened["context_id"].as_str().unwrap();
        scanner.say(&format!(
            r#"{{"type":"scan_result","context_id":"{id}","outcome":"captured","template":"AAAA","palm_side":"left","quality":90}}"#
        ));
        let told = vendor.hear();
        assert!(told.contains(id) && told.contains("USER_NOT_FOUND"), "{told}");
        for peer in [&mut vendor, &mut scanner] {
            peer.send(&frame(&Message::Close(Close::code_only(CloseCode::NORMAL))));
        }
    }
    let page = shop.running.metrics();
    assert!(page.contains("tillgate_operations_accepted_total 8"), "{page}");
    assert!(page.contains("tillgate_commits_total{result=\"durable\"}"), "{page}");
    assert!(!page.contains("result=\"failed\""), "{page}");
}

#[test]
fn a_revoked_key_ends_its_sessions_within_a_second() {
    let shop = Shop::open(|_| {});
    let mut vendor = shop.vendor();
    assert!(shop.running.metrics().contains("tillgate_sessions_logged_in 1"));
    let began = Instant::now();
    let wall = Wall::from_millis(1_000);
    let id = CredentialId::parse("key-of-vendor").unwrap();
    assert_eq!(shop.store.clone().end_credential(&id, wall, wall), Ok(true));
    let mut last = vendor.message();
    if matches!(last, Some(Message::Text(_))) {
        last = vendor.message();
    }
    let Some(Message::Close(close)) = last else { panic!("expected a close, got {last:?}") };
    assert_eq!(close.code().map(CloseCode::get), Some(4401));
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(vendor.hear_end());
    eventually("nobody is logged in", || shop.running.metrics().contains("tillgate_sessions_logged_in 0"));
    assert!(shop.running.metrics().contains(r#"tillgate_closes_total{dialect="boop",reason="revoked"} 1"#));
}

#[test]
fn a_proxy_that_answers_pings_keeps_nobody_alive() {
    let store = Memory::new();
    store.clone().add_credentials(&[credential("vendor", Role::Requester, None)]).unwrap();
    let mut gateway = Gateway::new(vec!["127.0.0.1:0".parse().unwrap()]);
    gateway.settings.cores = 1;
    gateway.settings.close_wait = Duration::from_millis(300);
    let mut plan = plan();
    let silent_after = Duration::from_secs(1);
    let boop = &mut std::sync::Arc::make_mut(&mut plan.dialects).boop;
    std::sync::Arc::make_mut(boop).silent_after = silent_after;
    let boxed: Box<dyn Store> = Box::new(store);
    let running = gateway.start(Storage::from(boxed), plan).unwrap();
    assert!(running.wait_ready(Duration::from_secs(5)));
    let shop = Shop { running, store: Memory::new() };
    let began = Instant::now();
    let mut vendor = shop.vendor();
    // From here on nobody is there but a proxy, which answers whatever pings come.
    let close = loop {
        match vendor.message() {
            Some(Message::Ping(payload)) => vendor.send(&frame(&Message::Pong(payload))),
            Some(Message::Close(close)) => break close.code().map(CloseCode::get),
            other => panic!("expected a close, got {other:?}"),
        }
    };
    assert_eq!(close, Some(4408));
    assert!(began.elapsed() >= silent_after, "{:?}", began.elapsed());
    drop(vendor);
    eventually("it is counted", || {
        shop.running.metrics().contains(r#"tillgate_closes_total{dialect="boop",reason="silent"} 1"#)
    });
}

#[test]
fn wrong_keys_and_wrong_frames_end_with_their_codes() {
    let shop = Shop::open(|_| {});
    let mut peer = Peer::open(shop.address(), "/ws/vendor");
    peer.say(r#"{"type":"authenticate","vendor_id":"vendor","api_key":"guess"}"#);
    assert!(peer.hear().contains("INVALID_CREDENTIALS"));
    assert_eq!(peer.hear_close().0, 4401);
    let page = shop.running.metrics();
    assert!(page.contains(r#"tillgate_logins_refused_total{dialect="boop",denied="unknown"} 1"#), "{page}");

    let long = "x".repeat(5_000);
    let mut before_login = Peer::open(shop.address(), "/ws/vendor");
    before_login.say(&long);
    assert_eq!(before_login.hear_close(), (1009, "too_big".to_owned()));

    let mut vendor = shop.vendor();
    vendor.say(&long);
    assert!(vendor.hear().contains("INVALID_REQUEST"), "more is taken after login");
    vendor.send(&frame(&Message::binary(b"bytes".to_vec())));
    assert_eq!(vendor.hear_close(), (1003, "binary".to_owned()));
}

#[test]
fn a_failed_commit_is_like_a_restart_of_its_partition() {
    let shop = Shop::open(|_| {});
    let (mut vendor, mut scanner) = (shop.vendor(), shop.scanner());
    shop.store.fail_next_commit();
    vendor.say(CONTEXT);
    for peer in [&mut vendor, &mut scanner] {
        let code = loop {
            match peer.message() {
                Some(Message::Text(_)) => {}
                Some(Message::Close(close)) => break close.code().map(CloseCode::get),
                other => panic!("expected a close, got {other:?}"),
            }
        };
        assert_eq!(code, Some(1013));
    }
    assert!(shop.running.metrics().contains("tillgate_commits_total{result=\"failed\"} 1"));
    assert!(shop.running.wait_ready(Duration::from_secs(5)));
    // The same id again is a first time: nothing of it was there.
    let mut vendor = shop.vendor();
    let mut scanner = shop.scanner();
    vendor.say(CONTEXT);
    assert_eq!(kind(&scanner.hear()), "context_open");
}

#[test]
fn a_drain_tells_vendors_in_their_own_words() {
    let shop = Shop::open(|settings| settings.drain_time = Duration::from_secs(3));
    let mut vendor = shop.vendor();
    let running = shop.running;
    let drained = std::thread::spawn(move || running.drain());
    let code = loop {
        match vendor.message() {
            Some(Message::Text(_)) => {}
            Some(Message::Close(close)) => break close.code().map(CloseCode::get),
            other => panic!("expected a close, got {other:?}"),
        }
    };
    assert_eq!(code, Some(1001));
    assert_eq!(drained.join().unwrap().cut, 0);
}
