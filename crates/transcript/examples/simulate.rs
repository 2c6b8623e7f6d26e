//! Plays shop streets from seeds: `simulate --seeds 20000 --from 1`, `--sqlite` on the real store.
//!
//! A seed that breaks a law is made small, printed as a story, and ends the run with 1.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talking to whoever runs it is this program's work")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use store::{Memory, Sqlite, Store};
use transcript::simulation::{Failure, Plan, Tally, play, shrink, told};

/// Threads that play on disk, where each waits most of the time.
const THREADS_ON_DISK: usize = 16;

struct Arguments {
    seeds: u64,
    from: u64,
    sqlite: bool,
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { seeds: 200, from: 1, sqlite: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{word} wants a number"))
        };
        match &*word {
            "--seeds" => arguments.seeds = number()?,
            "--from" => arguments.from = number()?,
            "--sqlite" => arguments.sqlite = true,
            _ => return Err(format!("expected --seeds N, --from S or --sqlite, got {word}")),
        }
    }
    Ok(arguments)
}

fn memory() -> Box<dyn Store> {
    Box::new(Memory::new())
}

fn on_disk(plan: &Plan) -> Result<Tally, Failure> {
    let failed = |why: String| Failure { law: "the surface", detail: why };
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let store = Sqlite::open(folder.path()).map_err(|error| failed(error.to_string()))?;
    play(plan, Box::new(store))
}

/// Plays seeds until there are none left or one has failed.
fn plays(next: &AtomicU64, end: &AtomicU64, sqlite: bool) -> (Tally, Option<(u64, Failure)>) {
    let mut total = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end.load(Ordering::Relaxed) {
            return (total, None);
        }
        let plan = Plan::of(seed);
        match if sqlite { on_disk(&plan) } else { play(&plan, memory()) } {
            Ok(tally) => total += tally,
            Err(failure) => {
                end.store(0, Ordering::Relaxed);
                return (total, Some((seed, failure)));
            }
        }
    }
}

fn main() -> ExitCode {
    let Arguments { seeds, from, sqlite } = match arguments() {
        Ok(arguments) => arguments,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let (next, end) = (AtomicU64::new(from), AtomicU64::new(from.saturating_add(seeds)));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if sqlite { THREADS_ON_DISK } else { cores };
    let (mut total, mut failed) = (Tally::default(), None);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| plays(&next, &end, sqlite))).collect();
        for thread in threads {
            let (tally, failure) = thread.join().expect("a panic in a node is a finding: its message stands above");
            total += tally;
            failed = failed.take().or(failure);
        }
    });
    let place = if sqlite { "SQLite" } else { "memory" };
    if let Some((seed, failure)) = failed {
        println!("seed {seed} on {place}: {failure}\n\nmade small:\n");
        println!("{}", told(&shrink(&Plan::of(seed), &failure, memory), memory()));
        println!("\nagain: cargo xtask simulate --from {seed} --seeds 1");
        return ExitCode::FAILURE;
    }
    let took = began.elapsed().as_secs_f64();
    println!("{seeds} seeds from {from} on {place} in {took:.1} s: {total}");
    ExitCode::SUCCESS
}
