//! Webhook endpoints, and what they are to be told.

use std::path::Path;

use model::{
    Announce, Delivery, Dialect, Due, Endpoint, EndpointId, EndpointWork, EndpointsDone, GroupId, Occasion, Opaque,
    OperationId, Partition, RequestKey, Secret, Timestamp, Tried, Try, Wall, Wanted,
};
use rusqlite::{Connection, Row, params};

use super::column::{self, get, named};
use super::fault::Fault;
use super::{credential, operation};
use crate::refusal::{self, Refusal};
use crate::{Kept, KeptFilter, Seal, SealError, Stage, StoreError};

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
            // What it was told may be a year's: that goes little by little, see `forget`.
            const SQL: &str = "
                UPDATE webhook_endpoints
                SET group_name = '', url = '', active = 0, sealed = x'', description = NULL, metadata = NULL
                WHERE id = ?1 AND group_name = ?2";
            Ok(made(db.execute(SQL, params![id.as_str(), group.as_str()]).map_err(Fault::Sql)? == 1))
        }
    }
}

const fn made(done: bool) -> EndpointsDone {
    if done { EndpointsDone::Made } else { EndpointsDone::Missing }
}

/// The endpoints of a group, oldest first.
pub(super) fn list(db: &Connection, key: &Path, group: &GroupId) -> Result<Vec<Endpoint>, StoreError> {
    const SQL: &str = "
        SELECT id, url, events, active, sealed, description, metadata, created_at, updated_at
        FROM webhook_endpoints WHERE group_name = ?1 ORDER BY place";
    let mut statement = db.prepare_cached(SQL).map_err(Fault::Sql)?;
    let mut rows = statement.query([group.as_str()]).map_err(Fault::Sql)?;
    let mut endpoints = Vec::new();
    let mut seal = None;
    while let Some(row) = rows.next().map_err(Fault::Sql)? {
        let id = endpoint_id(row, 0)?;
        let secret = secret(row, 4, open(&mut seal, key)?, &id)?.map_err(|error| {
            StoreError::Sealed(format!("the secret of {id} does not open with key file {}: {error}", key.display()))
        })?;
        let metadata = match row.get_ref(6).map_err(Fault::Sql)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(column::bytes(row, 6, "webhook_endpoints.metadata")?),
        };
        endpoints.push(Endpoint {
            group: group.clone(),
            url: get(row, 1, "webhook_endpoints.url")?,
            events: events(row, 2)?,
            active: get(row, 3, "webhook_endpoints.active")?,
            secret,
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

/// The seal, opened for the first that needs it.
fn open<'s>(seal: &'s mut Option<Seal>, key: &Path) -> Result<&'s Seal, StoreError> {
    match seal {
        Some(seal) => Ok(seal),
        None => Ok(seal.insert(Seal::open(key)?)),
    }
}

/// A secret; nobody's else opens.
fn secret(row: &Row<'_>, at: usize, seal: &Seal, id: &EndpointId) -> Result<Result<Secret, SealError>, Fault> {
    let sealed = column::bytes(row, at, "webhook_endpoints.sealed")?;
    Ok(seal.unseal(&context(id), &sealed))
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

/// Runs in [`forget`], as does [`REMOVED`].
pub(super) const TOLD: &str = "
    DELETE FROM webhook_deliveries WHERE place IN (
        SELECT d.place FROM webhook_endpoints AS e JOIN webhook_deliveries AS d ON d.endpoint = e.place
        WHERE e.group_name = '' LIMIT ?1)";
pub(super) const REMOVED: &str = "
    DELETE FROM webhook_endpoints WHERE group_name = ''
    AND NOT EXISTS (SELECT 1 FROM webhook_deliveries WHERE endpoint = webhook_endpoints.place)";

/// Forgets what removed endpoints were told, at most so much of it, and those of which nothing is left; says how much.
pub(super) fn forget(db: &Connection, most: usize) -> Result<usize, Fault> {
    let told = db.prepare_cached(TOLD)?.execute([i64::try_from(most).unwrap_or(i64::MAX)])?;
    db.prepare_cached(REMOVED)?.execute([])?;
    Ok(told)
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

/// Active endpoints for which something waits, from `?2` on, and when the next of it is due after `?1`.
pub(super) const WAITING: &str = "
    WITH RECURSIVE waiting (place) AS (
        SELECT min(endpoint) FROM webhook_deliveries WHERE due IS NOT NULL
        UNION ALL
        SELECT (SELECT min(endpoint) FROM webhook_deliveries WHERE due IS NOT NULL AND endpoint > waiting.place)
        FROM waiting WHERE waiting.place IS NOT NULL
    )
    SELECT e.place, e.id, e.url, e.sealed,
        (SELECT min(due) FROM webhook_deliveries WHERE endpoint = e.place AND due > ?1)
    FROM waiting JOIN webhook_endpoints AS e USING (place)
    WHERE e.active ORDER BY e.id <= ?2, e.id";

/// What there is to carry. Only endpoints for which something waits are looked at, each with a step into the index of
/// what waits.
pub(super) fn due(db: &Connection, key: &Path, wanted: &Wanted) -> Result<Due, StoreError> {
    let by = column::millis(wanted.by);
    let mut endpoints = db.prepare_cached(WAITING).map_err(Fault::Sql)?;
    let after = wanted.after.as_ref().map_or("", EndpointId::as_str);
    let mut endpoints = endpoints.query(params![by, after]).map_err(Fault::Sql)?;
    let mut seal = None;
    let mut told = Due::default();
    while let Some(endpoint) = endpoints.next().map_err(Fault::Sql)? {
        let next = column::timestamp_if_any(endpoint, 4, "webhook_deliveries.due")?;
        told.next = told.next.into_iter().chain(next).min();
        let id = endpoint_id(endpoint, 1)?;
        let left = wanted.most - told.deliveries.len();
        if left == 0 || !wanted.is_for(&id) {
            continue;
        }
        let place = get(endpoint, 0, "webhook_endpoints.place")?;
        let due = due_to(db, wanted, place)?;
        if due.is_empty() {
            continue;
        }
        let url: Box<str> = get(endpoint, 2, "webhook_endpoints.url")?;
        let Ok(secret) = secret(endpoint, 3, open(&mut seal, key)?, &id)? else {
            told.sealed.push(id);
            continue;
        };
        told.deliveries.extend(due.into_iter().take(left).map(|waits| Delivery {
            place: waits.place,
            event: waits.event,
            operation: waits.operation,
            dialect: waits.dialect,
            endpoint: id.clone(),
            url: url.clone(),
            secret: secret.clone(),
            body: waits.body,
            tries: waits.tries,
        }));
    }
    Ok(told)
}

/// A delivery but for its endpoint.
struct Waits {
    place: u64,
    event: Box<str>,
    operation: OperationId,
    dialect: Dialect,
    body: Opaque,
    tries: u32,
}

/// Runs in [`due_to`].
pub(super) const DUE: &str = "
    SELECT d.place, d.event, d.operation, o.dialect, d.body, d.tries
    FROM webhook_deliveries AS d JOIN operations AS o ON o.id = d.operation
    WHERE d.endpoint = ?1 AND d.due <= ?2 AND NOT EXISTS (
        SELECT 1 FROM webhook_deliveries AS first
        WHERE first.operation = d.operation AND first.endpoint = d.endpoint AND first.place < d.place
          AND first.due IS NOT NULL)
    ORDER BY d.due, d.place LIMIT ?3";

/// What is due for one endpoint and not busy: nothing before what it was to be told of the same operation earlier.
fn due_to(db: &Connection, wanted: &Wanted, endpoint: i64) -> Result<Vec<Waits>, Fault> {
    let each = i64::try_from(wanted.each).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(DUE)?;
    let mut rows = statement.query(params![endpoint, column::millis(wanted.by), each])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let place: u64 = get(row, 0, "webhook_deliveries.place")?;
        if wanted.busy.contains(&place) {
            continue;
        }
        due.push(Waits {
            place,
            event: get(row, 1, "webhook_deliveries.event")?,
            operation: OperationId::from_number(get(row, 2, "webhook_deliveries.operation")?),
            dialect: named(row, 3, "operations.dialect", |text| text.parse::<Dialect>().ok())?,
            body: column::bytes(row, 4, "webhook_deliveries.body")?,
            tries: get(row, 5, "webhook_deliveries.tries")?,
        });
    }
    Ok(due)
}

/// Writes down what became of a try.
pub(super) fn tried(db: &Connection, one: &Try) -> Result<(), Fault> {
    const SQL: &str = "
        UPDATE webhook_deliveries SET tries = tries + 1, tried_at = ?2, said = ?3, due = ?4, delivered = ?5
        WHERE place = ?1";
    let (due, delivered) = match one.then {
        Tried::Delivered => (None, true),
        Tried::Again(at) => (Some(column::millis(at)), false),
        Tried::GivenUp => (None, false),
    };
    let said = one.posted.to_string();
    db.prepare_cached(SQL)?.execute(params![
        column::number(one.place),
        column::millis(one.at),
        said,
        due,
        delivered
    ])?;
    Ok(())
}

/// Which deliveries a filter lets pass; `?1` to `?5` are its own.
macro_rules! passes {
    () => {
        "e.group_name <> '' AND (?1 IS NULL OR substr(e.group_name, instr(e.group_name, '/') + 1) = ?1)
            AND (?2 IS NULL OR e.id = ?2)
            AND (?3 IS NULL OR o.request_key = ?3)
            AND (?4 IS NULL OR d.event = ?4)
            AND (NOT ?5 OR (d.due IS NULL AND NOT d.delivered))"
    };
}

/// What endpoints were or are to be told, in order.
pub(super) fn kept(db: &Connection, after: u64, most: usize, filter: &KeptFilter) -> Result<Vec<Kept>, Fault> {
    const SQL: &str = concat!(
        "SELECT d.place, d.event, e.id, e.group_name, d.operation, o.request_key, d.body, d.tries, d.tried_at, d.said,
            d.due, d.delivered
        FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.place = d.endpoint
            JOIN operations AS o ON o.id = d.operation
        WHERE d.place > ?6 AND ",
        passes!(),
        " ORDER BY d.place LIMIT ?7"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(SQL)?;
    let KeptFilter { group, endpoint, key, event, given_up } = filter;
    let endpoint = endpoint.as_ref().map(EndpointId::as_str);
    let key = key.as_ref().map(RequestKey::as_str);
    let mut rows = statement.query(params![group, endpoint, key, event, given_up, column::number(after), most])?;
    let mut kept = Vec::new();
    while let Some(row) = rows.next()? {
        let tried_at = column::timestamp_if_any(row, 8, "webhook_deliveries.tried_at")?;
        let said: Option<Box<str>> = get(row, 9, "webhook_deliveries.said")?;
        let due = column::timestamp_if_any(row, 10, "webhook_deliveries.due")?;
        kept.push(Kept {
            place: get(row, 0, "webhook_deliveries.place")?,
            event: get(row, 1, "webhook_deliveries.event")?,
            endpoint: endpoint_id(row, 2)?,
            group: named(row, 3, "webhook_endpoints.group_name", |text| GroupId::parse(text).ok())?,
            operation: OperationId::from_number(get(row, 4, "webhook_deliveries.operation")?),
            key: named(row, 5, "operations.request_key", |text| RequestKey::parse(text).ok())?,
            body: column::bytes(row, 6, "webhook_deliveries.body")?,
            tries: get(row, 7, "webhook_deliveries.tries")?,
            last: tried_at.zip(said),
            stage: match (due, get(row, 11, "webhook_deliveries.delivered")?) {
                (Some(due), _) => Stage::Waiting(due),
                (None, true) => Stage::Delivered,
                (None, false) => Stage::GivenUp,
            },
        });
    }
    Ok(kept)
}

/// What is over for its endpoint waits again.
pub(super) fn send_again(db: &Connection, filter: &KeptFilter, at: Timestamp) -> Result<usize, Fault> {
    const SQL: &str = concat!(
        "UPDATE webhook_deliveries SET tries = 0, due = ?6, delivered = 0 WHERE due IS NULL AND place IN (
            SELECT d.place FROM webhook_deliveries AS d JOIN webhook_endpoints AS e ON e.place = d.endpoint
                JOIN operations AS o ON o.id = d.operation
            WHERE ",
        passes!(),
        ")"
    );
    let KeptFilter { group, endpoint, key, event, given_up } = filter;
    let endpoint = endpoint.as_ref().map(EndpointId::as_str);
    let key = key.as_ref().map(RequestKey::as_str);
    Ok(db.execute(SQL, params![group, endpoint, key, event, given_up, column::millis(at)])?)
}
