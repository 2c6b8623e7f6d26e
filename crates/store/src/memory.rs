//! Everything in memory, for stories and tests: the same answers as SQLite, gone with the process.

mod hook;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::{
    Commit, CommitError, Credential, CredentialId, Decision, DeviceId, DeviceRow, Due, EndpointWork, EndpointsDone,
    Fence, GroupId, Loaded, MailRow, Member, MemberId, NetworkId, OperationId, OperationRow, Outcome, Partition,
    RequestKey, Settle, Settled, Timestamp, Try, Wall, Wanted, Write,
};

use crate::refusal::{self, Refusal};
use crate::{
    Account, Filter, Horizon, Inspect, Kept, KeptFilter, LATE_ANSWERS_PER_OPERATION, LateAnswer, Store, StoreError,
};

/// A store in memory. A clone is another handle on the same data: keep one, drop the other, and the data
/// has survived a restart.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next call of [`Store::commit`] that has something to do fail as a whole.
    pub fn fail_next_commit(&self) {
        self.state().fail_next_commit = true;
    }

    /// Makes what was asked for under a key a row that cannot be read.
    pub fn damage(&self, key: RequestKey) {
        self.state().damaged.insert(key);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    fail_next_commit: bool,
    damaged: BTreeSet<RequestKey>,
    fences: BTreeMap<Partition, Fence>,
    operations: Table<OperationId, OperationRow>,
    /// What was asked for under a key.
    asked: Table<(GroupId, RequestKey, OperationId), ()>,
    /// What makes good for an operation.
    about: Table<(OperationId, OperationId), ()>,
    late: Table<OperationId, Vec<LateAnswer>>,
    devices: Table<(GroupId, DeviceId), DeviceRow>,
    /// What is owed, with its place in the order.
    mail: Table<OperationId, (u64, MailRow)>,
    mail_places: u64,
    accounts: Table<(NetworkId, MemberId), Account>,
    /// Operations that took money.
    ledger: Table<OperationId, ()>,
    members: BTreeMap<(NetworkId, MemberId), Member>,
    subjects: BTreeMap<(NetworkId, Box<str>), MemberId>,
    credentials: Vec<Credential>,
    credentials_version: u64,
    hooks: hook::Hooks,
}

