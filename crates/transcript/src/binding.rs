//! `$name`: what is known only at run time. Binds at first sight in an output, must be equal from then on.

use std::collections::BTreeMap;

use crate::json::{Json, Speech, escaped};

/// A text a story may repeat or fill up to at most.
const MAX_FILL: usize = 16 * 1024 * 1024;

/// What has been bound so far.
#[derive(Clone, Debug, Default)]
pub struct Bindings {
    bound: BTreeMap<String, Json>,
}

/// One part of a text in a story.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// These characters.
    Literal(String),
    /// What is bound to the name.
    Name(String),
    /// Which of the `times` it is.
    Count,
}

/// Reads `$name`, `${name}`, `${x*3}`, `$$` and `$#` in a text.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        literal.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let piece = match rest.chars().next() {
            Some('$') => {
                rest = &rest[1..];
                literal.push('$');
                continue;
            }
            Some('#') => {
                rest = &rest[1..];
                Piece::Count
            }
            Some('{') => {
                let end = rest.find('}').ok_or("`${` without `}`")?;
                let inside = &rest[1..end];
                rest = &rest[end + 1..];
                if let Some((what, times)) = inside.rsplit_once('*') {
                    let times: usize =
                        times.parse().map_err(|_| format!("`${{{inside}}}` repeats no number of times"))?;
                    if what.len().saturating_mul(times) > MAX_FILL {
                        return Err(format!("`${{{inside}}}` is longer than {MAX_FILL} bytes"));
                    }
                    literal.push_str(&what.repeat(times));
                    continue;
                }
                Piece::Name(named(inside)?.to_owned())
            }
            _ => {
                let end =
                    rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
                let name = named(&rest[..end])?.to_owned();
                rest = &rest[end..];
                Piece::Name(name)
            }
        };
        if !literal.is_empty() {
            out.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        out.push(piece);
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        out.push(Piece::Literal(literal));
    }
    Ok(out)
}

fn named(text: &str) -> Result<&str, String> {
    let word = text.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
    if word && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        Ok(text)
    } else {
        Err(format!("`${text}` is no name; a dollar itself is `$$`"))
    }
}

/// Whether the text of a story holds only what can be read.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_text(text: &str) -> Result<(), String> {
    pieces(text).map(|_| ())
}

