//! Webhooks on the wire: the endpoints of a group as tills manage them, and what is posted to them.

use std::borrow::Cow;

use model::{Endpoint, Opaque, OperationRow, RequestKey, Response, Target, Wall, WebAddress};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::payment::Memo;
use super::result::answered;
use super::{Wrong, instant, json, string};

/// The kinds of events there are.
const EVENTS: [&str; 4] = [COMPLETED, FAILED, CANCELLED, TIMEOUT];
const COMPLETED: &str = "payment.completed";
const FAILED: &str = "payment.failed";
const CANCELLED: &str = "payment.cancelled";
const TIMEOUT: &str = "payment.timeout";

/// The longest description, in characters.
const DESCRIPTION_CHARS: usize = 1_024;
/// The longest metadata, in bytes.
const METADATA_BYTES: usize = 4_096;

/// What a till says of an endpoint; what is none it does not mention.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) url: Option<Box<str>>,
    pub(crate) events: Option<Vec<Box<str>>>,
    pub(crate) active: Option<bool>,
    pub(crate) description: Option<Box<str>>,
    pub(crate) metadata: Option<Opaque>,
}

impl Change {
    /// Reads the body of a create or an update; `anywhere` lets an endpoint do without TLS.
    pub(crate) fn read(body: &[u8], anywhere: bool) -> Result<Self, Wrong> {
        #[derive(Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            url: Option<&'a RawValue>,
            #[serde(borrow)]
            events: Option<&'a RawValue>,
            #[serde(borrow)]
            status: Option<&'a RawValue>,
            #[serde(borrow)]
            description: Option<&'a RawValue>,
            #[serde(borrow)]
            metadata: Option<&'a RawValue>,
        }
        let wrong = || Wrong::new("body", "must be a JSON object with every key once");
        let text = std::str::from_utf8(body).map_err(|_| wrong())?;
        if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
            return Err(wrong());
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
        let active = match fields.status.map(|raw| string(raw).map(String::from)) {
            None => None,
            Some(Some(status)) if status == "active" => Some(true),
            Some(Some(status)) if status == "disabled" => Some(false),
            Some(_) => return Err(Wrong::new("status", "must be active or disabled")),
        };
        let description = fields.description.map(|raw| match string(raw) {
            Some(text) if text.chars().count() <= DESCRIPTION_CHARS => Ok(text.into()),
            _ => Err(Wrong::new("description", format!("must be a text of at most {DESCRIPTION_CHARS} characters"))),
        });
        let metadata = fields.metadata.map(|raw| match raw.get() {
            // It is shown as it stands, to whoever reads endpoints.
            text if text.starts_with('{') && text.len() <= METADATA_BYTES && can_be_held(text) => {
                Ok(Opaque::copy_from_slice(text.as_bytes()))
            }
            _ => {
                let text = format!(
                    "must be an object of at most {METADATA_BYTES} bytes, of whole characters and finite numbers"
                );
                Err(Wrong::new("metadata", text))
            }
        });
        Ok(Self {
            url: fields.url.map(|raw| url(raw, anywhere)).transpose()?,
            events: fields.events.map(events).transpose()?,
            active,
            description: description.transpose()?,
            metadata: metadata.transpose()?,
        })
    }

    /// What a create must have.
    pub(crate) fn is_whole(&self) -> Result<(), Wrong> {
        match (&self.url, &self.events) {
            (None, _) => Err(Wrong::new("url", "is required")),
            (_, None) => Err(Wrong::new("events", "is required")),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    /// The endpoint with that changed.
    pub(crate) fn apply(self, endpoint: &mut Endpoint, wall: Wall) {
        endpoint.url = self.url.unwrap_or_else(|| endpoint.url.clone());
        endpoint.events = self.events.unwrap_or_else(|| endpoint.events.clone());
        endpoint.active = self.active.unwrap_or(endpoint.active);
        endpoint.description = self.description.or_else(|| endpoint.description.take()).filter(|text| !text.is_empty());
        endpoint.metadata = self.metadata.or_else(|| endpoint.metadata.take());
        endpoint.updated_at = wall;
    }
}

/// Whether everybody can read it.
fn can_be_held(json: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(json).is_ok()
}

/// A URL that may be called: `https`, unless `anywhere`. Where its host is, is looked at whenever it is called.
fn url(raw: &RawValue, anywhere: bool) -> Result<Box<str>, Wrong> {
    let may = |text: &Cow<'_, str>| WebAddress::parse(text).is_some_and(|address| address.encrypted || anywhere);
    string(raw).filter(may).map(Into::into).ok_or_else(|| {
        let text = if anywhere { "must be an http or https URL" } else { "must be an https URL" };
        Wrong::new("url", text)
    })
}

fn events(raw: &RawValue) -> Result<Vec<Box<str>>, Wrong> {
    let wrong = || Wrong::new("events", format!("must be a list of {}, each once", EVENTS.join(", ")));
    let listed: Vec<Box<str>> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    let known = |event: &str| EVENTS.contains(&event);
    let again = listed.iter().enumerate().any(|(at, event)| listed[..at].contains(event));
    let is_right = !listed.is_empty() && listed.iter().all(|event| known(event)) && !again;
    if is_right { Ok(listed) } else { Err(wrong()) }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    endpoint_id: &'a str,
    url: &'a str,
    events: &'a [Box<str>],
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    created_at: String,
    updated_at: String,
}

impl<'a> Shown<'a> {
    fn of(endpoint: &'a Endpoint) -> Self {
        Self {
            endpoint_id: endpoint.id.as_str(),
            url: &endpoint.url,
            events: &endpoint.events,
            status: if endpoint.active { "active" } else { "disabled" },
            secret: None,
            description: endpoint.description.as_deref(),
            metadata: endpoint.metadata.as_ref().and_then(|metadata| serde_json::from_slice(metadata).ok()),
            created_at: instant(endpoint.created_at),
            updated_at: instant(endpoint.updated_at),
        }
    }
}

/// A new endpoint, with the secret nobody is shown again.
pub(crate) fn created(endpoint: &Endpoint) -> Response {
    Response::json(201, json(&Shown { secret: Some(endpoint.secret.reveal()), ..Shown::of(endpoint) }))
}

/// One endpoint.
pub(crate) fn endpoint(endpoint: &Endpoint) -> Response {
    Response::json(200, json(&Shown::of(endpoint)))
}

/// The endpoints of the group.
pub(crate) fn endpoints(endpoints: &[Endpoint], wall: Wall) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        endpoints: Vec<Shown<'a>>,
        count: usize,
        timestamp: String,
    }
    let shown = endpoints.iter().map(Shown::of).collect();
    Response::json(200, json(&Body { endpoints: shown, count: endpoints.len(), timestamp: instant(wall) }))
}

