//! What every dialect of a load has in common: what is heard, frames, and the ids of what is asked for.

use bytes::BytesMut;
use websocket::{Message, Role, encode};

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The upgrade is done.
    Opened,
    /// It was refused with this status.
    NotOpened(u16),
    /// The login is good.
    Authenticated,
    /// A ping is answered.
    Pong,
    /// A performer is shown the operation of this number.
    Offer(u64),
    /// A performer hears that it is over.
    Over(u64),
    /// A requester hears its outcome.
    Outcome(u64),
    /// A requester hears that it was refused with this status, or has failed, which has none.
    Refused(u64, Option<u16>),
    /// What a performer said was taken, or came late.
    Taken,
    /// An error that is about no operation.
    Error,
    /// The server said goodbye with this code, or without one.
    Closed(u16),
    /// The socket has come to its end.
    Lost,
    /// Anything else.
    Other,
}

/// One masked text frame. All bytes of a load may be masked alike: nothing here hides anything.
pub(super) fn frame(text: &str) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode(&Message::text(text), Role::Client, 0x5eed_5eed, &mut bytes);
    bytes.to_vec()
}

/// The id of the operation of that number in one run.
pub(super) fn id_of(run: u64, number: u64) -> String {
    format!("load-{run:x}-{number}")
}

/// The number in an id.
pub(super) fn number_of(id: &str) -> Option<u64> {
    id.rsplit('-').next()?.parse().ok()
}

/// What stands between a text and the next such character.
pub(super) fn between<'a>(text: &'a str, before: &str, after: char) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split(after).next()
}
