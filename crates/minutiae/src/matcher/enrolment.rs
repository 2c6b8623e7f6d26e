//! What a person leaves behind at enrolment: one to three prints of a finger.

use super::{Matcher, Print, Score};
use crate::template::View;

/// The most views an enrolment holds.
pub const MAX_ENROLLED_VIEWS: usize = 3;

/// One to three prints of one finger.
///
/// A probe is compared with each; the mean of the best two decides, so that one lucky likeness
/// does not let a stranger in and one bad view does not keep the owner out.
#[derive(Clone, Debug)]
pub struct Enrolment {
    prints: Vec<Print>,
}

/// Why views do not make an enrolment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// None, or more than are compared.
    #[error("enrolment has {count} views, must be 1 to {MAX_ENROLLED_VIEWS}")]
    Views {
        /// How many came.
        count: usize,
    },
}

impl Enrolment {
    /// Prepares the views of one finger.
    ///
    /// # Errors
    /// No view, or more than [`MAX_ENROLLED_VIEWS`].
    pub fn new(views: &[View]) -> Result<Self, EnrolmentError> {
        if views.is_empty() || views.len() > MAX_ENROLLED_VIEWS {
            return Err(EnrolmentError::Views { count: views.len() });
        }
        Ok(Self { prints: views.iter().map(Print::new).collect() })
    }

    /// The prepared prints.
    pub fn prints(&self) -> &[Print] {
        &self.prints
    }

    /// Compares a probe: the mean of the best two views, or the only one.
    pub fn compare(&self, probe: &Print) -> Score {
        self.compare_with(probe, &mut Matcher::default())
    }

    pub(super) fn compare_with(&self, probe: &Print, matcher: &mut Matcher) -> Score {
        let (mut best, mut second) = (Score::ZERO, Score::ZERO);
        for print in &self.prints {
            let score = matcher.compare(probe, print);
            if score > best {
                (best, second) = (score, best);
            } else if score > second {
                second = score;
            }
        }
        if self.prints.len() == 1 { best } else { Score::mean(best, second) }
    }

    /// The score of the two views least alike: low when they came from different fingers.
    ///
    /// `None` with a single view.
    pub fn weakest_pair(&self) -> Option<Score> {
        let mut weakest: Option<Score> = None;
        let mut matcher = Matcher::default();
        for (place, one) in self.prints.iter().enumerate() {
            for other in &self.prints[place + 1..] {
                let score = matcher.compare(one, other);
                if weakest.is_none_or(|least| score < least) {
                    weakest = Some(score);
                }
            }
        }
        weakest
    }

    /// Bytes this enrolment takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.prints.iter().map(Print::size_bytes).sum::<usize>()
    }
}
