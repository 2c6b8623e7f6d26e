//! What must hold for BOOP: its wire, its sessions, its clients.

pub mod client;
pub mod session;
pub mod wire;
