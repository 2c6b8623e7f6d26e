//! Whether the ledger adds up: what was accepted is what was completed, failed, cancelled, voided or is still open, by
//! number and, for each currency, by money.

use std::collections::BTreeMap;

use anyhow::bail;
use dialects::ledger::{Decimal, Entry, Status};
use model::{GroupId, OperationId, OperationRow, RequestKey};
use serde::Serialize;

use super::line::Reversal;
use crate::talk;

/// Doubts that are told one by one; the others are counted.
const DOUBTS_TOLD: usize = 100;

/// Counts and sums of what was read.
#[derive(Default)]
pub(super) struct Balance {
    books: BTreeMap<&'static str, Books>,
    doubts: Vec<Doubted>,
    doubted: u64,
}

/// An operation that can not be right, and why.
struct Doubted {
    operation: OperationId,
    key: RequestKey,
    group: GroupId,
    doubt: &'static str,
}

/// Those of one dialect.
#[derive(Default)]
struct Books {
    accepted: u64,
    by_status: [u64; Status::ALL.len()],
    pending: u64,
    unconfirmed: u64,
    money: BTreeMap<Box<str>, Sums>,
}

/// Those of one currency.
#[derive(Default)]
struct Sums {
    accepted: Decimal,
    by_status: [Decimal; Status::ALL.len()],
    /// Taken for what had failed, and not given back yet.
    unreturned: Decimal,
}

impl Balance {
    /// Takes one operation into account. What makes good for another is part of that one.
    pub(super) fn take(&mut self, row: &OperationRow, entry: Option<&Entry>) {
        if row.about.is_some() {
            return;
        }
        let books = self.books.entry(row.dialect.name()).or_default();
        books.accepted += 1;
        let doubt = match entry {
            None => Some("cannot be read by its dialect"),
            Some(entry) => {
                let too_much = books.enter(entry, Reversal::of(row)).is_none();
                too_much.then_some("is too much to be added up").or(entry.doubt.map(dialects::ledger::Doubt::text))
            }
        };
        if let Some(doubt) = doubt {
            self.doubted += 1;
            if self.doubts.len() < DOUBTS_TOLD {
                self.doubts.push(Doubted { operation: row.id, key: row.key.clone(), group: row.group.clone(), doubt });
            }
        }
    }

    fn balances(&self) -> bool {
        self.doubted == 0
            && self.books.values().all(|books| books.balances() && books.money.values().all(Sums::balances))
    }

    /// Says it on stderr.
    pub(super) fn tell(&self) {
        if self.books.is_empty() {
            talk::say("nothing was accepted");
        }
        for (dialect, books) in &self.books {
            let verdict = word(books.balances());
            talk::say(format_args!("{dialect}: {}; {verdict}", equation(&books.accepted, &books.by_status)));
            for (currency, sums) in &books.money {
                let verdict = word(sums.balances());
                talk::say(format_args!(
                    "{dialect} {currency}: {}; {verdict}",
                    equation(&sums.accepted, &sums.by_status)
                ));
                if sums.unreturned != Decimal::default() {
                    let unreturned = sums.unreturned;
                    talk::say(format_args!(
                        "{dialect} {currency}: {unreturned} taken after a failure and not returned yet"
                    ));
                }
            }
            if books.pending > 0 {
                talk::say(format_args!("{dialect}: reversals pending: {}", books.pending));
            }
            if books.unconfirmed > 0 {
                let unconfirmed = books.unconfirmed;
                talk::say(format_args!("{dialect}: reversals unconfirmed: {unconfirmed}; a person has to see to them"));
            }
        }
        for Doubted { operation, key, group, doubt } in &self.doubts {
            talk::say(format_args!("operation {operation} ({key} of {}) {doubt}", group.name()));
        }
        let untold = self.doubted - self.doubts.len() as u64;
        if untold > 0 {
            talk::say(format_args!("and {untold} more"));
        }
    }

