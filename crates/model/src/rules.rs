//! How one kind of operation behaves. The engine reads these and never asks which vendor is meant.
//!
//! A new difference between vendors is a new value here, with its row in the table of ARCHITECTURE.md.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::DeviceId;

/// Which performers an operation is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This device only.
    Device(DeviceId),
    /// Every device of the group at once; the first valid answer wins.
    AnyOfGroup,
    /// One device of the group that has nothing to do.
    FirstIdle,
    /// One session that said it serves this name.
    Serving(Box<str>),
}

/// How many operations a device takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// One; a second is refused as busy.
    Busy,
    /// One; a second waits up to the duration.
    Queue(Duration),
    /// As many as this.
    Many(u32),
}

/// What happens when no fitting performer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Refused at once, not accepted.
    Refuse,
    /// Accepted; it waits for one until its deadline.
    Wait,
}

/// What happens when the performer that has the offer goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerformerLost {
    /// The operation fails.
    Fail,
    /// It is held this long for the device to come back, then fails; at once where the device has no grace at all.
    Hold(Duration),
    /// Others that have the offer, or the same one back in time, go on.
    OthersGoOn,
}

/// What happens when the requester's last session goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequesterLost {
    /// The work goes on; its outcome is owed.
    GoOn,
    /// It is cancelled.
    Cancel,
}

/// What a second request under the same key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The same body joins or replays the first; another body is a conflict.
    Join,
    /// Refused as a duplicate; the first goes on untouched.
    Refuse,
    /// A new operation.
    Run,
}

/// Whether an offer is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reoffer {
    /// Never.
    Never,
    /// The same bytes to a device that comes back.
    OnReturn,
    /// A device that comes back is asked what became of it, and is given it again only when it certainly did nothing.
    Inquire {
        /// How often it is given again; whoever did nothing of it once more fails it, as not delivered.
        times: u16,
        /// Before it is given a second time; before each further time longer by the same. The first is at once.
        pause: Duration,
    },
    /// The same bytes again and again until the performer reacts or `until` has passed.
    Every {
        /// Between two offers.
        pause: Duration,
        /// Counted from the first offer.
        until: Duration,
    },
}

/// What an answer after the outcome means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Late {
    /// Acknowledged as late, otherwise forgotten.
    Drop,
    /// Acknowledged as late and written beside the outcome.
    Record,
    /// Recorded; and where the work had failed or expired but was done after all, further work makes good for it.
    Compensate(Arc<Compensation>),
}

/// The work that makes good for work that was done after its requester was told it was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compensation {
    /// What kind of work it is, in the dialect's word.
    pub kind: Box<str>,
    /// How it behaves.
    pub rules: Arc<Rules>,
    /// How long it may take.
    pub answer_within: Duration,
}

/// Who hears an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The session that waits for it, or else another of the principal; owed when there is none.
    Principal,
    /// The sessions that wait for it, and nobody else.
    Waiting,
}

/// Whether an operation survives a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Stored before it is offered, its outcome before it is told.
    Durable,
    /// In memory only: reads and pings.
    Fleeting,
}

/// The dialect's judgement whether what a performer says it did is what it was asked. Given are the work's memo and the
/// performer's words.
#[derive(Clone, Copy)]
pub struct Fits(pub fn(memo: &[u8], done: &[u8]) -> bool);

impl Fits {
    /// There is nothing to compare.
    pub const ANYTHING: Self = Self(|_, _| true);
}

/// The same function, as far as that can be told: for tests that compare whole asks.
impl PartialEq for Fits {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Fits {}

impl fmt::Debug for Fits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fits")
    }
}

/// How one kind of operation of one dialect behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many operations a device takes at a time.
    pub capacity: Capacity,
    /// When no fitting performer is there.
    pub absent: Absent,
    /// When the performer goes away.
    pub performer_lost: PerformerLost,
    /// When the requester goes away.
    pub requester_lost: RequesterLost,
    /// When the same key comes again.
    pub repeat: Repeat,
    /// When an offer is said again.
    pub reoffer: Reoffer,
    /// Whether what was done is what was asked; where it is not, an operator is alarmed.
    pub fits: Fits,
    /// When an answer comes after the outcome.
    pub late: Late,
    /// Who hears the outcome.
    pub audience: Audience,
    /// Whether it is stored.
    pub durability: Durability,
    /// How long an ended operation is kept in memory for repeats and late answers.
    pub remember: Duration,
    /// How long an outcome is owed to a requester that is away; zero owes nothing.
    pub owed_for: Duration,
    /// How many outcomes are owed to one requester at most; beyond it the oldest is given up.
    pub owed_most: u32,
}
