//! Messages as Modulus writes them: what we print, and every form of what a gateway may say. No decisions.
//!
//! A result is taken from `paymentResponse`, else `response`, else `payment`, else from the message itself; the id of a
//! transaction from the message, else from the result in it. An error is what says so, what has a text under `error`,
//! and what has a `message` and no action this client knows.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::types::{
    Ack, Offer, Payment, PaymentResponse, Report, Status, TerminalChange, TerminalInfo, TransactionId, Voided,
};
use crate::machine::Text;
use crate::problem::Problem;

/// The heartbeat at the level the vendor documents.
pub(super) const PING: &str = r#"{"action":"ping"}"#;

/// Asks for the terminals of the group.
pub(super) const GET_TERMINALS: &str = r#"{"action":"getTerminals"}"#;

// --- what we print -------------------------------------------------------------------------------------------------

pub(super) fn payment(terminal_id: &str, request: &Map<String, Value>) -> Text {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a> {
        action: &'static str,
        terminal_id: &'a str,
        payment_request: &'a Map<String, Value>,
    }
    print(&Frame { action: "payment", terminal_id, payment_request: request })
}

pub(super) fn payment_response(transaction_id: &TransactionId, report: &Report) -> Text {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a> {
        action: &'static str,
        transaction_id: &'a str,
        payment_response: &'a Report,
    }
    let transaction_id = transaction_id.as_str();
    print(&Frame { action: "paymentResponse", transaction_id, payment_response: report })
}

pub(super) fn payment_unknown(transaction_id: &TransactionId) -> Text {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a> {
        action: &'static str,
        transaction_id: &'a str,
    }
    print(&Frame { action: "paymentUnknown", transaction_id: transaction_id.as_str() })
}

pub(super) fn void_result(transaction_id: &TransactionId, success: bool, message: Option<&str>) -> Text {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a> {
        action: &'static str,
        transaction_id: &'a str,
        success: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    print(&Frame { action: "voidResult", transaction_id: transaction_id.as_str(), success, message })
}

fn print(frame: &impl Serialize) -> Text {
    Text::new(serde_json::to_string(frame).expect("a struct of texts and JSON always prints"))
}

// --- what a gateway says -------------------------------------------------------------------------------------------

/// One message from the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Pong,
    Terminals(Vec<TerminalInfo>),
    TerminalStatus(TerminalChange),
    Complete(Box<Payment>),
    Voided(Box<Voided>),
    ForceDisconnect {
        reason: String,
        problem: Problem,
    },
    Error(Complaint),
    Offer(Box<Offer>),
    Inquiry(Box<Offer>),
    Void {
        transaction_id: TransactionId,
        reason: String,
    },
    Ack {
        transaction_id: TransactionId,
        ack: Ack,
        message: Option<String>,
    },
    Closed {
        transaction_id: TransactionId,
        status: Option<Status>,
    },
    /// An action this client does not know.
    Unknown(String),
}

/// An error, and what it says it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) transaction_id: Option<TransactionId>,
    pub(super) request_action: Option<String>,
    pub(super) problem: Problem,
}

/// A frame that is not a JSON object, or lacks what its action needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<serde_json::Error> for Malformed {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

/// Every key that is read anywhere, unread.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields<'a> {
    #[serde(borrow)]
    action: Raw<'a>,
    amount: Raw<'a>,
    authorization_code: Raw<'a>,
    code: Raw<'a>,
    connection_id: Raw<'a>,
    currency: Raw<'a>,
    device_id: Raw<'a>,
    error: Raw<'a>,
    error_code: Raw<'a>,
    error_message: Raw<'a>,
    message: Raw<'a>,
    metadata: Raw<'a>,
    payment: Raw<'a>,
    payment_method: Raw<'a>,
    payment_request: Raw<'a>,
    payment_response: Raw<'a>,
    reason: Raw<'a>,
    receipt_data: Raw<'a>,
    request_action: Raw<'a>,
    response: Raw<'a>,
    result: Raw<'a>,
    status: Raw<'a>,
    terminal_id: Raw<'a>,
    terminals: Raw<'a>,
    timestamp: Raw<'a>,
    transaction_id: Raw<'a>,
    void_reason: Raw<'a>,
    voided_at: Raw<'a>,
}

