//! Members of a network: what is known of them, what they have, and what was taken.

use std::collections::{BTreeMap, BTreeSet};

use model::{Attribute, Currency, Debit, GroupId, Member, MemberId, Money, NetworkId, OperationId, Side, Timestamp};
use rusqlite::{Connection, Row, params};

use super::column::{self, get, named, named_if_any};
use super::fault::Fault;
use super::operation;
use crate::{Account, StoreError, refusal};

/// Adds a member, or replaces what is known of it except the balance. Runs inside a transaction.
pub(super) fn put(db: &Connection, member: &Member) -> Result<(), StoreError> {
    put_known(db, member)?;
    for (place, (subject, side)) in member.subjects.iter().enumerate() {
        if !add_subject(db, member, place, subject, *side)? {
            return Err(StoreError::Exists(format!("a subject of member {} is taken already", member.id)));
        }
    }
    Ok(())
}

fn put_known(db: &Connection, member: &Member) -> Result<(), Fault> {
    const MEMBER: &str = "
        INSERT INTO members (network, member, groups) VALUES (?1, ?2, ?3)
        ON CONFLICT (network, member) DO UPDATE SET groups = excluded.groups";
    const BALANCE: &str = "
        INSERT INTO balances (network, member, currency, opening, minor) VALUES (?1, ?2, ?3, ?4, ?4)
        ON CONFLICT (network, member) DO NOTHING";
    const NO_SUBJECTS: &str = "DELETE FROM subjects WHERE network = ?1 AND member = ?2";
    const NO_ATTRIBUTES: &str = "DELETE FROM attributes WHERE network = ?1 AND member = ?2";
    const ATTRIBUTE: &str = "
        INSERT INTO attributes (network, member, name, json, attested, sides) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (network, id) = (member.network.as_str(), member.id.as_str());
    let groups = member.groups.as_ref().map(|groups| column::list(groups.iter().map(GroupId::as_str)));
    db.prepare_cached(MEMBER)?.execute(params![network, id, groups])?;
    let Money { minor, currency } = member.balance;
    db.prepare_cached(BALANCE)?.execute(params![network, id, currency.as_str(), minor])?;
    db.prepare_cached(NO_SUBJECTS)?.execute([network, id])?;
    db.prepare_cached(NO_ATTRIBUTES)?.execute([network, id])?;
    let mut add = db.prepare_cached(ATTRIBUTE)?;
    for (name, attribute) in &member.attributes {
        let sides = column::list(attribute.sides.iter().map(|side| side.name()));
        add.execute(params![network, id, name, attribute.json, attribute.attested, sides])?;
    }
    Ok(())
}

fn add_subject(db: &Connection, member: &Member, place: usize, subject: &str, side: Side) -> Result<bool, Fault> {
    const SQL: &str = "
        INSERT INTO subjects (network, subject, side, member, place) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (network, subject) DO NOTHING";
    let added = db.prepare_cached(SQL)?.execute(params![
        member.network.as_str(),
        subject,
        side.name(),
        member.id.as_str(),
        place
    ])?;
    Ok(added == 1)
}

/// One member with the balance of now.
pub(super) fn get_one(db: &Connection, network: &NetworkId, id: &MemberId) -> Result<Option<Member>, Fault> {
    const SQL: &str = "
        SELECT currency, minor, groups FROM members JOIN balances USING (network, member)
        WHERE network = ?1 AND member = ?2";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([network.as_str(), id.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Member {
        id: id.clone(),
        network: network.clone(),
        groups: named_if_any(row, 2, "members.groups", parse_groups)?,
        attributes: attributes(db, network, id)?,
        balance: money(row, 0, "balances")?,
        subjects: subjects(db, network, id)?,
    }))
}

/// Who a subject means.
pub(super) fn by_subject(db: &Connection, network: &NetworkId, subject: &str) -> Result<Option<Member>, Fault> {
    const SQL: &str = "SELECT member FROM subjects WHERE network = ?1 AND subject = ?2";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([network.as_str(), subject])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let id = named(row, 0, "subjects.member", |text| MemberId::parse(text).ok())?;
    get_one(db, network, &id)
}

