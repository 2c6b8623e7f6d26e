//! Which way the ridges run and how far apart they are, cell by cell.
//!
//! Directions are kept as doubled-angle vectors, because a ridge has no head and no tail: opposite
//! directions are the same ridge, and only doubled angles can be averaged.

use std::f32::consts::{PI, TAU};

use crate::math;
use crate::plane::Plane;

/// Pixels a side of a cell.
pub(crate) const CELL: usize = 4;

/// Ridge direction on the grid of cells.
#[derive(Clone)]
pub(crate) struct Field {
    /// Cosine of the doubled direction, times the coherence.
    pub(crate) cos: Plane<f32>,
    /// Sine of the doubled direction, times the coherence.
    pub(crate) sin: Plane<f32>,
}

impl Field {
    /// The field of an image whose ridges stand out from 0, averaged over about `reach` pixels.
    ///
    /// Where the near surroundings disagree among themselves the wider surroundings decide.
    pub(crate) fn of(image: &Plane<f32>, reach: f32) -> Self {
        let (columns, rows) = grid(image);
        let mut cos = Plane::new(columns, rows, 0.0f32);
        let mut sin = Plane::new(columns, rows, 0.0f32);
        let mut energy = Plane::new(columns, rows, 0.0f32);
        for y in 1..image.height() - 1 {
            let (above, here, below) = (image.row(y - 1), image.row(y), image.row(y + 1));
            for x in 1..image.width() - 1 {
                let gx = (here[x + 1] - here[x - 1]) * 2.0 + above[x + 1] - above[x - 1] + below[x + 1] - below[x - 1];
                // upwards, because directions are counter-clockwise
                let gy = (above[x] - below[x]) * 2.0 + above[x - 1] - below[x - 1] + above[x + 1] - below[x + 1];
                let cell = (y / CELL) * columns + x / CELL;
                // the ridge lies across the gradient, hence the signs
                cos.cells_mut()[cell] -= gx * gx - gy * gy;
                sin.cells_mut()[cell] -= 2.0 * gx * gy;
                energy.cells_mut()[cell] += gx * gx + gy * gy;
            }
        }
        let near = reach / CELL as f32;
        let fine = smooth(&cos, &sin, &energy, near);
        let wide = smooth(&cos, &sin, &energy, near * 2.6);
        let mut out = fine.clone();
        for (place, (c, s)) in out.cos.cells_mut().iter_mut().zip(out.sin.cells_mut()).enumerate() {
            let own = (*c * *c + *s * *s).sqrt();
            let lean = 0.5 * (1.0 - own) * (1.0 - own);
            *c += lean * wide.cos.cells()[place];
            *s += lean * wide.sin.cells()[place];
        }
        out
    }

    /// The ridge direction of a cell, radians in [0, π).
    pub(crate) fn direction(&self, column: usize, row: usize) -> f32 {
        0.5 * math::wrap_turn(math::atan2(self.sin.at(column, row), self.cos.at(column, row)))
    }

    /// The ridge direction at a pixel, between the cells.
    pub(crate) fn direction_at(&self, x: f32, y: f32) -> f32 {
        let (column, row) = (cell_place(x), cell_place(y));
        0.5 * math::wrap_turn(math::atan2(self.sin.between(column, row), self.cos.between(column, row)))
    }

    /// How much the gradients around a cell agree, 0 to 1.
    pub(crate) fn coherence(&self, column: usize, row: usize) -> f32 {
        let (c, s) = (self.cos.at(column, row), self.sin.at(column, row));
        (c * c + s * s).sqrt().min(1.0)
    }
}

/// How many cells cover an image.
pub(crate) fn grid(image: &Plane<f32>) -> (usize, usize) {
    (image.width().div_ceil(CELL), image.height().div_ceil(CELL))
}

/// A pixel's place on the grid of cells, whose values belong to the cells' middles.
pub(crate) fn cell_place(pixel: f32) -> f32 {
    (pixel - (CELL as f32 - 1.0) / 2.0) / CELL as f32
}

fn smooth(cos: &Plane<f32>, sin: &Plane<f32>, energy: &Plane<f32>, deviation: f32) -> Field {
    let weight = energy.blurred(deviation);
    let over = |plane: &Plane<f32>| {
        let mut smooth = plane.blurred(deviation);
        for (value, &total) in smooth.cells_mut().iter_mut().zip(weight.cells()) {
            *value /= total + 1e-3;
        }
        smooth
    };
    Field { cos: over(cos), sin: over(sin) }
}

const PERIOD_MIN: f32 = 5.0;
const PERIOD_MAX: f32 = 15.0;
const PERIOD_STEPS: usize = 21;
const SIGNATURE: usize = 40;
/// Cells between two measurements of the period.
const STRIDE: usize = 4;

