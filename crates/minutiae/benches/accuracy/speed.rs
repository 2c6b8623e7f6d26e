//! How long each stage takes, and what a loaded gallery weighs.

use std::fmt::Write;
use std::num::NonZeroUsize;
use std::time::Instant;

use minutiae::matcher::{Gallery, compare};
use minutiae::template::{Template, View};

use super::set::{IMPRESSIONS, Options, Set, Stages, milliseconds};

const USERS: usize = 1_000;
const PROBES: usize = 24;

pub(crate) fn table(options: &Options, sets: &[Set]) -> String {
    let mut out = String::from("| stage | time |\n|---|---|\n");
    let mean = |of: &dyn Fn(&Set) -> f64| sets.iter().map(of).sum::<f64>() / sets.len() as f64;
    let mut row = |stage: &str, time: String| {
        let _ = writeln!(out, "| {stage} | {time} |");
    };
    row("grow a finger", format!("{:.0} ms", mean(&|set| set.grow_ms)));
    row("one impression of it", format!("{:.1} ms", mean(&|set| set.press_ms)));

    let mut extraction: Vec<f64> = sets.iter().flat_map(|set| set.extract_ms.iter().copied()).collect();
    extraction.sort_by(f64::total_cmp);
    let at = |part: usize| extraction[(extraction.len() - 1) * part / 100];
    row(
        "extraction, 256 x 288 (least, median, 95 %, most)",
        format!("{:.1}, {:.1}, {:.1}, {:.1} ms", at(0), at(50), at(95), at(100)),
    );
    for (stage, times) in Stages::together(sets) {
        let at = |part: usize| times[(times.len() - 1) * part / 100];
        row(&format!("— {stage} (least, median, 95 %)"), format!("{:.2}, {:.2}, {:.2} ms", at(0), at(50), at(95)));
    }
    row("preparing a print for matching", format!("{:.0} us", mean(&|set| set.prepare_us)));
    row("template of three views, written and read", templates(&sets[1]));
    let (owners, strangers) = comparisons(&sets[1]);
    row("1:1, one finger twice", format!("{:.3} ms", owners));
    row("1:1, two fingers", format!("{:.3} ms", strangers));

    let gallery = gallery(sets);
    let probes: Vec<usize> = (0..PROBES).map(|i| i * 37 % sets[1].prints.len()).collect();
    for threads in [1, 2] {
        let count = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        let mut times: Vec<f64> = probes
            .iter()
            .map(|&probe| {
                let started = Instant::now();
                std::hint::black_box(gallery.search(&sets[1].prints[probe], 1, count));
                milliseconds(started)
            })
            .collect();
        times.sort_by(f64::total_cmp);
        row(
            &format!("1:N, {} users x 3 views, exhaustive, threads: {threads} (median, most)", gallery.len()),
            format!("{:.0}, {:.0} ms", times[times.len() / 2], times[times.len() - 1]),
        );
    }
    let differences = differences(&gallery, &sets[1], options.threads);
    row("search results that differ from comparing one by one", differences);
    row("memory of the gallery, a view", format!("{} B", gallery.size_bytes() / (gallery.len() * 3)));
    let most = sets.iter().flat_map(|set| &set.prints).map(minutiae::matcher::Print::size_bytes).max().unwrap_or(0);
    row("memory of the largest print", format!("{most} B"));
    out
}

fn templates(set: &Set) -> String {
    let views: Vec<View> = set.views.iter().flatten().take(3).cloned().collect();
    let started = Instant::now();
    let mut bytes = 0;
    for _ in 0..200 {
        let template = Template::new(views.clone()).and_then(|template| template.to_iso_2005());
        bytes += template.and_then(|bytes| Template::parse(&bytes).map(|_| bytes.len())).unwrap_or(0);
    }
    let each = milliseconds(started) * 1e3 / 200.0;
    format!("{each:.1} us, {} B", bytes / 200)
}

/// Milliseconds of a comparison of one finger's prints, and of two fingers'.
fn comparisons(set: &Set) -> (f64, f64) {
    let fingers = set.prints.len() / IMPRESSIONS;
    let time = |step: usize| {
        let started = Instant::now();
        let mut count = 0.0;
        for round in 0..3 {
            for probe in 0..set.prints.len() {
                let finger = (probe / IMPRESSIONS + step + round * step) % fingers;
                let other = finger * IMPRESSIONS + (probe + 1) % IMPRESSIONS;
                std::hint::black_box(compare(&set.prints[probe], &set.prints[other]));
                count += 1.0;
            }
        }
        milliseconds(started) / count
    };
    (time(0), time(1))
}

/// A thousand enrolments from the fingers there are, at all levels.
fn gallery(sets: &[Set]) -> Gallery<usize> {
    let mut gallery = Gallery::new();
    let starts = sets[0].prints.len() / IMPRESSIONS * 2;
    for user in 0..USERS {
        let set = &sets[(user / starts) % sets.len()];
        let start = user % starts * 3;
        if let Some(enrolment) = set.enrolment([start, start + 1, start + 2]) {
            gallery.insert(user, enrolment);
        }
    }
    gallery
}

/// Whether searching is nothing but comparing: every score of some searches, checked.
fn differences(gallery: &Gallery<usize>, set: &Set, threads: usize) -> String {
    let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
    let (mut checked, mut differ) = (0usize, 0usize);
    for probe in set.prints.iter().step_by(set.prints.len().div_ceil(100)) {
        for candidate in gallery.search(probe, usize::MAX, threads) {
            checked += 1;
            let alone = gallery.get(candidate.key).map(|enrolment| enrolment.compare(probe));
            differ += usize::from(alone != Some(candidate.score));
        }
    }
    format!("{differ} of {checked}")
}
