//! A drain's order of goodbyes: who is told when, and when each of them is asked back.
//!
//! Both are spread evenly. Whoever comes back when asked to meets as many others as anybody else does.

use std::collections::VecDeque;
use std::time::Duration;

use model::Timestamp;

/// Over which times a drain is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Over how long goodbyes are said; zero says them all at once.
    pub over: Duration,
    /// How long after its begin the first are asked back.
    pub back: Duration,
    /// Over how long from then on they are asked back.
    pub again: Duration,
}

impl Spread {
    /// Goodbyes said at once, with hints spread over so long.
    #[must_use]
    pub const fn at_once(again: Duration) -> Self {
        Self { over: Duration::ZERO, back: Duration::ZERO, again }
    }
}

/// The goodbyes that are still to be said.
#[derive(Debug)]
pub(crate) struct Farewell {
    began: Timestamp,
    spread: Spread,
    many: u32,
    told: u32,
    left: VecDeque<u64>,
    newcomers: u32,
}

impl Farewell {
    pub(crate) fn new(began: Timestamp, spread: Spread, sessions: Vec<u64>) -> Self {
        let many = u32::try_from(sessions.len()).unwrap_or(u32::MAX).max(1);
        Self { began, spread, many, told: 0, left: sessions.into(), newcomers: 0 }
    }

    /// When the next one is due.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        (!self.left.is_empty()).then(|| self.began.after(self.spread.over.saturating_mul(self.told) / self.many))
    }

    /// The next one if it is due, and how long it should stay away.
    pub(crate) fn next(&mut self, now: Timestamp) -> Option<(u64, Duration)> {
        if self.deadline()? > now {
            return None;
        }
        let session = self.left.pop_front()?;
        self.told += 1;
        let back = self.spread.back + self.spread.again.saturating_mul(self.told) / self.many;
        Some((session, back.saturating_sub(now.since(self.began))))
    }

    /// How long one should stay away who comes only now: until somewhere among those who are asked back.
    pub(crate) fn turn_away(&mut self, now: Timestamp) -> Duration {
        self.newcomers = self.newcomers.wrapping_add(1);
        // Multiples of the golden ratio, seen as fractions, lie evenly however many there will be.
        let fraction = u128::from(self.newcomers.wrapping_mul(0x9E37_79B9));
        let share = (self.spread.again.as_millis() * fraction) >> u32::BITS;
        let back = self.spread.back + Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX));
        back.saturating_sub(now.since(self.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions in each second, by when they are told and by when they come back; hints are whole seconds, rounded up.
    fn seconds(spread: Spread, many: u64, step: u64) -> (Vec<u32>, Vec<u32>) {
        let mut farewell = Farewell::new(Timestamp::from_millis(0), spread, (0..many).collect());
        let (mut told, mut back) = (vec![0; 60], vec![0; 60]);
        let mut at = 0;
        while farewell.deadline().is_some() {
            let now = Timestamp::from_millis(at);
            while let Some((_, hint)) = farewell.next(now) {
                told[usize::try_from(at / 1_000).unwrap()] += 1;
                back[usize::try_from(at / 1_000 + hint.as_secs() + u64::from(hint.subsec_nanos() > 0)).unwrap()] += 1;
            }
            at += step;
        }
        for counts in [&mut told, &mut back] {
            while counts.last() == Some(&0) {
                counts.pop();
            }
        }
        (told, back)
    }

    /// The fullest second over the mean of the time it should be spread over.
    fn flatness(counts: &[u32], over: Duration) -> f64 {
        f64::from(*counts.iter().max().unwrap()) * over.as_secs_f64() / f64::from(counts.iter().sum::<u32>())
    }

    #[test]
    fn goodbyes_and_returns_are_flat() {
        for (many, seconds_over) in [(100, 5), (5_000, 5), (9_999, 7), (30_000, 20)] {
            let over = Duration::from_secs(seconds_over);
            for pause in [0, 1_000, 1_700] {
                let spread = Spread { over, back: over + Duration::from_millis(pause), again: over };
                let (told, back) = seconds(spread, many, 3);
                assert!(flatness(&told, over) <= 1.1, "{told:?}");
                assert!(flatness(&back, over) <= 1.3, "{back:?}");
            }
        }
    }

    #[test]
    fn said_at_once_the_hints_are_what_is_spread() {
        let (told, back) = seconds(Spread::at_once(Duration::from_secs(10)), 1_000, 1);
        assert_eq!(told, [1_000]);
        assert_eq!(back[1..], [100; 10]);
    }

    #[test]
    fn newcomers_come_back_among_the_others() {
        let spread =
            Spread { over: Duration::from_secs(5), back: Duration::from_secs(6), again: Duration::from_secs(5) };
        for many in [50, 1_000, 20_000] {
            let mut farewell = Farewell::new(Timestamp::from_millis(1_000), spread, Vec::new());
            let mut back = [0; 5];
            for newcomer in 0..many {
                let now = 1_000 + 4_000 * newcomer / many;
                let hint = farewell.turn_away(Timestamp::from_millis(now)).as_millis();
                let hint = u64::try_from(hint).unwrap();
                back[usize::try_from((now + hint - 7_000) / 1_000).unwrap()] += 1;
            }
            assert!(flatness(&back, spread.again) <= 1.2, "{back:?}");
        }
        let mut late = Farewell::new(Timestamp::from_millis(0), spread, Vec::new());
        assert_eq!(late.turn_away(Timestamp::from_millis(60_000)), Duration::ZERO);
    }

    #[test]
    fn a_few_are_told_within_their_share_of_the_time() {
        let spread = Spread { over: Duration::from_secs(4), ..Spread::at_once(Duration::ZERO) };
        let mut farewell = Farewell::new(Timestamp::from_millis(0), spread, vec![7, 9]);
        assert_eq!(farewell.next(Timestamp::from_millis(0)).map(|(who, _)| who), Some(7));
        assert_eq!(farewell.next(Timestamp::from_millis(1_999)), None);
        assert_eq!(farewell.deadline(), Some(Timestamp::from_millis(2_000)));
        assert_eq!(farewell.next(Timestamp::from_millis(2_000)).map(|(who, _)| who), Some(9));
        assert_eq!(farewell.deadline(), None);
    }
}
