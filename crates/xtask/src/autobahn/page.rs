//! `docs/conformance.md`: what the suite said, by section, with everything that is not strict by name.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::dialect::{MESSAGES, RAISED};
use super::suite::{Run, Verdict};
use crate::steps::shown;

/// What the suite's sections are about.
const SECTIONS: &[(u32, &str)] = &[
    (1, "framing"),
    (2, "pings and pongs"),
    (3, "reserved bits"),
    (4, "reserved opcodes"),
    (5, "fragmentation"),
    (6, "UTF-8"),
    (7, "closing"),
    (9, "limits and performance"),
    (10, "automatic fragmentation"),
];

#[derive(Default)]
struct Count {
    passed: usize,
    informational: usize,
    refused_binary: usize,
    refused_size: usize,
    failed: usize,
}

impl Count {
    fn of<'v>(verdicts: impl Iterator<Item = &'v Verdict>) -> Self {
        let mut count = Self::default();
        for verdict in verdicts {
            *match verdict {
                Verdict::Passed => &mut count.passed,
                Verdict::Informational => &mut count.informational,
                Verdict::Refused(1009) => &mut count.refused_size,
                Verdict::Refused(_) => &mut count.refused_binary,
                Verdict::Failed(_) => &mut count.failed,
            } += 1;
        }
        count
    }

    /// For a cell: only what there is.
    fn cell(&self) -> String {
        let parts = [
            (self.passed, "passed"),
            (self.refused_binary, "refused with 1003"),
            (self.refused_size, "refused with 1009"),
            (self.informational, "informational"),
            (self.failed, "**failed**"),
        ];
        let parts: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
    }
}

/// One run in a few lines, for whoever waits.
pub(super) fn summary(run: &Run) -> String {
    let mut summary = format!(
        "{}: {} of {} cases: {}; {}",
        run.name,
        run.verdicts.len(),
        run.expected,
        Count::of(run.verdicts.values()).cell(),
        shown(run.took)
    );
    for line in failures(run) {
        summary.push_str("\n  ");
        summary.push_str(&line);
    }
    summary
}

fn failures(run: &Run) -> Vec<String> {
    let lines = run.verdicts.iter().filter_map(|(id, verdict)| match verdict {
        Verdict::Failed(why) => Some(format!("{id} {why}")),
        Verdict::Passed | Verdict::Informational | Verdict::Refused(_) => None,
    });
    lines.collect()
}

/// The page.
pub(super) fn whole(runs: &[Run], versions: &[String]) -> String {
    let raised: Vec<String> = RAISED.iter().map(|(name, value)| format!("`{name}={value}`")).collect();
    let mut page = format!(
        "\
# Conformance

What the Autobahn test suite says of Tillgate {tillgate}, by section of the suite. Written by `cargo xtask autobahn core`;
`cargo xtask autobahn quick` leaves the long messages out and writes nothing.

Judged with {versions}.

Strictly: what the suite calls non-strict counts as failed, and so does a wrong or unclean close. *Informational* are
cases in which the suite only watches, because the standard leaves them open. Sections 12 and 13 are about compression,
which Tillgate does not offer.

- **server** is `cargo run --release -p gateway --example ws_echo -- 127.0.0.1:9001`, **client** is
  `cargo run --release -p client --example ws_echo -- URL`: the connection code of the product with its default options,
  except that messages may have 16 MiB. The bound on fragments follows from that by the product's rule, one for each 64
  bytes, so it is 262,144. Binary messages, which no dialect speaks, the echoes send back.
- The others are the real gateway (`tillgate demo`) in the words of one role, after its login. Its one JSON answer stands
  for the echo of the text it answers; a text that is no message of the dialect is answered with one error and the
  socket stays. Where a case needs the echo of a binary message, the gateway has to close with 1003, and where a
  message is over the dialect's limit with 1009, both with a complete closing handshake; a binary message over the limit
  is refused for its size. Bad UTF-8 has to fail at its first bad byte, as for the echoes. Raised for the run, because a
  case is nothing but misbehaviour: {raised}. Where a case sends 1,000
  messages, it sends {MESSAGES} here, because the first of these goes no higher.

",
        tillgate = env!("CARGO_PKG_VERSION"),
        versions = versions.join(", "),
        raised = raised.join(", "),
    );
    let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let _ = writeln!(page, "| section | {} |", names.join(" | "));
    let _ = writeln!(page, "|---|{}", "---|".repeat(runs.len()));
    for section in sections(runs) {
        let about = SECTIONS.iter().find(|(number, _)| *number == section).map_or("", |(_, about)| about);
        let cells: Vec<String> = runs.iter().map(|run| of_section(run, section).cell()).collect();
        let _ = writeln!(page, "| {section} {about} | {} |", cells.join(" | "));
    }
    let cells: Vec<String> = runs.iter().map(|run| Count::of(run.verdicts.values()).cell()).collect();
    let _ = writeln!(page, "| all | {} |", cells.join(" | "));
    for run in runs {
        let _ = write!(page, "\n## {}\n\n{} of {} cases ran.", run.name, run.verdicts.len(), run.expected);
        let informational: Vec<String> = run
            .verdicts
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Informational)
            .map(|(id, _)| id.to_string())
            .collect();
        if !informational.is_empty() {
            let _ = write!(page, " Informational: {}.", informational.join(", "));
        }
        let failures = failures(run);
        let _ = writeln!(page, "{}", if failures.is_empty() { " None failed." } else { " Failed:\n" });
        for line in failures {
            let _ = writeln!(page, "- {line}");
        }
    }
    page
}

fn sections(runs: &[Run]) -> BTreeSet<u32> {
    runs.iter().flat_map(|run| run.verdicts.keys()).map(super::suite::CaseId::section).collect()
}

fn of_section(run: &Run, section: u32) -> Count {
    Count::of(run.verdicts.iter().filter(|(id, _)| id.section() == section).map(|(_, verdict)| verdict))
}
