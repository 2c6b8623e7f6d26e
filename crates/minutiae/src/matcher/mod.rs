//! Are two prints of one finger? One against one, and one against all.
//!
//! A [`Print`] is a view prepared for matching, an [`Enrolment`] the one to three prints a person
//! left, a [`Gallery`] everybody's enrolments. A comparison first asks which minutiae have alike
//! surroundings and support each other (see `local`), and only if that leaves hope lays one print
//! on the other (see `align`). Where it ends early it ends early for everybody: one-to-one,
//! one-to-many, on one thread or on sixty-four, a pair of prints has one score.

mod align;
mod enrolment;
mod gallery;
mod local;
mod print;
mod score;

use align::{Aligner, Alignment};
pub use enrolment::{Enrolment, EnrolmentError, MAX_ENROLLED_VIEWS};
pub use gallery::{Candidate, Gallery};
use local::Local;
use print::Spot;
pub use print::{MAX_PRINT_BYTES, MAX_SPOTS, Print};
pub use score::{PASS_MARK, PASS_RAW, Score};

/// Fewer minutiae than this cannot be compared.
const MIN_SPOTS: usize = 4;

/// Compares two prints.
///
/// ```
/// use minutiae::matcher::{Print, compare};
/// use minutiae::synthesis::{Finger, Level, Press};
/// let print = |finger: &Finger, press| {
///     let image = finger.impression(&Press::draw(press, Level::Good));
///     minutiae::extract(&image).map(|reading| Print::new(reading.view()))
/// };
/// let (mine, yours) = (Finger::from_seed(1), Finger::from_seed(2));
/// assert!(compare(&print(&mine, 1)?, &print(&mine, 2)?).is_match());
/// assert!(!compare(&print(&mine, 1)?, &print(&yours, 3)?).is_match());
/// # Ok::<(), minutiae::ExtractError>(())
/// ```
pub fn compare(a: &Print, b: &Print) -> Score {
    Matcher::default().compare(a, b)
}

/// What a comparison found to be the same, for pictures and curious people.
#[derive(Clone, Debug, PartialEq)]
pub struct Correspondence {
    /// The score of the comparison.
    pub score: Score,
    /// How far the first print must turn to lie on the second, degrees counter-clockwise.
    pub turn_degrees: f32,
    /// Places of the same minutia in the first and the second print, pixels at 500 dpi.
    pub pairs: Vec<[(i16, i16); 2]>,
}

/// Compares two prints and says which minutiae were found to be the same.
pub fn correspond(a: &Print, b: &Print) -> Correspondence {
    let mut matcher = Matcher::default();
    let (score, alignment) = matcher.look(a, b);
    let (ones, others) = (&matcher.a, &matcher.b);
    Correspondence {
        score,
        turn_degrees: align::degrees(alignment.turn),
        pairs: alignment
            .matches
            .iter()
            .map(|m| {
                let (one, other) = (&ones[m.a], &others[m.b]);
                [(one.x, one.y), (other.x, other.y)]
            })
            .collect(),
    }
}

/// The memory of comparisons, one for each thread.
#[derive(Default)]
struct Matcher {
    /// The two prints, unpacked.
    a: Vec<Spot>,
    b: Vec<Spot>,
    local: Local,
    aligner: Aligner,
}

impl Matcher {
    fn compare(&mut self, a: &Print, b: &Print) -> Score {
        self.look(a, b).0
    }

    fn look(&mut self, a: &Print, b: &Print) -> (Score, Alignment) {
        if a.len() < MIN_SPOTS || b.len() < MIN_SPOTS {
            return (Score::ZERO, Alignment::default());
        }
        a.unpack(&mut self.a);
        b.unpack(&mut self.b);
        self.local.compare(&self.a, &self.b);
        let support = self.local.support();
        if score::is_hopeless(support) {
            return (Score::of(support, &Alignment::default()), Alignment::default());
        }
        let alignment = self.aligner.best(&self.a, &self.b, &self.local);
        (Score::of(support, &alignment), alignment)
    }
}
