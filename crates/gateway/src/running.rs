//! A running gateway: what its threads share, and how it comes to its end.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, sync_channel};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use model::{OperationId, Route};
use node::{Input, Spread};

use crate::admission::Admission;
use crate::clock::Clock;
use crate::inbox::{Inbox, Letter};
use crate::metrics::Metrics;
use crate::operators::Office;
use crate::outside::{Internet, Outside};
use crate::settings::Settings;
use crate::storage::{ENDED, Job, StoreDesk};
use crate::tls::{Certificates, Looked, TlsError};

/// How often a waiting thread looks whether what it waits for has come.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How much longer a drain may take for each connection that is open.
const GOODBYE_EACH: Duration = Duration::from_millis(5);

/// What all threads share.
pub(crate) struct House {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    /// Every dialect's numbers, for what goes to webhook endpoints.
    pub(crate) dialects: Arc<dialects::Config>,
    pub(crate) outside: Arc<dyn Outside>,
    /// One per core.
    pub(crate) inboxes: Vec<Inbox>,
    pub(crate) version: Box<str>,
    pub(crate) admission: Admission,
    /// When a listener speaks TLS.
    pub(crate) certificates: Option<Certificates>,
    pub(crate) office: Office,
    draining: AtomicBool,
    sockets: AtomicUsize,
    connections: AtomicUsize,
    /// By core: whether it may still have something for the store at the end of a drain.
    unsettled: Vec<AtomicBool>,
}

impl House {
    pub(crate) fn new(settings: Settings, clock: Arc<dyn Clock>, version: Box<str>) -> Self {
        let cores = settings.core_count();
        Self {
            metrics: Metrics::new(cores, &version),
            inboxes: (0..cores).map(|_| Inbox::default()).collect(),
            unsettled: (0..cores).map(|_| AtomicBool::new(true)).collect(),
            admission: Admission::new(&settings),
            certificates: None,
            dialects: Arc::default(),
            office: Office::new(clock.now(), &settings),
            outside: Arc::new(Internet),
            settings,
            clock,
            version,
            draining: AtomicBool::new(false),
            sockets: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(SeqCst)
    }

    /// Why work should not be sent here, if it should not.
    pub(crate) fn not_ready(&self) -> Option<&'static str> {
        if self.is_draining() {
            Some("draining")
        } else if self.metrics.loading() > 0 {
            Some("starting")
        } else {
            None
        }
    }

    /// Accepted sockets that are open, whatever they speak.
    pub(crate) fn sockets(&self) -> usize {
        self.sockets.load(SeqCst)
    }

    pub(crate) fn socket_opened(&self) {
        self.sockets.fetch_add(1, SeqCst);
    }

    pub(crate) fn socket_closed(&self) {
        self.sockets.fetch_sub(1, SeqCst);
    }

    pub(crate) fn connection_began(&self) {
        self.connections.fetch_add(1, SeqCst);
    }

    pub(crate) fn connection_ended(&self) {
        self.connections.fetch_sub(1, SeqCst);
    }

    /// A core says whether it could be let go.
    pub(crate) fn settled(&self, core: u8, settled: bool) {
        self.unsettled[usize::from(core)].store(!settled, SeqCst);
    }

    fn is_settled(&self) -> bool {
        self.unsettled.iter().all(|unsettled| !unsettled.load(SeqCst))
    }

    /// From now on newcomers are refused, and everybody is told to come back.
    pub(crate) fn begin_drain(&self, spread: Spread) {
        self.draining.store(true, SeqCst);
        self.office.ring.ring();
        self.tell_all(|| Letter::Drain { spread });
    }

    /// An operator takes work back; the core it lives on is told.
    pub(crate) fn take_back(&self, operation: OperationId) {
        let core = usize::from(operation.partition().0) % self.inboxes.len();
        self.inboxes[core].deliver_one(Letter::Tell(Input::TakeBack { operation }));
    }

    /// An operator ends a session; its core is told.
    pub(crate) fn dismiss(&self, route: Route) {
        self.inboxes[usize::from(route.core)].deliver_one(Letter::Tell(Input::Dismiss { route }));
    }

    /// Looks whether the certificate's files have changed; what came of it is logged and counted, a failure once.
    pub(crate) fn look_at_certificates(&self) -> Result<Looked, TlsError> {
        let Some(certificates) = &self.certificates else { return Ok(Looked::Same) };
        let looked = certificates.look();
        match &looked {
            Ok(Looked::Same) => {}
            Ok(Looked::Exchanged) => {
                self.metrics.certificates_read("used");
                tracing::info!("certificate exchanged");
            }
            Err(error) if certificates.is_news(error) => {
                self.metrics.certificates_read("unusable");
                tracing::warn!(%error, "certificate cannot be used, the old one stays");
            }
            Err(_) => {}
        }
        looked
    }

