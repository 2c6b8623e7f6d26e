//! The rules of closing (RFC 6455, section 7), on top of the decoder and the encoder.
//!
//! ```text
//!            send close                receive close
//!   Open ───────────────▶ AwaitsClose ───────────────▶ Closed { first: Us }
//!    │ receive close                    │ error
//!    ├─────────▶ OwesClose ──┐          └────────────▶ Broken
//!    │ error                 │ send close
//!    └─────────▶ Failed ──┐  └────────────▶ Closed { first: Peer }
//!                         │ send close
//!                         └───────────────▶ Broken
//! ```
//!
//! When to give up waiting, and cutting the socket, is the shell's affair; a server cuts first (section 7.1.1).

use std::fmt;

use bytes::BytesMut;

use crate::Role;
use crate::close::Close;
use crate::decoder::Decoder;
use crate::encoder::encode;
use crate::error::Error;
use crate::limits::{Accepts, Limits};
use crate::message::Message;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This end.
    Us,
    /// The other end.
    Peer,
}

/// How far the closing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Both sides may send anything.
    Open,
    /// Our close is out, the peer's is awaited. What the peer sent before it read ours still arrives and is reported.
    AwaitsClose,
    /// The peer's close is in; only our close may still go out.
    OwesClose,
    /// The peer sent what we do not take; only our close may still go out, and nothing more is read.
    Failed,
    /// Both closes have passed: the handshake is complete, the peer was alive to finish it.
    Closed {
        /// Whose close was first.
        first: Side,
    },
    /// It is over without a complete closing handshake.
    Broken,
}

/// A connection: what may be received and sent now, and how it ended.
#[derive(Debug)]
pub struct Connection {
    decoder: Decoder,
    role: Role,
    state: State,
}

impl Connection {
    /// A connection whose opening handshake is done.
    #[must_use]
    pub fn new(role: Role, limits: Limits) -> Self {
        Self { decoder: Decoder::new(role, limits), role, state: State::Open }
    }

    /// Changes the limits, from the next frame's header on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.decoder.set_limits(limits);
    }

    /// Changes which kinds of data message are read, from the next message on.
    pub fn set_accepts(&mut self, accepts: Accepts) {
        self.decoder.set_accepts(accepts);
    }

    /// Takes one message off the front of `input`, or uses it up and gives `None`; see [`Decoder::decode`].
    ///
    /// Pings and closes are reported too, and still have to be answered: [`Connection::answer`].
    ///
    /// # Errors
    ///
    /// What the peer sent that we do not take. [`Error::close`] is what it is owed while [`State::Failed`].
    pub fn receive<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Message<'b>>, Error> {
        let result = self.decoder.decode(input);
        match (&result, self.state) {
            (Ok(Some(Message::Close(_))), State::Open) => self.state = State::OwesClose,
            (Ok(Some(Message::Close(_))), State::AwaitsClose) => self.state = State::Closed { first: Side::Us },
            (Err(_), State::Open) => self.state = State::Failed,
            (Err(_), State::AwaitsClose) => self.state = State::Broken,
            // A decoder that is over reports nothing more; a message that is no close moves nothing.
            (Ok(_), _) | (Err(_), State::OwesClose | State::Failed | State::Closed { .. } | State::Broken) => {}
        }
        result
    }

    /// Appends `message` to `out`. `key` is the mask of a client's frame, see [`encode`].
    ///
    /// # Errors
    ///
    /// [`NotOpen`] when closing has come so far that `message` may not be sent; nothing is appended then.
    pub fn send(&mut self, message: &Message<'_>, key: u32, out: &mut BytesMut) -> Result<(), NotOpen> {
        let next = match (message, self.state) {
            (Message::Close(_), State::Open) => State::AwaitsClose,
            (Message::Close(_), State::OwesClose) => State::Closed { first: Side::Peer },
            (Message::Close(_), State::Failed) => State::Broken,
            (Message::Text(_) | Message::Binary(_) | Message::Ping(_) | Message::Pong(_), State::Open) => State::Open,
            (_, state) => return Err(NotOpen { state }),
        };
        encode(message, self.role, key, out);
        self.state = next;
        Ok(())
    }

    /// Appends what the protocol owes for a message just received: a pong, an echo of the close, or nothing. Gives
    /// whether something was appended; once our close is out, nothing is owed.
    pub fn answer(&mut self, message: &Message<'_>, key: u32, out: &mut BytesMut) -> bool {
        message.answer().is_some_and(|answer| self.send(&answer, key, out).is_ok())
    }

    /// Appends our close, if it may still go out. Gives whether it did.
    pub fn close(&mut self, close: Close<'_>, key: u32, out: &mut BytesMut) -> bool {
        self.send(&Message::Close(close), key, out).is_ok()
    }

    /// How far the closing has come.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether the peer completed a closing that we began: proof that it was alive and reading.
    #[must_use]
    pub fn peer_completed_our_close(&self) -> bool {
        self.state == State::Closed { first: Side::Us }
    }

    /// Whether nothing more will be sent or received: flush, and cut the socket.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Closed { .. } | State::Broken)
    }

    /// Bytes held on the heap for payload that has not come whole; see [`Decoder::held_bytes`].
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }
}

/// The message may not be sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOpen {
    /// How far the closing had come.
    pub state: State,
}

impl fmt::Display for NotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.state {
            State::Open => "connection is open",
            State::AwaitsClose => "our close has been sent",
            State::OwesClose => "the peer has closed, only our close may be sent",
            State::Failed => "the peer broke the protocol, only our close may be sent",
            State::Closed { .. } => "connection is closed",
            State::Broken => "connection is broken",
        };
        f.write_str(text)
    }
}

impl std::error::Error for NotOpen {}
