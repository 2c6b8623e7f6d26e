//! What a till sends and hears on its socket.

use std::borrow::Cow;

use bytes::Bytes;
use model::{DeviceId, DeviceState, Epoch, Partition, Presence, RequestKey, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::result::{Answered, LATE_RECONNECTION};
use super::{Terminal, VERSION, instant, json, named, status, string};

/// What a till's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    GetTerminals,
    Payment,
    Ping,
}

impl Action {
    /// The action of that name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "getTerminals" => Some(Self::GetTerminals),
            "payment" => Some(Self::Payment),
            "ping" => Some(Self::Ping),
            _ => None,
        }
    }
}

/// A `payment`: for which terminal, and what. The vendor has a text for each that is missing.
pub(crate) fn payment(text: &str) -> Result<(Cow<'_, str>, &RawValue), &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Frame<'a> {
        #[serde(borrow)]
        terminal_id: Option<&'a RawValue>,
        #[serde(borrow)]
        payment_request: Option<&'a RawValue>,
    }
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| "Invalid JSON")?;
    let terminal = frame.terminal_id.and_then(string).filter(|terminal| !terminal.is_empty());
    let terminal = terminal.ok_or("terminalId is required")?;
    let request = frame.payment_request.filter(|request| request.get() != "null");
    Ok((terminal, request.ok_or("paymentRequest is required")?))
}

/// The transaction a refused request named, where that can be read.
pub(crate) fn transaction_of(request: &RawValue) -> Option<RequestKey> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct About<'a> {
        #[serde(borrow)]
        transaction_id: Option<&'a RawValue>,
    }
    let about: About<'_> = serde_json::from_str(request.get()).ok()?;
    super::transaction(about.transaction_id).ok()
}

/// The terminals of the group.
pub(crate) fn terminals(states: &[DeviceState], partition: Partition, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        action: &'static str,
        terminals: Vec<Terminal<'a>>,
        timestamp: String,
    }
    let terminals = states.iter().map(|state| Terminal::of(state, partition)).collect();
    json(&Message { action: "terminalsResponse", terminals, timestamp: instant(wall) })
}

/// A change of a terminal's presence.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) device: &'a DeviceId,
    pub(crate) epoch: Epoch,
    pub(crate) presence: Presence,
    /// When it happened.
    pub(crate) at: Wall,
}

/// Tells a change of a terminal's presence.
pub(crate) fn status_update(change: &Change<'_>, partition: Partition, group: &str, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        terminal_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        connection_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        device_id: Option<&'a str>,
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        terminal_info: Option<Info<'a>>,
        timestamp: String,
        group_id: &'a str,
        version: &'static str,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Info<'a> {
        connection_id: &'a str,
        terminal_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device_id: Option<&'a str>,
        connected_at: String,
        last_activity: String,
        status: &'static str,
    }
    let connection = change.epoch.connection(partition);
    let terminal_id = change.device.as_str();
    let device_id = named(change.device, Some(&connection));
    let is_online = change.presence == Presence::Online;
    let terminal_info = is_online.then(|| Info {
        connection_id: &connection,
        terminal_id,
        device_id,
        connected_at: instant(change.at),
        last_activity: instant(change.at),
        status: status(change.presence),
    });
    json(&Message {
        action: "terminalStatusUpdate",
        terminal_id,
        connection_id: is_online.then_some(&*connection),
        device_id: device_id.filter(|_| change.presence != Presence::Offline),
        status: match change.presence {
            Presence::Online => "connected",
            Presence::Away => "reconnecting",
            Presence::Offline => "disconnected",
        },
        terminal_info,
        timestamp: instant(wall),
        group_id: group,
        version: VERSION,
    })
}

/// The outcome of a payment.
pub(crate) fn complete(terminal: &str, key: &RequestKey, answered: &Answered, group: &str, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        terminal_id: &'a str,
        transaction_id: &'a str,
        status: &'a str,
        payment_response: &'a RawValue,
        timestamp: String,
        group_id: &'a str,
        version: &'static str,
    }
    json(&Message {
        action: "paymentComplete",
        terminal_id: terminal,
        transaction_id: key.as_str(),
        status: answered.status,
        payment_response: &answered.response,
        timestamp: instant(wall),
        group_id: group,
        version: VERSION,
    })
}

/// A late success was reversed.
pub(crate) fn voided(terminal: &str, key: &RequestKey, group: &str, at: Wall, wall: Wall) -> Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Message<'a> {
        action: &'static str,
        terminal_id: &'a str,
        transaction_id: &'a str,
        void_reason: &'static str,
        voided_at: String,
        timestamp: String,
        group_id: &'a str,
        version: &'static str,
    }
    json(&Message {
        action: "paymentVoided",
        terminal_id: terminal,
        transaction_id: key.as_str(),
        void_reason: LATE_RECONNECTION,
        voided_at: instant(at),
        timestamp: instant(wall),
        group_id: group,
        version: VERSION,
    })
}
