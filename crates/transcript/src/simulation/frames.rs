//! Modulus' frames as peers write and read them; no code is shared with what is under test.

use std::collections::BTreeMap;

use crate::json::{Json, Speech};

pub(crate) fn read(text: &[u8]) -> Option<Json> {
    Json::parse(std::str::from_utf8(text).ok()?, Speech::Wire).ok()
}

pub(crate) fn text<'a>(json: &'a Json, key: &str) -> Option<&'a str> {
    match json.get(key) {
        Some(Json::Text(text)) => Some(text),
        _ => None,
    }
}

/// The transaction a frame is about.
pub(crate) fn transaction(frame: &Json) -> Option<&str> {
    text(frame, "transactionId").or_else(|| text(frame.get("paymentRequest")?, "transactionId"))
}

pub(crate) fn plain(action: &str) -> String {
    format!(r#"{{"action":"{action}"}}"#)
}

pub(crate) fn named(action: &str, id: &str) -> String {
    format!(r#"{{"action":"{action}","transactionId":"{id}"}}"#)
}

pub(crate) fn payment(id: &str, terminal: &str, amount: &str) -> String {
    format!(r#"{{"action":"payment","terminalId":"{terminal}","paymentRequest":{}}}"#, request(id, amount))
}

pub(crate) fn request(id: &str, amount: &str) -> String {
    format!(r#"{{"transactionId":"{id}","amount":"{amount}","currency":"PHP","paymentMethod":"CARD"}}"#)
}

pub(crate) fn response(id: &str, status: &str, amount: &str) -> String {
    format!(
        r#"{{"action":"paymentResponse","transactionId":"{id}","paymentResponse":{{"transactionId":"{id}","status":"{status}","amount":"{amount}","currency":"PHP","paymentMethod":"CARD"}}}}"#
    )
}

pub(crate) fn void_result(id: &str, success: bool) -> String {
    format!(r#"{{"action":"voidResult","transactionId":"{id}","success":{success}}}"#)
}

/// The amount in a `payment` as a till wrote it.
pub(crate) fn amount_of(frame: &str) -> Option<String> {
    let frame = read(frame.as_bytes())?;
    text(frame.get("paymentRequest")?, "amount").map(str::to_owned)
}

/// An outcome without when it was printed.
pub(crate) fn outcome(frame: &Json) -> String {
    let response = frame.get("paymentResponse");
    let inner = |key| response.and_then(|response| text(response, key)).unwrap_or("-");
    let status = text(frame, "status").unwrap_or("-");
    format!("{status} {} {} {}", inner("status"), inner("amount"), inner("errorCode"))
}

/// The terminals of a list: name, state, and the number that a simulated terminal says of itself.
pub(crate) fn listed(frame: &Json) -> BTreeMap<String, (String, Option<usize>)> {
    let Some(Json::Array(terminals)) = frame.get("terminals") else { return BTreeMap::new() };
    let entry = |terminal: &Json| {
        let number = match terminal.get("metadata").and_then(|metadata| metadata.get("n")) {
            Some(Json::Number(number)) => number.parse().ok(),
            _ => None,
        };
        Some((text(terminal, "terminalId")?.to_owned(), (text(terminal, "status")?.to_owned(), number)))
    };
    terminals.iter().filter_map(entry).collect()
}
