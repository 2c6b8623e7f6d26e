//! Starting: listeners, credentials, the store's threads, then one thread per core.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use node::{Directory, Output};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::accept::{Listening, accept, empty};
use crate::clock::{Clock, RealClock};
use crate::core::Core;
use crate::listen::{Listen, Speaks, bind};
use crate::machine::{Birth, Machine, Plan};
use crate::operators::Mint;
use crate::outside::{Internet, Outside};
use crate::running::{House, Running};
use crate::settings::{Settings, Tls};
use crate::storage::{Desks, Storage, StoreDesk, told};
use crate::tls::{self, Certificates, TlsError};

/// How long connections accepted in the last moment have to hear that we are gone.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// A gateway that is not running yet.
///
/// ```no_run
/// # fn sample(store: Box<dyn store::Store>, plan: gateway::Plan) -> Result<(), gateway::StartError> {
/// let mut gateway = gateway::Gateway::new(vec!["127.0.0.1:0".parse().expect("an address")]);
/// gateway.settings.origins_localhost = true;
/// let running = gateway.start(store.into(), plan)?;
/// println!("listening on {}", running.addresses()[0]);
/// let drained = running.drain();
/// assert_eq!(drained.cut, 0);
/// # Ok(())
/// # }
/// ```
pub struct Gateway {
    /// Where to listen, and what is spoken there.
    pub listen: Vec<Listen>,
    /// The certificate of the listeners that speak TLS.
    pub tls: Tls,
    /// The shell's numbers.
    pub settings: Settings,
    /// What `/health` and `/metrics` call this build: plain text without quotes.
    pub version: Box<str>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Makes the keys operators ask for; without it they can make none.
    pub mint: Option<Mint>,
    /// Where our own calls go.
    pub outside: Arc<dyn Outside>,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing to listen on.
    #[error("no address to listen on")]
    NoListener,
    /// A plain socket where others could listen in.
    #[error(
        "{address} is not a loopback address and there is no TLS: keys would travel in clear; \
         listen on 127.0.0.1, write \"{address} tls\" and name a certificate in section [tls], \
         or set allow_plaintext_behind_proxy = true when a proxy in front ends TLS"
    )]
    Plaintext {
        /// Which address.
        address: SocketAddr,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The credentials cannot be read.
    #[error("credentials cannot be read: {0}")]
    Credentials(Arc<str>),
    /// A thread or its runtime could not be made.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
    /// A core ended before it began; an error was logged.
    #[error("a core did not start")]
    Core,
}

/// Makes the machine of one core, on that core's thread.
type Make = Arc<dyn Fn(Birth, &mut Vec<Output>) -> Box<dyn Machine> + Send + Sync>;

impl Gateway {
    /// A gateway with default settings and the machine's clock, on plain sockets.
    #[must_use]
    pub fn new(listen: Vec<SocketAddr>) -> Self {
        Self {
            listen: listen.into_iter().map(Listen::from).collect(),
            tls: Tls::default(),
            settings: Settings::default(),
            version: env!("CARGO_PKG_VERSION").into(),
            clock: Arc::new(RealClock::start()),
            mint: None,
            outside: Arc::new(Internet),
        }
    }

    /// Starts it with a node on every core. Returns when it listens and every core has begun to load its partitions.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and what would be right.
    pub fn start(self, storage: Storage, plan: Plan) -> Result<Running, StartError> {
        let dialects = Arc::clone(&plan.dialects);
        self.begin(storage, dialects, move |birth, out| Box::new(plan.node(birth, out)))
    }

    /// Starts it with other machines than nodes, such as an echo.
    ///
    /// # Errors
    /// [`StartError`] says what is wrong and what would be right.
    pub fn start_with(
        self,
        storage: Storage,
        make: impl Fn(Birth, &mut Vec<Output>) -> Box<dyn Machine> + Send + Sync + 'static,
    ) -> Result<Running, StartError> {
        self.begin(storage, Arc::default(), make)
    }

