//! The store's thread: it makes durable whatever waits in one transaction, loads partitions, reads rows, and watches the
//! credentials. Cores never wait for it; its answers come into their inboxes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use model::{
    CallId, Commit, CommitError, Done, EndpointWork, GroupId, OperationId, OperationRow, Partition, Posted, RequestKey,
    Route, Timestamp, Tried,
};
use node::{Carried, Courier, DELIVERIES_PER_ENDPOINT, Directory, Unread};
use store::{Filter, Horizon, Sqlite, Store, StoreError};

use crate::inbox::Letter;
use crate::post::{Errands, Poster, Whose};
use crate::running::House;

/// Writes and decisions gathered into one transaction at most.
pub(crate) const WRITES_MOST: usize = 256;

/// How often credentials are looked at, so that a revocation ends live sessions within a second.
const CREDENTIALS_EVERY: Duration = Duration::from_millis(300);

/// How often old history is looked for, and how much of it goes at once.
const FORGET_EVERY: Duration = Duration::from_secs(600);
const FORGET_MOST: usize = 256;

/// How often it is looked whether something is due for webhook endpoints, when nothing else says so.
const DELIVERIES_EVERY: Duration = Duration::from_secs(1);

/// The pause before a partition that could not be loaded is tried again.
pub const LOAD_AGAIN: Duration = Duration::from_secs(1);

/// What is said when nobody works on jobs any more.
pub(crate) const ENDED: &str = "the store's thread has ended";

/// Reads the newest operation under a key on a connection of its own, beside the writer.
pub type Reader = Box<dyn FnMut(&GroupId, &RequestKey) -> Result<Option<OperationRow>, StoreError> + Send>;

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
}

impl Ledger for store::Reader {
    fn page(&self, after: Option<OperationId>, most: usize, filter: &Filter) -> Result<Vec<OperationRow>, StoreError> {
        self.ledger(after, most, filter)
    }

