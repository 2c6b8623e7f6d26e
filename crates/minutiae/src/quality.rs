//! How much a print can be trusted: of every place, of every minutia, of the whole.
//!
//! The whole is a number 0 to 100 of our own. It is not NFIQ, was not fitted to any matcher's
//! errors, and should not be compared with either.

use crate::extract::{CELL, grid};
use crate::math;
use crate::plane::Plane;

/// Which part of the image's variation a single wave along the ridges explains, cell by cell, 0 to 1.
pub(crate) fn clarity(image: &Plane<f32>, filtered: &Plane<f32>, mask: &Plane<bool>) -> Plane<f32> {
    let (columns, rows) = grid(image);
    let mut all = Plane::new(columns, rows, 0.0f32);
    let mut ridge = Plane::new(columns, rows, 0.0f32);
    for y in 0..image.height() {
        for x in 0..image.width() {
            if mask.at(x / CELL, y / CELL) {
                let cell = (y / CELL) * columns + x / CELL;
                let (raw, wave) = (image.at(x, y), filtered.at(x, y));
                all.cells_mut()[cell] += raw * raw;
                ridge.cells_mut()[cell] += wave * wave;
            }
        }
    }
    let (all, ridge) = (all.blurred(2.0), ridge.blurred(2.0));
    Plane::from_fn(columns, rows, |x, y| (ridge.at(x, y) / (all.at(x, y) + 0.5)).clamp(0.0, 1.0))
}

pub(crate) fn mean_inside(plane: &Plane<f32>, mask: &Plane<bool>) -> f32 {
    let (mut sum, mut count) = (0.0f32, 0.0f32);
    for (&value, &inside) in plane.cells().iter().zip(mask.cells()) {
        if inside {
            sum += value;
            count += 1.0;
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

/// A minutia's quality as templates carry it: 1 to 100.
pub(crate) fn of_minutia(trust: f32) -> u8 {
    math::grey(100.0 * trust).clamp(1, 100)
}

/// Where the mean clarity stands on the scale of 0 to 100: ordinary good prints at 80 to 95.
const MAP: [(f32, f32); 6] = [(0.16, 0.0), (0.40, 38.0), (0.52, 66.0), (0.60, 82.0), (0.70, 93.0), (0.85, 100.0)];
/// A print of this many cells (28 square millimetres of a 4-pixel grid) is large enough to lose nothing.
const FULL_CELLS: f32 = 2000.0;
/// With fewer minutiae a print is worth less however clear it is.
const FULL_MINUTIAE: f32 = 14.0;

/// The quality of the whole print: how clear its ridges are, less for a small or empty one.
pub(crate) fn score(clarity: &Plane<f32>, mask: &Plane<bool>, minutiae: usize) -> u8 {
    let cells = mask.cells().iter().filter(|&&inside| inside).count() as f32;
    let area = (cells / FULL_CELLS).min(1.0).sqrt();
    let enough = (minutiae as f32 / FULL_MINUTIAE).min(1.0).sqrt();
    let clear = along(&MAP, mean_inside(clarity, mask));
    math::grey(clear * area * enough).min(100)
}

/// A value on straight lines between points; flat outside.
fn along(points: &[(f32, f32)], x: f32) -> f32 {
    let mut value = points[0].1;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        if x >= x0 {
            value = y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).min(1.0);
        }
    }
    value
}
