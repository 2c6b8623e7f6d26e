//! What comes while a stored row is still being read.

use std::net::{IpAddr, Ipv4Addr};

use model::Request;
use transcript::world::{Hearing, Sent, Shown, Sight, Socket, World};

const GIVEN: &str = "\
# Two sockets of one vendor.
# mark: choice

= vendor boop requester vendor_id=ven_1 key=sk_1 group=ven_1
";

fn open(world: &mut World) -> Socket {
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
    say(world, socket, r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_1"}"#);
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
        Sight::Wire(..) | Sight::Event(_) | Sight::Note(_) => None,
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
