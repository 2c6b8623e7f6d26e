//! How a story is printed: every line as `parse` reads it back.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use model::Side;
use model::setting::Value;

use crate::json::{Json, escaped};
use crate::story::{Act, Given, Happen, Item, MemberGiven, Message, Output, Peer, Said, Say, Story};

/// A word for `word=value`: bare, or a JSON string when it must be.
pub(crate) fn word(text: &str) -> String {
    let bare = !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || "\"{}[]\\".contains(letter));
    if bare { text.to_owned() } else { format!("\"{}\"", escaped(text)) }
}

/// `30s`, `250ms`, or several in one: `29s999ms`.
#[must_use]
pub(crate) fn span(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut out = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= size {
            out.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{}", line.item))
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => Ok(()),
            Self::Prose(prose) if prose.is_empty() => f.write_str("#"),
            Self::Prose(prose) => write!(f, "# {prose}"),
            Self::Given(given) => write!(f, "= {given}"),
            Self::Act(act) => write!(f, "{act}"),
            Self::Output(output) => write!(f, "{output}"),
            Self::Balance { member, money } => {
                write!(f, "? balance {} {} {}", word(member), money.minor, money.currency.as_str())
            }
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now(wall) => write!(f, "now {wall}"),
            Self::Random(bytes) => {
                f.write_str("random")?;
                bytes.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
            }
            Self::Set { key, value } => match value {
                Value::Count(count) => write!(f, "set {key} {count}"),
                Value::Switch(on) => write!(f, "set {key} {on}"),
                Value::Text(text) => write!(f, "set {key} {}", word(text)),
                Value::Texts(texts) => {
                    let texts = texts.iter().map(|text| Json::Text(text.clone())).collect();
                    write!(f, "set {key} {}", Json::Array(texts))
                }
            },
            Self::Peer(peer) => write!(f, "{peer}"),
            Self::Member(member) => write!(f, "{member}"),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.dialect, self.role)?;
        let mut pair = |name: &str, value: &str| write!(f, " {name}={}", word(value));
        if let Some((name, subject)) = &self.subject {
            pair(name, subject)?;
        }
        for (name, value) in [
            ("key", &self.key),
            ("secret", &self.secret),
            ("group", &self.group),
            ("name", &self.title),
            ("network", &self.network),
            ("principal", &self.principal),
            ("url", &self.url),
        ] {
            if let Some(value) = value {
                pair(name, value)?;
            }
        }
        self.permissions.iter().try_for_each(|permission| pair("permission", permission))?;
        if let Some(wall) = self.expires {
            pair("expires", &wall.to_string())?;
        }
        if let Some(address) = self.address {
            pair("address", &address.to_string())?;
        }
        self.headers.iter().try_for_each(|(name, value)| pair(&format!("header.{name}"), value))?;
        self.query.iter().try_for_each(|(name, value)| pair(&format!("query.{name}"), value))?;
        if self.silent {
            f.write_str(" no-key")?;
        }
        if self.deaf { f.write_str(" deaf") } else { Ok(()) }
    }
}

fn side_list(sides: &BTreeSet<Side>) -> String {
    sides.iter().map(|side| side.name()).collect::<Vec<_>>().join(",")
}

impl fmt::Display for MemberGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}", word(&self.id))?;
        if let Some(network) = &self.network {
            write!(f, " network={}", word(network))?;
        }
        if let Some(money) = self.balance {
            write!(f, " balance={} {}", money.minor, money.currency.as_str())?;
        }
        for (name, json) in &self.attributes {
            write!(f, " attr.{name}={json}")?;
        }
        if !self.attested.is_empty() {
            write!(f, " attested={}", self.attested.iter().cloned().collect::<Vec<_>>().join(","))?;
        }
        if let Some(sides) = &self.sides {
            write!(f, " sides={}", side_list(sides))?;
        }
        for (name, sides) in &self.sides_of {
            write!(f, " sides.{name}={}", side_list(sides))?;
        }
        if let Some(groups) = &self.groups {
            write!(f, " groups={}", groups.iter().cloned().collect::<Vec<_>>().join(","))?;
        }
        self.templates
            .iter()
            .try_for_each(|(template, side)| write!(f, " template={}", word(&format!("{template}:{}", side.name()))))
    }
}

fn times(times: u32) -> String {
    if times == 1 { String::new() } else { format!("{times} times ") }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say { peer, named, times: count, say } => {
                let peer = if *named { peer.as_str() } else { "" };
                write!(f, "{peer}> {}{say}", times(*count))
            }
            Self::Sleep(duration) => write!(f, "@ +{}", span(*duration)),
            Self::Happen(happen) => write!(f, "! {happen}"),
        }
    }
}

/// A word and, when there is one, a text after it.
fn spoken(f: &mut fmt::Formatter<'_>, word: &str, text: &str) -> fmt::Result {
    if text.is_empty() { f.write_str(word) } else { write!(f, "{word} {text}") }
}

impl fmt::Display for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(text) => f.write_str(text),
            Self::Text(text) => spoken(f, "text", text),
            Self::Binary(bytes) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                spoken(f, "binary", &hex)
            }
            Self::Ping => f.write_str("ping"),
            Self::Pong => f.write_str("pong"),
            Self::Close { code, reason } => spoken(f, &format!("close {code}"), reason),
            Self::Http(message) => write!(f, "{message}"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.peer {
            Some(peer) if self.named => write!(f, "{peer}< ")?,
            Some(_) => f.write_str("< ")?,
            None => f.write_str("* ")?,
        }
        write!(f, "{}{}", times(self.times), self.said)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(json) => write!(f, "{json}"),
            Self::Text(text) => spoken(f, "text", text),
            Self::Ping => f.write_str("ping"),
            Self::Close(text) => spoken(f, "close", text),
            Self::Accept => f.write_str("accept"),
            Self::Http(message) => write!(f, "{message}"),
            Self::Public(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.start)?;
        self.headers.iter().try_for_each(|(name, value)| write!(f, "\n  {name}: {value}"))?;
        if self.body.is_empty() {
            return Ok(());
        }
        self.body.split('\n').try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Display for Happen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { peer, target, headers } => {
                write!(f, "open {peer}")?;
                if let Some(target) = target {
                    write!(f, " {target}")?;
                }
                headers.iter().try_for_each(|(name, value)| write!(f, " {name}={}", word(value)))
            }
            Self::Drop(peer) => write!(f, "drop {peer}"),
            Self::Fault(peer, reason) => write!(f, "fault {peer} {reason}"),
            Self::Dropped(peer, count) => write!(f, "dropped {peer} {count}"),
            Self::Room(peer) => write!(f, "room {peer}"),
            Self::Restart => f.write_str("restart"),
            Self::Drain(spread) if spread.is_zero() => f.write_str("drain"),
            Self::Drain(spread) => write!(f, "drain {}", span(*spread)),
            Self::FailCommit => f.write_str("fail commit"),
            Self::FailLoad => f.write_str("fail load"),
            Self::HoldCommits => f.write_str("hold commits"),
            Self::ReleaseCommits => f.write_str("release commits"),
            Self::Revoke(peer) => write!(f, "revoke {peer}"),
            Self::Cancel(key) => write!(f, "cancel {}", word(key)),
            Self::Dismiss(peer) => write!(f, "dismiss {peer}"),
        }
    }
}
