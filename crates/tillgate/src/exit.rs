//! How a command ends: one number for scripts, one sentence for people.

use std::fmt;
use std::io;
use std::process::ExitCode;

use crate::talk;

/// The numbers scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Good,
    Failed,
    Usage,
    InUse,
    Refused,
    Forbidden,
    Network,
    Tls,
    NoPong,
    Displaced,
    Declined,
    Cancelled,
    NotPaid,
    NotBegun,
    Unknown,
}

/// Under every `--help` that has no list of its own.
pub(crate) const HELP: &str = "\
Exit codes: 0 done; 1 could not be done; 2 the command line or the configuration is wrong; 3 another process has the
data folder. `tillgate connect --help` lists those of a connection, `tillgate pay --help` those of a payment.";

impl Exit {
    const fn number(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::InUse => 3,
            Self::Refused => 10,
            Self::Forbidden => 11,
            Self::Network => 12,
            Self::Tls => 13,
            Self::NoPong => 14,
            Self::Displaced => 15,
            Self::Declined => 20,
            Self::Cancelled => 21,
            Self::NotPaid => 22,
            Self::NotBegun => 23,
            Self::Unknown => 24,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

/// An end with a number of its own; any other error is [`Exit::Failed`].
#[derive(Debug)]
pub(crate) struct Ended {
    exit: Exit,
    text: String,
}

impl Ended {
    /// Ends the command with this number and sentence.
    pub(crate) fn with(exit: Exit, text: impl Into<String>) -> anyhow::Error {
        anyhow::Error::new(Self { exit, text: text.into() })
    }

    /// The same with a text that a peer had its part in: one line, and nothing in it that a terminal would obey.
    pub(crate) fn told(exit: Exit, text: &str) -> anyhow::Error {
        Self::with(exit, talk::tamed(text))
    }

    /// The command line asks for what cannot be.
    pub(crate) fn usage(text: impl Into<String>) -> anyhow::Error {
        Self::with(Exit::Usage, text)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Ended {}

/// Says on stderr why a command ended, and gives its number. A reader of stdout that went away is no failure, unless
/// the command says what is lost by it.
pub(crate) fn explain(error: &anyhow::Error) -> Exit {
    let outermost = error.chain().next().and_then(|cause| cause.downcast_ref::<io::Error>());
    if outermost.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Good;
    }
    talk::say_lines(format_args!("tillgate: {error:#}"));
    error.downcast_ref::<Ended>().map_or(Exit::Failed, |ended| ended.exit)
}
