//! `>`, `<`, `!` and `*` lines: what is said, by whom, and what happens.

use std::time::Duration;

use model::Reason;

use crate::binding::{check_json, check_text};
use crate::json::{Json, Speech};
use crate::parse::Whole;
use crate::story::{Act, Happen, Item, Message, Output, Peer, Said, Say};
use crate::words::{hex, is_name, pair, span, value, words};

/// Repeats of one line at most.
const MAX_TIMES: u32 = 100_000;

/// A line that says something to or from a peer.
pub(crate) fn line(whole: &Whole<'_>, peers: &[Peer]) -> Result<Item, String> {
    let wrong = || format!("expected `#`, `=`, `@`, `!`, `*`, `?`, or a peer with `>` or `<`, got `{}`", whole.head);
    let sign = whole.head.find(['>', '<']).ok_or_else(wrong)?;
    let (name, rest) = whole.head.split_at(sign);
    if !name.is_empty() && !is_name(name) {
        return Err(wrong());
    }
    let rest = match rest[1..].strip_prefix(' ') {
        Some(rest) if !rest.is_empty() => rest,
        _ => return Err("expected a space and what is said".to_owned()),
    };
    let peer = match (name, peers) {
        (_, []) => return Err("nobody is given: `= name dialect role …`".to_owned()),
        ("", [peer]) => peer,
        ("", _) => return Err("with several peers each line names its peer".to_owned()),
        (name, peers) => find(name, peers)?,
    };
    let named = !name.is_empty();
    let (times, rest) = times(rest)?;
    let what = Whole { number: whole.number, head: rest, more: whole.more.clone() };
    let peer = peer.name.clone();
    if whole.head.as_bytes()[sign] == b'>' {
        Ok(Item::Act(Act::Say { peer, named, times, say: say(&what)? }))
    } else {
        Ok(Item::Output(Output { peer: Some(peer), named, times, said: said(&what)? }))
    }
}

fn find<'a>(name: &str, peers: &'a [Peer]) -> Result<&'a Peer, String> {
    peers.iter().find(|peer| peer.name == name).ok_or_else(|| format!("no peer called `{name}` is given"))
}

/// `100 times `, when it is there.
fn times(text: &str) -> Result<(u32, &str), String> {
    match text.split_once(" times ") {
        Some((count, rest)) if !count.is_empty() && count.bytes().all(|digit| digit.is_ascii_digit()) => {
            match count.parse() {
                Ok(count @ 1..=MAX_TIMES) => Ok((count, rest)),
                _ => Err(format!("expected 1 to {MAX_TIMES} times, got {count}")),
            }
        }
        _ => Ok((1, text)),
    }
}

fn is_json(text: &str) -> bool {
    text.starts_with(['{', '['])
}

/// The word a text begins with, and what follows it.
fn first_word(text: &str) -> (&str, &str) {
    text.split_once(' ').unwrap_or((text, ""))
}

fn say(whole: &Whole<'_>) -> Result<Say, String> {
    if is_json(whole.head) {
        let text = whole.joined();
        check_json(&Json::parse(&text, Speech::Story)?)?;
        return Ok(Say::Json(text));
    }
    if let Some(message) = message(whole, Body::Any)? {
        return Ok(Say::Http(message));
    }
    single(whole)?;
    match first_word(whole.head) {
        ("text", text) => check_text(text).map(|()| Say::Text(text.to_owned())),
        ("binary", bytes) => hex(bytes).map(Say::Binary),
        ("ping", "") => Ok(Say::Ping),
        ("pong", "") => Ok(Say::Pong),
        ("close", rest) => {
            let (code, reason) = first_word(rest);
            let code = code.parse().map_err(|_| format!("expected `close CODE reason`, got `{}`", whole.head))?;
            Ok(Say::Close { code, reason: reason.to_owned() })
        }
        _ => Err(format!(
            "expected JSON in braces or brackets, text, binary, ping, pong, close or an HTTP message, got `{}`",
            whole.head
        )),
    }
}

fn said(whole: &Whole<'_>) -> Result<Said, String> {
    if is_json(whole.head) {
        let json = Json::parse(&whole.joined(), Speech::Story)?;
        check_json(&json)?;
        return Ok(Said::Json(json));
    }
    if let Some(message) = message(whole, Body::Right)? {
        return Ok(Said::Http(message));
    }
    single(whole)?;
    match first_word(whole.head) {
        ("text", text) => check_text(text).map(|()| Said::Text(text.to_owned())),
        ("ping", "") => Ok(Said::Ping),
        ("accept", "") => Ok(Said::Accept),
        ("close", text) if !text.is_empty() => check_text(text).map(|()| Said::Close(text.to_owned())),
        _ => Err(format!(
            "expected JSON in braces or brackets, text, ping, accept, close or an HTTP message, got `{}`",
            whole.head
        )),
    }
}

