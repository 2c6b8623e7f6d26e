//! Frames as BOOP writes them: what we print, and every form of what a server may say. No decisions.
//!
//! A server's variant is told from each frame alone (`authenticated` or `vendor_hello_response`, a nested result or
//! a flat one, an error's text under `error`, `message` or `error.message`), so all of them are read everywhere.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use model::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::types::{
    Attributes, AuthResult, Capture, CloseReason, Context, ContextId, Declined, Matched, Requirements, Sample, Scan,
    ScanStatus,
};
use crate::machine::Text;
use crate::problem::Problem;

/// The heartbeat at the level the vendor documents.
pub(super) const PING: &str = r#"{"type":"ping"}"#;

/// The longest pause an error can ask for; longer ones are cut down by the link anyway.
const HINT_SECONDS_MOST: f64 = 86_400.0;

// --- what we print -------------------------------------------------------------------------------------------------

pub(super) fn vendor_login(vendor_id: &str, api_key: &Secret) -> Text {
    #[derive(Serialize)]
    struct Frame<'a> {
        r#type: &'static str,
        vendor_id: &'a str,
        api_key: &'a str,
    }
    print(&Frame { r#type: "authenticate", vendor_id, api_key: api_key.reveal() })
}

pub(super) fn scanner_login(device_id: &str, device_key: &Secret) -> Text {
    #[derive(Serialize)]
    struct Frame<'a> {
        r#type: &'static str,
        device_id: &'a str,
        device_key: &'a str,
    }
    print(&Frame { r#type: "authenticate", device_id, device_key: device_key.reveal() })
}

pub(super) fn create_context(context_id: &ContextId, requirements: &Requirements) -> Text {
    #[derive(Serialize)]
    struct Frame<'a> {
        r#type: &'static str,
        context_id: &'a str,
        requirements: &'a serde_json::Map<String, Value>,
    }
    let requirements = &requirements.to_json();
    print(&Frame { r#type: "create_context", context_id: context_id.as_str(), requirements })
}

pub(super) fn cancel_context(context_id: &ContextId) -> Text {
    #[derive(Serialize)]
    struct Frame<'a> {
        r#type: &'static str,
        context_id: &'a str,
    }
    print(&Frame { r#type: "cancel_context", context_id: context_id.as_str() })
}

pub(super) fn scan_result(context_id: &ContextId, scan: &Scan) -> Text {
    #[derive(Serialize)]
    struct Frame<'a> {
        r#type: &'static str,
        context_id: &'a str,
        outcome: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        template: Option<&'a str>,
        /// Null for an unregistered palm, absent when there is a template or no palm at all.
        #[serde(skip_serializing_if = "Option::is_none")]
        test_user_id: Option<Option<&'a str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        palm_side: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        quality: Option<u8>,
    }
    let nothing = Frame {
        r#type: "scan_result",
        context_id: context_id.as_str(),
        outcome: "",
        template: None,
        test_user_id: None,
        palm_side: None,
        quality: None,
    };
    let captured = |capture: &Capture, outcome| Frame {
        outcome,
        palm_side: Some(capture.side.name()),
        quality: Some(capture.quality),
        ..nothing
    };
    match scan {
        Scan::Captured(capture) => match &capture.sample {
            Sample::Template(base64) => {
                print(&Frame { template: Some(base64.reveal()), ..captured(capture, "captured") })
            }
            Sample::TestUser(user) => {
                print(&Frame { test_user_id: Some(user.as_deref()), ..captured(capture, "captured") })
            }
        },
        Scan::PoorQuality => print(&Frame { outcome: "poor_quality", ..nothing }),
        Scan::DeviceError => print(&Frame { outcome: "device_error", ..nothing }),
        Scan::Cancelled => print(&Frame { outcome: "cancelled", ..nothing }),
    }
}

fn print(frame: &impl Serialize) -> Text {
    Text::new(serde_json::to_string(frame).expect("a struct of texts and numbers always prints"))
}

// --- what a server says --------------------------------------------------------------------------------------------

/// One frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Authenticated,
    LoginRefused(Problem),
    Pong,
    /// A context's outcome.
    Outcome(ContextId, AuthResult),
    /// A context's time was over.
    Expired(ContextId),
    Error(Option<ContextId>, Problem),
    ContextOpen(Box<Context>),
    ContextClosed(ContextId, CloseReason),
    ScanAck(ContextId, ScanStatus),
    /// A type this client does not know.
    Unknown(String),
}

/// A frame that is not JSON, has no type, or lacks what its type needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<serde_json::Error> for Malformed {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl Incoming {
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        #[derive(Deserialize)]
        struct Tag<'a> {
            #[serde(borrow)]
            r#type: Cow<'a, str>,
        }
        let Tag { r#type } = serde_json::from_str(text)?;
        match &*r#type {
            "authenticated" => Ok(Self::Authenticated),
            "vendor_hello_response" => hello_response(text),
            "pong" => Ok(Self::Pong),
            "auth_result" => auth_result(text),
            "authentication_success" => authentication_success(text),
            "authentication_failed" => authentication_failed(text),
            "context_expired" => Ok(Self::Expired(context_of(text)?)),
            "error" => error(text),
            "context_open" => context_open(text),
            "context_closed" => context_closed(text),
            "scan_ack" => scan_ack(text),
            unknown => Ok(Self::Unknown(unknown.to_owned())),
        }
    }
}

