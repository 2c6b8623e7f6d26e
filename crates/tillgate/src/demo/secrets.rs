//! The demo's own keys, kept in clear so that they can be printed again after a restart on the same folder.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use model::{Credential, CredentialKind, Digest, GroupId, PrincipalId, Secret};
use serde::{Deserialize, Serialize};
use store::Store;

use crate::keys::{DEFAULT_NETWORK, Holder, credential, fresh_secret, is_over};
use crate::place;

pub(super) const VENDOR: &str = "ven_demo";
/// A scanner for whoever wants to be one.
pub(super) const FREE_SCANNER: &str = "pvs_yours";
/// The scanner that is simulated.
pub(super) const SIMULATED_SCANNER: &str = "pvs_demo";

/// The group of the Modulus till and its terminals.
pub(super) const GROUP: &str = "store-demo";
/// The Modulus terminal that is simulated, or yours.
pub(super) const TERMINAL: &str = "TERM-001";

const FILE: &str = "demo.json";
const VENDOR_NAME: &str = "Harbour Bakery";

/// The demo's keys.
pub(super) struct Keys {
    pub(super) vendor: Secret,
    pub(super) free_scanner: Secret,
    pub(super) simulated_scanner: Secret,
    pub(super) till: Secret,
    pub(super) till_secret: Secret,
    /// For any terminal of the group.
    pub(super) terminals: Secret,
    /// Of an operator, who sees everything. Another one each time a demo starts; the last one ends with its demo.
    pub(super) operator: Secret,
}

/// As they stand in the file.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    vendor: Option<String>,
    free_scanner: Option<String>,
    simulated_scanner: Option<String>,
    till: Option<String>,
    till_secret: Option<String>,
    terminals: Option<String>,
}

