//! The SDK: pure machines for the other side of every dialect, and a thin async shell.
pub mod boop;
mod link;
mod machine;
mod problem;
#[doc(hidden)]
pub mod rehearsal;
mod shell;
mod tap;
pub use link::{Ended, Lost, NotSent, Preset, State};
pub use machine::{Input, Machine, Output, Text};
pub use problem::Problem;
pub use shell::{Answer, BadEndpoint, Dial, Dialing, Endpoint, Events, Heard, Listener, Stream, Target, drive};
pub use tap::{Direction, Tap, redact};
