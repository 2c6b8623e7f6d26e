//! Bodies of HTTP responses, and what a call asks for.

use model::{DeviceState, Now, OperationRow, Partition, RequestKey, Response, Standing, Target, Wall};
use serde::Serialize;
use serde_json::value::RawValue;

use super::result::{Answered, Transaction};
use super::{Terminal, instant, json};
use crate::modulus::codes::Code;

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The terminals of the group.
    List,
    /// A payment on that terminal.
    Pay { terminal: String },
    /// A transaction.
    Look { transaction: String },
    /// Something about webhook endpoints.
    Hook(Hook),
}

/// What a call asks of webhook endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// One more.
    Create,
    /// All of them.
    List,
    /// One.
    Read(String),
    /// A change of one.
    Update(String),
    /// One less.
    Remove(String),
}

/// What a method and a path mean.
pub(crate) fn wish(method: &str, path: &str) -> Result<Wish, Code> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (wanted, wish) = match *segments {
        ["v1", "terminals"] => ("GET", Wish::List),
        ["v1", "terminals", terminal, "payments"] => ("POST", Wish::Pay { terminal: decoded(terminal)? }),
        ["v1", "webhooks", "endpoints", ref rest @ ..] if rest.len() <= 1 => {
            let id = rest.first().map(|id| decoded(id)).transpose()?;
            return match (method, id) {
                ("POST", None) => Ok(Wish::Hook(Hook::Create)),
                ("GET", None) => Ok(Wish::Hook(Hook::List)),
                ("GET", Some(id)) => Ok(Wish::Hook(Hook::Read(id))),
                ("PUT", Some(id)) => Ok(Wish::Hook(Hook::Update(id))),
                ("DELETE", Some(id)) => Ok(Wish::Hook(Hook::Remove(id))),
                _ => Err(Code::MethodNotAllowed),
            };
        }
        ["v1", "transactions", transaction] => ("GET", Wish::Look { transaction: decoded(transaction)? }),
        _ => return Err(Code::NotFound),
    };
    if method == wanted { Ok(wish) } else { Err(Code::MethodNotAllowed) }
}

/// A segment of a path without its percent signs.
fn decoded(segment: &str) -> Result<String, Code> {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Code::InvalidRequest)
}

/// What an error says besides its code.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About<'a> {
    /// Words better than the code's own.
    pub(crate) text: Option<&'a str>,
    /// The field it is about.
    pub(crate) field: Option<&'a str>,
    /// The transaction it is about.
    pub(crate) transaction: Option<&'a RequestKey>,
    /// When to come back, in whole seconds.
    pub(crate) retry_after: Option<u64>,
}

/// An error, for clients written for a nested body and for those written for a flat one.
pub(crate) fn error(wall: Wall, code: Code, about: About<'_>) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        error: Inner<'a>,
        code: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        transaction_id: Option<&'a str>,
        timestamp: String,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        code: &'static str,
        message: &'a str,
        details: Details<'a>,
    }
    #[derive(Serialize)]
    struct Details<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        field: Option<&'a str>,
    }
    let message = about.text.unwrap_or_else(|| code.text());
    let body = json(&Body {
        error: Inner { code: code.name(), message, details: Details { field: about.field } },
        code: code.name(),
        message,
        transaction_id: about.transaction.map(RequestKey::as_str),
        timestamp: instant(wall),
    });
    let mut response = Response::json(code.status(), body);
    if let Some(seconds) = about.retry_after {
        response.headers.push(("retry-after", seconds.to_string()));
    }
    response
}

/// The terminals of the group.
pub(crate) fn terminals(states: &[DeviceState], partition: Partition, wall: Wall) -> Response {
    #[derive(Serialize)]
    struct Body<'a> {
        terminals: Vec<Terminal<'a>>,
        count: usize,
        timestamp: String,
    }
    let terminals: Vec<_> = states.iter().map(|state| Terminal::of(state, partition)).collect();
    let count = terminals.len();
    Response::json(200, json(&Body { terminals, count, timestamp: instant(wall) }))
}

/// The outcome of a payment.
pub(crate) fn complete(key: &RequestKey, answered: &Answered, wall: Wall) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        transaction_id: &'a str,
        status: &'a str,
        payment_response: &'a RawValue,
        timestamp: String,
    }
    let body = json(&Body {
        transaction_id: key.as_str(),
        status: answered.status,
        payment_response: &answered.response,
        timestamp: instant(wall),
    });
    Response::json(200, body)
}

/// A transaction that was looked up.
pub(crate) fn transaction(row: &OperationRow, standing: Standing, now: Now) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Body<'a> {
        transaction_id: &'a str,
        status: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        device_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        response: Option<&'a RawValue>,
        created_at: String,
        updated_at: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        completed_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        voided_at: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        void_reason: Option<&'a str>,
        timestamp: String,
    }
    let transaction = Transaction::of(row, standing, now);
    let device_id = match &row.target {
        Target::Device(device) => {
            Some(device.as_str()).filter(|device| model::Epoch::parse_connection(device).is_none())
        }
        Target::AnyOfGroup | Target::FirstIdle | Target::Serving(_) => None,
    };
    let body = json(&Body {
        transaction_id: row.key.as_str(),
        status: transaction.status,
        device_id,
        request: serde_json::from_slice(&row.request).ok(),
        response: transaction.response.as_deref(),
        created_at: instant(now.wall_at(row.accepted_at)),
        updated_at: instant(transaction.updated),
        completed_at: transaction.completed.map(instant),
        voided_at: transaction.voided.map(instant),
        void_reason: transaction.void_reason,
        timestamp: instant(now.wall),
    });
    Response::json(200, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_one_thing() {
        let pay = |terminal: &str| Ok(Wish::Pay { terminal: terminal.to_owned() });
        assert_eq!(wish("GET", "/v1/terminals"), Ok(Wish::List));
        assert_eq!(wish("POST", "/v1/terminals/lane-7/payments"), pay("lane-7"));
        assert_eq!(wish("POST", "/v1/terminals/lane%207%2Fa/payments"), pay("lane 7/a"));
        assert_eq!(wish("POST", "/v1/terminals/%ff/payments"), Err(Code::InvalidRequest));
        assert_eq!(wish("POST", "/v1/terminals"), Err(Code::MethodNotAllowed));
        assert_eq!(wish("GET", "/v1/terminals/"), Err(Code::NotFound));
        assert_eq!(wish("GET", "/v1/transactions/t-1"), Ok(Wish::Look { transaction: "t-1".to_owned() }));
        assert_eq!(wish("GET", "/v1/transactions/t/1"), Err(Code::NotFound));
        assert_eq!(wish("POST", "/v1/webhooks/endpoints"), Ok(Wish::Hook(Hook::Create)));
        assert_eq!(wish("PUT", "/v1/webhooks/endpoints"), Err(Code::MethodNotAllowed));
        assert_eq!(wish("PUT", "/v1/webhooks/endpoints/wh_1"), Ok(Wish::Hook(Hook::Update("wh_1".to_owned()))));
        assert_eq!(wish("POST", "/v1/webhooks/endpoints/wh_1"), Err(Code::MethodNotAllowed));
        assert_eq!(wish("GET", "/v1/webhooks/endpoints/wh_1/secret"), Err(Code::NotFound));
    }
}