fn attributes(db: &Connection, network: &NetworkId, id: &MemberId) -> Result<BTreeMap<Box<str>, Attribute>, Fault> {
    const SQL: &str = "SELECT name, json, attested, sides FROM attributes WHERE network = ?1 AND member = ?2";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([network.as_str(), id.as_str()])?;
    let mut attributes = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let attribute = Attribute {
            json: get(row, 1, "attributes.json")?,
            attested: get(row, 2, "attributes.attested")?,
            sides: named(row, 3, "attributes.sides", parse_sides)?,
        };
        attributes.insert(get(row, 0, "attributes.name")?, attribute);
    }
    Ok(attributes)
}

fn subjects(db: &Connection, network: &NetworkId, id: &MemberId) -> Result<Vec<(Box<str>, Side)>, Fault> {
    const SQL: &str = "SELECT subject, side FROM subjects WHERE network = ?1 AND member = ?2 ORDER BY place";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([network.as_str(), id.as_str()])?;
    let mut subjects = Vec::new();
    while let Some(row) = rows.next()? {
        subjects.push((get(row, 0, "subjects.subject")?, named(row, 1, "subjects.side", Side::parse)?));
    }
    Ok(subjects)
}

/// Takes money from a member, once for an operation, never more than there is.
pub(super) fn take(
    db: &Connection,
    network: &NetworkId,
    operation: OperationId,
    debit: &Debit,
    at: Timestamp,
) -> Result<(), Fault> {
    const BALANCE: &str = "SELECT currency, minor FROM balances WHERE network = ?1 AND member = ?2";
    const LEFT: &str = "UPDATE balances SET minor = ?3 WHERE network = ?1 AND member = ?2";
    const LEDGER: &str = "
        INSERT INTO ledger (operation, network, member, currency, minor, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut statement = db.prepare_cached(BALANCE)?;
    let mut rows = statement.query([network.as_str(), debit.member.as_str()])?;
    let balance = rows.next()?.map(|row| money(row, 0, "balances")).transpose()?;
    let left = refusal::take(operation, debit, balance)?;
    db.prepare_cached(LEFT)?.execute(params![network.as_str(), debit.member.as_str(), left.minor])?;
    db.prepare_cached(LEDGER)?.execute(params![
        operation::id(operation),
        network.as_str(),
        debit.member.as_str(),
        debit.money.currency.as_str(),
        debit.money.minor,
        column::millis(at),
    ])?;
    Ok(())
}

/// Every account, by network and member.
pub(super) fn accounts(db: &Connection) -> Result<Vec<Account>, Fault> {
    const SQL: &str = "
        SELECT b.network, b.member, b.currency, b.minor, b.opening, count(l.operation), coalesce(sum(l.minor), 0)
        FROM balances AS b LEFT JOIN ledger AS l
            ON l.network = b.network AND l.member = b.member AND l.currency = b.currency
        GROUP BY b.network, b.member ORDER BY b.network, b.member";
    let mut statement = db.prepare_cached(SQL)?;
    let mut rows = statement.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let balance = money(row, 2, "balances")?;
        accounts.push(Account {
            network: named(row, 0, "balances.network", |text| NetworkId::parse(text).ok())?,
            member: named(row, 1, "balances.member", |text| MemberId::parse(text).ok())?,
            opening: Money { minor: get(row, 4, "balances.opening")?, currency: balance.currency },
            balance,
            debits: get(row, 5, "ledger")?,
            debited: get(row, 6, "ledger")?,
        });
    }
    Ok(accounts)
}

/// The money in two columns from `at` on.
fn money(row: &Row<'_>, at: usize, place: &'static str) -> Result<Money, Fault> {
    let currency = named(row, at, place, |text| Currency::parse(text).ok())?;
    Ok(Money { minor: get(row, at + 1, place)?, currency })
}

fn parse_groups(json: &str) -> Option<BTreeSet<GroupId>> {
    column::parse_list(json)?.iter().map(|text| GroupId::parse(text).ok()).collect()
}

fn parse_sides(json: &str) -> Option<BTreeSet<Side>> {
    column::parse_list(json)?.iter().map(|text| Side::parse(text)).collect()
}
