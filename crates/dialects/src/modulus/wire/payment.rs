//! A `PaymentRequest`: what a till asks for, kept as it wrote it.

use std::collections::BTreeSet;

use model::{Digest, Opaque, RequestKey, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Wrong, instant, json, string};
use crate::modulus::amount::{Amount, currency};

/// How deep a request may be nested.
const DEPTH_MOST: u32 = 32;
/// The ways to pay.
const METHODS: [&str; 4] = ["CARD", "CASH", "MOBILE", "OTHER"];

/// A payment that may be asked of a terminal.
#[derive(Debug)]
pub(crate) struct Payment {
    /// The till's id for it, or ours when it chose none.
    pub(crate) key: RequestKey,
    /// The request with that id in it, else as the till wrote it.
    pub(crate) request: Opaque,
    /// What was asked, however it was spaced and ordered.
    pub(crate) body: Digest,
    /// What is needed to print its outcome.
    pub(crate) memo: Opaque,
    /// Whether the till wants to be told later, by webhook.
    pub(crate) webhook: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    transaction_id: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<&'a RawValue>,
    #[serde(borrow)]
    payment_method: Option<&'a RawValue>,
    #[serde(borrow)]
    products: Option<&'a RawValue>,
    #[serde(borrow)]
    customer_info: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    webhook_mode: Option<&'a RawValue>,
}

impl Payment {
    /// Reads a request; `fresh` makes an id where the till chose none.
    pub(crate) fn read(text: &str, fresh: impl FnOnce() -> RequestKey) -> Result<Self, Wrong> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        if !text.starts_with('{') {
            return Err(Wrong::new("paymentRequest", "must be an object"));
        }
        let fields: Fields<'_> = serde_json::from_str(text)
            .map_err(|_| Wrong::new("paymentRequest", "must be an object with every key once"))?;
        let required = |field, raw: Option<&'_ RawValue>| raw.is_none().then(|| Wrong::new(field, "is required"));
        for (field, raw) in
            [("amount", fields.amount), ("currency", fields.currency), ("paymentMethod", fields.payment_method)]
        {
            required(field, raw).map_or(Ok(()), Err)?;
        }
        let (Some(amount), Some(code), Some(method)) = (fields.amount, fields.currency, fields.payment_method) else {
            return Err(Wrong::new("paymentRequest", "is incomplete"));
        };
        let value = Amount::read(amount).map_err(|bad| Wrong::new("amount", bad))?;
        let code = string(code).ok_or(Wrong::new("currency", "must be an ISO 4217 code"))?;
        let money = currency(&code).ok_or(Wrong::new("currency", "must be an ISO 4217 code"))?;
        if !value.fits(money) {
            return Err(Wrong::new("amount", format!("has more decimals than {code} has")));
        }
        let method = string(method).filter(|method| METHODS.contains(&&**method));
        let method = method.ok_or(Wrong::new("paymentMethod", "must be CARD, CASH, MOBILE or OTHER"))?;
        of_form("products", fields.products, '[')?;
        of_form("customerInfo", fields.customer_info, '{')?;
        of_form("metadata", fields.metadata, '{')?;
        let webhook = match fields.webhook_mode.map(RawValue::get) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Wrong::new("webhookMode", "must be true or false")),
        };
        let mut canonical = String::new();
        canonical_of(text, 0, &mut canonical)?;
        let (key, request) = match fields.transaction_id {
            Some(id) => (super::transaction(Some(id))?, text.to_owned()),
            None => {
                let key = fresh();
                let request = with_id(&key, text)?;
                (key, request)
            }
        };
        let memo = Memo {
            v: Memo::VERSION,
            amount: amount.to_owned(),
            currency: code.into(),
            payment_method: method.into(),
            metadata: fields.metadata.map(ToOwned::to_owned),
        };
        Ok(Self {
            key,
            request: request.into_bytes().into(),
            body: Digest::of(canonical.as_bytes()),
            memo: json(&memo).into(),
            webhook,
        })
    }
}

