//! How ridges flow: patterns, cores, deltas.
//!
//! The direction of a ridge is half the sum of the angles towards the cores minus those towards
//! the deltas (the zero-pole model), bent by smooth disturbances so that no two fingers of a
//! pattern look alike. Directions are radians, counter-clockwise from the right.

use std::f32::consts::PI;

use crate::dice::Dice;
use crate::math;
use crate::plane::Plane;

/// The class of a fingerprint, by the flow of its ridges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Ridges rise in the middle and leave on the other side; no core.
    Arch,
    /// An arch with an upright spine: core and delta one above the other.
    TentedArch,
    /// Ridges enter and leave on the left.
    LeftLoop,
    /// Ridges enter and leave on the right.
    RightLoop,
    /// Ridges go round; two cores close together, two deltas.
    Whorl,
    /// Two loops turned into each other; two cores well apart, two deltas.
    DoubleLoop,
}

impl Pattern {
    /// Every pattern, rarest first.
    pub const ALL: [Self; 6] =
        [Self::Arch, Self::TentedArch, Self::DoubleLoop, Self::Whorl, Self::LeftLoop, Self::RightLoop];

    /// Draws a pattern about as often as people have it.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        match math::floor(dice.unit() * 100.0) {
            0..4 => Self::Arch,
            4..8 => Self::TentedArch,
            8..14 => Self::DoubleLoop,
            14..36 => Self::Whorl,
            36..68 => Self::LeftLoop,
            _ => Self::RightLoop,
        }
    }
}

/// A point the flow turns around, with the small waves that make its turn irregular.
struct Turn {
    x: f32,
    y: f32,
    sign: f32,
    waves: [(f32, f32); 3],
}

impl Turn {
    fn new(x: f32, y: f32, sign: f32, dice: &mut Dice) -> Self {
        let waves = [0.16, 0.10, 0.06].map(|size: f32| (size * dice.between(-1.0, 1.0), dice.between(0.0, 2.0 * PI)));
        Self { x, y, sign, waves }
    }

    fn angle(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.x, y - self.y);
        let angle = math::atan2(dy, dx);
        let mut bent = angle;
        let mut step = 1.0;
        for (size, start) in self.waves {
            bent += size * math::sin(step * angle + start);
            step += 1.0;
        }
        self.sign * bent * 0.5
    }
}

/// The arch's hump: how steep, where, how wide.
struct Hump {
    steep: f32,
    middle: f32,
    wide: f32,
    tall: f32,
}

/// The ridge direction at every place of one finger.
pub(super) struct Flow {
    turns: Vec<Turn>,
    hump: Option<Hump>,
    tilt: f32,
    bend: Plane<f32>,
    bend_size: f32,
    width: usize,
    height: usize,
}

impl Flow {
    /// Places cores and deltas for a pattern on a finger of the given size in pixels.
    pub(super) fn new(pattern: Pattern, width: usize, height: usize, dice: &mut Dice) -> Self {
        let mut turns = Vec::new();
        let mut hump = None;
        // coordinates from the middle of the finger, y upwards
        let core_x = dice.between(-22.0, 22.0);
        let core_y = dice.between(-8.0, 42.0);
        match pattern {
            Pattern::Arch => {
                hump = Some(Hump {
                    steep: dice.between(0.55, 1.15),
                    middle: core_x,
                    wide: dice.between(150.0, 215.0),
                    tall: dice.between(90.0, 160.0),
                });
            }
            Pattern::TentedArch => {
                let drop = dice.between(45.0, 95.0);
                let lean = dice.between(-14.0, 14.0);
                turns.push(Turn::new(core_x, core_y - 10.0, 1.0, dice));
                turns.push(Turn::new(core_x + lean, core_y - 10.0 - drop, -1.0, dice));
            }
            Pattern::LeftLoop | Pattern::RightLoop => {
                let side = if pattern == Pattern::LeftLoop { 1.0 } else { -1.0 };
                let out = side * dice.between(48.0, 118.0);
                let drop = dice.between(62.0, 135.0);
                turns.push(Turn::new(core_x, core_y, 1.0, dice));
                turns.push(Turn::new(core_x + out, core_y - drop, -1.0, dice));
            }
            Pattern::Whorl | Pattern::DoubleLoop => {
                let (apart, aside) = if pattern == Pattern::Whorl {
                    (dice.between(8.0, 38.0), dice.between(-8.0, 8.0))
                } else {
                    (dice.between(42.0, 78.0), dice.between(-26.0, 26.0))
                };
                turns.push(Turn::new(core_x + aside, core_y + apart * 0.5, 1.0, dice));
                turns.push(Turn::new(core_x - aside, core_y - apart * 0.5, 1.0, dice));
                for side in [-1.0, 1.0] {
                    let out = side * dice.between(66.0, 128.0);
                    let drop = dice.between(62.0, 140.0);
                    turns.push(Turn::new(core_x + out, core_y - drop, -1.0, dice));
                }
            }
        }
        Self {
            turns,
            hump,
            tilt: dice.between(-0.2, 0.2),
            bend: dice.field(width, height, 88.0),
            bend_size: dice.between(0.10, 0.24),
            width,
            height,
        }
    }

    /// The direction at a pixel (y downwards), radians.
    pub(super) fn at(&self, column: usize, row: usize) -> f32 {
        let px = column as f32 - self.width as f32 / 2.0;
        let py = self.height as f32 / 2.0 - row as f32;
        let (sin, cos) = (math::sin(self.tilt), math::cos(self.tilt));
        let x = px * cos + py * sin;
        let y = py * cos - px * sin;
        let mut direction = self.tilt;
        for turn in &self.turns {
            direction += turn.angle(x, y);
        }
        if let Some(hump) = &self.hump {
            let height = (y - 10.0) / hump.tall;
            let steep = hump.steep * math::exp(-height * height);
            let across = ((x - hump.middle) / hump.wide).clamp(-1.0, 1.0);
            direction -= math::atan(steep * math::sin(PI * across));
        }
        direction + self.bend_size * self.bend.at(column, row)
    }
}
