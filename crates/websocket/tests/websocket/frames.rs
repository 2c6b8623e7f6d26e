//! Frames written by hand, right or wrong, without any code of the crate.

use websocket::property::{Transcript, transcript};
use websocket::{Decoder, Limits, Role};

pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// How many bytes the length takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    Minimal,
    Two,
    Eight,
}

/// A frame as the given side sends it. `first` is the first byte: FIN, reserved bits, opcode.
pub(crate) fn frame_with(sender: Role, first: u8, length: Length, payload: &[u8]) -> Vec<u8> {
    let masked = match sender {
        Role::Server => 0,
        Role::Client => 0x80,
    };
    let mut out = vec![first];
    let count = payload.len();
    match (length, count) {
        (Length::Minimal, 0..=125) => out.push(masked | u8::try_from(count).expect("at most 125")),
        (Length::Minimal, 126..=0xffff) | (Length::Two, _) => {
            out.push(masked | 126);
            out.extend(u16::try_from(count).expect("at most 65535").to_be_bytes());
        }
        (Length::Minimal | Length::Eight, _) => {
            out.push(masked | 127);
            out.extend((count as u64).to_be_bytes());
        }
    }
    match sender {
        Role::Server => out.extend(payload),
        Role::Client => {
            out.extend(KEY);
            out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
    out
}

/// A client's frame with a minimal length.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(Role::Client, first, Length::Minimal, payload)
}

/// What a server within these limits makes of a client's stream, in one piece.
pub(crate) fn serve(limits: Limits, stream: &[u8]) -> Transcript {
    transcript(Decoder::new(Role::Server, limits), limits, stream, &[])
}
