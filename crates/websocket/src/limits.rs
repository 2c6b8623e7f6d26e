//! What a connection may cost us: sizes, pieces and kinds. All of it may change while the connection lives.

/// How many frames one message may be cut into unless [`Limits::fragments`] says otherwise.
///
/// Enough for 256 KiB in pieces of 256 bytes; an endless run of empty fragments ends here.
pub const FRAGMENTS: u32 = 1024;

/// Bounds on what a peer may send, in bytes of payload.
///
/// They are looked at when a frame's header is complete, so that what is too big is refused before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, all its fragments together.
    pub message: usize,
    /// Bytes of one text, binary or continuation frame. Control frames have their own bound of 125 (section 5.5).
    pub frame: usize,
    /// Frames of one fragmented message, the first included. A message in one frame is always within it.
    pub fragments: u32,
}

impl Limits {
    /// The same bound in bytes for a message and for each of its frames, and [`FRAGMENTS`].
    #[must_use]
    pub const fn of(message: usize) -> Self {
        Self { message, frame: message, fragments: FRAGMENTS }
    }
}

/// Which kinds of data message are read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Text and binary messages are both reported.
    TextAndBinary,
    /// A binary frame is refused at its header with 1003, before any of it is kept.
    TextOnly,
}
