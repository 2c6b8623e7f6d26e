//! The shape of every client machine: what the shell tells it, and what it wants done.
//!
//! A machine has no socket, no clock and no dice. The shell opens connections, moves frames and watches
//! [`Machine::deadline`]; the machine decides everything else.

use std::borrow::Cow;
use std::fmt;

use model::{CloseCode, Timestamp};

use crate::link::Lost;
use crate::tap::redact;

/// What a machine is told.
#[derive(Clone, Debug)]
pub enum Input<'a, C> {
    /// The connection that was asked for is open: upgraded, and frames may be sent.
    Opened,
    /// A whole text message from the server. Control frames stay in the shell: they prove a proxy, not a server.
    Text(&'a str),
    /// The attempt failed, or the connection is gone. Not told after a [`Output::Cut`].
    Lost(Lost),
    /// The deadline the machine named has come.
    Wake,
    /// The application wants something.
    Command(C),
    /// The application wants out: say goodbye and do not come back.
    Close,
}

/// What a machine wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<E> {
    /// Open a connection; answer with [`Input::Opened`] or [`Input::Lost`].
    Connect,
    /// Send a text frame.
    Send(Text),
    /// Send a close frame and wait for the server's; answer with [`Input::Lost`].
    Close(CloseCode),
    /// Drop the connection, or the attempt, without a word.
    Cut,
    /// Tell the application.
    Event(E),
}

/// The other side of one dialect, for one connection and its successors.
///
/// `Vec<Output>` is the outbox: the machine appends, the shell does what it says in order.
pub trait Machine {
    /// What the application may want.
    type Command;
    /// What the application is told.
    type Event;

    /// Takes one input at `now` and appends what is to be done.
    fn handle(&mut self, now: Timestamp, input: Input<'_, Self::Command>, out: &mut Vec<Output<Self::Event>>);

    /// When it wants to be woken, if nothing else happens. A new machine wants to be woken at once.
    fn deadline(&self) -> Option<Timestamp>;

    /// Whether it will never want a connection again. Commands are still answered, always with a failure.
    fn is_over(&self) -> bool;

    /// Whether the shell sends binary messages back as they came. Otherwise they end the connection: no vendor speaks
    /// binary, so no [`Input`] can hold one. An echo, which is judged by both kinds, needs it.
    fn repeats_binary(&self) -> bool {
        false
    }
}

/// The text of a frame to be sent. Its debug output is [redacted](crate::redact).
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Cow<'static, str>);

impl Text {
    /// Wraps the text of a frame.
    #[must_use]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }

    /// The text as it goes out, secrets and all.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}
