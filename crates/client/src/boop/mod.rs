//! BOOP's other side: the vendor that asks for palms on `/ws/vendor`, the scanner that has the glass on `/ws/pvs`.
//!
//! ```text
//!  vendor                         server                        scanner
//!    │ authenticate                  │                authenticate │
//!    ├──────────────────────────────▶│◀─────────────────────────────┤
//!    │◀───────────── authenticated ──┼── authenticated ────────────▶│
//!    │ create_context                │                              │
//!    ├──────────────────────────────▶│ context_open ───────────────▶│
//!    │                               │                  scan_result │
//!    │                               │◀─────────────────────────────┤
//!    │◀─────────────── auth_result ──┼── scan_ack, context_closed ─▶│
//!    │ ping, every 30 s              │             ping, every 30 s │
//! ```
//!
//! The files are named as those of the server's dialect:
//!
//! | file | what is in it |
//! |---|---|
//! | `wire.rs` | frames as the vendor writes them; every form a server may use is read |
//! | `codes.rs` | which codes end a login, a context, a connection |
//! | `choices.rs` | numbers and where they come from |
//! | `types.rs` | what an application asks and hears |
//! | `requester.rs` | the vendor's machine |
//! | `performer.rs` | the scanner's machine |
//! | `client.rs` | what an application holds of a machine at work |
//!
//! | quirk | what is done about it |
//! |---|---|
//! | a context is never acknowledged | it is open from the moment it is written; our own timer ends it 5 s after its life |
//! | an expired context has a text and no code on one page, a code on another | both are [`Failure::Expired`] |
//! | an `error` may end a context or only accompany it | `retry_allowed` decides, except for codes that say it does not exist |
//! | a rate limit after a cancel may mean either frame | the context is taken to be alive: it may still be paid |
//! | one connection for each vendor id, the newest wins | a displaced client stays away: two would displace each other for ever |
//! | outcomes are held for a vendor that is away | an open context stays open across a reconnect; what nobody asked for is told as [`VendorEvent::Unclaimed`] |
//! | a scanner is offered its open contexts again | they are told again as [`ScannerEvent::Opened`] |

mod choices;
mod client;
pub mod codes;
mod performer;
mod requester;
mod types;
mod wire;

pub use choices::Choices;
pub use client::{Contexts, ScannerClient, VendorClient};
pub use performer::{Scanner, ScannerCommand, ScannerConfig, ScannerEvent};
pub use requester::{Vendor, VendorCommand, VendorConfig, VendorEvent};
pub use types::{
    Attributes, AuthResult, Capture, CloseReason, Context, ContextId, Declined, Failure, Matched, Requirements, Sample,
    Scan, ScanStatus,
};
