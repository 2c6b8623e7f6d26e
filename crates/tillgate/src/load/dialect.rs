//! The protocols a load speaks, and what each of them says for the same thing.

use serde::{Deserialize, Serialize};

use super::plan::{Key, Side};
use super::words::Word;
use super::{boop, modulus};

/// One protocol; all peers of a run speak the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Dialect {
    Boop,
    Modulus,
}

impl Dialect {
    /// The protocol of that name, where a load speaks it.
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "boop" => Some(Self::Boop),
            "modulus" => Some(Self::Modulus),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Boop => "boop",
            Self::Modulus => "modulus",
        }
    }

    /// Where a key's holder knocks, and the headers shown there beside those of every upgrade.
    pub(super) fn door(self, key: &Key) -> (&'static str, String) {
        match (self, key.role) {
            (Self::Boop, Side::Requester) => (boop::VENDOR_PATH, String::new()),
            (Self::Boop, Side::Performer) => (boop::SCANNER_PATH, String::new()),
            (Self::Modulus, Side::Requester) => (modulus::PATH, modulus::till_headers(&key.secret)),
            (Self::Modulus, Side::Performer) => (modulus::PATH, modulus::terminal_headers(&key.subject, &key.secret)),
        }
    }

    /// The login that follows the upgrade; none where that was the login.
    pub(super) fn login(self, key: &Key) -> Option<Vec<u8>> {
        match (self, key.role) {
            (Self::Boop, Side::Requester) => Some(boop::vendor_login(&key.subject, &key.secret)),
            (Self::Boop, Side::Performer) => Some(boop::scanner_login(&key.subject, &key.secret)),
            (Self::Modulus, _) => None,
        }
    }

    pub(super) fn ping(self) -> Vec<u8> {
        match self {
            Self::Boop => boop::ping(),
            Self::Modulus => modulus::ping(),
        }
    }

    /// A message of so many bytes that is answered with one error.
    pub(super) fn large(self, bytes: usize) -> Vec<u8> {
        match self {
            Self::Boop => boop::large(bytes),
            Self::Modulus => modulus::large(bytes),
        }
    }

    /// Asks a performer for an operation.
    pub(super) fn ask(self, performer: &str, id: &str) -> Vec<u8> {
        match self {
            Self::Boop => boop::create(id),
            Self::Modulus => modulus::payment(performer, id),
        }
    }

    /// A performer's answer to it.
    pub(super) fn answer(self, id: &str) -> Vec<u8> {
        match self {
            Self::Boop => boop::scan(id),
            Self::Modulus => modulus::response(id),
        }
    }

    /// What a text means.
    pub(super) fn word(self, text: &str) -> Word {
        match self {
            Self::Boop => boop::word(text),
            Self::Modulus => modulus::word(text),
        }
    }
}
