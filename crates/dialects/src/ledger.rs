//! What the operators' ledger shows of an operation: where it stands, in one of five words, and which money it is about.

use std::fmt;

use model::{Dialect, OperationRow, OutcomeKind};

use crate::{boop, modulus};

/// Where an operation stands. Each stands in exactly one place, so that what was accepted adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Done as asked.
    Completed,
    /// Not done, as its requester was told.
    Failed,
    /// Not done, because somebody took it back.
    Cancelled,
    /// Done after its requester was told that it was not, and reversed.
    Voided,
    /// Without an outcome yet.
    Open,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Completed, Self::Failed, Self::Cancelled, Self::Voided, Self::Open];

    /// The word in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Voided => "voided",
            Self::Open => "open",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == text)
    }

    /// Where work stands that nothing makes good for and whose no means no more than that.
    pub(crate) fn plain(row: &OperationRow) -> Self {
        match row.outcome.as_ref().map(|(outcome, _)| outcome.kind()) {
            None => Self::Open,
            Some(OutcomeKind::Completed) => Self::Completed,
            Some(OutcomeKind::Declined | OutcomeKind::Failed | OutcomeKind::Expired) => Self::Failed,
            Some(OutcomeKind::Cancelled) => Self::Cancelled,
        }
    }
}

/// What the ledger shows of one operation beside its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands.
    pub status: Status,
    /// The money that was asked for; none for work that is about none.
    pub money: Option<Asked>,
    /// Why the row can not be right.
    pub doubt: Option<Doubt>,
}

/// The money that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// As the requester wrote it, in the dialect's own unit.
    pub text: Box<str>,
    /// The currency's letters.
    pub currency: Box<str>,
    /// For adding up.
    pub value: Decimal,
}

impl Asked {
    /// So much of that currency; none when the text is no decimal.
    pub(crate) fn new(text: &str, currency: &str) -> Option<Self> {
        Some(Self { value: Decimal::parse(text)?, text: text.into(), currency: currency.into() })
    }
}

/// Why a row can not be right: money moved in a way its outcome does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It is completed, with other money than was asked for.
    OtherMoney,
    /// It was done after it had ended otherwise, and nothing reverses it.
    NotReversed,
    /// It is completed, or still runs, and is reversed all the same.
    Reversed,
}

impl Doubt {
    /// What an operator reads.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::OtherMoney => "is completed with another amount or currency than was asked for",
            Self::NotReversed => "was done after it had ended otherwise, and nothing reverses it",
            Self::Reversed => "is reversed although it did not end otherwise",
        }
    }
}

/// What the ledger shows of an operation; none when its dialect can not read it.
#[must_use]
pub fn entry(row: &OperationRow) -> Option<Entry> {
    match row.dialect {
        Dialect::Boop => boop::entry(row),
        Dialect::Modulus => modulus::entry(row),
        Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay => None,
    }
}

/// An exact decimal, for adding up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decimal {
    units: i128,
    /// Digits after the point.
    places: u32,
}

/// Places that are kept although they are zeros: as many as the smallest units of a currency have.
const PLACES_KEPT: usize = 4;

impl Decimal {
    /// Reads digits with at most one point between them, such as `1250.00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let kept = fraction.trim_end_matches('0').len().max(fraction.len().min(PLACES_KEPT));
        let fraction = fraction.get(..kept)?;
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { units, places: u32::try_from(kept).ok()? })
    }

    /// Both together; none when that is more than can be held.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        Some(Self { units: self.at(places)?.checked_add(other.at(places)?)?, places })
    }

    /// Its units when it is written with that many places, of which it has no more.
    fn at(self, places: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(places - self.places)?)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let places = self.places.max(other.places);
        match (self.at(places), other.at(places)) {
            (Some(one), Some(two)) => one == two,
            // What is too large for the other's places is not the other.
            _ => false,
        }
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::try_from(self.places).unwrap_or(0);
        let digits = format!("{:0>1$}", self.units, width + 1);
        let (whole, fraction) = digits.split_at(digits.len() - width);
        if fraction.is_empty() { f.write_str(whole) } else { write!(f, "{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_and_keep_their_places() {
        let sum = |texts: &[&str]| {
            let sum = texts.iter().try_fold(Decimal::default(), |sum, text| sum.plus(Decimal::parse(text)?));
            sum.map(|sum| sum.to_string())
        };
        for (texts, total) in [
            (&[][..], "0"),
            (&["1250.00", "0.5"], "1250.50"),
            (&["0.1", "0.2"], "0.3"),
            (&["1875", "25"], "1900"),
            (&["0.01"], "0.01"),
            (&["007.10"], "7.10"),
            (&["10.0000000000"], "10.0000"),
            (&["999999999999999999", "0.001"], "999999999999999999.001"),
        ] {
            assert_eq!(sum(texts).as_deref(), Some(total), "{texts:?}");
        }
        for bad in ["", ".5", "-1", "1e3", "1,5", "1.2.3", " 1"] {
            assert!(Decimal::parse(bad).is_none(), "{bad}");
        }
        let most = "9".repeat(38);
        assert_eq!(sum(&[&most, &most]), None, "what cannot be held is not guessed");
    }

    #[test]
    fn a_decimal_is_the_same_however_many_places_it_is_written_with() {
        let read = |text| Decimal::parse(text).unwrap();
        assert_eq!(read("1250"), read("1250.00"));
        assert_ne!(read("12.5"), read("125"));
        assert_ne!(read(&"9".repeat(38)), read("0.1"));
    }

    #[test]
    fn status_words_are_told_apart() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.name()), Some(status));
        }
        assert_eq!(Status::parse("done"), None);
    }
}
