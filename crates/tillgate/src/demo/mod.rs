//! `tillgate demo`: everything on one listener, with keys, registered users and simulated devices, at once.

mod palm;
mod people;
mod secrets;
mod terminal;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use gateway::Listen;
use store::Sqlite;

use crate::config::{Configuration, File};
use crate::running::{self, Hangup, Signals};
use crate::{place, talk};
use palm::Palm;
use terminal::Terminal;
use words::Places;

pub(crate) const AFTER: &str = "\
Prints keys and lines to paste on stdout; logs go to stderr. In a demo, and only there, a scanner may name a registered
user instead of showing a palm, and browser pages from this machine may connect. With the same --data a demo goes on
where it ended, with the same keys: they are kept in clear in demo.json there.

Exit codes: 0 ended by SIGTERM or Ctrl-C, within 10 s; 1 could not run; 2 the command line or the configuration is wrong;
3 another process has the data folder.";

/// How long the simulated devices may take to come online.
const ONLINE_WITHIN: Duration = Duration::from_secs(15);
/// Over how long peers are told to come back, and how long they have to leave.
const DRAIN_SPREAD: Duration = Duration::from_secs(2);
const DRAIN_TIME: Duration = Duration::from_secs(5);

#[derive(Args)]
pub(crate) struct Demo {
    #[command(flatten)]
    file: File,
    /// Where peers connect, port 0 for any free one; wins over the configuration
    #[arg(long, value_name = "ADDR")]
    listen: Option<Listen>,
    /// Keep the data in this folder; without it a fresh one is used and removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Write where everything is to this file, as JSON and whole, once the devices are online
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Simulate no devices
    #[arg(long)]
    without_devices: bool,
}

pub(crate) fn run(demo: &Demo) -> anyhow::Result<()> {
    let mut configuration = demo.file.read()?;
    if let Some(listen) = demo.listen {
        configuration.server.listen.0 = vec![listen];
    }
    let settings = &mut configuration.gateway;
    settings.origins_localhost = true;
    settings.drain_spread = settings.drain_spread.min(DRAIN_SPREAD);
    settings.drain_time = settings.drain_time.min(DRAIN_TIME);
    Arc::make_mut(&mut configuration.dialects.boop).test_user_ids = true;
    Arc::make_mut(&mut configuration.dialects.modulus).allow_private_webhook_targets = true;
    running::prepare(&configuration)?;
    match &demo.data {
        Some(folder) => running::block_on(play(demo, &configuration, folder, "kept when it ends")),
        None => {
            let folder =
                tempfile::Builder::new().prefix("tillgate-demo-").tempdir().context("no folder for the data")?;
            running::block_on(play(demo, &configuration, folder.path(), "removed when it ends"))
        }
    }
}

async fn play(demo: &Demo, configuration: &Configuration, data: &Path, fate: &'static str) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    if let Some(file) = &demo.ready_file {
        words::remove_ready_file(file)?;
    }
    let mut store: Sqlite = place::own(data)?;
    let keys = secrets::keys(data, &mut store)?;
    people::register(&mut store)?;
    let running = running::start(configuration, store).await?;
    let base = running::base(configuration, &running)?;
    let places = Places { base: &base, data, fate };
    if !demo.without_devices {
        let palm = Palm::start(&places.scanner_url(), &keys.simulated_scanner)?;
        let terminal = Terminal::start(&places.modulus_url(), &keys.terminals);
        let all_online = async { tokio::try_join!(palm.online(), terminal.online()) };
        tokio::select! {
            online = tokio::time::timeout(ONLINE_WITHIN, all_online) => {
                online.context("the simulated devices did not come online; the log says why")??;
            }
            () = signals.next() => {}
        }
    }
    talk::data(words::introduction(&places, &keys, demo.without_devices))?;
    if let Some(file) = &demo.ready_file {
        words::write_ready_file(file, &places, &keys)?;
    }
    running::until_told(running, &mut signals, Hangup::Ends).await
}
