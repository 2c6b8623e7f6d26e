//! What no file may hold, and how long a Rust file may be.
//!
//! The words are put together from halves here, so that this file does not find itself.

use crate::{nothing_found, rust_below, texts_below};

/// Style says near 200; past this there is a noun hiding in the file.
const LINES_PER_FILE: usize = 700;

/// Every line of the repository that `is_bad` finds, with its place.
fn lines_where(files: &[(String, String)], is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, text) in files {
        for (index, line) in text.lines().enumerate() {
            if is_bad(line) {
                findings.push(format!("{file}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    findings
}

#[test]
fn no_file_names_a_place_on_somebodys_machine() {
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat()];
    let findings = lines_where(&texts_below(""), |line| places.iter().any(|place| line.contains(place)));
    nothing_found("paths are relative to the checkout", &findings);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let left =
        [["todo", "!("].concat(), ["unimplemented", "!("].concat(), ["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    let findings = lines_where(&rust_below(""), |line| left.iter().any(|word| line.contains(word.as_str())));
    nothing_found("what is left to do is an issue, not a line of code", &findings);
}

#[test]
fn no_test_is_skipped() {
    let skipped = ["#[ig", "nore"].concat();
    let findings = lines_where(&rust_below(""), |line| line.contains(&skipped));
    nothing_found("a test runs or is deleted", &findings);
}

#[test]
fn every_rust_file_reads_in_one_sitting() {
    let findings: Vec<String> = rust_below("")
        .iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_PER_FILE)
        .map(|(file, lines)| format!("{file}: {lines} lines"))
        .collect();
    nothing_found(&format!("a Rust file has at most {LINES_PER_FILE} lines"), &findings);
}
