//! Operations, their outcomes, and what came after the outcome.

use std::collections::BTreeMap;

use model::{
    DeviceId, Dialect, GroupId, NetworkId, Opaque, OperationId, OperationRow, Outcome, OutcomeKind, Partition,
    PrincipalId, RequestKey, Target, Timestamp,
};
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params};

use super::column::{self, OutcomeColumns, get, named, named_if_any};
use super::fault::Fault;
use crate::refusal::Refusal;
use crate::{Filter, LATE_ANSWERS_PER_OPERATION, LateAnswer, Progress};

/// Writes an accepted operation; one that is there stays as it is.
pub(super) fn accept(db: &Connection, row: &OperationRow) -> Result<(), Fault> {
    const SQL: &str = "
        INSERT INTO operations (
            id, group_name, network, requester, requester_name, dialect, kind, request_key, body, target,
            target_name, accepted_at, deliver_by, answer_by, request, memo, ended_at, outcome, cause, certainty, answer,
            about)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
        ON CONFLICT (id) DO NOTHING";
    let (target, target_name) = column::target(&row.target);
    let ended_at = row.outcome.as_ref().map(|(_, at)| column::millis(*at));
    let outcome = row.outcome.as_ref().map(|(outcome, _)| OutcomeColumns::of(outcome));
    db.prepare_cached(SQL)?.execute(params![
        id(row.id),
        row.group.as_str(),
        row.network.as_str(),
        row.requester.as_str(),
        row.requester_name,
        row.dialect.name(),
        row.kind,
        row.key.as_str(),
        row.body.0,
        target,
        target_name,
        column::millis(row.accepted_at),
        row.deliver_by.map(column::millis),
        column::millis(row.answer_by),
        &row.request[..],
        &row.memo[..],
        ended_at,
        outcome.as_ref().map(|columns| columns.outcome),
        outcome.as_ref().and_then(|columns| columns.cause),
        outcome.as_ref().and_then(|columns| columns.certainty),
        outcome.as_ref().and_then(|columns| columns.answer),
        row.about.map(id),
    ])?;
    Ok(())
}

/// Gives a running operation its outcome; the first one stays.
pub(super) fn end(db: &Connection, operation: OperationId, outcome: &Outcome, at: Timestamp) -> Result<(), Fault> {
    const SQL: &str = "
        UPDATE operations SET ended_at = ?2, outcome = ?3, cause = ?4, certainty = ?5, answer = ?6
        WHERE id = ?1 AND ended_at IS NULL";
    let columns = OutcomeColumns::of(outcome);
    let changed = db.prepare_cached(SQL)?.execute(params![
        id(operation),
        column::millis(at),
        columns.outcome,
        columns.cause,
        columns.certainty,
        columns.answer
    ])?;
    if changed == 0 && !is_stored(db, operation)? {
        return Err(Refusal::NotStored(operation).into());
    }
    Ok(())
}

/// Whether there is such an operation.
pub(super) fn is_stored(db: &Connection, operation: OperationId) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM operations WHERE id = ?1";
    Ok(db.prepare_cached(SQL)?.exists([id(operation)])?)
}

/// The outcome of an operation; none while it runs.
pub(super) fn outcome(db: &Connection, operation: OperationId) -> Result<Option<Outcome>, Fault> {
    const SQL: &str = "SELECT ended_at, outcome, cause, certainty, answer FROM operations WHERE id = ?1";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([id(operation)])?;
    let row = rows.next()?.ok_or(Refusal::NotStored(operation))?;
    Ok(read_outcome(row, 0)?.map(|(outcome, _)| outcome))
}

