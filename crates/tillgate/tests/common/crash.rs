//! What the tests share that kill the process: dice, keys, and clients that are quick about connecting again.
#![allow(clippy::print_stdout, reason = "a seed is printed")]

use std::path::Path;
use std::time::Duration;

use client::Preset;
use serde_json::Value;

use super::{ended, tillgate};

/// Small numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Those of `CRASH_SEED`, or new ones; the seed is printed.
    pub(crate) fn of_this_run() -> Self {
        let seed = match std::env::var("CRASH_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => u64::from(std::process::id()) ^ std::time::UNIX_EPOCH.elapsed().unwrap().as_secs(),
        };
        println!("CRASH_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    /// A place in a list of so many.
    pub(crate) fn place(&mut self, of: usize) -> usize {
        usize::try_from(self.roll(of as u64)).unwrap()
    }

    /// A time shorter than that.
    pub(crate) fn millis(&mut self, below: u64) -> Duration {
        Duration::from_millis(self.roll(below))
    }

    /// Dice for somebody else.
    pub(crate) fn split(&mut self) -> Self {
        Self(self.roll(u64::MAX))
    }
}

/// Manners that are quick about connecting again.
pub(crate) fn quick() -> Preset {
    Preset {
        pause_first: Duration::from_millis(20),
        pause_most: Duration::from_millis(100),
        stable_after: Duration::from_millis(1),
        ..Preset::default()
    }
}

/// Makes a key with `keys create`; what it says of it.
pub(crate) fn key(data: &Path, arguments: &[&str]) -> Value {
    let said = ended(tillgate().args(["keys", "create", "--json"]).args(arguments).arg("--data").arg(data));
    serde_json::from_str(&said.good()).unwrap()
}
