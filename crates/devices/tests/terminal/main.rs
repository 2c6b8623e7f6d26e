//! The payment terminal: its machine step by step with a clock that is moved, and once through the shell.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod machine;
mod property;
mod run;
