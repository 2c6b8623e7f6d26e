//! What a connection may cost us: sizes, pieces and kinds. All of it may change while the connection lives.

/// How many frames one message may be cut into at the least, unless [`Limits::fragments`] says otherwise: an endless run
/// of empty fragments ends here.
pub const FRAGMENTS: u32 = 1024;

/// Payload that a fragment of a longer message should have on average, in bytes; with less it costs too much.
const FRAGMENT_BYTES: usize = 64;

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
    /// The same bound in bytes for a message and for each of its frames, and as many fragments as there are 64 bytes in
    /// that, at least [`FRAGMENTS`].
    ///
    /// ```
    /// use websocket::{FRAGMENTS, Limits};
    /// assert_eq!(Limits::of(64 * 1024).fragments, FRAGMENTS);
    /// assert_eq!(Limits::of(1024 * 1024).fragments, 16 * FRAGMENTS);
    /// ```
    #[must_use]
    pub const fn of(message: usize) -> Self {
        let fragments = match message / FRAGMENT_BYTES {
            few if few <= FRAGMENTS as usize => FRAGMENTS,
            #[expect(clippy::cast_possible_truncation, reason = "it fits")]
            many if many <= u32::MAX as usize => many as u32,
            _ => u32::MAX,
        };
        Self { message, frame: message, fragments }
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
