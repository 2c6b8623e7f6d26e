//! The command line as people read it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{run, snapshot};

#[test]
fn every_help_text_is_as_it_was() {
    let table: [&[&str]; 34] = [
        &[],
        &["serve"],
        &["demo"],
        &["keys"],
        &["keys", "create"],
        &["keys", "list"],
        &["keys", "show"],
        &["keys", "revoke"],
        &["keys", "rotate"],
        &["members"],
        &["members", "put"],
        &["members", "show"],
        &["ledger"],
        &["webhooks"],
        &["webhooks", "list"],
        &["webhooks", "resend"],
        &["connect"],
        &["pay"],
        &["sign"],
        &["simulate"],
        &["simulate", "scanner"],
        &["simulate", "terminal"],
        &["load"],
        &["load", "idle"],
        &["load", "requests"],
        &["load", "connect"],
        &["load", "reconnect"],
        &["load", "fanout"],
        &["load", "operations"],
        &["load", "payments"],
        &["load", "slow"],
        &["load", "churn"],
        &["config", "check"],
        &["config", "defaults"],
    ];
    let mut text = String::new();
    for command in table {
        let said = run(command.iter().copied().chain(["--help"]));
        assert_eq!(said.err, "");
        text += &format!("$ tillgate {}\n{}\n", [command, &["--help"]].concat().join(" "), said.good());
    }
    snapshot("help.txt", &text);
}

#[test]
fn an_unknown_command_is_a_usage_mistake() {
    let said = run(["srve"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("serve"), "{}", said.err);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = common::tillgate()
        .args(["config", "defaults"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
