//! `tillgate ledger`: what was accepted and what became of it, from the data folder, also while a gateway runs on it.
//!
//! It reads a page at a time and keeps only sums, so the length of the ledger does not matter. What a row means is its
//! dialect's business (`dialects::ledger`); how it is written down is `line`'s and `print`'s, whether it adds up
//! [`balance`]'s.

mod balance;
mod line;
mod print;

use clap::Args;
use dialects::ledger::{Status, entry};
use model::setting::parse_duration;
use model::{DeviceId, Dialect, RequestKey, Timestamp, Wall};
use store::Filter;

use crate::place::{self, Place};
use crate::talk;

use balance::Balance;
use line::Line;
use print::{Form, Printer};

pub(crate) const AFTER: &str = r#"One line for each operation that was accepted, in the order they were. Amounts are as the dialect writes them: modulus
in major units ("1250.00"), boop in the smallest unit (1875 is 18.75). A status is one of

  completed   done as asked
  failed      not done, as its requester was told
  cancelled   not done: taken back, or cancelled by the customer
  voided      done after its requester was told that it had failed, and reversed
  open        no outcome yet

CERTAINTY says of what was not done whether a performer may have had it: not_delivered, or unknown. LATE: an answer came
after the end. VOID: what became of the reversal: pending, done, or unconfirmed, when a person has to see to it.

At the end stderr says whether it adds up, for each dialect and currency: accepted = completed + failed + cancelled +
voided + open. Reversals are part of their payment and no payments of their own; --voids shows them as lines too.

With --json every operation is one JSON object on a line of its own. With --csv a cell that a spreadsheet would take for
a formula begins with an apostrophe. Neither holds what was bought, by whom, or with which card.

Exit codes: 0 it adds up; 1 it does not, or could not be read; 2 the command line or the configuration is wrong; 3 another
process has the data folder and it is of an older version."#;

/// `tillgate ledger`.
#[derive(Args)]
pub(crate) struct Ledger {
    #[command(flatten)]
    place: Place,
    /// Only of this protocol
    #[arg(long)]
    dialect: Option<Dialect>,
    /// Only of this group
    #[arg(long, value_name = "G")]
    group: Option<String>,
    /// Only for this device
    #[arg(long, visible_alias = "terminal", value_name = "ID", value_parser = DeviceId::parse)]
    device: Option<DeviceId>,
    /// Only where it stands so; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = parse_status)]
    status: Vec<Status>,
    /// Only what was accepted then or later: a time such as 2031-03-04T05:10:00Z, or an age such as 24h
    #[arg(long, value_name = "WHEN", value_parser = parse_when)]
    since: Option<Timestamp>,
    /// Only what was accepted before: a time or an age
    #[arg(long, value_name = "WHEN", value_parser = parse_when)]
    until: Option<Timestamp>,
    /// Only what was asked for under this id
    #[arg(long, value_name = "TRANSACTION", value_parser = RequestKey::parse)]
    id: Option<RequestKey>,
    /// At most so many lines, the oldest first
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Reversals too, each on a line of its own after its payment
    #[arg(long)]
    voids: bool,
    /// One JSON object a line
    #[arg(long, conflicts_with_all = ["csv", "summary"])]
    json: bool,
    /// Comma-separated values with a head
    #[arg(long, conflicts_with = "summary")]
    csv: bool,
    /// No lines: only whether it adds up, as one JSON object
    #[arg(long)]
    summary: bool,
}

/// Rows read at once. A row may hold a frame of a quarter of a megabyte.
const PAGE: usize = 256;

pub(crate) fn run(ledger: &Ledger) -> anyhow::Result<()> {
    let store = place::attach(&ledger.place.configuration()?)?;
    let reader = store.reader().map_err(place::explain)?;
    let filter = ledger.filter();
    let mut printer = Printer::new(ledger.form());
    let mut balance = Balance::default();
    let mut left = ledger.limit.unwrap_or(u64::MAX);
    let mut after = None;
    printer.begin()?;
    while left > 0 {
        let rows = reader.ledger(after, PAGE, &filter).map_err(place::explain)?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        let mut lines = Vec::new();
        for row in &rows {
            let entry = entry(row);
            if left == 0 || !ledger.wants(entry.as_ref().map(|entry| entry.status)) {
                continue;
            }
            left -= 1;
            balance.take(row, entry.as_ref());
            lines.push(Line::new(row, entry));
        }
        printer.page(&lines)?;
    }
    if ledger.summary {
        talk::data(balance.json())?;
    }
    balance.tell();
    balance.verdict()
}

impl Ledger {
    fn filter(&self) -> Filter {
        Filter {
            dialect: self.dialect,
            group: self.group.as_deref().map(Into::into),
            device: self.device.clone(),
            key: self.id.clone(),
            progress: None,
            since: self.since,
            until: self.until,
            with_compensations: self.voids,
        }
    }

    /// Whether a line of that status is wanted; what cannot be read is never kept back.
    fn wants(&self, status: Option<Status>) -> bool {
        self.status.is_empty() || status.is_none_or(|status| self.status.contains(&status))
    }

    const fn form(&self) -> Form {
        match (self.summary, self.json, self.csv) {
            (true, _, _) => Form::Nothing,
            (_, true, _) => Form::Json,
            (_, _, true) => Form::Csv,
            (false, false, false) => Form::Table,
        }
    }
}

fn parse_status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| {
        let [words @ .., last] = Status::ALL.map(Status::name);
        format!("expected {} or {last}", words.join(", "))
    })
}

fn parse_when(text: &str) -> Result<Timestamp, String> {
    // What is stored as a time of a process's line is printed as wall time: the line began there.
    let stamp = |wall: Wall| Timestamp::from_millis(wall.millis());
    Wall::parse(text)
        .map(stamp)
        .or_else(|| parse_duration(text).map(|age| stamp(place::now()).before(age)))
        .ok_or_else(|| "expected a time such as 2031-03-04T05:10:00Z or an age such as 24h or 7d".to_owned())
}
