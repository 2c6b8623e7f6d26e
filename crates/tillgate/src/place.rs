//! The data folder: which one is meant, and opening it beside a gateway that may be running.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use model::Wall;
use store::{Sqlite, StoreError};

use crate::config::{Configuration, File};
use crate::exit::{Ended, Exit};

/// Which data folder a command works on.
#[derive(Args)]
pub(crate) struct Place {
    #[command(flatten)]
    pub(crate) file: File,
    /// The data folder; wins over the configuration
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

impl Place {
    /// The configuration with `--data` put in.
    pub(crate) fn configuration(&self) -> anyhow::Result<Configuration> {
        let mut configuration = self.file.read()?;
        if let Some(data) = &self.data {
            configuration.server.data.0.clone_from(data);
        }
        Ok(configuration)
    }
}

/// The wall clock.
pub(crate) fn now() -> Wall {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Wall::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Opens the data folder for a gateway: alone.
pub(crate) fn own(folder: &Path) -> anyhow::Result<Sqlite> {
    Sqlite::open(folder).map_err(explain)
}

/// Opens the data folder beside a gateway that may be running; it must be there.
pub(crate) fn attach(configuration: &Configuration) -> anyhow::Result<Sqlite> {
    let folder = &configuration.server.data.0;
    anyhow::ensure!(folder.is_dir(), "there is no data folder {}; name it with --data or --config", folder.display());
    Sqlite::attach(folder).map_err(explain)
}

/// Opens the data folder beside a gateway that may be running, or makes it.
pub(crate) fn attach_or_make(configuration: &Configuration) -> anyhow::Result<Sqlite> {
    Sqlite::attach(&configuration.server.data.0).map_err(explain)
}

/// What the store says, with the number of an exit.
pub(crate) fn explain(error: StoreError) -> anyhow::Error {
    match error {
        StoreError::Locked(text) => Ended::with(Exit::InUse, text),
        StoreError::Exists(_)
        | StoreError::Sealed(_)
        | StoreError::Foreign(_)
        | StoreError::Corrupt(_)
        | StoreError::Unavailable(_) => error.into(),
    }
}
