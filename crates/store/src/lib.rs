//! What must survive: one trait, SQLite and memory behind it, one conformance suite.

use std::sync::Arc;

use model::{
    Commit, CommitError, Credential, CredentialId, GroupId, Loaded, Member, MemberId, NetworkId, OperationRow,
    Partition, RequestKey, Settled, Timestamp, Wall,
};

/// A place where things survive. Calls block; the shell gives it a thread.
pub trait Store: Send {
    /// Takes ownership of partitions: each gets a new, durable fence, and what its owner starts from:
    /// running operations, those that ended at or after `horizon` or are still owed, mail, devices.
    ///
    /// # Errors
    /// [`StoreError`]; then no fence has moved.
    fn load(&mut self, partitions: &[Partition], horizon: Timestamp) -> Result<Vec<Loaded>, StoreError>;

    /// Makes batches durable in one transaction. A batch under an old fence fails alone; when the
    /// transaction fails, all fail and nothing of them is there. Answers in order.
    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>>;

    /// The newest operation of a group under a key.
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
    /// [`StoreError`].
    fn credentials(&self) -> Result<Vec<Credential>, StoreError>;

    /// Adds credentials, all or none.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when an id is taken.
    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError>;

    /// Ends a credential at `at`, now or in the future (the overlap of a rotation). True when it was there and good.
    ///
    /// # Errors
    /// [`StoreError`].
    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError>;

    /// Adds a member, or replaces what is known of it except the balance.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when a subject belongs to another member.
    fn put_member(&mut self, member: &Member) -> Result<(), StoreError>;

    /// One member with the balance of now.
    ///
    /// # Errors
    /// [`StoreError`].
    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError>;

    /// Every operation from `after` on, oldest first, at most `limit`: for ledgers and checks.
    ///
    /// # Errors
    /// [`StoreError`].
    fn operations(&self, after: Option<model::OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError>;
}

/// Why the store could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// What was to be added is there already.
    Exists(String),
    /// Another process has the folder.
    Locked(String),
    /// The data is from a newer version, or was made with another partition function.
    Foreign(String),
    /// The place itself failed: disk, permissions, corruption.
    Unavailable(Arc<str>),
}