/// A map that can take back what was done to it since it was last kept.
struct Table<K, V> {
    rows: BTreeMap<K, V>,
    before: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), before: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    fn put(&mut self, key: K, value: V) {
        let before = self.rows.insert(key.clone(), value);
        self.before.push((key, before));
    }

    fn remove(&mut self, key: K) {
        let before = self.rows.remove(&key);
        self.before.push((key, before));
    }

    fn keep(&mut self) {
        self.before.clear();
    }

    fn take_back(&mut self) {
        for (key, before) in mem::take(&mut self.before).into_iter().rev() {
            match before {
                Some(value) => self.rows.insert(key, value),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl Store for Memory {
    fn load(&mut self, partitions: &[Partition], horizon: Horizon) -> Result<Vec<Loaded>, StoreError> {
        let mut state = self.state();
        Ok(partitions.iter().map(|partition| state.load(*partition, horizon)).collect())
    }

    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>> {
        let mut state = self.state();
        if !commits.is_empty() && mem::take(&mut state.fail_next_commit) {
            return commits.iter().map(|_| Err(CommitError::Unavailable(Arc::from("made to fail")))).collect();
        }
        commits.iter().map(|commit| state.commit(commit)).collect()
    }

    fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        let state = self.state();
        if state.damaged.contains(key) {
            return Err(StoreError::Corrupt(Arc::from("a row was damaged")));
        }
        let under = |id| (group.clone(), key.clone(), OperationId::from_number(id));
        let newest = state.asked.rows.range(under(0)..=under(u64::MAX)).next_back();
        Ok(newest.and_then(|((.., id), ())| state.operations.rows.get(id)).map(|row| state.whole(row)))
    }

    fn credentials_version(&self) -> Result<u64, StoreError> {
        Ok(self.state().credentials_version)
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        let mut credentials = self.state().credentials.clone();
        credentials.sort_by_key(|credential| credential.created_at);
        Ok(credentials)
    }

    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut all = state.credentials.clone();
        for credential in credentials {
            if all.iter().any(|there| there.id == credential.id) {
                return Err(StoreError::Exists(format!("there is a credential {} already", credential.id)));
            }
            all.push(credential.clone());
        }
        if !credentials.is_empty() {
            state.credentials = all;
            state.credentials_version += 1;
        }
        Ok(())
    }

    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(credential) = state.credentials.iter_mut().find(|credential| credential.id == *id) else {
            return Ok(false);
        };
        if credential.revoked_at.is_some() || credential.expires_at.is_some_and(|end| end <= now) {
            return Ok(false);
        }
        if at <= now {
            credential.revoked_at = Some(at);
        } else {
            credential.expires_at = Some(credential.expires_at.map_or(at, |end| end.min(at)));
        }
        state.credentials_version += 1;
        Ok(true)
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        let mut state = self.state();
        let mut subjects = state.subjects.clone();
        subjects.retain(|(network, _), holder| *network != member.network || *holder != member.id);
        for (subject, _) in &member.subjects {
            if subjects.insert((member.network.clone(), subject.clone()), member.id.clone()).is_some() {
                return Err(StoreError::Exists(format!("a subject of member {} is taken already", member.id)));
            }
        }
        state.subjects = subjects;
        let key = (member.network.clone(), member.id.clone());
        if !state.accounts.rows.contains_key(&key) {
            let account = Account {
                network: member.network.clone(),
                member: member.id.clone(),
                opening: member.balance,
                balance: member.balance,
                debits: 0,
                debited: 0,
            };
            state.accounts.put(key.clone(), account);
            state.accounts.keep();
        }
        state.members.insert(key, member.clone());
        Ok(())
    }

    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError> {
        Ok(self.state().member(network, id))
    }

    fn forget(&mut self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        Ok(self.state().forget(before, most))
    }

    fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        let state = self.state();
        let rows = state.operations.rows.values();
        Ok(rows
            .filter(|row| after.is_none_or(|after| row.id > after))
            .take(limit)
            .map(|row| state.whole(row))
            .collect())
    }

    fn endpoints(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError> {
        self.state().hooks.work(group, work)
    }

    fn due(&self, wanted: &Wanted) -> Result<Due, StoreError> {
        Ok(self.state().due(wanted))
    }

    fn tried(&mut self, tries: &[Try]) -> Result<(), StoreError> {
        let mut state = self.state();
        tries.iter().for_each(|one| state.hooks.tried(one));
        Ok(())
    }

    fn send_again(&mut self, filter: &KeptFilter, at: Timestamp) -> Result<usize, StoreError> {
        Ok(self.state().send_again(filter, at))
    }

    /// Nobody else has this memory.
    fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }
}

impl Inspect for Memory {
    fn ledger(
        &self,
        after: Option<OperationId>,
        most: usize,
        filter: &Filter,
    ) -> Result<Vec<OperationRow>, StoreError> {
        let state = self.state();
        let later = state.operations.rows.values().filter(|row| after.is_none_or(|after| row.id > after));
        Ok(later.filter(|row| filter.passes(row)).take(most).map(|row| state.whole(row)).collect())
    }

    fn devices(&self, group: &GroupId) -> Result<Vec<DeviceRow>, StoreError> {
        Ok(self.state().devices.rows.values().filter(|row| row.group == *group).cloned().collect())
    }

    fn late_answers(&self, operation: OperationId) -> Result<Vec<LateAnswer>, StoreError> {
        Ok(self.state().late.rows.get(&operation).cloned().unwrap_or_default())
    }

    fn kept(&self, after: u64, most: usize, filter: &KeptFilter) -> Result<Vec<Kept>, StoreError> {
        Ok(self.state().kept(after, filter).take(most).collect())
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.state().accounts.rows.values().cloned().collect())
    }
}

impl State {
    fn load(&mut self, partition: Partition, horizon: Horizon) -> Loaded {
        let fence = self.fences.entry(partition).or_default();
        fence.0 += 1;
        let fence = *fence;
        let wanted = |row: &&OperationRow| {
            row.id.partition() == partition
                && (row.outcome.as_ref().is_none_or(|(_, at)| *at >= horizon.ended)
                    || self.mail.rows.contains_key(&row.id))
        };
        let mut mail: Vec<&(u64, MailRow)> =
            self.mail.rows.values().filter(|(_, row)| row.operation.partition() == partition).collect();
        mail.sort_by_key(|(place, _)| *place);
        Loaded {
            partition,
            fence,
            newest: self.operations.rows.keys().next_back().copied(),
            operations: self.operations.rows.values().filter(wanted).map(|row| self.whole(row)).collect(),
            mail: mail.into_iter().map(|(_, row)| row.clone()).collect(),
            devices: self.devices_since(partition, horizon),
        }
    }

