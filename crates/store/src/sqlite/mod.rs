//! SQLite: one writer, every commit on the disk before it is answered, and readers beside it.
//!
//! A folder holds `tillgate.db` with its log, `tillgate.lock`, and `seal.key` where a secret is sealed. The gateway [opens](Sqlite::open) the
//! folder and is alone in that; the command line [attaches](Sqlite::attach) and works beside it.

mod checkpoint;
mod column;
mod commit;
mod credential;
mod fault;
mod folder;
mod hook;
#[cfg(test)]
mod kill;
mod mail;
mod member;
mod operation;
mod schema;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use model::{
    Commit, CommitError, Credential, CredentialId, DeviceRow, Due, Endpoint, EndpointWork, EndpointsDone, GroupId,
    Loaded, Member, MemberId, NetworkId, OperationId, OperationRow, Partition, RequestKey, Settled, Timestamp, Try,
    Wall, Wanted,
};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};

use crate::{Account, Filter, Horizon, Inspect, Kept, KeptFilter, LateAnswer, Store, StoreError};
use checkpoint::Checkpoints;
use fault::Fault;

pub use commit::WRITES_PER_TRANSACTION;

/// How long one process waits for another's write before it gives up.
const PATIENCE: Duration = Duration::from_secs(5);
/// Statements kept ready; we have fewer.
const STATEMENTS: usize = 64;

/// The store in a folder.
pub struct Sqlite {
    // Dropped in this order: the thread, the connection, the lock.
    checkpoints: Option<Checkpoints>,
    db: Connection,
    path: PathBuf,
    seal: PathBuf,
    /// What [`version`] was when we looked last.
    version: i64,
    _lock: Option<File>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens the folder for a gateway, making or migrating what is in it. Nobody else may have it open so.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another gateway uses the folder, [`StoreError::Foreign`] when its data is
    /// not for this version, [`StoreError::Unavailable`] when the disk or the permissions refuse.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder::prepare(folder)?;
        let lock = folder::lock(folder)?;
        let mut db = connect(&path)?;
        schema::migrate(&mut db, folder)?;
        db.pragma_update(None, "wal_autocheckpoint", 0).map_err(Fault::Sql)?;
        let checkpoints = Checkpoints::start(&mut db, connect(&path)?)?;
        let version = version(&db)?;
        Ok(Self { checkpoints: Some(checkpoints), db, path, seal: folder::seal(folder), version, _lock: Some(lock) })
    }

    /// Opens the folder beside a gateway that may be running, as the command line does.
    ///
    /// What is not there yet is made, but data of an older version is left alone while a gateway uses it.
    ///
    /// # Errors
    /// As [`Self::open`]; [`StoreError::Locked`] only when there is something to be made.
    pub fn attach(folder: &Path) -> Result<Self, StoreError> {
        let path = folder::prepare(folder)?;
        let mut db = connect(&path)?;
        let since = Instant::now();
        while !schema::is_current(&db, folder)? {
            if let Some(_lock) = folder::try_lock(folder)? {
                schema::migrate(&mut db, folder)?;
            } else if since.elapsed() > PATIENCE {
                return Err(folder::locked(folder));
            } else {
                // Another process is making it right now; there is nothing to be woken by.
                thread::sleep(Duration::from_millis(20));
            }
        }
        let version = version(&db)?;
        Ok(Self { checkpoints: None, db, path, seal: folder::seal(folder), version, _lock: None })
    }

    /// A handle for reading from another thread, beside the writer.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn reader(&self) -> Result<Reader, StoreError> {
        let db = connect(&self.path)?;
        db.pragma_update(None, "query_only", true).map_err(Fault::Sql)?;
        Ok(Reader { db, seal: self.seal.clone() })
    }

    /// Makes every commit take so much longer, as on a slower disk: to measure what that does to those who wait for it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn delay_commits(&mut self, more: Duration) -> Result<(), StoreError> {
        let go_on_after = move || {
            thread::sleep(more);
            false
        };
        Ok(self.db.commit_hook(Some(go_on_after)).map_err(Fault::Sql)?)
    }

    /// Looks through everything: the file's structure, what refers to what, and whether every account adds up.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), StoreError> {
        const REFERENCES: &str = "SELECT count(*) FROM pragma_foreign_key_check";
        let wrong = |what: String| Err(StoreError::Unavailable(Arc::from(what)));
        let integrity: String =
            self.db.pragma_query_value(None, "integrity_check", |row| row.get(0)).map_err(Fault::Sql)?;
        if integrity != "ok" {
            return wrong(format!("the database is damaged: {integrity}"));
        }
        let dangling: u64 = self.db.query_row(REFERENCES, [], |row| row.get(0)).map_err(Fault::Sql)?;
        if dangling != 0 {
            return wrong(format!("{dangling} rows refer to what is not there"));
        }
        match self.accounts()?.iter().find(|account| !account.adds_up()) {
            Some(account) => wrong(format!("the account of {} in {} does not add up", account.member, account.network)),
            None => Ok(()),
        }
    }

    fn begin(&mut self) -> Result<Transaction<'_>, Fault> {
        Ok(self.db.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }
}

