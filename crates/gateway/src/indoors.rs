//! The shell without threads, listeners and a clock of its own, so that a test can hold still between two bytes.
//!
//! Cores and connections are the same code as ever, as tasks of one [`LocalSet`]; whoever keeps this drives them with
//! [`Indoors::run_until`], lets the store work with [`Indoors::store_works`] and moves the [`Clock`] it handed in.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use model::{OperationId, Route, Timestamp};
use node::{Directory, Output, Spread};
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::LocalSet;

use crate::accept::live;
use crate::clock::Clock;
use crate::core::Core;
use crate::machine::{Birth, Machine};
use crate::mailroom;
use crate::outside::Outside;
use crate::running::House;
use crate::settings::Settings;
use crate::start::StartError;
use crate::storage::{Desks, Job, Storage, Writer, told};

/// A gateway that only moves when told. Dropped, it is killed: nobody is told goodbye.
pub struct Indoors {
    // First, so that tasks end before what they use.
    tasks: LocalSet,
    cores: Vec<Rc<Core>>,
    house: Arc<House>,
    writer: Writer,
    jobs: Receiver<Job>,
    ready: VecDeque<Job>,
    /// Commits that wait until they are released; none while they go on.
    held: Option<Vec<Job>>,
}

impl Indoors {
    /// Starts every core. `make` makes their machines; partitions are loaded when the store works, and calls of our own
    /// are made outside.
    ///
    /// # Errors
    /// When the credentials cannot be read.
    pub fn start(
        settings: Settings,
        clock: Arc<dyn Clock>,
        outside: Arc<dyn Outside>,
        dialects: Arc<dialects::Config>,
        store: Box<dyn Store>,
        mut make: impl FnMut(Birth, &mut Vec<Output>) -> Box<dyn Machine>,
    ) -> Result<Self, StartError> {
        let cores = settings.core_count();
        let mut house = House::new(settings, clock, env!("CARGO_PKG_VERSION").into());
        (house.dialects, house.outside) = (dialects, outside);
        let house = Arc::new(house);
        let unread = |error| StartError::Credentials(told(&error));
        let version = store.credentials_version().map_err(unread)?;
        let directory = Arc::new(Directory::new(store.credentials().map_err(unread)?));
        house.office.know(&directory);
        let storage = Storage::from(store);
        let desks = Desks::new(&storage);
        let desk = desks.desk.clone();
        let (writer, jobs, errands) = desks.indoors(storage.store, version, &house);

        let tasks = LocalSet::new();
        tasks.spawn_local(mailroom::serve(errands, Arc::clone(&house), desk.clone()));
        let cores = (0..cores).map(|core| {
            let birth = Birth { core, cores, directory: Arc::clone(&directory), now: house.clock.now() };
            let mut born = Vec::new();
            let machine = make(birth, &mut born);
            let core = Core::new(core, machine, Arc::clone(&house), desk.clone());
            core.begin(born);
            let runs = Rc::clone(&core);
            tasks.spawn_local(async move { runs.run().await });
            core
        });
        let cores = cores.collect();
        Ok(Self { tasks, cores, house, writer, jobs, ready: VecDeque::new(), held: None })
    }

    /// Serves a stream as if a listener had brought it to that core.
    ///
    /// # Panics
    /// When there is no such core.
    pub fn connect<S>(&self, core: usize, stream: S, peer: IpAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        self.tasks.spawn_local(live(&self.cores[core], stream, peer));
    }

    /// Lets cores and connections go on until `future` ends.
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        self.tasks.run_until(future).await
    }

    /// Lets the store do everything it was asked by now and everything that is due; whether there was anything.
    pub fn store_works(&mut self) -> bool {
        self.sort_jobs();
        let mut any = self.writer.load_again();
        while !self.ready.is_empty() {
            let ready = &mut self.ready;
            // Nobody asks it to stop, and it may leave some for the next time.
            let _ = self.writer.work(std::iter::from_fn(|| ready.pop_front()));
            any = true;
        }
        any
    }

    /// When the store has something to do that nobody asks it for then.
    #[must_use]
    pub fn store_deadline(&self) -> Option<Timestamp> {
        self.writer.again_at()
    }

    /// Commits asked for from now on wait.
    pub fn hold_commits(&mut self) {
        self.sort_jobs();
        self.held.get_or_insert_default();
    }

    /// Commits go on.
    pub fn release_commits(&mut self) {
        self.sort_jobs();
        self.ready.extend(self.held.take().into_iter().flatten());
    }

    fn sort_jobs(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            match (&mut self.held, job) {
                (Some(held), job @ Job::Commit { .. }) => held.push(job),
                (_, job) => self.ready.push_back(job),
            }
        }
    }

    /// Looks at the credentials now. Every core has been told when it returns, and has yet to act on it.
    ///
    /// # Errors
    /// What the store said, when it could not.
    pub fn refresh(&mut self) -> Result<(), Arc<str>> {
        self.writer.look()
    }

    /// An operator takes work back.
    pub fn take_back(&self, operation: OperationId) {
        self.house.take_back(operation);
    }

    /// An operator ends a session.
    pub fn dismiss(&self, route: Route) {
        self.house.dismiss(route);
    }

    /// From now on newcomers are refused, and everybody is told to come back, spread over so long.
    pub fn drain(&self, spread: Duration) {
        self.house.begin_drain(Spread::at_once(spread));
    }

    /// Connections that are open, whatever they speak.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.house.sockets()
    }

    /// The metrics page.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.house.metrics.text()
    }

    /// The store, for whoever looks at what it holds.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.writer.store
    }

    /// The store, for what happens beside the gateway.
    pub fn store_mut(&mut self) -> &mut dyn Store {
        &mut *self.writer.store
    }

    /// Kills it; what the store holds survives.
    #[must_use]
    pub fn kill(self) -> Box<dyn Store> {
        let Self { tasks, writer, .. } = self;
        drop(tasks);
        writer.store
    }
}

impl fmt::Debug for Indoors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indoors").field("cores", &self.cores.len()).finish_non_exhaustive()
    }
}
