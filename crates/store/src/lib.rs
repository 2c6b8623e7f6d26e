//! What must survive: one trait, SQLite and memory behind it, one conformance suite.
//!
//! [`Sqlite`] is what production runs; [`Memory`] is for stories and tests. Both say the same to the same
//! calls, and the suite in `conformance` holds them to it. Who calls when, and from which thread, is the
//! shell's business.

#[cfg(test)]
mod conformance;
pub mod memory;
mod refusal;
pub mod seal;
pub mod sqlite;

use std::fmt;
use std::sync::Arc;

use model::{
    Commit, CommitError, Credential, CredentialId, DeviceId, DeviceRow, Dialect, Due, EndpointId, EndpointWork,
    EndpointsDone, GroupId, Loaded, Member, MemberId, Money, NetworkId, Opaque, OperationId, OperationRow, OutcomeKind,
    Partition, RequestKey, Settled, Target, Timestamp, Try, Wall, Wanted,
};

pub use memory::Memory;
pub use seal::{Seal, SealError};
pub use sqlite::{Reader, Sqlite};

/// Answers after the outcome that are kept beside one operation; what comes after them is not written.
pub const LATE_ANSWERS_PER_OPERATION: usize = 16;

/// How far back a new owner of partitions looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Operations that ended at or after this are loaded.
    pub ended: Timestamp,
    /// Devices seen at or after this are loaded.
    pub seen: Timestamp,
    /// And of those so many of each group, the ones seen last.
    pub devices: usize,
}

impl Horizon {
    /// The same for operations and devices, and however many of these.
    #[must_use]
    pub const fn at(at: Timestamp) -> Self {
        Self { ended: at, seen: at, devices: usize::MAX }
    }
}

/// A place where things survive. Calls block; the shell gives it a thread.
pub trait Store: Send {
    /// Takes ownership of partitions: each gets a new, durable fence, and what its owner starts from:
    /// running operations, those that ended within the horizon or are still owed, oldest first, the mail in the
    /// order it was owed, and the devices seen within it, by group and name. Answers in the order of `partitions`.
    ///
    /// # Errors
    /// [`StoreError`]; then no fence has moved.
    fn load(&mut self, partitions: &[Partition], horizon: Horizon) -> Result<Vec<Loaded>, StoreError>;

    /// Makes batches durable, as many together as the store's bound allows. Answers in order.
    ///
    /// A batch under an old fence, or one that asks for what can not be, fails alone: an unknown operation,
    /// an operation of another partition, money that is not there, a service that panics. When a
    /// transaction fails, all its batches fail and nothing of them is there.
    ///
    /// In a batch the writes come first, then the settles, then what is announced. An operation accepted twice stays as it was; of
    /// two outcomes the first stays, and a settle answers with the one that is there; mail for an operation
    /// that is owed already, late answers of an operation that is not stored, and paying what is not owed
    /// change nothing. What a row says of late answers and of work that makes good for it is read from their own
    /// writes, never written with it.
    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>>;

    /// The newest operation of a group that was asked for under a key; never one that makes good for another.
    ///
    /// # Errors
    /// [`StoreError`].
    fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError>;

    /// A number that changes whenever credentials change, by anybody on the same data.
    ///
    /// # Errors
    /// [`StoreError`].
    fn credentials_version(&self) -> Result<u64, StoreError>;

    /// Every credential, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a secret that is kept sealed does not open.
    fn credentials(&self) -> Result<Vec<Credential>, StoreError>;

    /// Adds credentials, all or none.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when an id is taken; [`StoreError::Sealed`] when a secret can not be sealed.
    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError>;

    /// Ends a credential at `at`: when that is not after `now` it is revoked, else it expires then, or when
    /// it would have anyway (the overlap of a rotation). True when it was there and good.
    ///
    /// # Errors
    /// [`StoreError`].
    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError>;

    /// Adds a member, or replaces what is known of it except the balance.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when a subject belongs to another member, or is given twice.
    fn put_member(&mut self, member: &Member) -> Result<(), StoreError>;

    /// One member with the balance of now.
    ///
    /// # Errors
    /// [`StoreError`].
    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError>;