/// Reads beside the writer, from its own thread. It sees what was committed when it looks.
pub struct Reader {
    db: Connection,
    seal: PathBuf,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// The newest operation of a group under a key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        Ok(operation::earlier(&self.db, group, key)?)
    }

    /// The webhook endpoints of a group, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when a secret does not open.
    pub fn endpoints(&self, group: &GroupId) -> Result<Vec<Endpoint>, StoreError> {
        hook::list(&self.db, &self.seal, group)
    }

    /// What there is to carry to webhook endpoints, as [`Store::due`] says it.
    ///
    /// # Errors
    /// [`StoreError::Sealed`] when there is no key that secrets could open with.
    pub fn due(&self, wanted: &Wanted) -> Result<Due, StoreError> {
        hook::due(&self.db, &self.seal, wanted)
    }

    /// What webhook endpoints were or are to be told, as [`Inspect::kept`] says it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn kept(&self, after: u64, most: usize, filter: &KeptFilter) -> Result<Vec<Kept>, StoreError> {
        Ok(hook::kept(&self.db, after, most, filter)?)
    }

    /// Every operation after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        Ok(operation::list(&self.db, after, limit)?)
    }

    /// The operations after `after` that a filter lets pass, oldest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub fn ledger(
        &self,
        after: Option<OperationId>,
        most: usize,
        filter: &Filter,
    ) -> Result<Vec<OperationRow>, StoreError> {
        Ok(operation::ledger(&self.db, after, most, filter)?)
    }

    /// Every credential, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]; [`StoreError::Corrupt`] when one cannot be read.
    pub fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        credential::list(&self.db, &self.seal)
    }
}

