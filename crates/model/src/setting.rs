//! Settings: every number, switch and default as one list, so that configuration can name all mistakes at once.
//!
//! [`settings!`](crate::settings) makes a struct, its defaults and its list from one table.

use std::time::Duration;

/// Where a default comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The vendor's documentation says so.
    Doc,
    /// Deduced from the vendor's samples.
    Inferred,
    /// Ours.
    Choice,
}

impl Mark {
    /// The word in `config defaults` and in transcripts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Doc => "doc",
            Self::Inferred => "inferred",
            Self::Choice => "choice",
        }
    }
}

/// A setting's value, as configuration writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count.
    Count(u64),
    /// Yes or no.
    Switch(bool),
    /// A text; durations are texts such as `30s` and `250ms`.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}

/// One setting of a section of type `C`.
pub struct Setting<C> {
    /// The key.
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// Where the default comes from.
    pub mark: Mark,
    /// The value as configuration would write it.
    pub get: fn(&C) -> Value,
    /// Puts a value in, or says what would be right.
    pub set: fn(&mut C, Value) -> Result<(), String>,
}

/// A type that settings can have.
pub trait Plain: Sized {
    /// As configuration writes it.
    fn value(&self) -> Value;
    /// From what configuration wrote, within `least..=most` (milliseconds for durations).
    ///
    /// # Errors
    /// A text that says what would be right.
    fn from_value(value: Value, least: u64, most: u64) -> Result<Self, String>;
}

impl Plain for Duration {
    fn value(&self) -> Value {
        Value::Text(print_duration(*self))
    }

    fn from_value(value: Value, least: u64, most: u64) -> Result<Self, String> {
        let right = || {
            let [least, most] = [least, most].map(|millis| print_duration(Self::from_millis(millis)));
            format!("a duration from {least} to {most}, such as \"30s\", \"250ms\" or \"5m\"")
        };
        let Value::Text(text) = value else {
            return Err(right());
        };
        match parse_duration(&text) {
            Some(duration) if (u128::from(least)..=u128::from(most)).contains(&duration.as_millis()) => Ok(duration),
            _ => Err(right()),
        }
    }
}

impl Plain for bool {
    fn value(&self) -> Value {
        Value::Switch(*self)
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        if let Value::Switch(on) = value { Ok(on) } else { Err("true or false".to_owned()) }
    }
}

impl Plain for String {
    fn value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        if let Value::Text(text) = value { Ok(text) } else { Err("a text".to_owned()) }
    }
}

impl Plain for Vec<String> {
    fn value(&self) -> Value {
        Value::Texts(self.clone())
    }

    fn from_value(value: Value, _: u64, _: u64) -> Result<Self, String> {
        match value {
            Value::Texts(texts) => Ok(texts),
            Value::Text(text) => Ok(vec![text]),
            Value::Count(_) | Value::Switch(_) => Err("a list of texts".to_owned()),
        }
    }
}

macro_rules! plain_count {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            fn value(&self) -> Value {
                Value::Count(u64::try_from(*self).unwrap_or(u64::MAX))
            }

            fn from_value(value: Value, least: u64, most: u64) -> Result<Self, String> {
                let right = || format!("a whole number from {least} to {most}");
                let Value::Count(count) = value else { return Err(right()) };
                if !(least..=most).contains(&count) {
                    return Err(right());
                }
                Self::try_from(count).map_err(|_| right())
            }
        }
    )*};
}
plain_count!(u16, u32, u64, usize);

/// Reads `250ms`, `30s`, `5m`, `24h`, `7d`; none for anything else.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Writes a duration in its largest whole unit.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// Makes a struct of settings with its defaults and the list `SETTINGS` of all of them.
///
/// ```
/// use std::time::Duration;
/// model::settings! {
///     /// How patient we are.
///     pub struct Patience {
///         /// How long we wait.
///         pub wait: Duration = Duration::from_secs(30), 1..=60_000, Choice;
///         /// How often we try.
///         pub tries: u32 = 3, 1..=10, Choice;
///     }
/// }
/// let mut patience = Patience::default();
/// let setting = &Patience::SETTINGS[0];
/// assert_eq!(setting.name, "wait");
/// assert!((setting.set)(&mut patience, model::setting::Value::Text("2m".into())).is_err());
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $struct_doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                pub $field:ident : $kind:ty = $default:expr, $least:literal ..= $most:literal, $mark:ident;
            )*
        }
    ) => {
        $(#[doc = $struct_doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $kind, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            /// Every setting of this section, in order.
            pub const SETTINGS: &'static [$crate::setting::Setting<Self>] = &[
                $( $crate::setting::Setting {
                    name: stringify!($field),
                    about: concat!($($doc, "\n"),*),
                    mark: $crate::setting::Mark::$mark,
                    get: |section| $crate::setting::Plain::value(&section.$field),
                    set: |section, value| {
                        section.$field = <$kind as $crate::setting::Plain>::from_value(value, $least, $most)?;
                        Ok(())
                    },
                }, )*
            ];
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_back_as_printed() {
        for text in ["250ms", "30s", "90s", "5m", "24h", "7d"] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(parse_duration(&print_duration(duration)), Some(duration), "{text}");
        }
        assert_eq!(parse_duration("30"), None);
        assert_eq!(parse_duration("s"), None);
        assert_eq!(parse_duration("1y"), None);
        assert_eq!(parse_duration("99999999999999999999d"), None);
    }

    #[test]
    fn a_value_out_of_range_is_told_what_would_be_right() {
        let told = u32::from_value(Value::Count(11), 1, 10).unwrap_err();
        assert_eq!(told, "a whole number from 1 to 10");
        let told = Duration::from_value(Value::Text("2m".into()), 1, 60_000).unwrap_err();
        assert_eq!(told, "a duration from 1ms to 1m, such as \"30s\", \"250ms\" or \"5m\"");
    }
}
