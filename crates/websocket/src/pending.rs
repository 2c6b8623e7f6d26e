//! A data message of which a part has come.

use std::borrow::Cow;

use crate::error::Error;
use crate::message::Message;
use crate::utf8::PartialText;

/// What a growing buffer asks for at the least, in bytes.
const GROWTH_BYTES: usize = 64;

/// The pieces so far. Exists only between a message's first byte and its last.
#[derive(Debug)]
pub(crate) struct Pending {
    body: Body,
    /// Frames begun, the first included.
    pub(crate) fragments: u32,
}

#[derive(Debug)]
enum Body {
    Text(PartialText),
    Binary(Vec<u8>),
}

impl Pending {
    pub(crate) fn text() -> Self {
        Self { body: Body::Text(PartialText::default()), fragments: 1 }
    }

    pub(crate) fn binary() -> Self {
        Self { body: Body::Binary(Vec::new()), fragments: 1 }
    }

    /// Adds a piece of payload. `at_most` is how many bytes, this piece included, the message can still have.
    pub(crate) fn push(&mut self, piece: &[u8], at_most: usize) -> Result<(), Error> {
        match &mut self.body {
            Body::Text(text) => text.push(piece, at_most),
            Body::Binary(bytes) => {
                bytes.reserve_exact(room(bytes.len(), bytes.capacity(), piece.len(), at_most));
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Message<'static>, Error> {
        match self.body {
            Body::Text(text) => text.finish().map(|text| Message::Text(Cow::Owned(text))),
            Body::Binary(bytes) => Ok(Message::Binary(Cow::Owned(bytes))),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Binary(bytes) => bytes.len(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.capacity(),
            Body::Binary(bytes) => bytes.capacity(),
        }
    }
}

/// How much to reserve beyond `length` so that `piece` bytes fit: nothing while they do, else double what there is, but
/// never beyond the `at_most` bytes that can still come. So memory follows what came, and a claim alone buys nothing.
pub(crate) fn room(length: usize, capacity: usize, piece: usize, at_most: usize) -> usize {
    if capacity - length >= piece {
        return 0;
    }
    let doubled = (2 * capacity).max(GROWTH_BYTES);
    piece.max(at_most.min(doubled.saturating_sub(length)))
}
