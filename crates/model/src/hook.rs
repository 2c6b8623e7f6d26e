//! Webhooks: who wants to be told over HTTP, what is told, and the calls we make for that.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::{Dialect, EndpointId, GroupId, Opaque, OperationId, OperationRow, Secret, Timestamp, Wall};

/// A place of a group's own that is told what becomes of its work.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its name.
    pub id: EndpointId,
    /// Whose it is.
    pub group: GroupId,
    /// Where it is. May hold secrets, so it is not logged.
    pub url: Box<str>,
    /// Which kinds of events it wants, in the dialect's words.
    pub events: Vec<Box<str>>,
    /// Whether anything is delivered at all.
    pub active: bool,
    /// What is signed with; the store keeps it encrypted.
    pub secret: Secret,
    /// What its owner calls it.
    pub description: Option<Box<str>>,
    /// Its owner's own JSON.
    pub metadata: Option<Opaque>,
    /// When it was made.
    pub created_at: Wall,
    /// When it was last changed.
    pub updated_at: Wall,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Endpoint");
        shown.field("id", &self.id).field("group", &self.group).field("active", &self.active).finish_non_exhaustive()
    }
}

/// What is done about the endpoints of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointWork {
    /// All of them, oldest first.
    List,
    /// One more, unless there are `most` already.
    Add {
        /// The new one.
        endpoint: Box<Endpoint>,
        /// How many there may be.
        most: usize,
    },
    /// One is replaced, save its secret and when it was made.
    Change(Box<Endpoint>),
    /// One is removed, with everything it was still to be told.
    Remove(EndpointId),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointsDone {
    /// These are there.
    Listed(Vec<Endpoint>),
    /// It is done, and durable.
    Made,
    /// There are as many as there may be.
    Full,
    /// The group has none of that name.
    Missing,
}

/// One HTTP call that we make: a `POST` of JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    /// Where. May hold secrets.
    pub url: Box<str>,
    /// Beside the content type and what every call has.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// How long it may take, from the look-up of the name to the end of the answer.
    pub within: Duration,
    /// Whether it may go without TLS, and to addresses that are not public.
    pub anywhere: bool,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("bytes", &self.body.len()).field("within", &self.within).finish_non_exhaustive()
    }
}

/// What came of a call of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was answered with this status.
    Answered(u16),
    /// That address is none we call: no URL, not `https`, or not public.
    Refused,
    /// Nobody could be reached there, or the connection ended early.
    Unreachable,
    /// There was no whole answer in time.
    Late,
}

impl Posted {
    /// Whether the receiver has it.
    #[must_use]
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }
}

impl fmt::Display for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(status) => write!(f, "answered {status}"),
            Self::Refused => f.write_str("not an address that is called"),
            Self::Unreachable => f.write_str("unreachable"),
            Self::Late => f.write_str("no answer in time"),
        }
    }
}

/// Which event of an operation is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// It has no outcome by then; not told when it has.
    Late(Timestamp),
    /// It has its outcome.
    Ended,
}

/// Endpoints are to be told of an operation: the store prints what each is told and keeps it, in the
/// transaction that makes it true.
#[derive(Clone)]
pub struct Announce {
    /// Of which operation.
    pub operation: OperationId,
    /// What there is to tell.
    pub occasion: Occasion,
    /// When it is announced.
    pub at: Timestamp,
    /// When that is, as it is printed.
    pub wall: Wall,
    /// The dialect's pure printer: what that endpoint is told; none for nothing.
    pub print: fn(&Announce, &OperationRow, &EndpointId) -> Option<Notice>,
}

impl PartialEq for Announce {
    fn eq(&self, other: &Self) -> bool {
        (self.operation, self.occasion, self.at, self.wall) == (other.operation, other.occasion, other.at, other.wall)
    }
}

impl Eq for Announce {}

impl fmt::Debug for Announce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announce")
            .field("operation", &self.operation)
            .field("occasion", &self.occasion)
            .finish_non_exhaustive()
    }
}

/// One event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which kind of event, in the dialect's word: endpoints choose by it.
    pub event: &'static str,
    /// The event's id at that endpoint; the same whenever the same is announced.
    pub id: Box<str>,
    /// What is posted.
    pub body: Opaque,
}

/// What an endpoint is to be told, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its number in the order of all.
    pub place: u64,
    /// The event's id.
    pub event: Box<str>,
    /// Of which operation.
    pub operation: OperationId,
    /// In which protocol.
    pub dialect: Dialect,
    /// Whose it is.
    pub endpoint: EndpointId,
    /// Where that is.
    pub url: Box<str>,
    /// What it is signed with.
    pub secret: Secret,
    /// What is posted, the same at every try.
    pub body: Opaque,
    /// How often it was tried.
    pub tries: u32,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Delivery");
        shown.field("place", &self.place).field("event", &self.event).field("endpoint", &self.endpoint);
        shown.field("tries", &self.tries).finish_non_exhaustive()
    }
}

/// What whoever carries deliveries has room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What is due by then.
    pub by: Timestamp,
    /// Deliveries on their way.
    pub busy: BTreeSet<u64>,
    /// Endpoints that get no more now.
    pub full: BTreeSet<EndpointId>,
    /// No other endpoints than these, if it is said.
    pub only: Option<BTreeSet<EndpointId>>,
    /// The endpoint that was served last; those after it come first.
    pub after: Option<EndpointId>,
    /// Of one endpoint so many at most, the busy ones among them.
    pub each: usize,
    /// So many together.
    pub most: usize,
}

impl Wanted {
    /// Whether an endpoint gets anything.
    #[must_use]
    pub fn is_for(&self, endpoint: &EndpointId) -> bool {
        !self.full.contains(endpoint) && self.only.as_ref().is_none_or(|only| only.contains(endpoint))
    }
}

/// What there is to carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be told now.
    pub deliveries: Vec<Delivery>,
    /// When an active endpoint is to be told something next that is not due yet; it may have to wait longer.
    pub next: Option<Timestamp>,
    /// Endpoints whose secret does not open: nothing is told to them.
    pub sealed: Vec<EndpointId>,
}

/// One try to deliver something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Try {
    /// The delivery's number.
    pub place: u64,
    /// When it ended.
    pub at: Timestamp,
    /// What the endpoint said.
    pub posted: Posted,
    /// What follows.
    pub then: Tried,
}

/// What becomes of a delivery after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// The endpoint has it.
    Delivered,
    /// It is tried again then.
    Again(Timestamp),
    /// It was tried as often as it is: kept, and tried no more.
    GivenUp,
}
