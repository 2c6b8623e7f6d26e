//! From a file's text to a [`Story`]: lines, then what each says. All mistakes at once, each with its line.

use std::fmt;

use crate::given;
use crate::story::{Item, Line, Peer, Story};
use crate::{say, words};

/// Something in a file that is not the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Which line of the file, from 1.
    pub line: usize,
    /// What was expected and what is there.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// A line with the lines that continue it, each without its two spaces.
pub(crate) struct Whole<'a> {
    pub(crate) number: usize,
    pub(crate) head: &'a str,
    pub(crate) more: Vec<&'a str>,
}

impl Whole<'_> {
    /// Everything as one line.
    pub(crate) fn joined(&self) -> String {
        let mut text = self.head.to_owned();
        for more in &self.more {
            text.push(' ');
            text.push_str(more.trim_start());
        }
        text
    }
}

/// Reads a file.
///
/// # Errors
/// Everything in it that is not the language.
pub fn parse(name: &str, text: &str) -> Result<Story, Vec<Mistake>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut mistakes = Vec::new();
    let mut peers: Vec<Peer> = Vec::new();
    let mut begun = false;
    for whole in wholes(text) {
        match item(&whole, &peers) {
            Ok(item) => {
                let at = whole.number;
                match &item {
                    Item::Given(given) => {
                        if begun {
                            mistakes.push(Mistake {
                                line: at,
                                what: "what is given stands before the first act".to_owned(),
                            });
                        }
                        if let crate::story::Given::Peer(peer) = given {
                            if peers.iter().any(|other| other.name == peer.name) {
                                let what = format!("a second peer called `{}`", peer.name);
                                mistakes.push(Mistake { line: at, what });
                            }
                            peers.push((**peer).clone());
                        }
                    }
                    Item::Act(_) | Item::Output(_) | Item::Balance { .. } => begun = true,
                    Item::Blank | Item::Prose(_) => {}
                }
                lines.push(Line { number: at, height: 1 + whole.more.len(), item });
            }
            Err(what) => mistakes.push(Mistake { line: whole.number, what }),
        }
    }
    let story = Story { name: name.to_owned(), lines };
    mistakes.extend(headings(&story));
    if mistakes.is_empty() { Ok(story) } else { Err(mistakes) }
}

/// Puts lines together with those that continue them.
fn wholes(text: &str) -> Vec<Whole<'_>> {
    let mut wholes: Vec<Whole<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        match (line.strip_prefix("  "), wholes.last_mut()) {
            (Some(more), Some(last)) => last.more.push(more),
            _ => wholes.push(Whole { number: index + 1, head: line, more: Vec::new() }),
        }
    }
    wholes
}

fn item(whole: &Whole<'_>, peers: &[Peer]) -> Result<Item, String> {
    let mut letters = whole.head.chars();
    let first = letters.next();
    let rest = letters.as_str();
    match first {
        None | Some('#') if !whole.more.is_empty() => {
            Err("a line that begins with spaces continues nothing".to_owned())
        }
        None => Ok(Item::Blank),
        Some('#') => Ok(Item::Prose(rest.strip_prefix(' ').unwrap_or(rest).to_owned())),
        Some('=') => given::given(after(&whole.joined(), "=")?).map(Item::Given),
        Some('@') => {
            let text = whole.joined();
            let told = after(&text, "@")?;
            let span = told.strip_prefix('+').and_then(words::span);
            let wrong = || format!("expected a duration such as `+30s` or `+29s999ms`, got `{told}`");
            Ok(Item::Act(crate::story::Act::Sleep(span.filter(|span| !span.is_zero()).ok_or_else(wrong)?)))
        }
        Some('!') => say::happen(after(&whole.joined(), "!")?, peers).map(Item::Act),
        Some('*') => say::public(after(&whole.joined(), "*")?).map(Item::Output),
        Some('?') => balance(after(&whole.joined(), "?")?),
        Some(_) => say::line(whole, peers),
    }
}

/// What stands after the sign and one space.
fn after<'a>(text: &'a str, sign: &str) -> Result<&'a str, String> {
    let rest = text.strip_prefix(sign).unwrap_or(text);
    match rest.strip_prefix(' ').map(str::trim_start) {
        Some(rest) if !rest.is_empty() => Ok(rest),
        _ => Err(format!("expected a space and words after `{sign}`")),
    }
}

fn balance(text: &str) -> Result<Item, String> {
    match words::words(text)?.as_slice() {
        ["balance", member, minor, currency] => {
            Ok(Item::Balance { member: words::value(member)?, money: words::money(minor, currency)? })
        }
        _ => Err(format!("expected `balance ID 625 USD`, got `{text}`")),
    }
}

/// One mark; where from when the vendor says so; nothing else in a file for what a vendor lacks.
fn headings(story: &Story) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut wrong = |line: usize, what: &str| mistakes.push(Mistake { line, what: what.to_owned() });
    if story.not_applicable().is_some() {
        for line in &story.lines {
            if !matches!(line.item, Item::Blank | Item::Prose(_)) {
                wrong(line.number, "a file with `# n/a:` holds prose only");
            }
        }
        return mistakes;
    }
    let marks: Vec<usize> = story
        .lines
        .iter()
        .filter(|line| matches!(&line.item, Item::Prose(prose) if prose.starts_with("mark:")))
        .map(|line| line.number)
        .collect();
    match (marks.as_slice(), story.mark()) {
        ([], _) => wrong(1, "expected `# mark: doc`, `inferred` or `choice`"),
        ([_], Some(model::setting::Mark::Doc)) if story.told("from: ").is_none() => {
            wrong(marks[0], "a story marked doc says `# from: document, section`");
        }
        ([_], Some(_)) => {}
        ([at], None) => wrong(*at, "a mark is doc, inferred or choice"),
        ([_, second, ..], _) => wrong(*second, "a second mark"),
    }
    mistakes
}
