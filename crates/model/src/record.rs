//! What must survive, as plain data between the engine and a store. The store's tables are its own.

use std::fmt;
use std::sync::Arc;

use crate::{
    Announce, CredentialId, Decision, DeviceId, Dialect, Digest, Fence, GroupId, Member, NetworkId, Opaque,
    OperationId, Outcome, OutcomeKind, Partition, Permissions, PrincipalId, Question, RequestKey, Role, Secret, Target,
    Timestamp, Wall,
};

/// One operation as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// Our id; grows with time.
    pub id: OperationId,
    /// Where it lives.
    pub group: GroupId,
    /// What its group shares with others.
    pub network: NetworkId,
    /// Who asked.
    pub requester: PrincipalId,
    /// The requester's name as people read it.
    pub requester_name: Box<str>,
    /// In which protocol.
    pub dialect: Dialect,
    /// What kind of work, in the dialect's word.
    pub kind: Box<str>,
    /// The requester's id for it.
    pub key: RequestKey,
    /// Digest of what was asked.
    pub body: Digest,
    /// Which performers it is for.
    pub target: Target,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Until when a performer must have it.
    pub deliver_by: Option<Timestamp>,
    /// Until when it must have an outcome.
    pub answer_by: Timestamp,
    /// What performers and our service are given.
    pub request: Opaque,
    /// The dialect's own bytes.
    pub memo: Opaque,
    /// How and when it ended; none while it runs.
    pub outcome: Option<(Outcome, Timestamp)>,
    /// The work this one makes good for; none for work a requester asked for.
    pub about: Option<OperationId>,
    /// What a performer said after the end, and when; filled by the store.
    pub late: Option<(Opaque, Timestamp)>,
    /// The work that makes good for this one, and how and when it ended; filled by the store.
    pub compensation: Option<(OperationId, Option<(OutcomeKind, Timestamp)>)>,
}

/// One outcome owed to somebody who was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRow {
    /// Which work.
    pub operation: OperationId,
    /// Whose group.
    pub group: GroupId,
    /// To whom.
    pub principal: PrincipalId,
    /// After this it is given up.
    pub until: Timestamp,
}

/// One device as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its group.
    pub group: GroupId,
    /// Its name.
    pub device: DeviceId,
    /// Its protocol.
    pub dialect: Dialect,
    /// When it last had a session.
    pub last_seen_at: Timestamp,
}

/// One change the engine wants to survive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// An operation was accepted. Doing it twice changes nothing.
    Accepted(Box<OperationRow>),
    /// An operation ended. The first one wins.
    Ended {
        /// Which one.
        operation: OperationId,
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
    /// An outcome is owed until somebody has heard it.
    Owed(MailRow),
    /// The outcome was said, or given up: it is owed no more. May wait for the next commit.
    Paid {
        /// Which one.
        operation: OperationId,
    },
    /// An answer that came after the outcome, kept beside it.
    LateAnswer {
        /// Which one.
        operation: OperationId,
        /// What it said.
        body: Opaque,
        /// When.
        at: Timestamp,
    },
    /// A device had a session. May wait for the next commit.
    Seen(DeviceRow),
}

impl Write {
    /// Whether the write may wait for another that cannot.
    #[must_use]
    pub const fn may_wait(&self) -> bool {
        match self {
            Self::Paid { .. } | Self::Seen(_) => true,
            Self::Accepted(_) | Self::Ended { .. } | Self::Owed(_) | Self::LateAnswer { .. } => false,
        }
    }
}

/// An answer to be decided upon and its decision made true, in one transaction.
///
/// The store looks the subject up, calls `decide`, and, when that gives an outcome, writes the outcome, the
/// mail and the debit together; when the operation has an outcome already, it changes nothing and says that one.
#[derive(Clone)]
pub struct Settle {
    /// What is asked.
    pub question: Question,
    /// Who might be meant; none when the evidence names nobody.
    pub subject: Option<Box<str>>,
    /// The dialect's pure service.
    pub decide: fn(&Question, Option<&Member>) -> Decision,
    /// The mail to write with an outcome; none when nothing is owed.
    pub owed: Option<MailRow>,
    /// When it is decided.
    pub at: Timestamp,
}

impl fmt::Debug for Settle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle").field("operation", &self.question.operation).finish_non_exhaustive()
    }
}

/// One batch of one partition: all of it becomes durable, or none.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Whose.
    pub partition: Partition,
    /// Under which ownership; an older one is refused.
    pub fence: Fence,
    /// Counts the partition's batches, to match the answer.
    pub batch: u64,
    /// What changes, in order.
    pub writes: Vec<Write>,
    /// What is decided after that, in order.
    pub settles: Vec<Settle>,
    /// What webhook endpoints are to be told of all that. Announcing the same twice changes nothing.
    pub announces: Vec<Announce>,
}

/// Why a batch did not become durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Somebody else owns the partition now.
    Fenced,
    /// The store could not; nothing of the batch is there.
    Unavailable(Arc<str>),
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fenced => f.write_str("another owner has taken the partition"),
            Self::Unavailable(cause) => write!(f, "the store could not commit: {cause}"),
        }
    }
}

impl std::error::Error for CommitError {}

/// What a new owner of a partition starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Which partition.
    pub partition: Partition,
    /// The new ownership, already durable.
    pub fence: Fence,
    /// The newest operation of the whole store: later ones get higher ids, even if the clock went back.
    pub newest: Option<OperationId>,
    /// Running operations, and those that ended within the horizon or are still owed.
    pub operations: Vec<OperationRow>,
    /// What is owed.
    pub mail: Vec<MailRow>,
    /// Devices that were seen within the horizon.
    pub devices: Vec<DeviceRow>,
}

/// One stored credential. Its secret is kept as a digest, or encrypted where a protocol needs it in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its name in `keys list`.
    pub id: CredentialId,
    /// Which protocol accepts it.
    pub dialect: Dialect,
    /// What it lets its holder be.
    pub role: Role,
    /// What the holder's group shares with others.
    pub network: NetworkId,
    /// The holder's group.
    pub group: GroupId,
    /// Who it proves; several credentials may prove the same principal while one replaces another.
    pub principal: PrincipalId,
    /// The name presented beside the secret, where a protocol has one.
    pub subject: Option<Box<str>>,
    /// The device it is for, when it names one.
    pub device: Option<DeviceId>,
    /// The name people read.
    pub name: Box<str>,
    /// What is kept of the secret.
    pub secret: CredentialKind,
    /// SHA-256 of the client certificate it works with; none where any connection will do.
    pub certificate: Option<Digest>,
    /// What it allows beyond its role.
    pub permissions: Permissions,
    /// When it was made.
    pub created_at: Wall,
    /// When it stops working; none for never.
    pub expires_at: Option<Wall>,
    /// When it was revoked; none while it is good.
    pub revoked_at: Option<Wall>,
}

/// What is kept of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// SHA-256 of a secret with full entropy.
    Digest(Digest),
    /// SHA-256 of a key that is presented, and the secret its holder signs with. The store keeps that encrypted.
    Signing {
        /// Of the key.
        key: Digest,
        /// In clear, as signing needs it.
        secret: Secret,
    },
}
