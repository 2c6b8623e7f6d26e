//! What is stored beside a context, as versioned bytes of our own: what a scanner found, what was told on
//! the way, what came of it, and how to print that.
//!
//! Written by one part of the dialect and read by another, perhaps by a later version after a restart.

use std::borrow::Cow;

use model::Opaque;
use model::Side;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::codes::{Code, Finding};
use super::wire::{Form, json};

/// The version of all of them.
const VERSION: u8 = 1;

/// What a scanner found: an opaque name of the palm, and which one it says it was.
#[derive(Serialize, Deserialize)]
pub(crate) struct Evidence {
    v: u8,
    subject: Option<Box<str>>,
    side: Option<Box<str>>,
}

impl Evidence {
    pub(crate) fn new(subject: Option<Box<str>>, side: Option<Side>) -> Self {
        Self { v: VERSION, subject, side: side.map(|side| side.name().into()) }
    }

    pub(crate) fn bytes(&self) -> Opaque {
        json(self).into()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|evidence: &Self| evidence.v == VERSION)
    }

    /// Whom a palm belongs to is looked up by this; none for a palm that names nobody.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    pub(crate) fn side(&self) -> Option<Side> {
        Side::parse(self.side.as_deref()?)
    }
}

/// Something a vendor is told although the context goes on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    v: u8,
    code: Box<str>,
}

impl Note {
    pub(crate) fn bytes(code: Code) -> Opaque {
        json(&Self { v: VERSION, code: code.name().into() }).into()
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Code> {
        let note: Self = serde_json::from_slice(bytes).ok()?;
        Code::parse(&note.code).filter(|_| note.v == VERSION)
    }
}

/// How to print what is said about a context.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memo {
    v: u8,
    form: Form,
}

impl Memo {
    pub(crate) fn bytes(form: Form) -> Opaque {
        json(&Self { v: VERSION, form }).into()
    }

    /// The form of the message that made the context; the primary one where that cannot be read.
    pub(crate) fn read(bytes: &[u8]) -> Form {
        serde_json::from_slice(bytes).map_or(Form::Primary, |memo: Self| memo.form)
    }
}

/// A success: who it is, and what the vendor wanted to know.
#[derive(Deserialize)]
pub(crate) struct Granted<'a> {
    v: u8,
    #[serde(borrow)]
    pub(crate) user_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) attributes: &'a RawValue,
    #[serde(borrow, default)]
    pub(crate) transaction_id: Option<Cow<'a, str>>,
}

impl<'a> Granted<'a> {
    /// The bytes of a success; attributes are JSON texts under the names the vendor asked with.
    pub(crate) fn bytes(user_id: &str, attributes: &[(&str, Box<RawValue>)], transaction_id: Option<&str>) -> Opaque {
        #[derive(Serialize)]
        struct Row<'a> {
            v: u8,
            user_id: &'a str,
            attributes: Attributes<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            transaction_id: Option<&'a str>,
        }
        json(&Row { v: VERSION, user_id, attributes: Attributes(attributes), transaction_id }).into()
    }

    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|granted: &Self| granted.v == VERSION)
    }
}

struct Attributes<'a>(&'a [(&'a str, Box<RawValue>)]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A definite no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finding: Option<Box<str>>,
    code: Box<str>,
    pub(crate) text: Box<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<Box<str>>,
    #[serde(default)]
    pub(crate) payment_failed: bool,
}

impl Refused {
    pub(crate) fn new(code: Code, text: &str) -> Self {
        let (code, text) = (code.name().into(), text.into());
        Self { v: VERSION, finding: None, code, text, missing: Vec::new(), payment_failed: false }
    }

    /// What the matching found, with the code and the words that go with it.
    pub(crate) fn found(finding: Finding) -> Self {
        Self { finding: Some(finding.name().into()), ..Self::new(finding.code(), finding.text()) }
    }

    /// The same in better words.
    pub(crate) fn saying(self, text: &str) -> Self {
        Self { text: text.into(), ..self }
    }

    /// The same, naming the attributes that are missing.
    pub(crate) fn missing(self, missing: Vec<Box<str>>) -> Self {
        Self { missing, ..self }
    }

    /// The same, saying that nothing was paid.
    pub(crate) fn unpaid(self) -> Self {
        Self { payment_failed: true, ..self }
    }

    pub(crate) fn bytes(&self) -> Opaque {
        json(self).into()
    }

    /// What was stored; a plain failure where that cannot be read.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let read = serde_json::from_slice(bytes).ok().filter(|refused: &Self| refused.v == VERSION);
        read.unwrap_or_else(|| Self::new(Code::AuthFailed, "Authentication could not be completed"))
    }

    pub(crate) fn finding(&self) -> Option<Finding> {
        Finding::parse(self.finding.as_deref()?)
    }

    pub(crate) fn code(&self) -> Code {
        Code::parse(&self.code).unwrap_or(Code::AuthFailed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_back() {
        let evidence = Evidence::read(&Evidence::new(Some("user:usr_1".into()), Some(Side::Left)).bytes()).unwrap();
        assert_eq!((evidence.subject(), evidence.side()), (Some("user:usr_1"), Some(Side::Left)));
        assert_eq!(Note::read(&Note::bytes(Code::AuthDeviceError)), Some(Code::AuthDeviceError));
        assert_eq!(Memo::read(&Memo::bytes(Form::Primary)), Form::Primary);
        let refused = Refused::found(Finding::UserMissingAttributes).missing(vec!["email".into()]);
        assert_eq!(Refused::read(&refused.bytes()), refused);
        let email = RawValue::from_string("\"ida@sample.test\"".to_owned()).unwrap();
        let bytes = Granted::bytes("usr_1", &[("email", email)], Some("txn_9"));
        let granted = Granted::read(&bytes).unwrap();
        assert_eq!((&*granted.user_id, granted.transaction_id.as_deref()), ("usr_1", Some("txn_9")));
        assert_eq!(granted.attributes.get(), r#"{"email":"ida@sample.test"}"#);
    }

    #[test]
    fn what_cannot_be_read_is_a_plain_failure() {
        assert_eq!(Refused::read(b"").code(), Code::AuthFailed);
        assert!(Granted::read(b"{}").is_none());
        assert!(Evidence::read(b"{\"v\":9,\"subject\":null,\"side\":null}").is_none());
        assert_eq!(Note::read(b"7"), None);
    }
}
