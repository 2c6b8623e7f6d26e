//! Webhook endpoints, and what they are to be told.

use std::collections::BTreeSet;
use std::path::Path;

use model::{
    Announce, Delivery, Dialect, Endpoint, EndpointId, EndpointWork, EndpointsDone, GroupId, Occasion, OperationId,
    Partition, Secret, Timestamp, Tried, Wall,
};
use rusqlite::{Connection, Row, params};

use super::column::{self, get, named};
use super::fault::Fault;
use super::{credential, operation};
use crate::refusal::{self, Refusal};
use crate::{Kept, Seal, StoreError};

/// Does what is wanted of a group's endpoints. Runs inside a transaction, which ends with an error.
pub(super) fn work(
    db: &Connection,
    key: &Path,
    group: &GroupId,
    work: &EndpointWork,
) -> Result<EndpointsDone, StoreError> {
    match work {
        EndpointWork::List => Ok(EndpointsDone::Listed(list(db, key, group)?)),
        EndpointWork::Add { endpoint, most } => {
            const COUNT: &str = "SELECT count(*) FROM webhook_endpoints WHERE group_name = ?1";
            let there: usize = db.query_row(COUNT, [group.as_str()], |row| row.get(0)).map_err(Fault::Sql)?;
            if there >= *most {
                return Ok(EndpointsDone::Full);
            }
            add(db, &credential::seal_to_add_with(db, key)?, group, endpoint)?;
            Ok(EndpointsDone::Made)
        }
        EndpointWork::Change(endpoint) => Ok(made(change(db, group, endpoint)?)),
        EndpointWork::Remove(id) => {
            const SQL: &str = "DELETE FROM webhook_endpoints WHERE id = ?1 AND group_name = ?2";
            Ok(made(db.execute(SQL, params![id.as_str(), group.as_str()]).map_err(Fault::Sql)? == 1))
        }
    }
}

const fn made(done: bool) -> EndpointsDone {
    if done { EndpointsDone::Made } else { EndpointsDone::Missing }
}

fn list(db: &Connection, key: &Path, group: &GroupId) -> Result<Vec<Endpoint>, StoreError> {
    const SQL: &str = "
        SELECT id, url, events, active, sealed, description, metadata, created_at, updated_at
        FROM webhook_endpoints WHERE group_name = ?1 ORDER BY place";
    let mut statement = db.prepare_cached(SQL).map_err(Fault::Sql)?;
    let mut rows = statement.query([group.as_str()]).map_err(Fault::Sql)?;
    let mut endpoints = Vec::new();
    let mut seal = None;
    while let Some(row) = rows.next().map_err(Fault::Sql)? {
        let id = endpoint_id(row, 0)?;
        let metadata = match row.get_ref(6).map_err(Fault::Sql)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(column::bytes(row, 6, "webhook_endpoints.metadata")?),
        };
        endpoints.push(Endpoint {
            group: group.clone(),
            url: get(row, 1, "webhook_endpoints.url")?,
            events: events(row, 2)?,
            active: get(row, 3, "webhook_endpoints.active")?,
            secret: secret(row, 4, key, &mut seal, &id)?,
            description: get(row, 5, "webhook_endpoints.description")?,
            metadata,
            created_at: Wall::from_millis(get(row, 7, "webhook_endpoints.created_at")?),
            updated_at: Wall::from_millis(get(row, 8, "webhook_endpoints.updated_at")?),
            id,
        });
    }
    Ok(endpoints)
}

/// A sealed secret is bound to its endpoint: in another row it does not open.
fn context(id: &EndpointId) -> Vec<u8> {
    format!("webhook endpoint {id}").into_bytes()
}

fn endpoint_id(row: &Row<'_>, at: usize) -> Result<EndpointId, Fault> {
    named(row, at, "webhook_endpoints.id", |text| EndpointId::parse(text).ok())
}

fn events(row: &Row<'_>, at: usize) -> Result<Vec<Box<str>>, Fault> {
    let events = named(row, at, "webhook_endpoints.events", column::parse_list)?;
    Ok(events.into_iter().map(String::into_boxed_str).collect())
}

/// A secret; the seal is opened for the first.
fn secret(
    row: &Row<'_>,
    at: usize,
    key: &Path,
    seal: &mut Option<Seal>,
    id: &EndpointId,
) -> Result<Secret, StoreError> {
    let seal = match seal {
        Some(seal) => seal,
        None => seal.insert(Seal::open(key)?),
    };
    let sealed = column::bytes(row, at, "webhook_endpoints.sealed")?;
    seal.unseal(&context(id), &sealed).map_err(|error| {
        StoreError::Sealed(format!("the secret of {id} does not open with key file {}: {error}", key.display()))
    })
}

