//! Lines of the ledger on stdout: as a table, as JSON or as comma-separated values.

use std::borrow::Cow;
use std::io;

use super::line::Line;
use crate::talk;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    Json,
    Csv,
    Nothing,
}

/// The head of the table.
const HEAD: [&str; 16] = [
    "ACCEPTED",
    "ENDED",
    "DIALECT",
    "GROUP",
    "REQUESTER",
    "DEVICE",
    "KIND",
    "TRANSACTION",
    "AMOUNT",
    "CURRENCY",
    "STATUS",
    "OUTCOME",
    "CERTAINTY",
    "LATE",
    "VOID",
    "OPERATION",
];

/// Writes lines, a page at a time.
pub(super) struct Printer {
    form: Form,
    /// Of the table's columns: as wide as their widest cell so far. Nobody knows what is still to come.
    widths: [usize; HEAD.len()],
    is_first: bool,
}

impl Printer {
    pub(super) const fn new(form: Form) -> Self {
        Self { form, widths: [0; HEAD.len()], is_first: true }
    }

    /// What comes before the first line.
    pub(super) fn begin(&self) -> io::Result<()> {
        match self.form {
            Form::Csv => talk::data(Line::NAMES.join(",")),
            Form::Table | Form::Json | Form::Nothing => Ok(()),
        }
    }

    pub(super) fn page(&mut self, lines: &[Line<'_>]) -> io::Result<()> {
        match self.form {
            Form::Nothing => Ok(()),
            Form::Json => talk::lines(lines.iter().map(|line| serde_json::to_string(line).unwrap_or_default())),
            Form::Csv => talk::lines(lines.iter().map(|line| line.cells().map(quoted).join(","))),
            Form::Table => self.table(lines),
        }
    }

    fn table(&mut self, lines: &[Line<'_>]) -> io::Result<()> {
        let head = (std::mem::take(&mut self.is_first)).then_some(HEAD.map(Cow::from));
        let rows: Vec<[Cow<'_, str>; HEAD.len()]> = head.into_iter().chain(lines.iter().map(cells)).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        talk::lines(rows.iter().map(|row| {
            let cells = row.iter().zip(self.widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        }))
    }
}

/// The cells of a row. Peers chose some of them: none moves a cursor or turns a line around.
fn cells<'a>(line: &'a Line<'_>) -> [Cow<'a, str>; HEAD.len()] {
    columns(line).map(talk::tamed)
}

fn columns<'a>(line: &'a Line<'_>) -> [Cow<'a, str>; HEAD.len()] {
    let some = |text: Option<&'a str>| Cow::from(text.unwrap_or("-"));
    let outcome = match (line.outcome, line.cause) {
        (Some(outcome), Some(cause)) => format!("{outcome}: {cause}").into(),
        (outcome, _) => some(outcome),
    };
    [
        line.accepted_at.as_str().into(),
        some(line.ended_at.as_deref()),
        line.dialect.into(),
        line.group.into(),
        line.requester_name.into(),
        some(line.device),
        line.kind.into(),
        line.transaction_id.into(),
        some(line.amount.as_deref()),
        some(line.currency.as_deref()),
        line.status.unwrap_or("UNREADABLE").into(),
        outcome,
        some(line.certainty),
        if line.late { "late" } else { "-" }.into(),
        some(line.void),
        line.operation.as_str().into(),
    ]
}

/// A cell of comma-separated values (RFC 4180). Ids are chosen by peers: what a spreadsheet would run stays a text.
fn quoted(cell: Cow<'_, str>) -> String {
    let tamed = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.into_owned() };
    if tamed.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", tamed.replace('"', "\"\"")) } else { tamed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_cell_and_never_a_formula() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            ("1250.00", "1250.00"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@sum", "'@sum"),
            ("-1,5", "\"'-1,5\""),
        ] {
            assert_eq!(quoted(cell.into()), written, "{cell}");
        }
    }
}
