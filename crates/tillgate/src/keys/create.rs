//! `tillgate keys create`.

use anyhow::Context;
use dialects::boop::Kind;
use gateway::{MintError, Minted, NewKey, Scope};
use model::{Dialect, GroupId, Permissions, Role, Wall};
use store::Store;

use super::{Create, Holder, Wish, mint, print};
use crate::exit::Ended;
use crate::place;

pub(super) fn run(create: &Create) -> anyhow::Result<()> {
    let holders = holders(create)?;
    let mut store = place::attach_or_make(&create.place.configuration()?)?;
    let now = place::now();
    let made = holders.iter().map(|holder| mint(holder, now, create.expires)).collect::<anyhow::Result<Vec<_>>>()?;
    let credentials: Vec<_> = made.iter().map(|made| made.credential.clone()).collect();
    store.add_credentials(&credentials).map_err(place::explain)?;
    print::made(&made, create.json).context("the keys are made, but their secrets could not be written out")
}

/// Whom the keys are for, one each.
fn holders(create: &Create) -> anyhow::Result<Vec<Holder>> {
    let certificate = create.certificate.as_deref().map(gateway::certificate_digest).transpose()?;
    let make = |number: Option<u32>| Ok(Holder { certificate, ..holder(&create.wish, number)? });
    if create.count == 1 { Ok(vec![make(None)?]) } else { (1..=create.count).map(|n| make(Some(n))).collect() }
}

/// Whom one key is for.
fn holder(wish: &Wish, number: Option<u32>) -> anyhow::Result<Holder> {
    if wish.role == Role::Admin {
        return operator(wish, number);
    }
    if wish.all_groups {
        return Err(Ended::usage("--all-groups is for --role admin; everybody else belongs to one group"));
    }
    match wish.dialect {
        Some(Dialect::Boop) => boop(wish, number),
        Some(Dialect::Modulus) => modulus(wish, number),
        Some(other @ (Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay)) => {
            Err(Ended::usage(format!("this version makes no {other} keys yet, only boop and modulus keys")))
        }
        None => Err(Ended::usage("a key belongs to a protocol: name it with --dialect")),
    }
}

/// What the gateway makes keys with that operators ask for.
pub(crate) fn for_operators(new: &NewKey, now: Wall) -> Result<Minted, MintError> {
    let wish = Wish {
        dialect: Some(new.dialect),
        role: new.role,
        group: Some(new.group.clone()),
        vendor_id: None,
        device: new.device.clone(),
        network: new.network.to_string(),
        name: new.name.clone(),
        permissions: new.permissions.clone(),
        no_websocket: false,
        all_groups: false,
    };
    // Our words name what is wanted as the command line does.
    let holder = holder(&wish, None).map_err(|error| MintError::Wrong(format!("{error:#}").replace("--", "")))?;
    let made = mint(&holder, now, new.expires_at).map_err(|error| MintError::Failed(format!("{error:#}")))?;
    Ok(Minted { credential: made.credential, secrets: made.secrets })
}

fn operator(wish: &Wish, number: Option<u32>) -> anyhow::Result<Holder> {
    if wish.device.is_some() || wish.no_websocket {
        return Err(Ended::usage("--device and --no-websocket are not for operators, who speak HTTP only"));
    }
    let group = match (wish.all_groups, wish.dialect, wish.vendor_id.as_deref().or(wish.group.as_deref())) {
        (true, _, _) => GroupId::every(),
        (false, Some(dialect), Some(group)) => GroupId::of(dialect, group).context("the group's name")?,
        (false, _, _) => {
            return Err(Ended::usage("an operator sees one group, named with --dialect and --group, or --all-groups"));
        }
    };
    let known = Scope::ALL.map(Scope::name);
    if let Some(unknown) = wish.permissions.iter().find(|one| !known.contains(&one.as_str())) {
        return Err(Ended::usage(format!("--permission {unknown:?}: expected one of {}", known.join(", "))));
    }
    let permissions = match &wish.permissions[..] {
        [] => Permissions::All,
        listed => only(listed.iter().map(String::as_str)),
    };
    let name = wish.name.as_deref().map(|name| numbered(name, number));
    Ok(Holder { permissions, ..Holder::operator(&wish.network, group, name.as_deref())? })
}

/// A name, with its number where there are several.
fn numbered(name: &str, number: Option<u32>) -> String {
    number.map_or_else(|| name.to_owned(), |number| format!("{name}-{number}"))
}

fn only<'a>(permitted: impl IntoIterator<Item = &'a str>) -> Permissions {
    Permissions::Only(permitted.into_iter().map(Into::into).collect())
}