/// The ridge period in pixels at every cell.
///
/// Along each measured cell's direction the image is folded into a profile across the ridges, and
/// the wave that fits the profile best gives the period; neighbours are averaged by how well it fitted.
pub(crate) fn periods(image: &Plane<f32>, field: &Field, mask: &Plane<bool>) -> Plane<f32> {
    let (columns, rows) = grid(image);
    let waves = Waves::new();
    let mut sum = Plane::new(columns, rows, 0.0f32);
    let mut weight = Plane::new(columns, rows, 0.0f32);
    for row in (STRIDE / 2..rows).step_by(STRIDE) {
        for column in (STRIDE / 2..columns).step_by(STRIDE) {
            if !mask.at(column, row) {
                continue;
            }
            let profile = profile(image, field, column, row);
            let (period, fit) = waves.best(&profile);
            let trust = fit * field.coherence(column, row);
            sum.set(column, row, trust * period);
            weight.set(column, row, trust);
        }
    }
    let near = (sum.blurred(6.0), weight.blurred(6.0));
    let total: f32 = weight.cells().iter().sum();
    let mean = if total > 1e-3 { sum.cells().iter().sum::<f32>() / total } else { 9.0 };
    Plane::from_fn(columns, rows, |x, y| {
        // a little of the overall mean keeps lonely cells from inventing periods
        let period = (near.0.at(x, y) + 0.002 * mean) / (near.1.at(x, y) + 0.002);
        period.clamp(PERIOD_MIN, PERIOD_MAX)
    })
}

fn profile(image: &Plane<f32>, field: &Field, column: usize, row: usize) -> [f32; SIGNATURE] {
    let direction = field.direction(column, row);
    let (sin, cos) = (math::sin(direction), math::cos(direction));
    let (x, y) = (column as f32 * CELL as f32 + 1.5, row as f32 * CELL as f32 + 1.5);
    let half = SIGNATURE as f32 / 2.0 - 0.5;
    std::array::from_fn(|step| {
        let across = step as f32 - half;
        let mut sum = 0.0;
        for along in -7..=7 {
            let along = 1.5 * along as f32;
            let px = math::round(x + across * sin + along * cos);
            let py = math::round(y + across * cos - along * sin);
            sum += image.get(px, py).unwrap_or(0.0);
        }
        sum
    })
}

/// Cosines and sines of every candidate period under one bell.
struct Waves {
    list: Vec<(f32, [f32; SIGNATURE], [f32; SIGNATURE])>,
    bell: [f32; SIGNATURE],
}

impl Waves {
    fn new() -> Self {
        let half = SIGNATURE as f32 / 2.0 - 0.5;
        let bell = std::array::from_fn(|i| 0.5 + 0.5 * math::cos(PI * (i as f32 - half) / (half + 1.0)));
        let list = (0..PERIOD_STEPS)
            .map(|step| {
                let part = step as f32 / (PERIOD_STEPS - 1) as f32;
                let period = PERIOD_MIN + part * (PERIOD_MAX - PERIOD_MIN);
                let wave =
                    |shift: f32| std::array::from_fn(|i| bell[i] * math::cos(TAU * (i as f32 - half) / period - shift));
                (period, wave(0.0), wave(PI / 2.0))
            })
            .collect();
        Self { list, bell }
    }

    /// The best period and how much of the profile it explains.
    fn best(&self, profile: &[f32; SIGNATURE]) -> (f32, f32) {
        let weight: f32 = self.bell.iter().sum();
        let mean = dot(profile, &self.bell) / weight;
        let level: [f32; SIGNATURE] = std::array::from_fn(|i| profile[i] - mean);
        let energy: f32 = (0..SIGNATURE).map(|i| level[i] * level[i] * self.bell[i]).sum();
        let powers: Vec<f32> = self
            .list
            .iter()
            .map(|(_, even, odd)| {
                let (a, b) = (dot(&level, even), dot(&level, odd));
                a * a + b * b
            })
            .collect();
        let mut best = 1;
        for place in 1..PERIOD_STEPS - 1 {
            if powers[place] > powers[best] {
                best = place;
            }
        }
        let (left, top, right) = (powers[best - 1], powers[best], powers[best + 1]);
        let bow = left - 2.0 * top + right;
        let shift = if bow < 0.0 { (0.5 * (left - right) / bow).clamp(-0.5, 0.5) } else { 0.0 };
        let step = (PERIOD_MAX - PERIOD_MIN) / (PERIOD_STEPS - 1) as f32;
        let fit = 2.0 * top / (energy * weight + 1e-6);
        (self.list[best].0 + shift * step, fit.clamp(0.0, 1.0))
    }
}

fn dot(a: &[f32; SIGNATURE], b: &[f32; SIGNATURE]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(direction: f32, period: f32) -> Plane<f32> {
        Plane::from_fn(120, 100, |x, y| {
            let u = x as f32 * math::sin(direction) + y as f32 * math::cos(direction);
            math::cos(TAU * u / period)
        })
    }

    #[test]
    fn straight_ridges_give_their_direction_and_period() {
        for (direction, period) in [(0.2, 7.0), (1.1, 9.3), (2.9, 12.0)] {
            let image = waves(direction, period);
            let field = Field::of(&image, 10.0);
            let (columns, rows) = grid(&image);
            let found = field.direction(columns / 2, rows / 2);
            assert!((found - direction).abs() < 0.03, "{found} for {direction}");
            assert!(field.coherence(columns / 2, rows / 2) > 0.95);
            let mask = Plane::new(columns, rows, true);
            let found = periods(&image, &field, &mask).at(columns / 2, rows / 2);
            assert!((found - period).abs() < 0.35, "{found} for {period}");
        }
    }
}
