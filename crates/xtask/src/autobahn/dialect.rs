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
    /// The demo's section, which the address and the first text are made from.
    section: &'static str,
    url: fn(&Value) -> Option<String>,
    login: fn(&Value) -> Value,
    /// What the answer to that text contains.
    admitted: &'static str,
    /// Bytes that a message may have after the login.
    limit: usize,
}

/// Every role of every dialect that answers each text with one JSON message.
const ROLES: &[Role] = &[
    // Who dials in with a key is in already; its first text is a ping.
    Role {
        name: "modulus-till",
        section: "modulus",
        url: |modulus| with_key(modulus, "api_key"),
        login: |_| json!({"action": "ping"}),
        admitted: "\"pong\"",
        limit: 262_144,
    },
    Role {
        name: "modulus-terminal",
        section: "modulus",
        url: |modulus| with_key(modulus, "terminal_api_key"),
        login: |_| json!({"action": "ping"}),
        admitted: "\"pong\"",
        limit: 262_144,
    },
    Role {
        name: "boop-vendor",
        section: "boop",
        url: |boop| text(boop, "url"),
        login: |boop| json!({"type": "authenticate", "vendor_id": boop["vendor_id"], "api_key": boop["api_key"]}),
        admitted: "\"authenticated\"",
        limit: 65_536,
    },
    Role {
        name: "boop-scanner",
        section: "boop",
        url: |boop| text(boop, "scanner_url"),
        login: |boop| json!({"type": "authenticate", "device_id": boop["scanner_id"], "device_key": boop["scanner_key"]}),
        admitted: "\"authenticated\"",
        limit: 65_536,
    },
];

fn text(section: &Value, key: &str) -> Option<String> {
    section.get(key)?.as_str().map(ToOwned::to_owned)
}

/// The address with a key of the section in its query.
fn with_key(section: &Value, key: &str) -> Option<String> {
    Some(format!("{}?x-api-key={}", text(section, "url")?, text(section, key)?))
}

/// The settings that are raised, and what they are raised to.
pub(super) const RAISED: &[(&str, &str)] = &[
    ("TILLGATE_MODULUS_MALFORMED_PER_SPAN", "10000"),
    ("TILLGATE_MODULUS_FRAMES_PER_SPAN", "1000000"),
    ("TILLGATE_MODULUS_FRAMES_AT_MOST", "2000000"),
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
        let url = (role.url)(section).with_context(|| format!("the demo does not say where {} dials in", role.name))?;
        let login = (role.login)(section).to_string();
        let manners = Manners { login, admitted: role.admitted, limit: role.limit, messages: MESSAGES };
        runs.push(suite.judge_server(role.name, &url, Some(&manners))?);
    }
    demo.stop()?;
    Ok(runs)
}
