//! `tillgate keys revoke` and `rotate`.

use anyhow::{Context, ensure};
use store::Store;

use super::{Holder, Rotate, Several, mint, print};
use crate::{place, talk};

pub(super) fn revoke(several: &Several) -> anyhow::Result<()> {
    let mut store = place::attach(&several.place.configuration()?)?;
    let now = place::now();
    let mut missed = 0;
    for id in &several.ids {
        if store.end_credential(id, now, now).map_err(place::explain)? {
            talk::data(format_args!("{id} revoked"))?;
        } else {
            talk::say(format_args!("tillgate: there is no good key {id}"));
            missed += 1;
        }
    }
    ensure!(missed == 0, "{missed} of {} keys were not there, or ended before", several.ids.len());
    Ok(())
}

pub(super) fn rotate(rotate: &Rotate) -> anyhow::Result<()> {
    let mut store = place::attach(&rotate.place.configuration()?)?;
    let now = place::now();
    let credentials = store.credentials().map_err(place::explain)?;
    let old = credentials.iter().find(|credential| credential.id == rotate.id);
    let old = old.with_context(|| format!("there is no key {}", rotate.id))?;
    ensure!(!print::is_over(old, now), "key {} has ended; make a new one with `keys create`", old.id);
    // The new one first: whatever happens in between, the holder has a key that works.
    let mut holder = Holder::of(old);
    if let Some(file) = &rotate.certificate {
        holder.certificate = Some(gateway::certificate_digest(file)?);
    }
    let made = mint(&holder, now, rotate.expires)?;
    store.add_credentials(std::slice::from_ref(&made.credential)).map_err(place::explain)?;
    let end = now.after(rotate.overlap);
    let ended = store.end_credential(&old.id, end, now).map_err(place::explain)?;
    print::made(&[made], rotate.json).context("the new key is made, but its secret could not be written out")?;
    ensure!(ended, "the new key works, but the old one could not be ended");
    talk::say(format_args!("the old key {} works until {end}", old.id));
    Ok(())
}
