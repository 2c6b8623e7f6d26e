//! What a server says is wrong, however its dialect writes it.

use std::fmt;
use std::time::Duration;

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