    /// Forgets operations that ended before then, took no money, are owed to nobody and are not made good for right now,
    /// oldest first, with what came after their outcome and what endpoints were told of them; then devices that were seen
    /// last before then, oldest first; then what endpoints were told that were removed. At most `most` of all together, and
    /// says how many. What took money is kept for good,
    /// and what made good for an operation as long as that: so nobody makes good for it twice.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forget(&mut self, before: Timestamp, most: usize) -> Result<usize, StoreError>;

    /// Every operation after `after`, oldest first, at most `limit`: for ledgers and checks.
    ///
    /// # Errors
    /// [`StoreError`].
    fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError>;

    /// Does what is wanted of the webhook endpoints of a group; durable when it answers.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when an id is taken; [`StoreError::Sealed`] when a secret can not be sealed or opened.
    fn endpoints(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError>;

    /// What active webhook endpoints are to be told, save what is busy or full; and nothing before what an endpoint was to
    /// be told of the same operation earlier. Endpoints take turns in the order of their names, and nobody may be given
    /// all there is room for while others wait.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when there is no key that secrets could open with.
    fn due(&self, wanted: &Wanted) -> Result<Due, StoreError>;

    /// Writes down what became of tries, all or none. What was removed meanwhile stays removed.
    ///
    /// # Errors
    /// [`StoreError`].
    fn tried(&mut self, tries: &[Try]) -> Result<(), StoreError>;

    /// Sends again at `at` what is over for its endpoint, delivered or given up, as if it had never been tried; of that
    /// what the filter lets pass. Says how much it was.
    ///
    /// # Errors
    /// [`StoreError`].
    fn send_again(&mut self, filter: &KeptFilter, at: Timestamp) -> Result<usize, StoreError>;

    /// Whether another process has changed anything since this was asked last, or since the store was opened.
    ///
    /// # Errors
    /// [`StoreError`].
    fn changed_elsewhere(&mut self) -> Result<bool, StoreError>;
}

/// What operators and checks may look at beside what the gateway needs.
pub trait Inspect: Store {
    /// The operations after `after` that a filter lets pass, oldest first, at most `most`: a page of the ledger.
    ///
    /// # Errors
    /// [`StoreError`].
    fn ledger(&self, after: Option<OperationId>, most: usize, filter: &Filter)
    -> Result<Vec<OperationRow>, StoreError>;

    /// The devices of a group that ever had a session, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    fn devices(&self, group: &GroupId) -> Result<Vec<DeviceRow>, StoreError>;

    /// What came after the outcome of an operation, in order.
    ///
    /// # Errors
    /// [`StoreError`].
    fn late_answers(&self, operation: OperationId) -> Result<Vec<LateAnswer>, StoreError>;

    /// What webhook endpoints were or are to be told, after the number `after`, in order, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn kept(&self, after: u64, most: usize, filter: &KeptFilter) -> Result<Vec<Kept>, StoreError>;

    /// Every account, by network and member.
    ///
    /// # Errors
    /// [`StoreError`].
    fn accounts(&self) -> Result<Vec<Account>, StoreError>;
}

/// Which operations somebody wants to see; what is none lets everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this protocol.
    pub dialect: Option<Dialect>,
    /// Of a group of this name, as its dialect knows it.
    pub group: Option<Box<str>>,
    /// For this device and no other.
    pub device: Option<DeviceId>,
    /// Asked for under this key.
    pub key: Option<RequestKey>,
    /// That are so far.
    pub progress: Option<Progress>,
    /// Accepted then or later.
    pub since: Option<Timestamp>,
    /// Accepted before then.
    pub until: Option<Timestamp>,
    /// Work that makes good for other work too, and not only what requesters asked for.
    pub with_compensations: bool,
}

impl Filter {
    /// Whether an operation passes.
    #[must_use]
    pub fn passes(&self, row: &OperationRow) -> bool {
        let is_for = |device: &DeviceId| matches!(&row.target, Target::Device(target) if target == device);
        self.dialect.is_none_or(|dialect| row.dialect == dialect)
            && self.group.as_deref().is_none_or(|group| row.group.name() == group)
            && self.device.as_ref().is_none_or(is_for)
            && self.key.as_ref().is_none_or(|key| row.key == *key)
            && self.progress.is_none_or(|progress| Progress::of(row) == progress)
            && self.since.is_none_or(|since| row.accepted_at >= since)
            && self.until.is_none_or(|until| row.accepted_at < until)
            && (self.with_compensations || row.about.is_none())
    }
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has no outcome yet.
    Running,
    /// It ended so.
    Ended(OutcomeKind),
}

