//! Registered members of a network: who a sample belongs to, what they agreed to, what they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::{GroupId, MemberId, Money, NetworkId, Opaque, OperationId, Outcome, RequestKey, Wall};

/// Which of two samples of a member was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

impl Side {
    /// The word on the wire and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Left, Self::Right].into_iter().find(|side| side.name() == text)
    }
}

/// One thing known about a member. Its value never shows in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The value as JSON text.
    pub json: Box<str>,
    /// Whether somebody trustworthy vouched for it.
    pub attested: bool,
    /// With which of the member's samples it may be given out.
    pub sides: BTreeSet<Side>,
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attribute")
            .field("attested", &self.attested)
            .field("sides", &self.sides)
            .finish_non_exhaustive()
    }
}

/// A registered member of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The same on every visit.
    pub id: MemberId,
    /// Where the member is registered.
    pub network: NetworkId,
    /// The groups that may know the member; none means every group of the network.
    pub groups: Option<BTreeSet<GroupId>>,
    /// What is known, by the registry's name.
    pub attributes: BTreeMap<Box<str>, Attribute>,
    /// What the member can spend.
    pub balance: Money,
    /// What the member is recognised by: opaque subjects, each with its side.
    pub subjects: Vec<(Box<str>, Side)>,
}

/// What our own service is asked to decide: one answer of a performer, with what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The work.
    pub operation: OperationId,
    /// The requester's id for it.
    pub key: RequestKey,
    /// Where members are looked up.
    pub network: NetworkId,
    /// Who asks.
    pub group: GroupId,
    /// The dialect's normal form of what was asked.
    pub request: Opaque,
    /// The dialect's own bytes.
    pub memo: Opaque,
    /// What the performer found.
    pub evidence: Opaque,
    /// Counts the answers decided upon, from 1.
    pub attempt: u32,
    /// When the answer came.
    pub wall: Wall,
}

/// What our own service decided, to be made true in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the work.
    pub settled: Settled,
    /// What is taken from the member, exactly once, together with the outcome.
    pub debit: Option<Debit>,
}

/// What becomes of the work after an answer was decided upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It has its outcome.
    Outcome(Outcome),
    /// It goes on; the requester is told why.
    Again {
        /// The dialect's own bytes.
        note: Opaque,
    },
}

/// Money taken from a member's balance. Never more than there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debit {
    /// From whom.
    pub member: MemberId,
    /// How much; more than zero.
    pub money: Money,
}
