//! A store that fails when told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use model::{
    Commit, CommitError, Credential, CredentialId, Due, EndpointWork, EndpointsDone, GroupId, Loaded, Member, MemberId,
    NetworkId, OperationId, OperationRow, Partition, RequestKey, Settled, Timestamp, Try, Wall, Wanted,
};
use store::{Horizon, KeptFilter, Store, StoreError};

/// How many of the next ones fail.
#[derive(Clone, Default)]
pub(crate) struct Failing {
    pub(crate) commits: Arc<AtomicU32>,
    pub(crate) loads: Arc<AtomicU32>,
    pub(crate) tries: Arc<AtomicU32>,
}

pub(crate) struct Fickle {
    pub(crate) store: Box<dyn Store>,
    pub(crate) failing: Failing,
}

/// One more of that kind fails.
pub(crate) fn fail_one_more(count: &AtomicU32) {
    count.fetch_add(1, SeqCst);
}

fn fails(count: &AtomicU32) -> bool {
    count.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Store for Fickle {
    fn load(&mut self, partitions: &[Partition], horizon: Horizon) -> Result<Vec<Loaded>, StoreError> {
        if fails(&self.failing.loads) {
            return Err(StoreError::Unavailable("told to fail".into()));
        }
        self.store.load(partitions, horizon)
    }

    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>> {
        let mut results = Vec::new();
        for commit in commits {
            if fails(&self.failing.commits) {
                results.push(Err(CommitError::Unavailable("told to fail".into())));
            } else {
                results.extend(self.store.commit(std::slice::from_ref(commit)));
            }
        }
        results
    }

    fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        self.store.earlier(group, key)
    }

    fn credentials_version(&self) -> Result<u64, StoreError> {
        self.store.credentials_version()
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.store.credentials()
    }

    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError> {
        self.store.add_credentials(credentials)
    }

    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError> {
        self.store.end_credential(id, at, now)
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        self.store.put_member(member)
    }

    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError> {
        self.store.member(network, id)
    }

    fn forget(&mut self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        self.store.forget(before, most)
    }

    fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        self.store.operations(after, limit)
    }

    fn endpoints(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError> {
        self.store.endpoints(group, work)
    }

    fn due(&self, wanted: &Wanted) -> Result<Due, StoreError> {
        self.store.due(wanted)
    }

    fn tried(&mut self, tries: &[Try]) -> Result<(), StoreError> {
        if fails(&self.failing.tries) {
            return Err(StoreError::Unavailable("told to fail".into()));
        }
        self.store.tried(tries)
    }

    fn send_again(&mut self, filter: &KeptFilter, at: Timestamp) -> Result<usize, StoreError> {
        self.store.send_again(filter, at)
    }

    fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        self.store.changed_elsewhere()
    }
}
