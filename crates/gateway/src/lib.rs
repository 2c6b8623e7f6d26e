//! The async shell: listeners, connections, cores, HTTP and metrics.
//!
//! It moves bytes, mail, commits and time in and out of the [`node`] and decides nothing that a transcript could check.
//! One thread per core runs one current-thread runtime; its [`Machine`], usually a [`node::Node`], is called
//! synchronously and never held across an await. There is no channel per session: a connection is one future and one
//! slot with a queue and a waker. The store has a thread of its own; cores and store meet in one inbox per core.
//!
//! ```text
//!  socket ── accept ── http ── connection ⇄ slot ⇄ core(machine) ⇄ inbox ⇄ other cores, store thread
//! ```
//!
//! When a machine panics, that turn's outputs are dropped, an error is logged and counted, and the connection whose
//! input it was is closed with 1011; the process goes on.

mod accept;
mod admission;
mod call;
mod clock;
pub mod codes;
mod connection;
mod core;
mod http;
mod inbox;
mod indoors;
mod listen;
mod machine;
mod mailroom;
mod metrics;
mod networks;
mod notes;
mod operators;
mod outside;
mod post;
mod proxied;
mod queue;
mod refusals;
mod request;
mod running;
mod settings;
mod slot;
mod start;
mod storage;
mod tls;

pub use clock::{Clock, RealClock, Sleep};
pub use indoors::Indoors;
pub use listen::{BadListen, Front, Listen, Serves, Speaks, raise_file_limit};
pub use machine::{Birth, Machine, Plan};
pub use networks::{BadNetwork, Network, Networks};
pub use operators::{Mint, MintError, Minted, NewKey, Scope};
pub use outside::{Answer, Internet, Outside, Stream};
pub use proxied::ForwardedHeader;
pub use running::{Drained, Running};
pub use settings::{Settings, Tls};
pub use start::{Gateway, StartError};
pub use storage::{LOAD_AGAIN, Ledger, Storage};
pub use tls::{Looked, TlsError, certificate_digest};
