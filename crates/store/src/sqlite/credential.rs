//! Credentials, and the number that tells everybody that they changed.

use std::path::Path;

use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role,
    Secret, Wall,
};
use rusqlite::{Connection, Row, params};

use super::column::{self, get, named, named_if_any};
use super::fault::Fault;
use crate::{Seal, StoreError};

/// The kind of secret of which only a SHA-256 is kept.
const DIGEST: &str = "sha-256";
/// The kind of secret that its holder signs with: it is kept sealed, beside the SHA-256 of the key it goes with.
const SIGNING: &str = "hmac-sha-256";

/// A number that changes with every change, by whichever process.
pub(super) fn version(db: &Connection) -> Result<u64, Fault> {
    const SQL: &str = "SELECT credentials_version FROM meta";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let row = rows.next()?.ok_or(Fault::Corrupt("meta"))?;
    get(row, 0, "meta.credentials_version")
}

fn changed(db: &Connection) -> Result<(), Fault> {
    const SQL: &str = "UPDATE meta SET credentials_version = credentials_version + 1";
    db.prepare_cached(SQL)?.execute([])?;
    Ok(())
}

/// Every credential, oldest first.
pub(super) fn list(db: &Connection, key: &Path) -> Result<Vec<Credential>, StoreError> {
    const SQL: &str = "
        SELECT id, dialect, role, network, group_name, principal, subject, device, name, secret_kind, secret,
            permissions, created_at, expires_at, revoked_at, certificate, sealed
        FROM credentials ORDER BY created_at, place";
    let mut statement = db.prepare_cached(SQL).map_err(Fault::Sql)?;
    let mut rows = statement.query([]).map_err(Fault::Sql)?;
    let mut credentials = Vec::new();
    let mut seal = None;
    while let Some(row) = rows.next().map_err(Fault::Sql)? {
        credentials.push(read(row, key, &mut seal)?);
    }
    Ok(credentials)
}

/// Adds credentials. Runs inside a transaction, which ends with an error.
pub(super) fn add(db: &Connection, key: &Path, credentials: &[Credential]) -> Result<(), StoreError> {
    let seal = if credentials.iter().any(|credential| matches!(credential.secret, CredentialKind::Signing { .. })) {
        Some(seal_to_add_with(db, key)?)
    } else {
        None
    };
    for credential in credentials {
        if !add_one(db, seal.as_ref(), credential)? {
            return Err(StoreError::Exists(format!("there is a credential {} already", credential.id)));
        }
    }
    if !credentials.is_empty() {
        changed(db)?;
    }
    Ok(())
}

/// The seal for further secrets: that of those which are there, so that one key opens them all, or else a new one.
pub(super) fn seal_to_add_with(db: &Connection, key: &Path) -> Result<Seal, StoreError> {
    const SQL: &str = "SELECT id, sealed FROM credentials WHERE sealed IS NOT NULL ORDER BY place DESC LIMIT 1";
    let mut statement = db.prepare_cached(SQL).map_err(Fault::Sql)?;
    let mut rows = statement.query([]).map_err(Fault::Sql)?;
    let Some(row) = rows.next().map_err(Fault::Sql)? else { return Ok(Seal::open_or_create(key)?) };
    let seal = Seal::open(key)?;
    let id = named(row, 0, "credentials.id", |text| CredentialId::parse(text).ok())?;
    unseal(&seal, key, &id, &column::bytes(row, 1, "credentials.sealed")?)?;
    Ok(seal)
}

/// A sealed secret is bound to its credential: in another row it does not open.
fn context(id: &CredentialId) -> Vec<u8> {
    format!("credential {id}").into_bytes()
}

fn unseal(seal: &Seal, key: &Path, id: &CredentialId, sealed: &[u8]) -> Result<Secret, StoreError> {
    seal.unseal(&context(id), sealed).map_err(|error| {
        StoreError::Sealed(format!("the secret of {id} does not open with key file {}: {error}", key.display()))
    })
}

