//! BOOP as the load speaks it: frames to send, and what a frame that came means, without keeping it.

use super::words::{Word, between, frame, number_of};

/// What a vendor's key opens.
pub(super) const VENDOR_PATH: &str = dialects::boop::VENDOR_PATH;
/// What a scanner's key opens.
pub(super) const SCANNER_PATH: &str = dialects::boop::SCANNER_PATH;

pub(super) fn ping() -> Vec<u8> {
    frame(r#"{"type":"ping"}"#)
}

pub(super) fn vendor_login(vendor: &str, key: &str) -> Vec<u8> {
    frame(&serde_json::json!({"type": "authenticate", "vendor_id": vendor, "api_key": key}).to_string())
}

pub(super) fn scanner_login(device: &str, key: &str) -> Vec<u8> {
    frame(&serde_json::json!({"type": "authenticate", "device_id": device, "device_key": key}).to_string())
}

/// A context that costs nobody anything.
pub(super) fn create(id: &str) -> Vec<u8> {
    frame(&format!(
        r#"{{"type":"create_context","context_id":"{id}","requirements":{{"type":"entrance","attributes":[]}}}}"#
    ))
}

pub(super) fn cancel(id: &str) -> Vec<u8> {
    frame(&format!(r#"{{"type":"cancel_context","context_id":"{id}"}}"#))
}

/// A palm nobody is registered with: decided, stored and answered like any other.
pub(super) fn scan(id: &str) -> Vec<u8> {
    frame(&format!(
        r#"{{"type":"scan_result","context_id":"{id}","outcome":"captured","template":"bG9hZA==","palm_side":"left"}}"#
    ))
}

/// A message of so many bytes that is answered with one error.
pub(super) fn large(bytes: usize) -> Vec<u8> {
    frame(&format!(r#"{{"type":"load","padding":"{}"}}"#, "x".repeat(bytes.saturating_sub(28))))
}

/// What a text means.
pub(super) fn word(text: &str) -> Word {
    if text == r#"{"type":"pong"}"# {
        return Word::Pong;
    }
    let kind = between(text, r#""type":""#, '"').unwrap_or_default();
    let number = || between(text, r#""context_id":""#, '"').and_then(number_of);
    match (kind, number()) {
        ("pong", _) => Word::Pong,
        ("authenticated", _) => Word::Authenticated,
        ("context_open", Some(number)) => Word::Offer(number),
        ("context_closed", Some(number)) => Word::Over(number),
        ("auth_result" | "error", Some(number)) => Word::Outcome(number),
        ("scan_ack", _) => Word::Taken,
        ("error", None) => Word::Error,
        _ => Word::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_understood() {
        let table = [
            (r#"{"type":"pong"}"#, Word::Pong),
            (r#"{"type":"authenticated","vendor_id":"v"}"#, Word::Authenticated),
            (r#"{"type":"context_open","context_id":"load-5-17","auth_type":"entrance"}"#, Word::Offer(17)),
            (r#"{"type":"context_closed","context_id":"load-5-17","reason":"cancelled"}"#, Word::Over(17)),
            (r#"{"type":"auth_result","context_id":"load-5-9","result":{}}"#, Word::Outcome(9)),
            (r#"{"type":"error","error":"Context expired","context_id":"load-5-9"}"#, Word::Outcome(9)),
            (r#"{"type":"error","error":"no"}"#, Word::Error),
            (r#"{"type":"scan_ack","context_id":"load-5-9"}"#, Word::Taken),
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
