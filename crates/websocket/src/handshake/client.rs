//! The client's side of opening: the headers to send, and whether the response answers them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Once, Seen, VERSION, accept_key};

/// A request of ours that awaits its response.
///
/// ```
/// use websocket::handshake::ClientHandshake;
/// let handshake = ClientHandshake::new(*b"the sample nonce");
/// assert!(handshake.headers().contains(&("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")));
/// let response = [
///     ("Upgrade", "websocket"),
///     ("Connection", "Upgrade"),
///     ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
/// ];
/// handshake.verify(101, response.map(|(name, value)| (name, value.as_bytes())))?;
/// # Ok::<(), websocket::handshake::ResponseRefusal>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHandshake {
    key: String,
}

impl ClientHandshake {
    /// A request with this nonce, which must be random and used once (RFC 6455, section 4.1).
    #[must_use]
    pub fn new(nonce: [u8; 16]) -> Self {
        Self { key: STANDARD.encode(nonce) }
    }

    /// The headers that make a GET over HTTP/1.1 an upgrade request. `Host` is the caller's to add.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 4] {
        [
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", VERSION),
            ("sec-websocket-key", &self.key),
        ]
    }

    /// Checks the response to that request.
    ///
    /// # Errors
    ///
    /// The first [`ResponseRefusal`] that applies, in the order of its list. The connection must then be dropped.
    pub fn verify<'h>(
        &self,
        status: u16,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<(), ResponseRefusal> {
        let seen = Seen::read(headers);
        if status != 101 {
            return Err(ResponseRefusal::Status(status));
        }
        if !seen.upgrade {
            return Err(ResponseRefusal::UpgradeMissing);
        }
        if !seen.connection {
            return Err(ResponseRefusal::ConnectionMissing);
        }
        match seen.accept {
            Once::One(accept) if accept == accept_key(&self.key) => {}
            Once::Absent | Once::One(_) | Once::Repeated => return Err(ResponseRefusal::AcceptWrong),
        }
        if seen.extensions {
            return Err(ResponseRefusal::ExtensionNotOffered);
        }
        if seen.protocol {
            return Err(ResponseRefusal::ProtocolNotOffered);
        }
        Ok(())
    }
}

/// Why a response does not open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseRefusal {
    /// Not 101: an ordinary HTTP answer, to be read as such.
    Status(u16),
    /// No `Upgrade` header names `websocket`.
    UpgradeMissing,
    /// No `Connection` header names `upgrade`.
    ConnectionMissing,
    /// `Sec-WebSocket-Accept` is not exactly one answer to our key.
    AcceptWrong,
    /// An extension we did not offer.
    ExtensionNotOffered,
    /// A subprotocol we did not offer.
    ProtocolNotOffered,
}

impl fmt::Display for ResponseRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "expected status 101, got {status}"),
            Self::UpgradeMissing => f.write_str("header Upgrade does not name websocket"),
            Self::ConnectionMissing => f.write_str("header Connection does not name upgrade"),
            Self::AcceptWrong => f.write_str("header Sec-WebSocket-Accept does not answer our key"),
            Self::ExtensionNotOffered => f.write_str("the server chose an extension that was not offered"),
            Self::ProtocolNotOffered => f.write_str("the server chose a subprotocol that was not offered"),
        }
    }
}

impl std::error::Error for ResponseRefusal {}