/// Keeps an answer that came after the outcome, up to [`LATE_ANSWERS_PER_OPERATION`] of them.
pub(super) fn add_late_answer(
    db: &Connection,
    operation: OperationId,
    body: &Opaque,
    at: Timestamp,
) -> Result<(), Fault> {
    const SQL: &str = "
        INSERT INTO late_answers (operation, place, at, body)
        SELECT ?1, there.place, ?2, ?3
        FROM (SELECT coalesce(max(place) + 1, 0) AS place FROM late_answers WHERE operation = ?1) AS there
        WHERE there.place < ?4 AND EXISTS (SELECT 1 FROM operations WHERE id = ?1)";
    db.prepare_cached(SQL)?.execute(params![
        id(operation),
        column::millis(at),
        &body[..],
        LATE_ANSWERS_PER_OPERATION
    ])?;
    Ok(())
}

/// Forgets what ended before then, took no money, is owed to nobody, and is not made good for right now. What made
/// good for it goes after it.
pub(super) fn forget(db: &Connection, before: Timestamp, most: usize) -> Result<usize, Fault> {
    const OLD: &str = "
        SELECT id FROM operations
        WHERE ended_at < ?1
          AND NOT EXISTS (SELECT 1 FROM ledger WHERE ledger.operation = operations.id)
          AND NOT EXISTS (SELECT 1 FROM mailboxes WHERE mailboxes.operation = operations.id)
          AND NOT EXISTS (SELECT 1 FROM operations AS good WHERE good.about = operations.id AND good.ended_at IS NULL)
          AND NOT EXISTS (SELECT 1 FROM operations AS first WHERE first.id = operations.about)
        ORDER BY ended_at, id LIMIT ?2";
    let mut statement = db.prepare_cached(OLD)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let old: Vec<i64> =
        statement.query_map(params![column::millis(before), most], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in &old {
        db.prepare_cached("DELETE FROM late_answers WHERE operation = ?1")?.execute([id])?;
        db.prepare_cached("DELETE FROM operations WHERE id = ?1")?.execute([id])?;
    }
    Ok(old.len())
}

/// The newest operation there is.
pub(super) fn newest(db: &Connection) -> Result<Option<OperationId>, Fault> {
    let newest: Option<u64> = db.prepare_cached("SELECT max(id) FROM operations")?.query_row([], |row| row.get(0))?;
    Ok(newest.map(OperationId::from_number))
}

/// What came after the outcome, in order.
pub(super) fn late_answers(db: &Connection, operation: OperationId) -> Result<Vec<LateAnswer>, Fault> {
    const SQL: &str = "SELECT at, body FROM late_answers WHERE operation = ?1 ORDER BY place";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([id(operation)])?;
    let mut answers = Vec::new();
    while let Some(row) = rows.next()? {
        answers.push(LateAnswer {
            at: column::timestamp(row, 0, "late_answers.at")?,
            body: column::bytes(row, 1, "late_answers.body")?,
        });
    }
    Ok(answers)
}

/// The columns of [`read`], in its order, and where they come from: the operation itself, the newest answer that came
/// after its end, and the newest work that makes good for it.
macro_rules! select {
    ($($which:literal)+) => {
        concat!(
            "SELECT o.id, o.group_name, o.network, o.requester, o.requester_name, o.dialect, o.kind, o.request_key,
                o.body, o.target, o.target_name, o.accepted_at, o.deliver_by, o.answer_by, o.request, o.memo,
                o.ended_at, o.outcome, o.cause, o.certainty, o.answer, o.about,
                late.body, late.at, good.id, good.outcome, good.ended_at
            FROM operations AS o
            LEFT JOIN late_answers AS late
                ON late.operation = o.id AND late.place = (SELECT max(place) FROM late_answers WHERE operation = o.id)
            LEFT JOIN operations AS good ON good.id = (SELECT max(id) FROM operations WHERE about = o.id)
            WHERE ",
            $($which, " "),+
        )
    };
}

/// Runs in [`earlier`].
pub(super) const EARLIER: &str =
    select!("o.group_name = ?1 AND o.request_key = ?2 AND o.about IS NULL ORDER BY o.id DESC LIMIT 1");

/// The newest operation of a group that was asked for under a key.
pub(super) fn earlier(db: &Connection, group: &GroupId, key: &RequestKey) -> Result<Option<OperationRow>, Fault> {
    Ok(read_all(db, EARLIER, params![group.as_str(), key.as_str()])?.pop())
}

/// One operation.
pub(super) fn one(db: &Connection, operation: OperationId) -> Result<Option<OperationRow>, Fault> {
    const SQL: &str = select!("o.id = ?1");
    Ok(read_all(db, SQL, params![id(operation)])?.pop())
}

/// Every operation after one, oldest first.
pub(super) fn list(db: &Connection, after: Option<OperationId>, limit: usize) -> Result<Vec<OperationRow>, Fault> {
    const SQL: &str = select!("o.id > ?1 ORDER BY o.id LIMIT ?2");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    read_all(db, SQL, params![after.map_or(-1, id), limit])
}

/// Runs in [`ledger`].
macro_rules! ledger {
    ($walk:literal) => {
        select!($walk
            "AND (?2 IS NULL OR o.dialect = ?2)
            AND (?3 IS NULL OR substr(o.group_name, instr(o.group_name, '/') + 1) = ?3)
            AND (?4 IS NULL OR (o.target = 'device' AND o.target_name = ?4))
            AND (?5 IS NULL OR o.request_key = ?5)
            AND (?6 IS NULL OR o.accepted_at >= ?6)
            AND (?7 IS NULL OR o.accepted_at < ?7)
            AND (?8 OR o.about IS NULL)
            AND (NOT ?9 OR o.outcome IS ?10)
        ORDER BY o.id LIMIT ?11")
    };
}

/// One walk along the ids, a page at a time.
pub(super) const LEDGER: &str = ledger!("o.id > ?1");
/// What runs is little beside what has ended, and has a place of its own in an index.
pub(super) const LEDGER_RUNNING: &str = ledger!("o.ended_at IS NULL AND +o.id > ?1");

/// Those after one that a filter lets pass, oldest first.
pub(super) fn ledger(
    db: &Connection,
    after: Option<OperationId>,
    most: usize,
    filter: &Filter,
) -> Result<Vec<OperationRow>, Fault> {
    let (sql, outcome) = match filter.progress {
        None => (LEDGER, None),
        Some(Progress::Ended(kind)) => (LEDGER, Some(kind.label())),
        Some(Progress::Running) => (LEDGER_RUNNING, None),
    };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    read_all(
        db,
        sql,
        params![
            after.map_or(-1, id),
            filter.dialect.map(Dialect::name),
            filter.group,
            filter.device.as_ref().map(DeviceId::as_str),
            filter.key.as_ref().map(RequestKey::as_str),
            filter.since.map(column::millis),
            filter.until.map(column::millis),
            filter.with_compensations,
            filter.progress.is_some(),
            outcome,
            most,
        ],
    )
}

/// Runs in [`load`]: `?1` has one byte per partition, so that one pass serves any number of them.
pub(super) const LOAD: &str = select!(
    "o.id IN (
        SELECT id FROM operations INDEXED BY operations_by_end
        WHERE ended_at IS NULL AND substr(?1, (id >> 12 & 255) + 1, 1) = x'01'
        UNION ALL SELECT id FROM operations INDEXED BY operations_by_end
        WHERE ended_at >= ?2 AND substr(?1, (id >> 12 & 255) + 1, 1) = x'01'
        UNION ALL SELECT operation FROM mailboxes WHERE substr(?1, partition + 1, 1) = x'01'
    ) ORDER BY o.id"
);

/// What the owners of partitions start from: running operations, those that ended since the horizon, and
/// those that are owed.
pub(super) fn load(
    db: &Connection,
    partitions: &[Partition],
    horizon: Timestamp,
) -> Result<BTreeMap<Partition, Vec<OperationRow>>, Fault> {
    let mut wanted = [0_u8; Partition::COUNT as usize];
    for partition in partitions {
        wanted[usize::from(partition.0)] = 1;
    }
    let mut loaded: BTreeMap<Partition, Vec<OperationRow>> = BTreeMap::new();
    for row in read_all(db, LOAD, params![wanted, column::millis(horizon)])? {
        loaded.entry(row.id.partition()).or_default().push(row);
    }
    Ok(loaded)
}

/// The integer an operation is stored under.
pub(super) fn id(operation: OperationId) -> i64 {
    column::number(operation.number())
}

fn read_all(db: &Connection, sql: &str, params: &[&dyn ToSql]) -> Result<Vec<OperationRow>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> Result<OperationRow, Fault> {
    let target_name: Option<Box<str>> = get(row, 10, "operations.target_name")?;
    let target = named(row, 9, "operations.target", |target| match (target, target_name) {
        ("device", Some(name)) => DeviceId::parse(&name).ok().map(Target::Device),
        ("serving", Some(name)) => Some(Target::Serving(name)),
        ("any_of_group", None) => Some(Target::AnyOfGroup),
        ("first_idle", None) => Some(Target::FirstIdle),
        _ => None,
    })?;
    Ok(OperationRow {
        id: OperationId::from_number(get(row, 0, "operations.id")?),
        group: named(row, 1, "operations.group_name", |text| GroupId::parse(text).ok())?,
        network: named(row, 2, "operations.network", |text| NetworkId::parse(text).ok())?,
        requester: named(row, 3, "operations.requester", |text| PrincipalId::parse(text).ok())?,
        requester_name: get(row, 4, "operations.requester_name")?,
        dialect: named(row, 5, "operations.dialect", |text| text.parse::<Dialect>().ok())?,
        kind: get(row, 6, "operations.kind")?,
        key: named(row, 7, "operations.request_key", |text| RequestKey::parse(text).ok())?,
        body: column::digest(row, 8, "operations.body")?,
        target,
        accepted_at: column::timestamp(row, 11, "operations.accepted_at")?,
        deliver_by: column::timestamp_if_any(row, 12, "operations.deliver_by")?,
        answer_by: column::timestamp(row, 13, "operations.answer_by")?,
        request: column::bytes(row, 14, "operations.request")?,
        memo: column::bytes(row, 15, "operations.memo")?,
        outcome: read_outcome(row, 16)?,
        about: get::<Option<u64>>(row, 21, "operations.about")?.map(OperationId::from_number),
        late: read_late(row)?,
        compensation: read_compensation(row)?,
    })
}

fn read_late(row: &Row<'_>) -> Result<Option<(Opaque, Timestamp)>, Fault> {
    let body = get::<Option<Vec<u8>>>(row, 22, "late_answers.body")?.map(Opaque::from);
    Ok(body.zip(column::timestamp_if_any(row, 23, "late_answers.at")?))
}

/// Which work makes good, and how and when it ended.
type Compensation = (OperationId, Option<(OutcomeKind, Timestamp)>);

fn read_compensation(row: &Row<'_>) -> Result<Option<Compensation>, Fault> {
    let good = get::<Option<u64>>(row, 24, "operations.id")?.map(OperationId::from_number);
    let kind = named_if_any(row, 25, "operations.outcome", column::parse_kind)?;
    let ended_at = column::timestamp_if_any(row, 26, "operations.ended_at")?;
    Ok(good.map(|good| (good, kind.zip(ended_at))))
}

/// The outcome in the five columns from `at` on.
fn read_outcome(row: &Row<'_>, at: usize) -> Result<Option<(Outcome, Timestamp)>, Fault> {
    let Some(ended_at) = column::timestamp_if_any(row, at, "operations.ended_at")? else { return Ok(None) };
    let cause = named_if_any(row, at + 2, "operations.cause", column::parse_cause)?;
    let certainty = named_if_any(row, at + 3, "operations.certainty", column::parse_certainty)?;
    let answer = get::<Option<Vec<u8>>>(row, at + 4, "operations.answer")?.map(Opaque::from);
    let outcome = named(row, at + 1, "operations.outcome", |text| column::outcome(text, cause, certainty, answer))?;
    Ok(Some((outcome, ended_at)))
}
