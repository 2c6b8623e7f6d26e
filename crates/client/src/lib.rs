//! The SDK: pure machines for the other side of every dialect, and a thin async shell.
//!
//! | what | where |
//! |---|---|
//! | clients to use: connect, ask, listen, close | [`Client`] of any side: [`boop::VendorClient`], [`boop::ScannerClient`], [`modulus::PosClient`], [`modulus::TerminalClient`]; [`RawClient`] for bare lines |
//! | signed HTTP calls | [`modulus::HttpClient`], [`modulus::sign`] |
//! | a look whether a server is there | [`check()`] |
//! | machines without IO, clock or dice | [`boop::Vendor`], [`boop::Scanner`], [`modulus::Pos`], [`modulus::Terminal`], [`Lines`] for any [`Login`], all of them a [`Machine`] |
//! | the shell around any machine | [`drive`], [`Endpoint`] |
//!
//! What every connection promises, whatever is spoken on it:
//!
//! - It logs in, beats at the level the vendor documents, and when it is lost comes back after a random pause under a
//!   ceiling that doubles from 1 s to 30 s and falls only after a stable session. A server that asks for a longer pause
//!   gets it.
//! - It stays away for good when the credentials are refused or another connection took its place, and after
//!   [`Preset::attempts_most`] failures in a row.
//! - What is asked before the login waits in a bounded queue, each with its own time; what has expired is never sent.
//! - What was asked is settled exactly once, and a [failure](boop::Failure) says whether asking again is safe. What was
//!   written once is never written again, unless its id makes the second time the first: a payment of Modulus is.
//! - A frame of an unknown type is handed over, one that cannot be read is counted, and the connection lives.
//! - Certificates are always verified. Keys go unencrypted to this machine only, unless that is asked for by name.
//! - Whatever a server does, memory is bounded and nothing panics.
//!
//! The states of a connection, and everything else that happens, can be listened to:
//!
//! ```
//! use client::boop::{VendorClient, VendorConfig, VendorEvent};
//! use client::{Endpoint, Heard, State};
//! use model::Secret;
//!
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # runtime.block_on(async {
//! # let url = client::rehearsal::boop().await?;
//! let config = VendorConfig::new("ven_test_bakery7", Secret::new("sk_test_Qm41"));
//! let vendor = VendorClient::connect(Endpoint::new(&url), config)?;
//! let mut events = vendor.events();
//! vendor.authenticated().await?;
//! vendor.close().await;
//! while let Some(heard) = events.next().await {
//!     match heard {
//!         Heard::Event(VendorEvent::State(State::Connecting { attempt, pause })) => {
//!             println!("attempt {attempt} in {} ms", pause.as_millis());
//!         }
//!         Heard::Event(VendorEvent::State(State::Closed(ended))) => println!("{ended}"),
//!         Heard::Event(VendorEvent::State(state)) => println!("{}", state.label()),
//!         Heard::Event(VendorEvent::Lost(lost)) => println!("{lost}"),
//!         Heard::Event(other) => println!("{other:?}"),
//!         Heard::Missed(count) => println!("{count} events were not taken in time"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod boop;
mod lines;
mod link;
mod login;
mod machine;
pub mod modulus;
mod problem;
#[doc(hidden)]
pub mod rehearsal;
mod shell;
mod side;
mod tap;

pub use lines::{CheckFailure, Checked, Line, Lines, LinesEvent, RawClient, RawSender, check};
pub use link::{Ended, Lost, NotSent, Preset, State};
pub use login::{Login, Meaning};
pub use machine::{Input, Machine, Output, Text};
pub use problem::Problem;
pub use shell::{
    Answer, BadEndpoint, Client, Dial, Dialing, Endpoint, Events, Heard, Held, Listener, Only, Stream, Target, drive,
};
pub use tap::{Direction, Tap, redact};
