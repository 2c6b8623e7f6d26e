//! BOOP's frames: what vendors and scanners have in common. Reading and printing only; nothing is decided here.
//!
//! A frame is read twice: its head says what it is, then the struct of that message is read from the same text.

pub(crate) mod scanner;
pub(crate) mod vendor;

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use model::{RequestKey, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::codes::Code;

/// In which form a vendor speaks about a context, fixed by the message that made it.
///
/// The hello form and the form with a login in headers come with their own messages; everything behind
/// this folder is the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Form {
    /// `authenticate`, `create_context` with `requirements`, nested `auth_result`.
    #[serde(rename = "P")]
    Primary,
}

/// What is wrong with a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// For the peer: what was expected.
    pub(crate) text: Cow<'static, str>,
    /// The context it was about, when that can be told.
    pub(crate) context_id: Option<RequestKey>,
    /// How wrong it is.
    pub(crate) fault: Fault,
}

/// How wrong a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is no message at all: ten in a row end the connection.
    Form,
    /// It is a message that cannot be right.
    Content,
}

impl Wrong {
    fn form(text: &'static str) -> Self {
        Self { text: text.into(), context_id: None, fault: Fault::Form }
    }

    fn content(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), context_id: None, fault: Fault::Content }
    }

    fn about(self, context_id: &RequestKey) -> Self {
        Self { context_id: Some(context_id.clone()), ..self }
    }
}

/// The type of a message.
pub(crate) fn kind(text: &str) -> Result<Cow<'_, str>, Wrong> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<&'a RawValue>,
    }
    if !text.trim_start_matches(JSON_SPACE).starts_with('{') {
        return Err(Wrong::form("expected a JSON object"));
    }
    let head: Head<'_> = serde_json::from_str(text).map_err(|_| Wrong::form("expected a JSON object"))?;
    let kind = head.kind.ok_or(Wrong::form("expected a `type`"))?;
    string(kind).ok_or(Wrong::form("expected `type` to be a text"))
}

const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The longest context id, in characters.
const CONTEXT_ID_MOST: usize = 128;

/// The context a message is about.
fn context_id(text: &str) -> Result<RequestKey, Wrong> {
    #[derive(Deserialize)]
    struct About<'a> {
        #[serde(borrow)]
        context_id: Option<&'a RawValue>,
    }
    let about: About<'_> = serde_json::from_str(text).map_err(|_| Wrong::content("expected one context_id"))?;
    let id = about.context_id.and_then(string).ok_or(Wrong::content("expected context_id to be a text"))?;
    if id.chars().nth(CONTEXT_ID_MOST).is_some() {
        return Err(Wrong::content(format!("context_id must be at most {CONTEXT_ID_MOST} characters")));
    }
    RequestKey::parse(&id).map_err(|bad| Wrong::content(format!("context_id {bad}")))
}

/// The context a message is about, if that can be told at all.
pub(crate) fn about(text: &str) -> Option<RequestKey> {
    context_id(text).ok()
}

/// The text a raw value is; none for anything else.
fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    // It has been read as JSON before: between two quotes, only a backslash makes it another text than it looks.
    let plain = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(plain) = plain.filter(|plain| !plain.contains('\\')) {
        return Some(Cow::Borrowed(plain));
    }
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}

