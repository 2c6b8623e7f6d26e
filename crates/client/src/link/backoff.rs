//! How long to stay away: full jitter under a doubling ceiling, and never less than the server asked for.

use std::time::Duration;

use model::Timestamp;

use super::preset::Preset;

/// Failures in a row, and what the server said about coming back.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    dice: Dice,
    failures: u32,
    not_before: Option<Timestamp>,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { dice: Dice(seed), failures: 0, not_before: None }
    }

    /// The number of the attempt that comes next, from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.failures.saturating_add(1)
    }

    /// The server asked to be left alone for so long. A later word replaces an earlier one.
    pub(super) fn hint(&mut self, now: Timestamp, stay_away: Duration, preset: &Preset) {
        self.not_before = Some(now.after(stay_away.min(preset.hint_most)));
    }

    /// A stable session has shown that the server is well.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
    }

    /// An attempt or a short session failed. Gives false when there have been enough of them.
    pub(super) fn fail(&mut self, preset: &Preset) -> bool {
        self.failures = self.failures.saturating_add(1);
        preset.attempts_most == 0 || self.failures < preset.attempts_most
    }

    /// How long to pause now: anything up to the ceiling, and what the server asked for.
    pub(super) fn pause(&mut self, now: Timestamp, preset: &Preset) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let ceiling = preset.pause_first.saturating_mul(1 << doublings).min(preset.pause_most);
        let asked = self.not_before.take().map_or(Duration::ZERO, |until| until.since(now));
        self.dice.up_to(ceiling).max(asked)
    }
}

/// SplitMix64: enough to keep a shop's tills from coming back in step, and nothing secret.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX - 1);
        Duration::from_millis(mixed % most.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_fill_a_ceiling_that_doubles_from_one_second_to_thirty() {
        let preset = Preset::default();
        let now = Timestamp::from_millis(0);
        for (failures, ceiling) in [(1_u32, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (7, 30), (60, 30)] {
            let pauses: Vec<Duration> = (0..200)
                .map(|seed| {
                    let mut backoff = Backoff::new(seed);
                    for _ in 0..failures {
                        assert!(backoff.fail(&preset));
                    }
                    backoff.pause(now, &preset)
                })
                .collect();
            let most = Duration::from_secs(ceiling);
            assert!(pauses.iter().all(|pause| *pause <= most), "after {failures} failures");
            assert!(pauses.iter().any(|pause| *pause > most / 10 * 9), "after {failures} failures");
            assert!(pauses.iter().any(|pause| *pause < most / 10), "after {failures} failures");
        }
    }

    #[test]
    fn a_hint_is_obeyed_once_and_has_a_bound() {
        let preset = Preset::default();
        let mut backoff = Backoff::new(7);
        let now = Timestamp::from_millis(1_000);
        backoff.hint(now, Duration::from_secs(90), &preset);
        assert_eq!(backoff.pause(now.after(Duration::from_secs(10)), &preset), Duration::from_secs(80));
        assert!(backoff.pause(now, &preset) <= Duration::from_secs(1));
        backoff.hint(now, Duration::MAX, &preset);
        assert_eq!(backoff.pause(now, &preset), preset.hint_most);
    }
}
