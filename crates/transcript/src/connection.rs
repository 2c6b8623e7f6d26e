//! One connection as the shell would hold it: what the node may do to it, and what its peer may still do.

use std::collections::VecDeque;

use bytes::Bytes;
use dialects::Way;
use model::{CloseCode, Reason, Response, Route, Timestamp};
use node::Wire;

use crate::world::FIRST_LIMIT;

/// One connection by its number from 0; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket(pub usize);

/// A frame as a peer sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// A control ping.
    Ping,
    /// A control pong.
    Pong,
}

/// Whether a peer still does its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// It completes our close.
    Hears,
    /// Half-open: it never does.
    Deaf,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The upgrade is not answered yet, and frames wait; or the call is not.
    Opening,
    /// Frames go both ways.
    Open,
    /// We have sent a close and wait for the peer's.
    Closing,
    /// Nothing more will happen.
    Over,
}

/// What a peer hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Its upgrade was accepted.
    Accept,
    /// Its upgrade was refused.
    Refuse(Response),
    /// Its call was answered.
    Respond(Response),
    /// A text frame.
    Text(Bytes),
    /// A control ping.
    Ping,
    /// A close frame.
    Close(CloseCode, Reason),
}

pub(crate) struct Connection {
    pub(crate) route: Route,
    pub(crate) way: Way,
    pub(crate) life: Life,
    pub(crate) hearing: Hearing,
    pub(crate) limit: usize,
    pub(crate) paused: bool,
    pub(crate) waiting: VecDeque<Sent>,
    pub(crate) closing: Option<(Reason, Timestamp)>,
}

/// How a connection took what the node did to it.
pub(crate) enum Took {
    /// The peer does not notice.
    Silently,
    /// The peer hears it.
    Shown(Shown),
    /// The node may not do that to a connection in this state.
    Never(Wire),
}

impl Connection {
    pub(crate) fn new(route: Route, way: Way, hearing: Hearing) -> Self {
        Self {
            route,
            way,
            life: Life::Opening,
            hearing,
            limit: FIRST_LIMIT,
            paused: false,
            waiting: VecDeque::new(),
            closing: None,
        }
    }

    /// Does to the connection what the node says.
    pub(crate) fn take(&mut self, wire: Wire, at: Timestamp) -> Took {
        Took::Shown(match (wire, self.life) {
            (Wire::Accept, Life::Opening) if self.way == Way::Socket => {
                self.life = Life::Open;
                Shown::Accept
            }
            (Wire::Refuse(response), Life::Opening) if self.way == Way::Socket => {
                self.end();
                Shown::Refuse(response)
            }
            (Wire::Respond(response), Life::Opening) if self.way == Way::Call => {
                self.end();
                Shown::Respond(response)
            }
            (Wire::Send { text, class: _ }, Life::Open) => Shown::Text(text),
            (Wire::Ping, Life::Open) => Shown::Ping,
            (Wire::Close { code, reason }, Life::Open) => {
                self.life = Life::Closing;
                self.waiting.clear();
                self.closing = Some((reason, at));
                Shown::Close(code, reason)
            }
            (Wire::Limit(limit), Life::Opening | Life::Open) => {
                self.limit = limit;
                return Took::Silently;
            }
            (Wire::Pause, _) => {
                self.paused = true;
                return Took::Silently;
            }
            (Wire::Resume, _) => {
                self.paused = false;
                return Took::Silently;
            }
            (wire, _) => return Took::Never(wire),
        })
    }

    /// Nothing more will happen; the reason of our close, when we had sent one.
    pub(crate) fn end(&mut self) -> Option<Reason> {
        self.life = Life::Over;
        self.waiting.clear();
        self.closing.take().map(|(reason, _)| reason)
    }
}
