//! How a till signs an HTTP call: HMAC-SHA256 over method, path, time and the body's digest.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::{Now, Proof, Request, Wall};
use sha2::{Digest as _, Sha256};

use super::choices::Choices;

/// What a call carries besides its key.
#[derive(Debug)]
pub(crate) struct Signed {
    /// When it says it was signed; none when that is no time.
    pub(crate) at: Option<Wall>,
    /// What was signed, and the signature.
    pub(crate) proof: Proof,
}

/// The signature of a call. One without a signature, or with one that is no Base64, has one that nothing fits.
pub(crate) fn signed(request: &Request) -> Signed {
    let timestamp = request.header("x-timestamp").unwrap_or_default();
    let mac = request.header("x-signature").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let message = message(&request.method, &request.path, timestamp, &request.body);
    Signed { at: time(timestamp), proof: Proof { message, mac: mac.into() } }
}

/// Whether a time is near enough to ours.
pub(crate) fn is_fresh(at: Option<Wall>, now: Now, choices: &Choices) -> bool {
    let window = u64::try_from(choices.clock_window.as_millis()).unwrap_or(u64::MAX);
    at.is_some_and(|at| at.millis().abs_diff(now.wall.millis()) <= window)
}

/// An ISO 8601 instant; a bare number of seconds or milliseconds is none.
fn time(text: &str) -> Option<Wall> {
    Wall::parse(text)
}

/// What is signed. The path goes in as it came, without the query.
fn message(method: &str, path: &str, timestamp: &str, body: &[u8]) -> Bytes {
    let digest = Sha256::digest(body);
    let mut message = format!("{}\n{path}\n{timestamp}\n", method.to_ascii_uppercase());
    for byte in digest {
        message.push_str(&format!("{byte:02x}"));
    }
    message.into()
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    const AT: &str = "2031-03-04T05:06:07.089Z";
    const BODY: &str = concat!(
        r#"{"transactionId":"0197a1c2-5b3e-7d44-9f10-2a6b8c0d1e2f","amount":"1250.00","#,
        r#""currency":"PHP","paymentMethod":"CARD"}"#
    );

    #[test]
    fn the_three_vectors_hold() {
        let secret = Secret::new("demo-secret-lane7");
        let vectors = [
            ("GET", "/v1/terminals", "", "+0N+xR7FrU9Fx/UuZoPyVDk3uOS9FYViFqLJEwqA9NE="),
            ("POST", "/v1/terminals/lane-7/payments", BODY, "YyAIF7fETQjJn0D2L/qKRay9XwWlqVTuPoHP7ictTRQ="),
            ("DELETE", "/v1/webhooks/endpoints/wh_demo1", "", "QiQHsisQy3Pf0f1AGYXwjnsYjxkUNhrgn/PtKsAOjHU="),
        ];
        for (method, path, body, signature) in vectors {
            let message = message(method, path, AT, body.as_bytes());
            assert_eq!(STANDARD.encode(secret.sign(&message)), signature, "{method} {path}");
            assert!(secret.signed(&message, &STANDARD.decode(signature).unwrap()));
        }
    }

    #[test]
    fn only_instants_near_ours_are_fresh() {
        let choices = Choices::default();
        let now = Now::from_millis(Wall::parse(AT).unwrap().millis());
        for fresh in [AT, "2031-03-04T05:11:07.089Z", "2031-03-04T05:01:07.089Z", "2031-03-04T07:06:07+02:00"] {
            assert!(is_fresh(time(fresh), now, &choices), "{fresh}");
        }
        let stale = ["2031-03-04T05:11:07.090Z", "2031-03-04T05:01:07.088Z", "1930453567", "1930453567089", "", "now"];
        for stale in stale {
            assert!(!is_fresh(time(stale), now, &choices), "{stale}");
        }
    }
}
