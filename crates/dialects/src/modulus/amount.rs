//! Money as Modulus writes it: a decimal in major units, as a text or as a number, kept as it was written.

use iso_currency::Currency;
use serde_json::value::RawValue;

/// Digits of an amount at most, so that every reader's integers can hold its minor units.
const DIGITS_MOST: usize = 18;

/// The value of an amount, for comparing two ways to write it: no sign, no leading zeros, no trailing ones.
#[derive(Clone, Debug)]
pub(crate) struct Amount {
    whole: Box<str>,
    fraction: Box<str>,
    /// How many decimals were written.
    decimals: usize,
}

impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        (&self.whole, &self.fraction) == (&other.whole, &other.fraction)
    }
}

impl Eq for Amount {}

impl Amount {
    /// Reads an amount from JSON: a decimal text, or a number without an exponent.
    ///
    /// # Errors
    /// What is wrong, for the peer.
    pub(crate) fn read(raw: &RawValue) -> Result<Self, &'static str> {
        let text = raw.get();
        let digits = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or("must be a decimal text or a number")?,
            None => text,
        };
        Self::parse(digits)
    }

    /// Reads a decimal such as `1250.00`.
    pub(crate) fn parse(digits: &str) -> Result<Self, &'static str> {
        const NOT_DECIMAL: &str = "must be a positive decimal without sign or exponent, such as \"1250.00\"";
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return Err(NOT_DECIMAL),
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, ""),
        };
        let decimal = |part: &str| part.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || !decimal(whole) || !decimal(fraction) {
            return Err(NOT_DECIMAL);
        }
        let decimals = fraction.len();
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        if whole.is_empty() && fraction.is_empty() {
            return Err("must be more than zero");
        }
        if whole.len() + fraction.len() > DIGITS_MOST {
            return Err("has too many digits");
        }
        Ok(Self { whole: whole.into(), fraction: fraction.into(), decimals })
    }

    /// Whether the currency has so many decimals: zeros beyond them are refused too, for who knows how they are read.
    pub(crate) fn fits(&self, currency: Currency) -> bool {
        // What has no minor unit at all, such as gold, is not paid with at a till: whole units only.
        let digits = currency.exponent().unwrap_or(0);
        self.decimals <= usize::from(digits)
    }
}

/// The currency of an ISO 4217 code.
pub(crate) fn currency(code: &str) -> Option<Currency> {
    Currency::from_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Amount, &'static str> {
        Amount::read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn an_amount_is_the_same_however_it_is_written() {
        for same in ["\"1250.00\"", "1250", "1250.0", "\"01250.000\""] {
            assert_eq!(read(same), Amount::parse("1250"), "{same}");
        }
        assert_ne!(read("12.50"), read("125.0"));
        assert_ne!(read("12.05"), read("12.5"));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        let bad = [
            "0",
            "\"0.00\"",
            "-1",
            "\"-1.00\"",
            "1e400",
            "\"1e3\"",
            "\"\"",
            "\" 1\"",
            "\"1.\"",
            "\".5\"",
            "\"1,50\"",
            "{}",
            "[]",
            "null",
            "true",
            "\"NaN\"",
            "\"\\u0031\"",
            "9999999999999999999",
            "\"+1\"",
        ];
        for json in bad {
            assert!(read(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_currency_has_its_own_smallest_unit() {
        let fits = |amount: &str, code: &str| Amount::parse(amount).unwrap().fits(currency(code).unwrap());
        assert!(fits("10.25", "PHP") && !fits("10.255", "PHP") && !fits("10.250", "PHP"));
        assert!(fits("10", "JPY") && !fits("10.5", "JPY") && !fits("10.00", "JPY"));
        assert!(fits("1.234", "KWD") && !fits("1.2345", "KWD"));
        assert!(["ZZZ", "php", "PH", ""].iter().all(|code| currency(code).is_none()));
    }
}
