//! The store's thread: it makes durable whatever waits in one transaction, loads partitions, reads rows, and watches the
//! credentials. Cores never wait for it; its answers come into their inboxes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{
    CallId, Commit, CommitError, Credential, Done, EndpointWork, EndpointsDone, GroupId, OperationId, OperationRow,
    Partition, RequestKey, Route, Timestamp, Try, Wanted,
};
use node::{Directory, Unread};
use store::{Filter, Horizon, Reader, Sqlite, Store, StoreError};
use tokio::sync::oneshot;

use crate::inbox::Letter;
use crate::mailroom::{self, Errand, Errands, Poster};
use crate::running::House;

/// Writes and decisions gathered into one transaction at most.
pub(crate) const WRITES_MOST: usize = 256;

/// How often credentials are looked at, so that a revocation ends live sessions within a second.
const CREDENTIALS_EVERY: Duration = Duration::from_millis(300);

/// How often old history is looked for, and how much of it goes at once.
const FORGET_EVERY: Duration = Duration::from_secs(600);
const FORGET_MOST: usize = 256;

/// The pause before a partition that could not be loaded is tried again.
pub const LOAD_AGAIN: Duration = Duration::from_secs(1);

/// What is said when nobody works on jobs any more.
pub(crate) const ENDED: &str = "the store's thread has ended";

/// What operators look at, read beside the writer.
pub trait Ledger {
    /// The operations after `after` that a filter lets pass, oldest first, at most `most`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn page(&self, after: Option<OperationId>, most: usize, filter: &Filter) -> Result<Vec<OperationRow>, StoreError>;

    /// The newest operation of a group under a key.
    ///
    /// # Errors
    /// [`StoreError`].
    fn newest(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError>;

    /// Every credential, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn credentials(&self) -> Result<Vec<Credential>, StoreError>;
}

impl Ledger for store::Reader {
    fn page(&self, after: Option<OperationId>, most: usize, filter: &Filter) -> Result<Vec<OperationRow>, StoreError> {
        self.ledger(after, most, filter)
    }

    fn newest(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        self.earlier(group, key)
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.credentials()
    }
}

/// The writer's own look, for a store that nobody reads beside it.
struct Own<'a>(&'a dyn Store);

impl Ledger for Own<'_> {
    fn page(&self, after: Option<OperationId>, most: usize, filter: &Filter) -> Result<Vec<OperationRow>, StoreError> {
        let mut found = Vec::new();
        let mut after = after;
        loop {
            let rows = self.0.operations(after, WRITES_MOST)?;
            let Some(last) = rows.last() else { return Ok(found) };
            after = Some(last.id);
            found.extend(rows.into_iter().filter(|row| filter.passes(row)).take(most - found.len()));
            if found.len() == most {
                return Ok(found);
            }
        }
    }

    fn newest(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        self.0.earlier(group, key)
    }

    fn credentials(&self) -> Result<Vec<Credential>, StoreError> {
        self.0.credentials()
    }
}

/// Something to read for an operator, which answers by itself.
pub(crate) type Look = Box<dyn FnOnce(&dyn Ledger) + Send>;

