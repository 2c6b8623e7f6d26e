//! How an operation ends: exactly once, and saying what is certain.

use crate::Opaque;

/// Whether the performer may have acted although the operation was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It never reached a performer: a retry is safe.
    NotDelivered,
    /// It reached one: ask the device before trying again.
    Unknown,
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailCause {
    /// The performer went away and did not come back in time.
    PerformerLost,
    /// The performer said it could not.
    Performer,
    /// Nobody was there to do it, or the wait for a free one was too long.
    Absent,
    /// Our own service did not decide in time, or could not.
    Service,
}

impl Certainty {
    /// The word in the store and in ledgers.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotDelivered => "not_delivered",
            Self::Unknown => "unknown",
        }
    }
}

impl FailCause {
    /// The word in the store and in ledgers.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::PerformerLost => "performer_lost",
            Self::Performer => "performer",
            Self::Absent => "absent",
            Self::Service => "service",
        }
    }
}

/// The one outcome of an operation. `body` is the dialect's own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done as asked.
    Completed {
        /// What the dialect prints it from.
        body: Opaque,
    },
    /// A definite no.
    Declined {
        /// What the dialect prints it from.
        body: Opaque,
    },
    /// It could not be done.
    Failed {
        /// Why.
        cause: FailCause,
        /// Whether a retry is safe.
        certainty: Certainty,
        /// What the dialect prints it from; may be empty.
        body: Opaque,
    },
    /// The deadline passed.
    Expired {
        /// Whether a retry is safe.
        certainty: Certainty,
    },
    /// The requester took it back.
    Cancelled {
        /// Whether a retry is safe.
        certainty: Certainty,
    },
}

/// An outcome without what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutcomeKind {
    /// Done as asked.
    Completed,
    /// A definite no.
    Declined,
    /// It could not be done.
    Failed,
    /// The deadline passed.
    Expired,
    /// The requester took it back.
    Cancelled,
}

impl OutcomeKind {
    /// The word in logs, events, transcripts and the store.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Outcome {
    /// Which of the five it is.
    #[must_use]
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Completed { .. } => OutcomeKind::Completed,
            Self::Declined { .. } => OutcomeKind::Declined,
            Self::Failed { .. } => OutcomeKind::Failed,
            Self::Expired { .. } => OutcomeKind::Expired,
            Self::Cancelled { .. } => OutcomeKind::Cancelled,
        }
    }
}
