//! The keys a load logs in with: what `tillgate keys create --json` printed.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

use super::dialect::Dialect;
use super::plan::{self, Key, Kind, Side};
use crate::exit::Ended;

#[derive(Deserialize)]
struct Made {
    dialect: String,
    role: Side,
    group: String,
    principal: String,
    subject: Option<String>,
    device: Option<String>,
    #[serde(alias = "api_key")]
    secret: Option<String>,
}

/// Every key of those files, in order, and what their holders speak.
pub(super) fn read(files: &[PathBuf], kind: Kind) -> anyhow::Result<(Dialect, Vec<Key>)> {
    let mut keys = Vec::new();
    let mut dialect = match kind {
        Kind::Fanout | Kind::Operations | Kind::Slow => Some(Dialect::Boop),
        Kind::Payments => Some(Dialect::Modulus),
        Kind::Idle | Kind::Requests | Kind::Connect | Kind::Reconnect | Kind::Churn => None,
    };
    for file in files {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let place = || format!("{} line {}", file.display(), index + 1);
            let made: Made = serde_json::from_str(line).map_err(|error| {
                Ended::usage(format!("{}: expected a key of `keys create --json`: {error}", place()))
            })?;
            let Some(spoken) = Dialect::parse(&made.dialect) else {
                let name = &made.dialect;
                return Err(Ended::usage(format!("{}: boop and modulus are spoken under load, not {name}", place())));
            };
            if *dialect.get_or_insert(spoken) != spoken {
                let (place, wanted) = (place(), dialect.unwrap_or(spoken).name());
                return Err(Ended::usage(format!("{place}: this run speaks {wanted}, not {}", spoken.name())));
            }
            let secret = made.secret.ok_or_else(|| {
                Ended::usage(format!("{}: the key has no secret; only `keys create` prints it", place()))
            })?;
            let subject = made.subject.or(made.device).unwrap_or(made.principal);
            keys.push(Key { role: made.role, subject, group: made.group, secret });
        }
    }
    let dialect = dialect.ok_or_else(|| Ended::usage("the files hold no key"))?;
    Ok((dialect, keys))
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
    match kind {
        Kind::Fanout => Ok(vec![(keys, connections, extra)]),
        Kind::Operations | Kind::Payments => {
            let pairs = plan::pairs(&keys);
            if pairs.len() < connections {
                let have = pairs.len();
                return missing(format!(
                    "{connections} pairs need a requester and a performer of the same group each, the files have {have}"
                ));
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
            let requesters = requesters(keys);
            let (wanted, have) = (connections + extra, requesters.len());
            if have < wanted {
                return missing(format!("{wanted} sessions need as many requesters' keys, the files have {have}"));
            }
            Ok(vec![(requesters, connections, extra)])
        }
        Kind::Churn => {
            let requesters = requesters(keys);
            let have = requesters.len();
            let mut requesters = requesters.into_iter();
            let share = |process| (requesters.by_ref().take(split(have, process)).collect(), 0, 0);
            Ok((0..processes).map(share).collect())
        }
        Kind::Idle | Kind::Requests | Kind::Connect | Kind::Reconnect => {
            let requesters = requesters(keys);
            let have = requesters.len();
            if have < connections {
                return missing(format!("{connections} sessions need as many requesters' keys, the files have {have}"));
            }
            let mut requesters = requesters.into_iter();
            let share = |process| {
                let many = split(connections, process);
                (requesters.by_ref().take(many).collect(), many, extra)
            };
            Ok((0..processes).map(share).collect())
        }
    }
}

fn requesters(keys: Vec<Key>) -> Vec<Key> {
    keys.into_iter().filter(|key| key.role == Side::Requester).collect()
}