/// A change of credentials for an operator, which answers by itself.
pub(crate) type Change = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// Where things survive, and how to read beside the writer.
pub struct Storage {
    /// The one writer.
    pub store: Box<dyn Store>,
    /// Reads beside it, on a thread of its own; without one the writer reads between its commits.
    pub reader: Option<Reader>,
    /// What operators look at, on a thread of its own too: nobody waits behind a long look.
    pub ledger: Option<Box<dyn Ledger + Send>>,
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

impl Storage {
    /// SQLite with a reader beside its writer.
    ///
    /// # Errors
    /// When the reader's connection cannot be made.
    pub fn sqlite(store: Sqlite) -> Result<Self, StoreError> {
        let (reader, ledger) = (store.reader()?, store.reader()?);
        Ok(Self { store: Box::new(store), reader: Some(reader), ledger: Some(Box::new(ledger)) })
    }
}

impl From<Box<dyn Store>> for Storage {
    fn from(store: Box<dyn Store>) -> Self {
        Self { store, reader: None, ledger: None }
    }
}

/// Which operation came earlier under a key, and for whom that is asked.
pub(crate) struct Question {
    pub(crate) ticket: u64,
    pub(crate) partition: Partition,
    pub(crate) group: GroupId,
    pub(crate) key: RequestKey,
}

impl Question {
    /// The letter that answers it.
    pub(crate) fn answer(&self, row: Result<Option<OperationRow>, StoreError>) -> Letter {
        let row = row.map(|row| row.map(Box::new)).map_err(|error| match error {
            StoreError::Corrupt(_) => Unread::Damaged(told(&error)),
            StoreError::Exists(_)
            | StoreError::Locked(_)
            | StoreError::Sealed(_)
            | StoreError::Foreign(_)
            | StoreError::Unavailable(_) => Unread::Unavailable(told(&error)),
        });
        Letter::Earlier { ticket: self.ticket, partition: self.partition, row }
    }
}

/// The letters that answer questions, each read so.
fn answers(
    questions: &[Question],
    read: impl Fn(&Question) -> Result<Option<OperationRow>, StoreError>,
) -> Vec<Letter> {
    questions.iter().map(|question| question.answer(read(question))).collect()
}

/// What the store's thread is asked.
pub(crate) enum Job {
    Commit {
        core: u8,
        commits: Vec<Commit>,
    },
    Earlier {
        core: u8,
        questions: Vec<Question>,
    },
    Load {
        core: u8,
        partitions: Vec<Partition>,
    },
    /// Look at or change a group's webhook endpoints.
    Endpoints {
        core: u8,
        route: Route,
        call: CallId,
        group: GroupId,
        work: EndpointWork,
    },
    /// Look what there is to tell webhook endpoints.
    Due {
        wanted: Wanted,
    },
    /// A webhook endpoint was told something, or was not.
    Tried {
        tried: Try,
    },
    /// Read for an operator.
    Look(Look),
    /// Change credentials for an operator; `told` hears when every core has been told.
    Change {
        change: Change,
        told: oneshot::Sender<()>,
    },
    /// Look at the credentials now; answered when every core has been told.
    Refresh {
        done: SyncSender<Result<(), Arc<str>>>,
    },
    /// Finish what waits, then end.
    Stop,
}

/// Where jobs are handed in.
#[derive(Clone)]
pub(crate) struct StoreDesk {
    writer: Sender<Job>,
    reader: Option<Sender<Job>>,
    ledger: Option<Sender<Job>>,
    poster: Poster,
}

impl StoreDesk {
    /// Where calls of our own are handed in.
    pub(crate) const fn poster(&self) -> &Poster {
        &self.poster
    }

    /// Hands a job to the writer. What may wait is bounded by the senders: one batch in flight per partition.
    pub(crate) fn send(&self, job: Job) -> Result<(), Arc<str>> {
        self.writer.send(job).map_err(|_| ENDED.into())
    }

    /// Hands in what only looks, beside the writer when there is a reader. One for every ask or call that is open.
    pub(crate) fn read(&self, job: Job) -> Result<(), Arc<str>> {
        let to = self.reader.as_ref().unwrap_or(&self.writer);
        to.send(job).map_err(|_| ENDED.into())
    }

    /// Reads for an operator, beside everybody when there is a ledger. One look per request.
    pub(crate) fn look(&self, look: Look) -> Result<(), Arc<str>> {
        self.ledger.as_ref().unwrap_or(&self.writer).send(Job::Look(look)).map_err(|_| ENDED.into())
    }

    /// Ends the threads once they have done what waits.
    pub(crate) fn stop(&self) {
        for reader in self.reader.iter().chain(&self.ledger) {
            let _ = reader.send(Job::Stop);
        }
        let _ = self.writer.send(Job::Stop);
        self.poster.send(Errand::Stop);
    }
}

/// The jobs of a store that has no thread yet.
pub(crate) struct Desks {
    pub(crate) desk: StoreDesk,
    writer: Receiver<Job>,
    reader: Option<Receiver<Job>>,
    ledger: Option<Receiver<Job>>,
    errands: Errands,
}

impl Desks {
    pub(crate) fn new(storage: &Storage) -> Self {
        let (to_writer, writer) = channel();
        let (to_reader, reader) = storage.reader.as_ref().map(|_| channel()).unzip();
        let (to_ledger, ledger) = storage.ledger.as_ref().map(|_| channel()).unzip();
        let (poster, errands) = Poster::new();
        let desk = StoreDesk { writer: to_writer, reader: to_reader, ledger: to_ledger, poster };
        Self { desk, writer, reader, ledger, errands }
    }