fn id(text: &str) -> Result<ContextId, Malformed> {
    ContextId::parse(text).map_err(|_| Malformed)
}

fn context_of(text: &str) -> Result<ContextId, Malformed> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        context_id: Cow<'a, str>,
    }
    id(&serde_json::from_str::<Frame<'_>>(text)?.context_id)
}

fn hello_response(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame {
        success: bool,
    }
    let Frame { success } = serde_json::from_str(text)?;
    if success { Ok(Incoming::Authenticated) } else { Ok(Incoming::LoginRefused(problem(text)?.1)) }
}

/// The body of a result, nested or flat.
#[derive(Deserialize)]
struct ResultBody {
    success: bool,
    user_id: Option<String>,
    #[serde(default)]
    attributes: Option<BTreeMap<String, Value>>,
    transaction_id: Option<String>,
    code: Option<String>,
    error: Option<Value>,
    message: Option<String>,
    #[serde(default)]
    missing_attributes: Option<Vec<String>>,
}

fn auth_result(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        context_id: Cow<'a, str>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
    }
    let frame: Frame<'_> = serde_json::from_str(text)?;
    let body: ResultBody = match frame.result.map(RawValue::get) {
        Some(nested) if nested.starts_with('{') => serde_json::from_str(nested)?,
        Some(_) | None => serde_json::from_str(text)?,
    };
    let result = if body.success {
        AuthResult::Matched(Matched {
            user_id: body.user_id,
            attributes: Attributes(body.attributes.unwrap_or_default()),
            transaction_id: body.transaction_id,
        })
    } else {
        let (code, text) = words(body.error.as_ref(), body.message);
        AuthResult::Declined(Declined {
            problem: Problem::new(code.or_else(|| body.code.clone()), text),
            code: body.code,
            missing_attributes: body.missing_attributes.unwrap_or_default(),
        })
    };
    Ok(Incoming::Outcome(id(&frame.context_id)?, result))
}

fn authentication_success(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame {
        user_id: Option<String>,
        #[serde(default)]
        attributes: Option<BTreeMap<String, Value>>,
    }
    let Frame { user_id, attributes } = serde_json::from_str(text)?;
    let attributes = Attributes(attributes.unwrap_or_default());
    let matched = Matched { user_id, attributes, transaction_id: None };
    Ok(Incoming::Outcome(context_of(text)?, AuthResult::Matched(matched)))
}

