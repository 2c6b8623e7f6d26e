//! The script: one step a line, read at the edge into steps that cannot be wrong.
//!
//! | line | what happens |
//! |---|---|
//! | `palm USER [left\|right] [quality N]` | a palm that the network knows as USER is held over the glass |
//! | `unregistered [left\|right]` | a palm nobody knows |
//! | `poor quality` | a palm that cannot be read; the context goes on with the next step |
//! | `device error` | the scanner reports a fault; the context goes on with the next step |
//! | `decline` | the customer presses cancel |
//! | `late [USER]` | the palm comes only when the context is over |
//! | `silence` | nobody comes |
//! | `garbage` | a frame that means nothing; the context goes on with the next step |
//! | `drop connection` | the line breaks; the context is a new one when it is offered again |
//!
//! Any of them may end in `after DURATION`, such as `after 800ms`: after the context opened, or after the step before it
//! in the same context. A line `otherwise STEP` says what happens when the others are used up; without one, nobody comes.
//! What follows a `#` is a remark.

use std::time::Duration;

use client::boop::Capture;
use model::setting::{parse_duration, print_duration};
use model::{MemberId, Side};

use crate::mistakes::{Mistakes, lines};

/// The longest wait a step can have.
const AFTER_MOST: Duration = Duration::from_secs(3_600);

/// Something that happens at the glass, or to the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A palm that the network knows.
    Palm {
        /// As whom.
        user: MemberId,
        /// Which hand.
        side: Side,
        /// How well it is read, 0 to 100.
        quality: u8,
    },
    /// A palm that nobody knows.
    Unregistered {
        /// Which hand.
        side: Side,
    },
    /// A palm that cannot be read.
    PoorQuality,
    /// A fault of the scanner.
    DeviceError,
    /// The customer does not want to.
    Decline,
    /// A palm that comes when the context is over; nobody's, if no user is named.
    Late {
        /// Whose.
        user: Option<MemberId>,
    },
    /// Nobody comes.
    Silence,
    /// A frame that means nothing.
    Garbage,
    /// The line breaks.
    DropConnection,
}

/// One line: what happens, and how long that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub act: Act,
    /// How long after the context opened, or after the step before in the same context.
    pub after: Duration,
}

/// What happens in each context, in the order in which they open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) otherwise: Step,
}

impl Script {
    /// Reads a script.
    ///
    /// ```
    /// let mistakes = devices::palm::Script::parse("plam usr_1\npalm").unwrap_err();
    /// assert!(mistakes.to_string().starts_with("line 1: expected one of `palm USER`"));
    /// assert!(mistakes.to_string().ends_with("line 2: expected `palm USER [left|right] [quality N]`, got `palm`"));
    /// ```
    ///
    /// # Errors
    ///
    /// Every mistake there is, each with its line and what would be right.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        let (steps, otherwise) = lines(text, step)?;
        let silence = Step { act: Act::Silence, after: Duration::ZERO };
        Ok(Self { steps, otherwise: otherwise.unwrap_or(silence) })
    }

    /// The right palm of one registered user, presented so long after any context opens.
    #[must_use]
    pub fn presenting(user: MemberId, after: Duration) -> Self {
        let act = Act::Palm { user, side: Side::Right, quality: Capture::WELL_READ };
        Self { steps: Vec::new(), otherwise: Step { act, after } }
    }
}

/// Reads a step, or says what would be right.
fn step(words: &[&str]) -> Result<Step, String> {
    let (words, after) = match words {
        [words @ .., "after", duration] => match parse_duration(duration) {
            Some(after) if after <= AFTER_MOST => (words, after),
            Some(_) | None => {
                return Err(format!("`after` with at most {}, such as `after 800ms`", print_duration(AFTER_MOST)));
            }
        },
        [.., "after"] => return Err("a duration after `after`, such as `after 800ms`".to_owned()),
        words => (words, Duration::ZERO),
    };
    let act = match words {
        ["palm", rest @ ..] => palm(rest).ok_or("`palm USER [left|right] [quality N]`")?,
        ["unregistered"] => Act::Unregistered { side: Side::Right },
        ["unregistered", side] => {
            let side = Side::parse(side).ok_or("`unregistered [left|right]`")?;
            Act::Unregistered { side }
        }
        ["poor", "quality"] => Act::PoorQuality,
        ["device", "error"] => Act::DeviceError,
        ["decline"] => Act::Decline,
        ["late"] => Act::Late { user: None },
        ["late", user] => Act::Late { user: Some(member(user).ok_or("`late [USER]`")?) },
        ["silence"] => Act::Silence,
        ["garbage"] => Act::Garbage,
        ["drop", "connection"] => Act::DropConnection,
        _ => {
            return Err("one of `palm USER`, `unregistered`, `poor quality`, `device error`, `decline`, `late`, \
                        `silence`, `garbage`, `drop connection`, each possibly with `after DURATION`"
                .to_owned());
        }
    };
    Ok(Step { act, after })
}

