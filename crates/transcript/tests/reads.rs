//! What comes while a stored row is still being read.

use std::net::{IpAddr, Ipv4Addr};

use model::{Request, RequestKey};
use transcript::world::{Hearing, Sent, Shown, Sight, Socket, World};

const GIVEN: &str = "\
# Two sockets of one vendor.
# mark: choice

= vendor boop requester vendor_id=ven_1 key=sk_1 group=ven_1
";

fn open(world: &mut World) -> Socket {
    open_as(world, "ven_1", "sk_1")
}

fn open_as(world: &mut World, vendor: &str, key: &str) -> Socket {
    let request = Request {
        method: "GET".into(),
        path: "/ws/vendor".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        certificate: None,
    };
    let socket = world.open(0, &request, Hearing::Hears);
    say(world, socket, &format!(r#"{{"type":"authenticate","vendor_id":"{vendor}","api_key":"{key}"}}"#));
    socket
}

fn say(world: &mut World, socket: Socket, text: &str) {
    world.send(socket, Sent::Text(text.to_owned()));
    world.settle();
}

fn texts(world: &mut World, of: Socket) -> Vec<String> {
    let seen = world.take_seen().into_iter();
    let texts = seen.filter_map(|seen| match seen.sight {
        Sight::Wire(socket, Shown::Text(text)) if socket == of => Some(String::from_utf8_lossy(&text).into_owned()),
        Sight::Wire(..) | Sight::Event(_) | Sight::Note(_) | Sight::Post(..) => None,
    });
    texts.collect()
}

/// A vendor sends a context and is replaced by its own second socket, all before the store has said whether the
/// context's id was used before. The context was asked for by a socket that was in: it must not be lost.
#[test]
fn what_was_asked_before_a_takeover_is_taken_before_it() {
    for cores in [1, 2] {
        let story = transcript::parse("reads", GIVEN).unwrap();
        let mut world = transcript::stage(&story, cores, Box::new(store::memory::Memory::new())).unwrap();
        let older = open(&mut world);
        world.hold_reads();
        say(&mut world, older, r#"{"type":"create_context","context_id":"c1","requirements":{"type":"entrance"}}"#);
        say(&mut world, older, r#"{"type":"create_context","context_id":"c2","requirements":{"type":"entrance"}}"#);
        let newer = open(&mut world);
        // The row of the first is read, then that of the second, which was asked for before the takeover too.
        for _ in 0..2 {
            world.release_reads();
            world.hold_reads();
            world.settle();
        }
        world.release_reads();
        world.settle();
        drop(world.take_seen());
        for id in ["c1", "c2"] {
            say(&mut world, newer, &format!(r#"{{"type":"cancel_context","context_id":"{id}"}}"#));
            let told = texts(&mut world, newer);
            assert!(told.len() == 1 && told[0].contains("auth_result"), "on {cores} cores: {told:?}");
        }
        assert_eq!(world.take_broken(), Vec::<String>::new());
    }
}

/// One vendor asks again and again under an id whose stored row is damaged: it is sent away each time, and the others of
/// its partition notice nothing.
#[test]
fn a_damaged_row_sends_away_only_who_asks_for_it() {
    let given = format!("{GIVEN}= other boop requester vendor_id=ven_2 key=sk_2 group=ven_1\n");
    let story = transcript::parse("reads", &given).unwrap();
    let store = store::memory::Memory::new();
    store.damage(RequestKey::parse("c1").unwrap());
    let mut world = transcript::stage(&story, 1, Box::new(store)).unwrap();
    let other = open_as(&mut world, "ven_2", "sk_2");
    for _ in 0..3 {
        let asking = open(&mut world);
        drop(world.take_seen());
        say(&mut world, asking, r#"{"type":"create_context","context_id":"c1","requirements":{"type":"entrance"}}"#);
        let seen = world.take_seen();
        let closed = |of| {
            seen.iter().any(|seen| matches!(&seen.sight, Sight::Wire(socket, Shown::Close { .. }) if *socket == of))
        };
        assert!(closed(asking) && !closed(other), "{seen:?}");
        let damaged = |sight: &Sight| matches!(sight, Sight::Note(node::Note::RowDamaged { .. }));
        assert!(seen.iter().any(|seen| damaged(&seen.sight)), "{seen:?}");
    }
    say(&mut world, other, r#"{"type":"create_context","context_id":"c2","requirements":{"type":"entrance"}}"#);
    say(&mut world, other, r#"{"type":"cancel_context","context_id":"c2"}"#);
    let told = texts(&mut world, other);
    assert!(told.iter().any(|told| told.contains("auth_result")), "{told:?}");
    assert_eq!(world.take_broken(), Vec::<String>::new());
}