fn authentication_failed(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame {
        reason: Option<String>,
    }
    let Frame { reason } = serde_json::from_str(text)?;
    let problem = Problem::new(reason.clone(), "");
    let declined = Declined { code: reason, problem, missing_attributes: Vec::new() };
    Ok(Incoming::Outcome(context_of(text)?, AuthResult::Declined(declined)))
}

fn error(text: &str) -> Result<Incoming, Malformed> {
    let (context_id, problem) = problem(text)?;
    Ok(Incoming::Error(context_id, problem))
}

fn problem(text: &str) -> Result<(Option<ContextId>, Problem), Malformed> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Details {
        context_id: Option<String>,
        retry_allowed: bool,
        retry_after: Option<Value>,
    }
    #[derive(Deserialize)]
    struct Frame {
        error: Option<Value>,
        message: Option<String>,
        code: Option<String>,
        context_id: Option<String>,
        retry_after: Option<Value>,
        #[serde(default)]
        details: Option<Details>,
    }
    let frame: Frame = serde_json::from_str(text)?;
    let details = frame.details.unwrap_or_default();
    let (inner_code, text) = words(frame.error.as_ref(), frame.message);
    let problem = Problem {
        code: frame.code.or(inner_code),
        text,
        retry_allowed: details.retry_allowed,
        retry_after: frame.retry_after.or(details.retry_after).as_ref().and_then(seconds),
    };
    let context_id = frame.context_id.or(details.context_id).map(|text| id(&text)).transpose()?;
    Ok((context_id, problem))
}

/// The code within an `error` object, and the text from `error` if it is one, else `message`, else `error.message`.
fn words(error: Option<&Value>, message: Option<String>) -> (Option<String>, String) {
    let inner = |key: &str| error.and_then(|error| error.get(key)).and_then(Value::as_str).map(str::to_owned);
    let text = error.and_then(Value::as_str).map(str::to_owned).or(message).or_else(|| inner("message"));
    (inner("code"), text.unwrap_or_default())
}

/// A number of seconds, possibly written as a text.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds.min(HINT_SECONDS_MOST)).ok()
}

// --- what a server says to a scanner -------------------------------------------------------------------------------

fn context_open(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame {
        context_id: String,
        auth_type: String,
        #[serde(default)]
        vendor_name: String,
        amount: Option<u64>,
        currency: Option<String>,
        #[serde(default)]
        attributes_required: Vec<String>,
        #[serde(default)]
        attributes_optional: Vec<String>,
        expires_at: Option<String>,
    }
    let frame: Frame = serde_json::from_str(text)?;
    Ok(Incoming::ContextOpen(Box::new(Context {
        context_id: id(&frame.context_id)?,
        auth_type: frame.auth_type,
        vendor_name: frame.vendor_name,
        amount: frame.amount,
        currency: frame.currency,
        attributes_required: frame.attributes_required,
        attributes_optional: frame.attributes_optional,
        expires_at: frame.expires_at,
    })))
}

fn context_closed(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame {
        reason: Option<String>,
    }
    let Frame { reason } = serde_json::from_str(text)?;
    let reason = match reason.as_deref() {
        Some("completed") => CloseReason::Completed,
        Some("failed") => CloseReason::Failed,
        Some("expired") => CloseReason::Expired,
        Some("cancelled") => CloseReason::Cancelled,
        Some(_) | None => CloseReason::Other,
    };
    Ok(Incoming::ContextClosed(context_of(text)?, reason))
}

fn scan_ack(text: &str) -> Result<Incoming, Malformed> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        status: Cow<'a, str>,
    }
    let frame: Frame<'_> = serde_json::from_str(text)?;
    let status = match &*frame.status {
        "matched" => ScanStatus::Matched,
        "rejected" => ScanStatus::Rejected,
        "rescan" => ScanStatus::Rescan,
        "late" => ScanStatus::Late,
        _ => return Err(Malformed),
    };
    Ok(Incoming::ScanAck(context_of(text)?, status))
}
