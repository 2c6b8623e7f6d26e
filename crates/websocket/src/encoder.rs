//! Messages to bytes, each as one unfragmented frame, appended so that many leave with one write.

use bytes::{Bytes, BytesMut};

use crate::Role;
use crate::frame::{Opcode, header_len, write_header};
use crate::mask::apply_mask;
use crate::message::Message;

/// Appends `message` to `out`.
///
/// `role` is ours. `key` masks a client's frame and must then be fresh and unpredictable for every frame (RFC 6455,
/// section 5.3); a server's frame is never masked and its `key` is not looked at, 0 will do.
pub fn encode(message: &Message<'_>, role: Role, key: u32, out: &mut BytesMut) {
    let (opcode, length) = (opcode_of(message), message.payload_len());
    out.reserve(encoded_len(message, role));
    write_header(opcode, length, role, key.to_be_bytes(), out);

    let start = out.len();
    match message {
        Message::Text(text) => out.extend_from_slice(text.as_bytes()),
        Message::Binary(bytes) => out.extend_from_slice(bytes),
        Message::Ping(payload) | Message::Pong(payload) => out.extend_from_slice(payload.as_bytes()),
        Message::Close(close) => {
            if let Some(code) = close.code() {
                out.extend_from_slice(&code.get().to_be_bytes());
                out.extend_from_slice(close.reason().as_bytes());
            }
        }
    }
    match role {
        Role::Server => {}
        Role::Client => apply_mask(&mut out[start..], key.to_be_bytes()),
    }
}

/// How many bytes [`encode`] appends.
#[must_use]
pub fn encoded_len(message: &Message<'_>, role: Role) -> usize {
    let length = message.payload_len();
    header_len(length, role) + length
}

/// A server's frame encoded once, to be sent to many: cloning it copies nothing.
///
/// Only a server can share a frame; a client's must differ in its mask.
///
/// ```
/// let frame = websocket::shared(&websocket::Message::text("to all"));
/// assert_eq!(&frame[..], b"\x81\x06to all");
/// ```
#[must_use]
pub fn shared(message: &Message<'_>) -> Bytes {
    let mut out = BytesMut::with_capacity(encoded_len(message, Role::Server));
    encode(message, Role::Server, 0, &mut out);
    out.freeze()
}

fn opcode_of(message: &Message<'_>) -> Opcode {
    match message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
        Message::Ping(_) => Opcode::Ping,
        Message::Pong(_) => Opcode::Pong,
        Message::Close(_) => Opcode::Close,
    }
}
