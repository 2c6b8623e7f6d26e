//! What a story gives, as the World wants it: credentials, members, settings, and how each peer connects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dialects::{boop, modulus};
use model::setting::{Setting, Value};
use model::{
    Attribute, Credential, CredentialId, CredentialKind, Currency, DeviceId, Dialect, GroupId, Member, MemberId, Money,
    NetworkId, Now, Permissions, PrincipalId, Secret, Side, Wall,
};
use store::Store;

use crate::story::{DEFAULT_NETWORK, DEFAULT_NOW, Given, MemberGiven, Peer, Story};
use crate::world::{Setup, World};

/// A World in which everything a story gives is there.
///
/// # Errors
/// The line that gives what cannot be, and why.
pub fn stage(story: &Story, cores: u8, mut store: Box<dyn Store>) -> Result<World, (usize, String)> {
    let setup = scene(story, cores, &mut *store)?;
    World::new(setup, store).map_err(|error| (1, format!("{error:?}")))
}

/// Puts into the store what a story gives, and says how everything else is to be made.
///
/// # Errors
/// The line that gives what cannot be, and why.
pub fn scene(story: &Story, cores: u8, store: &mut dyn Store) -> Result<Setup, (usize, String)> {
    let mut dialects = dialects::Config::default();
    let mut bounds = node::Bounds::default();
    let mut seed = [0; 8];
    let mut wall = Wall::parse(DEFAULT_NOW).expect("the default is a time");
    for (_, given) in story.givens() {
        if let Given::Now(now) = given {
            wall = *now;
        }
    }
    for (line, given) in story.givens() {
        let at = |why: String| (line, why);
        match given {
            Given::Now(_) => {}
            Given::Random(bytes) => seed[..bytes.len()].copy_from_slice(bytes),
            Given::Set { key, value } => set(&mut dialects, &mut bounds, key, value.clone()).map_err(at)?,
            Given::Peer(peer) => {
                if let Some(first) = keeper(story, peer)
                    && first.name != peer.name
                {
                    if peer.group.is_some() && peer.group != first.group {
                        return Err(at(format!("`{}` has the same key in another group", first.name)));
                    }
                } else if let Some(credential) = credential(peer, wall).map_err(at)? {
                    store.add_credentials(&[credential]).map_err(|error| at(format!("{error:?}")))?;
                }
            }
            Given::Member(given) => {
                let member = member(given).map_err(at)?;
                store.put_member(&member).map_err(|error| at(format!("{error:?}")))?;
            }
        }
    }
    Ok(Setup {
        cores,
        seed: u64::from_be_bytes(seed),
        now: Now::from_millis(wall.millis()),
        dialects: Arc::new(dialects),
        bounds,
    })
}

/// Puts a setting where its key says.
fn set(dialects: &mut dialects::Config, bounds: &mut node::Bounds, key: &str, value: Value) -> Result<(), String> {
    match key.split_once('.') {
        Some(("node", name)) => put(node::Bounds::SETTINGS, bounds, name, value),
        Some(("boop", name)) => put(boop::Choices::SETTINGS, Arc::make_mut(&mut dialects.boop), name, value),
        Some(("modulus", name)) => put(modulus::Choices::SETTINGS, Arc::make_mut(&mut dialects.modulus), name, value),
        _ => Err(format!("a setting is `boop.name`, `modulus.name` or `node.name`, got `{key}`")),
    }
}

fn put<C>(settings: &[Setting<C>], section: &mut C, name: &str, value: Value) -> Result<(), String> {
    let names = || settings.iter().map(|setting| setting.name).collect::<Vec<_>>().join(", ");
    let setting = settings.iter().find(|setting| setting.name == name);
    let setting = setting.ok_or_else(|| format!("no setting is called `{name}`; there are {}", names()))?;
    (setting.set)(section, value).map_err(|right| format!("`{name}` wants {right}"))
}