/// The keys of the folder, each of them good; made where there are none.
pub(super) fn keys(folder: &Path, store: &mut impl Store) -> anyhow::Result<Keys> {
    let file = folder.join(FILE);
    let stored = match fs::read_to_string(&file) {
        Ok(text) => {
            serde_json::from_str(&text).with_context(|| format!("{} is not what a demo writes", file.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Stored::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let vendor = Holder::vendor(DEFAULT_NETWORK, VENDOR, Some(VENDOR_NAME))?;
    let free_scanner = Holder::scanner(DEFAULT_NETWORK, VENDOR, FREE_SCANNER, None)?;
    let simulated_scanner = Holder::scanner(DEFAULT_NETWORK, VENDOR, SIMULATED_SCANNER, None)?;
    // The same principals after a restart: what is owed to the till is owed to it then too.
    let till = Holder { principal: named("till_demo")?, ..Holder::till(DEFAULT_NETWORK, GROUP, Some("Till 1"))? };
    let terminals =
        Holder { principal: named("terminals_demo")?, ..Holder::terminal(DEFAULT_NETWORK, GROUP, None, None)? };
    let every = GroupId::every();
    let operator = Holder::operator(DEFAULT_NETWORK, every, Some("Demo"))?;
    let operator = Holder { principal: named("operator_demo")?, ..operator };
    let (till_key, till_secret) = good_pair(stored.till.zip(stored.till_secret), &till, store)?;
    let keys = Keys {
        vendor: good(stored.vendor, "sk_test_", &vendor, store)?,
        free_scanner: good(stored.free_scanner, "dk_test_", &free_scanner, store)?,
        simulated_scanner: good(stored.simulated_scanner, "dk_test_", &simulated_scanner, store)?,
        till: till_key,
        till_secret,
        terminals: good(stored.terminals, "mt_test_", &terminals, store)?,
        operator: fresh_secret("op_test_")?,
    };
    // First the file, then the credentials: what is in the store can always be printed.
    write(&file, &keys)?;
    admit(&vendor, plain(&keys.vendor), store)?;
    admit(&free_scanner, plain(&keys.free_scanner), store)?;
    admit(&simulated_scanner, plain(&keys.simulated_scanner), store)?;
    admit(&till, signing(&keys.till, &keys.till_secret), store)?;
    admit(&terminals, plain(&keys.terminals), store)?;
    end_operators(&operator, store)?;
    admit(&operator, plain(&keys.operator), store)?;
    Ok(keys)
}

/// Revokes the tokens of earlier demos on the same data.
fn end_operators(holder: &Holder, store: &mut impl Store) -> anyhow::Result<()> {
    let now = place::now();
    for one in store.credentials().map_err(place::explain)? {
        if Holder::of(&one) == *holder && !is_over(&one, now) {
            store.end_credential(&one.id, now, now).map_err(place::explain)?;
        }
    }
    Ok(())
}

fn named(principal: &str) -> anyhow::Result<PrincipalId> {
    PrincipalId::parse(principal).context("a principal's name")
}

fn plain(secret: &Secret) -> CredentialKind {
    CredentialKind::Digest(secret.digest())
}

fn signing(key: &Secret, secret: &Secret) -> CredentialKind {
    CredentialKind::Signing { key: key.digest(), secret: secret.clone() }
}

/// The secret of last time unless it has been revoked meanwhile, else a new one.
fn good(last: Option<String>, prefix: &str, holder: &Holder, store: &impl Store) -> anyhow::Result<Secret> {
    match last.map(|text| Secret::new(&text)) {
        Some(last) if !is_dead(&plain(&last), holder, store)? => Ok(last),
        Some(_) | None => fresh_secret(prefix),
    }
}

/// The same for a key and the secret beside it.
fn good_pair(last: Option<(String, String)>, holder: &Holder, store: &impl Store) -> anyhow::Result<(Secret, Secret)> {
    match last.map(|(key, secret)| (Secret::new(&key), Secret::new(&secret))) {
        Some((key, secret)) if !is_dead(&signing(&key, &secret), holder, store)? => Ok((key, secret)),
        Some(_) | None => Ok((fresh_secret("mk_test_")?, fresh_secret("ms_test_")?)),
    }
}

/// Whether what is kept of a key proves nobody any more, or somebody else.
fn is_dead(kept: &CredentialKind, holder: &Holder, store: &impl Store) -> anyhow::Result<bool> {
    let now = place::now();
    let dead = |one: &Credential| is_over(one, now) || Holder::of(one) != *holder || one.secret != *kept;
    let credentials = store.credentials().map_err(place::explain)?;
    Ok(credentials.iter().any(|one| key(&one.secret) == key(kept) && dead(one)))
}

/// What a presented key is known by.
const fn key(kept: &CredentialKind) -> &Digest {
    match kept {
        CredentialKind::Digest(key) | CredentialKind::Signing { key, .. } => key,
    }
}

/// Makes the secret prove its holder, unless it does.
fn admit(holder: &Holder, kept: CredentialKind, store: &mut impl Store) -> anyhow::Result<()> {
    if store.credentials().map_err(place::explain)?.iter().any(|one| one.secret == kept) {
        return Ok(());
    }
    let credential = credential(holder, kept, place::now(), None)?;
    store.add_credentials(&[credential]).map_err(place::explain)
}

fn write(file: &Path, keys: &Keys) -> anyhow::Result<()> {
    let text = |secret: &Secret| Some(secret.reveal().to_owned());
    let stored = Stored {
        vendor: text(&keys.vendor),
        free_scanner: text(&keys.free_scanner),
        simulated_scanner: text(&keys.simulated_scanner),
        till: text(&keys.till),
        till_secret: text(&keys.till_secret),
        terminals: text(&keys.terminals),
    };
    write_whole(file, &serde_json::to_vec_pretty(&stored)?, 0o600)
}

/// Writes a file so that nobody ever sees a part of it.
pub(super) fn write_whole(file: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let write = || {
        // A left-over of a crash may have another mode.
        let _ = fs::remove_file(&beside);
        let mut new = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        new.write_all(bytes)?;
        new.sync_all()?;
        fs::rename(&beside, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
