//! What a terminal sends and hears: a protocol of our own, after the vendor's form.

use bytes::Bytes;
use model::{OutcomeKind, RequestKey, Taken, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::result::LATE_RECONNECTION;
use super::{VERSION, Wrong, instant, json, string, transaction};
use crate::modulus::amount::Amount;

/// What a terminal's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    PaymentResponse,
    PaymentUnknown,
    VoidResult,
    Ping,
    /// The answer to a ping of ours; we send none, but it is a sign of life.
    Pong,
}

impl Action {
    /// The action of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "paymentResponse" => Some(Self::PaymentResponse),
            "paymentUnknown" => Some(Self::PaymentUnknown),
            "voidResult" => Some(Self::VoidResult),
            "ping" => Some(Self::Ping),
            "pong" => Some(Self::Pong),
            _ => None,
        }
    }
}

/// How a terminal says a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    Failed,
    Cancelled,
    Pending,
}

/// A `paymentResponse`.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) key: RequestKey,
    pub(crate) status: Status,
    /// The `PaymentResponse` as the terminal wrote it.
    pub(crate) text: &'a str,
}

/// What was asked for, or paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    amount: Amount,
    currency: Box<str>,
}

/// The transaction a frame names, if that can be told at all.
pub(crate) fn about(text: &str) -> Option<RequestKey> {
    named(text).ok()
}

/// The transaction a frame names.
pub(crate) fn named(text: &str) -> Result<RequestKey, Wrong> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct About<'a> {
        #[serde(borrow)]
        transaction_id: Option<&'a RawValue>,
    }
    let about: About<'_> = serde_json::from_str(text).map_err(|_| Wrong::new("message", "must have every key once"))?;
    transaction(about.transaction_id)
}

/// Reads a `paymentResponse`.
pub(crate) fn response(text: &str) -> Result<Response<'_>, Wrong> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a> {
        #[serde(borrow)]
        payment_response: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields<'a> {
        #[serde(borrow)]
        transaction_id: Option<&'a RawValue>,
        #[serde(borrow)]
        status: Option<&'a RawValue>,
    }
    let key = named(text)?;
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| Wrong::new("message", "must have every key once"))?;
    let inner = frame.payment_response.filter(|inner| inner.get().starts_with('{'));
    let inner = inner.ok_or(Wrong::new("paymentResponse", "must be an object"))?;
    // It is passed on as it stands, so it must be read to its depths: half a character in it would be a till's trouble.
    serde_json::from_str::<serde_json::Value>(inner.get())
        .map_err(|_| Wrong::new("paymentResponse", "must hold whole characters and finite numbers, not too deep"))?;
    let fields: Fields<'_> =
        serde_json::from_str(inner.get()).map_err(|_| Wrong::new("paymentResponse", "must have every key once"))?;
    if fields.transaction_id.is_some() && transaction(fields.transaction_id)? != key {
        return Err(Wrong::new("transactionId", "must be the same in paymentResponse"));
    }
    let status = match fields.status.and_then(string).as_deref() {
        Some("SUCCESS") => Status::Success,
        Some("FAILED") => Status::Failed,
        Some("CANCELLED") => Status::Cancelled,
        Some("PENDING") => Status::Pending,
        Some(_) | None => return Err(Wrong::new("status", "must be SUCCESS, FAILED, CANCELLED or PENDING")),
    };
    let money = money(inner.get())?;
    if money.is_none() && status == Status::Success {
        return Err(Wrong::new("amount", "and currency are required with a SUCCESS"));
    }
    Ok(Response { key, status, text: inner.get() })
}

/// The amount and currency of a request or a response; none where both are missing.
fn money(text: &str) -> Result<Option<Money>, Wrong> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        amount: Option<&'a RawValue>,
        #[serde(borrow)]
        currency: Option<&'a RawValue>,
    }
    let fields: Fields<'_> =
        serde_json::from_str(text).map_err(|_| Wrong::new("paymentResponse", "must have every key once"))?;
    match (fields.amount, fields.currency) {
        (None, None) => Ok(None),
        (Some(amount), Some(currency)) => {
            let amount = Amount::read(amount).map_err(|bad| Wrong::new("amount", bad))?;
            let currency = string(currency).ok_or(Wrong::new("currency", "must be a text"))?;
            Ok(Some(Money { amount, currency: currency.into() }))
        }
        _ => Err(Wrong::new("amount", "and currency belong together")),
    }
}

/// Whether the money a terminal says it took is what was asked for, however the two are written.
pub(crate) fn fits(memo: &[u8], paid: &[u8]) -> bool {
    let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| money(text).ok().flatten());
    read(memo) == read(paid)
}

