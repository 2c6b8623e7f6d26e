//! The two voices of the program: data on stdout, talk on stderr.
//!
//! The only place that writes to either. A reader of stdout that went away is an error the caller passes on;
//! nobody listening on stderr changes nothing.
//!
//! Peers choose much of what is said here. What a terminal would obey or not show (control characters, those that turn the
//! direction of a line, those without a width) is written as JSON escapes it, so that JSON stays the same JSON; a program
//! or a file that reads stdout gets every letter as it is.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal as _, Write};

/// What data may have beside letters, on a terminal too.
const OF_DATA: &[char] = &['\n', '\t'];

/// What lines a terminal has.
const OF_LINES: &[char] = &['\n'];

/// Writes data: all of it, or the error.
pub(crate) fn data(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if out.is_terminal() {
        writeln!(out, "{}", Tame { text, keeps: OF_DATA })?;
    } else {
        writeln!(out, "{text}")?;
    }
    out.flush()
}

/// Writes many lines of data through one buffer.
pub(crate) fn lines<T: fmt::Display>(lines: impl IntoIterator<Item = T>) -> io::Result<()> {
    let is_terminal = io::stdout().is_terminal();
    let mut out = BufWriter::new(io::stdout().lock());
    for line in lines {
        if is_terminal {
            writeln!(out, "{}", Tame { text: line, keeps: OF_DATA })?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()
}

/// Columns as wide as their widest value.
pub(crate) fn table<const COLUMNS: usize>(
    head: [String; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> io::Result<()> {
    let tame = |row: [String; COLUMNS]| row.map(|cell| tamed(cell).into_owned());
    let rows: Vec<[String; COLUMNS]> = std::iter::once(head).chain(rows).map(tame).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    lines(rows.iter().map(|row| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    }))
}

/// Tells a person something, on one line.
pub(crate) fn say(text: impl fmt::Display) {
    say_keeping(text, &[]);
}

/// Tells a person something of our own, on as many lines as it has.
pub(crate) fn say_lines(text: impl fmt::Display) {
    say_keeping(text, OF_LINES);
}

fn say_keeping(text: impl fmt::Display, keeps: &[char]) {
    // In one piece: others may write to the same terminal. Nobody listens: nothing to be done about it.
    let _ = io::stderr().lock().write_all(format!("{}\n", Tame { text, keeps }).as_bytes());
}

/// Tells a person something in the place of the line that is written anew.
pub(crate) fn say_instead(text: impl fmt::Display) {
    progress("");
    say(text);
}

/// Writes one line anew, for a person who looks on; an empty one takes it away. A file does not get it.
pub(crate) fn progress(text: impl fmt::Display) {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        // Nobody listens: nothing to be done about it.
        let _ = write!(out, "\r\u{1b}[K{}", Tame { text, keeps: &[] }).and_then(|()| out.flush());
    }
}

/// A text of somebody else's as a cell of a table, or in a line of its own.
pub(crate) fn tamed<'t>(text: impl Into<Cow<'t, str>>) -> Cow<'t, str> {
    let text = text.into();
    if text.contains(is_not_shown) { Tame { text, keeps: &[] }.to_string().into() } else { text }
}

/// A text with everything escaped that a terminal would obey or not show.
struct Tame<'k, T> {
    text: T,
    keeps: &'k [char],
}

impl<T: fmt::Display> fmt::Display for Tame<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Sieve { out: f, keeps: self.keeps }, "{}", self.text)
    }
}

struct Sieve<'o, 'f> {
    out: &'o mut fmt::Formatter<'f>,
    keeps: &'o [char],
}

impl fmt::Write for Sieve<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| {
            if !is_not_shown(letter) || self.keeps.contains(&letter) {
                return self.out.write_char(letter);
            }
            letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(self.out, "\\u{unit:04x}"))
        })
    }
}

/// Controls, separators of lines, and the format characters of Unicode that have no form of their own.
fn is_not_shown(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        for (text, shown) in [
            ("1250.00 ₱, déjà vu", "1250.00 ₱, déjà vu"),
            ("\u{1b}]0;paid\u{7}\r\u{1b}[2K", r"\u001b]0;paid\u0007\u000d\u001b[2K"),
            ("a\nb\tc\u{9b}31m\u{7f}", r"a\u000ab\u0009c\u009b31m\u007f"),
            ("00.1\u{202e}00.9\u{2066}", r"00.1\u202e00.9\u2066"),
            ("zero\u{200b}width\u{feff}", r"zero\u200bwidth\ufeff"),
            ("tag\u{e0041}", r"tag\udb40\udc41"),
        ] {
            assert_eq!(tamed(text), shown);
        }
        assert!(matches!(tamed("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn data_stays_the_same_json_and_keeps_its_lines() {
        let json = "{\n\t\"a\": \"x\u{202e}y\u{9b}\u{e0041}\"\n}";
        let shown = Tame { text: json, keeps: OF_DATA }.to_string();
        assert_eq!(shown.lines().count(), 3);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&shown), read(json));
        let ours = "mistakes:\n  a\u{1b}";
        assert_eq!(Tame { text: ours, keeps: OF_LINES }.to_string(), "mistakes:\n  a\\u001b");
    }
}
