//! The crate through its front door: bytes in, messages out, and the other way round.

mod closing;
mod corpus;
mod cuts;
mod frames;
mod hostile;
mod memory;
mod opening;
mod oracle;
mod rfc;