    fn begin(
        self,
        storage: Storage,
        dialects: Arc<dialects::Config>,
        make: impl Fn(Birth, &mut Vec<Output>) -> Box<dyn Machine> + Send + Sync + 'static,
    ) -> Result<Running, StartError> {
        self.check()?;
        let mut house = House::new(self.settings, self.clock, self.version);
        (house.dialects, house.outside) = (dialects, self.outside);
        if self.listen.iter().any(|listen| listen.speaks == Speaks::Tls) {
            house.certificates = Some(Certificates::load(&self.tls)?);
        }
        house.office.mint = self.mint;
        let house = Arc::new(house);
        let core_count = house.settings.core_count();

        let mut addresses = Vec::new();
        let mut listeners: Vec<Vec<Bound>> = (0..core_count).map(|_| Vec::new()).collect();
        for how in self.listen {
            let address = how.address;
            let failed = |source| StartError::Bind { address, source };
            let bound = bind(address, core_count, house.settings.backlog).map_err(failed)?;
            addresses.push(bound[0].local_addr().map_err(failed)?);
            for (of_core, listener) in listeners.iter_mut().zip(bound) {
                of_core.push((how, listener));
            }
        }

        // The version first: what changes in between is noticed at the next look.
        let read = |storage: &Storage| Ok((storage.store.credentials_version()?, storage.store.credentials()?));
        let (version, credentials) = read(&storage).map_err(|error| StartError::Credentials(told(&error)))?;
        let directory = Arc::new(Directory::new(credentials));
        house.office.know(&directory);

        let desks = Desks::new(&storage);
        let desk = desks.desk.clone();
        let stores = desks.start(storage, version, &house)?;
        let mut running = Running { addresses, house, desk, cores: Vec::new(), stores, watch: None };
        let make: Make = Arc::new(make);
        let (begun, begins) = channel();
        for (number, listeners) in (0..core_count).zip(listeners) {
            let seed = Seed {
                number,
                listeners,
                directory: Arc::clone(&directory),
                house: Arc::clone(&running.house),
                desk: running.desk.clone(),
                make: Arc::clone(&make),
                begun: begun.clone(),
            };
            let name = format!("core-{number}");
            running.cores.push(std::thread::Builder::new().name(name).spawn(move || seed.grow())?);
        }
        drop(begun);
        if running.house.certificates.is_some() {
            let (house, every) = (Arc::clone(&running.house), self.tls.look_every);
            let (ends, ended) = channel();
            let watch = std::thread::Builder::new().name("certificates".to_owned());
            running.watch = Some((ends, watch.spawn(move || tls::watch(&house, every, &ended))?));
        }
        for _ in 0..core_count {
            begins.recv().map_err(|_| StartError::Core)??;
        }
        tracing::info!(addresses = ?running.addresses, cores = core_count, "listening");
        Ok(running)
    }

    fn check(&self) -> Result<(), StartError> {
        if self.listen.is_empty() {
            return Err(StartError::NoListener);
        }
        if !self.tls.certificate.is_empty() && self.listen.iter().all(|listen| listen.speaks == Speaks::Plain) {
            return Err(TlsError::NoListener.into());
        }
        if self.settings.allow_plaintext_behind_proxy {
            return Ok(());
        }
        let is_heard = |listen: &&Listen| listen.speaks == Speaks::Plain && !listen.address.ip().is_loopback();
        match self.listen.iter().find(is_heard) {
            Some(listen) => Err(StartError::Plaintext { address: listen.address }),
            None => Ok(()),
        }
    }
}

/// A socket that listens, and what is spoken there.
type Bound = (Listen, std::net::TcpListener);

/// What a core's thread grows from.
struct Seed {
    number: u8,
    listeners: Vec<Bound>,
    directory: Arc<Directory>,
    house: Arc<House>,
    desk: StoreDesk,
    make: Make,
    begun: Sender<Result<(), std::io::Error>>,
}

impl Seed {
    fn grow(self) {
        let runtime = match Builder::new_current_thread().enable_io().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever started us hears of it; when it is gone, nobody is left to tell.
                let _ = self.begun.send(Err(error));
                return;
            }
        };
        let local = LocalSet::new();
        local.block_on(&runtime, self.live());
    }

    async fn live(self) {
        let taken_over = |(how, listener)| {
            let socket = tokio::net::TcpListener::from_std(listener)?;
            Ok(Rc::new(Listening { socket, how }))
        };
        let listeners: Result<Vec<_>, std::io::Error> = self.listeners.into_iter().map(taken_over).collect();
        let listeners = match listeners {
            Ok(listeners) => listeners,
            Err(error) => {
                let _ = self.begun.send(Err(error));
                return;
            }
        };
        let cores = u8::try_from(self.house.inboxes.len()).unwrap_or(u8::MAX);
        let birth = Birth { core: self.number, cores, directory: self.directory, now: self.house.clock.now() };
        let mut born = Vec::new();
        let machine = (self.make)(birth, &mut born);
        let core = Core::new(self.number, machine, self.house, self.desk);
        core.begin(born);
        let accepts: Vec<_> = listeners
            .iter()
            .map(|listener| tokio::task::spawn_local(accept(Rc::clone(&core), Rc::clone(listener))))
            .collect();
        let _ = self.begun.send(Ok(()));
        core.run().await;

        for accept in accepts {
            accept.abort();
        }
        for listener in &listeners {
            empty(&core, listener).await;
        }
        let last_words = async {
            while core.house.sockets() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
    }
}
