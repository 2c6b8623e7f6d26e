//! What a session wants of its partition.

use std::sync::Arc;
use std::time::Duration;

use crate::{
    DeviceId, Digest, Opaque, OperationId, Position, Principal, RequestKey, Role, Rules, Target, Timestamp, Window,
};

/// What a session asks. Every ask is answered by exactly one first tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Let this connection in. The first ask of every session.
    Admit(Box<Admit>),
    /// The session is over for us: its presence ends and its windows come back. Sent by the node.
    Leave {
        /// The lent windows, as they stand now.
        windows: Vec<Window>,
    },
    /// Accept a piece of work.
    Submit(Box<Submit>),
    /// Take back a piece of work that has no outcome yet.
    Cancel {
        /// The requester's id for it.
        key: RequestKey,
    },
    /// A performer's answer.
    Answer(Answer),
    /// The names this performer serves from now on, instead of those it served.
    Serve {
        /// As requesters name them.
        names: Vec<Box<str>>,
    },
    /// Tell what happens in the group from a position on.
    Listen {
        /// The last event heard; none for only what comes.
        since: Option<Position>,
    },
    /// Which devices the group has.
    Devices,
    /// Where a piece of the group's work stands, whoever asked for it and however long ago.
    Look {
        /// The requester's id for it.
        key: RequestKey,
    },
}

/// Who wants in, and what is lent and owed to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admit {
    /// Who it is, proven.
    pub principal: Arc<Principal>,
    /// What it is on this connection.
    pub role: Role,
    /// The device it is, for a performer; a performer without one is known by its connection.
    pub device: Option<DeviceId>,
    /// What the dialect wants to show of the device, given back with [`Tell::Devices`](crate::Tell::Devices).
    pub facts: Opaque,
    /// What it hears besides answers to its own asks.
    pub hears: Hears,
    /// Names that only one session may hold, such as a vendor id or a device; none when many may.
    pub single: Option<Box<str>>,
    /// Who wins when the single name is held.
    pub takeover: Takeover,
    /// How long the device counts as away, not offline, after its session ends.
    pub grace: Duration,
    /// The limits to lend, empty; those with a history come back filled.
    pub windows: Vec<Window>,
}

/// Which outcomes a requester's session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// Those of all its principal's work, what is owed among them.
    Principal,
    /// Those it waits for itself: one call that is answered and over.
    Own,
}

/// Who wins when a name that only one session may hold is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takeover {
    /// The newcomer; the older is told and closed.
    NewestWins,
    /// The session that is there; the newcomer is refused.
    IncumbentStays,
}

/// A piece of work to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// The requester's id for it.
    pub key: RequestKey,
    /// What kind of work it is, in the dialect's word; for ledgers and events.
    pub kind: Box<str>,
    /// Digest of what was asked, so that a repeat with another body is seen.
    pub body: Digest,
    /// Which performers it is for.
    pub target: Target,
    /// How it behaves.
    pub rules: Arc<Rules>,
    /// Until when a performer must have it; none for as long as `answer_by`.
    pub deliver_by: Option<Timestamp>,
    /// Until when it must have an outcome.
    pub answer_by: Timestamp,
    /// What performers and our service are given: the dialect's normal form.
    pub request: Opaque,
    /// The dialect's own bytes, given back with every tell about it.
    pub memo: Opaque,
}

/// A performer's word about a piece of work. A result is a fact, however late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which work.
    pub which: Which,
    /// What is said of it.
    pub verdict: Verdict,
}

/// How a performer names the work it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// By our id.
    Id(OperationId),
    /// By the requester's id, in the performer's own group.
    Key(RequestKey),
    /// The work that makes good for a late answer to the work of that id.
    Compensation(RequestKey),
}

/// What a performer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has begun; from here on the work may have been done.
    Started,
    /// It never had it, or certainly did nothing of it: it may be offered again.
    NotStarted,
    /// Something worth telling the requester; the work goes on.
    Note(Opaque),
    /// What it found; our own service decides what that means.
    Evidence(Opaque),
    /// Done.
    Completed(Opaque),
    /// A definite no.
    Declined(Opaque),
    /// It could not.
    Failed(Opaque),
}
