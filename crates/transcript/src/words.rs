//! What `=` and `!` lines are made of: words, and `name=value` pairs whose values may be JSON strings.

use std::collections::BTreeSet;
use std::time::Duration;

use model::setting::parse_duration;
use model::{Currency, Money, Side};

use crate::json::{Json, Speech};

/// Cuts a line into words. Spaces inside strings, brackets and braces do not cut.
pub(crate) fn words(text: &str) -> Result<Vec<&str>, String> {
    let mut out = Vec::new();
    let (mut start, mut depth, mut quoted, mut escape) = (None, 0_u32, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escape => escape = false,
            '\\' if quoted => escape = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => {
                out.extend(start.take().map(|start: usize| &text[start..at]));
                continue;
            }
            _ => {}
        }
        start = start.or(Some(at));
    }
    if quoted {
        return Err("a string without its end".to_owned());
    }
    out.extend(start.map(|start| &text[start..]));
    Ok(out)
}

/// `name=value`, or none when there is no `=`.
pub(crate) fn pair(word: &str) -> Option<(&str, &str)> {
    word.split_once('=')
}

/// A value as it stands, or the text of a JSON string.
pub(crate) fn value(text: &str) -> Result<String, String> {
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    match Json::parse(text, Speech::Wire)? {
        Json::Text(text) => Ok(text),
        other => Err(format!("expected a string, got {other}")),
    }
}

/// `a,b` as a set.
pub(crate) fn list(text: &str) -> Result<BTreeSet<String>, String> {
    Ok(value(text)?.split(',').map(str::to_owned).collect())
}

/// `left,right` as a set.
pub(crate) fn sides(text: &str) -> Result<BTreeSet<Side>, String> {
    list(text)?
        .iter()
        .map(|word| Side::parse(word).ok_or_else(|| format!("expected left or right, got `{word}`")))
        .collect()
}

/// `625` and `USD`.
pub(crate) fn money(minor: &str, currency: &str) -> Result<Money, String> {
    let minor = minor.parse().map_err(|_| format!("expected an amount in smallest units, got `{minor}`"))?;
    let currency = Currency::parse(currency).map_err(|wrong| format!("a currency {wrong}, got `{currency}`"))?;
    Ok(Money { minor, currency })
}

/// `30s`, `250ms`, or several in one such as `29s999ms`.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let unit = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let end = rest[unit..].find(|letter: char| letter.is_ascii_digit()).map_or(rest.len(), |next| unit + next);
        sum = sum.checked_add(parse_duration(&rest[..end])?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then_some(sum)
}

/// Bytes from hex digits, spaces allowed.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let wrong = || format!("expected bytes in hex, got `{text}`");
    let digits: Vec<u8> = text.bytes().filter(|digit| *digit != b' ').collect();
    if !digits.len().is_multiple_of(2) {
        return Err(wrong());
    }
    digits
        .chunks_exact(2)
        .map(|two| std::str::from_utf8(two).ok().and_then(|two| u8::from_str_radix(two, 16).ok()).ok_or_else(wrong))
        .collect()
}

/// Whether a text can name a peer: lower case, digits, `_` and `-`, beginning with a letter.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"_-".contains(&letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_in_strings_and_braces_do_not_cut() {
        assert_eq!(
            words(r#"member a  name="Harbour \" Bakery" attr.x={"a": [1, 2]} z"#),
            Ok(vec!["member", "a", r#"name="Harbour \" Bakery""#, r#"attr.x={"a": [1, 2]}"#, "z"])
        );
        assert!(words("name=\"x").is_err());
    }

    #[test]
    fn spans_add_up() {
        assert_eq!(span("29s999ms"), Some(Duration::from_millis(29_999)));
        assert_eq!(span("1m30s"), Some(Duration::from_secs(90)));
        for bad in ["", "30", "s", "5x", "1s30"] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }

    #[test]
    fn hex_is_whole_bytes() {
        assert_eq!(hex("00 ff10"), Ok(vec![0, 255, 16]));
        assert!(hex("0").is_err());
        assert!(hex("zz").is_err());
    }
}