impl Progress {
    /// That of a stored operation.
    #[must_use]
    pub fn of(row: &OperationRow) -> Self {
        row.outcome.as_ref().map_or(Self::Running, |(outcome, _)| Self::Ended(outcome.kind()))
    }
}

/// An answer that came after the outcome.
#[derive(Clone, PartialEq, Eq)]
pub struct LateAnswer {
    /// What it said.
    pub body: Opaque,
    /// When.
    pub at: Timestamp,
}

impl fmt::Debug for LateAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LateAnswer").field("at", &self.at).finish_non_exhaustive()
    }
}

/// What a webhook endpoint was or is to be told, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its number in the order of all.
    pub place: u64,
    /// The event's id.
    pub event: Box<str>,
    /// Whose it is.
    pub endpoint: EndpointId,
    /// Whose that is.
    pub group: GroupId,
    /// Of which operation.
    pub operation: OperationId,
    /// What that was asked for under.
    pub key: RequestKey,
    /// What is posted.
    pub body: Opaque,
    /// How often it was tried.
    pub tries: u32,
    /// When it was tried last, and what the endpoint said.
    pub last: Option<(Timestamp, Box<str>)>,
    /// How far it is.
    pub stage: Stage,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("event", &self.event)
            .field("tries", &self.tries)
            .field("last", &self.last)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// How far something is that an endpoint is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is told then, if nothing keeps it back.
    Waiting(Timestamp),
    /// The endpoint has it.
    Delivered,
    /// It was tried as often as it is.
    GivenUp,
}

/// Which of it somebody wants; what is none, or false, lets everything pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptFilter {
    /// For the endpoints of a group of this name, as its dialect knows it.
    pub group: Option<Box<str>>,
    /// For this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of an operation asked for under this key.
    pub key: Option<RequestKey>,
    /// The event of this id.
    pub event: Option<Box<str>>,
    /// Only what was given up.
    pub given_up: bool,
}

impl KeptFilter {
    /// Whether something passes.
    fn passes(&self, kept: &Kept) -> bool {
        self.group.as_deref().is_none_or(|group| kept.group.name() == group)
            && self.endpoint.as_ref().is_none_or(|endpoint| kept.endpoint == *endpoint)
            && self.key.as_ref().is_none_or(|key| kept.key == *key)
            && self.event.as_ref().is_none_or(|event| kept.event == *event)
            && (!self.given_up || kept.stage == Stage::GivenUp)
    }
}

/// What a member had, spent and has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Where the member is registered.
    pub network: NetworkId,
    /// Whose it is.
    pub member: MemberId,
    /// What was there when the member was added.
    pub opening: Money,
    /// What is there now.
    pub balance: Money,
    /// How many operations took something.
    pub debits: u64,
    /// What they took together, in the smallest unit of the balance's currency.
    pub debited: i64,
}

impl Account {
    /// Whether the opening balance is what was taken and what is left.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        self.opening.currency == self.balance.currency
            && self.balance.minor.checked_add(self.debited) == Some(self.opening.minor)
    }
}

/// Why the store could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// What was to be added is there already.
    Exists(String),
    /// Another process has the folder.
    Locked(String),
    /// The key of the sealed secrets is not there, may be known to others, or is not theirs.
    Sealed(String),
    /// The data is from a newer version, or was made with another partition function.
    Foreign(String),
    /// A row does not hold what was written, so that reading it again does not help; says where, never what.
    Corrupt(Arc<str>),
    /// The place itself failed: disk, permissions.
    Unavailable(Arc<str>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(what) | Self::Locked(what) | Self::Sealed(what) | Self::Foreign(what) => f.write_str(what),
            Self::Corrupt(cause) => write!(f, "the store is damaged: {cause}"),
            Self::Unavailable(cause) => write!(f, "the store is not available: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        Self::Sealed(error.to_string())
    }
}
