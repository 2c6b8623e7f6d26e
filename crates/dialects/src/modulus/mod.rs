//! Modulus Labs Terminal Gateway: a till asks for a payment, a payment terminal takes it, the till hears what came of it.
//!
//! The **till** (the vendor says POS, or desktop) is the requester, on the socket `/v1` or with signed HTTP calls; the
//! **terminal** is the performer, on the same socket. Which of the two a connection is follows from its key. A key's
//! group is a shop: nothing crosses it.
//!
//! ```text
//!   till                           gateway                         terminal
//!     | upgrade, x-api-key --------> |  <-------- upgrade, x-api-key, x-device-id
//!     | <------------- (101)         |                                |
//!     | <-------- terminalStatusUpdate connected                      |
//!     | payment -------------------> | payment ---------------------> |
//!     |        (no acknowledgement)  |                                |  a card
//!     |                              | <------------- paymentResponse |
//!     | <----------- paymentComplete | paymentAck accepted ---------> |
//!     |                              |          ( it drops, and is back within 60 s )
//!     |                              | paymentInquiry --------------> |
//!     |                              |          ( it is back later, with a success )
//!     |                              | voidPayment -----------------> |
//!     | <------------- paymentVoided | <------------------ voidResult |
//! ```
//!
//! | quirk | what we do |
//! |---|---|
//! | one path for tills and terminals | the machine is chosen when the key has been looked up |
//! | a payment is never acknowledged on the socket | `Accepted` prints nothing; an error or `paymentComplete` follows |
//! | `terminalId` is a device id or a connection id | the engine resolves both, within the group |
//! | money is a text or a number | it is kept as it was written; compared as a decimal, never a float |
//! | the vendor has no cancel | none is offered |
//! | no terminal protocol is public | ours, after the vendor's form; it asks a terminal that came back, before it offers again |
//! | a success after the end is voided | further work of its own, with one outcome of its own |
//! | webhooks | what endpoints are told is kept with the outcome, in its transaction; a try signs it anew |
//!
//! Absent: `service.rs` (the terminal's answer is final).

mod amount;
mod call;
mod choices;
mod codes;
mod connection;
mod hooks;
mod ledger;
mod manners;
mod performer;
mod requester;
mod rules;
mod signature;
mod wire;

pub use call::Call;
pub use choices::Choices;
pub use codes::Code;
pub use connection::Connection;
pub(crate) use hooks::hooks;
pub(crate) use ledger::entry;
pub use rules::{Kind, rules};

use model::{Dialect, Request};

use crate::{Door, Way};

/// Where tills and terminals connect, and below which tills call.
pub const PATH: &str = "/v1";

/// The door a request knocks at, by its path.
#[must_use]
pub fn door(request: &Request, way: Way) -> Option<Door> {
    let mine = match way {
        Way::Socket => &*request.path == PATH,
        Way::Call => request.path.strip_prefix(PATH).is_some_and(|rest| rest.starts_with('/')),
    };
    mine.then_some(Door { dialect: Dialect::Modulus, role: None, way })
}

/// The door of the key and of the group somebody presents: the header, or else the query.
fn presented<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.header(name).or_else(|| request.query(name))
}
