//! How much a print can be trusted: of every place, of every minutia, of the whole.
//!
//! The whole is a number 0 to 100 of our own. It is not NFIQ, was not fitted to any matcher's
//! errors, and should not be compared with either.

use crate::extract::{CELL, Field, Found, grid};
use crate::math;
use crate::plane::Plane;

/// Which part of the image's variation a single wave along the ridges explains, cell by cell, 0 to 1.
pub(crate) fn clarity(
    image: &Plane<f32>,
    filtered: &Plane<f32>,
    mask: &Plane<bool>,
) -> Plane<f32> {
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
    Plane::from_fn(columns, rows, |x, y| {
        (ridge.at(x, y) / (all.at(x, y) + 0.5)).clamp(0.0, 1.0)
    })
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

/// The quality of the whole print.
pub(crate) fn score(
    clarity: &Plane<f32>,
    field: &Field,
    mask: &Plane<bool>,
    found: &[Found],
) -> u8 {
    let _ = (field, found);
    let mean = mean_inside(clarity, mask);
    math::grey(100.0*mean).min(100)
}
