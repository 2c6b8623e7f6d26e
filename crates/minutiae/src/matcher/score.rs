//! From what a comparison found to one number people can act on.

use super::align::Alignment;
use crate::math;

/// A confidence from here on is a match.
pub const PASS_MARK: f32 = 70.0;

/// The raw score that [`PASS_MARK`] stands for.
pub const PASS_RAW: f32 = 48.0;

/// Support below this is never laid on top of each other; about two thirds of all strangers end here.
const HOPELESS: f32 = 0.16;
/// Fewer pairs than this count for less: a handful of minutiae falls together by chance.
const SURE_PAIRS: f32 = 8.0;

/// Where raw scores stand in confidence: measured on synthetic prints, three-view enrolment.
const MAP: [(f32, f32); 4] = [(0.0, 0.0), (PASS_RAW, PASS_MARK), (64.0, 90.0), (85.0, 100.0)];

/// How alike two prints are.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Score(f32);

impl Score {
    pub(super) const ZERO: Self = Self(0.0);

    /// Two witnesses: how much of the common skin's minutiae fell together, and how strongly the
    /// likenesses supported each other before anything was moved. The weights were fitted by
    /// logistic regression on fingers that take no part in the benchmark.
    pub(super) fn of(support: f32, alignment: &Alignment) -> Self {
        let expected = ((alignment.expected_a + 3.0) * (alignment.expected_b + 3.0)).sqrt();
        let together = alignment.matched / expected;
        let supported = support / (support + 1.0);
        let sure = (alignment.matches.len() as f32 / SURE_PAIRS).min(1.0);
        Self(sure * 56.0 * together + 44.0 * supported * sure)
    }

    pub(super) fn mean(a: Self, b: Self) -> Self {
        Self((a.0 + b.0) / 2.0)
    }

    /// The plain number, 0 to 100; thresholds of other purposes than the pass mark go by this.
    pub fn raw(self) -> f32 {
        self.0
    }

    /// 0 to 100 with one decimal; [`PASS_MARK`] and above is a match.
    ///
    /// Not a probability: calibrated so that about one stranger in ten thousand passes against an
    /// enrolment of three views.
    pub fn confidence(self) -> f32 {
        let mut confidence = 100.0;
        for pair in MAP.windows(2) {
            let ((low, from), (high, to)) = (pair[0], pair[1]);
            if self.0 < high {
                let part = ((self.0 - low) / (high - low)).max(0.0);
                confidence = from + part * (to - from);
                break;
            }
        }
        // one decimal, rounded down so that 69.97 does not become a match
        math::floor(confidence * 10.0) as f32 / 10.0
    }

    /// Whether the confidence reaches the pass mark.
    pub fn is_match(self) -> bool {
        self.confidence() >= PASS_MARK
    }
}

/// Whether laying the prints on each other is worth the time.
pub(super) fn is_hopeless(support: f32) -> bool {
    support < HOPELESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confidence_rises_with_the_score_and_passes_at_the_threshold() {
        let mut last = -1.0;
        for step in 0..=1000 {
            let confidence = Score(step as f32 / 10.0).confidence();
            assert!(confidence >= last && (0.0..=100.0).contains(&confidence));
            last = confidence;
        }
        assert!(!Score(MAP[1].0 - 0.1).is_match());
        assert!(Score(MAP[1].0 + 0.1).is_match());
    }
}
