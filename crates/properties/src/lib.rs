//! What must hold whatever comes: one function for each target of the fuzzer. For tests only; never in the binary.
//!
//! Each takes any bytes and panics when something does not hold. The fuzzer calls it (`cargo xtask fuzz`), and so do
//! the tests here for every file of `fuzz/corpus`. Except for frames alone, the bytes are a small program, a line for
//! each thing that happens, so that a finding can be read: see [`node`], [`session`] and [`client`],
//! and [`modulus`] for another vendor's.

pub mod client;
pub mod handshake;
pub mod modulus;
pub mod node;
mod program;
pub mod session;
pub mod wire;

/// What must hold for the bytes; panics when it does not.
pub type Property = fn(&[u8]);

/// Every target by the name of its corpus, with its property.
pub const TARGETS: [(&str, Property); 10] = [
    ("websocket", websocket::property::check),
    ("handshake", handshake::check),
    ("boop_wire", wire::check),
    ("boop_session", session::check),
    ("boop_client", client::check),
    ("modulus_wire", modulus::wire::check),
    ("modulus_session", modulus::session::check),
    ("modulus_client", modulus::client::check),
    ("modulus_hook", modulus::hook::check),
    ("node", node::check),
];
