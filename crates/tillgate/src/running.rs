//! What `serve` and `demo` share: starting the gateway on a store, and running it until a signal.

use std::time::Duration;

use anyhow::{Context, ensure};
use gateway::{Gateway, Plan, Running, Serves, Speaks, StartError, Storage};
use store::Sqlite;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Configuration;
use crate::exit::Ended;
use crate::keys::{for_operators, random_number};
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
    let storage = Storage::sqlite(store).map_err(place::explain)?;
    let mut gateway = Gateway::new(Vec::new());
    gateway.listen.clone_from(&configuration.server.listen.0);
    gateway.tls.clone_from(&configuration.tls);
    gateway.settings = configuration.gateway.clone();
    gateway.mint = Some(std::sync::Arc::new(for_operators));
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

fn explain(error: StartError) -> anyhow::Error {
    match error {
        StartError::NoListener | StartError::Plaintext { .. } | StartError::Tls(_) => Ended::usage(error.to_string()),
        StartError::Bind { .. } | StartError::Credentials(_) | StartError::Thread(_) | StartError::Core => error.into(),
    }
}

/// The base of the addresses peers connect to.
pub(crate) fn base(configuration: &Configuration, running: &Running) -> anyhow::Result<String> {
    let listeners = configuration.server.listen.0.iter().zip(running.addresses());
    let mut for_peers = listeners.filter(|(listen, _)| listen.serves == Serves::Peers);
    let (listen, address) = for_peers.next().context("it listens nowhere for peers")?;
    let scheme = if listen.speaks == Speaks::Tls { "https" } else { "http" };
    Ok(format!("{scheme}://{address}"))
}

/// SIGTERM and Ctrl-C, heard from now on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
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

/// What SIGHUP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// What it does to any process: end it.
    Ends,
    /// The certificate's files are looked at.
    Reloads,
}

/// Runs the gateway until a signal, then drains it; a second signal cuts that short.
pub(crate) async fn until_told(running: Running, signals: &mut Signals, hangup: Hangup) -> anyhow::Result<()> {
    let mut hangups = match hangup {
        Hangup::Ends => None,
        Hangup::Reloads => Some(hear(SignalKind::hangup())?),
    };
    loop {
        tokio::select! {
            () = signals.next() => break,
            Some(()) = next_of(&mut hangups) => {
                // What is wrong has been logged, and the old certificate stays.
                let _ = running.look_at_certificates();
            }
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

async fn next_of(signals: &mut Option<Signal>) -> Option<()> {
    match signals {
        Some(signals) => signals.recv().await,
        None => std::future::pending().await,
    }
}

fn hear(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("signals cannot be heard")
}

/// Log lines on stderr and as many open files as the system lets us have.
pub(crate) fn prepare(configuration: &Configuration) -> anyhow::Result<()> {
    logs::start(&configuration.log).context("the log cannot be started")?;
    tracing::debug!(files = gateway::raise_file_limit(), "open files allowed");
    Ok(())
}
