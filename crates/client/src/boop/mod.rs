//! BOOP
mod choices;
mod client;
pub mod codes;
mod lines;
mod performer;
mod requester;
mod types;
mod wire;
pub use choices::Choices;
pub use client::{CheckFailure, Checked, Contexts, RawClient, RawSender, ScannerClient, VendorClient, check};
pub use lines::{Line, Lines, LinesConfig, LinesEvent};
pub use performer::{Scanner, ScannerCommand, ScannerConfig, ScannerEvent};
pub use requester::{Vendor, VendorCommand, VendorConfig, VendorEvent};
pub use types::{
    Attributes, AuthResult, Capture, CloseReason, Context, ContextId, Declined, Failure, Matched, Requirements, Sample,
    Scan, ScanStatus,
};
