//! The drawing of ARCHITECTURE.md as a table, compared with what cargo says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::{PURE, nothing_found, root};

/// Who may depend on whom, tests aside.
const DRAWING: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("websocket", &[]),
    ("minutiae", &[]),
    ("engine", &["model"]),
    ("dialects", &["model"]),
    ("node", &["model", "engine", "dialects"]),
    ("store", &["model"]),
    ("gateway", &["model", "engine", "node", "dialects", "store", "websocket"]),
    ("client", &["model", "websocket"]),
    ("devices", &["client", "model"]),
    ("transcript", &["model", "engine", "dialects", "node", "store", "websocket"]),
    (
        "tillgate",
        &["model", "engine", "dialects", "node", "store", "websocket", "minutiae", "gateway", "client", "devices"],
    ),
    ("properties", &["model", "dialects", "node", "store", "websocket", "client", "transcript"]),
    ("xtask", &[]),
];

/// What a pure crate must not reach, however far down; a name ending in `*` bans a family.
const NOT_PURE: &[(&str, &str)] = &[
    ("tokio*", "a runtime"),
    ("async-*", "a runtime"),
    ("smol*", "a runtime"),
    ("futures*", "async belongs to the shell"),
    ("mio", "IO"),
    ("polling", "IO"),
    ("socket2", "IO"),
    ("hyper*", "IO"),
    ("reqwest", "IO"),
    ("tungstenite", "IO"),
    ("rustls*", "IO"),
    ("ring", "IO"),
    ("rusqlite", "a store"),
    ("libsqlite3-sys", "a store"),
    ("getrandom", "randomness of the operating system"),
    ("rand", "randomness of the operating system"),
    ("chrono", "a clock"),
    ("time", "a clock"),
    ("tracing*", "pure code does not log; it answers"),
    ("log", "pure code does not log; it answers"),
];

fn metadata() -> Metadata {
    MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo can describe the workspace")
}

#[test]
fn every_arrow_between_our_crates_is_in_the_drawing() {
    let metadata = metadata();
    let drawing: BTreeMap<&str, &[&str]> = DRAWING.iter().copied().collect();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(allowed) = drawing.get(name) else {
            findings.push(format!("{name} is not in the drawing"));
            continue;
        };
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            // Tests may look anywhere; that is how the shell is tested with real clients.
            let for_tests = dependency.kind == DependencyKind::Development;
            if ours.contains(to) && !for_tests && !allowed.contains(&to) {
                findings.push(format!("{name} -> {to}"));
            }
        }
    }
    nothing_found("our crates depend on each other only as drawn", &findings);
}

#[test]
fn every_crate_of_the_drawing_exists() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let findings: Vec<String> = DRAWING
        .iter()
        .flat_map(|(from, to)| to.iter().chain([from]))
        .filter(|name| !ours.contains(**name))
        .map(|name| format!("no crate is called {name}"))
        .collect();
    nothing_found("the drawing names only crates that exist", &findings);
}

#[test]
fn pure_crates_reach_no_runtime_clock_randomness_or_io() {
    let mut findings = Vec::new();
    for from in PURE {
        for to in reached_from(from) {
            if let Some((_, why)) = NOT_PURE.iter().find(|(banned, _)| is_named(&to, banned)) {
                findings.push(format!("{from} reaches {to} ({why}); see `cargo tree -p {from} -e normal -i {to}`"));
            }
        }
    }
    nothing_found("pure crates stay pure all the way down", &findings);
}

/// `arbitrary_precision` changes how every crate of the build reads numbers, whoever turns it on.
#[test]
fn nobody_turns_on_arbitrary_precision() {
    let findings: Vec<String> = cargo_tree(&["--workspace", "-e", "features", "--format", "{p} {f}"])
        .lines()
        .filter(|line| line.starts_with("serde_json") && line.contains("arbitrary_precision"))
        .map(str::to_owned)
        .collect();
    nothing_found("money is kept as raw text, see `cargo tree -e features -i serde_json`", &findings);
}

/// Every crate in the normal dependencies of `package`, with the features it has when built alone:
/// `cargo metadata` would add the features that other crates and tests turn on.
fn reached_from(package: &str) -> BTreeSet<String> {
    cargo_tree(&["-p", package, "-e", "normal", "--format", "{p}"])
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn cargo_tree(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--prefix", "none"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree {}: {said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn is_named(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == pattern,
    }
}

#[test]
fn a_family_is_banned_whole_and_a_name_alone() {
    assert!(is_named("tokio-rustls", "tokio*"));
    assert!(is_named("rand", "rand"));
    assert!(!is_named("rand_chacha", "rand"));
}
