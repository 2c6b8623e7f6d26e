//! The shape of a dialect's machine for one connection: what goes in, what comes out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{
    Ask, AskId, CallId, CloseCode, Denied, Dialect, Digest, EndpointWork, EndpointsDone, GroupId, Post, Posted,
    Principal, Reason, Role, Secret, Tell,
};

/// What goes into a session.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The peer asks to open a WebSocket. Always the first input of a socket's session.
    Open(&'a Request),
    /// The peer makes one HTTP call. Always the first input of a call's session, which ends with its response.
    Request(&'a Request),
    /// A frame from the peer; text is valid UTF-8 and within the limit.
    Frame(Frame<'a>),
    /// The deadline the session named has come.
    Wake,
    /// Its partition speaks; `ask` names the ask this answers, when it answers one.
    Tell {
        /// The ask this is the first answer to.
        ask: Option<AskId>,
        /// What is told.
        tell: Tell,
    },
    /// Slow work is done.
    Done {
        /// The call it was.
        call: CallId,
        /// What came of it.
        done: Done,
    },
    /// The peer reads again: there is room for telemetry.
    Room,
    /// So many telemetry frames were dropped because the peer did not read.
    Dropped(u32),
    /// We are draining: say so in the dialect's words; the peer should come back after the hint.
    Drain {
        /// This peer's spread share of the pause.
        retry_after: Duration,
    },
}

/// One frame from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A control ping; the shell has answered it.
    Ping,
    /// A control pong.
    Pong,
}

/// What comes out of a session, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Complete the upgrade.
    Accept,
    /// Refuse the upgrade with this response.
    Refuse(Response),
    /// Answer the HTTP call; nothing follows it.
    Respond(Response),
    /// Send a text frame.
    Send {
        /// The whole message.
        text: Bytes,
        /// What happens to it when the peer does not read.
        class: Class,
    },
    /// Send a control ping.
    Ping,
    /// Close; nothing follows it.
    Close {
        /// The code the peer sees.
        code: CloseCode,
        /// The reason operators count; its label is the close frame's text.
        reason: Reason,
    },
    /// Accept messages up to so many bytes from now on.
    Limit(usize),
    /// Ask the partition something.
    Ask {
        /// Matches the answer.
        id: AskId,
        /// What is asked. The first is an `Admit`.
        ask: Ask,
    },
    /// Have something slow done outside.
    Call {
        /// Matches the result.
        id: CallId,
        /// What is to be done.
        call: Call,
    },
}

/// Where a session's outputs go.
pub type Outbox = Vec<Output>;

/// What happens to a frame when the peer does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It must arrive: the slow peer is closed instead.
    Answer,
    /// It may be dropped, oldest first; the listener is told how many.
    Telemetry,
}

/// Slow work done outside a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Who is this? Looked up in the directory, throttled per address and name.
    Authenticate {
        /// The protocol that is spoken.
        dialect: Dialect,
        /// The role of this door; none where the credential decides it.
        role: Option<Role>,
        /// The name presented beside the secret.
        subject: Option<Box<str>>,
        /// The secret presented.
        secret: Secret,
        /// What only a holder of the signing secret can have made, where the protocol signs.
        proof: Option<Proof>,
    },
    /// Look at, or change, the webhook endpoints of a group.
    Endpoints {
        /// Whose.
        group: GroupId,
        /// What is done.
        work: EndpointWork,
    },
    /// Draw a secret nobody can guess: 64 characters of hexadecimal.
    Draw,
    /// Make an HTTP call.
    Post(Box<Post>),
}

/// A signature: HMAC-SHA256 over a message under the credential's signing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What was signed.
    pub message: Bytes,
    /// The signature presented.
    pub mac: Box<[u8]>,
}

/// What came of slow work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// Who it is, or why not.
    Authenticated(Result<Arc<Principal>, Denied>),
    /// What came of the work on endpoints; none when the store could not.
    Endpoints(Option<EndpointsDone>),
    /// The secret; none when the system gives no randomness.
    Drawn(Option<Secret>),
    /// What came of the call.
    Posted(Posted),
}

/// An HTTP request as a session or a handler sees it. Its debug output shows method and path only.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: Box<str>,
    /// Without the query.
    pub path: Box<str>,
    /// Decoded pairs of the query, in order. May hold secrets.
    pub query: Vec<(Box<str>, Box<str>)>,
    /// Names in lower case with their values, in order. May hold secrets.
    pub headers: Vec<(Box<str>, Box<str>)>,
    /// The whole body.
    pub body: Bytes,
    /// Where the peer is, as far as trusted proxies tell.
    pub peer: IpAddr,
    /// SHA-256 of the certificate the peer showed, when it showed one that is trusted.
    pub certificate: Option<Digest>,
}

impl Request {
    /// The first header of that lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| &**header == name).map(|(_, value)| &**value)
    }

    /// The first query pair of that name.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Such as 401.
    pub status: u16,
    /// Names with values; content length is added by the shell.
    pub headers: Vec<(&'static str, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Response {
    /// A JSON body with its status.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body: body.into() }
    }
}
