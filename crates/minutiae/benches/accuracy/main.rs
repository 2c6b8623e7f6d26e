//! How often the matcher is wrong and how long everything takes, as the tables of `docs/minutiae.md`.
//!
//! ```text
//! cargo bench -p minutiae                                     our own numbers
//! cargo bench -p minutiae --features nbis                     NBIS on the same images beside them
//! cargo bench -p minutiae -- --fingers 40 --threads 1         smaller, or slower and quieter
//! ```
//!
//! Every finger gives six impressions at each of three quality levels. Leave one out: every
//! impression is a probe once, against the enrolment of every finger made of the three impressions
//! that follow the probe's number, so nothing is ever compared with itself.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_possible_truncation,
    reason = "a bench reads the clock, uses threads and prints; the crate it measures does not"
)]

mod curve;
mod set;
mod speed;
#[cfg(feature = "nbis")]
mod witness;

use curve::Curve;
use minutiae::matcher::PASS_RAW;
use minutiae::synthesis::Level;
use set::{Options, Set, Trial};

/// One engine's scores at one level.
struct Engine {
    name: &'static str,
    curve: Curve,
    same_pattern: Curve,
}

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            std::process::exit(2);
        }
    };
    println!(
        "{} fingers x {} impressions, finger seeds from {}, {} threads\n",
        options.fingers,
        set::IMPRESSIONS,
        options.seed,
        options.threads
    );
    let mut sets = Vec::new();
    for level in Level::ALL {
        let set = Set::build(&options, level);
        println!("## {level:?}\n\n{}", set.summary());
        let trials = set.trials();
        let ours = set.our_scores(&trials, options.threads);
        let mut engines = vec![engine("minutiae", &trials, &ours, &set)];
        println!("{}", pass_mark(&engines[0]));
        nbis(&set, &trials, &mut engines);
        println!("{}", curve::table(&engines.iter().map(|e| (e.name, &e.curve)).collect::<Vec<_>>()));
        println!("strangers of the owner's own pattern only:\n");
        println!("{}", curve::table(&engines.iter().map(|e| (e.name, &e.same_pattern)).collect::<Vec<_>>()));
        println!("{}", curve::det(&engines.iter().map(|e| (e.name, &e.curve)).collect::<Vec<_>>()));
        sets.push(set);
    }
    println!("## Speed\n\n{}", speed::table(&options, &sets));
}

fn engine(name: &'static str, trials: &[Trial], scores: &[f32], set: &Set) -> Engine {
    let mut curve = Curve::default();
    let mut same_pattern = Curve::default();
    for (trial, &score) in trials.iter().zip(scores) {
        curve.add(trial.genuine(), score);
        if trial.genuine() || set.same_pattern(trial) {
            same_pattern.add(trial.genuine(), score);
        }
    }
    curve.sort();
    same_pattern.sort();
    Engine { name, curve, same_pattern }
}

/// What the pass mark of 70 means on this set.
fn pass_mark(engine: &Engine) -> String {
    let passes = engine.curve.at_threshold(PASS_RAW);
    format!("at the pass mark (confidence 70): {passes}\n")
}

#[cfg(feature = "nbis")]
fn nbis(set: &Set, trials: &[Trial], engines: &mut Vec<Engine>) {
    match witness::scores(set, trials) {
        Ok(scores) => engines.push(engine("NBIS", trials, &scores, set)),
        Err(problem) => eprintln!("no NBIS: {problem}"),
    }
}

#[cfg(not(feature = "nbis"))]
fn nbis(_: &Set, _: &[Trial], _: &mut Vec<Engine>) {}
