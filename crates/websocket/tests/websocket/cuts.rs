//! However the network cuts a stream, the messages and the error are the same.

use proptest::prelude::*;
use websocket::property::transcript;
use websocket::{Decoder, Limits, Role};

use crate::frames::{BINARY, CLOSE, CONTINUATION, FIN, Length, PING, PONG, TEXT, frame, frame_with};

pub(crate) const LIMITS: Limits = Limits { message: 700, frame: 400, fragments: 6 };

/// Payloads that are likely to be text, to end inside a character, or to be neither.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => "[a-z€😀κ]{0,12}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..8),
        2 => prop::sample::select(vec![
            b"\xe2".to_vec(),
            b"\x82\xac".to_vec(),
            b"\xf0\x9f".to_vec(),
            b"\x98\x80".to_vec(),
            b"\x03\xe8".to_vec(),
            b"\x03\xe8bye".to_vec(),
            b"\x0f\xa0\xe2\x82\xac".to_vec(),
        ]),
        1 => (120usize..135).prop_map(|count| vec![b'x'; count]),
        1 => (300usize..420).prop_map(|count| vec![b'x'; count]),
    ]
}

/// First bytes that are likely to be right, so that streams live long enough to go wrong late.
fn first_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        8 => prop::sample::select(vec![FIN | TEXT, FIN | BINARY, FIN | PING, FIN | PONG]),
        4 => prop::sample::select(vec![TEXT, BINARY]),
        6 => prop::sample::select(vec![CONTINUATION, FIN | CONTINUATION]),
        1 => Just(FIN | CLOSE),
        1 => any::<u8>(),
    ]
}

/// One frame, sometimes a data frame with a length in more bytes than it needs.
pub(crate) fn any_frame(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![20 => Just(Length::Minimal), 1 => Just(Length::Two), 1 => Just(Length::Eight)];
    (first_byte(), length, payload()).prop_map(move |(first, length, payload)| {
        let length = if first & 0x08 == 0 { length } else { Length::Minimal };
        frame_with(sender, first, length, &payload)
    })
}

/// A message as it should be, in one frame or in several with a ping among them; its payload may still be wrong.
fn plausible(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop::sample::select(vec![TEXT, TEXT, BINARY, PING, PONG]);
    let text = prop_oneof![6 => "[a-z€😀κ]{0,40}".prop_map(String::into_bytes), 1 => payload()];
    (opcode, text, prop::collection::vec(0usize..40, 0..6)).prop_map(move |(opcode, text, sizes)| {
        let frame = |first, payload: &[u8]| frame_with(sender, first, Length::Minimal, payload);
        if opcode & 0x08 != 0 {
            return frame(FIN | opcode, &text[..text.len().min(125)]);
        }
        let (mut out, mut first, mut rest) = (Vec::new(), opcode, &text[..]);
        for size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            out.extend(frame(first, piece));
            if size % 5 == 0 {
                out.extend(frame(FIN | PING, piece));
            }
            (first, rest) = (CONTINUATION, after);
        }
        out.extend(frame(FIN | first, rest));
        out
    })
}

/// Frames of a sender that is mostly right.
pub(crate) fn frames(sender: Role) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![8 => plausible(sender), 1 => any_frame(sender)], 0..8)
        .prop_map(|frames| frames.concat())
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let end = prop::collection::vec(any::<u8>(), 0..6);
    (prop::collection::vec(any_frame(Role::Client), 0..8), end)
        .prop_map(|(frames, end)| [frames.concat(), end].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn any_cuts_of_any_stream_give_the_same(stream in stream(), sizes in prop::collection::vec(1usize..40, 1..8)) {
        let read = |sizes: &[usize]| transcript(Decoder::new(Role::Server, LIMITS), LIMITS, &stream, sizes);
        let whole = read(&[]);
        prop_assert_eq!(&whole, &read(&[1]));
        prop_assert_eq!(&whole, &read(&sizes));
    }
}

#[test]
fn every_pair_of_cuts_of_a_stream_with_everything_in_it_gives_the_same() {
    let stream = [
        frame(FIN | TEXT, "κόσμε".as_bytes()),
        frame(TEXT, b"a\xe2"),
        frame(FIN | PING, b"ping"),
        frame(CONTINUATION, b"\x82"),
        frame(FIN, b"\xac!"),
        frame(FIN | BINARY, &[9; 130]),
        frame(FIN | PONG, b""),
        frame(FIN | CLOSE, "\u{f}\u{41}because €".as_bytes()),
        frame(FIN | TEXT, b"too late"),
    ]
    .concat();
    let read = |sizes: &[usize]| transcript(Decoder::new(Role::Server, LIMITS), LIMITS, &stream, sizes);
    let whole = read(&[]);
    assert_eq!((whole.0.len(), whole.1), (6, None));
    for first in 1..stream.len() {
        for second in first + 1..=stream.len() {
            assert_eq!(read(&[first, second - first, stream.len()]), whole, "cut at {first} and {second}");
        }
    }
}
