//! What a connection costs: nothing while idle, what came while busy, nothing again afterwards.

use std::borrow::Cow;

use bytes::BytesMut;
use websocket::{Connection, Decoder, Limits, Message, Role, encode, shared};

use crate::frames::{BINARY, CONTINUATION, FIN, PING, TEXT, frame};

const LIMITS: Limits = Limits::of(64 * 1024);

#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Decoder>() <= 80, "decoder has {} bytes", size_of::<Decoder>());
    assert!(size_of::<Connection>() <= 88, "connection has {} bytes", size_of::<Connection>());
}

#[test]
fn whole_messages_are_lent_and_never_held() {
    let mut stream: Vec<u8> = [
        frame(FIN | TEXT, b"text"),
        frame(FIN | BINARY, &[1; 300]),
        frame(FIN | PING, b"ping"),
        frame(FIN | TEXT, b""),
    ]
    .concat();
    let mut decoder = Decoder::new(Role::Server, LIMITS);
    let mut input = &mut stream[..];
    let mut lent = 0;
    while let Some(message) = decoder.decode(&mut input).unwrap() {
        match message {
            Message::Text(Cow::Borrowed(_)) | Message::Binary(Cow::Borrowed(_)) | Message::Ping(_) => lent += 1,
            other => panic!("{other:?} was copied"),
        }
        assert_eq!(decoder.held_bytes(), 0);
    }
    assert_eq!(lent, 4);
}

#[test]
fn a_large_message_in_pieces_is_held_as_it_comes_and_leaves_nothing() {
    for opcode in [TEXT, BINARY] {
        let stream = frame(FIN | opcode, &[b'a'; 60_000]);
        let mut decoder = Decoder::new(Role::Server, LIMITS);
        let mut came = 0;
        let mut whole = 0;
        for piece in stream.chunks(1000) {
            let mut bytes = piece.to_vec();
            let mut input = &mut bytes[..];
            while let Some(message) = decoder.decode(&mut input).unwrap() {
                let held = match message {
                    Message::Text(Cow::Owned(text)) => text.capacity(),
                    Message::Binary(Cow::Owned(bytes)) => bytes.capacity(),
                    other => panic!("{other:?} is not owned"),
                };
                assert_eq!(held, 60_000, "no more than the message");
                whole += 1;
            }
            came += piece.len();
            assert!(decoder.held_bytes() <= 2 * came + 192, "{} for {came}", decoder.held_bytes());
        }
        assert_eq!((whole, decoder.held_bytes()), (1, 0));
    }
}

#[test]
fn a_claim_alone_buys_no_memory() {
    let mut decoder = Decoder::new(Role::Server, LIMITS);
    let mut stream = frame(FIN | TEXT, &[b'a'; 60_000]);
    let (mut header, payload) = stream.split_at_mut(8);
    assert_eq!(decoder.decode(&mut header), Ok(None));
    assert_eq!(decoder.held_bytes(), 0);
    let mut one = &mut payload[..1];
    assert_eq!(decoder.decode(&mut one), Ok(None));
    assert!(decoder.held_bytes() <= 256, "{}", decoder.held_bytes());
}

#[test]
fn many_small_fragments_grow_by_doubling_and_stay_within_the_message() {
    let limits = Limits { message: 10_000, frame: 10_000, fragments: 10_001 };
    let mut decoder = Decoder::new(Role::Server, limits);
    let mut growths = 0;
    let mut held = 0;
    for index in 0..10_000 {
        let mut bytes = frame(if index == 0 { BINARY } else { CONTINUATION }, b"x");
        let mut input = &mut bytes[..];
        assert_eq!(decoder.decode(&mut input), Ok(None));
        if decoder.held_bytes() != held {
            held = decoder.held_bytes();
            growths += 1;
        }
    }
    assert!(growths <= 10, "{growths} growths");
    assert!(held <= 10_000 + 96, "{held} held");
    let mut bytes = frame(FIN, b"");
    let mut input = &mut bytes[..];
    assert_eq!(decoder.decode(&mut input), Ok(Some(Message::binary(vec![b'x'; 10_000]))));
    assert_eq!(decoder.held_bytes(), 0);
}

#[test]
fn an_error_and_a_close_give_everything_back() {
    for end in [frame(FIN | 3, b""), frame(FIN | 8, b"")] {
        let mut decoder = Decoder::new(Role::Server, LIMITS);
        let mut bytes = frame(TEXT, &[b'a'; 5000]);
        let mut input = &mut bytes[..];
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert!(decoder.held_bytes() >= 5000);
        let mut bytes = end;
        let mut input = &mut bytes[..];
        assert_ne!(decoder.decode(&mut input), Ok(None));
        assert_eq!(decoder.held_bytes(), 0);
    }
}

#[test]
fn many_frames_leave_in_one_buffer_and_a_shared_frame_is_one_allocation() {
    let mut out = BytesMut::with_capacity(64);
    for text in ["a", "bc", ""] {
        encode(&Message::text(text), Role::Server, 0, &mut out);
    }
    assert_eq!(&out[..], b"\x81\x01a\x81\x02bc\x81\x00");

    let frame = shared(&Message::text("to all"));
    assert_eq!(frame.as_ptr(), frame.clone().as_ptr());
}