/// An endpoint is gone.
pub(crate) fn removed() -> Response {
    Response { status: 204, headers: Vec::new(), body: bytes::Bytes::new() }
}

/// A payment is stored, and its outcome comes by webhook.
pub(crate) fn pending(key: &RequestKey, wall: Wall) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        transaction_id: &'a str,
        status: &'static str,
        timestamp: String,
    }
    Response::json(202, json(&Body { transaction_id: key.as_str(), status: "PENDING", timestamp: instant(wall) }))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a, D> {
    event_type: &'static str,
    event_id: &'a str,
    timestamp: String,
    data: D,
}

/// What is posted to see whether an endpoint listens.
pub(crate) fn ping(event_id: &str, wall: Wall) -> bytes::Bytes {
    #[derive(Serialize)]
    struct Nothing {}
    json(&Envelope { event_type: "ping", event_id, timestamp: instant(wall), data: Nothing {} })
}

/// What is told of a payment, but for its id.
pub(crate) struct Event {
    /// Which kind.
    pub(crate) kind: &'static str,
    memo: Memo,
    status: &'static str,
    response: Option<Box<RawValue>>,
}

impl Event {
    /// The payment has no outcome after so long.
    pub(crate) fn timeout(row: &OperationRow) -> Option<Self> {
        Some(Self { kind: TIMEOUT, memo: Memo::read(&row.memo)?, status: "TIMEOUT", response: None })
    }

