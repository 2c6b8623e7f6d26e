//! What came against what is written: one step at a time, nothing missing and nothing extra.

use crate::binding::{Bindings, quoted, quoted_json};
use crate::json::{Json, Speech};
use crate::story::{Line, Message, Output, Said};

/// Something that came, in the words of the language. Nothing in it is a `$name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Who heard it; none for what is public.
    pub peer: Option<String>,
    /// What.
    pub said: Said,
}

impl Got {
    /// The line that would have been right.
    #[must_use]
    pub fn written(&self, named: bool) -> Output {
        let said = match &self.said {
            Said::Json(json) => Said::Json(quoted_json(json)),
            Said::Text(text) => Said::Text(quoted(text)),
            Said::Close(text) => Said::Close(quoted(text)),
            Said::Public(text) => Said::Public(quoted(text)),
            Said::Http(message) => Said::Http(Message {
                start: quoted(&message.start),
                headers: shown(message).into_iter().map(|(name, value)| (name.to_owned(), quoted(value))).collect(),
                body: quoted(&message.body),
            }),
            Said::Ping => Said::Ping,
            Said::Accept => Said::Accept,
        };
        Output { peer: self.peer.clone(), named, times: 1, said }
    }
}

/// A text frame as a story would write it.
#[must_use]
pub fn said_text(text: &str) -> Said {
    match Json::parse(text, Speech::Wire) {
        Ok(json @ (Json::Object(_) | Json::Array(_))) => Said::Json(json),
        _ => Said::Text(text.to_owned()),
    }
}

/// What order is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Every line after the one above it.
    Exact,
    /// Each peer's frames among themselves, its HTTP answers among themselves, and the public lines among themselves.
    PerPeer,
}

/// The first thing that is wrong in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The line that was not met; none for something extra.
    pub line: Option<usize>,
    /// What is written there.
    pub expected: Option<String>,
    /// What came instead; none when nothing did.
    pub got: Option<String>,
    /// What differs.
    pub why: String,
}

/// Compares a step's outputs with what came, and binds names.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(outputs: &[(&Line, &Output)], got: &[Got], order: Order, bindings: &mut Bindings) -> Result<(), Mismatch> {
    let mut left: Vec<&Got> = got.iter().rev().collect();
    for (line, output) in outputs {
        for count in 1..=output.times {
            let next = match order {
                Order::Exact => left.len().checked_sub(1),
                Order::PerPeer => {
                    left.iter().rposition(|got| got.peer == output.peer && is_http(&got.said) == is_http(&output.said))
                }
            };
            let missing = |got: Option<&Got>, why: String| Mismatch {
                line: Some(line.number),
                expected: Some(output.to_string()),
                got: got.map(|got| got.written(true).to_string()),
                why: if output.times > 1 { format!("{why} ({count} of {} times)", output.times) } else { why },
            };
            let Some(next) = next else { return Err(missing(None, "it did not come".to_owned())) };
            let came = left.remove(next);
            meet(output, count, came, bindings).map_err(|why| missing(Some(came), why))?;
        }
    }
    match left.last() {
        None => Ok(()),
        Some(extra) => Err(Mismatch {
            line: None,
            expected: None,
            got: Some(extra.written(true).to_string()),
            why: "it came and is not written".to_owned(),
        }),
    }
}

/// Whether one thing that came is what is written, as the `count`th of its times; binds names when it is.
///
/// # Errors
/// What differs.
pub fn meet(output: &Output, count: u32, got: &Got, bindings: &mut Bindings) -> Result<(), String> {
    if output.peer != got.peer {
        return Err("something else came first".to_owned());
    }
    match (&output.said, &got.said) {
        (Said::Json(written), Said::Json(got)) => bindings.meet_json(written, got, count),
        (Said::Text(written), Said::Text(got))
        | (Said::Close(written), Said::Close(got))
        | (Said::Public(written), Said::Public(got)) => bindings.meet_text(written, got, count),
        (Said::Ping, Said::Ping) | (Said::Accept, Said::Accept) => Ok(()),
        (Said::Http(written), Said::Http(got)) => message(written, got, count, bindings),
        _ => Err("something of another kind came".to_owned()),
    }
}

