//! What holds for the repository as a whole: its arrows, its bans, its words and its files.
//!
//! Every test lists all it finds, each with the place and what would be right.

mod arrows;
mod bans;
mod clients;
mod dependencies;
mod files;
mod stories;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// The crates that may know no runtime, clock, randomness or IO.
const PURE: [&str; 6] = ["model", "engine", "dialects", "node", "websocket", "minutiae"];

/// Folders nobody wrote by hand.
const NOT_OURS: [&str; 5] = ["target", ".git", "node_modules", "__pycache__", ".venv"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this crate lives two folders below the root")
        .to_path_buf()
}

/// The text of a file named from the root.
fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every text file below a folder named from the root, as (name from the root, text), in order.
fn texts_below(name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root().join(name), &mut found);
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be read to its end").path();
        let name = path.file_name().expect("an entry has a name");
        if path.is_symlink() || NOT_OURS.iter().any(|not_ours| name == *not_ours) {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(bytes) = fs::read(&path) {
            // A file that is gone again or is not text is not for these tests.
            if let Ok(text) = String::from_utf8(bytes) {
                let from_root = path.strip_prefix(root()).expect("it is below the root");
                found.push((from_root.to_string_lossy().into_owned(), text));
            }
        }
    }
}

/// The Rust files below a folder.
fn rust_below(name: &str) -> Vec<(String, String)> {
    let mut found = texts_below(name);
    found.retain(|(name, _)| name.ends_with(".rs"));
    found
}

/// Fails with all findings at once.
fn nothing_found(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}; found {}:\n  {}", findings.len(), findings.join("\n  "));
}
