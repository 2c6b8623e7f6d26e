//! Modulus' frames and bodies. Reading and printing only; nothing is decided here.
//!
//! A frame is read twice: its head says which action it is, then the struct of that action is read from the same text.

pub(crate) mod hook;
pub(crate) mod http;
pub(crate) mod payment;
pub(crate) mod result;
pub(crate) mod terminal;
pub(crate) mod till;

use std::borrow::Cow;

use bytes::Bytes;
use model::{DeviceId, DeviceState, Partition, Presence, RequestKey, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::codes::Told;

/// The version every push names.
const VERSION: &str = "v1";

/// A message that cannot be right: what the peer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The field it is about, if it is about one.
    pub(crate) field: &'static str,
    /// What is wrong with it.
    pub(crate) text: Cow<'static, str>,
}

impl Wrong {
    pub(crate) fn new(field: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self { field, text: text.into() }
    }
}

/// The action of a message; the frame is no message at all when there is none.
pub(crate) fn action(text: &str) -> Result<Cow<'_, str>, Told> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        action: Option<&'a RawValue>,
    }
    const NOT_JSON: Told = Told::bad("Invalid JSON");
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err(NOT_JSON);
    }
    let head: Head<'_> = serde_json::from_str(text).map_err(|_| NOT_JSON)?;
    head.action.and_then(string).ok_or(Told::bad("action is required"))
}

/// The text a raw value is; none for anything else.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}

/// The transaction a message names, if that can be told at all.
pub(crate) fn transaction(raw: Option<&RawValue>) -> Result<RequestKey, Wrong> {
    let raw = raw.ok_or(Wrong::new("transactionId", "is required"))?;
    let text = string(raw).ok_or(Wrong::new("transactionId", "must be a text"))?;
    RequestKey::parse(&text).map_err(|bad| Wrong::new("transactionId", bad.to_string()))
}

/// An instant as Modulus prints it: UTC with milliseconds.
pub(crate) fn instant(wall: Wall) -> String {
    wall.with_millis()
}

/// Prints one of our own messages.
pub(crate) fn json<T: Serialize>(message: &T) -> Bytes {
    let text = serde_json::to_vec(message).expect("our messages have text keys and nothing that can fail to print");
    Bytes::from(text)
}

/// The answer to a ping.
pub(crate) fn pong(wall: Wall) -> Bytes {
    #[derive(Serialize)]
    struct Message {
        action: &'static str,
        timestamp: String,
    }
    json(&Message { action: "pong", timestamp: instant(wall) })
}

/// An error on the socket.
pub(crate) fn error(wall: Wall, told: Told, text: Option<&str>, about: Option<(&str, Option<&str>)>) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        error: &'a str,
        message: &'a str,
        status_code: u16,
        request_action: Option<&'a str>,
        transaction_id: Option<&'a str>,
        timestamp: String,
    }
    json(&Message {
        action: "error",
        error: told.title,
        message: text.unwrap_or(told.text),
        status_code: told.status,
        request_action: about.map(|(action, _)| action),
        transaction_id: about.and_then(|(_, transaction)| transaction),
        timestamp: instant(wall),
    })
}

/// The connection is over and must not be opened again by itself, or only after a while: why.
pub(crate) fn force_disconnect(wall: Wall, (reason, message): (&str, &str)) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        action: &'static str,
        reason: &'a str,
        message: &'a str,
        timestamp: String,
    }
    json(&Message { action: "forceDisconnect", reason, message, timestamp: instant(wall) })
}

/// A terminal as lists show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Terminal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
    terminal_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    connected_at: String,
    last_activity: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
}

impl<'a> Terminal<'a> {
    pub(crate) fn of(state: &'a DeviceState, partition: Partition) -> Self {
        let connection = state.epoch.map(|epoch| epoch.connection(partition));
        let metadata = std::str::from_utf8(&state.facts).ok().filter(|text| !text.is_empty()).unwrap_or("{}");
        Self {
            device_id: named(&state.device, connection.as_deref()),
            connection_id: connection,
            terminal_id: state.device.as_str(),
            connected_at: instant(state.since),
            last_activity: instant(state.active),
            status: status(state.presence),
            metadata: serde_json::from_str(metadata).ok(),
        }
    }
}

/// A terminal's device id: none when it is only known by its connection.
fn named<'a>(device: &'a DeviceId, connection: Option<&str>) -> Option<&'a str> {
    Some(device.as_str()).filter(|device| connection != Some(*device))
}

/// The word for a terminal's state, which is not the word for its change.
const fn status(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Away => "reconnecting",
        Presence::Offline => "offline",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_without_an_action_is_no_message() {
        for (text, told) in [
            ("", "Invalid JSON"),
            ("[]", "Invalid JSON"),
            ("{", "Invalid JSON"),
            ("{\"action\":\"ping\",\"action\":\"ping\"}", "Invalid JSON"),
            ("{}", "action is required"),
            ("{\"action\":7}", "action is required"),
        ] {
            assert_eq!(action(text).unwrap_err().text, told, "{text}");
        }
        assert_eq!(action("{\"x\":1,\"action\":\"p\\u0069ng\"}").unwrap(), "ping");
    }

    #[test]
    fn instants_have_milliseconds() {
        assert_eq!(instant(Wall::parse("2031-03-04T05:10:00Z").unwrap()), "2031-03-04T05:10:00.000Z");
        assert_eq!(instant(Wall::parse("2031-03-04T05:10:00.25Z").unwrap()), "2031-03-04T05:10:00.250Z");
    }
}
