//! What goes into a node and what comes out: the whole surface between pure code and the shell.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    Ask, AskId, Call, CallId, Class, CloseCode, Commit, CommitError, Denied, Dialect, Done, Event, Frame, GroupId,
    Loaded, OperationId, OperationRow, Partition, PrincipalId, Reason, Request, RequestKey, Response, Role, Route,
    Settled, Tell,
};

use crate::directory::Directory;
use crate::farewell::Spread;

/// What goes into a node.
#[derive(Debug)]
pub enum Input<'a> {
    /// A peer asks to open a WebSocket; `route` came from [`Node::route`](crate::Node::route).
    Open {
        /// The new connection.
        route: Route,
        /// What it asked for.
        request: &'a Request,
    },
    /// A peer makes one HTTP call; `route` came from [`Node::route`](crate::Node::route).
    Request {
        /// The new call.
        route: Route,
        /// What it asks for, body and all.
        request: &'a Request,
    },
    /// A frame arrived.
    Frame {
        /// On which connection.
        route: Route,
        /// What it is.
        frame: Frame<'a>,
    },
    /// The framing failed or the peer did not read: close for this reason, nothing more can be said.
    Fault {
        /// Which connection.
        route: Route,
        /// What was wrong.
        reason: Reason,
    },
    /// The peer reads again; there is room for telemetry.
    Room {
        /// Which connection.
        route: Route,
    },
    /// Telemetry was dropped for a peer that does not read.
    Dropped {
        /// Which connection.
        route: Route,
        /// How many frames.
        count: u32,
    },
    /// The connection is gone; the last input of its route.
    Gone {
        /// Which connection.
        route: Route,
        /// How it ended.
        ending: Ending,
    },
    /// The time named by [`Node::deadline`](crate::Node::deadline) has come.
    Wake,
    /// A batch is durable, or is not.
    Committed {
        /// Whose.
        partition: Partition,
        /// Which.
        batch: u64,
        /// What was decided, in order of the batch's settles.
        result: Result<Vec<Settled>, CommitError>,
    },
    /// The row asked for by [`Output::Earlier`].
    Earlier {
        /// Which question.
        ticket: u64,
        /// Whose question it was.
        partition: Partition,
        /// The newest operation under that key, if there is one.
        row: Result<Option<Box<OperationRow>>, Unread>,
    },
    /// A partition was loaded, or could not be and will be asked for again after a pause.
    Loaded {
        /// Which one.
        partition: Partition,
        /// What was there.
        loaded: Result<Box<Loaded>, Arc<str>>,
    },
    /// Slow work for a session is done.
    Done {
        /// Whose.
        route: Route,
        /// Which.
        call: CallId,
        /// What came of it.
        done: Done,
    },
    /// Mail from another core.
    Mail(Mail),
    /// Credentials changed.
    Directory(Arc<Directory>),
    /// An operator takes work back that lives on this core.
    TakeBack {
        /// Which work.
        operation: OperationId,
    },
    /// An operator ends a session: it is told in its dialect's words, and closed.
    Dismiss {
        /// Which connection.
        route: Route,
    },
    /// Stop taking connections, and say goodbye to everybody.
    Drain {
        /// When, and when they should come back.
        spread: Spread,
    },
}

/// Why a stored row could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// This one does not hold what was written; others may be as they were.
    Damaged(Arc<str>),
    /// The store itself is not there.
    Unavailable(Arc<str>),
}

/// How a connection ended, as the shell saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why, when we did not decide it ourselves.
    pub reason: Reason,
    /// Whether the peer completed our close: it was alive.
    pub completed: bool,
}

