//! A shop street from one seed: tills, terminals, everything that goes wrong, and the laws that hold all the same.
//!
//! ```text
//! seed ──▶ Plan ──▶ Street ──▶ World: real nodes, real machines, a real store
//!                     │  ▲
//!     frames judged   ▼  │   tills and terminals that remember truthfully
//!                    Book
//! ```
//!
//! | law | what it says |
//! |---|---|
//! | one outcome | a till never hears two, and one no more often than it asked or we started again |
//! | no double charge | a terminal is not given what it may have; it is asked |
//! | money | taken and not given back is what the till heard as a success, or a person is told |
//! | no answer to a stranger | whoever hears of a transaction asked for it, in that group, for that money |
//! | presence | what tills are told in the end is who is there |
//! | every deadline | nothing is open when it should have ended |
//! | every repeat is answered | asked again in the end, each payment says how it ended |
//! | nothing stays busy | in the end each terminal takes one more payment |
//! | the ledger balances | accepted = completed + failed + cancelled + voided + open, each once |
//! | the surface | the node keeps its contract with the shell, the store refuses nothing |
//!
//! The machines of `client` are not used here: what would be wrong on both sides alike would not be seen.

mod book;
mod calls;
mod dice;
mod ending;
mod frames;
mod people;
mod plan;
mod shrink;
mod street;
mod terminal;
mod till;

use std::fmt;
use std::ops::AddAssign;

use store::Store;

pub use plan::Plan;
pub use shrink::shrink;

use plan::Millis;

/// What a peer does when something has happened to it.
pub(crate) enum Effect {
    /// It sends a frame.
    Say(String),
    /// It does something later.
    Soon(Millis, Soon),
    /// Its connection is lost; it is back after so long.
    Drop(Millis),
}

/// What a terminal does later.
#[derive(Clone, Debug)]
pub(crate) enum Soon {
    Decide(String),
    Reverse(String),
    Drop(Millis),
    SayAgain,
}

/// A law that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub law: &'static str,
    /// What was seen.
    pub detail: String,
}

impl Failure {
    pub(crate) fn new(law: &'static str, detail: impl Into<String>) -> Self {
        Self { law, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.detail)
    }
}

/// The ledger of a simulation, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Payments that were accepted.
    pub accepted: u64,
    /// Those that were done.
    pub completed: u64,
    /// Those that were not.
    pub failed: u64,
    /// Those that a person took back.
    pub cancelled: u64,
    /// Those that were done too late, and given back.
    pub voided: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.completed += other.completed;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.voided += other.voided;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, completed, failed, cancelled, voided } = self;
        write!(
            f,
            "{accepted} accepted = {completed} completed + {failed} failed + {cancelled} cancelled + {voided} voided"
        )
    }
}

/// Plays a plan on an empty store.
///
/// # Errors
/// The first law that did not hold.
pub fn play(plan: &Plan, store: Box<dyn Store>) -> Result<Tally, Failure> {
    street::Street::new(plan, store, false)?.run().0
}

/// Plays a plan and says what happened, as a story as far as its language goes.
#[must_use]
pub fn told(plan: &Plan, store: Box<dyn Store>) -> String {
    match street::Street::new(plan, store, true) {
        Ok(street) => street.run().1,
        Err(failure) => failure.to_string(),
    }
}