impl Store for Sqlite {
    fn load(&mut self, partitions: &[Partition], horizon: Horizon) -> Result<Vec<Loaded>, StoreError> {
        const FENCE: &str = "
            INSERT INTO partitions (partition, fence) VALUES (?1, 1)
            ON CONFLICT (partition) DO UPDATE SET fence = fence + 1
            RETURNING fence";
        let transaction = self.begin()?;
        let mut operations = operation::load(&transaction, partitions, horizon.ended)?;
        let mut mail = mail::load(&transaction, partitions)?;
        let mut devices = mail::devices_since(&transaction, horizon)?;
        let newest = operation::newest(&transaction)?;
        let mut loaded = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let fence: u32 = transaction
                .prepare_cached(FENCE)
                .and_then(|mut statement| statement.query_row(params![partition.0], |row| row.get(0)))
                .map_err(Fault::Sql)?;
            loaded.push(Loaded {
                partition: *partition,
                fence: model::Fence(fence),
                newest,
                operations: operations.remove(partition).unwrap_or_default(),
                mail: mail.remove(partition).unwrap_or_default(),
                devices: devices.remove(partition).unwrap_or_default(),
            });
        }
        transaction.commit().map_err(Fault::Sql)?;
        Ok(loaded)
    }

    fn commit(&mut self, commits: &[Commit]) -> Vec<Result<Vec<Settled>, CommitError>> {
        commit::all(&self.db, &mut self.checkpoints, commits)
    }

    fn earlier(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        Ok(operation::earlier(&self.db, group, key)?)
    }

    fn credentials_version(&self) -> Result<u64, StoreError> {
        Ok(credential::version(&self.db)?)
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        credential::list(&self.db, &self.seal)
    }

    fn add_credentials(&mut self, credentials: &[Credential]) -> Result<(), StoreError> {
        // `begin` would borrow the path of the key file too.
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::Sql)?;
        credential::add(&transaction, &self.seal, credentials)?;
        Ok(transaction.commit().map_err(Fault::Sql)?)
    }

    fn end_credential(&mut self, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, StoreError> {
        let transaction = self.begin()?;
        let ended = credential::end(&transaction, id, at, now)?;
        transaction.commit().map_err(Fault::Sql)?;
        Ok(ended)
    }

    fn put_member(&mut self, member: &Member) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        member::put(&transaction, member)?;
        Ok(transaction.commit().map_err(Fault::Sql)?)
    }

    fn member(&self, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, StoreError> {
        Ok(member::get_one(&self.db, network, id)?)
    }

    fn forget(&mut self, before: Timestamp, most: usize) -> Result<usize, StoreError> {
        let transaction = self.begin()?;
        let operations = operation::forget(&transaction, before, most)?;
        let devices = mail::forget_devices(&transaction, before, most - operations)?;
        let told = hook::forget(&transaction, most - operations - devices)?;
        transaction.commit().map_err(Fault::Sql)?;
        Ok(operations + devices + told)
    }

    fn operations(&self, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, StoreError> {
        Ok(operation::list(&self.db, after, limit)?)
    }

    fn endpoints(&mut self, group: &GroupId, work: &EndpointWork) -> Result<EndpointsDone, StoreError> {
        if *work == EndpointWork::List {
            return hook::work(&self.db, &self.seal, group, work);
        }
        // `begin` would borrow the path of the key file too.
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::Sql)?;
        let done = hook::work(&transaction, &self.seal, group, work)?;
        transaction.commit().map_err(Fault::Sql)?;
        Ok(done)
    }

    fn due(&self, wanted: &Wanted) -> Result<Due, StoreError> {
        hook::due(&self.db, &self.seal, wanted)
    }

    fn tried(&mut self, tries: &[Try]) -> Result<(), StoreError> {
        let transaction = self.begin()?;
        for one in tries {
            hook::tried(&transaction, one)?;
        }
        Ok(transaction.commit().map_err(Fault::Sql)?)
    }

    fn send_again(&mut self, filter: &KeptFilter, at: Timestamp) -> Result<usize, StoreError> {
        Ok(hook::send_again(&self.db, filter, at)?)
    }

    fn changed_elsewhere(&mut self) -> Result<bool, StoreError> {
        let before = std::mem::replace(&mut self.version, version(&self.db)?);
        Ok(self.version != before)
    }
}

impl Inspect for Sqlite {
    fn ledger(
        &self,
        after: Option<OperationId>,
        most: usize,
        filter: &Filter,
    ) -> Result<Vec<OperationRow>, StoreError> {
        Ok(operation::ledger(&self.db, after, most, filter)?)
    }

    fn devices(&self, group: &GroupId) -> Result<Vec<DeviceRow>, StoreError> {
        Ok(mail::devices(&self.db, group)?)
    }

    fn late_answers(&self, operation: OperationId) -> Result<Vec<LateAnswer>, StoreError> {
        Ok(operation::late_answers(&self.db, operation)?)
    }

    fn kept(&self, after: u64, most: usize, filter: &KeptFilter) -> Result<Vec<Kept>, StoreError> {
        Ok(hook::kept(&self.db, after, most, filter)?)
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(member::accounts(&self.db)?)
    }
}

/// SQLite's count of what others committed.
fn version(db: &Connection) -> Result<i64, Fault> {
    Ok(db.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

/// A connection as all of ours are set.
fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Else some statements are prepared again for each new value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // Turning the log on may wait for others, and answers with the mode.
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Fault::NoLog);
    }
    db.pragma_update(None, "synchronous", "full")?;
    db.pragma_update(None, "foreign_keys", true)?;
    // A batch's own undo log needs no disk.
    db.pragma_update(None, "temp_store", "memory")?;
    Ok(db)
}