fn message(written: &Message, got: &Message, count: u32, bindings: &mut Bindings) -> Result<(), String> {
    let mut trial = bindings.clone();
    trial.meet_text(&written.start, &got.start, count)?;
    let (wanted, came) = (shown(written), shown(got));
    for (name, value) in &wanted {
        match came.iter().find(|(other, _)| other == name) {
            Some((_, other)) => trial.meet_text(value, other, count).map_err(|why| format!("at {name}: {why}"))?,
            None => return Err(format!("expected the header {name}, which is not there")),
        }
    }
    match (Json::parse(&written.body, Speech::Story), Json::parse(&got.body, Speech::Wire)) {
        (Ok(wanted), Ok(came)) => trial.meet_json(&wanted, &came, count)?,
        _ => trial.meet_text(&written.body, &got.body, count)?,
    }
    *bindings = trial;
    Ok(())
}

/// Answers to calls come on connections of their own, so no order binds them to frames.
fn is_http(said: &Said) -> bool {
    matches!(said, Said::Http(_))
}

/// The headers that are written: all but what a JSON body brings with it.
fn shown(message: &Message) -> Vec<(&str, &str)> {
    let json = message.body.starts_with(['{', '[']);
    let brought = |name: &str, value: &str| json && name == "content-type" && value == "application/json";
    let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    headers.filter(|(name, value)| !brought(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;
    use crate::story::Item;

    fn got(peer: &str, text: &str) -> Got {
        Got { peer: Some(peer.to_owned()), said: said_text(text) }
    }

    fn checked(lines: &str, got: &[Got], order: Order) -> Result<(), Mismatch> {
        let text = format!("# mark: choice\n= a boop requester\n= b boop performer\n{lines}");
        let story = parse("test", &text).unwrap();
        let outputs: Vec<(&Line, &Output)> = story
            .lines
            .iter()
            .filter_map(|line| match &line.item {
                Item::Output(output) => Some((line, output)),
                _ => None,
            })
            .collect();
        check(&outputs, got, order, &mut Bindings::default())
    }

    #[test]
    fn what_is_missing_and_what_is_extra_both_fail() {
        let missing = checked("a< {\"x\":1}\n", &[], Order::Exact).unwrap_err();
        assert_eq!((missing.line, missing.why.as_str()), (Some(4), "it did not come"));
        let extra = checked("", &[got("a", "{\"x\":\"$\"}")], Order::Exact).unwrap_err();
        assert_eq!((extra.line, extra.got.as_deref()), (None, Some("a< {\"x\":\"$$\"}")));
    }

    #[test]
    fn order_among_peers_counts_only_where_it_is_exact() {
        let came = [got("b", "[2]"), got("a", "[1]"), got("b", "[3]")];
        let lines = "a< [1]\nb< [2]\nb< [3]\n";
        assert_eq!(checked(lines, &came, Order::PerPeer), Ok(()));
        assert_eq!(checked(lines, &came, Order::Exact).unwrap_err().why, "something else came first");
        assert!(checked("b< [3]\nb< [2]\na< [1]\n", &came, Order::PerPeer).is_err());
    }

    #[test]
    fn times_count_each() {
        let came: Vec<Got> = (1..=3).map(|n| got("a", &format!("{{\"n\":{n},\"id\":\"c{n}\"}}"))).collect();
        let lines = "a< 3 times {\"n\":$#,\"id\":\"c$#\"}\n";
        assert_eq!(checked(lines, &came, Order::Exact), Ok(()));
        let short = checked(lines, &came[..2], Order::Exact).unwrap_err();
        assert_eq!(short.why, "it did not come (3 of 3 times)");
    }

    #[test]
    fn a_json_body_brings_its_type_and_headers_that_are_written_must_be_there() {
        let refused = |headers: &[(&str, &str)]| Got {
            peer: Some("a".to_owned()),
            said: Said::Http(Message {
                start: "401".to_owned(),
                headers: headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
                body: "{\"a\": 1}".to_owned(),
            }),
        };
        let json = ("content-type", "application/json");
        let lines = "a< 401\n  retry-after: $after\n  {\"a\":1}\n";
        assert_eq!(checked(lines, &[refused(&[json, ("retry-after", "5")])], Order::Exact), Ok(()));
        assert!(checked(lines, &[refused(&[json])], Order::Exact).is_err());
        assert_eq!(checked(lines, &[refused(&[("retry-after", "5"), ("x-more", "1")])], Order::Exact), Ok(()));
    }
}