fn add_one(db: &Connection, seal: Option<&Seal>, credential: &Credential) -> Result<bool, StoreError> {
    const SQL: &str = "
        INSERT INTO credentials (
            id, dialect, role, network, group_name, principal, subject, device, name, secret_kind, secret,
            permissions, created_at, expires_at, revoked_at, certificate, sealed)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
        ON CONFLICT (id) DO NOTHING";
    let (kind, digest, sealed) = match (&credential.secret, seal) {
        (CredentialKind::Digest(digest), _) => (DIGEST, digest, None),
        (CredentialKind::Signing { key, secret }, Some(seal)) => {
            (SIGNING, key, Some(seal.seal(&context(&credential.id), secret.reveal())?))
        }
        (CredentialKind::Signing { .. }, None) => {
            return Err(StoreError::Sealed("a signing secret is only kept sealed".to_owned()));
        }
    };
    let permissions = match &credential.permissions {
        Permissions::All => None,
        Permissions::Only(listed) => Some(column::list(listed.iter().map(AsRef::as_ref))),
    };
    let mut statement = db.prepare_cached(SQL).map_err(Fault::Sql)?;
    let added = statement.execute(params![
        credential.id.as_str(),
        credential.dialect.name(),
        credential.role.name(),
        credential.network.as_str(),
        credential.group.as_str(),
        credential.principal.as_str(),
        credential.subject,
        credential.device.as_ref().map(DeviceId::as_str),
        credential.name,
        kind,
        digest.0,
        permissions,
        column::number(credential.created_at.millis()),
        credential.expires_at.map(|at| column::number(at.millis())),
        credential.revoked_at.map(|at| column::number(at.millis())),
        credential.certificate.map(|digest| digest.0),
        sealed,
    ]);
    Ok(added.map_err(Fault::Sql)? == 1)
}

/// Ends a good credential now or in the future; false when there is none.
pub(super) fn end(db: &Connection, id: &CredentialId, at: Wall, now: Wall) -> Result<bool, Fault> {
    const SQL: &str = "
        UPDATE credentials SET
            revoked_at = CASE WHEN ?2 <= ?3 THEN ?2 END,
            expires_at = CASE WHEN ?2 <= ?3 THEN expires_at ELSE min(coalesce(expires_at, ?2), ?2) END
        WHERE id = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)";
    let (at, now) = (column::number(at.millis()), column::number(now.millis()));
    let ended = db.prepare_cached(SQL)?.execute(params![id.as_str(), at, now])? == 1;
    if ended {
        changed(db)?;
    }
    Ok(ended)
}

/// One credential; the seal is opened for the first that needs it.
fn read(row: &Row<'_>, key: &Path, seal: &mut Option<Seal>) -> Result<Credential, StoreError> {
    let id = named(row, 0, "credentials.id", |text| CredentialId::parse(text).ok())?;
    let digest = column::digest(row, 10, "credentials.secret")?;
    let secret = match row.get_ref(9).map_err(Fault::Sql)?.as_str() {
        Ok(DIGEST) => CredentialKind::Digest(digest),
        Ok(SIGNING) => {
            let seal = match seal {
                Some(seal) => seal,
                None => seal.insert(Seal::open(key)?),
            };
            let sealed = column::bytes(row, 16, "credentials.sealed")?;
            CredentialKind::Signing { key: digest, secret: unseal(seal, key, &id, &sealed)? }
        }
        Ok(_) | Err(_) => return Err(Fault::Corrupt("credentials.secret_kind").into()),
    };
    let permissions = named_if_any(row, 11, "credentials.permissions", column::parse_list)?;
    Ok(Credential {
        id,
        dialect: named(row, 1, "credentials.dialect", |text| text.parse::<Dialect>().ok())?,
        role: named(row, 2, "credentials.role", |text| text.parse::<Role>().ok())?,
        network: named(row, 3, "credentials.network", |text| NetworkId::parse(text).ok())?,
        group: named(row, 4, "credentials.group_name", |text| GroupId::parse(text).ok())?,
        principal: named(row, 5, "credentials.principal", |text| PrincipalId::parse(text).ok())?,
        subject: get(row, 6, "credentials.subject")?,
        device: named_if_any(row, 7, "credentials.device", |text| DeviceId::parse(text).ok())?,
        name: get(row, 8, "credentials.name")?,
        secret,
        certificate: column::digest_if_any(row, 15, "credentials.certificate")?,
        permissions: permissions.map_or(Permissions::All, |listed| {
            Permissions::Only(listed.into_iter().map(String::into_boxed_str).collect())
        }),
        created_at: Wall::from_millis(get(row, 12, "credentials.created_at")?),
        expires_at: column::wall_if_any(row, 13, "credentials.expires_at")?,
        revoked_at: column::wall_if_any(row, 14, "credentials.revoked_at")?,
    })
}