/// A `voidResult`: which payment, whether it is reversed, and the result as the terminal wrote it.
pub(crate) fn void_result(text: &str) -> Result<(RequestKey, bool), Wrong> {
    #[derive(Deserialize)]
    struct Fields {
        success: Option<bool>,
    }
    let key = named(text)?;
    let fields: Fields = serde_json::from_str(text).map_err(|_| Wrong::new("success", "must be true or false"))?;
    Ok((key, fields.success.ok_or(Wrong::new("success", "is required"))?))
}

/// Asks for a payment, or what became of it.
pub(crate) fn payment(
    inquiry: bool,
    terminal: &str,
    key: &RequestKey,
    request: &[u8],
    group: &str,
    wall: Wall,
) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        terminal_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        transaction_id: Option<&'a str>,
        payment_request: Option<&'a RawValue>,
        timestamp: String,
        group_id: &'a str,
        version: &'static str,
    }
    json(&Message {
        action: if inquiry { "paymentInquiry" } else { "payment" },
        terminal_id: terminal,
        transaction_id: inquiry.then(|| key.as_str()),
        payment_request: serde_json::from_slice(request).ok(),
        timestamp: instant(wall),
        group_id: group,
        version: VERSION,
    })
}

/// Asks for the reversal of a payment.
pub(crate) fn void(terminal: &str, key: &RequestKey, group: &str, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        terminal_id: &'a str,
        transaction_id: &'a str,
        reason: &'static str,
        timestamp: String,
        group_id: &'a str,
        version: &'static str,
    }
    json(&Message {
        action: "voidPayment",
        terminal_id: terminal,
        transaction_id: key.as_str(),
        reason: LATE_RECONNECTION,
        timestamp: instant(wall),
        group_id: group,
        version: VERSION,
    })
}

/// What became of an answer.
pub(crate) fn ack(key: &RequestKey, result: &str, message: Option<&str>, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        transaction_id: &'a str,
        result: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        timestamp: String,
    }
    let transaction_id = key.as_str();
    json(&Message { action: "paymentAck", transaction_id, result, message, timestamp: instant(wall) })
}

/// The word for what became of an answer.
pub(crate) const fn taken(taken: Taken) -> &'static str {
    match taken {
        Taken::Ended(_) => "accepted",
        Taken::Noted | Taken::Again | Taken::Deciding => "pending",
        Taken::Late(Some(_)) => "late",
        Taken::Late(None) => "unknown",
        Taken::NotYours | Taken::Contradicts => "rejected",
    }
}

/// A payment that was on this terminal has ended without it.
pub(crate) fn closed(key: &RequestKey, how: OutcomeKind, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        transaction_id: &'a str,
        status: &'static str,
        timestamp: String,
    }
    let status = match how {
        OutcomeKind::Completed => "SUCCESS",
        OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::Expired => "FAILED",
        OutcomeKind::Cancelled => "CANCELLED",
    };
    json(&Message { action: "paymentClosed", transaction_id: key.as_str(), status, timestamp: instant(wall) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(inner: &str) -> String {
        format!(r#"{{"action":"paymentResponse","transactionId":"t-1","paymentResponse":{inner}}}"#)
    }

    #[test]
    fn a_result_says_what_was_paid() {
        let text = frame(r#"{"transactionId":"t-1","status":"SUCCESS","amount":"10.00","currency":"PHP"}"#);
        let told = response(&text).unwrap();
        assert_eq!((told.key.as_str(), told.status), ("t-1", Status::Success));
        let fits = |asked: &str| fits(asked.as_bytes(), told.text.as_bytes());
        assert!(fits(r#"{"amount":10,"currency":"PHP"}"#));
        for other in [r#"{"amount":"10.01","currency":"PHP"}"#, r#"{"amount":"10.00","currency":"USD"}"#, "{}"] {
            assert!(!fits(other), "{other}");
        }
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        for (inner, field) in [
            ("[]", "paymentResponse"),
            ("null", "paymentResponse"),
            (r#"{"status":"FAILED","receiptData":"\ud800"}"#, "paymentResponse"),
            (r#"{"status":"MAYBE"}"#, "status"),
            (r#"{"amount":"1","currency":"PHP"}"#, "status"),
            (r#"{"status":"SUCCESS"}"#, "amount"),
            (r#"{"status":"SUCCESS","amount":"1"}"#, "amount"),
            (r#"{"status":"SUCCESS","amount":"-1","currency":"PHP"}"#, "amount"),
            (r#"{"status":"FAILED","transactionId":"t-2"}"#, "transactionId"),
        ] {
            assert_eq!(response(&frame(inner)).unwrap_err().field, field, "{inner}");
        }
        assert_eq!(void_result(r#"{"transactionId":"t"}"#).unwrap_err().field, "success");
        assert_eq!(void_result(r#"{"transactionId":"t","success":"yes"}"#).unwrap_err().field, "success");
        assert!(void_result(r#"{"transactionId":"t","success":true}"#).unwrap().1);
    }
}