    /// Fails when it does not add up.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        if !self.balances() {
            bail!("the ledger DOES NOT BALANCE; operations that are not accounted for: {}", self.doubted);
        }
        Ok(())
    }

    /// The same as one JSON object.
    pub(super) fn json(&self) -> String {
        #[derive(Serialize)]
        struct Summary<'a> {
            balances: bool,
            dialects: Vec<DialectForm<'a>>,
            doubts: Vec<DoubtForm<'a>>,
            doubts_more: u64,
        }
        #[derive(Serialize)]
        struct DialectForm<'a> {
            dialect: &'a str,
            balances: bool,
            #[serde(flatten)]
            counts: Counts<u64>,
            voids_pending: u64,
            voids_unconfirmed: u64,
            currencies: Vec<CurrencyForm<'a>>,
        }
        #[derive(Serialize)]
        struct CurrencyForm<'a> {
            currency: &'a str,
            balances: bool,
            #[serde(flatten)]
            counts: Counts<String>,
            unreturned: String,
        }
        #[derive(Serialize)]
        struct DoubtForm<'a> {
            operation: String,
            transaction_id: &'a str,
            group: &'a str,
            doubt: &'static str,
        }
        let summary = Summary {
            balances: self.balances(),
            dialects: self
                .books
                .iter()
                .map(|(dialect, books)| DialectForm {
                    dialect,
                    balances: books.balances(),
                    counts: Counts::new(books.accepted, books.by_status),
                    voids_pending: books.pending,
                    voids_unconfirmed: books.unconfirmed,
                    currencies: books
                        .money
                        .iter()
                        .map(|(currency, sums)| CurrencyForm {
                            currency,
                            balances: sums.balances(),
                            counts: Counts::new(sums.accepted.to_string(), sums.by_status.map(|sum| sum.to_string())),
                            unreturned: sums.unreturned.to_string(),
                        })
                        .collect(),
                })
                .collect(),
            doubts: self
                .doubts
                .iter()
                .map(|doubted| DoubtForm {
                    operation: doubted.operation.to_string(),
                    transaction_id: doubted.key.as_str(),
                    group: doubted.group.name(),
                    doubt: doubted.doubt,
                })
                .collect(),
            doubts_more: self.doubted - self.doubts.len() as u64,
        };
        serde_json::to_string(&summary).unwrap_or_default()
    }
}

/// What was accepted, and where it stands.
#[derive(Serialize)]
struct Counts<T> {
    accepted: T,
    completed: T,
    failed: T,
    cancelled: T,
    voided: T,
    open: T,
}

impl<T> Counts<T> {
    /// In the order of [`Status::ALL`].
    fn new(accepted: T, [completed, failed, cancelled, voided, open]: [T; Status::ALL.len()]) -> Self {
        Self { accepted, completed, failed, cancelled, voided, open }
    }
}

impl Books {
    /// None when a sum is more than can be held.
    fn enter(&mut self, entry: &Entry, reversal: Option<Reversal>) -> Option<()> {
        let at = place(entry.status);
        self.by_status[at] += 1;
        match reversal {
            Some(Reversal::Pending) => self.pending += 1,
            Some(Reversal::Unconfirmed) => self.unconfirmed += 1,
            Some(Reversal::Done) | None => {}
        }
        let Some(money) = &entry.money else { return Some(()) };
        let sums = self.money.entry(money.currency.clone()).or_default();
        sums.accepted = sums.accepted.plus(money.value)?;
        sums.by_status[at] = sums.by_status[at].plus(money.value)?;
        if matches!(reversal, Some(Reversal::Pending | Reversal::Unconfirmed)) {
            sums.unreturned = sums.unreturned.plus(money.value)?;
        }
        Some(())
    }

    fn balances(&self) -> bool {
        self.by_status.iter().sum::<u64>() == self.accepted
    }
}

impl Sums {
    fn balances(&self) -> bool {
        let together = self.by_status.iter().try_fold(Decimal::default(), |sum, part| sum.plus(*part));
        together == Some(self.accepted)
    }
}

/// Where a status stands in [`Status::ALL`].
fn place(status: Status) -> usize {
    match status {
        Status::Completed => 0,
        Status::Failed => 1,
        Status::Cancelled => 2,
        Status::Voided => 3,
        Status::Open => 4,
    }
}

fn equation<T: std::fmt::Display>(accepted: &T, by_status: &[T; Status::ALL.len()]) -> String {
    let parts = Status::ALL.map(|status| format!("{} {}", by_status[place(status)], status.name()));
    format!("{accepted} accepted = {}", parts.join(" + "))
}

const fn word(balances: bool) -> &'static str {
    if balances { "balances" } else { "DOES NOT BALANCE" }
}
