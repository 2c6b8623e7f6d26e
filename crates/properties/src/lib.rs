//! What must hold whatever comes: one function for each target of the fuzzer. For tests only; never in the binary.
//!
//! Each takes any bytes and panics when something does not hold. The fuzzer calls it (`cargo xtask fuzz`), and so do
//! the tests here for every file of `fuzz/corpus`. Except for frames alone, the bytes are a small program, a line for
//! each thing that happens, so that a finding can be read: the heads of the files say how. What is the same for every
//! dialect is here, what is not in a folder of its own.

pub mod boop;
mod client;
pub mod handshake;
pub mod modulus;
pub mod node;
mod program;
mod session;

/// What must hold for the bytes; panics when it does not.
pub type Property = fn(&[u8]);

/// Every target by the name of its corpus, with its property.
pub const TARGETS: [(&str, Property); 10] = [
    ("websocket", websocket::property::check),
    ("handshake", handshake::check),
    ("boop_wire", boop::wire::check),
    ("boop_session", boop::session::check),
    ("boop_client", boop::client::check),
    ("modulus_wire", modulus::wire::check),
    ("modulus_session", modulus::session::check),
    ("modulus_client", modulus::client::check),
    ("modulus_hook", modulus::hook::check),
    ("node", node::check),
];