/// The stored credential of a peer; none for strangers. Its id is the peer's name.
fn credential(peer: &Peer, now: Wall) -> Result<Option<Credential>, String> {
    let (Some(key), Some(group)) = (&peer.key, &peer.group) else { return Ok(None) };
    let bad = |what: &str| {
        let what = what.to_owned();
        move |wrong: model::BadId| format!("{what} {wrong}")
    };
    // A terminal's name comes with its connection, and a terminal key is for every terminal of its group.
    let named = peer.subject.as_ref().filter(|_| peer.dialect != Dialect::Modulus);
    let subject = named.map(|(_, subject)| subject.as_str());
    let device = match named {
        Some((word, device)) if word == "device" => Some(DeviceId::parse(device).map_err(bad("a device"))?),
        _ => None,
    };
    let digest = Secret::new(key).digest();
    let principal = peer.principal.as_deref().or(subject).unwrap_or(&peer.name);
    Ok(Some(Credential {
        id: credential_id(peer),
        dialect: peer.dialect,
        role: peer.role,
        network: network(peer.network.as_deref())?,
        group: GroupId::of(peer.dialect, group).map_err(bad("a group"))?,
        principal: PrincipalId::parse(principal).map_err(bad("a principal"))?,
        subject: subject.map(Box::from),
        device,
        name: peer.title.as_deref().unwrap_or(&peer.name).into(),
        secret: match &peer.secret {
            Some(secret) => CredentialKind::Signing { key: digest, secret: Secret::new(secret) },
            None => CredentialKind::Digest(digest),
        },
        permissions: match peer.permissions.is_empty() {
            true => Permissions::All,
            false => Permissions::Only(peer.permissions.iter().map(|permission| permission.as_str().into()).collect()),
        },
        certificate: None,
        created_at: now,
        expires_at: peer.expires,
        revoked_at: None,
    }))
}

/// The credential of a peer by its name in the story.
pub(crate) fn credential_id(peer: &Peer) -> CredentialId {
    CredentialId::parse(&peer.name).expect("a peer's name is an id")
}

/// Whose credential a peer's key is: where nothing but the key is presented, of those who have it the first.
pub(crate) fn keeper<'a>(story: &'a Story, peer: &Peer) -> Option<&'a Peer> {
    let alone = peer.dialect == Dialect::Modulus && peer.key.is_some();
    let same = |other: &&Peer| other.dialect == peer.dialect && other.key == peer.key && other.group.is_some();
    alone.then(|| story.peers().find(same)).flatten()
}

/// The network of that name, or the one everybody shares.
pub(crate) fn network(name: Option<&str>) -> Result<NetworkId, String> {
    NetworkId::parse(name.unwrap_or(DEFAULT_NETWORK)).map_err(|wrong| format!("a network {wrong}"))
}

fn member(given: &MemberGiven) -> Result<Member, String> {
    let id = MemberId::parse(&given.id).map_err(|wrong| format!("a member {wrong}"))?;
    let both = BTreeSet::from([Side::Left, Side::Right]);
    let every = given.sides.as_ref().unwrap_or(&both);
    let attributes: BTreeMap<Box<str>, Attribute> = given
        .attributes
        .iter()
        .map(|(name, json)| {
            let attribute = Attribute {
                json: json.as_str().into(),
                attested: given.attested.contains(name),
                sides: given.sides_of.get(name).unwrap_or(every).clone(),
            };
            (name.as_str().into(), attribute)
        })
        .collect();
    let groups =
        given.groups.as_ref().map(|groups| groups.iter().map(|group| GroupId::of(Dialect::Boop, group)).collect());
    let mut subjects: Vec<(Box<str>, Side)> =
        given.templates.iter().map(|(template, side)| (boop::template_subject(template), *side)).collect();
    subjects.push((boop::test_user_subject(&given.id), Side::Left));
    Ok(Member {
        id,
        network: network(given.network.as_deref())?,
        groups: groups.transpose().map_err(|wrong: model::BadId| format!("a group {wrong}"))?,
        attributes,
        balance: given.balance.unwrap_or(Money { minor: 0, currency: Currency::USD }),
        subjects,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::parse;

    fn peer(line: &str) -> Peer {
        let story = parse("test", &format!("# mark: choice\n= {line}\n")).unwrap();
        story.peers().next().unwrap().clone()
    }

    #[test]
    fn a_device_is_what_it_presents_and_who_it_is() {
        let made =
            credential(&peer("lane boop performer device=pvs_2 key=dk group=bakery permission=scan"), Wall::default());
        let made = made.unwrap().unwrap();
        assert_eq!((made.id.as_str(), made.principal.as_str()), ("lane", "pvs_2"));
        assert_eq!(made.device.as_ref().map(DeviceId::as_str), Some("pvs_2"));
        assert_eq!(made.subject.as_deref(), Some("pvs_2"));
        assert!(made.permissions.allow("scan") && !made.permissions.allow("other"));
        assert_eq!(credential(&peer("stranger boop requester"), Wall::default()), Ok(None));
    }
}
