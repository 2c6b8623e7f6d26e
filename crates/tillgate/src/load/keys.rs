//! The keys a load logs in with: what `tillgate keys create --json` printed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use super::plan::{Key, Kind, Side};
use crate::exit::Ended;

#[derive(Deserialize)]
struct Made {
    dialect: String,
    role: Side,
    group: String,
    principal: String,
    subject: Option<String>,
    secret: Option<String>,
}

/// Every key of those files, in order.
pub(super) fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Key>> {
    let mut keys = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = || format!("{} line {}", file.display(), index + 1);
            let made: Made = serde_json::from_str(line).map_err(|error| {
                Ended::usage(format!("{}: expected a key of `keys create --json`: {error}", place()))
            })?;
            if made.dialect != "boop" {
                return Err(Ended::usage(format!("{}: only boop is spoken under load, not {}", place(), made.dialect)));
            }
            let secret = made.secret.ok_or_else(|| {
                Ended::usage(format!("{}: the key has no secret; only `keys create` prints it", place()))
            })?;
            let subject = made.subject.unwrap_or(made.principal);
            keys.push(Key { role: made.role, subject, group: made.group, secret });
        }
    }
    Ok(keys)
}

/// What each process gets of the keys and of the connections, or what is missing.
pub(super) fn shares(
    kind: Kind,
    keys: Vec<Key>,
    connections: usize,
    extra: usize,
    processes: usize,
) -> anyhow::Result<Vec<(Vec<Key>, usize, usize)>> {
    let missing = |what: String| Err(Ended::usage(what));
    let split = |total: usize, process: usize| total / processes + usize::from(process < total % processes);
    let (vendors, scanners): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| key.role == Side::Requester);
    match kind {
        Kind::Fanout => {
            let all = vendors.into_iter().chain(scanners).collect();
            Ok(vec![(all, connections, extra)])
        }
        Kind::Operations => {
            let of_group: BTreeMap<&str, &Key> = scanners.iter().map(|key| (key.group.as_str(), key)).collect();
            let pairs: Vec<(&Key, &Key)> =
                vendors.iter().filter_map(|key| Some((key, *of_group.get(key.group.as_str())?))).collect();
            if pairs.len() < connections {
                let have = pairs.len();
                return missing(format!("{connections} pairs need vendors with a scanner each, the files have {have}"));
            }
            let mut pairs = pairs.into_iter();
            let share = |process| {
                let many = split(connections, process);
                let keys = pairs.by_ref().take(many).flat_map(|(one, other)| [one.clone(), other.clone()]).collect();
                (keys, many, 0)
            };
            Ok((0..processes).map(share).collect())
        }
        Kind::Slow => {
            let wanted = connections + extra;
            if vendors.len() < wanted {
                return missing(format!(
                    "{wanted} sessions need as many vendors' keys, the files have {}",
                    vendors.len()
                ));
            }
            Ok(vec![(vendors, connections, extra)])
        }
        Kind::Churn => {
            let mut vendors = vendors.into_iter();
            let have = vendors.len();
            let share = |process| (vendors.by_ref().take(split(have, process)).collect(), 0, 0);
            Ok((0..processes).map(share).collect())
        }
        Kind::Idle | Kind::Requests | Kind::Connect | Kind::Reconnect => {
            if vendors.len() < connections {
                let have = vendors.len();
                return missing(format!("{connections} sessions need as many vendors' keys, the files have {have}"));
            }
            let mut vendors = vendors.into_iter();
            let share = |process| {
                let many = split(connections, process);
                (vendors.by_ref().take(many).collect(), many, extra)
            };
            Ok((0..processes).map(share).collect())
        }
    }
}
