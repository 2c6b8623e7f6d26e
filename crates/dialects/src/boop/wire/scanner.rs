//! What a scanner sends and hears. Nothing public says how BOOP's own scanners talk: this protocol is ours.

use std::borrow::Cow;

use bytes::Bytes;
use model::{DeviceId, Digest, GroupId, OutcomeKind, RequestKey, Secret, Side, Taken, Wall};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Wrong, context_id, json, string, whole};
use crate::boop::choices::Choices;
use crate::boop::codes::{self, ScanWord};
use crate::boop::context::Context;
use crate::boop::findings::Evidence;

/// What a scanner's message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Authenticate,
    ScanResult,
    Ping,
}

/// Which message a frame is.
pub(crate) fn message(text: &str) -> Result<Message, Wrong> {
    match &*super::kind(text)? {
        "authenticate" | "pvs_hello" => Ok(Message::Authenticate),
        "scan_result" => Ok(Message::ScanResult),
        "ping" => Ok(Message::Ping),
        _ => Err(Wrong::form("expected a known `type`")),
    }
}

/// A login: which device, and the proof. `pvs_hello` says the same with other keys.
pub(crate) fn authenticate(text: &str) -> Result<(DeviceId, Secret), Wrong> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow, alias = "pvs_id")]
        device_id: Cow<'a, str>,
        #[serde(borrow, alias = "api_key")]
        device_key: Cow<'a, str>,
    }
    let frame: Frame<'_> =
        serde_json::from_str(text).map_err(|_| Wrong::content("expected the texts device_id and device_key"))?;
    let device = DeviceId::parse(&frame.device_id).map_err(|bad| Wrong::content(format!("device_id {bad}")))?;
    Ok((device, Secret::new(&frame.device_key)))
}

/// What a scanner says of one scan.
pub(crate) enum Scan {
    /// A palm was read.
    Captured(Evidence),
    /// It could not be read well enough.
    PoorQuality,
    /// The scanner itself failed.
    DeviceError,
    /// Somebody pressed cancel.
    Cancelled,
}

/// One scan, and the context it was made for.
pub(crate) fn scan_result(text: &str, choices: &Choices) -> Result<(RequestKey, Scan), Wrong> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        outcome: Option<&'a RawValue>,
        #[serde(borrow)]
        template: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "present")]
        test_user_id: Option<&'a RawValue>,
        #[serde(borrow)]
        palm_side: Option<&'a RawValue>,
        #[serde(borrow)]
        quality: Option<&'a RawValue>,
    }
    let id = context_id(text)?;
    let read = || {
        let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| Wrong::content("expected every key once"))?;
        let side = side_of(frame.palm_side)?;
        if frame.quality.is_some_and(|raw| whole(raw).is_none_or(|quality| quality > 100)) {
            return Err(Wrong::content("expected quality to be a whole number from 0 to 100"));
        }
        let word = frame.outcome.and_then(string).and_then(|word| ScanWord::parse(&word));
        match word {
            Some(ScanWord::Captured) => {
                let subject = subject_of(frame.template, frame.test_user_id, choices)?;
                Ok(Scan::Captured(Evidence::new(subject, side)))
            }
            Some(ScanWord::PoorQuality) => Ok(Scan::PoorQuality),
            Some(ScanWord::DeviceError) => Ok(Scan::DeviceError),
            Some(ScanWord::Cancelled) => Ok(Scan::Cancelled),
            None => Err(Wrong::content("expected outcome to be captured, poor_quality, device_error or cancelled")),
        }
    };
    match read() {
        Ok(scan) => Ok((id, scan)),
        Err(wrong) => Err(wrong.about(&id)),
    }
}

