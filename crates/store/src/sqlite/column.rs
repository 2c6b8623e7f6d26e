//! Values as columns hold them, and back. What comes back is checked: a file can be damaged.

use model::{Certainty, Digest, FailCause, Opaque, Outcome, OutcomeKind, Target, Timestamp, Wall};
use rusqlite::Row;
use rusqlite::types::FromSql;

use super::fault::Fault;

/// A column; [`Fault::Corrupt`] when it holds something of another type.
pub(super) fn get<T: FromSql>(row: &Row<'_>, at: usize, place: &'static str) -> Result<T, Fault> {
    row.get(at).map_err(|error| match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..) => Fault::Corrupt(place),
        other => Fault::Sql(other),
    })
}

/// A text column as what it names.
pub(super) fn named<T>(
    row: &Row<'_>,
    at: usize,
    place: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, Fault> {
    let text = row.get_ref(at).map_err(Fault::Sql)?.as_str().map_err(|_| Fault::Corrupt(place))?;
    parse(text).ok_or(Fault::Corrupt(place))
}

/// A text column that may be null, as what it names.
pub(super) fn named_if_any<T>(
    row: &Row<'_>,
    at: usize,
    place: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let text = row.get_ref(at).map_err(Fault::Sql)?.as_str_or_null().map_err(|_| Fault::Corrupt(place))?;
    text.map(|text| parse(text).ok_or(Fault::Corrupt(place))).transpose()
}

/// A column of bytes.
pub(super) fn bytes(row: &Row<'_>, at: usize, place: &'static str) -> Result<Opaque, Fault> {
    let bytes = row.get_ref(at).map_err(Fault::Sql)?.as_blob().map_err(|_| Fault::Corrupt(place))?;
    Ok(Opaque::copy_from_slice(bytes))
}

/// A column with a digest.
pub(super) fn digest(row: &Row<'_>, at: usize, place: &'static str) -> Result<Digest, Fault> {
    get(row, at, place).map(Digest)
}

/// A column that may hold a digest.
pub(super) fn digest_if_any(row: &Row<'_>, at: usize, place: &'static str) -> Result<Option<Digest>, Fault> {
    Ok(get::<Option<[u8; 32]>>(row, at, place)?.map(Digest))
}

/// A count that a column holds. The end of the line is as far as SQLite counts.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An instant as a column holds it.
pub(super) fn millis(at: Timestamp) -> i64 {
    number(at.millis())
}

/// An instant that a column holds.
pub(super) fn timestamp(row: &Row<'_>, at: usize, place: &'static str) -> Result<Timestamp, Fault> {
    get(row, at, place).map(Timestamp::from_millis)
}

/// An instant that a column may hold.
pub(super) fn timestamp_if_any(row: &Row<'_>, at: usize, place: &'static str) -> Result<Option<Timestamp>, Fault> {
    Ok(get::<Option<u64>>(row, at, place)?.map(Timestamp::from_millis))
}

/// A wall time that a column may hold.
pub(super) fn wall_if_any(row: &Row<'_>, at: usize, place: &'static str) -> Result<Option<Wall>, Fault> {
    Ok(get::<Option<u64>>(row, at, place)?.map(Wall::from_millis))
}

/// How something ended, in the word of [`OutcomeColumns`].
pub(super) fn parse_kind(text: &str) -> Option<OutcomeKind> {
    [OutcomeKind::Completed, OutcomeKind::Declined, OutcomeKind::Failed, OutcomeKind::Expired, OutcomeKind::Cancelled]
        .into_iter()
        .find(|kind| kind.label() == text)
}

/// A list of texts as JSON.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    serde_json::Value::from_iter(texts).to_string()
}

/// The texts of a JSON list.
pub(super) fn parse_list(json: &str) -> Option<Vec<String>> {
    serde_json::from_str(json).ok()
}

/// A target as two columns.
pub(super) fn target(target: &Target) -> (&'static str, Option<&str>) {
    match target {
        Target::Device(device) => ("device", Some(device.as_str())),
        Target::AnyOfGroup => ("any_of_group", None),
        Target::FirstIdle => ("first_idle", None),
        Target::Serving(name) => ("serving", Some(name)),
    }
}

/// An outcome as columns.
pub(super) struct OutcomeColumns<'a> {
    pub(super) outcome: &'static str,
    pub(super) cause: Option<&'static str>,
    pub(super) certainty: Option<&'static str>,
    pub(super) answer: Option<&'a [u8]>,
}

impl<'a> OutcomeColumns<'a> {
    pub(super) fn of(outcome: &'a Outcome) -> Self {
        let (cause, certainty, answer) = match outcome {
            Outcome::Completed { body } | Outcome::Declined { body } => (None, None, Some(&body[..])),
            Outcome::Failed { cause, certainty, body } => (Some(*cause), Some(*certainty), Some(&body[..])),
            Outcome::Expired { certainty } | Outcome::Cancelled { certainty } => (None, Some(*certainty), None),
        };
        Self {
            outcome: outcome.kind().label(),
            cause: cause.map(FailCause::label),
            certainty: certainty.map(Certainty::label),
            answer,
        }
    }
}

/// The outcome that columns hold.
pub(super) fn outcome(
    outcome: &str,
    cause: Option<FailCause>,
    certainty: Option<Certainty>,
    answer: Option<Opaque>,
) -> Option<Outcome> {
    match (outcome, cause, certainty, answer) {
        ("completed", None, None, Some(body)) => Some(Outcome::Completed { body }),
        ("declined", None, None, Some(body)) => Some(Outcome::Declined { body }),
        ("failed", Some(cause), Some(certainty), Some(body)) => Some(Outcome::Failed { cause, certainty, body }),
        ("expired", None, Some(certainty), None) => Some(Outcome::Expired { certainty }),
        ("cancelled", None, Some(certainty), None) => Some(Outcome::Cancelled { certainty }),
        _ => None,
    }
}

pub(super) fn parse_cause(text: &str) -> Option<FailCause> {
    [FailCause::PerformerLost, FailCause::Performer, FailCause::Absent, FailCause::Service]
        .into_iter()
        .find(|cause| cause.label() == text)
}

pub(super) fn parse_certainty(text: &str) -> Option<Certainty> {
    [Certainty::NotDelivered, Certainty::Unknown].into_iter().find(|certainty| certainty.label() == text)
}
