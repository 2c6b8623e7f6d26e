//! The laws hold on a few seeds; and they can fail: a terminal that lies and a store that forgets are caught.

use model::{
    Commit, CommitError, Credential, CredentialId, Due, EndpointWork, EndpointsDone, GroupId, Loaded, Member, MemberId,
    NetworkId, OperationId, OperationRow, Partition, RequestKey, Settled, Timestamp, Try, Wall, Wanted, Write,
};
use store::{Horizon, KeptFilter, Memory, Store, StoreError};
use transcript::simulation::{Failure, Plan, play, shrink, told};

/// Seeds within which a fault that is always there must show.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=60;

fn memory() -> Box<dyn Store> {
    Box::new(Memory::new())
}

#[test]
fn the_laws_hold_whatever_goes_wrong() {
    for seed in 1..=12 {
        let failure = play(&Plan::of(seed), memory()).err();
        assert_eq!(failure, None, "seed {seed}");
    }
}

#[test]
fn a_seed_means_the_same_every_time() {
    let plan = Plan::of(3);
    assert_eq!(told(&plan, memory()), told(&plan, memory()));
}

/// A terminal that took money and says that it never saw the payment is given it again: no gateway can know better, so
/// this shows that the law is looked at, and what is printed of it.
#[test]
fn a_terminal_that_lies_is_caught_and_its_story_is_short() {
    let failing = SEEDS.map(Plan::of).map(Plan::with_liars).find_map(|plan| Some((play(&plan, memory()).err()?, plan)));
    let (failure, plan) = failing.expect("some terminal is asked after it took money");
    assert_eq!(failure.law, "no double charge");
    let small = shrink(&plan, &failure, memory);
    assert_eq!(play(&small, memory()).map_err(|failure| failure.law), Err("no double charge"));
    let story = told(&small, memory());
    let acts = story.lines().filter(|line| line.starts_with('!') || line.contains("> ")).count();
    assert!(acts <= 12, "{acts} acts:\n{story}");
    assert!(story.contains("paymentInquiry") && story.contains("paymentUnknown"), "{story}");
}

/// The first failure on a store that forgets.
fn with_forgetful(forgets: fn(&Write) -> bool) -> Failure {
    let failing = SEEDS.map(Plan::of).find_map(|plan| {
        let store = Forgetful { inner: Memory::new(), forgets };
        play(&plan, Box::new(store)).err()
    });
    failing.expect("a store that forgets is noticed")
}

#[test]
fn an_outcome_that_was_told_and_not_stored_is_noticed() {
    let failure = with_forgetful(|write| matches!(write, Write::Ended { .. }));
    assert!(["one outcome", "every deadline", "the ledger balances"].contains(&failure.law), "{failure}");
}

#[test]
fn a_reversal_that_is_forgotten_is_noticed() {
    let failure = with_forgetful(|write| match write {
        Write::Accepted(row) => row.about.is_some(),
        Write::Ended { .. } | Write::Owed(_) | Write::Paid { .. } | Write::LateAnswer { .. } | Write::Seen(_) => false,
    });
    assert!(["money", "the surface"].contains(&failure.law), "{failure}");
}

/// A store that says of some writes that they are durable, and does not do them.
struct Forgetful {
    inner: Memory,
    forgets: fn(&Write) -> bool,
}

impl Store for Forgetful {
    fn load(&mut self, partitions: &[Partition], horizon: Horizon) -> Result<Vec<Loaded>, StoreError> {
        self.inner.load(partitions, horizon)
    }

    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>> {
        let mut commits = commits.to_vec();
        for commit in &mut commits {
            commit.writes.retain(|write| !(self.forgets)(write));
        }
        self.inner.commit(&commits)
    }

    fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        self.inner.earlier(group, key)
    }

    fn credentials_version(&self) -> Result<u64, StoreError> {
        self.inner.credentials_version()
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.inner.credentials()
    }

    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError> {
        self.inner.add_credentials(credentials)
    }

    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError> {
        self.inner.end_credential(id, at, now)
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        self.inner.put_member(member)
    }

    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError> {
        self.inner.member(network, id)
    }

    fn forget(&mut self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        self.inner.forget(before, most)
    }

    fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        self.inner.operations(after, limit)
    }

    fn endpoints(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError> {
        self.inner.endpoints(group, work)
    }

    fn due(&self, wanted: &Wanted) -> Result<Due, StoreError> {
        self.inner.due(wanted)
    }

    fn tried(&mut self, tries: &[Try]) -> Result<(), StoreError> {
        self.inner.tried(tries)
    }

    fn send_again(&mut self, filter: &KeptFilter, at: Timestamp) -> Result<usize, StoreError> {
        self.inner.send_again(filter, at)
    }

    fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        self.inner.changed_elsewhere()
    }
}
