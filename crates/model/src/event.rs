//! What others may hear: ordered per group, numbered, with gaps told.

use std::fmt;

use crate::{DeviceId, Epoch, Fence, GroupId, OperationId, OutcomeKind, PrincipalId, RequestKey, Wall};

/// Where in a group's stream an event stands. A changed fence is a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Under which owner of the partition.
    pub fence: Fence,
    /// Counts events of the group under that fence, from 1.
    pub n: u64,
}

/// Whether a device can be given work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// A request can be delivered now.
    Online,
    /// Its session ended; the grace is running.
    Away,
    /// It is gone.
    Offline,
}

impl Presence {
    /// The word in events, transcripts and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
            Self::Offline => "offline",
        }
    }
}

/// One thing that happened in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it stands in the group's stream.
    pub position: Position,
    /// Whose stream.
    pub group: GroupId,
    /// When it happened.
    pub wall: Wall,
    /// What happened.
    pub happening: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A device's presence changed.
    Presence {
        /// Which device.
        device: DeviceId,
        /// What it is now.
        presence: Presence,
        /// The session that made it so; a lower one is old news.
        epoch: Epoch,
    },
    /// Work was accepted.
    Accepted {
        /// Our id for it.
        operation: OperationId,
        /// What kind of work, in the dialect's word.
        kind: Box<str>,
    },
    /// Work has its outcome.
    Ended {
        /// Our id for it.
        operation: OperationId,
        /// How it ended.
        how: OutcomeKind,
    },
    /// Something an operator should look at.
    Alert(Alert),
}

/// Something an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// Two living peers keep displacing each other; the newcomer is held off.
    TakeoverWar {
        /// Who they both are.
        principal: PrincipalId,
    },
    /// A performer says that it did something else than it was asked.
    Contradiction {
        /// Which work.
        operation: OperationId,
        /// Who said it.
        device: DeviceId,
    },
    /// A performer says that it did what nobody ever asked for.
    Unasked {
        /// The id it names.
        key: RequestKey,
        /// Who said it.
        device: DeviceId,
    },
    /// Work that should make good for a late answer did not succeed: a person has to.
    NotCompensated {
        /// The work nobody made good for.
        operation: OperationId,
    },
    /// An owed outcome was given up: too old, or too many.
    GivenUp {
        /// Which work.
        operation: OperationId,
        /// To whom it was owed.
        principal: PrincipalId,
    },
}

impl Alert {
    /// The word in transcripts and metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::TakeoverWar { .. } => "takeover_war",
            Self::Contradiction { .. } => "contradiction",
            Self::Unasked { .. } => "unasked",
            Self::NotCompensated { .. } => "not_compensated",
            Self::GivenUp { .. } => "given_up",
        }
    }

    /// Who it is about, where it names somebody.
    fn who(&self) -> Option<&dyn fmt::Display> {
        match self {
            Self::TakeoverWar { principal } | Self::GivenUp { principal, .. } => Some(principal),
            Self::Contradiction { device, .. } | Self::Unasked { device, .. } => Some(device),
            Self::NotCompensated { .. } => None,
        }
    }
}

/// The line a transcript and a log show.
impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Presence { device, presence, .. } => write!(f, "presence {device} {}", presence.label()),
            Self::Accepted { kind, .. } => write!(f, "event accepted {kind}"),
            Self::Ended { how, .. } => write!(f, "event ended {}", how.label()),
            Self::Alert(alert) => {
                write!(f, "event alert {}", alert.label())?;
                alert.who().map_or(Ok(()), |who| write!(f, " {who}"))
            }
        }
    }
}
