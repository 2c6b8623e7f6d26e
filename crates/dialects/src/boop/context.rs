//! The normal form of a context: what every form of creating one is turned into, and what is stored of it.
//!
//! Scanners are offered it and our service decides by it; neither knows in which form it came.

use model::{Currency, DeviceId, Money, Opaque, Permissions};
use serde::{Deserialize, Serialize};

use super::choices::Choices;

/// The version of the stored bytes.
const VERSION: u8 = 1;
/// The registry's name of the attribute that proves an age by itself.
pub(super) const AGE: &str = "age-verify";
/// The name under which a vendor hears of it that never asked for it by name.
pub(super) const AGE_ASKED: &str = "age_verified";

/// What a vendor wants to know, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    v: u8,
    /// What it is for.
    pub(crate) kind: Kind,
    /// Smallest units, for a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<u64>,
    /// Of which currency, for a payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    currency: Option<Box<str>>,
    /// Attributes without which it fails.
    pub(crate) required: Vec<Wanted>,
    /// Attributes that are told if they are there.
    pub(crate) optional: Vec<Wanted>,
    /// The age that must be proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_age: Option<u32>,
    /// Up to which age [`AGE`] alone is proof.
    pub(crate) adult_age: u32,
    /// The only scanner it may go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    terminal: Option<Box<str>>,
    /// Scans of unknown palms before it fails.
    pub(crate) scan_attempts: u32,
}

/// What a context is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Taking money from the user's balance.
    Payment,
    /// A door.
    Entrance,
    /// A member's desk.
    Membership,
    /// Whether somebody is old enough.
    AgeVerification,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Payment, Self::Entrance, Self::Membership, Self::AgeVerification];

    /// The word in ledgers, events and scanners' messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Entrance => "entrance",
            Self::Membership => "membership",
            Self::AgeVerification => "age_verification",
        }
    }

    /// Takes back what [`Self::name`] gave.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text)
    }
}

/// One attribute that a vendor wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    /// The name it asked with, and is answered under.
    pub(crate) asked: Box<str>,
    /// The registry's name of it.
    pub(crate) known_as: Box<str>,
    /// Whether it is given out only when somebody vouched for it.
    pub(crate) attested: bool,
}

impl Wanted {
    /// What a vendor means by a name.
    #[must_use]
    pub(crate) fn new(asked: &str, choices: &Choices) -> Self {
        let folded = fold(asked);
        let synonym = |pair: &String| {
            let (name, registry) = pair.split_once('=')?;
            (fold(name.trim()) == folded).then(|| fold(registry.trim()))
        };
        let known_as = choices.attribute_synonyms.iter().find_map(synonym).unwrap_or(folded);
        let attested = choices.attested_attributes.iter().any(|name| fold(name) == known_as);
        Self { asked: asked.into(), known_as, attested }
    }

    /// Whether the vendor may see it: listed by the name it asked with, or by the registry's in either spelling.
    #[must_use]
    pub(crate) fn is_permitted(&self, permissions: &Permissions) -> bool {
        match permissions {
            Permissions::All => true,
            Permissions::Only(_) => {
                let [asked, known_as] = [&self.asked, &self.known_as].map(|name| format!("attribute:{name}"));
                permissions.allow(&asked)
                    || permissions.allow(&known_as)
                    || permissions.allow(&known_as.replace('-', "_"))
            }
        }
    }
}

/// Two spellings of one name are one: `loyalty_tier` and `loyalty-tier`.
pub(super) fn fold(name: &str) -> Box<str> {
    name.replace('_', "-").into()
}

impl Context {
    /// A context without any wishes.
    #[must_use]
    pub(crate) fn new(kind: Kind, choices: &Choices) -> Self {
        Self {
            v: VERSION,
            kind,
            amount: None,
            currency: None,
            required: Vec::new(),
            optional: Vec::new(),
            min_age: None,
            adult_age: choices.adult_age,
            terminal: None,
            scan_attempts: choices.scan_attempts,
        }
    }

