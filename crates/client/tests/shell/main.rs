//! The shell around the machines: over pipes with a clock that moves by itself when everybody waits, and over
//! TLS on loopback.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod check;
mod hostile;
mod modulus;
mod parting;
mod stage;
mod tls;
mod well;
