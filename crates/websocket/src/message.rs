//! What both ends say to each other, whole: the same type comes out of the decoder and goes into the encoder.

use std::borrow::Cow;
use std::fmt;

use crate::close::Close;

/// The most bytes the payload of a control frame may have (RFC 6455, section 5.5).
pub(crate) const CONTROL_BYTES: usize = 125;

/// One whole message or control frame.
///
/// From a decoder the payload is borrowed from the bytes handed in when it lay there in one piece, and owned when it had
/// to be gathered: either way it can be kept with `into_owned`, which copies only what is borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'b> {
    /// Text, known to be UTF-8.
    Text(Cow<'b, str>),
    /// Binary data.
    Binary(Cow<'b, [u8]>),
    /// A question whether we are there; owed a pong with the same payload.
    Ping(ControlPayload<'b>),
    /// The answer to a ping, or an unasked sign of life.
    Pong(ControlPayload<'b>),
    /// The end of what this side has to say.
    Close(Close<'b>),
}

impl<'b> Message<'b> {
    /// A text message.
    pub fn text(text: impl Into<Cow<'b, str>>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Cow<'b, [u8]>>) -> Self {
        Self::Binary(bytes.into())
    }

    /// What the protocol owes the sender of this message: a pong for a ping, an echo for a close, else nothing.
    #[must_use]
    pub fn answer(&self) -> Option<Message<'_>> {
        match self {
            Self::Ping(payload) => Some(Message::Pong(payload.borrow())),
            Self::Close(close) => Some(Message::Close(close.echo())),
            Self::Text(_) | Self::Binary(_) | Self::Pong(_) => None,
        }
    }

    /// The same message, owning its payload.
    #[must_use]
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
            Self::Binary(bytes) => Message::Binary(Cow::Owned(bytes.into_owned())),
            Self::Ping(payload) => Message::Ping(payload.into_owned()),
            Self::Pong(payload) => Message::Pong(payload.into_owned()),
            Self::Close(close) => Message::Close(close.into_owned()),
        }
    }

    /// Bytes of payload in the one frame this message is sent as.
    pub(crate) fn payload_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Ping(payload) | Self::Pong(payload) => payload.as_bytes().len(),
            Self::Close(close) => close.body_len(),
        }
    }
}

/// The payload of a ping or pong: at most 125 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlPayload<'b>(Cow<'b, [u8]>);

impl<'b> ControlPayload<'b> {
    /// No payload.
    pub const EMPTY: Self = Self(Cow::Borrowed(&[]));

    /// A payload.
    ///
    /// # Errors
    ///
    /// [`ControlTooLong`] when it has more than 125 bytes (RFC 6455, section 5.5).
    pub fn new(bytes: impl Into<Cow<'b, [u8]>>) -> Result<Self, ControlTooLong> {
        let bytes = bytes.into();
        if bytes.len() > CONTROL_BYTES {
            return Err(ControlTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// What a decoder took from a header that was checked.
    pub(crate) fn checked(bytes: &'b [u8]) -> Self {
        debug_assert!(bytes.len() <= CONTROL_BYTES);
        Self(Cow::Borrowed(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same payload, owning its bytes.
    #[must_use]
    pub fn into_owned(self) -> ControlPayload<'static> {
        ControlPayload(Cow::Owned(self.0.into_owned()))
    }

    fn borrow(&self) -> ControlPayload<'_> {
        ControlPayload(Cow::Borrowed(&self.0))
    }
}

/// A ping or pong payload that does not fit into its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlTooLong {
    /// How long it was.
    pub bytes: usize,
}

impl fmt::Display for ControlTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "control payload has {} bytes, at most {CONTROL_BYTES} fit", self.bytes)
    }
}

impl std::error::Error for ControlTooLong {}
