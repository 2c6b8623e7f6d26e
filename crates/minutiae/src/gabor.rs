//! Filters that keep ridges of one direction and period and lose everything else.
//!
//! Synthesis grows ridges out of noise with them; extraction cleans real ones. A bank holds one
//! kernel for each direction and period, and every pixel picks its own.

use std::f32::consts::{PI, TAU};

use crate::math;
use crate::plane::Plane;

const LANES: usize = 8;

/// How wide the filters of a bank are, in ridge periods.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) across: f32,
    pub(crate) along: f32,
    pub(crate) radius: usize,
}

/// Kernels for evenly spaced directions and a list of periods.
pub(crate) struct Bank {
    directions: usize,
    periods: Vec<f32>,
    radius: usize,
    /// Row length of a kernel, a multiple of the lanes.
    stride: usize,
    kernels: Vec<Vec<f32>>,
}

impl Bank {
    pub(crate) fn new(directions: usize, periods: &[f32], spread: Spread) -> Self {
        let side = 2 * spread.radius + 1;
        let stride = side.div_ceil(LANES) * LANES;
        let kernels = periods
            .iter()
            .flat_map(|&period| (0..directions).map(move |step| (period, step)))
            .map(|(period, step)| kernel(PI * step as f32 / directions as f32, period, spread, stride))
            .collect();
        Self { directions, periods: periods.to_vec(), radius: spread.radius, stride, kernels }
    }

    /// The kernel nearest to a ridge direction (radians, counter-clockwise) and period (pixels).
    pub(crate) fn pick(&self, direction: f32, period: f32) -> u16 {
        let turns = direction / PI;
        let turns = turns - turns.floor();
        let step = math::index(turns * self.directions as f32) % self.directions;
        let mut nearest = 0;
        for (place, &candidate) in self.periods.iter().enumerate() {
            if (candidate - period).abs() < (self.periods[nearest] - period).abs() {
                nearest = place;
            }
        }
        u16::try_from(nearest * self.directions + step).unwrap_or(0)
    }

    /// Filters every pixel whose choice is not `None` with its own kernel; the rest become 0.
    pub(crate) fn filtered(&self, source: &Plane<f32>, choice: &Plane<Option<u16>>) -> Plane<f32> {
        let (width, height) = (source.width(), source.height());
        let margin = self.radius;
        let padded_width = width + self.stride + margin;
        let mut padded = vec![0.0f32; padded_width * (height + 2 * margin)];
        for y in 0..height {
            let start = (y + margin) * padded_width + margin;
            padded[start..start + width].copy_from_slice(source.row(y));
        }
        let mut out = Plane::new(width, height, 0.0f32);
        for y in 0..height {
            let choices = choice.row(y);
            for (x, value) in out.row_mut(y).iter_mut().enumerate() {
                if let Some(pick) = choices[x] {
                    let window = &padded[y * padded_width + x..];
                    *value = self.respond(window, padded_width, usize::from(pick));
                }
            }
        }
        out
    }

    fn respond(&self, window: &[f32], window_stride: usize, pick: usize) -> f32 {
        let mut sums = [0.0f32; LANES];
        let kernel = &self.kernels[pick];
        for (row, weights) in kernel.chunks_exact(self.stride).enumerate() {
            let start = row * window_stride;
            let cells = &window[start..start + self.stride];
            for (cells, weights) in cells.chunks_exact(LANES).zip(weights.chunks_exact(LANES)) {
                for lane in 0..LANES {
                    sums[lane] += cells[lane] * weights[lane];
                }
            }
        }
        ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]))
    }
}

/// One kernel: a cosine across the ridges under a bell, blind to brightness, with a response of 1
/// to a cosine of its own direction and period.
fn kernel(direction: f32, period: f32, spread: Spread, stride: usize) -> Vec<f32> {
    let side = 2 * spread.radius + 1;
    let (sin, cos) = (math::sin(direction), math::cos(direction));
    let across = spread.across * period;
    let along = spread.along * period;
    let mut bell = vec![0.0f32; side * stride];
    let mut wave = vec![0.0f32; side * stride];
    // the same on both sides of the middle, so half of it is enough
    let middle = spread.radius;
    for row in 0..=middle {
        for column in 0..if row < middle { side } else { middle + 1 } {
            let dx = column as f32 - middle as f32;
            let dy = row as f32 - middle as f32;
            let u = dx * sin + dy * cos;
            let v = dx * cos - dy * sin;
            let bell_here = math::exp(-0.5 * (u * u / (across * across) + v * v / (along * along)));
            let wave_here = math::cos(TAU * u / period);
            for place in [row * stride + column, (side - 1 - row) * stride + side - 1 - column] {
                bell[place] = bell_here;
                wave[place] = wave_here;
            }
        }
    }
    let weight: f32 = bell.iter().sum();
    let mean = bell.iter().zip(&wave).map(|(b, w)| b * w).sum::<f32>() / weight;
    let mut kernel: Vec<f32> = bell.iter().zip(&wave).map(|(b, w)| b * (w - mean)).collect();
    let gain: f32 = kernel.iter().zip(&wave).map(|(k, w)| k * w).sum();
    for tap in &mut kernel {
        *tap /= gain;
    }
    kernel
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPREAD: Spread = Spread { across: 0.45, along: 0.5, radius: 9 };

    fn response_to_waves(direction: f32) -> f32 {
        let bank = Bank::new(16, &[9.0], SPREAD);
        let waves = Plane::from_fn(41, 41, |x, y| {
            let u = x as f32 * math::sin(direction) + y as f32 * math::cos(direction);
            math::cos(TAU * u / 9.0)
        });
        let choice = Plane::new(41, 41, Some(bank.pick(0.7, 9.0)));
        let out = bank.filtered(&waves, &choice);
        out.at(20, 20) / waves.at(20, 20)
    }

    #[test]
    fn ridges_of_the_chosen_direction_pass_and_crossing_ones_do_not() {
        let along = response_to_waves(0.7);
        let across = response_to_waves(0.7 + PI / 2.0);
        assert!((along - 1.0).abs() < 0.1, "{along}");
        assert!(across.abs() < 0.25, "{across}");
    }
}
