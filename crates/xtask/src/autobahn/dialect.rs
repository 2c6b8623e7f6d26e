//! The gateway itself, dialect by dialect: a fresh demo, its own credentials, and the words of each role.
//!
//! Only limits on how much a peer may misbehave are raised, because a case is nothing but misbehaviour.

use std::fs;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use super::suite::{Manners, Run, Suite};
use crate::clients::binary;
use crate::demo::{Demo, Devices};
use crate::tools::loud;

/// One kind of socket.
struct Role {
    name: &'static str,
    /// The demo's section, and its key for the address.
    section: &'static str,
    url: &'static str,
    /// The first text, from the demo's section.
    login: fn(&Value) -> Value,
    admitted: &'static str,
    /// Bytes that a message may have after the login.
    limit: usize,
}

/// Every role of every dialect that answers each text with one JSON message.
const ROLES: &[Role] = &[
    Role {
        name: "boop-vendor",
        section: "boop",
        url: "url",
        login: |boop| json!({"type": "authenticate", "vendor_id": boop["vendor_id"], "api_key": boop["api_key"]}),
        admitted: "\"authenticated\"",
        limit: 65_536,
    },
    Role {
        name: "boop-scanner",
        section: "boop",
        url: "scanner_url",
        login: |boop| json!({"type": "authenticate", "device_id": boop["scanner_id"], "device_key": boop["scanner_key"]}),
        admitted: "\"authenticated\"",
        limit: 65_536,
    },
];

/// The settings that are raised, and what they are raised to.
pub(super) const RAISED: &[(&str, &str)] = &[
    ("TILLGATE_BOOP_MALFORMED_IN_A_ROW", "1000"),
    ("TILLGATE_BOOP_FRAMES_PER_SPAN", "1000000"),
    ("TILLGATE_BOOP_FRAMES_AT_MOST", "2000000"),
];

/// Messages of one case: bad ones may follow each other one time less than the setting's highest value.
pub(super) const MESSAGES: usize = 999;

/// Judges every role of which the demo knows the dialect.
pub(super) fn all(suite: &Suite) -> anyhow::Result<Vec<Run>> {
    loud(&mut crate::cargo(&["build", "--release", "--locked", "--package", "tillgate"]))?;
    let mut server = Command::new(binary()?);
    server.envs(RAISED.iter().copied());
    let demo = Demo::start(server, Devices::None)?;
    let ready: Value = serde_json::from_str(&fs::read_to_string(demo.ready_file())?)?;
    let mut runs = Vec::new();
    for role in ROLES {
        let Some(section) = ready.get(role.section) else { continue };
        let url = section.get(role.url).and_then(Value::as_str);
        let url = url.with_context(|| format!("the demo does not say {}.{}", role.section, role.url))?;
        let login = (role.login)(section).to_string();
        let manners = Manners { login, admitted: role.admitted, limit: role.limit, messages: MESSAGES };
        runs.push(suite.judge_server(role.name, url, Some(&manners))?);
    }
    demo.stop()?;
    Ok(runs)
}
