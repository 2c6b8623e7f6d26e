//! The script: one step a line, read at the edge into steps that cannot be wrong.
//!
//! | line | what happens to the payment |
//! |---|---|
//! | `approve` | the customer pays |
//! | `approve twice` | the same, and it is said twice |
//! | `approve wrong` | another amount is said than was asked for; once that is rejected, the right one |
//! | `approve another` | a payment nobody asked for is said to be paid, then this one |
//! | `decline [CODE]` | the processor says no; `INSUFFICIENT_FUNDS` without a code |
//! | `cancel` | the customer presses cancel |
//! | `busy` | the terminal does something else |
//! | `silence` | nobody comes |
//! | `garbage` | a frame that means nothing; then the customer pays |
//! | `drop unstarted [for DURATION]` | the line breaks before the screen shows anything; offered again, it is paid |
//! | `drop started [for DURATION]` | the line breaks while the screen shows it; it is paid after the line is back |
//! | `drop paid [for DURATION] [refusing void]` | it is paid while the line is down, and said when it is back |
//! | `by amount` | what the cents mean, see `cents.rs` |
//! | `person` | whoever stands at the terminal decides |
//!
//! Any of them may end in `after DURATION`, such as `after 800ms`: after the payment was offered. Without `for`, the line
//! is down for five seconds; a gateway waits sixty. A line `otherwise STEP` says what happens when the others are used
//! up; without one, the amount decides. What follows a `#` is a remark.

use std::time::Duration;

use model::setting::{parse_duration, print_duration};

use crate::mistakes::{Mistakes, lines};

/// The longest wait a step can have, and the longest the line can be down.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How long the line is down unless it is said.
const DOWN: Duration = Duration::from_secs(5);

/// Why a card is declined unless it is said.
const POOR: &str = "INSUFFICIENT_FUNDS";

/// Something that happens to a payment, or to the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The customer pays.
    Approve,
    /// The customer pays, and it is said twice.
    ApproveTwice,
    /// Another amount is said than was asked for.
    ApproveWrong,
    /// A payment nobody asked for is said to be paid, then this one.
    ApproveAnother,
    /// The processor says no.
    Decline {
        /// Why.
        code: String,
    },
    /// The customer presses cancel.
    Cancel,
    /// The terminal does something else.
    Busy,
    /// Nobody comes.
    Silence,
    /// A frame that means nothing, then the customer pays.
    Garbage,
    /// The line breaks before the screen shows the payment.
    DropUnstarted {
        /// How long it is down.
        down: Duration,
    },
    /// The line breaks while the screen shows the payment, which is paid after it is back.
    DropStarted {
        /// How long it is down.
        down: Duration,
    },
    /// The line breaks, and the customer pays.
    DropPaid {
        /// How long it is down.
        down: Duration,
        /// Whether it can be given back.
        void: Void,
    },
    /// What the cents of the amount mean.
    ByAmount,
    /// Whoever stands at the terminal decides.
    Person,
}

/// Whether a payment can be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Void {
    /// It can.
    Works,
    /// The processor refuses that.
    Refused,
}

/// The step in the words of a script.
impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Approve => f.write_str("approve"),
            Self::ApproveTwice => f.write_str("approve twice"),
            Self::ApproveWrong => f.write_str("approve wrong"),
            Self::ApproveAnother => f.write_str("approve another"),
            Self::Decline { code } => write!(f, "decline {code}"),
            Self::Cancel => f.write_str("cancel"),
            Self::Busy => f.write_str("busy"),
            Self::Silence => f.write_str("silence"),
            Self::Garbage => f.write_str("garbage"),
            Self::DropUnstarted { down } => write!(f, "drop unstarted for {}", print_duration(*down)),
            Self::DropStarted { down } => write!(f, "drop started for {}", print_duration(*down)),
            Self::DropPaid { down, void } => {
                write!(f, "drop paid for {}", print_duration(*down))?;
                if *void == Void::Refused { f.write_str(" refusing void") } else { Ok(()) }
            }
            Self::ByAmount => f.write_str("by amount"),
            Self::Person => f.write_str("person"),
        }
    }
}

/// One line: what happens, and how long that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub act: Act,
    /// How long after the payment was offered.
    pub after: Duration,
}

/// What happens to each payment, in the order in which they are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) otherwise: Step,
}

impl Script {
    /// Reads a script.
    ///
    /// ```
    /// let mistakes = devices::terminal::Script::parse("aprove\ndrop").unwrap_err();
    /// assert!(mistakes.to_string().starts_with("line 1: expected one of `approve`"));
    /// assert!(mistakes.to_string().ends_with("line 2: expected `drop unstarted|started|paid [for DURATION]`, got `drop`"));
    /// ```
    ///
    /// # Errors
    ///
    /// Every mistake there is, each with its line and what would be right.
    pub fn parse(text: &str) -> Result<Self, Mistakes> {
        let (steps, otherwise) = lines(text, step)?;
        let by_amount = Step { act: Act::ByAmount, after: Duration::ZERO };
        Ok(Self { steps, otherwise: otherwise.unwrap_or(by_amount) })
    }

    /// The cents of every amount decide, so long after it is offered or later.
    #[must_use]
    pub const fn by_amount(after: Duration) -> Self {
        Self { steps: Vec::new(), otherwise: Step { act: Act::ByAmount, after } }
    }

