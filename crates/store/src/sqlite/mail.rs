//! What is owed, and the devices that had sessions.

use std::collections::BTreeMap;

use model::{DeviceId, DeviceRow, Dialect, GroupId, MailRow, OperationId, Partition, PrincipalId, Timestamp};
use rusqlite::{Connection, Row, params};

use super::column::{self, get, named};
use super::fault::Fault;
use super::operation;
use crate::Horizon;
use crate::refusal::Refusal;

/// Puts an outcome at the end of what a partition owes; one that is owed already keeps its place.
pub(super) fn owe(db: &Connection, mail: &MailRow) -> Result<(), Fault> {
    const SQL: &str = "
        INSERT INTO mailboxes (operation, partition, place, group_name, principal, until)
        SELECT ?1, ?2, (SELECT coalesce(max(place) + 1, 0) FROM mailboxes WHERE partition = ?2), ?3, ?4, ?5
        WHERE true
        ON CONFLICT (operation) DO NOTHING";
    if !operation::is_stored(db, mail.operation)? {
        return Err(Refusal::NotStored(mail.operation).into());
    }
    db.prepare_cached(SQL)?.execute(params![
        operation::id(mail.operation),
        mail.operation.partition().0,
        mail.group.as_str(),
        mail.principal.as_str(),
        column::millis(mail.until),
    ])?;
    Ok(())
}

/// Owes it no more.
pub(super) fn paid(db: &Connection, operation: OperationId) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM mailboxes WHERE operation = ?1";
    db.prepare_cached(SQL)?.execute([operation::id(operation)])?;
    Ok(())
}

/// What partitions owe, each in the order it was owed.
pub(super) fn load(db: &Connection, partitions: &[Partition]) -> Result<BTreeMap<Partition, Vec<MailRow>>, Fault> {
    const SQL: &str =
        "SELECT operation, group_name, principal, until FROM mailboxes WHERE partition = ?1 ORDER BY place";
    let mut loaded = BTreeMap::new();
    let mut statement = db.prepare_cached(SQL)?;
    for partition in partitions {
        let mut rows = statement.query([partition.0])?;
        let mut mail = Vec::new();
        while let Some(row) = rows.next()? {
            mail.push(MailRow {
                operation: OperationId::from_number(get(row, 0, "mailboxes.operation")?),
                group: named(row, 1, "mailboxes.group_name", |text| GroupId::parse(text).ok())?,
                principal: named(row, 2, "mailboxes.principal", |text| PrincipalId::parse(text).ok())?,
                until: column::timestamp(row, 3, "mailboxes.until")?,
            });
        }
        loaded.insert(*partition, mail);
    }
    Ok(loaded)
}

/// Notes that a device had a session; time does not go back.
pub(super) fn seen(db: &Connection, device: &DeviceRow) -> Result<(), Fault> {
    const SQL: &str = "
        INSERT INTO devices (group_name, device, dialect, last_seen_at) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (group_name, device) DO UPDATE
        SET dialect = excluded.dialect, last_seen_at = max(last_seen_at, excluded.last_seen_at)";
    db.prepare_cached(SQL)?.execute(params![
        device.group.as_str(),
        device.device.as_str(),
        device.dialect.name(),
        column::millis(device.last_seen_at),
    ])?;
    Ok(())
}

/// The devices within a horizon, by group and name. Read only when somebody starts, so no index keeps their order; a
/// database cannot tell a group's partition.
pub(super) fn devices_since(db: &Connection, horizon: Horizon) -> Result<BTreeMap<Partition, Vec<DeviceRow>>, Fault> {
    const SQL: &str = "
        SELECT device, dialect, last_seen_at, group_name FROM (
            SELECT *, row_number() OVER (PARTITION BY group_name ORDER BY last_seen_at DESC, device) AS place
            FROM devices WHERE last_seen_at >= ?1)
        WHERE place <= ?2
        ORDER BY group_name, device";
    let mut statement = db.prepare_cached(SQL)?;
    let most = i64::try_from(horizon.devices).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![column::millis(horizon.seen), most])?;
    let mut devices: BTreeMap<Partition, Vec<DeviceRow>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let group = named(row, 3, "devices.group_name", |text| GroupId::parse(text).ok())?;
        devices.entry(Partition::of(&group)).or_default().push(device(row, group)?);
    }
    Ok(devices)
}

/// Forgets devices that were seen last before then. There are few devices, and this is rare: no index keeps their order.
pub(super) fn forget_devices(db: &Connection, before: Timestamp, most: usize) -> Result<usize, Fault> {
    const SQL: &str = "
        DELETE FROM devices WHERE (group_name, device) IN (
            SELECT group_name, device FROM devices WHERE last_seen_at < ?1
            ORDER BY last_seen_at, group_name, device LIMIT ?2)";
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    Ok(db.prepare_cached(SQL)?.execute(params![column::millis(before), most])?)
}

/// The devices of a group, by name.
pub(super) fn devices(db: &Connection, group: &GroupId) -> Result<Vec<DeviceRow>, Fault> {
    const SQL: &str = "SELECT device, dialect, last_seen_at FROM devices WHERE group_name = ?1 ORDER BY device";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([group.as_str()])?;
    let mut devices = Vec::new();
    while let Some(row) = rows.next()? {
        devices.push(device(row, group.clone())?);
    }
    Ok(devices)
}

fn device(row: &Row<'_>, group: GroupId) -> Result<DeviceRow, Fault> {
    Ok(DeviceRow {
        group,
        device: named(row, 0, "devices.device", |text| DeviceId::parse(text).ok())?,
        dialect: named(row, 1, "devices.dialect", |text| text.parse::<Dialect>().ok())?,
        last_seen_at: column::timestamp(row, 2, "devices.last_seen_at")?,
    })
}
