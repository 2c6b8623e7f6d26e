//! From a grey image to minutiae.
//!
//! Level the brightness, find the finger, find which way the ridges run and how far apart they
//! are, filter along them, draw every ridge one pixel wide, read off where ridges end and fork,
//! and drop what dirt invented. The whole way runs twice up to the filter: the second time on
//! directions read from the first, cleaned image.

mod detect;

mod field;
mod segment;
mod skeleton;

use crate::gabor::{Bank, Spread};
use crate::image::Image;
use crate::math;
use crate::plane::Plane;
use crate::quality;
use crate::template::{Minutia, View};
pub(crate) use field::{CELL, Field, grid};
use skeleton::Skeleton;

/// Fewer cells than this are a smudge, not a finger (a cell is 0.2 mm a side): 6 mm by 6 mm.
const MIN_CELLS: usize = 900;
/// Ridges must explain at least this part of the image inside the finger.
const MIN_CLARITY: f32 = 0.12;

const DIRECTIONS: usize = 32;
const PERIODS: [f32; 8] = [6.0, 7.0, 8.0, 9.0, 10.0, 11.2, 12.6, 14.2];
const SPREAD: Spread = Spread { across: 0.42, along: 0.55, radius: 9 };

/// Why an image gives no template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// Nothing in the image has the contrast and size of a finger.
    #[error("no finger in the image: {percent} % of it has ridge-like contrast")]
    NoFinger {
        /// How much of the image looked like finger.
        percent: u8,
    },
    /// Something is there, but its texture is not ridges: a photograph, noise, a pattern.
    #[error("the image has texture but no ridges: clarity {clarity} of 100")]
    NoRidges {
        /// How much of the texture ridges would explain, 0 to 100.
        clarity: u8,
    },
}

/// What extraction found, with the maps that pictures are drawn from.
///
/// ```
/// use minutiae::synthesis::{Finger, Level, Press};
/// let image = Finger::from_seed(5).impression(&Press::draw(1, Level::Good));
/// let reading = minutiae::extract(&image)?;
/// assert!(reading.quality() >= 60);
/// assert!(reading.view().minutiae().len() >= 15);
/// # Ok::<(), minutiae::ExtractError>(())
/// ```
#[derive(Clone)]
pub struct Reading {
    view: View,
    pub(crate) field: Field,
    pub(crate) mask: Plane<bool>,
    pub(crate) skeleton: Plane<bool>,
}

impl Reading {
    /// The minutiae, ready for a template.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The minutiae alone, dropping the maps.
    pub fn into_view(self) -> View {
        self.view
    }

    /// 0 (useless) to 100; ordinary good prints score 80 to 95. Not NFIQ and not comparable with it.
    pub fn quality(&self) -> u8 {
        self.view.quality()
    }

    /// The ridge direction at a pixel (at 500 dpi) inside the finger, radians counter-clockwise in [0, π).
    pub fn direction_at(&self, x: u32, y: u32) -> Option<f32> {
        let inside = self.mask.get(i32::try_from(x as usize / CELL).ok()?, i32::try_from(y as usize / CELL).ok()?)?;
        inside.then(|| self.field.direction_at(x as f32, y as f32))
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reading({:?})", self.view)
    }
}

/// Extracts the minutiae and the quality of an image; coordinates are those at 500 dpi.
///
/// # Errors
/// When the image shows no finger. A bad finger is not an error: its quality is low.
pub fn extract(image: &Image) -> Result<Reading, ExtractError> {
    extract_in_stages(image, |_| ())
}

/// [`extract`], calling `done` with a stage's name after each piece of work; for the bench, which has a clock.
///
/// # Errors
/// As [`extract`].
#[doc(hidden)]
pub fn extract_in_stages(image: &Image, mut done: impl FnMut(&'static str)) -> Result<Reading, ExtractError> {
    let plane = image.working_plane();
    done("scale");
    let levelled = segment::level(&plane);
    done("level");
    let rough = Field::of(&levelled.image, 9.0);
    done("flow");
    let mask = segment::mask(&levelled, &rough);
    let cells = mask.cells().iter().filter(|&&inside| inside).count();
    if cells < MIN_CELLS {
        let percent = u8::try_from(100 * cells / mask.cells().len()).unwrap_or(100);
        return Err(ExtractError::NoFinger { percent });
    }

    done("segment");

    let period = field::periods(&levelled.image, &rough, &mask);
    done("period");
    let bank = Bank::new(DIRECTIONS, &PERIODS, SPREAD);
    done("build the filters");
    let first = filter(&bank, &levelled.image, &rough, &period, &mask);
    done("filter");
    let field = Field::of(&first.map(|v| math::squash(2.0 * v)), 7.0);
    let mut mixed = levelled.image.clone();
    for (value, &clean) in mixed.cells_mut().iter_mut().zip(first.cells()) {
        *value = 0.6 * *value + 0.7 * clean;
    }
    done("flow again");
    let enhanced = filter(&bank, &mixed, &field, &period, &mask);
    done("filter again");

    let clarity = quality::clarity(&levelled.image, &first, &mask);
    let mean_clarity = quality::mean_inside(&clarity, &mask);
    if mean_clarity < MIN_CLARITY {
        let clarity = math::grey(100.0 * mean_clarity);
        return Err(ExtractError::NoRidges { clarity });
    }
    done("quality");

    let ridges =
        Plane::from_fn(plane.width(), plane.height(), |x, y| enhanced.at(x, y) > 0.0 && mask.at(x / CELL, y / CELL));
    done("binarise");
    let mut skeleton = Skeleton::of(&ridges);
    done("thin");
    let ground = detect::Ground { field: &field, mask: &mask, clarity: &clarity };
    let found = detect::detect(&mut skeleton, &ground, &mut done);
    let score = quality::score(&clarity, &mask, found.len());
    let minutiae = found.iter().map(|found| Minutia {
        x: u16::try_from(math::index(found.x)).unwrap_or(0),
        y: u16::try_from(math::index(found.y)).unwrap_or(0),
        angle: math::turn_to_byte(found.angle),
        kind: found.kind,
        quality: quality::of_minutia(found.trust),
    });
    let reading = Reading {
        view: View::from_extraction(plane.width(), plane.height(), score, minutiae.collect()),
        field,
        mask,
        skeleton: skeleton.plane().clone(),
    };
    done("quality");
    Ok(reading)
}

fn filter(bank: &Bank, image: &Plane<f32>, field: &Field, period: &Plane<f32>, mask: &Plane<bool>) -> Plane<f32> {
    let (columns, rows) = grid(image);
    let picks =
        Plane::from_fn(columns, rows, |x, y| mask.at(x, y).then(|| bank.pick(field.direction(x, y), period.at(x, y))));
    let choice = Plane::from_fn(image.width(), image.height(), |x, y| picks.at(x / CELL, y / CELL));
    bank.filtered(image, &choice)
}
