//! What an application asks of Modulus and hears from it: payments and their outcomes, terminals, transactions.

use std::fmt;

use model::Wall;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use model::RequestKey as TransactionId;

use super::{codes, wire};
use crate::link::NotSent;
use crate::machine::Text;
use crate::problem::Problem;

/// How a customer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A card.
    Card,
    /// Cash.
    Cash,
    /// A telephone.
    Mobile,
    /// Something else.
    Other,
}

impl Method {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Card => "CARD",
            Self::Cash => "CASH",
            Self::Mobile => "MOBILE",
            Self::Other => "OTHER",
        }
    }

    /// Reads the word, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Card, Self::Cash, Self::Mobile, Self::Other]
            .into_iter()
            .find(|method| method.name().eq_ignore_ascii_case(text))
    }
}

/// What a customer is to pay. The amount is a text in major units and goes out as it is written here.
///
/// ```
/// use client::modulus::{Method, PaymentRequest};
///
/// let request = PaymentRequest::new("1250.00", "PHP").method(Method::Cash);
/// assert_eq!(request.to_string(), r#"{"amount":"1250.00","currency":"PHP","paymentMethod":"CASH"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRequest {
    fields: Map<String, Value>,
}

impl PaymentRequest {
    /// A payment by card.
    #[must_use]
    pub fn new(amount: &str, currency: &str) -> Self {
        Self { fields: Map::new() }.with("amount", amount).with("currency", currency).method(Method::Card)
    }

    /// Paid another way.
    #[must_use]
    pub fn method(self, method: Method) -> Self {
        self.with("paymentMethod", method.name())
    }

    /// Any other key of the vendor's pages, such as `metadata`. A second value for a key replaces the first; a
    /// `transactionId` is replaced by the one the payment is asked under.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    /// The whole request, under that id.
    pub(super) fn under(&self, transaction_id: &TransactionId) -> Map<String, Value> {
        self.clone().with("transactionId", transaction_id.as_str()).fields
    }
}

/// As it stands in the frame, but for its id.
impl fmt::Display for PaymentRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Value::Object(self.fields.clone()), f)
    }
}

/// How a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is paid.
    Success,
    /// It is not, and will not be.
    Failed,
    /// The customer or the clerk did not want to.
    Cancelled,
    /// It is on the terminal.
    Pending,
    /// It was on the terminal when that was lost; the gateway waits for it.
    AwaitingReconnect,
    /// It was paid too late, and given back.
    Voided,
}

impl Status {
    /// The word on the wire, as a terminal and a till's frame have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Pending => "PENDING",
            Self::AwaitingReconnect => "AWAITING_RECONNECT",
            Self::Voided => "VOIDED",
        }
    }

    /// Reads the word; a looked-up transaction says `COMPLETED` where a result says `SUCCESS`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "SUCCESS" | "COMPLETED" => Some(Self::Success),
            "FAILED" => Some(Self::Failed),
            "CANCELLED" => Some(Self::Cancelled),
            "PENDING" => Some(Self::Pending),
            "AWAITING_RECONNECT" => Some(Self::AwaitingReconnect),
            "VOIDED" => Some(Self::Voided),
            _ => None,
        }
    }

    /// Whether nothing more is to be waited for. A failure may still be voided, when its terminal comes back with a
    /// success.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Success | Self::Failed | Self::Cancelled | Self::Voided => true,
            Self::Pending | Self::AwaitingReconnect => false,
        }
    }
}

/// What became of a payment, or how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Which one.
    pub transaction_id: TransactionId,
    /// How it stands.
    pub status: Status,
    /// On which terminal, where the gateway says so.
    pub terminal_id: Option<String>,
    /// What the terminal reported, or the gateway for it.
    pub response: Option<PaymentResponse>,
    /// Why it was given back.
    pub void_reason: Option<String>,
    /// The whole message as the gateway wrote it.
    pub json: String,
}

/// What a terminal reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentResponse {
    /// How it ended.
    pub status: Status,
    /// How much, as it was written.
    pub amount: Option<String>,
    /// Of which currency.
    pub currency: Option<String>,
    /// How it was paid.
    pub payment_method: Option<String>,
    /// The processor's word for a success.
    pub authorization_code: Option<String>,
    /// The processor's word for a failure, open-ended.
    pub error_code: Option<String>,
    /// The same for people.
    pub error_message: Option<String>,
    /// When.
    pub timestamp: Option<String>,
    /// The whole response as it was written.
    pub json: String,
}

/// A late success was given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voided {
    /// Which payment.
    pub transaction_id: TransactionId,
    /// On which terminal.
    pub terminal_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Option<String>,
    /// The whole message as the gateway wrote it.
    pub json: String,
}

/// A terminal of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalInfo {
    /// What payments name: its device id, or else its connection's.
    pub terminal_id: String,
    /// Its connection; another after every reconnect.
    pub connection_id: Option<String>,
    /// Its own name, the same after a reconnect.
    pub device_id: Option<String>,
    /// `online`, `reconnecting` or `offline`.
    pub status: String,
    /// The terminal as the gateway wrote it.
    pub json: String,
}

/// A terminal came, went, or is being waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalChange {
    /// Which one.
    pub terminal_id: String,
    /// Its own name, if it has one and it is said.
    pub device_id: Option<String>,
    /// `connected`, `reconnecting` or `disconnected`.
    pub status: String,
}

