//! BOOP Network: a vendor asks for an authentication, a customer shows a palm to a scanner, the vendor hears who
//! it is, or no.
//!
//! The **vendor** is the requester, on `/ws/vendor`; the **scanner** is the performer, on `/ws/pvs`. Whose palm it
//! is and what the vendor may know is decided by our own [`service`]; users and their balances belong to the network.
//! A vendor's group is its vendor id: that is what a scanner is told it belongs to.
//!
//! ```text
//!   vendor                         gateway                          scanner
//!     | authenticate ---------------> |                                |
//!     | <-------------- authenticated | <----------------- authenticate|
//!     |                               | authenticated ---------------> |
//!     | create_context -------------> | context_open ----------------> |
//!     |          (no acknowledgement) |                                |  a palm
//!     |                               | <----------------- scan_result |
//!     |      service: who, consent, attributes, balance; one commit    |
//!     | <---------------- auth_result | scan_ack matched ------------> |
//!     | ping -----------------------> |                                |
//!     | <----------------------- pong |                                |
//! ```
//!
//! | quirk | what we do |
//! |---|---|
//! | a context is never acknowledged | `Accepted` prints nothing; the next word is its outcome or an `error` |
//! | two forms of `error` are documented | the union of both is sent |
//! | contexts are sent before the login is answered | frames wait in order while a login is on its way |
//! | expiry is an `error`, every other end an `auth_result` | each context has exactly one of them |
//! | attribute names have two spellings | answered under the name the vendor asked with |
//! | no scanner protocol is public | ours, after the vendor's form |
//!
//! Absent: `http.rs` (the REST calls) and `hooks.rs` (BOOP documents no webhooks). Of the three documented forms of
//! the vendor's socket the primary one is spoken; the other two differ only in `wire` and in how they log in.

mod choices;
mod codes;
mod context;
mod findings;
mod ledger;
mod manners;
mod performer;
mod requester;
mod rules;
mod service;
mod wire;

#[cfg(test)]
mod spec;

pub use choices::Choices;
pub use codes::Code;
pub use context::Kind;
pub(crate) use ledger::entry;
pub use performer::Performer;
pub use requester::Requester;
pub use rules::rules;
pub use service::service;

use model::{Dialect, Request, Role};

use crate::{Door, Way};

/// Where vendors connect.
pub const VENDOR_PATH: &str = "/ws/vendor";
/// Where scanners connect.
pub const SCANNER_PATH: &str = "/ws/pvs";

/// The door a request knocks at, by its path.
#[must_use]
pub fn door(request: &Request, way: Way) -> Option<Door> {
    let role = match &*request.path {
        VENDOR_PATH => Role::Requester,
        SCANNER_PATH => Role::Performer,
        _ => return None,
    };
    (way == Way::Socket).then_some(Door { dialect: Dialect::Boop, role: Some(role), way })
}

/// What a palm's template is looked up by: members are registered with this subject.
#[must_use]
pub fn template_subject(template: &str) -> Box<str> {
    wire::scanner::of_template(template)
}

/// What a user named by a scanner is looked up by, where `test_user_ids` allows that.
#[must_use]
pub fn test_user_subject(user: &str) -> Box<str> {
    wire::scanner::of_test_user(user)
}