    fn tell_all(&self, letter: impl Fn() -> Letter) {
        for inbox in &self.inboxes {
            inbox.deliver_one(letter());
        }
    }
}

/// A gateway whose threads run. Dropped, it is stopped without goodbye.
pub struct Running {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) house: Arc<House>,
    pub(crate) desk: StoreDesk,
    pub(crate) cores: Vec<JoinHandle<()>>,
    pub(crate) stores: Vec<JoinHandle<()>>,
    /// Who looks after certificates; ends when the sender is gone.
    pub(crate) watch: Option<(Sender<()>, JoinHandle<()>)>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open when the time was over, and were cut.
    pub cut: usize,
}

impl Running {
    /// Where it listens, in the order asked for, with the ports the kernel chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether work can be sent here: every partition is loaded and no drain has begun.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.house.not_ready().is_none()
    }

    /// Waits until it is ready, at most so long; whether it is.
    #[must_use]
    pub fn wait_ready(&self, most: Duration) -> bool {
        wait_until(most, || self.is_ready())
    }

    /// WebSocket connections that are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.house.metrics.open()
    }

    /// The metrics page.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.house.metrics.text()
    }

    /// Whether every thread still runs; when not, an error was logged and the process should end.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.cores.iter().chain(&self.stores).all(|thread| !thread.is_finished())
    }

    /// Looks at the credentials now instead of within the next 300 ms. Every core has been told when it returns.
    ///
    /// # Errors
    /// What the store said, when it could not.
    pub fn refresh(&self) -> Result<(), Arc<str>> {
        let (done, looked) = sync_channel(1);
        self.desk.send(Job::Refresh { done })?;
        looked.recv().unwrap_or_else(|_| Err(ENDED.into()))
    }

    /// Looks at the certificate's files now instead of within [`look_every`](crate::Tls::look_every). Connections that
    /// are open stay as they are; without TLS there is nothing to see.
    ///
    /// # Errors
    /// What is wrong with the files; the old certificate stays in use.
    pub fn look_at_certificates(&self) -> Result<Looked, TlsError> {
        self.house.look_at_certificates()
    }

    /// Says goodbye: readiness goes off, new upgrades hear 503, peers are told in their own words; when all are gone or
    /// the drain's time is over, what waits for the store is written and the threads end. Blocks.
    #[must_use]
    pub fn drain(mut self) -> Drained {
        let most = self.house.settings.drain_time;
        let connections = self.connections();
        let spread = farewell(&self.house.settings, connections);
        tracing::info!(connections, over = ?spread.over, "draining");
        self.house.begin_drain(spread);
        let house = Arc::clone(&self.house);
        let _ = wait_until(most, || house.connections.load(SeqCst) == 0 && house.is_settled());
        let cut = self.house.connections.load(SeqCst);
        self.stop();
        tracing::info!(cut, "drained");
        Drained { cut }
    }

    /// Blocks until a thread ends, which only happens when something is badly wrong.
    pub fn wait(&self) {
        while self.is_alive() {
            sleep(LOOK_EVERY * 20);
        }
    }

    fn stop(&mut self) {
        self.house.draining.store(true, SeqCst);
        self.house.tell_all(|| Letter::Stop);
        join("core", &mut self.cores);
        self.desk.stop();
        join("store", &mut self.stores);
        if let Some((told, thread)) = self.watch.take() {
            drop(told);
            join("certificates", &mut vec![thread]);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// How a drain is spread: a few go at once, many over the time set, and they come back as evenly as they went.
fn farewell(settings: &Settings, connections: u64) -> Spread {
    let each = GOODBYE_EACH.saturating_mul(u32::try_from(connections).unwrap_or(u32::MAX));
    // The last ones told have time to close before the rest is cut.
    let over = settings.drain_spread.min(settings.drain_time / 2).min(each);
    // Those told first come back when the last are gone and a restart is over. Everybody stays away for the same time,
    // so that hints in whole seconds keep the spread as it is.
    Spread { over, back: over + settings.drain_pause, again: over }
}

fn join(kind: &str, threads: &mut Vec<JoinHandle<()>>) {
    for thread in threads.drain(..) {
        if thread.join().is_err() {
            tracing::error!(kind, "thread ended with a panic");
        }
    }
}

fn wait_until(most: Duration, done: impl Fn() -> bool) -> bool {
    let until = Instant::now() + most;
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        sleep(LOOK_EVERY);
    }
}
