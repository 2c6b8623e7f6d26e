//! Error rates from scores: tables, intervals, equal error rate, DET points.

use std::fmt::Write;

/// False match rates the tables look at.
const RATES: [f64; 5] = [0.01, 0.001, 0.0005, 0.0001, 0.0];

/// Scores of owners and of strangers.
#[derive(Default)]
pub(crate) struct Curve {
    owners: Vec<f32>,
    strangers: Vec<f32>,
}

impl Curve {
    pub(crate) fn add(&mut self, owner: bool, score: f32) {
        if owner {
            self.owners.push(score);
        } else {
            self.strangers.push(score);
        }
    }

    pub(crate) fn sort(&mut self) {
        self.owners.sort_by(f32::total_cmp);
        self.strangers.sort_by(|a, b| b.total_cmp(a));
    }

    /// The lowest threshold (exclusive) that at most this part of the strangers passes.
    fn threshold(&self, false_match_rate: f64) -> f32 {
        let allowed = (false_match_rate * self.strangers.len() as f64).floor() as usize;
        self.strangers.get(allowed).copied().unwrap_or(f32::MIN)
    }

    fn turned_away(&self, threshold: f32) -> usize {
        self.owners.partition_point(|&score| score <= threshold)
    }

    fn let_in(&self, threshold: f32) -> usize {
        self.strangers.partition_point(|&score| score > threshold)
    }

    /// Both errors of a fixed threshold (inclusive), with intervals.
    pub(crate) fn at_threshold(&self, threshold: f32) -> String {
        let wrong_in = self.strangers.partition_point(|&score| score >= threshold);
        let wrong_out = self.owners.partition_point(|&score| score < threshold);
        format!(
            "FMR {} ({wrong_in} of {}), FNMR {} ({wrong_out} of {})",
            percent(wrong_in, self.strangers.len()),
            self.strangers.len(),
            percent(wrong_out, self.owners.len()),
            self.owners.len(),
        )
    }

    /// Where as many owners are turned away as strangers let in, percent.
    fn equal_error(&self) -> f64 {
        let mut best = (f64::MAX, 0.0);
        for &threshold in &self.owners {
            let below = self.owners.partition_point(|&score| score < threshold);
            let away = below as f64 / self.owners.len() as f64;
            let inside =
                self.strangers.partition_point(|&score| score >= threshold) as f64 / self.strangers.len() as f64;
            if (away - inside).abs() < best.0 {
                best = ((away - inside).abs(), (away + inside) / 2.0);
            }
        }
        100.0 * best.1
    }
}

/// FNMR at the usual false match rates, one row an engine, 95 % intervals.
pub(crate) fn table(engines: &[(&str, &Curve)]) -> String {
    let mut out = String::from("| engine | owners / strangers |");
    for rate in RATES {
        let _ = write!(out, " FNMR at FMR {} |", name(rate));
    }
    out.push_str(" EER | owners: least, median | strangers: median, most |\n|---|---|");
    out.push_str(&"---|".repeat(RATES.len() + 3));
    out.push('\n');
    for (engine, curve) in engines {
        let _ = write!(out, "| {engine} | {} / {} |", curve.owners.len(), curve.strangers.len());
        for rate in RATES {
            let away = curve.turned_away(curve.threshold(rate));
            let _ = write!(out, " {} |", percent(away, curve.owners.len()));
        }
        let middle = |scores: &[f32]| scores.get(scores.len() / 2).copied().unwrap_or(0.0);
        let _ = writeln!(
            out,
            " {:.3} % | {:.1}, {:.1} | {:.1}, {:.1} |",
            curve.equal_error(),
            curve.owners.first().copied().unwrap_or(0.0),
            middle(&curve.owners),
            middle(&curve.strangers),
            curve.strangers.first().copied().unwrap_or(0.0),
        );
    }
    out
}

/// Points of the detection error trade-off; the ROC is one minus the second number.
pub(crate) fn det(engines: &[(&str, &Curve)]) -> String {
    let points = [0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001, 0.00005, 0.0];
    let mut out = String::from("| FMR |");
    for (engine, _) in engines {
        let _ = write!(out, " {engine}: threshold, FNMR (true match rate) |");
    }
    out.push_str("\n|---|");
    out.push_str(&"---|".repeat(engines.len()));
    out.push('\n');
    for point in points {
        let _ = write!(out, "| {} |", name(point));
        for (_, curve) in engines {
            let threshold = curve.threshold(point);
            let away = curve.turned_away(threshold) as f64 / curve.owners.len() as f64;
            debug_assert!(curve.let_in(threshold) as f64 <= point * curve.strangers.len() as f64 + 1.0);
            let _ = write!(out, " {threshold:.1}, {:.2} % ({:.2} %) |", 100.0 * away, 100.0 * (1.0 - away));
        }
        out.push('\n');
    }
    out
}

fn name(rate: f64) -> String {
    if rate == 0.0 { "0 observed".to_owned() } else { format!("{} %", rate * 100.0) }
}

/// A share with its 95 % Wilson interval. Trials of one finger are related, so the truth is wider.
fn percent(count: usize, of: usize) -> String {
    let (n, p) = (of as f64, count as f64 / of as f64);
    let z = 1.96f64;
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    let (low, high) = (((middle - half) / scale).max(0.0), (middle + half) / scale);
    let digits = if of > 10_000 { 4 } else { 2 };
    format!("{:.digits$} % [{:.digits$}, {:.digits$}]", 100.0 * p, 100.0 * low, 100.0 * high)
}