/// Tells a `null` from nothing.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// Whom the palm names. A template is kept as its digest only.
fn subject_of(
    template: Option<&RawValue>,
    test_user: Option<&RawValue>,
    choices: &Choices,
) -> Result<Option<Box<str>>, Wrong> {
    match (template, test_user) {
        (Some(template), None) => {
            let template = string(template).filter(|text| !text.is_empty());
            let template = template.ok_or(Wrong::content("expected template to be a text"))?;
            Ok(Some(of_template(&template)))
        }
        (None, Some(_)) if !choices.test_user_ids => {
            Err(Wrong::content("test_user_id is believed on test servers only, expected template"))
        }
        (None, Some(raw)) if raw.get() == "null" => Ok(None),
        (None, Some(raw)) => {
            let user = string(raw).and_then(|user| model::MemberId::parse(&user).ok());
            let user =
                user.ok_or(Wrong::content("expected test_user_id to be null or a text of 1 to 128 characters"))?;
            Ok(Some(of_test_user(user.as_str())))
        }
        (Some(_), Some(_)) => Err(Wrong::content("expected template or test_user_id, not both")),
        (None, None) => Err(Wrong::content("expected template")),
    }
}

/// What a palm is looked up by: the digest of its template's text.
pub(crate) fn of_template(template: &str) -> Box<str> {
    use std::fmt::Write;

    let Digest(digest) = Digest::of(template.as_bytes());
    let mut subject = "template:".to_owned();
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(subject, "{byte:02x}");
    }
    subject.into()
}

/// What a registered user is looked up by where test servers believe a scanner that names one.
pub(crate) fn of_test_user(user: &str) -> Box<str> {
    format!("user:{user}").into()
}

fn side_of(raw: Option<&RawValue>) -> Result<Option<Side>, Wrong> {
    let Some(raw) = raw else { return Ok(None) };
    let side = string(raw).and_then(|side| Side::parse(&side));
    side.map(Some).ok_or(Wrong::content("expected palm_side to be left or right"))
}

// What a scanner hears.

/// The login is answered.
pub(crate) fn authenticated(device: &DeviceId, vendor: &GroupId) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        device_id: &'a str,
        vendor_id: &'a str,
    }
    json(&Message { r#type: "authenticated", device_id: device.as_str(), vendor_id: vendor.name() })
}

/// A context wants a palm.
pub(crate) fn context_open(id: &RequestKey, context: &Context, vendor_name: &str, expires_at: Wall) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        context_id: &'a str,
        auth_type: &'static str,
        vendor_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        amount: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        currency: Option<&'a str>,
        attributes_required: Vec<&'a str>,
        attributes_optional: Vec<&'a str>,
        expires_at: String,
    }
    let money = context.money();
    json(&Message {
        r#type: "context_open",
        context_id: id.as_str(),
        auth_type: context.kind.name(),
        vendor_name,
        amount: money.map(|money| money.minor),
        currency: money.as_ref().map(|money| money.currency.as_str()),
        attributes_required: context.required.iter().map(|wanted| &*wanted.asked).collect(),
        attributes_optional: context.optional.iter().map(|wanted| &*wanted.asked).collect(),
        expires_at: expires_at.to_string(),
    })
}

