//! Replays what the fuzzer has found worth keeping, and keeps the corpus fed with streams written by hand.

use std::fs;
use std::path::PathBuf;

use websocket::property;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/websocket")
}

#[test]
fn the_property_holds_for_the_whole_corpus() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).expect("the corpus is committed") {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        property::check(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 20, "only {count} files in the corpus");
}

#[test]
fn the_property_holds_for_bytes_without_meaning() {
    // A fixed sequence, the same on every machine: splitmix64.
    let mut state = 6455u64;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    for _ in 0..5000 {
        let words = 1 + next() % 24;
        let data: Vec<u8> = (0..words).flat_map(|_| next().to_le_bytes()).collect();
        property::check(&data);
    }
}
