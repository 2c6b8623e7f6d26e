//! Credentials, and the number that tells everybody that they changed.

use model::{
    Credential, CredentialId, CredentialKind, DeviceId, Dialect, GroupId, NetworkId, Permissions, PrincipalId, Role,
    Wall,
};
use rusqlite::{Connection, Row, params};

use super::column::{self, get, named, named_if_any};
use super::fault::Fault;
use crate::StoreError;

/// The kind of secret of which only a SHA-256 is kept.
const DIGEST: &str = "sha-256";

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
pub(super) fn list(db: &Connection) -> Result<Vec<Credential>, Fault> {
    const SQL: &str = "
        SELECT id, dialect, role, network, group_name, principal, subject, device, name, secret_kind, secret,
            permissions, created_at, expires_at, revoked_at
        FROM credentials ORDER BY created_at, place";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let mut credentials = Vec::new();
    while let Some(row) = rows.next()? {
        credentials.push(read(row)?);
    }
    Ok(credentials)
}

/// Adds credentials. Runs inside a transaction, which ends with an error.
pub(super) fn add(db: &Connection, credentials: &[Credential]) -> Result<(), StoreError> {
    for credential in credentials {
        if !add_one(db, credential)? {
            return Err(StoreError::Exists(format!("there is a credential {} already", credential.id)));
        }
    }
    if !credentials.is_empty() {
        changed(db)?;
    }
    Ok(())
}

fn add_one(db: &Connection, credential: &Credential) -> Result<bool, Fault> {
    const SQL: &str = "
        INSERT INTO credentials (
            id, dialect, role, network, group_name, principal, subject, device, name, secret_kind, secret,
            permissions, created_at, expires_at, revoked_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
        ON CONFLICT (id) DO NOTHING";
    let (kind, secret) = match &credential.secret {
        CredentialKind::Digest(digest) | CredentialKind::Signing { key: digest, .. } => (DIGEST, &digest.0[..]),
    };
    let permissions = match &credential.permissions {
        Permissions::All => None,
        Permissions::Only(listed) => Some(column::list(listed.iter().map(AsRef::as_ref))),
    };
    let added = db.prepare_cached(SQL)?.execute(params![
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
        secret,
        permissions,
        column::number(credential.created_at.millis()),
        credential.expires_at.map(|at| column::number(at.millis())),
        credential.revoked_at.map(|at| column::number(at.millis())),
    ])?;
    Ok(added == 1)
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

fn read(row: &Row<'_>) -> Result<Credential, Fault> {
    let digest = match row.get_ref(9)?.as_str() {
        Ok(DIGEST) => column::digest(row, 10, "credentials.secret")?,
        Ok(_) | Err(_) => return Err(Fault::Corrupt("credentials.secret_kind")),
    };
    let permissions = named_if_any(row, 11, "credentials.permissions", column::parse_list)?;
    Ok(Credential {
        id: named(row, 0, "credentials.id", |text| CredentialId::parse(text).ok())?,
        dialect: named(row, 1, "credentials.dialect", |text| text.parse::<Dialect>().ok())?,
        role: named(row, 2, "credentials.role", |text| text.parse::<Role>().ok())?,
        network: named(row, 3, "credentials.network", |text| NetworkId::parse(text).ok())?,
        group: named(row, 4, "credentials.group_name", |text| GroupId::parse(text).ok())?,
        principal: named(row, 5, "credentials.principal", |text| PrincipalId::parse(text).ok())?,
        subject: get(row, 6, "credentials.subject")?,
        device: named_if_any(row, 7, "credentials.device", |text| DeviceId::parse(text).ok())?,
        name: get(row, 8, "credentials.name")?,
        secret: CredentialKind::Digest(digest),
        certificate: None,
        permissions: permissions.map_or(Permissions::All, |listed| {
            Permissions::Only(listed.into_iter().map(String::into_boxed_str).collect())
        }),
        created_at: Wall::from_millis(get(row, 12, "credentials.created_at")?),
        expires_at: column::wall_if_any(row, 13, "credentials.expires_at")?,
        revoked_at: column::wall_if_any(row, 14, "credentials.revoked_at")?,
    })
}
