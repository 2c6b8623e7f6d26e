//! RFC 6455 framing without IO, for both roles, with no buffer while idle.
//!
//! Bytes that came from a socket go into a [`Decoder`], whole [`Message`]s come out; [`encode`] turns messages into
//! bytes for a socket. [`Connection`] adds the rules of closing, [`handshake`] the rules of opening. Nothing here reads,
//! writes, waits, asks the time or rolls dice: a client's mask keys and nonce are handed in.
//!
//! What is promised, and held by tests:
//!
//! - A message that lies whole in the bytes handed in is lent from there, unmasked in place, without a copy.
//! - Between messages a decoder owns no memory but itself (under 96 bytes). A message that arrives in pieces is gathered
//!   in a buffer that grows with the bytes that came, never with the length that was claimed, and leaves with the message.
//! - Every refusal happens at the earliest byte that justifies it: a size at its header, bad text at its first bad byte.
//! - How the network cut the stream makes no difference to the messages or to the error.
//!
//! Extensions are not spoken: no reserved bit is ever accepted. What to do about a message is left to others.
//!
//! ```
//! use bytes::BytesMut;
//! use websocket::{Connection, Limits, Message, Role, encode};
//!
//! // What a client would send: a frame masked with a key of its choice.
//! let mut wire = BytesMut::new();
//! encode(&Message::text("hello"), Role::Client, 0x37fa_213d, &mut wire);
//!
//! // The server starts small, before anybody has logged in.
//! let mut server = Connection::new(Role::Server, Limits::of(4 * 1024));
//! let mut replies = BytesMut::new();
//! let mut input = &mut wire[..];
//! while let Some(message) = server.receive(&mut input)? {
//!     server.answer(&message, 0, &mut replies);
//!     if let Message::Text(text) = &message {
//!         server.set_limits(Limits::of(64 * 1024));
//!         server.send(&Message::text(text.to_uppercase()), 0, &mut replies).expect("we have not closed");
//!     }
//! }
//! // One write for all replies.
//! assert_eq!(&replies[..], b"\x81\x05HELLO");
//! # Ok::<(), websocket::Error>(())
//! ```

mod close;
mod connection;
mod decoder;
mod encoder;
mod error;
mod frame;
pub mod handshake;
mod limits;
mod mask;
mod message;
mod pending;
#[doc(hidden)]
pub mod property;
mod utf8;

pub use close::{Close, CloseCode, ReasonTooLong};
pub use connection::{Connection, NotOpen, Side, State};
pub use decoder::Decoder;
pub use encoder::{encode, encoded_len, shared};
pub use error::{Error, Fault};
pub use limits::{Accepts, FRAGMENTS, Limits};
pub use mask::apply_mask;
pub use message::{ControlPayload, ControlTooLong, Message};

/// Which end of the connection we are; it decides who masks (RFC 6455, section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We accepted the connection: frames come masked and leave unmasked.
    Server,
    /// We opened the connection: frames leave masked and come unmasked.
    Client,
}
