//! A Modulus payment terminal without a card reader: a script, the cents of the amount or a person say what happens.
//!
//! ```
//! use devices::terminal::Script;
//!
//! let script = Script::parse(
//!     "approve after 800ms             # the first payment
//!      decline INSUFFICIENT_FUNDS      # the second
//!      drop paid for 65s               # the third: paid while the line is down, said too late
//!      otherwise by amount after 300ms # all others: 25.00 is approved, 25.05 is declined …",
//! )?;
//! # let _ = script;
//! # Ok::<(), devices::terminal::Mistakes>(())
//! ```
//!
//! `by amount` looks at the first two digits behind the point. The table is kept in [`cents`].

mod cents;
mod machine;
mod run;
mod script;

pub use crate::mistakes::{Mistake, Mistakes};
pub use cents::{CENTS, cents};
pub use machine::{Event, Press, Terminal};
pub use run::run;
pub use script::{Act, Script, Step, Void};
