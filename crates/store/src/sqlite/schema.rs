//! The shape of the data and how it got there: numbered steps that only go forward.

use std::path::Path;

use model::Partition;
use rusqlite::{Connection, TransactionBehavior, params};

use super::fault::Fault;
use crate::StoreError;

/// Every step, in order; step n makes schema n. A step that was shipped never changes.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/0001_first.sql"),
    include_str!("../../migrations/0002_payments.sql"),
    include_str!("../../migrations/0003_webhooks.sql"),
];

/// In the header of every database file of ours: `Till`.
const APPLICATION: i32 = 0x5469_6c6c;

/// The schema this version writes.
const NEWEST: usize = MIGRATIONS.len();

/// Whether the data has the schema this version writes.
///
/// # Errors
/// [`StoreError::Foreign`] when it is not ours, newer, or was made with other partitions.
pub(super) fn is_current(db: &Connection, folder: &Path) -> Result<bool, StoreError> {
    let schema = check(db, folder)?;
    Ok(schema == NEWEST)
}

/// Brings the data to the schema this version writes, each step in a transaction of its own.
///
/// # Errors
/// As [`is_current`].
pub(super) fn migrate(db: &mut Connection, folder: &Path) -> Result<(), StoreError> {
    while check(db, folder)? < NEWEST {
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Fault::Sql)?;
        let schema = check(&transaction, folder)?;
        if let Some(step) = MIGRATIONS.get(schema) {
            transaction.execute_batch(step).map_err(Fault::Sql)?;
            note(&transaction, schema + 1)?;
        }
        transaction.commit().map_err(Fault::Sql)?;
    }
    Ok(())
}

/// Writes down which schema the data has now.
fn note(db: &Connection, schema: usize) -> Result<(), Fault> {
    const SQL: &str = "
        INSERT INTO meta (one, schema, partitions, partition_function, credentials_version) VALUES (1, ?1, ?2, ?3, 0)
        ON CONFLICT (one) DO UPDATE SET schema = excluded.schema";
    db.execute(SQL, params![schema, Partition::COUNT, Partition::FUNCTION])?;
    db.pragma_update(None, "application_id", APPLICATION)?;
    Ok(())
}

/// The schema the data has, 0 when there is no data, or why we keep our hands off it.
fn check(db: &Connection, folder: &Path) -> Result<usize, StoreError> {
    const TABLES: &str = "SELECT count(*) FROM sqlite_schema";
    const META: &str = "SELECT schema, partitions, partition_function FROM meta";
    let foreign = |what: String| Err(StoreError::Foreign(format!("the data in {} {what}", folder.display())));
    let tables: u64 = db.query_row(TABLES, [], |row| row.get(0)).map_err(Fault::Sql)?;
    if tables == 0 {
        return Ok(0);
    }
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(Fault::Sql)?;
    if application != APPLICATION {
        return foreign("was not made by tillgate".to_owned());
    }
    let (schema, partitions, function): (usize, u16, String) =
        db.query_row(META, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).map_err(Fault::Sql)?;
    if schema > NEWEST {
        return foreign(format!("has schema {schema}; this version knows schemas up to {NEWEST}, use a newer one"));
    }
    if partitions != Partition::COUNT || function != Partition::FUNCTION {
        return foreign(format!(
            "is placed in {partitions} partitions by {function:?}; this version has {} by {:?}",
            Partition::COUNT,
            Partition::FUNCTION
        ));
    }
    Ok(schema)
}
