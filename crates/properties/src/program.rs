//! Bytes as a program: lines, and the words and numbers in them. Whatever makes no sense is left out.

use std::borrow::Cow;

/// Lines of a program; what follows is not played.
const MAX_LINES: usize = 250;
/// Characters of a name in a program.
const MAX_NAME: usize = 8;

/// The head line and the lines behind it.
pub(crate) fn lines(data: &[u8]) -> (Cow<'_, str>, impl Iterator<Item = Cow<'_, str>>) {
    let mut lines = data.split(|byte| *byte == b'\n').map(String::from_utf8_lossy);
    let head = lines.next().unwrap_or_default();
    (head, lines.take(MAX_LINES))
}

/// The first character of a text and the rest.
pub(crate) fn first(text: &str) -> Option<(char, &str)> {
    let mut rest = text.chars();
    rest.next().map(|first| (first, rest.as_str()))
}

/// The name a text begins with, and the rest; `k` when it begins with none.
pub(crate) fn name(text: &str) -> (&str, &str) {
    let end = text.bytes().take(MAX_NAME).take_while(u8::is_ascii_alphanumeric).count();
    match text.split_at(end) {
        ("", rest) => ("k", rest),
        found => found,
    }
}

/// The number a text begins with, at most `most`; 0 when it begins with none.
pub(crate) fn number(text: &str, most: u64) -> u64 {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 { 0 } else { text[..end].parse().unwrap_or(most).min(most) }
}

/// A JSON text of the frame, checked to be what every peer may expect: an object with a `type`.
pub(crate) fn message(text: &[u8]) -> serde_json::Value {
    let value: serde_json::Value = serde_json::from_slice(text)
        .unwrap_or_else(|error| panic!("not JSON ({error}): {}", String::from_utf8_lossy(text)));
    assert!(value["type"].is_string(), "a message without a type: {value}");
    value
}