fn boop(wish: &Wish, number: Option<u32>) -> anyhow::Result<Holder> {
    if wish.no_websocket {
        return Err(Ended::usage("--no-websocket is for modulus; a boop key without WebSocket could do nothing"));
    }
    let vendor = vendor(wish)?;
    let name = wish.name.as_deref();
    let mut holder = match wish.role {
        Role::Requester => {
            if wish.device.is_some() {
                return Err(Ended::usage("--device is for performers; a boop requester is a vendor"));
            }
            Holder::vendor(&wish.network, &numbered(vendor, number), name)?
        }
        Role::Performer => {
            if !wish.permissions.is_empty() {
                return Err(Ended::usage("--permission is for requesters; a boop scanner has nothing to be permitted"));
            }
            let device = wish.device.as_deref();
            let device = device.ok_or_else(|| Ended::usage("a boop performer is a scanner: name it with --device"))?;
            Holder::scanner(&wish.network, vendor, &numbered(device, number), name)?
        }
        Role::Admin => return operator(wish, number),
    };
    if !wish.permissions.is_empty() {
        wish.permissions.iter().try_for_each(|permission| is_boop_permission(permission))?;
        holder.permissions = only(wish.permissions.iter().map(String::as_str));
    }
    Ok(holder)
}

fn modulus(wish: &Wish, number: Option<u32>) -> anyhow::Result<Holder> {
    if wish.vendor_id.is_some() {
        return Err(Ended::usage("--vendor-id is for boop; a modulus key belongs to a group: name it with --group"));
    }
    let group = wish.group.as_deref();
    let group = group.ok_or_else(|| Ended::usage("a modulus key belongs to a group: name it with --group"))?;
    let name = wish.name.as_deref().map(|name| numbered(name, number));
    match wish.role {
        Role::Requester => {
            if wish.device.is_some() {
                return Err(Ended::usage("--device is for performers; a modulus requester is a till"));
            }
            let name = name.unwrap_or_else(|| numbered(group, number));
            let permissions = modulus_permissions(wish)?;
            Ok(Holder { permissions, ..Holder::till(&wish.network, group, Some(&name))? })
        }
        Role::Performer => {
            if wish.no_websocket || !wish.permissions.is_empty() {
                return Err(Ended::usage(
                    "--no-websocket and --permission are for requesters; a modulus terminal has only its socket",
                ));
            }
            let device = wish.device.as_deref().map(|device| numbered(device, number));
            let name = name.or_else(|| device.clone()).unwrap_or_else(|| numbered(group, number));
            Holder::terminal(&wish.network, group, device.as_deref(), Some(&name))
        }
        Role::Admin => operator(wish, number),
    }
}

/// What a till's key may be used for.
fn modulus_permissions(wish: &Wish) -> anyhow::Result<Permissions> {
    let known = ["websocket", "http"];
    if let Some(unknown) = wish.permissions.iter().find(|one| !known.contains(&one.as_str())) {
        return Err(Ended::usage(format!("--permission {unknown:?}: expected websocket or http")));
    }
    match (wish.no_websocket, &wish.permissions[..]) {
        (false, []) => Ok(Permissions::All),
        (false, listed) => Ok(only(listed.iter().map(String::as_str))),
        (true, listed) if listed.iter().any(|one| one == "websocket") => {
            Err(Ended::usage("--no-websocket and --permission websocket cannot both be meant"))
        }
        (true, _) => Ok(only(["http"])),
    }
}

/// Refuses what no BOOP key can be permitted, so that a slip of the pen does not lock a vendor out.
fn is_boop_permission(text: &str) -> anyhow::Result<()> {
    match text.split_once(':') {
        Some(("kind", kind)) if Kind::parse(kind).is_some() => Ok(()),
        Some(("attribute", name)) if !name.is_empty() => Ok(()),
        Some(_) | None => {
            let kinds = Kind::ALL.map(|kind| format!("kind:{}", kind.name())).join(", ");
            Err(Ended::usage(format!(
                "--permission {text:?}: expected {kinds}, or attribute:NAME such as attribute:email"
            )))
        }
    }
}

/// The vendor's id, under whichever of its two names it was given.
fn vendor(wish: &Wish) -> anyhow::Result<&str> {
    match (wish.vendor_id.as_deref(), wish.group.as_deref()) {
        (Some(vendor), Some(group)) if vendor != group => Err(Ended::usage(format!(
            "in boop the group is the vendor's id: --vendor-id {vendor:?} and --group {group:?} must be the same"
        ))),
        (Some(vendor), _) | (None, Some(vendor)) => Ok(vendor),
        (None, None) => Err(Ended::usage("a boop key belongs to a vendor: name it with --vendor-id or --group")),
    }
}
