//! What a run found out, as text for people and as one JSON object for programs.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::parent::{Look, Run};
use super::plan::Kind;
use super::times::Times;
use crate::talk;

/// The cycle after which a server's memory should stay as it is.
const SETTLED: u64 = 20_000;
/// Over how many cycles before the end it is compared.
const AT_THE_END: u64 = 10_000;

/// All figures of a run.
#[derive(Serialize)]
pub(super) struct Report {
    kind: Kind,
    connections: usize,
    processes: usize,
    in_flight: usize,
    done: u64,
    failed: u64,
    seconds: f64,
    rate: f64,
    times: BTreeMap<String, Shares>,
    causes: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Seen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    syn_retries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listen_overflows: Option<u64>,
}

/// Shares of many durations, in microseconds.
#[derive(Serialize)]
struct Shares {
    count: u64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    longest_us: f64,
}

impl Shares {
    fn of(times: &Times) -> Self {
        let micros = |took: Duration| took.as_secs_f64() * 1e6;
        Self {
            count: times.count(),
            p50_us: micros(times.within(500)),
            p99_us: micros(times.within(990)),
            p999_us: micros(times.within(999)),
            longest_us: micros(times.longest()),
        }
    }
}

/// What was seen of the server.
#[derive(Serialize)]
struct Seen {
    parts: Vec<Part>,
    /// Processor time for each thing done, in the last part.
    cpu_us_each: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_session: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_session_after_large: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    churn: Option<Churn>,
}

#[derive(Serialize)]
struct Part {
    part: String,
    resident_bytes: u64,
    cpu_seconds: f64,
}

#[derive(Serialize)]
struct Churn {
    resident_at_20000: u64,
    resident_over_the_last_10000: u64,
    ratio: f64,
}

impl Report {
    pub(super) fn new(kind: Kind, connections: usize, processes: usize, in_flight: usize, run: &Run) -> Self {
        let outcome = &run.outcome;
        Self {
            kind,
            connections,
            processes,
            in_flight,
            done: outcome.done,
            failed: outcome.failed,
            seconds: outcome.seconds,
            rate: if outcome.seconds > 0.0 { outcome.done as f64 / outcome.seconds } else { 0.0 },
            times: outcome.times.iter().map(|(what, times)| (what.clone(), Shares::of(times))).collect(),
            causes: outcome.causes.clone(),
            server: seen(kind, connections, run),
            syn_retries: run.kernel.map(|(retries, _)| retries),
            listen_overflows: run.kernel.map(|(_, overflows)| overflows),
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn print(&self) -> io::Result<()> {
        let mut lines = vec![
            format!("{} done, {} failed, in {:.1} s: {:.0} a second", self.done, self.failed, self.seconds, self.rate),
            format!(
                "{:<32} {:>10} {:>10} {:>10} {:>10} {:>10}",
                "microseconds", "count", "p50", "p99", "p999", "longest"
            ),
        ];
        lines.extend(self.times.iter().map(|(what, times)| {
            let Shares { count, p50_us, p99_us, p999_us, longest_us } = times;
            format!("{what:<32} {count:>10} {p50_us:>10.0} {p99_us:>10.0} {p999_us:>10.0} {longest_us:>10.0}")
        }));
        lines.extend(self.causes.iter().map(|(cause, count)| format!("{count:>10} × {cause}")));
        if let Some((retries, overflows)) = self.syn_retries.zip(self.listen_overflows) {
            lines.push(format!(
                "on this machine {retries} connects tried again, {overflows} found no room in a listener"
            ));
        }
        if let Some(server) = &self.server {
            lines.push(format!("{:<32} {:>10} {:>10}", "the server", "MiB", "cpu s"));
            lines.extend(server.parts.iter().map(|part| {
                format!("{:<32} {:>10.1} {:>10.2}", part.part, mib(part.resident_bytes), part.cpu_seconds)
            }));
            if !matches!(self.kind, Kind::Idle | Kind::Slow) {
                lines.push(format!("{:.2} microseconds of processor time each", server.cpu_us_each));
            }
            lines.extend(server.bytes_per_session.map(|bytes| format!("{bytes} bytes of memory for each session")));
            lines.extend(
                server.bytes_per_session_after_large.map(|bytes| format!("{bytes} after a large message to each")),
            );
            lines.extend(server.churn.as_ref().map(|churn| {
                let Churn { resident_at_20000: early, resident_over_the_last_10000: late, ratio } = churn;
                let (early, late) = (mib(*early), mib(*late));
                format!("{early:.2} MiB at the 20,000th, {late:.2} MiB over the last 10,000: {ratio:.3} of it")
            }));
        }
        talk::lines(lines)
    }
}

fn seen(kind: Kind, connections: usize, run: &Run) -> Option<Seen> {
    let parts: Option<Vec<Part>> = run
        .looks
        .iter()
        .map(|look| {
            let (resident_bytes, cpu_seconds) = (look.resident?, look.ran?.as_secs_f64());
            Some(Part { part: look.part.clone(), resident_bytes, cpu_seconds })
        })
        .collect();
    let parts = parts?;
    let ran = |look: Option<&Look>| look.and_then(|look| look.ran).unwrap_or_default();
    let last_two = run.looks.len().checked_sub(2).and_then(|before| run.looks.get(before));
    let spent = ran(run.looks.last()).saturating_sub(ran(last_two));
    let grown = |to: &str| {
        let bytes = |wanted: &str| run.looks.iter().find(|look| look.part == wanted).and_then(|look| look.resident);
        let (before, after) = (i64::try_from(bytes("before")?).ok()?, i64::try_from(bytes(to)?).ok()?);
        Some((after - before) / i64::try_from(connections.max(1)).ok()?)
    };
    let idle = kind == Kind::Idle;
    Some(Seen {
        parts,
        cpu_us_each: spent.as_secs_f64() * 1e6 / (run.outcome.done.max(1) as f64),
        bytes_per_session: idle.then(|| grown("rested").or_else(|| grown("done"))).flatten(),
        bytes_per_session_after_large: idle.then(|| grown("large")).flatten(),
        churn: (kind == Kind::Churn).then(|| churn(&run.by_done)).flatten(),
    })
}

/// Whether memory still grew between the 20,000th cycle and the last 10,000.
fn churn(by_done: &[(u64, u64)]) -> Option<Churn> {
    let end = by_done.last()?.0;
    let early = by_done.iter().find(|(done, _)| *done >= SETTLED)?.1;
    let late: Vec<u64> =
        by_done.iter().filter(|(done, _)| *done + AT_THE_END >= end).map(|(_, resident)| *resident).collect();
    let mean = late.iter().sum::<u64>() / (late.len().max(1) as u64);
    (end >= SETTLED + AT_THE_END).then(|| Churn {
        resident_at_20000: early,
        resident_over_the_last_10000: mean,
        ratio: mean as f64 / early as f64,
    })
}

pub(super) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_grows_with_the_cycles_shows() {
        let flat: Vec<(u64, u64)> = (0..=50).map(|step| (step * 1000, 1_000_000)).collect();
        assert!((churn(&flat).unwrap().ratio - 1.0).abs() < 1e-9);
        let growing: Vec<(u64, u64)> = (0..=50).map(|step| (step * 1000, 1_000_000 + step * 10_000)).collect();
        let found = churn(&growing).unwrap();
        assert_eq!((found.resident_at_20000, found.resident_over_the_last_10000), (1_200_000, 1_450_000));
        assert!(churn(&flat[..25]).is_none(), "too few cycles to say");
    }
}
