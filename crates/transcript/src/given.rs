//! `=` lines: clocks, seed, settings, peers and members.

use std::collections::{BTreeMap, BTreeSet};

use model::setting::{Value, parse_duration};
use model::{Dialect, Side, Wall};

use crate::json::{Json, Speech};
use crate::story::{Given, MemberGiven, Peer};
use crate::words::{hex, is_name, list, money, pair, sides, value, words};

/// Bytes of a seed at most.
const MAX_SEED: usize = 8;

/// Reads what stands after `= `.
pub(crate) fn given(text: &str) -> Result<Given, String> {
    let words = words(text)?;
    match words.as_slice() {
        ["now", now] => Wall::parse(now)
            .map(Given::Now)
            .ok_or_else(|| format!("expected a time such as 2031-03-04T05:10:00Z, got `{now}`")),
        ["random", bytes @ ..] if !bytes.is_empty() => match hex(&bytes.join(" "))? {
            bytes if bytes.len() <= MAX_SEED => Ok(Given::Random(bytes)),
            _ => Err(format!("expected at most {MAX_SEED} bytes")),
        },
        ["set", key, setting] if key.contains('.') => {
            Ok(Given::Set { key: (*key).to_owned(), value: set_value(setting)? })
        }
        ["member", id, rest @ ..] => member(&value(id)?, rest).map(Box::new).map(Given::Member),
        ["now" | "random" | "set" | "member", ..] => Err(format!("too few or too many words in `{text}`")),
        [name, dialect, role, rest @ ..] => peer(name, dialect, role, rest).map(Box::new).map(Given::Peer),
        _ => Err(format!("expected now, random, set, member, or a peer with its dialect and role, got `{text}`")),
    }
}

fn set_value(text: &str) -> Result<Value, String> {
    if text.starts_with('[') {
        let Json::Array(values) = Json::parse(text, Speech::Wire)? else { return Err("expected a list".to_owned()) };
        let texts = values.into_iter().map(|value| match value {
            Json::Text(text) => Ok(text),
            other => Err(format!("expected a text in the list, got {other}")),
        });
        return texts.collect::<Result<_, _>>().map(Value::Texts);
    }
    Ok(match text {
        "true" => Value::Switch(true),
        "false" => Value::Switch(false),
        _ => match text.parse() {
            Ok(count) => Value::Count(count),
            Err(_) if parse_duration(text).is_some() => Value::Text(text.to_owned()),
            Err(_) => Value::Text(value(text)?),
        },
    })
}

fn peer(name: &str, dialect: &str, role: &str, rest: &[&str]) -> Result<Peer, String> {
    if !is_name(name) {
        return Err(format!("a peer's name is lower-case letters, digits, `_` and `-`, got `{name}`"));
    }
    let mut peer = Peer {
        name: name.to_owned(),
        dialect: dialect.parse().map_err(|wrong: model::UnknownDialect| wrong.to_string())?,
        role: role.parse().map_err(|wrong: model::UnknownRole| wrong.to_string())?,
        subject: None,
        key: None,
        secret: None,
        group: None,
        title: None,
        network: None,
        principal: None,
        permissions: BTreeSet::new(),
        expires: None,
        address: None,
        headers: Vec::new(),
        query: Vec::new(),
        silent: false,
        url: None,
        deaf: false,
    };
    for word in rest {
        let Some((name, text)) = pair(word) else {
            match *word {
                "deaf" => peer.deaf = true,
                "no-key" => peer.silent = true,
                _ => return Err(format!("expected `word=value`, `no-key` or `deaf`, got `{word}`")),
            }
            continue;
        };
        let text = value(text)?;
        match name {
            "vendor_id" | "device" | "subject" if peer.subject.is_some() => {
                return Err(format!("a second name to present: `{word}`"));
            }
            "vendor_id" | "device" | "subject" => peer.subject = Some((name.to_owned(), text)),
            "key" => peer.key = Some(text),
            "secret" => peer.secret = Some(text),
            "group" => peer.group = Some(text),
            "name" => peer.title = Some(text),
            "network" => peer.network = Some(text),
            "principal" => peer.principal = Some(text),
            "url" => peer.url = Some(text),
            "permission" => drop(peer.permissions.insert(text)),
            "expires" => {
                let wall = Wall::parse(&text).ok_or_else(|| format!("expected a time, got `{text}`"))?;
                peer.expires = Some(wall);
            }
            "address" => peer.address = Some(text.parse().map_err(|_| format!("expected an address, got `{text}`"))?),
            _ => match (name.strip_prefix("header."), name.strip_prefix("query.")) {
                (Some(header), _) if is_name(header) => peer.headers.push((header.to_owned(), text)),
                (None, Some(pair)) if !pair.is_empty() => peer.query.push((pair.to_owned(), text)),
                _ => {
                    return Err(format!(
                        "a peer has vendor_id, device, subject, key, secret, group, name, network, principal, \
                         permission, expires, address, url, header.NAME, query.NAME, no-key and deaf; got `{name}`"
                    ));
                }
            },
        }
    }
    match (&peer.key, &peer.group) {
        // Elsewhere a key is presented by what the story says.
        (Some(_), None) if peer.dialect != Dialect::Modulus => return Err("a key wants its `group=`".to_owned()),
        (None, Some(_)) => return Err("a group without `key=` gives no credential".to_owned()),
        (None, None) if peer.secret.is_some() => return Err("a secret wants its `key=`".to_owned()),
        (Some(_), _) | (None, None) => {}
    }
    Ok(peer)
}

fn member(id: &str, rest: &[&str]) -> Result<MemberGiven, String> {
    let mut member = MemberGiven {
        id: id.to_owned(),
        network: None,
        balance: None,
        attributes: BTreeMap::new(),
        attested: BTreeSet::new(),
        sides: None,
        sides_of: BTreeMap::new(),
        groups: None,
        templates: Vec::new(),
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let (name, text) = pair(word).ok_or_else(|| format!("expected `word=value`, got `{word}`"))?;
        match name {
            "network" => member.network = Some(value(text)?),
            "balance" => {
                let currency = rest.next().ok_or("a balance wants its currency: `balance=2500 USD`")?;
                member.balance = Some(money(text, currency)?);
            }
            "attested" => member.attested = list(text)?,
            "sides" => member.sides = Some(sides(text)?),
            "groups" => member.groups = Some(list(text)?),
            "template" => {
                let text = value(text)?;
                let (template, side) = text.rsplit_once(':').ok_or("expected `template=cGFsbQ==:left`")?;
                let side = Side::parse(side).ok_or_else(|| format!("expected left or right, got `{side}`"))?;
                member.templates.push((template.to_owned(), side));
            }
            _ => match (name.strip_prefix("attr."), name.strip_prefix("sides.")) {
                (Some(attribute), _) => {
                    Json::parse(text, Speech::Wire)?;
                    member.attributes.insert(attribute.to_owned(), text.to_owned());
                }
                (_, Some(attribute)) => drop(member.sides_of.insert(attribute.to_owned(), sides(text)?)),
                _ => {
                    return Err(format!(
                        "a member has network, balance, attr.NAME, attested, sides, sides.NAME, groups and template; \
                         got `{name}`"
                    ));
                }
            },
        }
    }
    let known = |name: &String| member.attributes.contains_key(name);
    match member.attested.iter().chain(member.sides_of.keys()).find(|name| !known(name)) {
        Some(name) => Err(format!("the member has no `attr.{name}`")),
        None => Ok(member),
    }
}
