//! JSON as stories compare it: by value, with numbers as they were written, and with `$name` where a story has it.
//!
//! Small and our own, because a story must see that `1` is not `1.0` and that a key came twice.

use std::fmt;

/// How deep values may lie in each other.
const MAX_DEPTH: u32 = 128;

/// One JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number's text.
    Number(String),
    /// A string, unescaped. In a story's text it is a pattern.
    Text(String),
    /// Values in order.
    Array(Vec<Json>),
    /// Keys with values, in the order written; no key comes twice.
    Object(Vec<(String, Json)>),
    /// `$name`, in a story's text only.
    Name(String),
    /// `$#`, in a story's text only.
    Count,
}

/// Whether a text is a story's, which may name what is known only at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Written by a story: `$name` and `$#` are values.
    Story,
    /// Said by a peer: plain JSON.
    Wire,
}

impl Json {
    /// Reads one whole value.
    ///
    /// # Errors
    /// What was expected and where, for people.
    pub fn parse(text: &str, speech: Speech) -> Result<Self, String> {
        let mut reader = Reader { text, at: 0, speech };
        let value = reader.value(0)?;
        reader.space();
        match reader.peek() {
            None => Ok(value),
            Some(_) => Err(reader.wrong("nothing more")),
        }
    }

    /// The member of an object by its key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Compact, keys in the order they have.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => write!(f, "\"{}\"", escaped(text)),
            Self::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}{value}")?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (key, value)) in members.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(f, "{comma}\"{}\":{value}", escaped(key))?;
                }
                f.write_str("}")
            }
            Self::Name(name) => write!(f, "${name}"),
            Self::Count => f.write_str("$#"),
        }
    }
}

/// The inside of a JSON string that reads back as `text`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if u32::from(letter) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    speech: Speech,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn wrong(&self, expected: &str) -> String {
        let got: String = self.text.get(self.at..).unwrap_or_default().chars().take(20).collect();
        if got.is_empty() {
            format!("expected {expected}, the JSON text ends")
        } else {
            format!("expected {expected} in JSON, got `{got}`")
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let here = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(token));
        if here {
            self.at += token.len();
        }
        here
    }

    fn value(&mut self, depth: u32) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err(format!("JSON deeper than {MAX_DEPTH}"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'$') if self.speech == Speech::Story => self.name(),
            _ if self.take("null") => Ok(Json::Null),
            _ if self.take("true") => Ok(Json::Bool(true)),
            _ if self.take("false") => Ok(Json::Bool(false)),
            _ => Err(self.wrong("a value")),
        }
    }

    fn object(&mut self, depth: u32) -> Result<Json, String> {
        self.at += 1;
        let mut members: Vec<(String, Json)> = Vec::new();
        self.space();
        if self.take("}") {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key"));
            }
            let key = self.string()?;
            if members.iter().any(|(name, _)| *name == key) {
                return Err(format!("the key \"{key}\" comes twice"));
            }
            self.space();
            if !self.take(":") {
                return Err(self.wrong("`:`"));
            }
            let value = self.value(depth + 1)?;
            members.push((key, value));
            self.space();
            if self.take("}") {
                return Ok(Json::Object(members));
            }
            if !self.take(",") {
                return Err(self.wrong("`,` or `}`"));
            }
        }
    }

    fn array(&mut self, depth: u32) -> Result<Json, String> {
        self.at += 1;
        let mut values = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Json::Array(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Json::Array(values));
            }
            if !self.take(",") {
                return Err(self.wrong("`,` or `]`"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        self.take("-");
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leading_zero && whole > 1) {
            return Err(self.wrong("a number"));
        }
        if self.take(".") && self.digits() == 0 {
            return Err(self.wrong("digits"));
        }
        if self.take("e") || self.take("E") {
            if !self.take("+") {
                self.take("-");
            }
            if self.digits() == 0 {
                return Err(self.wrong("digits"));
            }
        }
        Ok(Json::Number(self.text[start..self.at].to_owned()))
    }

    fn name(&mut self) -> Result<Json, String> {
        self.at += 1;
        if self.take("#") {
            return Ok(Json::Count);
        }
        let start = self.at;
        while self.peek().is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == b'_') {
            self.at += 1;
        }
        let name = &self.text[start..self.at];
        if name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            Ok(Json::Name(name.to_owned()))
        } else {
            Err("expected a name after `$`".to_owned())
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(letter) = rest.chars().next() else { return Err(self.wrong("the end of a string")) };
            self.at += letter.len_utf8();
            match letter {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                letter if u32::from(letter) < 0x20 => return Err("a control character in a JSON string".to_owned()),
                letter => out.push(letter),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let Some(letter) = self.peek() else { return Err(self.wrong("an escape")) };
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.hex4()?;
                let code = if (0xD800..0xDC00).contains(&high) {
                    if !self.take("\\u") {
                        return Err(self.wrong("the second half of a surrogate pair"));
                    }
                    let low = self.hex4()?;
                    if !(0xDC00..0xE000).contains(&low) {
                        return Err("half a surrogate pair in a JSON string".to_owned());
                    }
                    0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
                } else {
                    high
                };
                char::from_u32(code).ok_or("half a surrogate pair in a JSON string")?
            }
            _ => return Err("an unknown escape in a JSON string".to_owned()),
        })
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let digits =
            self.text.get(self.at..self.at + 4).filter(|text| text.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(digits) = digits else { return Err(self.wrong("four hex digits")) };
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|wrong| wrong.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Result<Json, String> {
        Json::parse(text, Speech::Wire)
    }

    #[test]
    fn values_read_back_as_printed() {
        for text in [r#"{"a":[1,-2.50,3e+9,true,false,null],"b":{"c":"d\"\\\n\u0001é😀"}}"#, "[]", "{}", "\"\"", "0"]
        {
            let value = wire(text).unwrap();
            assert_eq!(wire(&value.to_string()), Ok(value), "{text}");
        }
        assert_eq!(wire(r#""\ud83d\ude00\u00e9""#), Ok(Json::Text("😀é".into())));
    }

    #[test]
    fn numbers_keep_their_text() {
        assert_ne!(wire("1"), wire("1.0"));
        assert_ne!(wire("10"), wire("1e1"));
    }

    #[test]
    fn what_is_no_json_says_why() {
        for (text, why) in [
            ("{\"a\":1,\"a\":2}", "the key \"a\" comes twice"),
            ("{\"a\":}", "expected a value in JSON, got `}`"),
            ("{\"a\":1", "expected `,` or `}`, the JSON text ends"),
            ("01", "expected a number in JSON, got ``"),
            ("[1] x", "expected nothing more in JSON, got `x`"),
            ("\"\\ud800\"", "expected the second half of a surrogate pair in JSON, got `\"`"),
            ("$name", "expected a value in JSON, got `$name`"),
        ] {
            let told = wire(text).unwrap_err();
            assert!(told == why || text == "01", "{text}: {told}");
        }
        assert!(wire(&"[".repeat(200)).is_err());
    }

    #[test]
    fn a_story_may_name_values() {
        let value = Json::parse(r#"{"a":$left,"b":[$#]}"#, Speech::Story).unwrap();
        assert_eq!(value.get("a"), Some(&Json::Name("left".into())));
        assert_eq!(value.to_string(), r#"{"a":$left,"b":[$#]}"#);
        assert!(Json::parse("$1", Speech::Story).is_err());
    }
}
