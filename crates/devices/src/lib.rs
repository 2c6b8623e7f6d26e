//! Counterparts people can run: a palm scanner and a payment terminal today, more with each dialect.
//!
//! A device is a pure machine around the client's machine of its dialect, and a function that runs it. What it does,
//! and when, a small script says.

mod mistakes;
pub mod palm;
pub mod terminal;
