//! The bans that clippy holds in the pure crates are there, and the same everywhere.

use std::fs;

use crate::{PURE, nothing_found, root, text};

/// What must be banned, whatever else is.
const BANNED: [&str; 8] = [
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "std::thread::sleep",
    "std::hash::RandomState::new",
    "getrandom::fill",
    "std::collections::HashMap::iter",
    "std::collections::HashMap::values",
    "std::collections::HashSet::iter",
];

#[test]
fn every_pure_crate_has_the_bans_with_their_reasons() {
    let mut findings = Vec::new();
    for name in PURE {
        let file = format!("crates/{name}/clippy.toml");
        let settings: toml::Table = match fs::read_to_string(root().join(&file)) {
            Ok(text) => text.parse().unwrap_or_else(|e| panic!("{file}: {e}")),
            Err(error) => {
                findings.push(format!("{file}: {error}"));
                continue;
            }
        };
        let methods = settings.get("disallowed-methods").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for banned in BANNED {
            let has_reason = methods.iter().any(|method| {
                method.get("path").and_then(toml::Value::as_str) == Some(banned) && method.get("reason").is_some()
            });
            if !has_reason {
                findings.push(format!("{file} does not ban {banned} with a reason"));
            }
        }
    }
    nothing_found("clippy holds the bans in every pure crate", &findings);
}

#[test]
fn the_bans_are_the_same_in_every_pure_crate() {
    let first = text(&format!("crates/{}/clippy.toml", PURE[0]));
    let findings: Vec<String> =
        PURE.iter().map(|name| format!("crates/{name}/clippy.toml")).filter(|file| text(file) != first).collect();
    nothing_found("clippy reads only the nearest file, so the six are one text", &findings);
}

#[test]
fn a_pure_crate_lifts_no_ban_for_a_whole_file() {
    let lifts = ["disallowed_methods", "disallowed_types"];
    let mut findings = Vec::new();
    for name in PURE {
        for (file, text) in crate::rust_below(&format!("crates/{name}/src")) {
            let mut inner_attribute = false;
            for (index, line) in text.lines().enumerate() {
                inner_attribute |= line.trim_start().starts_with("#![");
                if inner_attribute && lifts.iter().any(|lint| line.contains(lint)) {
                    findings.push(format!("{file}:{}: {}", index + 1, line.trim()));
                }
                inner_attribute &= !line.contains(']');
            }
        }
    }
    nothing_found("an allowance stands next to the one place that needs it, with its reason", &findings);
}
