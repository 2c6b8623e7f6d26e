//! Modulus' other side: the till that asks for payments, on the socket `/v1` or with signed HTTP calls, and the terminal
//! that takes them.
//!
//! ```text
//!  till                           gateway                       terminal
//!    │ upgrade, x-api-key            │  upgrade, x-api-key, x-device-id │
//!    ├──────────────────────────────▶│◀─────────────────────────────────┤
//!    │ payment                       │ payment                          │
//!    ├──────────────────────────────▶├─────────────────────────────────▶│
//!    │                               │                  paymentResponse │
//!    │◀───────────── paymentComplete ┤◀─────────────────────────────────┤
//!    │                               │ paymentAck                       │
//!    │ ping, every 30 s              ├─────────────────────────────────▶│
//! ```
//!
//! The files are named as those of the server's dialect:
//!
//! | file | what is in it |
//! |---|---|
//! | `wire.rs` | messages as the vendor writes them; every form a gateway may use is read |
//! | `codes.rs` | what errors and reasons mean for a payment and a connection |
//! | `choices.rs` | numbers and where they come from |
//! | `types.rs` | what an application asks and hears |
//! | `requester.rs` | the till's machine |
//! | `performer.rs` | the terminal's machine |
//! | `signing.rs` | the signature of an HTTP call |
//! | `pursuit.rs` | a payment over HTTP, until its outcome is known: pure |
//! | `http.rs` | signed HTTP calls |
//! | `client.rs` | what an application holds of a machine at work |
//!
//! | quirk | what is done about it |
//! |---|---|
//! | a payment is not acknowledged | after a lost connection it is asked for again under its id, which joins it to the first |
//! | no gateway need know that an id is one payment | what is refused when asked for again is [`Failure::RefusedAgain`]: look it up |
//! | an error need not name its payment | it is about the only one that waits, or about none of them |
//! | outcomes are delivered at least once | each is told once, by action and id |
//! | one connection for each till's key, the newest wins | a displaced till stays away: two would displace each other for ever |
//! | an HTTP call is held for 90 s, and the payment may end later | the transaction is looked up until its end is known |
//! | the terminal's messages are not public | they are our own proposal |

mod choices;
mod client;
pub mod codes;
mod http;
mod performer;
mod pursuit;
mod requester;
mod signing;
mod types;
mod wire;

pub use choices::Choices;
pub use client::{Offers, PosClient, TerminalClient};
pub use http::{HttpClient, HttpConfig, HttpFailure};
pub use performer::{Terminal, TerminalCommand, TerminalConfig, TerminalEvent};
pub use requester::{Pos, PosCommand, PosConfig, PosEvent};
pub use signing::{Signed, sign};
pub use types::{
    Ack, Failure, Method, Offer, Payment, PaymentRequest, PaymentResponse, Report, Status, TerminalChange,
    TerminalInfo, TransactionId, Voided,
};
