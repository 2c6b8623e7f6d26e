//! What the cents of an amount mean: how a till asks the simulated terminal for everything that can happen.

use std::time::Duration;

use super::script::{Act, Step};

/// The cents with a meaning of their own, as steps of a script. All others are approved, `00` among them.
pub const CENTS: [(&str, &str); 16] = [
    ("05", "decline INSUFFICIENT_FUNDS"),
    ("06", "decline EXPIRED_CARD"),
    ("10", "cancel"),
    ("20", "approve after 5s"),
    ("21", "approve after 95s"),
    ("30", "drop unstarted for 2s"),
    ("31", "drop started for 5s"),
    ("32", "drop paid for 65s"),
    ("33", "drop paid for 5s"),
    ("34", "drop paid for 65s refusing void"),
    ("40", "approve twice"),
    ("41", "approve another"),
    ("50", "approve wrong"),
    ("60", "busy"),
    ("70", "garbage"),
    ("99", "silence"),
];

/// What happens to a payment of that amount, at the earliest so long after it is offered.
///
/// ```
/// use std::time::Duration;
///
/// use devices::terminal::{Act, cents};
///
/// assert_eq!(cents("25.00", Duration::ZERO).act, Act::Approve);
/// assert_eq!(cents("25.10", Duration::ZERO).act, Act::Cancel);
/// assert_eq!(cents("2500", Duration::ZERO).act, Act::Approve);
/// ```
#[must_use]
pub fn cents(amount: &str, after: Duration) -> Step {
    let digits = amount.split_once('.').map_or("00", |(_, digits)| digits);
    let meant = CENTS.iter().find(|(cents, _)| digits.starts_with(cents));
    let step = meant.and_then(|(_, step)| Step::parse(step).ok()).unwrap_or(Step { act: Act::Approve, after });
    Step { after: step.after.max(after), ..step }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_table_is_a_step() {
        for (digits, step) in CENTS {
            assert_eq!(Step::parse(step), Ok(cents(&format!("7.{digits}"), Duration::ZERO)), "{digits}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_approved() {
        let quick = Duration::from_millis(300);
        for amount in ["25.00", "25.01", "25", "1250.5", "0.125"] {
            assert_eq!(cents(amount, quick), Step { act: Act::Approve, after: quick }, "{amount}");
        }
        assert_eq!(cents("1.200", quick).after, Duration::from_secs(5), "a slow one is no quicker for it");
    }
}
