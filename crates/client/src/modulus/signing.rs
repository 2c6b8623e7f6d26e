//! The signature of an HTTP request, exactly as the vendor specifies it: three headers over method, path, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Digest, Secret, Wall};

/// The three headers of a signed request.
#[derive(Clone, Debug)]
pub struct Signed {
    /// `x-api-key`.
    pub api_key: Secret,
    /// `x-timestamp`.
    pub timestamp: String,
    /// `x-signature`, Base64.
    pub signature: String,
}

impl Signed {
    /// The headers by name, as they are sent.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        [("x-api-key", self.api_key.reveal()), ("x-timestamp", &self.timestamp), ("x-signature", &self.signature)]
    }
}

/// Signs a request. `path` begins with the version, as in `/v1/terminals`, and is signed as it is sent; what follows a
/// `?` is left out. The method is signed in capitals.
///
/// ```
/// use client::modulus::sign;
/// use model::{Secret, Wall};
///
/// let (key, secret) = (Secret::new("mk_lane7"), Secret::new("demo-secret-lane7"));
/// let now = Wall::parse("2031-03-04T05:06:07.089Z").ok_or("no time")?;
/// let signed = sign(&key, &secret, "GET", "/v1/terminals", now, b"");
/// assert_eq!(signed.signature, "+0N+xR7FrU9Fx/UuZoPyVDk3uOS9FYViFqLJEwqA9NE=");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn sign(api_key: &Secret, api_secret: &Secret, method: &str, path: &str, now: Wall, body: &[u8]) -> Signed {
    let timestamp = now.with_millis();
    let path = path.split('?').next().unwrap_or_default();
    let text = format!("{}\n{path}\n{timestamp}\n{}", method.to_ascii_uppercase(), hex(&Digest::of(body)));
    let signature = STANDARD.encode(api_secret.sign(text.as_bytes()));
    Signed { api_key: api_key.clone(), timestamp, signature }
}

fn hex(digest: &Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"transactionId":"0197a1c2-5b3e-7d44-9f10-2a6b8c0d1e2f","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}"#;

    fn signed(method: &str, path: &str, body: &[u8]) -> Signed {
        let now = Wall::parse("2031-03-04T05:06:07.089Z").unwrap();
        sign(&Secret::new("mk_lane7"), &Secret::new("demo-secret-lane7"), method, path, now, body)
    }

    #[test]
    fn the_vectors_come_out() {
        let table = [
            ("GET", "/v1/terminals", &b""[..], "+0N+xR7FrU9Fx/UuZoPyVDk3uOS9FYViFqLJEwqA9NE="),
            ("POST", "/v1/terminals/lane-7/payments", BODY, "YyAIF7fETQjJn0D2L/qKRay9XwWlqVTuPoHP7ictTRQ="),
            ("DELETE", "/v1/webhooks/endpoints/wh_demo1", &b""[..], "QiQHsisQy3Pf0f1AGYXwjnsYjxkUNhrgn/PtKsAOjHU="),
        ];
        for (method, path, body, signature) in table {
            assert_eq!(signed(method, path, body).signature, signature, "{method} {path}");
        }
        assert_eq!(
            hex(&Digest::of(BODY)),
            "14303e6e581e437a04da8bfcdae511b15bb936ff4615bbd318aab55c1c22188e",
            "of the body"
        );
    }

    #[test]
    fn the_method_is_signed_in_capitals_and_the_query_is_not_signed() {
        let plain = signed("GET", "/v1/terminals", b"").signature;
        assert_eq!(signed("get", "/v1/terminals?a=b", b"").signature, plain);
        assert_ne!(signed("GET", "/v1/terminals/", b"").signature, plain);
    }

    #[test]
    fn the_headers_stand_as_they_are_sent_and_the_key_is_not_printed() {
        let signed = signed("GET", "/v1/terminals", b"");
        let [key, time, signature] = signed.headers();
        assert_eq!((key, time), (("x-api-key", "mk_lane7"), ("x-timestamp", "2031-03-04T05:06:07.089Z")));
        assert_eq!(signature.0, "x-signature");
        assert!(!format!("{signed:?}").contains("mk_lane7"));
    }
}
