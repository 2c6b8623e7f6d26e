//! The configuration: one TOML file plus the environment, over one list of settings per section.
//!
//! Every mistake is reported at once, with where it stands, what it says and what would be right.

mod document;
mod nearest;
mod print;
mod read;
mod sections;
mod values;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::exit::Ended;
use crate::talk;

pub(crate) use read::read;
pub(crate) use sections::{Configuration, Log};
pub(crate) use values::LogFormat;

/// What begins the name of every variable that is a setting.
pub(crate) const PREFIX: &str = "TILLGATE_";

/// `tillgate config`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Report every mistake of a configuration at once, or print what differs from the defaults
    #[command(after_help = AFTER_CHECK)]
    Check(File),
    /// Print every setting with its default, what it means and where the default comes from, as TOML
    Defaults,
}

const AFTER_CHECK: &str = "\
The environment counts too: TILLGATE_BOOP_CONTEXT_LIFE=20s is `context_life = \"20s\"` in section [boop] and wins over
the file. Lists are separated by commas.

Exit codes: 0 no mistake; 2 mistakes, all of them on stderr.";

/// Which file a command reads.
#[derive(Args)]
pub(crate) struct File {
    /// The configuration; without it only the environment counts
    #[arg(long, value_name = "FILE", env = "TILLGATE_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

impl File {
    /// What the file and the environment say.
    pub(crate) fn read(&self) -> anyhow::Result<Configuration> {
        read(self.config.as_deref(), std::env::vars_os()).map_err(|mistakes| Ended::usage(mistakes.to_string()))
    }
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check(file) => check(&file),
        Command::Defaults => Ok(talk::data(print::defaults().trim_end())?),
    }
}

fn check(file: &File) -> anyhow::Result<()> {
    let configuration = file.read()?;
    let differences = print::differences(&configuration);
    talk::lines(&differences)?;
    talk::say(format_args!("no mistakes; {} settings differ from their defaults", differences.len()));
    Ok(())
}
