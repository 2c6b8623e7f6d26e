//! `tillgate keys create`.

use anyhow::Context;
use dialects::boop::Kind;
use model::{Dialect, Permissions, Role};
use store::Store;

use super::{Create, Holder, mint, print};
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
    let make = |number: Option<u32>| {
        let mut holder = match create.dialect {
            Dialect::Boop => boop(create, number)?,
            Dialect::Modulus => modulus(create, number)?,
            other @ (Dialect::Fingerprint | Dialect::Fd1 | Dialect::Ordernpay) => {
                return Err(Ended::usage(format!(
                    "this version makes no {other} keys yet, only boop and modulus keys"
                )));
            }
        };
        holder.certificate = certificate;
        Ok(holder)
    };
    if create.count == 1 { Ok(vec![make(None)?]) } else { (1..=create.count).map(|n| make(Some(n))).collect() }
}

/// A name, with its number where there are several.
fn numbered(name: &str, number: Option<u32>) -> String {
    number.map_or_else(|| name.to_owned(), |number| format!("{name}-{number}"))
}

fn only<'a>(permitted: impl IntoIterator<Item = &'a str>) -> Permissions {
    Permissions::Only(permitted.into_iter().map(Into::into).collect())
}

fn boop(create: &Create, number: Option<u32>) -> anyhow::Result<Holder> {
    if create.no_websocket {
        return Err(Ended::usage("--no-websocket is for modulus; a boop key without WebSocket could do nothing"));
    }
    let vendor = vendor(create)?;
    let name = create.name.as_deref();
    let mut holder = match create.role {
        Role::Requester => {
            if create.device.is_some() {
                return Err(Ended::usage("--device is for performers; a boop requester is a vendor"));
            }
            Holder::vendor(&create.network, &numbered(vendor, number), name)?
        }
        Role::Performer => {
            if !create.permissions.is_empty() {
                return Err(Ended::usage("--permission is for requesters; a boop scanner has nothing to be permitted"));
            }
            let device = create.device.as_deref();
            let device = device.ok_or_else(|| Ended::usage("a boop performer is a scanner: name it with --device"))?;
            Holder::scanner(&create.network, vendor, &numbered(device, number), name)?
        }
        Role::Admin => return Err(Ended::usage("boop has no admin keys; there are requester and performer")),
    };
    if !create.permissions.is_empty() {
        create.permissions.iter().try_for_each(|permission| is_boop_permission(permission))?;
        holder.permissions = only(create.permissions.iter().map(String::as_str));
    }
    Ok(holder)
}

fn modulus(create: &Create, number: Option<u32>) -> anyhow::Result<Holder> {
    if create.vendor_id.is_some() {
        return Err(Ended::usage("--vendor-id is for boop; a modulus key belongs to a group: name it with --group"));
    }
    let group = create.group.as_deref();
    let group = group.ok_or_else(|| Ended::usage("a modulus key belongs to a group: name it with --group"))?;
    let name = create.name.as_deref().map(|name| numbered(name, number));
    match create.role {
        Role::Requester => {
            if create.device.is_some() {
                return Err(Ended::usage("--device is for performers; a modulus requester is a till"));
            }
            let name = name.unwrap_or_else(|| numbered(group, number));
            let permissions = modulus_permissions(create)?;
            Ok(Holder { permissions, ..Holder::till(&create.network, group, Some(&name))? })
        }
        Role::Performer => {
            if create.no_websocket || !create.permissions.is_empty() {
                return Err(Ended::usage(
                    "--no-websocket and --permission are for requesters; a modulus terminal has only its socket",
                ));
            }
            let device = create.device.as_deref().map(|device| numbered(device, number));
            let name = name.or_else(|| device.clone()).unwrap_or_else(|| numbered(group, number));
            Holder::terminal(&create.network, group, device.as_deref(), Some(&name))
        }
        Role::Admin => Err(Ended::usage("modulus has no admin keys; there are requester and performer")),
    }
}

/// What a till's key may be used for.
fn modulus_permissions(create: &Create) -> anyhow::Result<Permissions> {
    let known = ["websocket", "http"];
    if let Some(unknown) = create.permissions.iter().find(|one| !known.contains(&one.as_str())) {
        return Err(Ended::usage(format!("--permission {unknown:?}: expected websocket or http")));
    }
    match (create.no_websocket, &create.permissions[..]) {
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
fn vendor(create: &Create) -> anyhow::Result<&str> {
    match (create.vendor_id.as_deref(), create.group.as_deref()) {
        (Some(vendor), Some(group)) if vendor != group => Err(Ended::usage(format!(
            "in boop the group is the vendor's id: --vendor-id {vendor:?} and --group {group:?} must be the same"
        ))),
        (Some(vendor), _) | (None, Some(vendor)) => Ok(vendor),
        (None, None) => Err(Ended::usage("a boop key belongs to a vendor: name it with --vendor-id or --group")),
    }
}