fn add(db: &Connection, seal: &Seal, group: &GroupId, endpoint: &Endpoint) -> Result<(), StoreError> {
    const SQL: &str = "
        INSERT INTO webhook_endpoints
            (id, group_name, url, events, active, sealed, description, metadata, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
        ON CONFLICT (id) DO NOTHING";
    let added = db.execute(
        SQL,
        params![
            endpoint.id.as_str(),
            group.as_str(),
            endpoint.url,
            column::list(endpoint.events.iter().map(AsRef::as_ref)),
            endpoint.active,
            seal.seal(&context(&endpoint.id), endpoint.secret.reveal())?,
            endpoint.description,
            endpoint.metadata.as_deref(),
            column::number(endpoint.created_at.millis()),
            column::number(endpoint.updated_at.millis()),
        ],
    );
    match added.map_err(Fault::Sql)? {
        1 => Ok(()),
        _ => Err(StoreError::Exists(format!("there is an endpoint {} already", endpoint.id))),
    }
}

fn change(db: &Connection, group: &GroupId, endpoint: &Endpoint) -> Result<bool, Fault> {
    const SQL: &str = "
        UPDATE webhook_endpoints
        SET url = ?3, events = ?4, active = ?5, description = ?6, metadata = ?7, updated_at = ?8
        WHERE id = ?1 AND group_name = ?2";
    let changed = db.execute(
        SQL,
        params![
            endpoint.id.as_str(),
            group.as_str(),
            endpoint.url,
            column::list(endpoint.events.iter().map(AsRef::as_ref)),
            endpoint.active,
            endpoint.description,
            endpoint.metadata.as_deref(),
            column::number(endpoint.updated_at.millis()),
        ],
    )?;
    Ok(changed == 1)
}

/// Prints and keeps what the active endpoints of an operation's group are to be told.
pub(super) fn announce(db: &Connection, partition: Partition, announce: &Announce) -> Result<(), Fault> {
    const UNTRIED: &str = "DELETE FROM webhook_deliveries WHERE operation = ?1 AND tries = 0 AND due > ?2";
    const ACTIVE: &str =
        "SELECT place, id, events FROM webhook_endpoints WHERE group_name = ?1 AND active ORDER BY place";
    const KEEP: &str = "
        INSERT INTO webhook_deliveries (endpoint, operation, event, body, tries, due, delivered)
        VALUES (?1, ?2, ?3, ?4, 0, ?5, 0)
        ON CONFLICT (event) DO NOTHING";
    refusal::belongs(partition, announce.operation)?;
    let row = operation::one(db, announce.operation)?.ok_or(Refusal::NotStored(announce.operation))?;
    let due = match (announce.occasion, &row.outcome) {
        (Occasion::Late(_), Some(_)) => return Ok(()),
        (Occasion::Late(due), None) => due,
        (Occasion::Ended, _) => {
            let params = params![operation::id(row.id), column::millis(announce.at)];
            db.prepare_cached(UNTRIED)?.execute(params)?;
            announce.at
        }
    };
    let mut statement = db.prepare_cached(ACTIVE)?;
    let mut rows = statement.query([row.group.as_str()])?;
    while let Some(endpoint) = rows.next()? {
        let place: i64 = get(endpoint, 0, "webhook_endpoints.place")?;
        let wanted = events(endpoint, 2)?;
        let Some(notice) = refusal::print(announce, &row, &endpoint_id(endpoint, 1)?)? else { continue };
        if wanted.iter().any(|event| **event == *notice.event) {
            let params = params![place, operation::id(row.id), notice.id, &notice.body[..], column::millis(due)];
            db.prepare_cached(KEEP)?.execute(params)?;
        }
    }
    Ok(())
}

/// What may go out next: nothing before what its endpoint was to be told of the same operation earlier.
macro_rules! free {
    () => {
        "NOT EXISTS (
            SELECT 1 FROM webhook_deliveries AS first
            WHERE first.operation = d.operation AND first.endpoint = d.endpoint AND first.place < d.place
              AND first.due IS NOT NULL)"
    };
}