    /// The payment has its outcome.
    pub(crate) fn ended(row: &OperationRow, wall: Wall) -> Option<Self> {
        let memo = Memo::read(&row.memo)?;
        let (outcome, _) = row.outcome.as_ref()?;
        let answered = answered(&memo, &row.key, outcome, wall);
        let kind = match answered.status {
            "SUCCESS" => COMPLETED,
            "CANCELLED" => CANCELLED,
            _ => FAILED,
        };
        Some(Self { kind, memo, status: answered.status, response: Some(answered.response) })
    }

    /// The whole body.
    pub(crate) fn print(&self, row: &OperationRow, event_id: &str, wall: Wall) -> bytes::Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data<'a> {
            transaction_id: &'a str,
            status: &'a str,
            amount: &'a RawValue,
            currency: &'a str,
            payment_method: &'a str,
            #[serde(flatten)]
            said: Said<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            terminal_id: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a RawValue>,
        }
        /// What is passed on of the terminal's answer.
        #[derive(Default, Deserialize, Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Said<'a> {
            #[serde(borrow, skip_serializing_if = "Option::is_none")]
            authorization_code: Option<&'a RawValue>,
            #[serde(borrow, skip_serializing_if = "Option::is_none")]
            error_code: Option<&'a RawValue>,
            #[serde(borrow, skip_serializing_if = "Option::is_none")]
            error_message: Option<&'a RawValue>,
            #[serde(borrow, skip_serializing_if = "Option::is_none")]
            receipt_data: Option<&'a RawValue>,
        }
        let said = self.response.as_ref().and_then(|response| serde_json::from_str(response.get()).ok());
        let (amount, currency) = self.memo.asked();
        let terminal_id = match &row.target {
            Target::Device(device) => Some(device.as_str()),
            Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_) => None,
        };
        json(&Envelope {
            event_type: self.kind,
            event_id,
            timestamp: instant(wall),
            data: Data {
                transaction_id: row.key.as_str(),
                status: self.status,
                amount,
                currency,
                payment_method: self.memo.method(),
                said: said.unwrap_or_default(),
                terminal_id,
                metadata: self.memo.metadata(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_right_is_named() {
        let whole = r#"{"url":"https://hooks.example.test/pay?x=1","events":["payment.completed"]}"#;
        assert!(Change::read(whole.as_bytes(), false).unwrap().is_whole().is_ok());
        for (field, from, to) in [
            ("url", "https://", "http://"),
            ("url", "https://", "ftp://"),
            ("url", "hooks.example", "user:word@hooks.example"),
            ("url", "hooks.example.test", ""),
            ("url", "/pay", "/p ay"),
            ("url", "?x=1", "#x"),
            ("url", "hooks", "h\\\\ooks"),
            ("url", "hooks.example.test", "2130706433"),
            ("events", "payment.completed", "payment.refunded"),
            ("events", "[\"payment.completed\"]", "[]"),
            ("events", "[\"payment.completed\"]", "\"payment.completed\""),
            ("events", "\"payment.completed\"", "\"payment.failed\",\"payment.failed\""),
            ("status", "{", "{\"status\":\"paused\","),
            ("status", "{", "{\"status\":true,"),
            ("description", "{", "{\"description\":1,"),
            ("metadata", "{", "{\"metadata\":[],"),
            ("metadata", "{", "{\"metadata\":{\"a\":2e337},"),
            ("metadata", "{", "{\"metadata\":{\"a\":\"\\ud800\"},"),
            ("body", "{", "["),
            ("body", "{", "{\"url\":\"https://twice.example.test\","),
        ] {
            let text = whole.replacen(from, to, 1);
            assert_eq!(Change::read(text.as_bytes(), false).unwrap_err().field, field, "{text}");
        }
        let long = whole.replace("/pay", &"/pay".repeat(600));
        assert_eq!(Change::read(long.as_bytes(), false).unwrap_err().field, "url");
        assert_eq!(Change::read(b"\xff", false).unwrap_err().field, "body");
        assert_eq!(Change::read(b"{}", false).unwrap().is_whole().unwrap_err().field, "url");
        assert!(Change::read(whole.replace("https", "http").as_bytes(), true).is_ok());
    }
}
