//! Modulus as the load speaks it: a key shown at the door, frames to send, and what a frame that came means.

use super::words::{Word, between, frame, number_of};

/// What a key opens, whoever's it is.
pub(super) const PATH: &str = dialects::modulus::PATH;

/// The headers a till shows its key in.
pub(super) fn till_headers(key: &str) -> String {
    format!("x-api-key: {key}\r\n")
}

/// The headers a terminal shows its key and its name in.
pub(super) fn terminal_headers(device: &str, key: &str) -> String {
    format!("x-api-key: {key}\r\nx-device-id: {device}\r\n")
}

pub(super) fn ping() -> Vec<u8> {
    frame(r#"{"action":"ping"}"#)
}

/// A payment for a terminal.
pub(super) fn payment(terminal: &str, id: &str) -> Vec<u8> {
    frame(&format!(
        r#"{{"action":"payment","terminalId":"{terminal}","paymentRequest":{{"transactionId":"{id}",{MONEY},"metadata":{{"check":"K-118"}}}}}}"#
    ))
}

/// The terminal's answer: paid.
pub(super) fn response(id: &str) -> Vec<u8> {
    frame(&format!(
        r#"{{"action":"paymentResponse","transactionId":"{id}","paymentResponse":{{"transactionId":"{id}","status":"SUCCESS",{MONEY},"authorizationCode":"77Q2LM"}}}}"#
    ))
}

/// What is asked for, and paid.
const MONEY: &str = r#""amount":"1250.00","currency":"PHP","paymentMethod":"CARD""#;

/// A message of so many bytes that is answered with one error.
pub(super) fn large(bytes: usize) -> Vec<u8> {
    frame(&format!(r#"{{"action":"load","padding":"{}"}}"#, "x".repeat(bytes.saturating_sub(30))))
}

/// What a text means.
pub(super) fn word(text: &str) -> Word {
    let action = between(text, r#""action":""#, '"').unwrap_or_default();
    let number = || between(text, r#""transactionId":""#, '"').and_then(number_of);
    match (action, number()) {
        ("pong", _) => Word::Pong,
        ("payment", Some(number)) => Word::Offer(number),
        ("paymentComplete", Some(number)) if text.contains(r#""status":"SUCCESS""#) => Word::Outcome(number),
        ("paymentComplete", Some(number)) => Word::Refused(number, None),
        ("error", Some(number)) => Word::Refused(number, status_of(text)),
        ("paymentAck", _) => Word::Taken,
        ("error", None) => Word::Error,
        _ => Word::Other,
    }
}

fn status_of(text: &str) -> Option<u16> {
    between(text, r#""statusCode":"#, ',')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_understood() {
        let table = [
            (r#"{"action":"pong","timestamp":"2031-03-04T05:10:00.000Z"}"#, Word::Pong),
            (
                r#"{"action":"payment","terminalId":"lane-1","paymentRequest":{"transactionId":"load-5-17"}}"#,
                Word::Offer(17),
            ),
            (r#"{"action":"paymentComplete","transactionId":"load-5-9","status":"SUCCESS"}"#, Word::Outcome(9)),
            (r#"{"action":"paymentComplete","transactionId":"load-5-9","status":"FAILED"}"#, Word::Refused(9, None)),
            (
                r#"{"action":"error","error":"Conflict","statusCode":409,"transactionId":"load-5-9"}"#,
                Word::Refused(9, Some(409)),
            ),
            (r#"{"action":"error","error":"Bad Request","transactionId":null}"#, Word::Error),
            (r#"{"action":"paymentAck","transactionId":"load-5-9","result":"accepted"}"#, Word::Taken),
            (r#"{"action":"terminalStatusUpdate","terminalId":"lane-1","status":"connected"}"#, Word::Other),
            ("[]", Word::Other),
        ];
        for (text, expected) in table {
            assert_eq!(word(text), expected, "{text}");
        }
    }

    #[test]
    fn a_large_message_is_as_large_as_was_asked() {
        assert_eq!(large(60_000).len(), 60_000 + 8);
    }
}