    fn devices_since(&self, partition: Partition, horizon: Horizon) -> Vec<DeviceRow> {
        let seen = |row: &&DeviceRow| row.last_seen_at >= horizon.seen && Partition::of(&row.group) == partition;
        let mut newest: Vec<&DeviceRow> = self.devices.rows.values().filter(seen).collect();
        newest.sort_by_key(|row| (&row.group, Reverse(row.last_seen_at), &row.device));
        let groups = newest.chunk_by(|one, next| one.group == next.group);
        let mut devices: Vec<DeviceRow> =
            groups.flat_map(|group| group.iter().take(horizon.devices)).map(|row| (*row).clone()).collect();
        devices.sort_by(|one, other| (&one.group, &one.device).cmp(&(&other.group, &other.device)));
        devices
    }

    /// A row with what came after it.
    fn whole(&self, row: &OperationRow) -> OperationRow {
        let late = self.late.rows.get(&row.id).and_then(|late| late.last());
        OperationRow {
            late: late.map(|late| (late.body.clone(), late.at)),
            compensation: self.made_good(row.id).map(|good| {
                let ended = good.outcome.as_ref().map(|(outcome, at)| (outcome.kind(), *at));
                (good.id, ended)
            }),
            ..row.clone()
        }
    }

    /// The newest work that makes good for an operation.
    fn made_good(&self, id: OperationId) -> Option<&OperationRow> {
        let about = |good| (id, OperationId::from_number(good));
        let newest = self.about.rows.range(about(0)..=about(u64::MAX)).next_back();
        newest.and_then(|((_, good), ())| self.operations.rows.get(good))
    }

    fn commit(&mut self, commit: &Commit) -> Result<Vec<Settled>, CommitError> {
        if self.fences.get(&commit.partition) != Some(&commit.fence) {
            return Err(CommitError::Fenced);
        }
        let done = self.apply(commit);
        let all = |state: &mut Self, kept: bool| {
            macro_rules! each {
                ($($table:ident)*) => { $(if kept { state.$table.keep() } else { state.$table.take_back() })* };
            }
            each!(operations asked about late devices mail accounts ledger);
            if kept { state.hooks.deliveries.keep() } else { state.hooks.deliveries.take_back() }
        };
        all(self, done.is_ok());
        Ok(done?)
    }

    fn apply(&mut self, commit: &Commit) -> Result<Vec<Settled>, Refusal> {
        for write in &commit.writes {
            self.write(commit.partition, write)?;
        }
        let settled = commit.settles.iter().map(|settle| self.settle(commit.partition, settle));
        let settled = settled.collect::<Result<_, _>>()?;
        commit.announces.iter().try_for_each(|announce| self.announce(commit.partition, announce))?;
        Ok(settled)
    }

    fn write(&mut self, partition: Partition, write: &Write) -> Result<(), Refusal> {
        match write {
            Write::Accepted(row) => {
                refusal::accepts(partition, row)?;
                if self.operations.rows.contains_key(&row.id) {
                    return Ok(());
                }
                match row.about {
                    Some(about) => self.about.put((about, row.id), ()),
                    None => self.asked.put((row.group.clone(), row.key.clone(), row.id), ()),
                }
                self.operations.put(row.id, OperationRow { late: None, compensation: None, ..(**row).clone() });
            }
            Write::Ended { operation, outcome, at } => {
                refusal::belongs(partition, *operation)?;
                self.end(*operation, outcome, *at)?;
            }
            Write::Owed(mail) => self.owe(partition, mail)?,
            Write::Paid { operation } => {
                refusal::belongs(partition, *operation)?;
                self.mail.remove(*operation);
            }
            Write::LateAnswer { operation, body, at } => {
                refusal::belongs(partition, *operation)?;
                if !self.operations.rows.contains_key(operation) {
                    return Ok(());
                }
                let mut late = self.late.rows.get(operation).cloned().unwrap_or_default();
                if late.len() < LATE_ANSWERS_PER_OPERATION {
                    late.push(LateAnswer { body: body.clone(), at: *at });
                    self.late.put(*operation, late);
                }
            }
            Write::Seen(device) => {
                let key = (device.group.clone(), device.device.clone());
                let before = self.devices.rows.get(&key).map_or(device.last_seen_at, |row| row.last_seen_at);
                let row = DeviceRow { last_seen_at: device.last_seen_at.max(before), ..device.clone() };
                self.devices.put(key, row);
            }
        }
        Ok(())
    }