/// The whole number a raw value is; none for anything else, such as `1.0`, `1e3` or `"1"`.
fn whole(raw: &RawValue) -> Option<u64> {
    let digits = raw.get();
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Prints one of our own messages.
pub(crate) fn json<T: Serialize>(message: &T) -> Bytes {
    let text = serde_json::to_vec(message).expect("our messages have text keys and nothing that can fail to print");
    Bytes::from(text)
}

/// The answer to a ping.
pub(crate) const fn pong() -> Bytes {
    Bytes::from_static(br#"{"type":"pong"}"#)
}

/// What an `error` says beside its code.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    /// Words better than the code's own.
    pub(crate) text: Option<&'a str>,
    /// The context it is about.
    pub(crate) context_id: Option<&'a RequestKey>,
    /// When to come back.
    pub(crate) retry_after: Option<Duration>,
}

/// An `error` in the union of both documented forms.
pub(crate) fn error(wall: Wall, code: Code, about: About<'_>) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        error: &'a str,
        message: &'a str,
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        context_id: Option<&'a str>,
        details: Details<'a>,
    }
    #[derive(Serialize)]
    struct Details<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        context_id: Option<&'a str>,
        timestamp: String,
        retry_allowed: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    }
    let text = about.text.unwrap_or_else(|| code.text());
    let context_id = about.context_id.map(RequestKey::as_str);
    let retry_after = about.retry_after.map(whole_seconds);
    let details = Details { context_id, timestamp: wall.to_string(), retry_allowed: code.retry_allowed(), retry_after };
    json(&Message { r#type: "error", error: text, message: text, code: code.name(), context_id, details })
}

/// Seconds, rounded up: a hint must not say "now" when it means "soon".
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_no_message_is_told_apart() {
        let cases = [
            ("", "expected a JSON object"),
            ("not json", "expected a JSON object"),
            ("{\"type\":\"ping\"", "expected a JSON object"),
            ("[\"ping\"]", "expected a JSON object"),
            ("42", "expected a JSON object"),
            ("null", "expected a JSON object"),
            ("\"ping\"", "expected a JSON object"),
            ("{\"type\":\"ping\"} x", "expected a JSON object"),
            ("{\"type\":\"ping\",\"type\":\"ping\"}", "expected a JSON object"),
            ("\u{feff}{}", "expected a JSON object"),
            ("{}", "expected a `type`"),
            ("{\"type\":null}", "expected a `type`"),
            ("{\"type\":7}", "expected `type` to be a text"),
            ("{\"type\":{\"a\":1}}", "expected `type` to be a text"),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), Err(Wrong::form(expected)), "{text}");
        }
    }

    #[test]
    fn a_type_is_read_whatever_else_is_there() {
        assert_eq!(kind("{\"type\":\"ping\"}").unwrap(), "ping");
        assert_eq!(kind(" \n{\"extra\":[1,{}],\"type\":\"p\\u0069ng\"}").unwrap(), "ping");
    }

    #[test]
    fn nesting_without_end_is_only_a_bad_frame_or_an_unknown_key() {
        let deep = "[".repeat(1_000_000);
        assert!(kind(&deep).is_err());
        assert!(kind(&format!("{{\"type\":{deep}")).is_err());
        let closed = format!("{{\"type\":\"ping\",\"x\":{deep}{}}}", "]".repeat(1_000_000));
        assert!(matches!(kind(&closed), Ok(_) | Err(Wrong { fault: Fault::Form, .. })));
    }

    #[test]
    fn only_plain_whole_numbers_are_whole() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        assert_eq!(whole(&raw("9007199254740991")), Some(9_007_199_254_740_991));
        for bad in ["1.0", "1e3", "-1", "-0", "\"1\"", "true", "99999999999999999999", "[]"] {
            assert_eq!(whole(&raw(bad)), None, "{bad}");
        }
    }

    #[test]
    fn an_error_is_the_union_of_both_forms_in_this_order() {
        let wall = Wall::parse("2026-03-02T18:05:00Z").unwrap();
        let id = RequestKey::parse("5f0c-till2-0093").unwrap();
        let about = About { context_id: Some(&id), ..About::default() };
        let expected = concat!(
            r#"{"type":"error","error":"Context expired","message":"Context expired","code":"AUTH_CONTEXT_EXPIRED","#,
            r#""context_id":"5f0c-till2-0093","details":{"context_id":"5f0c-till2-0093","#,
            r#""timestamp":"2026-03-02T18:05:00Z","retry_allowed":false}}"#
        );
        assert_eq!(error(wall, Code::AuthContextExpired, about), expected);
        let hint = About { retry_after: Some(Duration::from_millis(1_001)), ..About::default() };
        let expected = concat!(
            r#"{"type":"error","error":"Too many requests","message":"Too many requests","code":"VENDOR_RATE_LIMIT","#,
            r#""details":{"timestamp":"2026-03-02T18:05:00Z","retry_allowed":true,"retry_after":2}}"#
        );
        assert_eq!(error(wall, Code::VendorRateLimit, hint), expected);
    }
}