type Raw<'a> = Option<&'a RawValue>;

impl Incoming {
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        let fields = fields(text)?;
        if string(fields.error).is_some() {
            return Ok(Self::Error(complaint(text, &fields)));
        }
        let Some(action) = string(fields.action) else {
            return if fields.message.is_some() { Ok(Self::Error(complaint(text, &fields))) } else { Err(Malformed) };
        };
        match &*action {
            "pong" => Ok(Self::Pong),
            "terminalsResponse" => Ok(Self::Terminals(terminals(fields.terminals)?)),
            "terminalStatusUpdate" => Ok(Self::TerminalStatus(TerminalChange {
                terminal_id: owned(fields.terminal_id).or_else(|| owned(fields.device_id)).ok_or(Malformed)?,
                device_id: owned(fields.device_id),
                status: owned(fields.status).ok_or(Malformed)?,
            })),
            "paymentComplete" => Ok(Self::Complete(Box::new(outcome(text, &fields)?))),
            "paymentVoided" => Ok(Self::Voided(Box::new(Voided {
                transaction_id: id(&fields)?,
                terminal_id: owned(fields.terminal_id),
                reason: owned(fields.void_reason).or_else(|| owned(fields.reason)),
                at: owned(fields.voided_at).or_else(|| owned(fields.timestamp)),
                json: text.to_owned(),
            }))),
            "forceDisconnect" => {
                let reason = owned(fields.reason).unwrap_or_default();
                let text = owned(fields.message).unwrap_or_default();
                let code = Some(reason.clone()).filter(|reason| !reason.is_empty());
                Ok(Self::ForceDisconnect { reason, problem: Problem::new(code, text) })
            }
            "error" => Ok(Self::Error(complaint(text, &fields))),
            "payment" => Ok(Self::Offer(Box::new(offer(&fields)?))),
            "paymentInquiry" => Ok(Self::Inquiry(Box::new(offer(&fields)?))),
            "voidPayment" => {
                Ok(Self::Void { transaction_id: id(&fields)?, reason: owned(fields.reason).unwrap_or_default() })
            }
            "paymentAck" => Ok(Self::Ack {
                transaction_id: id(&fields)?,
                ack: string(fields.result).as_deref().and_then(Ack::parse).ok_or(Malformed)?,
                message: owned(fields.message),
            }),
            "paymentClosed" => Ok(Self::Closed {
                transaction_id: id(&fields)?,
                status: string(fields.status).as_deref().and_then(Status::parse),
            }),
            _ if fields.message.is_some() => Ok(Self::Error(complaint(text, &fields))),
            unknown => Ok(Self::Unknown(unknown.to_owned())),
        }
    }
}

/// What became of a payment, as a frame or the body of a response says it; also a looked-up transaction.
pub(super) fn read_payment(text: &str) -> Result<Payment, Malformed> {
    outcome(text, &fields(text)?)
}

/// The terminals in the body of a response.
pub(super) fn read_terminals(text: &str) -> Result<Vec<TerminalInfo>, Malformed> {
    terminals(fields(text)?.terminals)
}

/// The payment the body of a refusal is about.
pub(super) fn read_refused(text: &str) -> Option<TransactionId> {
    id(&fields(text).ok()?).ok()
}

fn fields(text: &str) -> Result<Fields<'_>, Malformed> {
    if !text.trim_start().starts_with('{') {
        // A struct can be read from an array too.
        return Err(Malformed);
    }
    Ok(serde_json::from_str(text)?)
}

fn outcome(text: &str, fields: &Fields<'_>) -> Result<Payment, Malformed> {
    let nested = [fields.payment_response, fields.response, fields.payment].into_iter().find_map(object);
    let response = response(nested.unwrap_or(text)).ok();
    let said = string(fields.status).as_deref().and_then(Status::parse);
    Ok(Payment {
        transaction_id: id(fields)?,
        status: said.or(response.as_ref().map(|response| response.status)).ok_or(Malformed)?,
        terminal_id: owned(fields.terminal_id).or_else(|| owned(fields.device_id)),
        response: response.filter(|_| nested.is_some() || fields.amount.is_some()),
        void_reason: owned(fields.void_reason),
        json: text.to_owned(),
    })
}

