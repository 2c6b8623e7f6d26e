//! The opening handshake (RFC 6455, sections 4.1 and 4.2) over plain header values, whatever parsed them.
//!
//! Header names are compared without case. Extensions and subprotocols are neither offered nor agreed.

mod client;
mod server;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

pub use client::{ClientHandshake, ResponseRefusal};
pub use server::{Accepted, Refusal, check_request};

/// The one version of the protocol there is (section 4.1).
const VERSION: &str = "13";

/// What the key is joined with, so that no other protocol gives the answer by chance (section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (section 4.2.2).
///
/// ```
/// let accept = websocket::handshake::accept_key("dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

/// Whether a key is the base64 of 16 bytes: 22 characters of its alphabet and two of padding.
///
/// The four unused bits of the 22nd character may be anything, as in the servers that peers were tested against.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let Some(characters) = key.strip_suffix("==") else { return false };
    characters.len() == 22
        && characters.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// Headers as both sides need them: found by name, refused when repeated.
#[derive(Debug, Default)]
struct Seen<'h> {
    upgrade: bool,
    connection: bool,
    host: Once<'h>,
    key: Once<'h>,
    version: Once<'h>,
    accept: Once<'h>,
    extensions: bool,
    protocol: bool,
    body: bool,
}

/// A header that may come once.
#[derive(Debug, Default)]
enum Once<'h> {
    #[default]
    Absent,
    One(&'h str),
    Repeated,
}

impl<'h> Once<'h> {
    fn see(&mut self, value: &'h str) {
        *self = match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Repeated => Self::Repeated,
        };
    }
}

impl<'h> Seen<'h> {
    fn read(headers: impl IntoIterator<Item = (&'h str, &'h [u8])>) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            // A value that is not text cannot be any of the values looked for, and is seen as an empty one.
            let value = std::str::from_utf8(value).unwrap_or_default().trim_matches([' ', '\t']);
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            if is("upgrade") {
                seen.upgrade |= has_token(value, "websocket");
            } else if is("connection") {
                seen.connection |= has_token(value, "upgrade");
            } else if is("host") {
                seen.host.see(value);
            } else if is("sec-websocket-key") {
                seen.key.see(value);
            } else if is("sec-websocket-version") {
                seen.version.see(value);
            } else if is("sec-websocket-accept") {
                seen.accept.see(value);
            } else if is("sec-websocket-extensions") {
                seen.extensions = true;
            } else if is("sec-websocket-protocol") {
                seen.protocol = true;
            } else if is("transfer-encoding") {
                seen.body = true;
            } else if is("content-length") {
                seen.body |= value != "0";
            }
        }
        seen
    }
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|item| item.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
}
