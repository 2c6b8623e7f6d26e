//! Batches, as many as fit together in one transaction, each in a savepoint of its own.

use model::{Commit, CommitError, Decision, Partition, Settle, Settled, Write};
use rusqlite::{Connection, OptionalExtension};

use super::checkpoint::Checkpoints;
use super::fault::Fault;
use super::{hook, mail, member, operation};
use crate::refusal;

/// Writes, settles and announcements one transaction holds at most, unless a single batch has more.
pub const WRITES_PER_TRANSACTION: usize = 256;

/// What became of one batch.
type Answer = Result<Vec<Settled>, CommitError>;

/// Commits batches in as few transactions as the bound allows.
pub(super) fn all(db: &Connection, checkpoints: &mut Option<Checkpoints>, mut commits: &[Commit]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(commits.len());
    while !commits.is_empty() {
        let (now, later) = commits.split_at(together(commits));
        answers.append(&mut transaction(db, now));
        if let Some(checkpoints) = checkpoints {
            checkpoints.after_commit(db);
        }
        commits = later;
    }
    answers
}

/// How many batches from the first on go into one transaction.
fn together(commits: &[Commit]) -> usize {
    let mut writes = 0;
    let fits = |commit: &&Commit| {
        writes += commit.writes.len() + commit.settles.len() + commit.announces.len();
        writes <= WRITES_PER_TRANSACTION
    };
    commits.iter().take_while(fits).count().max(1)
}

/// Commits batches together. When the transaction fails, so do all that had not failed by themselves.
fn transaction(db: &Connection, commits: &[Commit]) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(commits.len());
    let done = run(db, "BEGIN IMMEDIATE")
        .and_then(|()| {
            for commit in commits {
                answers.push(savepoint(db, commit)?);
            }
            Ok(())
        })
        .and_then(|()| run(db, "COMMIT"));
    let Err(fault) = done else { return answers };
    if !db.is_autocommit() {
        // Nothing better can be done when even this fails: the next BEGIN will say so.
        let _ = run(db, "ROLLBACK");
    }
    let failed = CommitError::from(fault);
    for answer in &mut answers {
        if answer.is_ok() {
            *answer = Err(failed.clone());
        }
    }
    answers.resize(commits.len(), Err(failed));
    answers
}

/// Does one batch, or nothing of it.
///
/// # Errors
/// A fault that ends the whole transaction.
fn savepoint(db: &Connection, commit: &Commit) -> Result<Answer, Fault> {
    if fence(db, commit.partition)? != Some(commit.fence.0) {
        return Ok(Err(CommitError::Fenced));
    }
    run(db, "SAVEPOINT batch")?;
    let answer = match apply(db, commit) {
        Ok(settled) => Ok(settled),
        Err(fault) if fault.is_of_one_batch() => {
            run(db, "ROLLBACK TO batch")?;
            Err(fault.into())
        }
        Err(fault) => return Err(fault),
    };
    run(db, "RELEASE batch")?;
    Ok(answer)
}

fn fence(db: &Connection, partition: Partition) -> Result<Option<u32>, Fault> {
    const SQL: &str = "SELECT fence FROM partitions WHERE partition = ?1";
    Ok(db.prepare_cached(SQL)?.query_row([partition.0], |row| row.get(0)).optional()?)
}

fn apply(db: &Connection, commit: &Commit) -> Result<Vec<Settled>, Fault> {
    for write in &commit.writes {
        apply_write(db, commit.partition, write)?;
    }
    let settled = commit.settles.iter().map(|settle| apply_settle(db, commit.partition, settle));
    let settled = settled.collect::<Result<_, _>>()?;
    commit.announces.iter().try_for_each(|announce| hook::announce(db, commit.partition, announce))?;
    Ok(settled)
}

fn apply_write(db: &Connection, partition: Partition, write: &Write) -> Result<(), Fault> {
    match write {
        Write::Accepted(row) => {
            refusal::accepts(partition, row)?;
            operation::accept(db, row)
        }
        Write::Ended { operation, outcome, at } => {
            refusal::belongs(partition, *operation)?;
            operation::end(db, *operation, outcome, *at)
        }
        Write::Owed(row) => {
            refusal::belongs(partition, row.operation)?;
            mail::owe(db, row)
        }
        Write::Paid { operation } => {
            refusal::belongs(partition, *operation)?;
            mail::paid(db, *operation)
        }
        Write::LateAnswer { operation, body, at } => {
            refusal::belongs(partition, *operation)?;
            operation::add_late_answer(db, *operation, body, *at)
        }
        Write::Seen(device) => mail::seen(db, device),
    }
}

fn apply_settle(db: &Connection, partition: Partition, settle: &Settle) -> Result<Settled, Fault> {
    let question = &settle.question;
    refusal::belongs(partition, question.operation)?;
    if let Some(outcome) = operation::outcome(db, question.operation)? {
        return Ok(Settled::Outcome(outcome));
    }
    let member = match &settle.subject {
        Some(subject) => member::by_subject(db, &question.network, subject)?,
        None => None,
    };
    let Decision { settled, debit } = refusal::decide(settle, member.as_ref())?;
    let Settled::Outcome(outcome) = &settled else { return Ok(settled) };
    operation::end(db, question.operation, outcome, settle.at)?;
    if let Some(row) = &settle.owed {
        refusal::belongs(partition, row.operation)?;
        mail::owe(db, row)?;
    }
    if let Some(debit) = &debit {
        member::take(db, &question.network, question.operation, debit, settle.at)?;
    }
    Ok(settled)
}

fn run(db: &Connection, sql: &'static str) -> Result<(), Fault> {
    db.prepare_cached(sql)?.execute([])?;
    Ok(())
}