/// What comes out of a node, in order.
#[derive(Debug)]
pub enum Output {
    /// Something for one connection.
    Wire {
        /// Which connection.
        route: Route,
        /// What to do.
        wire: Wire,
    },
    /// Make this durable, all or nothing, and answer with [`Input::Committed`].
    Commit(Commit),
    /// Read the newest operation under a key and answer with [`Input::Earlier`].
    Earlier {
        /// Matches the answer.
        ticket: u64,
        /// Whose question it is; hand it back with the answer.
        partition: Partition,
        /// The group.
        group: GroupId,
        /// The key.
        key: RequestKey,
    },
    /// Take ownership of a partition and answer with [`Input::Loaded`].
    Load {
        /// Which one.
        partition: Partition,
    },
    /// Do slow work for a session and answer with [`Input::Done`].
    Call {
        /// Whose.
        route: Route,
        /// Matches the answer.
        call: CallId,
        /// What is to be done.
        work: Call,
    },
    /// Something for another core.
    Mail {
        /// Which core.
        to: u8,
        /// What.
        mail: Mail,
    },
    /// Something others may hear.
    Event(Event),
    /// Something an operator may want to know.
    Note(Note),
}

/// What the shell does with one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Complete the upgrade.
    Accept,
    /// Refuse the upgrade with this response; the route is over.
    Refuse(Response),
    /// Answer the call with this response; the route is over.
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
    /// Send what is queued, then a close frame, wait a bounded time for the peer's, then say [`Input::Gone`].
    Close {
        /// The code the peer sees.
        code: CloseCode,
        /// Its label is the close frame's text.
        reason: Reason,
    },
    /// Accept messages up to so many bytes from now on.
    Limit(usize),
    /// Do not read from the socket until [`Wire::Resume`].
    Pause,
    /// Read again.
    Resume,
}

/// What cores say to each other. Plain data.
#[derive(Clone, Debug, PartialEq)]
pub enum Mail {
    /// A session asks a partition that lives there.
    Ask {
        /// Who asks.
        from: Route,
        /// Which partition.
        partition: Partition,
        /// Matches the answer.
        id: AskId,
        /// What is asked.
        ask: Ask,
    },
    /// A displaced session's connection has ended.
    Parted {
        /// Whose.
        from: Route,
        /// Which partition.
        partition: Partition,
        /// Whether the peer was alive: it completed our close.
        alive: bool,
    },
    /// An outcome met a session that was gone by then.
    Undelivered {
        /// Which work.
        operation: OperationId,
    },
    /// A partition tells a session that lives there.
    Tell {
        /// Whom.
        to: Route,
        /// The ask this answers, when it answers one.
        ask: Option<AskId>,
        /// What.
        tell: Tell,
    },
}

/// Something an operator may want to know, said once where it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Nobody serves that path.
    NoDoor {
        /// Which connection.
        route: Route,
    },
    /// A login was refused.
    LoginRefused {
        /// Which connection.
        route: Route,
        /// In which protocol.
        dialect: Dialect,
        /// In which role; none where the credential would have decided that.
        role: Option<Role>,
        /// The name presented, never the secret.
        subject: Option<Box<str>>,
        /// Why.
        denied: Denied,
    },
    /// A session is in.
    LoggedIn {
        /// Which connection.
        route: Route,
        /// In which protocol.
        dialect: Dialect,
        /// In which role.
        role: Role,
        /// Whose group.
        group: GroupId,
        /// Who.
        principal: PrincipalId,
    },
    /// A connection's end was decided, here or by the peer.
    Ended {
        /// Which connection.
        route: Route,
        /// In which protocol; none when no door was found.
        dialect: Option<Dialect>,
        /// Who, when it was known.
        principal: Option<PrincipalId>,
        /// Why.
        reason: Reason,
    },
    /// A batch did not become durable; its partition starts again from the store.
    CommitFailed {
        /// Which partition.
        partition: Partition,
        /// Why.
        error: CommitError,
    },
    /// A stored row does not hold what was written; whoever asked for it is sent away.
    RowDamaged {
        /// In which partition.
        partition: Partition,
        /// Where, never what.
        cause: Arc<str>,
    },
    /// A partition could not be loaded yet.
    LoadFailed {
        /// Which partition.
        partition: Partition,
        /// Why.
        cause: Arc<str>,
    },
}