/// The same for every string of a JSON value.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_json(value: &Json) -> Result<(), String> {
    match value {
        Json::Text(text) => check_text(text),
        Json::Array(values) => values.iter().try_for_each(check_json),
        Json::Object(members) => members.iter().try_for_each(|(_, value)| check_json(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Name(_) | Json::Count => Ok(()),
    }
}

/// A text in which nothing stands for anything: dollars doubled.
#[must_use]
pub(crate) fn quoted(text: &str) -> String {
    text.replace('$', "$$")
}

/// A value in which nothing stands for anything.
#[must_use]
pub(crate) fn quoted_json(value: &Json) -> Json {
    match value {
        Json::Text(text) => Json::Text(quoted(text)),
        Json::Array(values) => Json::Array(values.iter().map(quoted_json).collect()),
        Json::Object(members) => {
            Json::Object(members.iter().map(|(key, value)| (key.clone(), quoted_json(value))).collect())
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Name(_) | Json::Count => value.clone(),
    }
}

impl Bindings {
    /// The text with every name replaced, for an act.
    ///
    /// # Errors
    /// A name that is not bound, or bound to something that is no text.
    pub fn fill(&self, text: &str, count: u32) -> Result<String, String> {
        let mut out = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Literal(text) => out.push_str(&text),
                Piece::Name(name) => out.push_str(&self.text_of(&name)?.ok_or_else(|| unbound(&name))?),
                Piece::Count => out.push_str(&count.to_string()),
            }
        }
        Ok(out)
    }

    /// A JSON text with every name replaced, otherwise as written. Keys are never names.
    ///
    /// # Errors
    /// As for [`Self::fill`].
    pub fn fill_json(&self, text: &str, count: u32) -> Result<String, String> {
        if !text.contains('$') {
            return Ok(text.to_owned());
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['"', '$']) {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let end = if rest.starts_with('"') { string_end(rest) } else { name_end(rest) };
            let token = &rest[..end];
            rest = &rest[end..];
            match Json::parse(token, Speech::Story)? {
                Json::Text(text) if text.contains('$') && !rest.trim_start().starts_with(':') => {
                    out.push_str(&format!("\"{}\"", escaped(&self.fill(&text, count)?)));
                }
                Json::Name(name) => out.push_str(&self.bound.get(&name).ok_or_else(|| unbound(&name))?.to_string()),
                Json::Count => out.push_str(&count.to_string()),
                _ => out.push_str(token),
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Whether `got` is what the story wrote; binds names when it is.
    ///
    /// # Errors
    /// The first difference.
    pub fn meet_text(&mut self, written: &str, got: &str, count: u32) -> Result<(), String> {
        let mut trial = self.clone();
        trial.text(written, got, count)?;
        *self = trial;
        Ok(())
    }

    /// The same for JSON values.
    ///
    /// # Errors
    /// The first difference and where it lies.
    pub fn meet_json(&mut self, written: &Json, got: &Json, count: u32) -> Result<(), String> {
        let mut trial = self.clone();
        trial.json(written, got, count, "")?;
        *self = trial;
        Ok(())
    }

    fn text_of(&self, name: &str) -> Result<Option<String>, String> {
        match self.bound.get(name) {
            None => Ok(None),
            Some(Json::Text(text) | Json::Number(text)) => Ok(Some(text.clone())),
            Some(other) => Err(format!("`${name}` is {other}, which is no text")),
        }
    }

    fn text(&mut self, written: &str, got: &str, count: u32) -> Result<(), String> {
        let different = || format!("expected {written:?}, got {got:?}");
        let pieces = pieces(written)?;
        let mut rest = got;
        let mut open: Option<String> = None;
        for piece in pieces {
            let text = match piece {
                Piece::Literal(text) => text,
                Piece::Count => count.to_string(),
                Piece::Name(name) => match self.text_of(&name)? {
                    Some(text) => text,
                    None if open.is_some() => {
                        return Err(format!("`${name}` follows another name without text between"));
                    }
                    None => {
                        open = Some(name);
                        continue;
                    }
                },
            };
            match open.take() {
                None => rest = rest.strip_prefix(text.as_str()).ok_or_else(different)?,
                Some(name) => {
                    let first = rest.chars().next().map_or(0, char::len_utf8);
                    let end = first + rest[first..].find(text.as_str()).ok_or_else(different)?;
                    if end == 0 {
                        return Err(different());
                    }
                    self.bound.insert(name, Json::Text(rest[..end].to_owned()));
                    rest = &rest[end + text.len()..];
                }
            }
        }
        match open {
            Some(name) if !rest.is_empty() => {
                self.bound.insert(name, Json::Text(rest.to_owned()));
                Ok(())
            }
            None if rest.is_empty() => Ok(()),
            _ => Err(different()),
        }
    }

    fn json(&mut self, written: &Json, got: &Json, count: u32, path: &str) -> Result<(), String> {
        let place = if path.is_empty() { String::new() } else { format!("at {}: ", &path[1..]) };
        let different = || format!("{place}expected {written}, got {got}");
        match (written, got) {
            (Json::Name(name), got) => match self.bound.get(name) {
                Some(bound) if same(bound, got) => Ok(()),
                Some(bound) => Err(format!("{place}expected {written}, which is {bound}, got {got}")),
                None => {
                    self.bound.insert(name.clone(), got.clone());
                    Ok(())
                }
            },
            (Json::Count, Json::Number(text)) if *text == count.to_string() => Ok(()),
            (Json::Text(written), Json::Text(got)) => {
                self.text(written, got, count).map_err(|why| format!("{place}{why}"))
            }
            (Json::Array(written), Json::Array(got)) => {
                if written.len() != got.len() {
                    return Err(different());
                }
                for (index, (written, got)) in written.iter().zip(got).enumerate() {
                    self.json(written, got, count, &format!("{path}.{index}"))?;
                }
                Ok(())
            }
            (Json::Object(written), Json::Object(members)) => {
                for (key, written) in written {
                    match got.get(key) {
                        Some(value) => self.json(written, value, count, &format!("{path}.{key}"))?,
                        None => return Err(format!("{place}expected the key \"{key}\", which is not there")),
                    }
                }
                match members.iter().find(|(key, _)| !written.iter().any(|(name, _)| name == key)) {
                    Some((key, value)) => {
                        Err(format!("{place}got the key \"{key}\" with {value}, which is not written"))
                    }
                    None => Ok(()),
                }
            }
            (written, got) if written == got => Ok(()),
            _ => Err(different()),
        }
    }
}

/// Equal by value: key order does not matter.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => left == right,
    }
}

fn unbound(name: &str) -> String {
    format!("`${name}` is not bound yet")
}

/// Where the JSON string that `text` begins with ends.
fn string_end(text: &str) -> usize {
    let mut escape = false;
    for (at, letter) in text.bytes().enumerate().skip(1) {
        match letter {
            _ if escape => escape = false,
            b'\\' => escape = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Where the `$name` or `$#` that `text` begins with ends.
fn name_end(text: &str) -> usize {
    let name = text.bytes().skip(1).take_while(|letter| letter.is_ascii_alphanumeric() || *letter == b'_').count();
    1 + name + usize::from(name == 0 && text.as_bytes().get(1) == Some(&b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(text: &str) -> Json {
        Json::parse(text, Speech::Story).unwrap()
    }

    fn wire(text: &str) -> Json {
        Json::parse(text, Speech::Wire).unwrap()
    }

    #[test]
    fn a_name_binds_at_first_sight_and_must_stay_equal() {
        let mut bindings = Bindings::default();
        let written = story(r#"{"id":"txn_$id","left":$left}"#);
        assert_eq!(bindings.meet_json(&written, &wire(r#"{"left":{"a":1,"b":2},"id":"txn_41"}"#), 1), Ok(()));
        assert_eq!(bindings.meet_json(&story(r#"["$id",$left]"#), &wire(r#"["41",{"b":2,"a":1}]"#), 1), Ok(()));
        assert_eq!(
            bindings.meet_json(&story(r#"{"id":"$id"}"#), &wire(r#"{"id":"42"}"#), 1),
            Err("at id: expected \"$id\", got \"42\"".to_owned())
        );
        assert_eq!(bindings.fill("no $id ${id}0 $$ $#", 7), Ok("no 41 410 $ 7".to_owned()));
        assert_eq!(bindings.fill("$other", 1), Err("`$other` is not bound yet".to_owned()));
    }

    #[test]
    fn what_does_not_meet_binds_nothing() {
        let mut bindings = Bindings::default();
        assert!(bindings.meet_json(&story(r#"["$a",1]"#), &wire(r#"["x",1.0]"#), 1).is_err());
        assert!(bindings.fill("$a", 1).is_err());
    }

    #[test]
    fn a_name_in_a_text_ends_where_the_text_after_it_comes() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.meet_text("at $time by $who.", "at 10:30 by Ida.", 1), Ok(()));
        assert_eq!(bindings.fill("$who $time", 1), Ok("Ida 10:30".to_owned()));
        assert!(bindings.meet_text("x${nothing}y", "xy", 1).is_err());
        assert!(bindings.meet_text("${a}${b}", "xy", 1).is_err());
    }

    #[test]
    fn numbers_differ_by_their_text_and_keys_by_presence() {
        let mut bindings = Bindings::default();
        for (written, got, why) in [
            ("{\"a\":1}", "{\"a\":1.0}", "at a: expected 1, got 1.0"),
            ("{\"a\":1}", "{}", "expected the key \"a\", which is not there"),
            ("{}", "{\"a\":1}", "got the key \"a\" with 1, which is not written"),
            ("[1,2]", "[1]", "expected [1,2], got [1]"),
            ("{\"a\":\"1\"}", "{\"a\":1}", "at a: expected \"1\", got 1"),
        ] {
            assert_eq!(bindings.meet_json(&story(written), &wire(got), 1), Err(why.to_owned()));
        }
    }

    #[test]
    fn an_act_is_filled_inside_and_outside_strings() {
        let mut bindings = Bindings::default();
        assert_eq!(bindings.meet_json(&story(r#"["$a",$b]"#), &wire(r#"["q\"",{"c":2}]"#), 1), Ok(()));
        assert_eq!(
            bindings.fill_json(r#"{"x": "<$a>", "y":$b, "n":$#, "pad":"${ab*3}", "k":"\u0041"}"#, 3),
            Ok(r#"{"x": "<q\">", "y":{"c":2}, "n":3, "pad":"ababab", "k":"\u0041"}"#.to_owned())
        );
    }
}
