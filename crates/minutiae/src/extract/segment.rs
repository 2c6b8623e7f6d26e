//! Where the finger is: cells with contrast and a common direction, in one piece.

use super::field::{CELL, Field, grid};
use crate::plane::Plane;

/// Contrast below this (grey levels) is a clean background on any reader.
const CONTRAST_FLOOR: f32 = 5.0;
/// A finger's cells have at least this part of the strongest cells' contrast.
const CONTRAST_PART: f32 = 0.26;
const COHERENCE_MIN: f32 = 0.22;

/// The image brought to mean 0 and deviation 1 everywhere, ridges positive, with its contrast.
pub(super) struct Levelled {
    pub(super) image: Plane<f32>,
    pub(super) contrast: Plane<f32>,
}

/// Removes brightness and contrast that have nothing to do with ridges.
pub(super) fn level(image: &Plane<f32>) -> Levelled {
    let smooth = image.blurred(0.8);
    let mean = smooth.box_mean(11);
    let mut offset = smooth;
    for (value, &mean) in offset.cells_mut().iter_mut().zip(mean.cells()) {
        *value = mean - *value;
    }
    let contrast = offset.map(|v| v * v).box_mean(11).map(f32::sqrt);
    let mut out = offset;
    for (value, &contrast) in out.cells_mut().iter_mut().zip(contrast.cells()) {
        *value = (*value / (contrast + 2.0)).clamp(-2.2, 2.2);
    }
    Levelled { image: out, contrast }
}

/// The cells that hold finger; all false when nothing looks like one.
pub(super) fn mask(levelled: &Levelled, field: &Field) -> Plane<bool> {
    let (columns, rows) = grid(&levelled.image);
    let contrast = Plane::from_fn(columns, rows, |x, y| {
        levelled.contrast.at(
            (x * CELL + CELL / 2).min(levelled.image.width() - 1),
            (y * CELL + CELL / 2).min(levelled.image.height() - 1),
        )
    });
    let mut sorted = contrast.cells().to_vec();
    sorted.sort_by(f32::total_cmp);
    let strong = sorted[sorted.len() * 9 / 10];
    let enough = (strong * CONTRAST_PART).max(CONTRAST_FLOOR);
    let raw = Plane::from_fn(columns, rows, |x, y| {
        let finger = contrast.at(x, y) > enough && field.coherence(x, y) > COHERENCE_MIN;
        if finger { 1.0 } else { 0.0 }
    });
    // a majority of the surroundings decides, which closes small gaps and drops specks
    let smooth = raw.box_mean(3);
    let mask = largest_piece(&smooth.map(|share| share > 0.5));
    fill_holes(&mask)
}

/// Keeps the largest connected piece.
fn largest_piece(mask: &Plane<bool>) -> Plane<bool> {
    let pieces = Pieces::of(mask, true);
    let Some(largest) = pieces.largest() else {
        return mask.clone();
    };
    pieces.label.map(|label| label == largest)
}

/// Fills everything the background cannot reach from the rim.
fn fill_holes(mask: &Plane<bool>) -> Plane<bool> {
    let pieces = Pieces::of(mask, false);
    let mut outside = vec![false; pieces.sizes.len() + 1];
    let (width, height) = (mask.width(), mask.height());
    for x in 0..width {
        outside[pieces.label.at(x, 0)] = true;
        outside[pieces.label.at(x, height - 1)] = true;
    }
    for y in 0..height {
        outside[pieces.label.at(0, y)] = true;
        outside[pieces.label.at(width - 1, y)] = true;
    }
    Plane::from_fn(width, height, |x, y| mask.at(x, y) || !outside[pieces.label.at(x, y)])
}

/// Four-connected pieces of one colour, numbered from 1; 0 is the other colour.
struct Pieces {
    label: Plane<usize>,
    sizes: Vec<usize>,
}

impl Pieces {
    fn of(mask: &Plane<bool>, colour: bool) -> Self {
        let (width, height) = (mask.width(), mask.height());
        let mut label = Plane::new(width, height, 0usize);
        let mut sizes = Vec::new();
        let mut open = Vec::new();
        for start in 0..width * height {
            if mask.cells()[start] != colour || label.cells()[start] != 0 {
                continue;
            }
            let number = sizes.len() + 1;
            let mut size = 0;
            label.cells_mut()[start] = number;
            open.push(start);
            while let Some(place) = open.pop() {
                size += 1;
                let (x, y) = (place % width, place / width);
                let mut visit = |place: usize| {
                    if mask.cells()[place] == colour && label.cells()[place] == 0 {
                        label.cells_mut()[place] = number;
                        open.push(place);
                    }
                };
                if x > 0 {
                    visit(place - 1);
                }
                if x + 1 < width {
                    visit(place + 1);
                }
                if y > 0 {
                    visit(place - width);
                }
                if y + 1 < height {
                    visit(place + width);
                }
            }
            sizes.push(size);
        }
        Self { label, sizes }
    }

    fn largest(&self) -> Option<usize> {
        let mut best = None;
        for (place, &size) in self.sizes.iter().enumerate() {
            if best.is_none_or(|(_, most)| size > most) {
                best = Some((place + 1, size));
            }
        }
        best.map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_piece_stays_and_its_holes_are_filled() {
        let drawing = [
            "#.......", //
            "..####..", //
            "..#..#..", //
            "..####..", //
            "........",
        ];
        let mask = Plane::from_fn(8, 5, |x, y| drawing[y].as_bytes()[x] == b'#');
        let finger = fill_holes(&largest_piece(&mask));
        let count = finger.cells().iter().filter(|&&on| on).count();
        assert_eq!(count, 12);
        assert!(!finger.at(0, 0) && finger.at(3, 2));
    }
}
