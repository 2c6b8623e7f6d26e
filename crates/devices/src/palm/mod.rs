//! A BOOP palm scanner without glass: a script says whose palm comes, when, and what goes wrong.
//!
//! ```
//! use devices::palm::Script;
//!
//! let script = Script::parse(
//!     "palm usr_8tk2 after 800ms     # the first context: a registered palm
//!      poor quality                  # the second: badly held, then well
//!      palm usr_8tk2 left quality 85
//!      drop connection after 1s      # the third
//!      otherwise silence",
//! )?;
//! # let _ = script;
//! # Ok::<(), devices::palm::Mistakes>(())
//! ```

mod run;
mod scanner;
mod script;

pub use crate::mistakes::{Mistake, Mistakes};
pub use run::run;
pub use scanner::{Event, Scanner};
pub use script::{Act, Script, Step};
