//! `tillgate keys list` and `show`: what is stored of keys, never a secret.

use anyhow::Context;
use store::Store;

use super::{List, One, print};
use crate::place;

pub(super) fn list(list: &List) -> anyhow::Result<()> {
    let store = place::attach(&list.place.configuration()?)?;
    let credentials = store.credentials().map_err(place::explain)?;
    let wanted = credentials.iter().filter(|credential| {
        list.dialect.is_none_or(|dialect| credential.dialect == dialect)
            && list.role.is_none_or(|role| credential.role == role)
            && list.group.as_ref().is_none_or(|group| credential.group.name() == group)
    });
    Ok(print::list(wanted, list.json)?)
}

pub(super) fn show(one: &One) -> anyhow::Result<()> {
    let store = place::attach(&one.place.configuration()?)?;
    let credentials = store.credentials().map_err(place::explain)?;
    let credential = credentials.iter().find(|credential| credential.id == one.id);
    let credential = credential.with_context(|| format!("there is no key {}", one.id))?;
    Ok(print::one(credential, one.json)?)
}
