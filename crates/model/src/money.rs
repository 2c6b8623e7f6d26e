//! Money as minor units with a currency; never a float.

use std::fmt;

/// An ISO 4217 code: three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// United States dollar, the default where a vendor names none.
    pub const USD: Self = Self(*b"USD");

    /// Reads a code such as `EUR`.
    ///
    /// # Errors
    /// [`BadMoney::Currency`] when it is not three upper-case letters.
    pub fn parse(text: &str) -> Result<Self, BadMoney> {
        match text.as_bytes() {
            [a, b, c] if [a, b, c].iter().all(|letter| letter.is_ascii_uppercase()) => Ok(Self([*a, *b, *c])),
            _ => Err(BadMoney::Currency),
        }
    }

    /// The code's letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in the currency's smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// Smallest units, such as cents.
    pub minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

/// Why a text is no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMoney {
    /// Not an ISO 4217 code.
    Currency,
}

impl fmt::Display for BadMoney {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Currency => f.write_str("must be an ISO 4217 code of three capital letters"),
        }
    }
}

impl std::error::Error for BadMoney {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!(Currency::parse("USD"), Ok(Currency::USD));
        for bad in ["usd", "US", "EURO", "E1R", ""] {
            assert_eq!(Currency::parse(bad), Err(BadMoney::Currency), "{bad}");
        }
    }
}
