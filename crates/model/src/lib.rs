//! Words everybody in the house shares: time, names, money, asks and tells, and the shape of a session.
//!
//! Plain data only. Nothing here waits, reads a clock, rolls dice or knows a vendor's wire; the crates
//! above decide what the words mean together.

mod ask;
mod close;
mod event;
mod hook;
mod id;
mod member;
mod money;
mod opaque;
mod operation;
mod operator;
mod principal;
mod record;
mod rules;
mod secret;
mod session;
pub mod setting;
mod tell;
mod time;
mod web;
mod window;

pub use ask::{Admit, Answer, Ask, Hears, Submit, Takeover, Verdict, Which};
pub use close::{CloseCode, Reason};
pub use event::{Alert, Event, Happening, Position, Presence};
pub use hook::{
    Announce, Delivery, Due, Endpoint, EndpointWork, EndpointsDone, Notice, Occasion, Post, Posted, Tried, Try, Wanted,
};
pub use id::{
    AskId, BadId, CallId, CredentialId, DeviceId, EndpointId, Epoch, Fence, GroupId, MAX_ID_CHARS, MemberId, NetworkId,
    OperationId, Partition, PrincipalId, RequestKey, Route,
};
pub use member::{Attribute, Debit, Decision, Member, Question, Settled, Side};
pub use money::{BadMoney, Currency, Money};
pub use opaque::Opaque;
pub use operation::{Certainty, FailCause, Outcome, OutcomeKind};
pub use operator::{DeviceSeen, SessionSeen, Sight};
pub use principal::{Denied, Dialect, Permissions, Principal, Role, UnknownDialect, UnknownRole};
pub use record::{
    Commit, CommitError, Credential, CredentialKind, DeviceRow, Loaded, MailRow, OperationRow, Settle, Write,
};
pub use rules::{
    Absent, Audience, Capacity, Compensation, Durability, Fits, Late, PerformerLost, Reoffer, Repeat, RequesterLost,
    Rules, Target,
};
pub use secret::{Digest, Secret};
pub use session::{Call, Class, Done, Frame, Input, Outbox, Output, Proof, Request, Response};
pub use tell::{DeviceState, Found, NotAdmitted, Refusal, Standing, Taken, Tell};
pub use time::{Now, Timestamp, Wall};
pub use web::{Host, WebAddress, is_public};
pub use window::{Window, WindowName};
