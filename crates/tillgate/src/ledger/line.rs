//! One operation as the ledger writes it down: nothing of what was bought, by whom, or with which card.

use std::borrow::Cow;

use dialects::ledger::Entry;
use model::{OperationRow, Outcome, OutcomeKind, Target, Timestamp, Wall};
use serde::Serialize;

/// Fields of a line.
const FIELDS: usize = 19;

/// One line; its fields are the names in JSON and CSV.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    pub(super) accepted_at: String,
    pub(super) ended_at: Option<String>,
    pub(super) dialect: &'static str,
    pub(super) group: &'a str,
    pub(super) requester: &'a str,
    pub(super) requester_name: &'a str,
    pub(super) device: Option<&'a str>,
    pub(super) kind: &'a str,
    pub(super) transaction_id: &'a str,
    pub(super) amount: Option<Box<str>>,
    pub(super) currency: Option<Box<str>>,
    /// None when its dialect cannot read it.
    pub(super) status: Option<&'static str>,
    pub(super) outcome: Option<&'static str>,
    pub(super) cause: Option<&'static str>,
    pub(super) certainty: Option<&'static str>,
    pub(super) late: bool,
    pub(super) void: Option<&'static str>,
    pub(super) operation: String,
    pub(super) about: Option<String>,
}

impl<'a> Line<'a> {
    pub(super) fn new(row: &'a OperationRow, entry: Option<Entry>) -> Self {
        let status = entry.as_ref().map(|entry| entry.status.name());
        let (amount, currency) = entry.and_then(|entry| entry.money).map(|money| (money.text, money.currency)).unzip();
        let outcome = row.outcome.as_ref().map(|(outcome, _)| outcome);
        let (cause, certainty) = match outcome {
            Some(Outcome::Failed { cause, certainty, .. }) => (Some(cause.label()), Some(certainty.label())),
            Some(Outcome::Expired { certainty } | Outcome::Cancelled { certainty }) => (None, Some(certainty.label())),
            Some(Outcome::Completed { .. } | Outcome::Declined { .. }) | None => (None, None),
        };
        Self {
            accepted_at: time(row.accepted_at),
            ended_at: row.outcome.as_ref().map(|(_, at)| time(*at)),
            dialect: row.dialect.name(),
            group: row.group.name(),
            requester: row.requester.as_str(),
            requester_name: &row.requester_name,
            device: match &row.target {
                Target::Device(device) => Some(device.as_str()),
                Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_) => None,
            },
            kind: &row.kind,
            transaction_id: row.key.as_str(),
            amount,
            currency,
            status,
            outcome: outcome.map(|outcome| outcome.kind().label()),
            cause,
            certainty,
            late: row.late.is_some(),
            void: Reversal::of(row).map(Reversal::name),
            operation: row.id.to_string(),
            about: row.about.map(|about| about.to_string()),
        }
    }

    /// The names of [`Self::cells`].
    pub(super) const NAMES: [&'static str; FIELDS] = [
        "accepted_at",
        "ended_at",
        "dialect",
        "group",
        "requester",
        "requester_name",
        "device",
        "kind",
        "transaction_id",
        "amount",
        "currency",
        "status",
        "outcome",
        "cause",
        "certainty",
        "late",
        "void",
        "operation",
        "about",
    ];

    /// Every field as text, empty where there is none.
    pub(super) fn cells(&self) -> [Cow<'_, str>; FIELDS] {
        let some = |text: Option<&'a str>| Cow::from(text.unwrap_or_default());
        [
            self.accepted_at.as_str().into(),
            self.ended_at.as_deref().unwrap_or_default().into(),
            self.dialect.into(),
            self.group.into(),
            self.requester.into(),
            self.requester_name.into(),
            some(self.device),
            self.kind.into(),
            self.transaction_id.into(),
            self.amount.as_deref().unwrap_or_default().into(),
            self.currency.as_deref().unwrap_or_default().into(),
            some(self.status),
            some(self.outcome),
            some(self.cause),
            some(self.certainty),
            if self.late { "true" } else { "false" }.into(),
            some(self.void),
            self.operation.as_str().into(),
            self.about.as_deref().unwrap_or_default().into(),
        ]
    }
}

/// What became of the reversal of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reversal {
    Pending,
    Done,
    Unconfirmed,
}

impl Reversal {
    /// None where nothing is to be reversed.
    pub(super) fn of(row: &OperationRow) -> Option<Self> {
        row.compensation.map(|(_, ended)| match ended.map(|(how, _)| how) {
            None => Self::Pending,
            Some(OutcomeKind::Completed) => Self::Done,
            Some(OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::Expired | OutcomeKind::Cancelled) => {
                Self::Unconfirmed
            }
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Done => "done",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

fn time(at: Timestamp) -> String {
    Wall::from_millis(at.millis()).with_millis()
}
