//! The real binary, what it says, and snapshots of that.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod crash;
pub(crate) mod server;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Set to write the snapshots instead of comparing them.
const UPDATE: &str = "SNAPSHOT_UPDATE";

/// What a command said, and how it ended.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The binary, with none of this process's own settings in its environment.
pub(crate) fn tillgate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tillgate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TILLGATE_") {
            command.env_remove(name);
        }
    }
    command.env("COLUMNS", "120");
    command
}

/// Runs a command to its end.
pub(crate) fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Said {
    ended(tillgate().args(arguments))
}

/// Runs a command to its end with a text on stdin.
pub(crate) fn feed<'a>(arguments: impl IntoIterator<Item = &'a str>, stdin: &str) -> Said {
    let mut command = tillgate();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that does not read its stdin may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    said(child.wait_with_output().unwrap())
}

/// Runs a prepared command to its end.
pub(crate) fn ended(command: &mut Command) -> Said {
    said(command.stdin(Stdio::null()).output().unwrap())
}

fn said(output: std::process::Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Said {
    /// The command was to succeed; what it printed.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Everything, as a snapshot shows it.
    pub(crate) fn shown(&self) -> String {
        format!("exit code {}\n-- stdout\n{}-- stderr\n{}", self.code, self.out, self.err)
    }
}

/// Compares a text with a file of `tests/snapshots`, what changes from run to run taken out.
#[track_caller]
pub(crate) fn snapshot(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    let text = steady(text);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(text == written, "not as in {name} (write it with {UPDATE}=1):\n{text}\n-- was\n{written}");
}

/// Ids, secrets and times replaced.
pub(crate) fn steady(text: &str) -> String {
    let is_token = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let is_time = |letter: char| letter.is_ascii_digit() || "-:.TZ".contains(letter);
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let token = ["key_", "sk_live_", "dk_live_", "mk_live_", "ms_live_", "mt_live_", "till_", "terminal_"]
            .iter()
            .find(|prefix| rest.starts_with(**prefix));
        if let Some(prefix) = token {
            out += &format!("<{prefix}…>");
            rest = rest.trim_start_matches(is_token);
        } else if is_a_time(rest) {
            out += "<time>";
            rest = rest.trim_start_matches(is_time);
        } else {
            let letter = rest.chars().next().unwrap();
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    out
}

/// Columns as narrow as can be: their width follows from times, which have as many digits as they need.
pub(crate) fn squeezed(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter != ' ' || !out.ends_with("  ") {
            out.push(letter);
        }
    }
    out
}

fn is_a_time(text: &str) -> bool {
    let shape = "0000-00-00T00:00:00";
    text.len() > shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(is, right)| if right == b'0' { is.is_ascii_digit() } else { is == right })
}
