//! What a partition says to a session.

use std::time::Duration;

use crate::{
    Certainty, DeviceId, Epoch, Event, Opaque, OperationId, OperationRow, Outcome, OutcomeKind, Position, Presence,
    RequestKey, Target, Timestamp, Wall, Window,
};

/// What a session is told. The first part answers asks; the rest comes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tell {
    /// The connection is in.
    Admitted {
        /// Fences this session.
        epoch: Epoch,
        /// The lent limits, with their history.
        windows: Vec<Window>,
        /// How many outcomes follow that were owed.
        owed: u32,
    },
    /// The connection is not let in.
    NotAdmitted(NotAdmitted),
    /// The work is accepted and, if durable, stored.
    Accepted {
        /// Our id for it.
        operation: OperationId,
        /// The requester's id for it.
        key: RequestKey,
    },
    /// The work is not accepted, or the cancel found nothing to cancel.
    Refused {
        /// The requester's id for it.
        key: RequestKey,
        /// Why.
        why: Refusal,
    },
    /// The cancel was taken; the outcome follows by itself.
    Cancelling {
        /// The requester's id for it.
        key: RequestKey,
    },
    /// What became of a performer's answer.
    Taken {
        /// The work it was about, when it is known.
        operation: Option<OperationId>,
        /// The requester's id for it, when it is known.
        key: Option<RequestKey>,
        /// What became of it.
        taken: Taken,
    },
    /// The names are noted; work for them may follow.
    Serving,
    /// More names than one performer may serve; those it served before stand.
    TooManyNames {
        /// How many it may be.
        most: usize,
    },
    /// The listener is heard; events follow.
    Listening {
        /// Where the stream stands.
        at: Position,
        /// Whether events between the asked position and the first that follows are missing.
        gap: bool,
    },
    /// The devices of the group, in the order of their names.
    Devices(Vec<DeviceState>),
    /// The work that was looked for; none when there is none under that id.
    Found(Option<Box<Found>>),

    /// Something about the requester's work that is not its outcome.
    Progress {
        /// Our id for it.
        operation: OperationId,
        /// The requester's id for it.
        key: RequestKey,
        /// The dialect's own bytes.
        memo: Opaque,
        /// What was said.
        note: Opaque,
    },
    /// The one outcome of the requester's work.
    Outcome {
        /// Our id for it.
        operation: OperationId,
        /// The requester's id for it.
        key: RequestKey,
        /// What kind of work it was, in the dialect's word.
        kind: Box<str>,
        /// Which performers it was for; the device, where it was named by its connection.
        target: Target,
        /// The dialect's own bytes.
        memo: Opaque,
        /// How it ended.
        outcome: Outcome,
        /// When it ended, which may be long before it is told.
        at: Timestamp,
    },
    /// Work for this performer.
    Offer {
        /// Our id for it.
        operation: OperationId,
        /// The requester's id for it.
        key: RequestKey,
        /// What kind of work it is, in the dialect's word.
        kind: Box<str>,
        /// Whether it may have had it before: then it only says what became of it.
        inquiry: bool,
        /// The requester's name as people read it.
        from: Box<str>,
        /// The dialect's normal form.
        request: Opaque,
        /// Until when an outcome is possible.
        answer_by: Timestamp,
    },
    /// Work that was offered here is over, here or elsewhere.
    Withdrawn {
        /// Our id for it.
        operation: OperationId,
        /// The requester's id for it.
        key: RequestKey,
        /// How it ended.
        how: OutcomeKind,
    },
    /// Another session took this one's place: say so and close.
    Displaced,
    /// The credential was revoked: say so and close.
    Revoked,
    /// An operator ended the session: say so and close.
    Dismissed,
    /// The partition lost its store and starts again: say *come back soon* and close.
    Reloaded,
    /// Something happened in the group.
    Event(Box<Event>),
}

/// A device as its group sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceState {
    /// Its name; that of its connection when it has none.
    pub device: DeviceId,
    /// Whether it can be given work.
    pub presence: Presence,
    /// The session it has or had last; none when only the store remembers it.
    pub epoch: Option<Epoch>,
    /// When that session was let in; when it was last seen, without one.
    pub since: Wall,
    /// When it last said something about work, or came.
    pub active: Wall,
    /// What the dialect wanted to show of it.
    pub facts: Opaque,
}

/// A piece of work that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is stored of it, its outcome among it.
    pub row: OperationRow,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a piece of work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a performer.
    Waiting,
    /// A performer has it.
    Offered,
    /// A performer that had it is away; it is held for its return.
    Held,
    /// It has its outcome.
    Ended,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// Too many takeovers of a living session lately; come back after the duration.
    Damped(Duration),
    /// Another session holds the name and stays.
    Occupied,
}

/// Why work was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The key was used before.
    Duplicate,
    /// The key was used before for something else.
    Conflict,
    /// The device has work and takes no more.
    Busy,
    /// No fitting performer is there now.
    Absent,
    /// The group has no device of that name.
    Unknown,
    /// The device belongs to another group.
    Foreign,
    /// No such work, or it has ended.
    NotFound,
    /// A bound of this node is reached: try later.
    Full,
}

/// What became of a performer's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It ended the work.
    Ended(OutcomeKind),
    /// Noted; the work goes on.
    Noted,
    /// Our service was not satisfied; the work goes on.
    Again,
    /// The work had ended before, or was never known. How it had ended, when that is known.
    Late(Option<OutcomeKind>),
    /// Another answer is being decided upon right now.
    Deciding,
    /// The work was not offered to this device.
    NotYours,
    /// What it says it did is not what it was asked; the work goes on.
    Contradicts,
}

impl Outcome {
    /// Whether the performer may have acted, for outcomes that are not definite.
    #[must_use]
    pub const fn certainty(&self) -> Option<Certainty> {
        match self {
            Self::Completed { .. } | Self::Declined { .. } => None,
            Self::Failed { certainty, .. } | Self::Expired { certainty } | Self::Cancelled { certainty } => {
                Some(*certainty)
            }
        }
    }
}