/// A context wants no palm any more.
pub(crate) fn context_closed(id: &RequestKey, how: OutcomeKind) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        context_id: &'a str,
        reason: &'static str,
    }
    json(&Message { r#type: "context_closed", context_id: id.as_str(), reason: codes::closed(how) })
}

/// What became of a scan.
pub(crate) fn scan_ack(id: &RequestKey, taken: Taken) -> Bytes {
    #[derive(Serialize)]
    struct Message<'a> {
        r#type: &'static str,
        context_id: &'a str,
        status: &'static str,
    }
    json(&Message { r#type: "scan_ack", context_id: id.as_str(), status: codes::acknowledged(taken) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test_server() -> Choices {
        Choices { test_user_ids: true, ..Choices::default() }
    }

    fn subject(more: &str, choices: &Choices) -> Result<Option<String>, String> {
        let text = format!(r#"{{"type":"scan_result","context_id":"a","outcome":"captured"{more}}}"#);
        match scan_result(&text, choices) {
            Ok((_, Scan::Captured(evidence))) => Ok(evidence.subject().map(str::to_owned)),
            Ok(_) => Err("not captured".to_owned()),
            Err(wrong) => Err(wrong.text.into_owned()),
        }
    }

    #[test]
    fn a_template_is_known_by_its_digest_only() {
        let expected = "template:4fa6024f12494d3a99d8bda9b7a55f7d140f328adc1f04a9ac5c6ba4e4a2ee8d".len();
        let first = subject(r#","template":"cGFsbQ==""#, &Choices::default()).unwrap().unwrap();
        assert_eq!(first.len(), expected);
        assert!(first.starts_with("template:") && !first.contains("cGFsbQ"));
        let second = subject(r#","template":"cGFsbR==""#, &Choices::default()).unwrap().unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn a_named_user_is_believed_on_test_servers_only() {
        let named = r#","test_user_id":"usr_8tk2""#;
        assert_eq!(subject(named, &test_server()), Ok(Some("user:usr_8tk2".to_owned())));
        assert_eq!(subject(r#","test_user_id":null"#, &test_server()), Ok(None));
        assert!(subject(named, &Choices::default()).unwrap_err().contains("test servers only"));
        assert!(subject(r#","test_user_id":null"#, &Choices::default()).unwrap_err().contains("test servers only"));
    }

    #[test]
    fn a_scan_that_cannot_be_right_is_refused_with_its_context() {
        for more in [
            "",
            r#","template":"""#,
            r#","template":7"#,
            r#","test_user_id":7"#,
            r#","test_user_id":"""#,
            r#","template":"a","test_user_id":"b""#,
            r#","template":"a","palm_side":"middle""#,
            r#","template":"a","quality":101"#,
            r#","template":"a","quality":"93""#,
        ] {
            assert!(subject(more, &test_server()).is_err(), "{more}");
        }
        let Err(wrong) = scan_result(r#"{"context_id":"a","outcome":"lost"}"#, &test_server()) else { panic!() };
        assert_eq!(wrong.context_id.unwrap().as_str(), "a");
        assert!(scan_result(r#"{"outcome":"captured"}"#, &test_server()).is_err());
    }

    #[test]
    fn both_logins_say_the_same() {
        for text in [
            r#"{"type":"authenticate","device_id":"lane","device_key":"dk"}"#,
            r#"{"type":"pvs_hello","pvs_id":"lane","api_key":"dk"}"#,
        ] {
            let (device, key) = authenticate(text).unwrap();
            assert_eq!((device.as_str(), key.reveal()), ("lane", "dk"));
            assert_eq!(message(text), Ok(Message::Authenticate));
        }
        assert!(authenticate(r#"{"type":"authenticate","device_id":"lane"}"#).is_err());
        assert!(authenticate(r#"{"type":"authenticate","device_id":"","device_key":"k"}"#).is_err());
    }

    #[test]
    fn a_scanner_is_shown_what_it_needs_in_this_order() {
        let choices = Choices::default();
        let id = RequestKey::parse("5f0c-till2-0091").unwrap();
        let text = r#"{"context_id":"x","requirements":{"type":"payment","amount":1875,"attributes":["email"]}}"#;
        let (_, _, context) = crate::boop::wire::vendor::create_context(text, &choices).unwrap();
        let expected = concat!(
            r#"{"type":"context_open","context_id":"5f0c-till2-0091","auth_type":"payment","#,
            r#""vendor_name":"Harbour Bakery","amount":1875,"currency":"USD","attributes_required":["email"],"#,
            r#""attributes_optional":[],"expires_at":"2026-03-02T18:04:35Z"}"#
        );
        let wall = Wall::parse("2026-03-02T18:04:35Z").unwrap();
        assert_eq!(context_open(&id, &context, "Harbour Bakery", wall), expected);
    }
}