/// The request with an id in front. A till may have written `null` where it has none: that goes.
fn with_id(key: &RequestKey, text: &str) -> Result<String, Wrong> {
    let Unique(members) = serde_json::from_str(text).map_err(|_| twice())?;
    let mut request = format!("{{\"transactionId\":{}", serde_json::Value::from(key.as_str()));
    for (name, value) in members.iter().filter(|(name, _)| name != "transactionId") {
        request.push_str(&format!(",{}:{}", serde_json::Value::from(name.as_str()), value.get()));
    }
    request.push('}');
    Ok(request)
}

/// What names a key twice means two things.
fn twice() -> Wrong {
    Wrong::new("paymentRequest", "must have every key once")
}

fn of_form(field: &'static str, raw: Option<&RawValue>, first: char) -> Result<(), Wrong> {
    match raw {
        Some(raw) if !raw.get().starts_with(first) => {
            let form = if first == '[' { "must be an array" } else { "must be an object" };
            Err(Wrong::new(field, form))
        }
        _ => Ok(()),
    }
}

/// The same text for every way to space and order the same JSON. Numbers and texts stay as they were written.
fn canonical_of(text: &str, depth: u32, out: &mut String) -> Result<(), Wrong> {
    if depth > DEPTH_MOST {
        return Err(Wrong::new("paymentRequest", "is nested too deep"));
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Unique(mut members) = serde_json::from_str(text).map_err(|_| twice())?;
            members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            out.push('{');
            for (name, value) in members {
                out.push_str(&serde_json::Value::from(name).to_string());
                out.push(':');
                canonical_of(value.get(), depth + 1, out)?;
                out.push(',');
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| twice())?;
            out.push('[');
            for item in items {
                canonical_of(item.get(), depth + 1, out)?;
                out.push(',');
            }
            out.push(']');
        }
        Some(b'"') => {
            let plain: String = serde_json::from_str(text).map_err(|_| twice())?;
            out.push_str(&serde_json::Value::from(plain).to_string());
        }
        Some(b't' | b'f' | b'n') => out.push_str(text),
        // It is passed on as it stands: a number nobody can hold would be a terminal's trouble.
        _ => match serde_json::from_str::<f64>(text) {
            Ok(_) => out.push_str(text),
            Err(_) => return Err(Wrong::new("paymentRequest", "must have numbers that can be held")),
        },
    }
    Ok(())
}

/// The members of an object, in order; no name is there twice.
struct Unique<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Unique<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for Fields<'a> {
            type Value = Unique<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: serde::de::MapAccess<'de>>(self, mut map: M) -> Result<Unique<'a>, M::Error> {
                let (mut members, mut names) = (Vec::new(), BTreeSet::new());
                while let Some((name, value)) = map.next_entry::<String, &'a RawValue>()? {
                    if !names.insert(name.clone()) {
                        return Err(serde::de::Error::custom("a key twice"));
                    }
                    members.push((name, value));
                }
                Ok(Unique(members))
            }
        }
        deserializer.deserialize_map(Fields(std::marker::PhantomData))
    }
}

/// How to print what becomes of a payment, as versioned bytes of our own.
#[derive(Serialize, Deserialize)]
pub(crate) struct Memo {
    v: u8,
    amount: Box<RawValue>,
    currency: Box<str>,
    payment_method: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<RawValue>>,
}