/// What stands behind `palm`: who, which hand, how well.
fn palm(words: &[&str]) -> Option<Act> {
    let (user, rest) = words.split_first()?;
    let user = member(user)?;
    let (side, rest) = match rest {
        [side @ ("left" | "right"), rest @ ..] => (Side::parse(side)?, rest),
        rest => (Side::Right, rest),
    };
    let quality = match rest {
        [] => Capture::WELL_READ,
        ["quality", number] => number.parse().ok().filter(|quality| *quality <= 100)?,
        _ => return None,
    };
    Some(Act::Palm { user, side, quality })
}

/// A user's name; not one of the words that may follow it.
fn member(word: &str) -> Option<MemberId> {
    if matches!(word, "left" | "right" | "quality" | "after") { None } else { MemberId::parse(word).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> MemberId {
        MemberId::parse("usr_1").unwrap()
    }

    #[test]
    fn every_line_is_read() {
        let palm = |side, quality| Act::Palm { user: user(), side, quality };
        let table = [
            ("palm usr_1", palm(Side::Right, 93), 0),
            ("  palm   usr_1  left\tafter 800ms  # ida", palm(Side::Left, 93), 800),
            ("palm usr_1 quality 0", palm(Side::Right, 0), 0),
            ("palm usr_1 right quality 100 after 1s", palm(Side::Right, 100), 1_000),
            ("unregistered after 1s", Act::Unregistered { side: Side::Right }, 1_000),
            ("unregistered left", Act::Unregistered { side: Side::Left }, 0),
            ("poor quality", Act::PoorQuality, 0),
            ("device error after 1h", Act::DeviceError, 3_600_000),
            ("decline", Act::Decline, 0),
            ("late", Act::Late { user: None }, 0),
            ("late usr_1 after 5s", Act::Late { user: Some(user()) }, 5_000),
            ("silence", Act::Silence, 0),
            ("garbage", Act::Garbage, 0),
            ("drop connection", Act::DropConnection, 0),
        ];
        for (line, act, millis) in table {
            let step = Step { act, after: Duration::from_millis(millis) };
            assert_eq!(Script::parse(line).unwrap().steps, std::slice::from_ref(&step), "{line}");
            let last = Script::parse(&format!("# nothing before\n\notherwise {line}")).unwrap();
            assert_eq!((last.steps, last.otherwise), (vec![], step), "{line}");
        }
        assert_eq!(Script::parse("").unwrap().otherwise.act, Act::Silence);
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_what_would_be_right() {
        let text = "palm usr_1
            plam usr_1
            palm
            palm left
            palm usr_1 quality 101
            palm usr_1 middle
            # fine
            unregistered up
            poor
            silence after
            silence after 2h
            silence after soon
            otherwise
            otherwise decline
            otherwise decline
            decline";
        let mistakes = Script::parse(text).unwrap_err();
        let lines: Vec<u32> = mistakes.0.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 15, 16]);
        let told = mistakes.to_string();
        for line in [
            "line 5: expected `palm USER [left|right] [quality N]`, got `palm usr_1 quality 101`",
            "line 8: expected `unregistered [left|right]`, got `unregistered up`",
            "line 10: expected a duration after `after`, such as `after 800ms`, got `silence after`",
            "line 11: expected `after` with at most 1h, such as `after 800ms`, got `silence after 2h`",
            "line 15: expected one `otherwise` at most, got `otherwise decline`",
            "line 16: expected nothing after `otherwise`, which must come last, got `decline`",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\nnot in\n{told}");
        }
    }
}
