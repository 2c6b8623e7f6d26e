//! What became of a payment, as tills are told and as looking it up shows it.

use model::{Certainty, FailCause, Now, OperationRow, Outcome, OutcomeKind, RequestKey, Standing, Wall};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::payment::Memo;
use super::string;

/// A terminal that did not come back.
const DISCONNECTED: (&str, &str) = ("TERMINAL_DISCONNECTED", "The terminal disconnected and did not come back in time");
/// A terminal that did not answer.
const TIMEOUT: (&str, &str) = ("TERMINAL_TIMEOUT", "The terminal did not answer in time");
/// A terminal that did nothing of it, however often it was asked.
const NOT_STARTED: (&str, &str) = ("TERMINAL_NOT_STARTED", "The terminal never began the payment");
/// A fault of ours, or a cancel by an operator.
const STOPPED: (&str, &str) = ("PAYMENT_STOPPED", "The payment was stopped by the gateway");

/// A `PaymentResponse` and the status in it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: &'static str,
    pub(crate) response: Box<RawValue>,
}

/// The `PaymentResponse` of an outcome: the terminal's own words, or ours where it had none.
pub(crate) fn answered(memo: &Memo, key: &RequestKey, outcome: &Outcome, wall: Wall) -> Answered {
    let told = match outcome {
        Outcome::Completed { body } | Outcome::Declined { body } | Outcome::Failed { body, .. } => response(body),
        Outcome::Expired { .. } | Outcome::Cancelled { .. } => None,
    };
    if let Some(response) = told {
        return response;
    }
    let (code, text) = match outcome {
        Outcome::Failed { cause: FailCause::PerformerLost, .. } => DISCONNECTED,
        Outcome::Failed { cause: FailCause::Performer, certainty: Certainty::NotDelivered, .. } => NOT_STARTED,
        Outcome::Expired { .. } => TIMEOUT,
        Outcome::Completed { .. } | Outcome::Declined { .. } | Outcome::Failed { .. } | Outcome::Cancelled { .. } => {
            STOPPED
        }
    };
    Answered { status: "FAILED", response: memo.failed(key, code, text, wall) }
}

/// A terminal's `PaymentResponse` as it was stored.
pub(crate) fn response(body: &[u8]) -> Option<Answered> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        status: &'a RawValue,
    }
    let response: Box<RawValue> = serde_json::from_slice(body).ok()?;
    let head: Head<'_> = serde_json::from_str(response.get()).ok()?;
    let status = match &*string(head.status)? {
        "SUCCESS" => "SUCCESS",
        "CANCELLED" => "CANCELLED",
        "FAILED" => "FAILED",
        _ => return None,
    };
    Some(Answered { status, response })
}

/// A transaction as looking it up shows it.
pub(crate) struct Transaction {
    /// One of the six.
    pub(crate) status: &'static str,
    /// What the terminal said, or we in its place.
    pub(crate) response: Option<Box<RawValue>>,
    /// When it was last anything else.
    pub(crate) updated: Wall,
    /// When it had its outcome.
    pub(crate) completed: Option<Wall>,
    /// When it was reversed.
    pub(crate) voided: Option<Wall>,
    /// Why, or that it could not be.
    pub(crate) void_reason: Option<&'static str>,
}

/// The reason of a reversal that took place.
pub(crate) const LATE_RECONNECTION: &str = "LATE_RECONNECTION";

impl Transaction {
    /// Where a payment stands.
    pub(crate) fn of(row: &OperationRow, standing: Standing, now: Now) -> Self {
        let accepted = now.wall_at(row.accepted_at);
        let Some((outcome, at)) = &row.outcome else {
            let status = match standing {
                Standing::Held => "AWAITING_RECONNECT",
                Standing::Waiting | Standing::Offered | Standing::Ended => "PENDING",
            };
            let (response, completed, voided, void_reason) = (None, None, None, None);
            return Self { status, response, updated: accepted, completed, voided, void_reason };
        };
        let ended = now.wall_at(*at);
        let answered = Memo::read(&row.memo).map(|memo| answered(&memo, &row.key, outcome, ended));
        let late = row.late.as_ref().and_then(|(body, at)| Some((response(body)?, now.wall_at(*at))));
        let status = match outcome {
            Outcome::Completed { .. } => "COMPLETED",
            Outcome::Declined { .. } | Outcome::Failed { .. } | Outcome::Expired { .. } | Outcome::Cancelled { .. } => {
                match &answered {
                    Some(answered) if answered.status == "CANCELLED" => "CANCELLED",
                    _ => "FAILED",
                }
            }
        };
        let mut transaction = Self {
            status,
            response: answered.map(|answered| answered.response),
            updated: ended,
            completed: Some(ended),
            voided: None,
            void_reason: None,
        };
        if let Some((late, at)) = late {
            transaction.response = Some(late.response);
            transaction.updated = at;
        }
        match &row.compensation {
            Some((_, Some((OutcomeKind::Completed, at)))) => {
                transaction.status = "VOIDED";
                transaction.voided = Some(now.wall_at(*at));
                transaction.void_reason = Some(LATE_RECONNECTION);
                transaction.updated = now.wall_at(*at);
            }
            Some((_, Some((_, at)))) => {
                transaction.void_reason = Some("VOID_UNCONFIRMED");
                transaction.updated = now.wall_at(*at);
            }
            Some((_, None)) => transaction.void_reason = Some("VOID_PENDING"),
            None => {}
        }
        transaction
    }
}