    /// Starts the threads. `version` is that of the credentials the cores start with.
    pub(crate) fn start(
        self,
        storage: Storage,
        version: u64,
        house: &Arc<House>,
    ) -> Result<Vec<JoinHandle<()>>, std::io::Error> {
        let mut threads = Vec::new();
        let writer = Writer::new(storage.store, version, house, &self.desk);
        let poster = self.desk.poster.clone();
        let (errands, posting, desk) = (self.errands, Arc::clone(house), self.desk);
        let run = move || mailroom::run(errands, posting, desk);
        threads.push(std::thread::Builder::new().name("webhooks".to_owned()).spawn(run)?);
        let jobs = self.writer;
        threads.push(std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(&jobs))?);
        if let (Some(reader), Some(jobs)) = (storage.reader, self.reader) {
            let house = Arc::clone(house);
            let run = move || {
                while let Ok(job) = jobs.recv() {
                    match job {
                        Job::Earlier { core, questions } => {
                            let read = |question: &Question| reader.earlier(&question.group, &question.key);
                            house.inboxes[usize::from(core)].deliver(&mut answers(&questions, read));
                        }
                        Job::Endpoints { core, route, call, group, work: _ } => {
                            let listed = reader.endpoints(&group).map(EndpointsDone::Listed);
                            house.inboxes[usize::from(core)].deliver_one(done(route, call, &group, listed));
                        }
                        Job::Due { wanted } => drop(poster.send(Errand::Due(reader.due(&wanted)))),
                        Job::Commit { .. }
                        | Job::Load { .. }
                        | Job::Tried { .. }
                        | Job::Look(_)
                        | Job::Change { .. }
                        | Job::Refresh { .. }
                        | Job::Stop => return,
                    }
                }
            };
            threads.push(std::thread::Builder::new().name("store-reader".to_owned()).spawn(run)?);
        }
        if let (Some(ledger), Some(jobs)) = (storage.ledger, self.ledger) {
            let run = move || {
                while let Ok(Job::Look(look)) = jobs.recv() {
                    look(&*ledger);
                }
            };
            threads.push(std::thread::Builder::new().name("store-ledger".to_owned()).spawn(run)?);
        }
        Ok(threads)
    }

    /// A writer without a thread, with the jobs and errands that whoever keeps it hands to it and to the mailroom; it reads
    /// too.
    pub(crate) fn indoors(
        self,
        store: Box<dyn Store>,
        version: u64,
        house: &Arc<House>,
    ) -> (Writer, Receiver<Job>, Errands) {
        (Writer::new(store, version, house, &self.desk), self.writer, self.errands)
    }
}

/// What came of work on endpoints, for the session that wants it.
fn done(route: Route, call: CallId, group: &GroupId, done: Result<EndpointsDone, StoreError>) -> Letter {
    if let Err(error) = &done {
        tracing::warn!(%group, cause = %told(error), "webhook endpoints cannot be reached");
    }
    Letter::Done { route, call, done: Done::Endpoints(done.ok()) }
}

pub(crate) fn told(error: &StoreError) -> Arc<str> {
    error.to_string().into()
}

/// The state of the store's thread.
pub(crate) struct Writer {
    pub(crate) store: Box<dyn Store>,
    version: u64,
    /// Partitions that could not be loaded, and when to try again.
    again: VecDeque<(Timestamp, u8, Vec<Partition>)>,
    /// When to look at the credentials.
    look_at: Instant,
    /// When to look for history that is too old.
    forget_at: Instant,
    /// The last look failed, and that was said.
    blind: bool,
    poster: Poster,
    house: Arc<House>,
}

