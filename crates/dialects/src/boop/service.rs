//! What BOOP's own server decides: whose palm it is, what that vendor may know of them, and whether they can pay.
//!
//! Two pure functions. The store looks the member up between them and makes the decision true in one
//! transaction, so a payment is taken exactly once, together with its outcome.

use model::{Attribute, Certainty, Debit, Decision, FailCause, Member, Opaque, Outcome, Question, Settled, Side, Wall};
use serde_json::value::RawValue;

use super::codes::{Code, Finding};
use super::context::{AGE, AGE_ASKED, Context, Kind, Wanted, fold};
use super::findings::{Evidence, Granted, Note, Refused};
use crate::Service;

/// The registry's name of what proves any age.
const BIRTH: &str = "date-of-birth";

/// BOOP's service.
#[must_use]
pub fn service() -> Service {
    Service { subject, decide }
}

/// Whom the palm names; none for a palm that names nobody.
fn subject(question: &Question) -> Option<Box<str>> {
    Evidence::read(&question.evidence)?.subject().map(Box::from)
}

/// What the palm means for the context it was shown to.
fn decide(question: &Question, member: Option<&Member>) -> Decision {
    let read = (Context::read(&question.request), Evidence::read(&question.evidence));
    let (Some(context), Some(evidence)) = read else {
        let (cause, certainty) = (FailCause::Service, Certainty::Unknown);
        return without_debit(Settled::Outcome(Outcome::Failed { cause, certainty, body: Opaque::new() }));
    };
    let Some(member) = member else { return without_debit(nobody(&context, question.attempt)) };
    match grant(question, &context, &evidence, member) {
        Ok(decision) => decision,
        Err(refused) => without_debit(declined(&refused)),
    }
}

/// Nobody is registered with that palm. With more attempts than one, the first ones may be tried again.
fn nobody(context: &Context, attempt: u32) -> Settled {
    if attempt < context.scan_attempts {
        return Settled::Again { note: Note::bytes(Code::AuthFailed) };
    }
    if context.scan_attempts > 1 {
        return declined(&Refused::new(Code::AuthFailed, Code::AuthFailed.text()));
    }
    declined(&Refused::found(Finding::UserNotFound))
}

/// Success, or why this member's palm does not open what the vendor wants opened.
fn grant(question: &Question, context: &Context, evidence: &Evidence, member: &Member) -> Result<Decision, Refused> {
    if !member.groups.as_ref().is_none_or(|groups| groups.contains(&question.group)) {
        return Err(Refused::found(Finding::VendorNotConsented));
    }
    let known = Known { member, side: shown(evidence, member) };
    let mut missing: Vec<Box<str>> = Vec::new();
    let mut given: Vec<(&str, Box<RawValue>)> = Vec::new();
    for wanted in &context.required {
        match known.value(wanted) {
            Some(value) => given.push((&wanted.asked, value)),
            None => missing.push(wanted.asked.clone()),
        }
    }
    if context.min_age.is_some_and(|age| !known.is_of_age(age, context.adult_age, question.wall)) {
        let name = context.required.iter().find(|wanted| *wanted.known_as == *AGE).map(|wanted| wanted.asked.clone());
        let name = name.unwrap_or_else(|| AGE_ASKED.into());
        if !missing.contains(&name) {
            missing.push(name);
        }
    }
    if !missing.is_empty() {
        return Err(Refused::found(Finding::UserMissingAttributes).missing(missing));
    }
    given.extend(context.optional.iter().filter_map(|wanted| Some((&*wanted.asked, known.value(wanted)?))));
    let debit = debit(context, member)?;
    let transaction = debit.as_ref().map(|_| format!("txn_{}", question.operation));
    let body = Granted::bytes(member.id.as_str(), &given, transaction.as_deref());
    Ok(Decision { settled: Settled::Outcome(Outcome::Completed { body }), debit })
}

/// What is to be taken; nothing for what is no payment.
fn debit(context: &Context, member: &Member) -> Result<Option<Debit>, Refused> {
    let money = match context.kind {
        Kind::Payment => context.money(),
        Kind::Entrance | Kind::Membership | Kind::AgeVerification => return Ok(None),
    };
    // Another currency is no money here: balances are never converted.
    match money.filter(|money| money.currency == member.balance.currency && money.minor <= member.balance.minor) {
        Some(money) => Ok(Some(Debit { member: member.id.clone(), money })),
        None => Err(Refused::new(Code::AuthFailed, "Insufficient balance").unpaid()),
    }
}

/// Which palm was shown. A template was registered as one of the two, whatever the scanner thinks; for a
/// user that is only named, the scanner's word is all there is.
fn shown(evidence: &Evidence, member: &Member) -> Option<Side> {
    let registered = || {
        let subject = evidence.subject()?;
        member.subjects.iter().find(|(known, _)| **known == *subject).map(|(_, side)| *side)
    };
    let is_palm = evidence.subject().is_some_and(|subject| subject.starts_with("template:"));
    if is_palm { registered().or(evidence.side()) } else { evidence.side().or_else(registered) }
}

/// What may be known of a member that showed this palm.
struct Known<'a> {
    member: &'a Member,
    side: Option<Side>,
}

impl Known<'_> {
    /// The attribute of that registry name, if it may be given out with this palm.
    fn attribute(&self, known_as: &str) -> Option<&Attribute> {
        let attribute =
            self.member.attributes.iter().find(|(name, _)| *fold(name) == *known_as).map(|(_, value)| value)?;
        self.side.is_some_and(|side| attribute.sides.contains(&side)).then_some(attribute)
    }

    /// The value a vendor is told.
    fn value(&self, wanted: &Wanted) -> Option<Box<RawValue>> {
        let attribute = self.attribute(&wanted.known_as)?;
        if wanted.attested && !attribute.attested {
            return None;
        }
        RawValue::from_string(attribute.json.to_string()).ok()
    }

    /// Whether somebody vouched for an age of so many years: a date of birth proves any, [`AGE`] only adulthood.
    fn is_of_age(&self, years: u32, adult: u32, wall: Wall) -> bool {
        let vouched = |name| self.attribute(name).filter(|attribute| attribute.attested);
        let birth = vouched(BIRTH).and_then(|birth| date(birth.json.trim_matches('"')));
        match (birth, date(&wall.to_string())) {
            (Some(birth), Some(today)) => age(birth, today) >= i64::from(years),
            (Some(_) | None, _) => years <= adult && vouched(AGE).is_some_and(|age| &*age.json == "true"),
        }
    }
}

type Date = (i64, u8, u8);

/// The date a text begins with, such as `1994-02-28`.
fn date(text: &str) -> Option<Date> {
    let mut parts = text.get(..10)?.split('-');
    let date = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    ((1..=12).contains(&date.1) && (1..=31).contains(&date.2)).then_some(date)
}

fn age(birth: Date, today: Date) -> i64 {
    today.0 - birth.0 - i64::from((today.1, today.2) < (birth.1, birth.2))
}

fn declined(refused: &Refused) -> Settled {
    Settled::Outcome(Outcome::Declined { body: refused.bytes() })
}

const fn without_debit(settled: Settled) -> Decision {
    Decision { settled, debit: None }
}

#[cfg(test)]
mod tests;
