//! Keys as text and as JSON, one a line. Secrets only beside the key they were just made for.

use std::collections::BTreeMap;
use std::io;

use model::{Credential, Digest, Permissions, Secret, Wall};
use serde::Serialize;

use super::mint::Made;
use crate::talk;

/// A key as JSON shows it.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    /// In the words of the vendor's documentation.
    #[serde(flatten)]
    secrets: BTreeMap<&'static str, &'a str>,
    dialect: &'static str,
    role: &'static str,
    network: &'a str,
    group: &'a str,
    principal: &'a str,
    subject: Option<&'a str>,
    device: Option<&'a str>,
    name: &'a str,
    permissions: Option<Vec<&'a str>>,
    certificate: Option<String>,
    state: &'static str,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

fn shown<'a>(credential: &'a Credential, secrets: &'a [(&'static str, Secret)], now: Wall) -> Shown<'a> {
    Shown {
        id: credential.id.as_str(),
        secrets: secrets.iter().map(|(word, secret)| (*word, secret.reveal())).collect(),
        dialect: credential.dialect.name(),
        role: credential.role.name(),
        network: credential.network.as_str(),
        group: credential.group.name(),
        principal: credential.principal.as_str(),
        subject: credential.subject.as_deref(),
        device: credential.device.as_ref().map(model::DeviceId::as_str),
        name: &credential.name,
        permissions: match &credential.permissions {
            Permissions::All => None,
            Permissions::Only(listed) => Some(listed.iter().map(AsRef::as_ref).collect()),
        },
        certificate: credential.certificate.map(hexadecimal),
        state: state(credential, now),
        created_at: credential.created_at.to_string(),
        expires_at: credential.expires_at.map(|at| at.to_string()),
        revoked_at: credential.revoked_at.map(|at| at.to_string()),
    }
}

/// A certificate's digest, as it is written everywhere.
fn hexadecimal(digest: Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a key works, in one word.
fn state(credential: &Credential, now: Wall) -> &'static str {
    if has_come(credential.revoked_at, now) {
        "revoked"
    } else if has_come(credential.expires_at, now) {
        "expired"
    } else {
        "good"
    }
}

/// Whether a key works no more.
pub(crate) fn is_over(credential: &Credential, now: Wall) -> bool {
    has_come(credential.revoked_at, now) || has_come(credential.expires_at, now)
}

fn has_come(at: Option<Wall>, now: Wall) -> bool {
    at.is_some_and(|at| at <= now)
}

/// Keys with the secrets they were just made with.
pub(super) fn made(made: &[Made], as_json: bool) -> io::Result<()> {
    let now = crate::place::now();
    if as_json {
        return talk::lines(made.iter().map(|made| json(&shown(&made.credential, &made.secrets, now))));
    }
    let of = |made: &Made, at: usize| made.secrets.get(at).map_or_else(String::new, |(_, it)| it.reveal().to_owned());
    let word = |at: usize| {
        let word = made.first().and_then(|made| made.secrets.get(at)).map_or("", |(word, _)| *word);
        word.to_uppercase().replace('_', " ")
    };
    let head = ["ID".to_owned(), "FOR".to_owned(), word(0), word(1)];
    let rows = made.iter().map(|made| {
        let credential = &made.credential;
        let holder = credential.subject.as_deref().unwrap_or(&credential.name);
        [credential.id.to_string(), holder.to_owned(), of(made, 0), of(made, 1)]
    });
    talk::table(head, rows)?;
    let count = made.len();
    talk::say(format_args!("{count} made; a secret is shown this once and cannot be shown again"));
    Ok(())
}

/// Keys without secrets.
pub(super) fn list<'a>(credentials: impl Iterator<Item = &'a Credential>, as_json: bool) -> io::Result<()> {
    let now = crate::place::now();
    if as_json {
        return talk::lines(credentials.map(|credential| json(&shown(credential, &[], now))));
    }
    let head = ["ID", "DIALECT", "ROLE", "GROUP", "SUBJECT", "NAME", "STATE", "CREATED", "ENDS"].map(str::to_owned);
    let rows = credentials.map(|credential| {
        let end = [credential.expires_at, credential.revoked_at].into_iter().flatten().min();
        [
            credential.id.to_string(),
            credential.dialect.to_string(),
            credential.role.to_string(),
            credential.group.name().to_owned(),
            credential.subject.as_deref().unwrap_or("-").to_owned(),
            credential.name.to_string(),
            state(credential, now).to_owned(),
            credential.created_at.to_string(),
            end.map_or_else(|| "-".to_owned(), |end| end.to_string()),
        ]
    });
    talk::table(head, rows)
}

/// One key, a field a line.
pub(super) fn one(credential: &Credential, as_json: bool) -> io::Result<()> {
    let now = crate::place::now();
    let shown = shown(credential, &[], now);
    if as_json {
        return talk::data(json(&shown));
    }
    let end = |at: Option<String>| at.unwrap_or_else(|| "-".to_owned());
    let permissions = shown.permissions.map_or_else(|| "all".to_owned(), |listed| listed.join(" "));
    let fields = [
        ("id", shown.id.to_owned()),
        ("dialect", shown.dialect.to_owned()),
        ("role", shown.role.to_owned()),
        ("network", shown.network.to_owned()),
        ("group", shown.group.to_owned()),
        ("principal", shown.principal.to_owned()),
        ("subject", shown.subject.unwrap_or("-").to_owned()),
        ("device", shown.device.unwrap_or("-").to_owned()),
        ("name", shown.name.to_owned()),
        ("permissions", permissions),
        ("certificate", shown.certificate.unwrap_or_else(|| "-".to_owned())),
        ("state", shown.state.to_owned()),
        ("created", shown.created_at),
        ("expires", end(shown.expires_at)),
        ("revoked", end(shown.revoked_at)),
    ];
    talk::lines(fields.iter().map(|(name, value)| format!("{name:<12} {}", talk::tamed(value))))
}

fn json(shown: &Shown<'_>) -> String {
    serde_json::to_string(shown).unwrap_or_default()
}
