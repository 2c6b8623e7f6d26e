//! Every property holds for every file of its corpus: seeds from the stories, and what the fuzzer found worth keeping.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::fs;
use std::path::{Path, PathBuf};

use properties::TARGETS;

/// Files of all corpora together: they are replayed by every run of the tests.
const MAX_FILES: usize = 300;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn files(target: &str) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(corpora().join(target)).unwrap_or_else(|error| panic!("the corpus of {target}: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn the_properties_hold_for_every_corpus() {
    for (target, check) in TARGETS {
        let files = files(target);
        assert!(files.len() >= 4, "only {} files for {target}", files.len());
        for file in files {
            // Shown only when it fails.
            println!("{}", file.display());
            check(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn the_corpora_stay_small() {
    let count: usize = TARGETS.iter().map(|(target, _)| files(target).len()).sum();
    assert!(count <= MAX_FILES, "{count} files: minimise with `cargo xtask fuzz --minimise`");
}

#[test]
fn the_properties_hold_for_bytes_without_meaning() {
    // A fixed sequence, the same on every machine: splitmix64.
    let mut state = 2_031_u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for _ in 0..40 {
        let words = 1 + next() % 24;
        let data: Vec<u8> = (0..words).flat_map(|_| next().to_le_bytes()).collect();
        for (_, check) in TARGETS {
            check(&data);
        }
    }
}
