//! What a server says is wrong, however its dialect writes it.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A server's refusal or complaint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The server's code, to be treated as opaque when unknown.
    pub code: Option<String>,
    /// Its words for people.
    pub text: String,
    /// Whether it says that trying again may help.
    pub retry_allowed: bool,
    /// How long it asks us to stay away.
    pub retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(code: impl Into<Option<String>>, text: impl Into<String>) -> Self {
        Self { code: code.into(), text: text.into(), ..Self::default() }
    }

    /// What the JSON body of an HTTP refusal says: a `code` and a `message`, beside its `error` or within it. Nothing when
    /// it says neither.
    pub(crate) fn of_body(body: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body<'a> {
            #[serde(borrow)]
            code: Option<&'a RawValue>,
            error: Option<&'a RawValue>,
            message: Option<&'a RawValue>,
        }
        // A struct can be read from an array too.
        fn read(text: &str) -> Body<'_> {
            if !text.trim_start().starts_with('{') {
                return Body::default();
            }
            serde_json::from_str(text).unwrap_or_default()
        }
        let text = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let outer = read(body);
        let inner = outer.error.map(|error| read(error.get())).unwrap_or_default();
        let code = text(outer.code).or_else(|| text(inner.code)).or_else(|| text(outer.error));
        Self::new(code, text(outer.message).or_else(|| text(inner.message)).unwrap_or_default())
    }

    /// Whether the server says nothing about why.
    pub(crate) fn is_silent(&self) -> bool {
        self.code.is_none() && self.text.is_empty()
    }

    /// Whether the server's code is this one.
    #[must_use]
    pub fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.text.as_str()) {
            (Some(code), "") => f.write_str(code),
            (Some(code), text) => write!(f, "{text} ({code})"),
            (None, "") => f.write_str("no reason given"),
            (None, text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_read_in_every_form_it_has() {
        let table = [
            (
                r#"{"error":{"code":"FORBIDDEN","message":"no","details":{}},"code":"FORBIDDEN","message":"no"}"#,
                "no (FORBIDDEN)",
            ),
            (r#"{"error":{"code":"too_big","message":"m","n":1e400}}"#, "m (too_big)"),
            (r#"{"error":"Not Found","message":"nobody"}"#, "nobody (Not Found)"),
            (r#" {"message":"wait"}"#, "wait"),
            (r#"{"code":7,"error":["x"],"message":{}}"#, "no reason given"),
            (r#"["code","error","message"]"#, "no reason given"),
            ("<html>", "no reason given"),
            ("", "no reason given"),
        ];
        for (body, told) in table {
            assert_eq!(Problem::of_body(body).to_string(), told, "{body}");
        }
    }
}
