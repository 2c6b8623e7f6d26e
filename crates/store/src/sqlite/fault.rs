//! What can go wrong with one call, and whose fault it is.

use std::sync::Arc;

use model::CommitError;
use rusqlite::ErrorCode;

use crate::StoreError;
use crate::refusal::Refusal;

/// What went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite could not.
    Sql(rusqlite::Error),
    /// A row does not hold what we write: never its contents, only where.
    Corrupt(&'static str),
    /// The file system cannot hold a log beside the database.
    NoLog,
    /// The batch asks for what can not be.
    Refused(Refusal),
}

impl Fault {
    /// Whether only the batch at hand is to blame; the rest of the transaction may go on.
    pub(super) fn is_of_one_batch(&self) -> bool {
        match self {
            Self::Sql(error) => error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation),
            Self::NoLog => false,
            Self::Corrupt(_) | Self::Refused(_) => true,
        }
    }

    fn text(&self) -> Arc<str> {
        match self {
            Self::Sql(error) => Arc::from(error.to_string()),
            Self::Corrupt(place) => Arc::from(format!("{place} does not hold what was written there")),
            Self::NoLog => Arc::from("the file system of the folder cannot hold a write-ahead log"),
            Self::Refused(refusal) => Arc::from(refusal.to_string()),
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match &fault {
            Fault::Corrupt(_) => Self::Corrupt(fault.text()),
            Fault::Sql(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                Self::Corrupt(fault.text())
            }
            Fault::Sql(_) | Fault::NoLog | Fault::Refused(_) => Self::Unavailable(fault.text()),
        }
    }
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        Self::Unavailable(fault.text())
    }
}