    fn newest(&self, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, StoreError> {
        self.earlier(group, key)
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
}

/// Something to read for an operator, which answers by itself.
pub(crate) type Look = Box<dyn FnOnce(&dyn Ledger) + Send>;

/// Something to do about credentials for an operator, which answers by itself.
pub(crate) type Change = Box<dyn FnOnce(&mut dyn Store) + Send>;

/// Where things survive, and how to read beside the writer.
pub struct Storage {
    /// The one writer.
    pub store: Box<dyn Store>,
    /// A reader on its own thread; without one the writer reads between its commits.
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
        Ok(Self {
            store: Box::new(store),
            reader: Some(Box::new(move |group, key| reader.earlier(group, key))),
            ledger: Some(Box::new(ledger)),
        })
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

/// What the store's thread is asked.
pub(crate) enum Job {
    Commit {
        core: u8,
        commit: Commit,
    },
    Earlier {
        core: u8,
        question: Question,
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
    /// A webhook endpoint was told something, or was not.
    Posted {
        place: u64,
        posted: Posted,
    },
    /// Read for an operator.
    Look(Look),
    /// Change credentials for an operator, and tell every core.
    Change(Change),
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

    /// Asks for a row, beside the writer when there is a reader. One question per open ask.
    pub(crate) fn ask(&self, core: u8, question: Question) -> Result<(), Arc<str>> {
        let to = self.reader.as_ref().unwrap_or(&self.writer);
        to.send(Job::Earlier { core, question }).map_err(|_| ENDED.into())
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
        self.poster.stop();
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
        let (posts, desk, errands) = (Arc::clone(house), self.desk, self.errands);
        let post = move || crate::post::run(errands, &posts, &desk);
        threads.push(std::thread::Builder::new().name("webhooks".to_owned()).spawn(post)?);
        let jobs = self.writer;
        threads.push(std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.run(&jobs))?);
        if let (Some(mut read), Some(jobs)) = (storage.reader, self.reader) {
            let house = Arc::clone(house);
            let run = move || {
                while let Ok(Job::Earlier { core, question }) = jobs.recv() {
                    let row = read(&question.group, &question.key);
                    house.inboxes[usize::from(core)].deliver_one(question.answer(row));
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

    /// A writer without a thread, and the jobs that whoever keeps it hands it; it reads too.
    pub(crate) fn indoors(self, store: Box<dyn Store>, version: u64, house: &Arc<House>) -> (Writer, Receiver<Job>) {
        (Writer::new(store, version, house, &self.desk), self.writer)
    }
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
    courier: Courier,
    poster: Poster,
    /// Something may be due for webhook endpoints.
    stirred: bool,
    /// When to look for that otherwise.
    carry_at: Instant,
    /// The last look failed, and that was said.
    stuck: bool,
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
            courier: Courier::new(Arc::clone(&house.dialects)),
            poster: desk.poster.clone(),
            stirred: true,
            carry_at: Instant::now(),
            stuck: false,
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
            if self.stirred || now >= self.carry_at {
                self.carry(now);
            }
        }
    }

    /// Sends out what is due for webhook endpoints.
    fn carry(&mut self, now: Instant) {
        self.carry_at = now + DELIVERIES_EVERY;
        self.stirred = false;
        if self.poster.is_closed() {
            return;
        }
        let clock = self.house.clock.now();
        match self.store.deliveries(clock.at, self.courier.busy(), DELIVERIES_PER_ENDPOINT) {
            Ok(due) => {
                self.stuck = false;
                for (place, post) in self.courier.take(clock, due) {
                    // What is not sent is still in the store at the next start.
                    let _ = self.poster.send(Whose::Courier { place }, Box::new(post));
                }
            }
            Err(_) if self.stuck => {}
            Err(error) => {
                self.stuck = true;
                tracing::error!(cause = %told(&error), "what webhook endpoints are to be told cannot be read");
            }
        }
    }

    /// Writes down what came of a try.
    fn posted(&mut self, place: u64, posted: Posted) {
        let Some(carried) = self.courier.answered(self.house.clock.now(), place, posted) else { return };
        let Carried { tried, endpoint, event, operation, tries, .. } = carried;
        match self.store.delivery_tried(place, tried) {
            Ok(()) => self.stirred = true,
            // It is due still, and goes out again at the next look.
            Err(error) => tracing::warn!(cause = %told(&error), "what came of a webhook cannot be written down"),
        }
        self.house.metrics.webhook(tried);
        match tried {
            Tried::Delivered => tracing::debug!(%endpoint, %event, %operation, tries, "webhook delivered"),
            Tried::Again(_) => tracing::info!(%endpoint, %event, %operation, tries, %posted, "webhook not taken"),
            Tried::GivenUp => {
                tracing::warn!(%endpoint, %event, %operation, tries, %posted, "webhook given up, it is kept");
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
        let mut others = Vec::new();
        for job in jobs {
            match job {
                Job::Commit { core, commit } => {
                    self.stirred |= !commit.announces.is_empty();
                    writes += commit.writes.len() + commit.settles.len();
                    cores.push(core);
                    commits.push(commit);
                }
                other => others.push(other),
            }
            if writes >= WRITES_MOST || others.len() >= WRITES_MOST {
                break;
            }
        }
        self.commit(&commits, &cores);
        for job in others {
            match job {
                Job::Load { core, partitions } => self.load(core, partitions),
                Job::Earlier { core, question } => {
                    let row = self.store.earlier(&question.group, &question.key);
                    self.house.inboxes[usize::from(core)].deliver_one(question.answer(row));
                }
                Job::Look(look) => look(&Own(&*self.store)),
                Job::Change(change) => {
                    change(&mut *self.store);
                    // Its error is logged; the next look is soon.
                    let _ = self.look();
                }
                Job::Refresh { done } => {
                    let looked = self.look();
                    // Whoever asked may have gone; nothing hangs on it.
                    let _ = done.send(looked);
                }
                Job::Endpoints { core, route, call, group, work } => {
                    let done = self.store.endpoints(&group, &work);
                    if let Err(error) = &done {
                        tracing::warn!(%group, cause = %told(error), "webhook endpoints cannot be reached");
                    }
                    let done = Done::Endpoints(done.ok());
                    self.house.inboxes[usize::from(core)].deliver_one(Letter::Done { route, call, done });
                    self.stirred = true;
                }
                Job::Posted { place, posted } => self.posted(place, posted),
                Job::Stop => return After::Stop,
                Job::Commit { .. } => {}
            }
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
