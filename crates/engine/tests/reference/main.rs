//! The engine and a naive partition get the same random inputs and must say the same, step by step.
//!
//! A run is drawn from a seed. A failure prints its seed, and the shortest list of acts found that still fails.
//! `TILLGATE_SEED` plays one seed, `TILLGATE_SEEDS` plays so many, `TILLGATE_STEPS` makes each so long.

mod acts;
mod laws;
mod naive;
mod pair;

use std::collections::BTreeSet;

use acts::{Act, Dice};
use laws::TO_REACH;
use pair::{Broken, Pair};

const SEEDS: u64 = 400;
const STEPS: u64 = 400;

#[test]
fn the_engine_and_a_naive_partition_say_the_same() {
    let steps = setting("TILLGATE_STEPS").unwrap_or(STEPS);
    let seeds = match (setting("TILLGATE_SEED"), setting("TILLGATE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, many) => 0..many.unwrap_or(SEEDS),
    };
    let many = seeds.end - seeds.start;
    let mut reached = BTreeSet::new();
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let acts: Vec<Act> = (0..steps).map(|_| dice.act()).collect();
        match play(&acts) {
            Ok(kinds) => reached.extend(kinds),
            Err(_) => {
                let acts = shorten(acts);
                let broken = play(&acts).expect_err("it still fails");
                let acts: String = acts.iter().map(|act| format!("{act:?}\n")).collect();
                panic!("TILLGATE_SEED={seed} TILLGATE_STEPS={steps}\n{acts}{broken}");
            }
        }
    }
    if many >= SEEDS {
        let missed: Vec<_> = TO_REACH.iter().filter(|kind| !reached.contains(**kind)).collect();
        assert!(missed.is_empty(), "the random runs never reach {missed:?}");
    }
}

/// Plays acts to the end, or to the first that breaks something.
fn play(acts: &[Act]) -> Result<BTreeSet<String>, Broken> {
    let mut pair = Pair::new();
    acts.iter().try_for_each(|act| pair.act(*act))?;
    pair.finish()?;
    Ok(pair.reached())
}

/// Leaves out what is not needed to fail, in ever smaller pieces.
fn shorten(mut acts: Vec<Act>) -> Vec<Act> {
    let mut piece = acts.len().div_ceil(2);
    loop {
        let mut at = 0;
        while at < acts.len() {
            let rest: Vec<Act> = [&acts[..at], &acts[(at + piece).min(acts.len())..]].concat();
            if play(&rest).is_err() {
                acts = rest;
            } else {
                at += piece;
            }
        }
        if piece == 1 {
            return acts;
        }
        piece = piece.div_ceil(2);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one who runs a random test says which")]
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