    /// The same, about so much money.
    #[must_use]
    pub(crate) fn with_money(mut self, amount: u64, currency: Currency) -> Self {
        (self.amount, self.currency) = (Some(amount), Some(currency.as_str().into()));
        self
    }

    /// The same, for one scanner only.
    #[must_use]
    pub(crate) fn at(mut self, terminal: Option<&DeviceId>) -> Self {
        self.terminal = terminal.map(|terminal| terminal.as_str().into());
        self
    }

    /// What is to be paid; none when it is no payment.
    #[must_use]
    pub(crate) fn money(&self) -> Option<Money> {
        let currency = Currency::parse(self.currency.as_deref()?).ok()?;
        Some(Money { minor: i64::try_from(self.amount?).ok()?, currency })
    }

    /// The only scanner it may go to.
    #[must_use]
    pub(crate) fn terminal(&self) -> Option<DeviceId> {
        DeviceId::parse(self.terminal.as_deref()?).ok()
    }

    /// The first attribute the vendor may not see, by the name it asked with.
    #[must_use]
    pub(crate) fn not_permitted(&self, permissions: &Permissions, choices: &Choices) -> Option<Box<str>> {
        let age = self.min_age.map(|_| Wanted::new(AGE_ASKED, choices));
        let wanted = self.required.iter().chain(&self.optional).chain(&age);
        wanted.filter(|wanted| !wanted.is_permitted(permissions)).map(|wanted| wanted.asked.clone()).next()
    }

    /// What is stored and offered.
    #[must_use]
    pub(crate) fn bytes(&self) -> Opaque {
        super::wire::json(self).into()
    }

    /// Takes back what [`Self::bytes`] gave; none for a version we do not know.
    #[must_use]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|context: &Self| context.v == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_bytes_read_back() {
        let choices = Choices::default();
        let mut context = Context::new(Kind::Payment, &choices).with_money(1875, Currency::USD);
        context.required.push(Wanted::new("age_verified", &choices));
        context = context.at(Some(&DeviceId::parse("till 2").unwrap()));
        assert_eq!(Context::read(&context.bytes()), Some(context.clone()));
        assert_eq!(context.terminal().unwrap().as_str(), "till 2");
        assert_eq!(context.money(), Some(Money { minor: 1875, currency: Currency::USD }));
    }

    #[test]
    fn another_version_is_not_guessed_at() {
        let bytes = Context::new(Kind::Entrance, &Choices::default()).bytes();
        let later = String::from_utf8(bytes.to_vec()).unwrap().replace("\"v\":1", "\"v\":2");
        assert_eq!(Context::read(later.as_bytes()), None);
        assert_eq!(Context::read(b""), None);
    }

    #[test]
    fn a_name_is_known_in_both_spellings_and_by_its_synonym() {
        let choices = Choices::default();
        for asked in ["age_verified", "age-verified", "age-verify", "age_verify"] {
            let wanted = Wanted::new(asked, &choices);
            assert_eq!((&*wanted.asked, &*wanted.known_as, wanted.attested), (asked, "age-verify", true));
        }
        let wanted = Wanted::new("loyalty_tier", &choices);
        assert_eq!((&*wanted.known_as, wanted.attested), ("loyalty-tier", false));
    }

    #[test]
    fn permission_is_given_by_name_in_any_spelling() {
        let choices = Choices::default();
        let only = |name: &str| Permissions::Only([name.into()].into());
        let age = Wanted::new("age_verified", &choices);
        assert!(age.is_permitted(&only("attribute:age_verified")));
        assert!(age.is_permitted(&only("attribute:age-verify")));
        assert!(age.is_permitted(&only("attribute:age_verify")));
        assert!(!age.is_permitted(&only("attribute:email")));
        let mut context = Context::new(Kind::Entrance, &choices);
        context.min_age = Some(18);
        assert_eq!(context.not_permitted(&only("attribute:email"), &choices).as_deref(), Some("age_verified"));
    }
}