fn response(text: &str) -> Result<PaymentResponse, Malformed> {
    let fields = fields(text)?;
    Ok(PaymentResponse {
        status: string(fields.status).as_deref().and_then(Status::parse).ok_or(Malformed)?,
        amount: fields
            .amount
            .map(|amount| string(Some(amount)).map_or_else(|| amount.get().to_owned(), Cow::into_owned)),
        currency: owned(fields.currency),
        payment_method: owned(fields.payment_method),
        authorization_code: owned(fields.authorization_code),
        error_code: owned(fields.error_code),
        error_message: owned(fields.error_message),
        timestamp: owned(fields.timestamp),
        json: text.to_owned(),
    })
}

/// A terminal's result, as its own frame has it.
pub(super) fn read_report(text: &str) -> Result<Report, Malformed> {
    let frame = fields(text)?;
    let inner = self::fields(object(frame.payment_response).ok_or(Malformed)?)?;
    Ok(Report {
        transaction_id: id(&frame)?,
        status: string(inner.status).as_deref().and_then(Status::parse).ok_or(Malformed)?.name(),
        amount: inner.amount.ok_or(Malformed)?.get().to_owned(),
        currency: owned(inner.currency).ok_or(Malformed)?,
        payment_method: owned(inner.payment_method).ok_or(Malformed)?,
        authorization_code: owned(inner.authorization_code),
        error_code: owned(inner.error_code),
        error_message: owned(inner.error_message),
        receipt_data: owned(inner.receipt_data),
        timestamp: owned(inner.timestamp).ok_or(Malformed)?,
        metadata: object(inner.metadata).map(str::to_owned),
    })
}

fn offer(fields: &Fields<'_>) -> Result<Offer, Malformed> {
    let request = object(fields.payment_request).ok_or(Malformed)?;
    let inner = self::fields(request)?;
    Ok(Offer {
        transaction_id: id(fields).or_else(|_| id(&inner))?,
        amount: inner.amount.ok_or(Malformed)?.get().to_owned(),
        currency: owned(inner.currency).ok_or(Malformed)?,
        payment_method: owned(inner.payment_method).ok_or(Malformed)?,
        metadata: object(inner.metadata).map(str::to_owned),
        request: request.to_owned(),
    })
}

fn terminals(list: Raw<'_>) -> Result<Vec<TerminalInfo>, Malformed> {
    let list: Vec<&RawValue> = serde_json::from_str(list.ok_or(Malformed)?.get())?;
    list.into_iter().map(terminal).collect()
}

fn terminal(raw: &RawValue) -> Result<TerminalInfo, Malformed> {
    let fields = fields(raw.get())?;
    let (device_id, connection_id) = (owned(fields.device_id), owned(fields.connection_id));
    Ok(TerminalInfo {
        terminal_id: owned(fields.terminal_id)
            .or_else(|| device_id.clone())
            .or_else(|| connection_id.clone())
            .ok_or(Malformed)?,
        connection_id,
        device_id,
        status: owned(fields.status).unwrap_or_else(|| "online".to_owned()),
        json: raw.get().to_owned(),
    })
}

fn complaint(text: &str, fields: &Fields<'_>) -> Complaint {
    Complaint {
        transaction_id: id(fields).ok(),
        request_action: owned(fields.request_action),
        problem: Problem::of_body(text),
    }
}

/// The transaction a message is about: said by it, or by the result in it.
fn id(fields: &Fields<'_>) -> Result<TransactionId, Malformed> {
    let read = |raw| string(raw).and_then(|text| TransactionId::parse(&text).ok());
    let within = |raw| self::fields(object(raw)?).ok().and_then(|inner| read(inner.transaction_id));
    read(fields.transaction_id)
        .or_else(|| [fields.payment_response, fields.response, fields.payment].into_iter().find_map(within))
        .ok_or(Malformed)
}

fn object(raw: Raw<'_>) -> Option<&str> {
    raw.map(RawValue::get).filter(|text| text.starts_with('{'))
}

/// The text a value is; none for anything else.
fn string(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Written<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(raw?.get()).ok().map(|Written(text)| text)
}

fn owned(raw: Raw<'_>) -> Option<String> {
    string(raw).map(Cow::into_owned)
}
