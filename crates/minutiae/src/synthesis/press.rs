//! One act of putting a finger on the glass: where, how hard, how dry, how dirty.

use crate::dice::Dice;

/// How well a press goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// A patient user and a clean reader.
    Good,
    /// What an office door sees on a normal day.
    Ordinary,
    /// Dry or wet skin, a hurried and partial touch, a dirty reader.
    Poor,
}

impl Level {
    /// The levels from best to worst.
    pub const ALL: [Self; 3] = [Self::Good, Self::Ordinary, Self::Poor];

    /// How degraded the level's presses are, 0 to 1.
    pub fn degradation(self) -> f32 {
        match self {
            Self::Good => 0.14,
            Self::Ordinary => 0.44,
            Self::Poor => 0.70,
        }
    }
}

/// One act of putting a finger down.
///
/// A seed fixes every draw; the degradation only scales them. The same seed at a higher
/// degradation is therefore the same press gone worse.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Press {
    /// Seed of the noise, the blotches and the distortion.
    pub seed: u64,
    /// How far the finger lies to the right of the middle, pixels at 500 dpi.
    pub shift_x: f32,
    /// How far the finger lies below the middle, pixels at 500 dpi.
    pub shift_y: f32,
    /// How far the finger is turned, radians counter-clockwise.
    pub rotation: f32,
    /// The largest displacement by stretched skin, pixels at 500 dpi.
    pub stretch: f32,
    /// How much of the finger touches, 1 all of it, 0.5 half its width.
    pub contact: f32,
    /// How hard: -1 barely, 1 very; widens the ridges and the contact.
    pub pressure: f32,
    /// How wet the skin is: -1 parched (broken ridges), 1 dripping (merged ridges).
    pub moisture: f32,
    /// How dirty and noisy reader and skin are, 0 to 1.
    pub noise: f32,
}

impl Press {
    /// Draws a press of a level.
    pub fn draw(seed: u64, level: Level) -> Self {
        Self::degraded(seed, level.degradation())
    }

    /// Draws a press degraded by 0 (as good as it gets) to 1 (hardly usable).
    pub fn degraded(seed: u64, degradation: f32) -> Self {
        let d = if degradation.is_finite() { degradation.clamp(0.0, 1.0) } else { 1.0 };
        let mut dice = Dice::branch(seed, 11);
        let [x, y, turn, stretch, contact] = std::array::from_fn(|_| dice.normal());
        let (pressure, moisture) = (dice.normal(), dice.normal());
        Self {
            seed,
            shift_x: x * (5.0 + 13.0 * d),
            shift_y: y * (6.0 + 16.0 * d),
            rotation: turn * (0.05 + 0.13 * d),
            stretch: (2.0 + 4.0 * d) * (1.0 + 0.3 * stretch).max(0.3),
            contact: (1.0 - 0.28 * d * d - 0.07 * d * contact.abs()).max(0.5),
            pressure: (pressure * (0.2 + 0.4 * d)).clamp(-1.0, 1.0),
            moisture: (moisture * (0.15 + 0.6 * d)).clamp(-1.0, 1.0),
            noise: d,
        }
    }
}