    fn end(&mut self, operation: OperationId, outcome: &Outcome, at: Timestamp) -> Result<(), Refusal> {
        let row = self.operations.rows.get(&operation).ok_or(Refusal::NotStored(operation))?;
        if row.outcome.is_none() {
            let row = OperationRow { outcome: Some((outcome.clone(), at)), ..row.clone() };
            self.operations.put(operation, row);
        }
        Ok(())
    }

    fn owe(&mut self, partition: Partition, mail: &MailRow) -> Result<(), Refusal> {
        refusal::belongs(partition, mail.operation)?;
        if !self.operations.rows.contains_key(&mail.operation) {
            return Err(Refusal::NotStored(mail.operation));
        }
        if !self.mail.rows.contains_key(&mail.operation) {
            self.mail_places += 1;
            self.mail.put(mail.operation, (self.mail_places, mail.clone()));
        }
        Ok(())
    }

    fn settle(&mut self, partition: Partition, settle: &Settle) -> Result<Settled, Refusal> {
        let question = &settle.question;
        refusal::belongs(partition, question.operation)?;
        let row = self.operations.rows.get(&question.operation).ok_or(Refusal::NotStored(question.operation))?;
        if let Some((outcome, _)) = &row.outcome {
            return Ok(Settled::Outcome(outcome.clone()));
        }
        let holder = settle
            .subject
            .as_ref()
            .and_then(|subject| self.subjects.get(&(question.network.clone(), subject.clone())).cloned());
        let member = holder.and_then(|id| self.member(&question.network, &id));
        let Decision { settled, debit } = refusal::decide(settle, member.as_ref())?;
        let Settled::Outcome(outcome) = &settled else { return Ok(settled) };
        self.end(question.operation, outcome, settle.at)?;
        if let Some(mail) = &settle.owed {
            self.owe(partition, mail)?;
        }
        if let Some(debit) = debit {
            let key = (question.network.clone(), debit.member.clone());
            let account = self.accounts.rows.get(&key).cloned();
            let left = refusal::take(question.operation, &debit, account.as_ref().map(|account| account.balance))?;
            if let Some(mut account) = account {
                account.balance = left;
                account.debits += 1;
                account.debited += debit.money.minor;
                self.accounts.put(key, account);
                self.ledger.put(question.operation, ());
            }
        }
        Ok(settled)
    }

    fn is_being_made_good(&self, id: OperationId) -> bool {
        let about = |good| (id, OperationId::from_number(good));
        let mut all = self.about.rows.range(about(0)..=about(u64::MAX));
        all.any(|((_, good), ())| self.operations.rows.get(good).is_some_and(|row| row.outcome.is_none()))
    }

    fn forget(&mut self, before: Timestamp, most: usize) -> usize {
        let ended = |row: &OperationRow| row.outcome.as_ref().map(|(_, at)| *at).filter(|at| *at < before);
        let free = |row: &OperationRow| {
            !self.ledger.rows.contains_key(&row.id)
                && !self.mail.rows.contains_key(&row.id)
                && !self.is_being_made_good(row.id)
                && row.about.is_none_or(|about| !self.operations.rows.contains_key(&about))
        };
        let rows = self.operations.rows.values();
        let mut old: Vec<(Timestamp, OperationId)> =
            rows.filter(|row| free(row)).filter_map(|row| Some((ended(row)?, row.id))).collect();
        old.sort_unstable();
        old.truncate(most);
        for (_, id) in &old {
            self.late.rows.remove(id);
            self.hooks.forget(*id);
            let Some(row) = self.operations.rows.remove(id) else { continue };
            match row.about {
                Some(about) => self.about.rows.remove(&(about, *id)),
                None => self.asked.rows.remove(&(row.group, row.key, *id)),
            };
        }
        old.len() + self.forget_devices(before, most - old.len())
    }

    fn forget_devices(&mut self, before: Timestamp, most: usize) -> usize {
        let rows = self.devices.rows.iter().filter(|(_, row)| row.last_seen_at < before);
        let mut old: Vec<_> = rows.map(|(key, row)| (row.last_seen_at, key.clone())).collect();
        old.sort_unstable();
        old.truncate(most);
        for (_, key) in &old {
            self.devices.rows.remove(key);
        }
        old.len()
    }

    fn member(&self, network: &NetworkId, id: &MemberId) -> Option<Member> {
        let key = (network.clone(), id.clone());
        let account = self.accounts.rows.get(&key)?;
        self.members.get(&key).map(|member| Member { balance: account.balance, ..member.clone() })
    }
}
