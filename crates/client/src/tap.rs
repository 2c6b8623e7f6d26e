//! A look at the frames for debugging, with what must not be seen taken out.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Values that prove who somebody is, or what their palm looks like. Compared without `-`, `_` and case.
const SECRET_KEYS: [&str; 12] = [
    "apikey",
    "apisecret",
    "authorization",
    "devicekey",
    "key",
    "password",
    "secret",
    "sessiontoken",
    "signature",
    "template",
    "ticket",
    "token",
];

/// Objects whose values are somebody's private matters; their names may be seen.
const PRIVATE_KEY: &str = "attributes";

/// What stands where a value was.
const HIDDEN: &str = "\"***\"";

/// How deep a frame is looked into; what lies deeper is hidden whole.
const DEPTH: u32 = 8;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From us to the server.
    Sent,
    /// From the server to us.
    Received,
}

/// A function that sees every text frame, redacted. It runs between frames, so it should be quick.
#[derive(Clone)]
pub struct Tap(Arc<See>);

type See = dyn Fn(Direction, &str) + Send + Sync;

impl Tap {
    /// Wraps the function.
    ///
    /// ```
    /// let tap = client::Tap::new(|direction, frame| println!("{direction:?} {frame}"));
    /// # let _ = tap;
    /// ```
    pub fn new(see: impl Fn(Direction, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }

    pub(crate) fn see(&self, direction: Direction, frame: &str) {
        (self.0)(direction, &redact(frame));
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

/// A frame with its secrets, palm templates and attribute values replaced, otherwise as it was written.
///
/// What is no JSON object is not shown at all: a secret cannot be found in it.
///
/// ```
/// let frame = r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"sk_live_9"}"#;
/// assert_eq!(client::redact(frame), r#"{"type":"authenticate","vendor_id":"ven_1","api_key":"***"}"#);
/// assert_eq!(client::redact("sk_live_9"), "(9 bytes that are no JSON object)");
/// ```
#[must_use]
pub fn redact(frame: &str) -> String {
    match serde_json::from_str::<Pairs<'_>>(frame) {
        Ok(pairs) => {
            let mut out = String::with_capacity(frame.len());
            print_object(&pairs, Hide::Secrets, DEPTH, &mut out);
            out
        }
        Err(_) => format!("({} bytes that are no JSON object)", frame.len()),
    }
}

#[derive(Clone, Copy)]
enum Hide {
    Secrets,
    EveryValue,
}

fn print_object(pairs: &Pairs<'_>, hide: Hide, depth: u32, out: &mut String) {
    out.push('{');
    for (index, (key, value)) in pairs.0.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(key.get());
        out.push(':');
        let name = plain(key.get());
        match hide {
            Hide::EveryValue => out.push_str(HIDDEN),
            Hide::Secrets if SECRET_KEYS.contains(&name.as_str()) => out.push_str(HIDDEN),
            Hide::Secrets if name == PRIVATE_KEY => print_value(value.get(), Hide::EveryValue, depth, out),
            Hide::Secrets => print_value(value.get(), Hide::Secrets, depth, out),
        }
    }
    out.push('}');
}

fn print_value(value: &str, hide: Hide, depth: u32, out: &mut String) {
    match (value.as_bytes().first(), depth) {
        (Some(b'{' | b'['), 0) => out.push_str(HIDDEN),
        (Some(b'{'), _) => match serde_json::from_str::<Pairs<'_>>(value) {
            Ok(pairs) => print_object(&pairs, hide, depth - 1, out),
            Err(_) => out.push_str(HIDDEN),
        },
        (Some(b'['), _) => match serde_json::from_str::<Vec<&RawValue>>(value) {
            Ok(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    // Attributes that are asked for come as a list of names, which may be seen.
                    print_value(item.get(), hide, depth - 1, out);
                }
                out.push(']');
            }
            Err(_) => out.push_str(HIDDEN),
        },
        _ => out.push_str(value),
    }
}

/// A key without its quotes, `-`, `_` and case.
fn plain(key: &str) -> String {
    let key = serde_json::from_str::<String>(key).unwrap_or_default();
    key.chars().filter(|letter| !matches!(letter, '-' | '_')).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// The pairs of an object in the order they were written, also when a key comes twice.
struct Pairs<'a>(Vec<(Box<RawValue>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    let key = serde_json::value::to_raw_value(&key).map_err(serde::de::Error::custom)?;
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_seen_is_hidden_wherever_it_stands() {
        let table = [
            (r#"{"type":"ping"}"#, r#"{"type":"ping"}"#),
            (
                r#"{"device_key":"dk","api-key":1,"Api_Key":{"a":1}}"#,
                r#"{"device_key":"***","api-key":"***","Api_Key":"***"}"#,
            ),
            (r#"{"api\u005fkey":"dk"}"#, r#"{"api_key":"***"}"#),
            (r#"{"a":[{"token":"t"}], "template":"cGFsbQ=="}"#, r#"{"a":[{"token":"***"}],"template":"***"}"#),
            (
                r#"{"result":{"user_id":"usr_1","attributes":{"email":"ida@sample.test"}}}"#,
                r#"{"result":{"user_id":"usr_1","attributes":{"email":"***"}}}"#,
            ),
            (r#"{"requirements":{"attributes":["email"]}}"#, r#"{"requirements":{"attributes":["email"]}}"#),
        ];
        for (frame, seen) in table {
            assert_eq!(redact(frame), seen);
        }
    }

    #[test]
    fn a_frame_that_is_nothing_but_brackets_does_no_harm() {
        let deep = format!(r#"{{"a":{}}}"#, "[".repeat(30_000) + &"]".repeat(30_000));
        assert!(redact(&deep).len() < 100);
    }
}
