//! What an application asks of BOOP and hears from it: contexts, results, scans.

use std::collections::BTreeMap;
use std::fmt;

use model::{Currency, Money, Secret, Side};
use serde_json::{Map, Value};

pub use model::RequestKey as ContextId;

use super::codes::{AUTH_CONTEXT_NOT_FOUND, INTERNAL_ERROR};
use crate::link::NotSent;
use crate::problem::Problem;

/// What a vendor wants to know about the customer, and what it will charge.
///
/// ```
/// use client::boop::Requirements;
/// use model::{Currency, Money};
///
/// let payment = Requirements::payment(Money { minor: 2500, currency: Currency::USD }).attributes(["email"]);
/// assert_eq!(payment.to_string(), r#"{"amount":2500,"attributes":["email"],"type":"payment"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    fields: Map<String, Value>,
}

impl Requirements {
    /// A payment of that much. The currency is named only when it is not the default, US dollars.
    #[must_use]
    pub fn payment(amount: Money) -> Self {
        let payment = Self::of("payment").with("amount", amount.minor);
        if amount.currency == Currency::USD { payment } else { payment.with("currency", amount.currency.as_str()) }
    }

    /// Somebody at a door.
    #[must_use]
    pub fn entrance() -> Self {
        Self::of("entrance")
    }

    /// A member at a desk.
    #[must_use]
    pub fn membership() -> Self {
        Self::of("membership")
    }

    /// A kind this client does not know yet.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        Self { fields: Map::new() }.with("type", kind)
    }

    /// Attributes the customer must have; without them there is no match.
    #[must_use]
    pub fn attributes<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.with("attributes", names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    }

    /// Attributes that are welcome and not needed.
    #[must_use]
    pub fn attributes_optional<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.with("attributes_optional", names.into_iter().map(str::to_owned).collect::<Vec<_>>())
    }

    /// Only the scanner of that id is asked.
    #[must_use]
    pub fn terminal(self, device_id: &str) -> Self {
        self.with("terminal_id", device_id)
    }

    /// Any other key of the vendor's pages. A second value for a key replaces the first.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn to_json(&self) -> Map<String, Value> {
        self.fields.clone()
    }
}

/// As it stands in the frame.
impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Value::Object(self.fields.clone()), f)
    }
}

/// What the network said about the palm: the one outcome of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthResult {
    /// It knows the palm, and everything that was required is there.
    Matched(Matched),
    /// It says no.
    Declined(Declined),
}

/// Somebody the network knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// The same on every visit. The vendor's pages promise it; a server that leaves it out is believed anyway.
    pub user_id: Option<String>,
    /// What was asked for and may be known.
    pub attributes: Attributes,
    /// Names the debit, for a payment.
    pub transaction_id: Option<String>,
}

/// Why the network says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declined {
    /// The network's word, such as `user-not-found`; open-ended.
    pub code: Option<String>,
    /// The error that came with it.
    pub problem: Problem,
    /// Which required attributes the customer does not have.
    pub missing_attributes: Vec<String>,
}

/// Attributes of a customer, by the names they were asked for. Debug output shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Attributes(pub(super) BTreeMap<String, Value>);

impl Attributes {
    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// One of them, when it is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why something that was asked has no answer. It says whether asking again is safe.
///
/// ```
/// use client::NotSent;
/// use client::boop::Failure;
///
/// assert!(Failure::from(NotSent::Expired).is_safe_to_retry());
/// assert!(!Failure::NoAnswer.is_safe_to_retry(), "it may have been paid");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It never left: asking again is safe.
    #[error("not sent: {0}")]
    NotSent(#[from] NotSent),
    /// The server refused it.
    #[error("refused: {0}")]
    Refused(Problem),
    /// The context's time was over before anybody was recognised: nothing has happened.
    #[error("expired before a palm was recognised")]
    Expired,
    /// No answer came in time. It may have happened: an answer that still comes is told as an event.
    #[error("no answer came in time, the outcome is unknown")]
    NoAnswer,
    /// The connection ended for good while the answer was awaited. It may have happened.
    #[error("the connection ended for good, the outcome is unknown")]
    Closed,
}

impl Failure {
    /// Whether it is certain that nothing happened, so that asking again cannot do it twice.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::Expired => true,
            // It knows nothing of it any more, or does not know what it did: it may have happened.
            Self::Refused(problem) => !problem.is(AUTH_CONTEXT_NOT_FOUND) && !problem.is(INTERNAL_ERROR),
            Self::NoAnswer | Self::Closed => false,
        }
    }
}

/// A context as a scanner sees it: somebody may hold a palm over the glass now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Which one.
    pub context_id: ContextId,
    /// `payment`, `entrance`, `membership`, or what comes later.
    pub auth_type: String,
    /// Who asks; for the display.
    pub vendor_name: String,
    /// How much, in the smallest unit, for a payment.
    pub amount: Option<u64>,
    /// Of which currency.
    pub currency: Option<String>,
    /// What the vendor must know.
    pub attributes_required: Vec<String>,
    /// What the vendor would like to know.
    pub attributes_optional: Vec<String>,
    /// When it ends by the server's wall clock, RFC 3339; for the display.
    pub expires_at: Option<String>,
}

/// How a context ended, as a scanner hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Somebody was recognised.
    Completed,
    /// The network said no.
    Failed,
    /// Its time was over.
    Expired,
    /// The vendor took it back.
    Cancelled,
    /// Another word, or none.
    Other,
}

/// What happened at the glass.
///
/// ```
/// use client::boop::{Capture, Sample, Scan};
/// use model::{Secret, Side};
///
/// let template = Sample::Template(Secret::new("cGFsbQ=="));
/// let scan = Scan::Captured(Capture { sample: template, side: Side::Left, quality: 91 });
/// assert!(!format!("{scan:?}").contains("cGFsbQ"), "a palm prints nothing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scan {
    /// A palm was read.
    Captured(Capture),
    /// A palm was held, and could not be read.
    PoorQuality,
    /// The scanner itself is at fault.
    DeviceError,
    /// The customer does not want to.
    Cancelled,
}

impl Scan {
    /// The palm of a test user, well read; none for somebody who is not registered. Test servers only.
    #[must_use]
    pub fn test_user(user: Option<&str>, side: Side) -> Self {
        let sample = Sample::TestUser(user.map(str::to_owned));
        Self::Captured(Capture { sample, side, quality: Capture::WELL_READ })
    }
}

/// A palm that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// What it looks like.
    pub sample: Sample,
    /// Which hand.
    pub side: Side,
    /// How well it was read, 0 to 100.
    pub quality: u8,
}

impl Capture {
    /// A quality well over the 80 that registration asks for.
    pub const WELL_READ: u8 = 93;
}

/// What a palm looks like to the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// The encrypted template, as base64. Prints nothing.
    Template(Secret),
    /// A test user's name instead of a palm, or none for a palm that nobody registered. Test servers only.
    TestUser(Option<String>),
}

/// What the network made of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanStatus {
    /// It knows the palm.
    Matched,
    /// It says no; the context is over.
    Rejected,
    /// Please scan again: the context is still open.
    Rescan,
    /// The context was over already.
    Late,
}
