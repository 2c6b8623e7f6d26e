//! Know one dialect, know all five: every one tells the same sixteen stories.

use std::fs;

use crate::{nothing_found, root};

const DIALECTS: [&str; 5] = ["modulus", "fingerprint", "fd1", "ordernpay", "boop"];

const STORIES: [&str; 16] = [
    "admitted",
    "refused",
    "silent_before_login",
    "taken_over",
    "heartbeat_lost",
    "drained",
    "malformed_frame",
    "too_much",
    "operation_done",
    "operation_declined",
    "operation_deadline",
    "operation_cancelled",
    "operation_repeated",
    "performer_lost",
    "late_result",
    "missed_while_away",
];

/// How many of the sixteen a vendor may truly not have.
const NOT_APPLICABLE_AT_MOST: usize = 3;

#[test]
fn every_dialect_tells_the_sixteen_stories() {
    let mut findings = Vec::new();
    let mut dialects = 0;
    for dialect in DIALECTS {
        let folder = format!("crates/dialects/src/{dialect}");
        if !root().join(&folder).is_dir() {
            continue;
        }
        dialects += 1;
        let mut not_applicable = Vec::new();
        for story in STORIES {
            let file = format!("{folder}/spec/{story}.txt");
            match fs::read_to_string(root().join(&file)) {
                Err(error) => findings.push(format!("{file}: {error}")),
                Ok(text) if is_not_applicable(&text) => not_applicable.push(story),
                Ok(text) if !has_an_exchange(&text) => {
                    findings.push(format!("{file}: nothing happens in it"));
                }
                Ok(_) => {}
            }
        }
        if not_applicable.len() > NOT_APPLICABLE_AT_MOST {
            findings.push(format!(
                "{dialect}: {} stories are `# n/a:`, at most {NOT_APPLICABLE_AT_MOST} may be: {}",
                not_applicable.len(),
                not_applicable.join(", ")
            ));
        }
    }
    if dialects == 0 {
        findings.push("no dialect has a folder in crates/dialects/src".to_owned());
    }
    nothing_found("every dialect tells the sixteen stories", &findings);
}

#[test]
fn every_folder_of_the_dialects_is_one_we_know() {
    let entries = fs::read_dir(root().join("crates/dialects/src")).expect("the dialects exist");
    let findings: Vec<String> = entries
        .map(|entry| entry.expect("a folder can be read to its end").path())
        .filter(|path| path.is_dir() && path.join("spec").is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .filter(|name| !DIALECTS.contains(&name.as_str()))
        .collect();
    nothing_found("a new dialect joins the list of this test", &findings);
}

fn is_not_applicable(text: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("# n/a:").is_some_and(|why| !why.trim().is_empty()))
}

/// At least one line goes in and one comes out: `> …`, `lane> …`, `< …`, `pos< 201`.
fn has_an_exchange(text: &str) -> bool {
    let lines = || text.lines().filter(|line| !line.starts_with(['#', '=']));
    let goes = |mark: char| lines().any(|line| line.split_whitespace().next().is_some_and(|word| word.ends_with(mark)));
    goes('<') && (goes('>') || lines().any(|line| line.starts_with(['@', '!'])))
}

#[test]
fn stories_are_told_apart() {
    assert!(is_not_applicable("# n/a: this vendor has no heartbeat"));
    assert!(!is_not_applicable("# n/a:"));
    assert!(has_an_exchange("till> {\"type\":\"ping\"}\ntill< {\"type\":\"pong\"}"));
    assert!(has_an_exchange("@ +10s\n< close 4408 silent"));
    assert!(!has_an_exchange("# only prose > and <"));
}
