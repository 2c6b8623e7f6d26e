//! How long things took: counts in steps of less than 2 %, so that millions cost no more memory than one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Steps within one doubling.
const STEPS: u64 = 64;
const STEPS_BITS: u32 = STEPS.trailing_zeros();

/// Counted durations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Sparse", into = "Sparse")]
pub(super) struct Times {
    counts: Vec<u64>,
    count: u64,
    longest: u64,
}

/// Only the steps that were met: how a process hands its times on.
#[derive(Clone, Serialize, Deserialize)]
struct Sparse {
    counts: Vec<(usize, u64)>,
    longest: u64,
}

impl From<Sparse> for Times {
    fn from(sparse: Sparse) -> Self {
        let mut times = Self { longest: sparse.longest, ..Self::default() };
        for (step, count) in sparse.counts {
            times.count_at(step.min(step_of(u64::MAX)), count);
        }
        times
    }
}

impl From<Times> for Sparse {
    fn from(times: Times) -> Self {
        let met = times.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0);
        Self { counts: met.collect(), longest: times.longest }
    }
}

impl Times {
    pub(super) fn add(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.longest = self.longest.max(nanos);
        self.count_at(step_of(nanos), 1);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.longest = self.longest.max(other.longest);
        for (step, count) in other.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
            self.count_at(step, count);
        }
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// The time that so many of a thousand did not exceed.
    pub(super) fn within(&self, of_a_thousand: u64) -> Duration {
        let wanted = (self.count * of_a_thousand).div_ceil(1000).max(1);
        let mut seen = 0;
        for (step, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(end_of(step).min(self.longest));
            }
        }
        self.longest()
    }

    fn count_at(&mut self, step: usize, count: u64) {
        if self.counts.len() <= step {
            self.counts.resize(step + 1, 0);
        }
        self.counts[step] += count;
        self.count += count;
    }
}

/// The step a number of nanoseconds falls into.
fn step_of(nanos: u64) -> usize {
    if nanos < STEPS {
        return usize::try_from(nanos).unwrap_or(0);
    }
    let doubling = nanos.ilog2() - STEPS_BITS;
    let step = u64::from(doubling + 1) * STEPS + ((nanos >> doubling) & (STEPS - 1));
    usize::try_from(step).unwrap_or(usize::MAX)
}

/// The last nanosecond of a step.
fn end_of(step: usize) -> u64 {
    let step = step as u64;
    if step < STEPS {
        return step;
    }
    let doubling = step / STEPS - 1;
    (STEPS + step % STEPS) << doubling | ((1 << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_less_than_two_percent_wide() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1_000, 999_999, 1_000_000, 123_456_789, u64::MAX / 3, u64::MAX] {
            let end = end_of(step_of(nanos));
            assert!(end >= nanos && end - nanos <= nanos / 64, "{nanos} is told as {end}");
        }
    }

    #[test]
    fn shares_are_found_and_survive_the_way_between_processes() {
        let mut times = Times::default();
        (1..=1000).for_each(|micros| times.add(Duration::from_micros(micros)));
        let json = serde_json::to_string(&times).unwrap();
        assert_eq!(serde_json::from_str::<Times>(&json).unwrap(), times);
        let half = times.within(500).as_secs_f64();
        assert!((0.000_500..0.000_510).contains(&half), "{half}");
        assert_eq!((times.within(1000), times.count()), (Duration::from_millis(1), 1000));
        let mut twice = times.clone();
        twice.merge(&times);
        assert_eq!((twice.count(), twice.within(500)), (2000, times.within(500)));
    }
}