/// Why something that was asked has no answer. It says whether asking anew, under another id, is safe. Under the same
/// id it always is.
///
/// ```
/// use client::NotSent;
/// use client::modulus::Failure;
///
/// assert!(Failure::from(NotSent::Expired).is_safe_to_retry());
/// assert!(!Failure::NoAnswer.is_safe_to_retry(), "it may have been paid: look the transaction up");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It never left: asking again is safe.
    #[error("not sent: {0}")]
    NotSent(#[from] NotSent),
    /// The gateway refused it. Where it says that the id was used for another payment, that one may have been paid.
    #[error("refused: {0}")]
    Refused(Problem),
    /// The connection was lost, and the gateway refused it when it was asked for again. The first time may have
    /// reached it: look the transaction up.
    #[error("refused when it was asked for again: {0}")]
    RefusedAgain(Problem),
    /// No answer came in time: look the transaction up. An answer that still comes is told as an event.
    #[error("no answer came in time, the outcome is unknown")]
    NoAnswer,
    /// The connection ended for good while the answer was awaited: look the transaction up.
    #[error("the connection ended for good, the outcome is unknown")]
    Closed,
}

impl Failure {
    /// Whether it is certain that nothing was or will be paid, so that asking under another id cannot do it twice.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::NotSent(_) => true,
            Self::Refused(problem) => codes::is_certain(problem),
            Self::RefusedAgain(_) | Self::NoAnswer | Self::Closed => false,
        }
    }
}

/// A payment as a terminal is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Which one.
    pub transaction_id: TransactionId,
    /// How much, as JSON and as it was written: with quotes if it was a text.
    pub amount: String,
    /// Of which currency.
    pub currency: String,
    /// How it is to be paid.
    pub payment_method: String,
    /// What the till wants back with the result, as JSON.
    pub metadata: Option<String>,
    /// The whole request as JSON.
    pub request: String,
}

impl Offer {
    /// The amount without quotes.
    #[must_use]
    pub fn amount_text(&self) -> &str {
        self.amount.trim_matches('"')
    }
}

/// What a terminal says became of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    #[serde(serialize_with = "as_text")]
    pub(super) transaction_id: TransactionId,
    pub(super) status: &'static str,
    #[serde(serialize_with = "as_json")]
    pub(super) amount: String,
    pub(super) currency: String,
    pub(super) payment_method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authorization_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receipt_data: Option<String>,
    pub(super) timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_json_too")]
    pub(super) metadata: Option<String>,
}

impl Report {
    /// Which payment it is about.
    #[must_use]
    pub fn transaction_id(&self) -> &TransactionId {
        &self.transaction_id
    }

    /// The whole frame, for whoever sends it past the machine, as a terminal does that says things twice.
    #[must_use]
    pub fn frame(&self) -> Text {
        wire::payment_response(&self.transaction_id, self)
    }

    /// Reads what [`Report::frame`] gave, from wherever it was kept meanwhile; none where it is anything else.
    #[must_use]
    pub fn of_frame(frame: &str) -> Option<Self> {
        wire::read_report(frame).ok()
    }

    /// It is paid.
    #[must_use]
    pub fn approved(offer: &Offer, authorization_code: &str, now: Wall) -> Self {
        let authorization_code = Some(authorization_code.to_owned());
        Self { authorization_code, ..Self::of(offer, Status::Success, now) }
    }

    /// It is not, for this reason.
    #[must_use]
    pub fn declined(offer: &Offer, error_code: &str, error_message: &str, now: Wall) -> Self {
        Self {
            error_code: Some(error_code.to_owned()),
            error_message: Some(error_message.to_owned()),
            ..Self::of(offer, Status::Failed, now)
        }
    }

    /// The customer did not want to.
    #[must_use]
    pub fn cancelled(offer: &Offer, now: Wall) -> Self {
        Self::of(offer, Status::Cancelled, now)
    }

    /// Another amount than was asked for; a number in JSON, or a text with its quotes. What is neither is sent as a
    /// text.
    #[must_use]
    pub fn amount(mut self, json: &str) -> Self {
        self.amount = match serde_json::from_str::<Value>(json) {
            Ok(Value::Number(_) | Value::String(_)) => json.to_owned(),
            Ok(_) | Err(_) => Value::from(json).to_string(),
        };
        self
    }

    /// With what the processor prints.
    #[must_use]
    pub fn receipt(mut self, data: &str) -> Self {
        self.receipt_data = Some(data.to_owned());
        self
    }

    pub(super) fn pending(offer: &Offer, now: Wall) -> Self {
        Self::of(offer, Status::Pending, now)
    }

    fn of(offer: &Offer, status: Status, now: Wall) -> Self {
        Self {
            transaction_id: offer.transaction_id.clone(),
            status: status.name(),
            amount: offer.amount.clone(),
            currency: offer.currency.clone(),
            payment_method: offer.payment_method.clone(),
            authorization_code: None,
            error_code: None,
            error_message: None,
            receipt_data: None,
            timestamp: now.with_millis(),
            metadata: offer.metadata.clone(),
        }
    }
}

fn as_text<S: Serializer>(id: &TransactionId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

fn as_json<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    RawValue::from_string(json.to_owned()).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

#[expect(clippy::ref_option, reason = "serde hands over the field as it stands")]
fn as_json_too<S: Serializer>(json: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    as_json(json.as_deref().unwrap_or("null"), serializer)
}

/// What a gateway made of a terminal's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// It is the outcome.
    Accepted,
    /// The payment had ended already; the result is kept beside it.
    Late,
    /// It is being worked on, or is no end yet.
    Pending,
    /// It cannot be right: another is awaited.
    Rejected,
    /// The gateway knows no such payment of this terminal.
    Unknown,
}

impl Ack {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Late => "late",
            Self::Pending => "pending",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Accepted, Self::Late, Self::Pending, Self::Rejected, Self::Unknown]
            .into_iter()
            .find(|ack| ack.name() == text)
    }
}