/// What is due, save what is busy; of each endpoint so many at a time, the busy ones among them.
pub(super) fn due(
    db: &Connection,
    key: &Path,
    now: Timestamp,
    busy: &BTreeSet<u64>,
    each: usize,
) -> Result<Vec<Delivery>, StoreError> {
    const ENDPOINTS: &str = "
        SELECT place, id, url, sealed FROM webhook_endpoints
        WHERE active AND EXISTS (
            SELECT 1 FROM webhook_deliveries AS d WHERE d.endpoint = webhook_endpoints.place AND d.due <= ?1)
        ORDER BY place";
    const DUE: &str = concat!(
        "SELECT d.place, d.event, d.operation, o.dialect, d.body, d.tries
        FROM webhook_deliveries AS d JOIN operations AS o ON o.id = d.operation
        WHERE d.endpoint = ?1 AND d.due <= ?2 AND ",
        free!(),
        " ORDER BY d.due, d.place LIMIT ?3"
    );
    let now = column::millis(now);
    let most = i64::try_from(each).unwrap_or(i64::MAX);
    let mut endpoints = db.prepare_cached(ENDPOINTS).map_err(Fault::Sql)?;
    let mut endpoints = endpoints.query([now]).map_err(Fault::Sql)?;
    let mut seal = None;
    let mut deliveries = Vec::new();
    while let Some(endpoint) = endpoints.next().map_err(Fault::Sql)? {
        let at: i64 = get(endpoint, 0, "webhook_endpoints.place")?;
        let id = endpoint_id(endpoint, 1)?;
        let mut statement = db.prepare_cached(DUE).map_err(Fault::Sql)?;
        let mut rows = statement.query(params![at, now, most]).map_err(Fault::Sql)?;
        while let Some(row) = rows.next().map_err(Fault::Sql)? {
            let place: u64 = get(row, 0, "webhook_deliveries.place")?;
            if busy.contains(&place) {
                continue;
            }
            deliveries.push(Delivery {
                place,
                event: get(row, 1, "webhook_deliveries.event")?,
                operation: OperationId::from_number(get(row, 2, "webhook_deliveries.operation")?),
                dialect: named(row, 3, "operations.dialect", |text| text.parse::<Dialect>().ok())?,
                endpoint: id.clone(),
                url: get(endpoint, 2, "webhook_endpoints.url")?,
                secret: secret(endpoint, 3, key, &mut seal, &id)?,
                body: column::bytes(row, 4, "webhook_deliveries.body")?,
                tries: get(row, 5, "webhook_deliveries.tries")?,
            });
        }
    }
    Ok(deliveries)
}

/// When the next delivery that is not busy is due.
pub(super) fn next(db: &Connection, busy: &BTreeSet<u64>) -> Result<Option<Timestamp>, Fault> {
    const SQL: &str = concat!(
        "SELECT d.place, d.due FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.place = d.endpoint
        WHERE e.active AND d.due IS NOT NULL AND ",
        free!(),
        " ORDER BY d.due, d.place"
    );
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !busy.contains(&get::<u64>(row, 0, "webhook_deliveries.place")?) {
            return Ok(Some(column::timestamp(row, 1, "webhook_deliveries.due")?));
        }
    }
    Ok(None)
}

/// Writes down what became of a try.
pub(super) fn tried(db: &Connection, place: u64, tried: Tried) -> Result<(), Fault> {
    const SQL: &str = "UPDATE webhook_deliveries SET tries = tries + 1, due = ?2, delivered = ?3 WHERE place = ?1";
    let (due, delivered) = match tried {
        Tried::Delivered => (None, true),
        Tried::Again(at) => (Some(column::millis(at)), false),
        Tried::GivenUp => (None, false),
    };
    db.prepare_cached(SQL)?.execute(params![column::number(place), due, delivered])?;
    Ok(())
}

/// What endpoints are told of an operation, in order.
pub(super) fn kept(db: &Connection, operation: OperationId) -> Result<Vec<Kept>, Fault> {
    const SQL: &str = "
        SELECT d.event, e.id, d.body, d.tries, d.due, d.delivered
        FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.place = d.endpoint
        WHERE d.operation = ?1 ORDER BY d.place";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([operation::id(operation)])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        kept.push(Kept {
            event: get(row, 0, "webhook_deliveries.event")?,
            endpoint: endpoint_id(row, 1)?,
            body: column::bytes(row, 2, "webhook_deliveries.body")?,
            tries: get(row, 3, "webhook_deliveries.tries")?,
            due: column::timestamp_if_any(row, 4, "webhook_deliveries.due")?,
            delivered: get(row, 5, "webhook_deliveries.delivered")?,
        });
    }
    Ok(kept)
}
