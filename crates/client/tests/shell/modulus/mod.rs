//! Modulus' till and terminal over pipes, and its signed calls.

mod calls;
mod sockets;