    /// Whoever stands at the terminal decides.
    #[must_use]
    pub const fn by_hand() -> Self {
        Self { steps: Vec::new(), otherwise: Step { act: Act::Person, after: Duration::ZERO } }
    }
}

impl Step {
    /// Reads one step, or says what would be right.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        step(&line.split_whitespace().collect::<Vec<_>>())
    }
}

/// Reads a step, or says what would be right.
fn step(words: &[&str]) -> Result<Step, String> {
    let (words, after) = match words {
        [words @ .., "after", duration] => match parse_duration(duration) {
            Some(after) if after <= LONGEST => (words, after),
            Some(_) | None => {
                return Err(format!("`after` with at most {}, such as `after 800ms`", print_duration(LONGEST)));
            }
        },
        [.., "after"] => return Err("a duration after `after`, such as `after 800ms`".to_owned()),
        words => (words, Duration::ZERO),
    };
    let act = match words {
        ["approve"] => Act::Approve,
        ["approve", "twice"] => Act::ApproveTwice,
        ["approve", "wrong"] => Act::ApproveWrong,
        ["approve", "another"] => Act::ApproveAnother,
        ["decline"] => Act::Decline { code: POOR.to_owned() },
        ["decline", code] => Act::Decline { code: (*code).to_owned() },
        ["cancel"] => Act::Cancel,
        ["busy"] => Act::Busy,
        ["silence"] => Act::Silence,
        ["garbage"] => Act::Garbage,
        ["drop", rest @ ..] => dropped(rest).ok_or("`drop unstarted|started|paid [for DURATION]`")?,
        ["by", "amount"] => Act::ByAmount,
        ["person"] => Act::Person,
        _ => {
            return Err("one of `approve`, `approve twice`, `approve wrong`, `approve another`, `decline [CODE]`, \
                        `cancel`, `busy`, `silence`, `garbage`, `drop unstarted|started|paid`, `by amount`, `person`, \
                        each possibly with `after DURATION`"
                .to_owned());
        }
    };
    Ok(Step { act, after })
}

/// What stands behind `drop`: when, for how long, and whether what was paid meanwhile can be given back.
fn dropped(words: &[&str]) -> Option<Act> {
    let (when, rest) = words.split_first()?;
    let (down, rest) = match rest {
        ["for", duration, rest @ ..] => (parse_duration(duration).filter(|down| *down <= LONGEST)?, rest),
        rest => (DOWN, rest),
    };
    match (*when, rest) {
        ("unstarted", []) => Some(Act::DropUnstarted { down }),
        ("started", []) => Some(Act::DropStarted { down }),
        ("paid", []) => Some(Act::DropPaid { down, void: Void::Works }),
        ("paid", ["refusing", "void"]) => Some(Act::DropPaid { down, void: Void::Refused }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_printed_as_it_is_read() {
        let (short, long) = (Duration::from_secs(5), Duration::from_secs(65));
        let table = [
            ("approve", Act::Approve),
            ("approve twice", Act::ApproveTwice),
            ("approve wrong", Act::ApproveWrong),
            ("approve another", Act::ApproveAnother),
            ("decline EXPIRED_CARD", Act::Decline { code: "EXPIRED_CARD".to_owned() }),
            ("cancel", Act::Cancel),
            ("busy", Act::Busy),
            ("silence", Act::Silence),
            ("garbage", Act::Garbage),
            ("drop unstarted for 5s", Act::DropUnstarted { down: short }),
            ("drop started for 65s", Act::DropStarted { down: long }),
            ("drop paid for 65s", Act::DropPaid { down: long, void: Void::Works }),
            ("drop paid for 65s refusing void", Act::DropPaid { down: long, void: Void::Refused }),
            ("by amount", Act::ByAmount),
            ("person", Act::Person),
        ];
        for (line, act) in table {
            assert_eq!(act.to_string().replace("1m5s", "65s"), line);
            let step = Step { act, after: Duration::from_millis(800) };
            let script = Script::parse(&format!("  {line}\tafter 800ms # a remark")).unwrap();
            assert_eq!(script.steps, [step], "{line}");
        }
        assert_eq!(Step::parse("drop paid").unwrap().act, Act::DropPaid { down: short, void: Void::Works });
        assert_eq!(Step::parse("decline").unwrap().act, Act::Decline { code: POOR.to_owned() });
        assert_eq!(Script::parse("").unwrap(), Script::by_amount(Duration::ZERO));
        assert_eq!(Script::parse("otherwise person").unwrap(), Script::by_hand());
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_what_would_be_right() {
        let text = "approve
            aprove
            approve thrice
            decline A B
            drop
            drop started for
            drop started for 2h
            drop started refusing void
            # fine
            silence after soon
            otherwise
            otherwise cancel
            otherwise cancel
            cancel";
        let mistakes = Script::parse(text).unwrap_err();
        let lines: Vec<u32> = mistakes.0.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14]);
        let told = mistakes.to_string();
        for line in [
            "line 7: expected `drop unstarted|started|paid [for DURATION]`, got `drop started for 2h`",
            "line 10: expected `after` with at most 1h, such as `after 800ms`, got `silence after soon`",
            "line 13: expected one `otherwise` at most, got `otherwise cancel`",
            "line 14: expected nothing after `otherwise`, which must come last, got `cancel`",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\nnot in\n{told}");
        }
    }
}