fn single(whole: &Whole<'_>) -> Result<(), String> {
    if whole.more.is_empty() { Ok(()) } else { Err("only JSON and HTTP messages are continued".to_owned()) }
}

/// Whether a body that begins as JSON must be JSON: what the gateway says must, what a peer says may be wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    Any,
    Right,
}

/// An HTTP message, when the line begins as one.
fn message(whole: &Whole<'_>, right: Body) -> Result<Option<Message>, String> {
    let (word, rest) = first_word(whole.head);
    let method = word.len() >= 3 && word.bytes().all(|letter| letter.is_ascii_uppercase()) && !rest.is_empty();
    let status = word.len() == 3 && word.bytes().all(|digit| digit.is_ascii_digit()) && rest.is_empty();
    if !method && !status {
        return Ok(None);
    }
    let mut headers = Vec::new();
    let mut lines = whole.more.as_slice();
    while let Some((line, more)) = lines.split_first() {
        match line.split_once(": ") {
            Some((name, value)) if is_name(name) => headers.push((name.to_owned(), value.to_owned())),
            _ => break,
        }
        lines = more;
    }
    let body = lines.join("\n");
    check_text(whole.head)?;
    headers.iter().try_for_each(|(_, value)| check_text(value))?;
    match Json::parse(&body, Speech::Story) {
        Ok(json) => check_json(&json)?,
        Err(why) if is_json(&body) && right == Body::Right => return Err(why),
        Err(_) => check_text(&body)?,
    }
    Ok(Some(Message { start: whole.head.to_owned(), headers, body }))
}

/// What stands after `* `.
pub(crate) fn public(text: &str) -> Result<Output, String> {
    let (times, rest) = times(text)?;
    check_text(rest)?;
    Ok(Output { peer: None, named: false, times, said: Said::Public(rest.to_owned()) })
}

/// What stands after `! `.
pub(crate) fn happen(text: &str, peers: &[Peer]) -> Result<Act, String> {
    let words = words(text)?;
    let who = |name: &str| find(name, peers).map(|peer| peer.name.clone());
    Ok(Act::Happen(match words.as_slice() {
        ["open", peer, rest @ ..] => {
            let (target, rest) = match rest {
                [target, rest @ ..] if target.starts_with('/') => (Some((*target).to_owned()), rest),
                rest => (None, rest),
            };
            let mut headers = Vec::new();
            for word in rest {
                match pair(word) {
                    Some((name, text)) if is_name(name) => headers.push((name.to_owned(), value(text)?)),
                    _ => return Err(format!("expected `header=value` in lower case, got `{word}`")),
                }
            }
            Happen::Open { peer: who(peer)?, target, headers }
        }
        ["drop", peer] => Happen::Drop(who(peer)?),
        ["fault", peer, reason] => {
            let reason = Reason::ALL.into_iter().find(|known| known.label() == *reason);
            Happen::Fault(who(peer)?, reason.ok_or_else(|| format!("no reason is called that in `{text}`"))?)
        }
        ["dropped", peer, count] => {
            Happen::Dropped(who(peer)?, count.parse().map_err(|_| format!("expected a count, got `{count}`"))?)
        }
        ["room", peer] => Happen::Room(who(peer)?),
        ["restart"] => Happen::Restart,
        ["drain"] => Happen::Drain(Duration::ZERO),
        ["drain", spread] => Happen::Drain(span(spread).ok_or_else(|| format!("expected a duration, got `{spread}`"))?),
        ["fail", "commit"] => Happen::FailCommit,
        ["fail", "load"] => Happen::FailLoad,
        ["hold", "commits"] => Happen::HoldCommits,
        ["release", "commits"] => Happen::ReleaseCommits,
        ["revoke", peer] => Happen::Revoke(who(peer)?),
        ["cancel", key] => Happen::Cancel(value(key)?),
        ["dismiss", peer] => Happen::Dismiss(who(peer)?),
        _ => {
            return Err(format!(
                "expected open, drop, fault, dropped, room, restart, drain, fail commit, fail load, hold commits, \
                 release commits, revoke, cancel or dismiss, got `{text}`"
            ));
        }
    }))
}