impl Writer {
    fn new(store: Box<dyn Store>, version: u64, house: &Arc<House>, desk: &StoreDesk) -> Self {
        Self {
            store,
            version,
            again: VecDeque::new(),
            look_at: Instant::now() + CREDENTIALS_EVERY,
            forget_at: Instant::now(),
            blind: false,
            poster: desk.poster.clone(),
            house: Arc::clone(house),
        }
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let look = self.look_at.saturating_duration_since(Instant::now());
            let again = self.again_at().map_or(look, |at| at.since(self.house.clock.now().at));
            let first = match jobs.recv_timeout(look.min(again)) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if self.work(first.into_iter().chain(std::iter::from_fn(|| jobs.try_recv().ok()))) == After::Stop {
                return;
            }
            let now = Instant::now();
            self.load_again();
            if now >= self.look_at {
                // Its error is logged; the next look is soon.
                let _ = self.look();
            }
            if now >= self.forget_at {
                self.forget(now);
            }
        }
    }

    /// When partitions that could not be loaded are tried again.
    pub(crate) fn again_at(&self) -> Option<Timestamp> {
        self.again.front().map(|(at, ..)| *at)
    }

    /// Tries again what is due; whether anything was.
    pub(crate) fn load_again(&mut self) -> bool {
        let now = self.house.clock.now().at;
        let mut any = false;
        while let Some((_, core, partitions)) = self.again.pop_front_if(|(at, ..)| *at <= now) {
            self.load(core, partitions);
            any = true;
        }
        any
    }

    /// Does what waits, all commits of it in one transaction.
    pub(crate) fn work(&mut self, jobs: impl Iterator<Item = Job>) -> After {
        let mut commits = Vec::new();
        let mut cores = Vec::new();
        let mut writes = 0;
        let mut stirred = false;
        let mut tries = Vec::new();
        let mut others = Vec::new();
        for job in jobs {
            match job {
                Job::Commit { core, commits: batches } => {
                    stirred |= batches.iter().any(|commit| !commit.announces.is_empty());
                    writes += batches.iter().map(|commit| commit.writes.len() + commit.settles.len()).sum::<usize>();
                    cores.extend(batches.iter().map(|_| core));
                    commits.extend(batches);
                }
                Job::Tried { tried } => tries.push(tried),
                other => others.push(other),
            }
            if writes >= WRITES_MOST || tries.len() + others.len() >= WRITES_MOST {
                break;
            }
        }
        self.commit(&commits, &cores);
        if !tries.is_empty() {
            let done = self.store.tried(&tries);
            self.poster.send(Errand::Written { places: tries.iter().map(|tried| tried.place).collect(), done });
        }
        for job in others {
            match job {
                Job::Load { core, partitions } => self.load(core, partitions),
                Job::Earlier { core, questions } => {
                    let read = |question: &Question| self.store.earlier(&question.group, &question.key);
                    self.house.inboxes[usize::from(core)].deliver(&mut answers(&questions, read));
                }
                Job::Look(look) => look(&Own(&*self.store)),
                Job::Change { change, told } => {
                    change(&mut *self.store);
                    if self.look().is_ok() {
                        // Whoever asked may have gone; nothing hangs on it.
                        let _ = told.send(());
                    }
                }
                Job::Refresh { done } => {
                    let looked = self.look();
                    // Whoever asked may have gone; nothing hangs on it.
                    let _ = done.send(looked);
                }
                Job::Endpoints { core, route, call, group, work } => {
                    let worked = self.store.endpoints(&group, &work);
                    self.house.inboxes[usize::from(core)].deliver_one(done(route, call, &group, worked));
                    match work {
                        EndpointWork::List | EndpointWork::Add { .. } => {}
                        // What was to be told to one that is active again is due.
                        EndpointWork::Change(_) => stirred = true,
                        EndpointWork::Remove(_) => self.forget_at = Instant::now(),
                    }
                }
                Job::Due { wanted } => drop(self.poster.send(Errand::Due(self.store.due(&wanted)))),
                Job::Stop => return After::Stop,
                Job::Commit { .. } | Job::Tried { .. } => {}
            }
        }
        if stirred {
            self.poster.send(Errand::Stir);
        }
        After::GoOn
    }

    fn commit(&mut self, commits: &[Commit], cores: &[u8]) {
        if commits.is_empty() {
            return;
        }
        let began = Instant::now();
        let mut results = self.store.commit(commits).into_iter();
        let took = began.elapsed();
        let mut letters: Vec<Vec<Letter>> = self.house.inboxes.iter().map(|_| Vec::new()).collect();
        let mut failed = 0;
        for (commit, core) in commits.iter().zip(cores) {
            let result = results
                .next()
                .unwrap_or_else(|| Err(CommitError::Unavailable("the store did not answer for this batch".into())));
            failed += usize::from(result.is_err());
            let letter = Letter::Committed { partition: commit.partition, batch: commit.batch, result };
            letters[usize::from(*core)].push(letter);
        }
        for (inbox, letters) in self.house.inboxes.iter().zip(&mut letters) {
            inbox.deliver(letters);
        }
        self.house.metrics.committed(took, commits.len() - failed, failed);
    }

    fn load(&mut self, core: u8, partitions: Vec<Partition>) {
        let now = self.house.clock.now().at;
        let horizon =
            Horizon { ended: now.before(node::REMEMBER), seen: now.before(node::LISTED), devices: node::LISTED_MOST };
        let inbox = &self.house.inboxes[usize::from(core)];
        match self.store.load(&partitions, horizon) {
            Ok(loaded) => {
                let mut letters = loaded
                    .into_iter()
                    .map(|loaded| Letter::Loaded { partition: loaded.partition, loaded: Ok(Box::new(loaded)) })
                    .collect();
                inbox.deliver(&mut letters);
            }
            Err(error) => {
                let cause = told(&error);
                let failed =
                    |partition: &Partition| Letter::Loaded { partition: *partition, loaded: Err(Arc::clone(&cause)) };
                inbox.deliver(&mut partitions.iter().map(failed).collect());
                let at = self.house.clock.now().at.after(LOAD_AGAIN);
                self.again.push_back((at, core, partitions));
            }
        }
    }

    /// Forgets a little of what is too old; the rest soon, so that commits are not kept waiting.
    fn forget(&mut self, now: Instant) {
        let before = self.house.clock.now().at.before(self.house.settings.history_time);
        match self.store.forget(before, FORGET_MOST) {
            Ok(forgotten) => self.forget_at = if forgotten == FORGET_MOST { now } else { now + FORGET_EVERY },
            Err(error) => {
                tracing::warn!(cause = %told(&error), "old operations and devices cannot be forgotten");
                self.forget_at = now + FORGET_EVERY;
            }
        }
    }

    /// Tells every core about the credentials when they have changed.
    pub(crate) fn look(&mut self) -> Result<(), Arc<str>> {
        self.look_at = Instant::now() + CREDENTIALS_EVERY;
        // Somebody may have had webhooks sent again. A store that cannot say so cannot give out credentials either.
        if self.store.changed_elsewhere().unwrap_or_default() {
            self.poster.send(Errand::Stir);
        }
        let looked = self.changed_directory().map_err(|error| told(&error));
        if let (Err(cause), false) = (&looked, self.blind) {
            tracing::error!(%cause, "credentials cannot be read, revocations wait");
        }
        self.blind = looked.is_err();
        if let Some(directory) = looked? {
            let directory = Arc::new(directory);
            self.house.office.know(&directory);
            for inbox in &self.house.inboxes {
                inbox.deliver_one(Letter::Directory(Arc::clone(&directory)));
            }
            tracing::info!(version = self.version, "credentials changed");
        }
        Ok(())
    }

    fn changed_directory(&mut self) -> Result<Option<Directory>, StoreError> {
        let version = self.store.credentials_version()?;
        if version == self.version {
            return Ok(None);
        }
        let directory = Directory::new(self.store.credentials()?);
        self.version = version;
        Ok(Some(directory))
    }
}

#[derive(PartialEq, Eq)]
pub(crate) enum After {
    GoOn,
    Stop,
}
