//! The machines step by step: one input, the complete list of outputs, nothing left over, and a clock that is moved.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod lines;
mod modulus;
mod scanner;
mod stage;
mod vendor;
