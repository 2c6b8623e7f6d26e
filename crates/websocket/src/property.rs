//! What must hold for any bytes whatever: run by the fuzzer, and by the tests over its corpus. Not part of the interface.

use bytes::BytesMut;

use crate::{Accepts, Decoder, Error, Limits, Message, Role, encode, encoded_len};

/// Everything a stream gave: its messages, and the error if it ended in one.
pub type Transcript = (Vec<Message<'static>>, Option<Error>);

/// Decodes `stream` handed in as pieces of the given sizes, again and again; no sizes, one piece.
///
/// # Panics
///
/// When a decoder holds more than its limits allow, holds anything between messages, or speaks after the end.
#[must_use]
pub fn transcript(mut decoder: Decoder, limits: Limits, stream: &[u8], sizes: &[usize]) -> Transcript {
    let mut messages = Vec::new();
    let mut failure = None;
    let mut bytes = stream.to_vec();
    let mut rest = &mut bytes[..];
    let mut sizes = sizes.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        let (mut piece, after) = std::mem::take(&mut rest).split_at_mut(size);
        rest = after;
        loop {
            let over = decoder.is_over();
            match decoder.decode(&mut piece) {
                Ok(Some(message)) => {
                    assert!(!over, "a message after the end");
                    messages.push(message.into_owned());
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!over, "an error after the end");
                    assert!(decoder.is_over(), "an error did not end the stream");
                    failure = Some(error);
                }
            }
        }
        assert!(piece.is_empty(), "input left over");
        // A box for what is pending, at most a message, at most a control frame.
        assert!(decoder.held_bytes() <= 96 + limits.message.max(64) + 256, "held {} bytes", decoder.held_bytes());
        if decoder.is_over() {
            assert_eq!(decoder.held_bytes(), 0, "memory held after the end");
        }
    }
    (messages, failure)
}

/// The first four bytes choose role, limits and cuts; the rest is the stream. However it is cut, the outcome is the same;
/// what was understood can be said again and is understood the same.
///
/// # Panics
///
/// When that does not hold.
pub fn check(data: &[u8]) {
    let Some((&[role, kinds, first, second], stream)) = data.split_first_chunk::<4>() else { return };
    let role = if role % 2 == 0 { Role::Server } else { Role::Client };
    let accepts = if kinds % 2 == 0 { Accepts::TextAndBinary } else { Accepts::TextOnly };
    let limits = match kinds / 2 % 4 {
        0 => Limits::of(4 * 1024),
        1 => Limits::of(64 * 1024),
        2 => Limits { message: 200, frame: 130, fragments: 3 },
        _ => Limits { message: 0, frame: 0, fragments: 1 },
    };
    let decoder = |role| {
        let mut decoder = Decoder::new(role, limits);
        decoder.set_accepts(accepts);
        decoder
    };

    let whole = transcript(decoder(role), limits, stream, &[]);
    let bytewise = transcript(decoder(role), limits, stream, &[1]);
    assert_eq!(whole, bytewise, "byte by byte");
    let cut = transcript(decoder(role), limits, stream, &[usize::from(first), usize::from(second)]);
    assert_eq!(whole, cut, "cut at {first} and {second}");

    let peer = match role {
        Role::Server => Role::Client,
        Role::Client => Role::Server,
    };
    let mut again = BytesMut::new();
    for message in &whole.0 {
        let before = again.len();
        encode(message, peer, u32::from_be_bytes([first, second, first, second]), &mut again);
        assert_eq!(again.len() - before, encoded_len(message, peer), "length foretold");
    }
    // A message gathered from fragments may be more than one frame is allowed.
    let roomy = Limits::of(limits.message.max(limits.frame));
    let (said, failure) = transcript(Decoder::new(role, roomy), roomy, &again, &[]);
    assert_eq!((said, failure), (whole.0, None), "said again");
}
