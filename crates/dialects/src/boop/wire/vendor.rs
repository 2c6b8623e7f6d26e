//! What a vendor sends and hears, in the primary form.

use std::borrow::Cow;

use bytes::Bytes;
use model::{Currency, DeviceId, Outcome, PrincipalId, RequestKey, Secret, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Form, Wrong, context_id, json, string, whole};
use crate::boop::choices::Choices;
use crate::boop::codes::{Code, Finding};
use crate::boop::context::{Context, Kind, Wanted};
use crate::boop::findings::{Granted, Refused};

/// The largest amount: what every JSON reader can hold exactly.
const MAX_AMOUNT: u64 = (1 << 53) - 1;
/// The longest attribute name, in bytes.
const MAX_ATTRIBUTE: usize = 128;

/// What a vendor's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Authenticate,
    CreateContext,
    CancelContext,
    Ping,
    /// The hello form's login.
    VendorHello,
    /// The other form's way to create a context.
    CreateAuthContext,
}

/// Which message a frame is.
pub(crate) fn message(text: &str) -> Result<Message, Wrong> {
    match &*super::kind(text)? {
        "authenticate" => Ok(Message::Authenticate),
        "create_context" => Ok(Message::CreateContext),
        "cancel_context" => Ok(Message::CancelContext),
        "ping" => Ok(Message::Ping),
        "vendor_hello" => Ok(Message::VendorHello),
        "create_auth_context" => Ok(Message::CreateAuthContext),
        _ => Err(Wrong::form("expected a known `type`")),
    }
}

/// A message of a form that has no machine yet.
pub(crate) fn not_spoken(text: &str, message: &'static str) -> Wrong {
    Wrong { context_id: super::about(text), ..Wrong::content(message) }
}

/// A login: who, and the proof.
pub(crate) fn authenticate(text: &str) -> Result<(Box<str>, Secret), Wrong> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        vendor_id: Cow<'a, str>,
        #[serde(borrow)]
        api_key: Cow<'a, str>,
    }
    let frame: Frame<'_> =
        serde_json::from_str(text).map_err(|_| Wrong::content("expected the texts vendor_id and api_key"))?;
    PrincipalId::parse(&frame.vendor_id).map_err(|bad| Wrong::content(format!("vendor_id {bad}")))?;
    Ok((frame.vendor_id.into(), Secret::new(&frame.api_key)))
}

/// A context to be cancelled.
pub(crate) fn cancel_context(text: &str) -> Result<RequestKey, Wrong> {
    context_id(text)
}

/// A context to be created, in its normal form, and the form it came in.
pub(crate) fn create_context(text: &str, choices: &Choices) -> Result<(RequestKey, Form, Context), Wrong> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        requirements: Option<&'a RawValue>,
        #[serde(borrow)]
        context_type: Option<&'a RawValue>,
    }
    let id = context_id(text)?;
    let read = || {
        let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| Wrong::content("expected every key once"))?;
        match (frame.requirements, frame.context_type) {
            (Some(requirements), None) => requirements_of(requirements, choices),
            (None, Some(_)) => Err(Wrong::content("the form with context_type is not spoken here yet")),
            (Some(_), Some(_)) => Err(Wrong::content("expected requirements or context_type, not both")),
            (None, None) => Err(Wrong::content("expected an object requirements")),
        }
    };
    match read() {
        Ok(context) => Ok((id, Form::Primary, context)),
        Err(wrong) => Err(wrong.about(&id)),
    }
}

/// The `requirements` of the primary form, where the keys of the other form are understood too.
#[derive(Deserialize)]
struct Requirements<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes_required: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes_optional: Option<&'a RawValue>,
    #[serde(borrow)]
    require_age_verification: Option<&'a RawValue>,
    #[serde(borrow)]
    minimum_age: Option<&'a RawValue>,
    #[serde(borrow)]
    terminal_id: Option<&'a RawValue>,
}

fn requirements_of(raw: &RawValue, choices: &Choices) -> Result<Context, Wrong> {
    if !raw.get().starts_with('{') {
        return Err(Wrong::content("expected an object requirements"));
    }
    let given: Requirements<'_> =
        serde_json::from_str(raw.get()).map_err(|_| Wrong::content("expected every key of requirements once"))?;
    let kind = match given.kind.and_then(string).as_deref() {
        Some("payment") => Kind::Payment,
        Some("entrance") => Kind::Entrance,
        Some("membership") => Kind::Membership,
        Some(_) | None => {
            return Err(Wrong::content("expected requirements.type to be payment, entrance or membership"));
        }
    };
    let mut context = Context::new(kind, choices);
    if kind == Kind::Payment {
        context = context.with_money(amount_of(given.amount)?, currency_of(given.currency)?);
    }
    context = context.at(terminal_of(given.terminal_id)?.as_ref());
    for raw in [given.attributes, given.attributes_required].into_iter().flatten() {
        want(&mut context.required, &[], raw, choices)?;
    }
    if let Some(raw) = given.attributes_optional {
        let required = context.required.clone();
        want(&mut context.optional, &required, raw, choices)?;
    }
    if context.required.len() + context.optional.len() > choices.attributes_per_context {
        let most = choices.attributes_per_context;
        return Err(Wrong::content(format!("expected at most {most} attributes")));
    }
    context.min_age = age_of(given.require_age_verification, given.minimum_age, choices)?;
    Ok(context)
}

