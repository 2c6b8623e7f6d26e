//! What `serve` and `demo` share: starting the gateway on a store, and running it until a signal.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, ensure};
use gateway::{Gateway, Plan, Running, StartError, Storage};
use model::{GroupId, RequestKey};
use store::Sqlite;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Configuration;
use crate::exit::Ended;
use crate::keys::random_number;
use crate::{logs, place};

/// How long the partitions may take to load.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether every thread still runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the future on one thread, whose blocking work does not hold up the end of the process.
pub(crate) fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("the runtime cannot be started")?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_background();
    outcome
}

/// Starts the gateway and waits until it takes work.
pub(crate) async fn start(configuration: &Configuration, store: Sqlite) -> anyhow::Result<Running> {
    let reader = store.reader().map_err(place::explain)?;
    let reader = Box::new(move |group: &GroupId, key: &RequestKey| reader.earlier(group, key));
    let storage = Storage { store: Box::new(store), reader: Some(reader) };
    refuse_a_shared_port(configuration.server.listen.0)?;
    let mut gateway = Gateway::new(vec![configuration.server.listen.0]);
    gateway.settings = configuration.gateway.clone();
    gateway.version = env!("CARGO_PKG_VERSION").into();
    let plan = Plan {
        dialects: std::sync::Arc::new(configuration.dialects.clone()),
        bounds: configuration.node.clone(),
        seed: random_number()?,
    };
    let running = gateway.start(storage, plan).map_err(explain)?;
    let (running, is_ready) = tokio::task::spawn_blocking(move || {
        let is_ready = running.wait_ready(READY_WITHIN);
        (running, is_ready)
    })
    .await?;
    ensure!(is_ready, "the data was not loaded within {} s; the log says why", READY_WITHIN.as_secs());
    Ok(running)
}

/// The gateway's sockets share their port with each other, and so with another gateway, which would get every second
/// connection. A socket that shares with nobody finds out.
fn refuse_a_shared_port(address: SocketAddr) -> anyhow::Result<()> {
    TcpListener::bind(address).map(drop).with_context(|| format!("cannot listen on {address}"))
}

fn explain(error: StartError) -> anyhow::Error {
    match error {
        StartError::NoListener | StartError::Plaintext { .. } => Ended::usage(error.to_string()),
        StartError::Bind { .. } | StartError::Credentials(_) | StartError::Thread(_) | StartError::Core => error.into(),
    }
}

/// The base of the addresses peers connect to.
pub(crate) fn base(running: &Running) -> anyhow::Result<String> {
    let address = running.addresses().first().context("it listens nowhere")?;
    Ok(format!("http://{address}"))
}

/// SIGTERM and Ctrl-C, heard from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self { terminate: hear(SignalKind::terminate())?, interrupt: hear(SignalKind::interrupt())? })
    }

    /// Ends with the next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs the gateway until a signal, then drains it; a second signal cuts that short.
pub(crate) async fn until_told(running: Running, signals: &mut Signals) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = signals.next() => break,
            () = tokio::time::sleep(LOOK_EVERY) => {
                ensure!(running.is_alive(), "a thread of the gateway has ended; the log says why");
            }
        }
    }
    let drained = tokio::task::spawn_blocking(move || running.drain());
    tokio::select! {
        drained = drained => {
            drained?;
            Ok(())
        }
        () = signals.next() => anyhow::bail!("cut short by a second signal"),
    }
}

/// Log lines on stderr and as many open files as the system lets us have.
pub(crate) fn prepare(configuration: &Configuration) {
    logs::start(&configuration.log);
    tracing::debug!(files = gateway::raise_file_limit(), "open files allowed");
}
