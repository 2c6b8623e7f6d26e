//! Seeded randomness and smooth random fields for the synthesis and the tests.
//!
//! SplitMix64: small, well mixed, the same on every machine. Nothing here is fit for secrets.

use crate::math;
use crate::plane::Plane;

/// A stream of random numbers fixed by its seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x5851_f42d_4c95_7f2d }
    }

    /// An independent stream for one purpose, so that adding a draw in one place moves no other.
    pub(crate) fn branch(seed: u64, purpose: u64) -> Self {
        let mut dice = Self::new(seed.wrapping_add(purpose.wrapping_mul(0xd6e8_feb8_6659_fd93)));
        dice.next();
        dice
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), 24 bits.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 16_777_216.0
    }

    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Close to normal with mean 0 and deviation 1, never beyond ±3.5: a sum of four uniforms.
    pub(crate) fn normal(&mut self) -> f32 {
        let sum = self.unit() + self.unit() + self.unit() + self.unit();
        (sum - 2.0) * 1.732_050_8
    }

    /// A smooth field around 0 (deviation near 0.6) whose bumps are about `cell` pixels wide.
    pub(crate) fn field(&mut self, width: usize, height: usize, cell: f32) -> Plane<f32> {
        let columns = math::index(width as f32 / cell) + 3;
        let rows = math::index(height as f32 / cell) + 3;
        let knots = Plane::from_fn(columns, rows, |_, _| self.normal());
        let across: Vec<(usize, f32)> = (0..width).map(|x| knot(x, cell)).collect();
        let mut field = Plane::new(width, height, 0.0f32);
        for y in 0..height {
            let (row, down) = knot(y, cell);
            let (upper, lower) = (knots.row(row), knots.row(row + 1));
            for (value, &(column, right)) in field.row_mut(y).iter_mut().zip(&across) {
                let top = upper[column] + (upper[column + 1] - upper[column]) * right;
                let bottom = lower[column] + (lower[column + 1] - lower[column]) * right;
                *value = top + (bottom - top) * down;
            }
        }
        field
    }
}

/// Which knot lies before a pixel, and how far (eased) the pixel is on its way to the next.
fn knot(pixel: usize, cell: f32) -> (usize, f32) {
    let place = pixel as f32 / cell;
    let whole = math::floor(place);
    let part = place - whole as f32;
    (usize::try_from(whole).unwrap_or(0), part * part * (3.0 - 2.0 * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_draws_of_a_seed_never_change() {
        let mut dice = Dice::new(7);
        assert_eq!(
            [dice.next(), dice.next()],
            [Dice::new(7).next(), {
                let mut again = Dice::new(7);
                again.next();
                again.next()
            }]
        );
        assert_ne!(Dice::branch(7, 1).next(), Dice::branch(7, 2).next());
    }

    #[test]
    fn fields_are_smooth_and_centred() {
        let field = Dice::new(3).field(200, 150, 20.0);
        let mean: f32 = field.cells().iter().sum::<f32>() / 30_000.0;
        assert!(mean.abs() < 0.25, "{mean}");
        for y in 0..150 {
            for pair in field.row(y).windows(2) {
                assert!((pair[0] - pair[1]).abs() < 0.6);
            }
        }
    }
}