impl Memo {
    const VERSION: u8 = 1;

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|memo: &Self| memo.v == Self::VERSION)
    }

    /// How much was asked for, as it was written, and of which currency.
    pub(crate) fn money(&self) -> (&str, &str) {
        (self.amount.get(), &self.currency)
    }

    /// The same as it is printed.
    pub(crate) fn asked(&self) -> (&RawValue, &str) {
        (&self.amount, &self.currency)
    }

    /// How it is paid.
    pub(crate) fn method(&self) -> &str {
        &self.payment_method
    }

    /// The till's own object.
    pub(crate) fn metadata(&self) -> Option<&RawValue> {
        self.metadata.as_deref()
    }

    /// The `PaymentResponse` of a payment no terminal gave an answer to.
    pub(crate) fn failed(&self, key: &RequestKey, code: &str, text: &str, wall: Wall) -> Box<RawValue> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Response<'a> {
            transaction_id: &'a str,
            status: &'static str,
            amount: &'a RawValue,
            currency: &'a str,
            payment_method: &'a str,
            error_code: &'a str,
            error_message: &'a str,
            timestamp: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<&'a RawValue>,
        }
        let response = Response {
            transaction_id: key.as_str(),
            status: "FAILED",
            amount: &self.amount,
            currency: &self.currency,
            payment_method: &self.payment_method,
            error_code: code,
            error_message: text,
            timestamp: instant(wall),
            metadata: self.metadata.as_deref(),
        };
        serde_json::value::to_raw_value(&response).expect("our messages have nothing that can fail to print")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = r#"{"transactionId":"t-1","amount":"1250.00","currency":"PHP","paymentMethod":"CARD"}"#;

    fn read(text: &str) -> Result<Payment, Wrong> {
        Payment::read(text, || RequestKey::parse("ours").unwrap())
    }

    #[test]
    fn a_request_is_kept_as_it_was_written() {
        let payment = read(PLAIN).unwrap();
        assert_eq!((payment.key.as_str(), &payment.request[..]), ("t-1", PLAIN.as_bytes()));
        let without = PLAIN.replace(r#""transactionId":"t-1","#, "");
        for without in [without, PLAIN.replace("\"t-1\"", "null")] {
            let payment = read(&without).unwrap();
            assert_eq!(payment.key.as_str(), "ours");
            assert_eq!(&payment.request[..], PLAIN.replace("t-1", "ours").as_bytes());
        }
    }

    #[test]
    fn the_same_in_another_order_is_the_same_and_another_number_is_not() {
        let body = |text: &str| read(text).unwrap().body;
        let other = r#" { "paymentMethod":"CARD", "currency" : "PHP","amount":"1250.00","transactionId":"t-1"} "#;
        assert_eq!(body(PLAIN), body(other));
        assert_ne!(body(PLAIN), body(&PLAIN.replace("1250.00", "1250.01")));
        let meta = |inner: &str| PLAIN.replacen('{', &format!("{{\"metadata\":{inner},"), 1);
        assert_eq!(body(&meta(r#"{"a":1,"b":[{"c":"\u0041"}]}"#)), body(&meta(r#"{"b":[ {"c":"A"}],"a":1}"#)));
        assert_ne!(body(&meta(r#"{"a":1.0}"#)), body(&meta(r#"{"a":1}"#)));
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        let cases = [
            ("amount", r#""amount":"1250.00","#, ""),
            ("amount", "\"1250.00\"", "0"),
            ("amount", "\"1250.00\"", "-5"),
            ("amount", "\"1250.00\"", "1e400"),
            ("amount", "\"1250.00\"", "\"1.005\""),
            ("amount", "\"1250.00\"", "{\"value\":1}"),
            ("currency", "PHP", "ZZZ"),
            ("currency", "\"PHP\"", "608"),
            ("paymentMethod", "CARD", "QR"),
            ("transactionId", "\"t-1\"", "\"\""),
            ("transactionId", "\"t-1\"", "1"),
            ("products", "{", "{\"products\":{},"),
            ("metadata", "{", "{\"metadata\":[],"),
            ("webhookMode", "{", "{\"webhookMode\":1,"),
            ("paymentRequest", "{", "{\"amount\":1,"),
            ("paymentRequest", "{", "["),
            ("paymentRequest", "{", "{\"metadata\":{\"a\":1e400},"),
            ("paymentRequest", "{", "{\"metadata\":{\"a\":1,\"a\":2},"),
        ];
        for (field, from, to) in cases {
            let text = PLAIN.replacen(from, to, 1);
            assert_eq!(read(&text).unwrap_err().field, field, "{text}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        for depth in [40_usize, 100_000] {
            let deep = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
            let text = PLAIN.replacen('{', &format!("{{\"metadata\":{deep},"), 1);
            assert_eq!(read(&text).unwrap_err().field, "paymentRequest");
        }
    }
}