fn amount_of(raw: Option<&RawValue>) -> Result<u64, Wrong> {
    let amount = raw.and_then(whole).filter(|amount| (1..=MAX_AMOUNT).contains(amount));
    amount.ok_or(Wrong::content("expected requirements.amount to be a whole number from 1 to 9007199254740991"))
}

fn currency_of(raw: Option<&RawValue>) -> Result<Currency, Wrong> {
    let Some(raw) = raw else { return Ok(Currency::USD) };
    let currency = string(raw).and_then(|text| Currency::parse(&text).ok());
    currency.ok_or(Wrong::content("expected requirements.currency to be three capital letters"))
}

fn terminal_of(raw: Option<&RawValue>) -> Result<Option<DeviceId>, Wrong> {
    let Some(raw) = raw else { return Ok(None) };
    let text = string(raw).ok_or(Wrong::content("expected requirements.terminal_id to be a text"))?;
    DeviceId::parse(&text).map(Some).map_err(|bad| Wrong::content(format!("requirements.terminal_id {bad}")))
}

/// Adds the names of a list, each once.
fn want(wanted: &mut Vec<Wanted>, besides: &[Wanted], raw: &RawValue, choices: &Choices) -> Result<(), Wrong> {
    let wrong = || Wrong::content("expected attributes to be lists of texts of 1 to 128 bytes");
    let names: Vec<Cow<'_, str>> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    for name in names {
        if name.is_empty() || name.len() > MAX_ATTRIBUTE || name.chars().any(char::is_control) {
            return Err(wrong());
        }
        if !besides.iter().chain(&*wanted).any(|known| *known.asked == *name) {
            wanted.push(Wanted::new(&name, choices));
        }
        if wanted.len() > choices.attributes_per_context {
            break;
        }
    }
    Ok(())
}

fn age_of(required: Option<&RawValue>, minimum: Option<&RawValue>, choices: &Choices) -> Result<Option<u32>, Wrong> {
    let required = match required.map(RawValue::get) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Wrong::content("expected requirements.require_age_verification to be true or false")),
    };
    let minimum = match minimum {
        None => None,
        Some(raw) => {
            let age = whole(raw).and_then(|age| u32::try_from(age).ok()).filter(|age| (1..=150).contains(age));
            Some(age.ok_or(Wrong::content("expected requirements.minimum_age to be a whole number from 1 to 150"))?)
        }
    };
    Ok(match required {
        Some(false) => None,
        Some(true) => Some(minimum.unwrap_or(choices.adult_age)),
        None => minimum,
    })
}

// What a vendor hears.

/// The login is answered.
pub(crate) fn authenticated(vendor_id: &str, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        vendor_id: &'a str,
        timestamp: String,
    }
    json(&Message { r#type: "authenticated", vendor_id, timestamp: wall.to_string() })
}

/// The one terminal message of a context, in the form it was made in.
pub(crate) fn outcome(form: Form, wall: Wall, context_id: &RequestKey, outcome: &Outcome) -> Bytes {
    let Form::Primary = form;
    match outcome {
        Outcome::Completed { body } => match Granted::read(body) {
            Some(granted) => result(context_id, &Success::of(&granted)),
            None => result(context_id, &Success::bare()),
        },
        Outcome::Declined { body } => result(context_id, &Failure::of(&Refused::read(body))),
        Outcome::Failed { body, .. } => result(context_id, &Failure::of(&Refused::read(body))),
        Outcome::Cancelled { .. } => result(context_id, &Failure::of(&Refused::found(Finding::Cancelled))),
        Outcome::Expired { .. } => {
            let about = super::About { context_id: Some(context_id), ..super::About::default() };
            super::error(wall, Code::AuthContextExpired, about)
        }
    }
}

fn result<T: Serialize>(context_id: &RequestKey, result: &T) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a, T> {
        r#type: &'static str,
        context_id: &'a str,
        result: &'a T,
    }
    json(&Message { r#type: "auth_result", context_id: context_id.as_str(), result })
}

#[derive(Serialize)]
struct Success<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<&'a str>,
}

impl<'a> Success<'a> {
    fn of(granted: &'a Granted<'a>) -> Self {
        Self {
            success: true,
            user_id: Some(&granted.user_id),
            attributes: Some(granted.attributes),
            transaction_id: granted.transaction_id.as_deref(),
        }
    }

    /// What is certain when the rest was written by a version we do not know.
    const fn bare() -> Self {
        Self { success: true, user_id: None, attributes: None, transaction_id: None }
    }
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    error: Problem<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    missing_attributes: &'a [Box<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<&'static str>,
}

#[derive(Serialize)]
struct Problem<'a> {
    code: &'static str,
    message: &'a str,
}

impl<'a> Failure<'a> {
    fn of(refused: &'a Refused) -> Self {
        Self {
            success: false,
            code: refused.finding().map(Finding::name),
            error: Problem { code: refused.code().name(), message: &refused.text },
            missing_attributes: &refused.missing,
            payment: refused.payment_failed.then_some("failed"),
        }
    }
}

#[cfg(test)]
mod tests;
