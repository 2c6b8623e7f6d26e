//! What an application hears about its connection, and how one can end.

use std::fmt;
use std::time::Duration;

use crate::problem::Problem;

/// How far a connection has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not connected: pausing before an attempt, or in one.
    Connecting {
        /// Which attempt in a row, from 1.
        attempt: u32,
        /// How long until it begins.
        pause: Duration,
    },
    /// Connected, and the login is sent.
    Open,
    /// Logged in: what waited has been sent.
    Authenticated,
    /// Saying goodbye.
    Closing,
    /// Over for good. Nothing follows.
    Closed(Ended),
}

impl State {
    /// One word, as logs and command lines show it.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::Open => "open",
            Self::Authenticated => "authenticated",
            Self::Closing => "closing",
            Self::Closed(_) => "closed",
        }
    }
}

/// Why there will be no more attempts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The application closed it.
    #[error("closed by us")]
    Finished,
    /// The server does not accept these credentials; come back with others.
    #[error("credentials refused: {0}")]
    Refused(Problem),
    /// The credentials are good but not for this.
    #[error("not permitted: {0}")]
    Forbidden(Problem),
    /// Another connection with the same credentials took our place.
    #[error("displaced by another connection with the same credentials")]
    Displaced,
    /// Every attempt the preset allows has failed.
    #[error("gave up after {attempts} attempts: {last}")]
    GaveUp {
        /// How many there were.
        attempts: u32,
        /// How the last one failed.
        last: Lost,
    },
}

/// How an attempt failed, or how a connection was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The network did not get us there: name, route, port.
    #[error("cannot reach the server: {0}")]
    Unreachable(String),
    /// No trusted encrypted connection.
    #[error("no trusted TLS connection: {0}")]
    Tls(String),
    /// An ordinary HTTP answer instead of an upgrade.
    #[error("expected an upgrade, got HTTP status {status}{}", said_text(problem))]
    Rejected {
        /// Its status.
        status: u16,
        /// What its body says, if that was JSON; and its `Retry-After`, if it had one in seconds.
        problem: Problem,
    },
    /// An answer to the upgrade that no WebSocket server gives.
    #[error("no WebSocket server: {0}")]
    Handshake(String),
    /// Opening took too long.
    #[error("opening the connection took too long")]
    ConnectTimeout,
    /// The login was not answered.
    #[error("the login was not answered")]
    LoginTimeout,
    /// A ping was not answered.
    #[error("nothing was heard after a ping")]
    PingTimeout,
    /// The server closed.
    #[error("closed by the server: {}", close_text(*code, reason))]
    Closed {
        /// Its code, if it sent one.
        code: Option<u16>,
        /// Its reason, possibly empty.
        reason: String,
    },
    /// The connection ended without a close frame.
    #[error("the connection broke off: {0}")]
    Broken(String),
    /// The server sent what no server may, or more than we take.
    #[error("the server broke the protocol: {0}")]
    Protocol(websocket::Error),
}

fn said_text(problem: &Problem) -> impl fmt::Display {
    if problem.is_silent() { String::new() } else { format!(": {problem}") }
}

fn close_text(code: Option<u16>, reason: &str) -> impl fmt::Display {
    match (code, reason) {
        (None, _) => "no code".to_owned(),
        (Some(code), "") => code.to_string(),
        (Some(code), reason) => format!("{code} {reason}"),
    }
}
