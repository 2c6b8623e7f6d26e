//! A finger: everything that stays the same from one press to the next.

use std::f32::consts::TAU;

use super::flow::{Flow, Pattern};
use super::impression;
use super::press::Press;
use super::ridges::{self, Plan};
use crate::dice::Dice;
use crate::image::Image;
use crate::math;
use crate::plane::Plane;

/// The finger's skin in pixels at 500 dpi: 18.7 by 22.8 millimetres.
pub(super) const WIDTH_PX: usize = 368;
pub(super) const HEIGHT_PX: usize = 448;

/// A finger that never existed, grown from a seed; about 0.1 s and 650 KB each.
///
/// ```
/// use minutiae::synthesis::{Finger, Level, Press};
/// let finger = Finger::from_seed(42);
/// let image = finger.impression(&Press::draw(1, Level::Ordinary));
/// assert_eq!((image.width(), image.height(), image.dpi()), (256, 288, 500));
/// assert_eq!(image, finger.impression(&Press::draw(1, Level::Ordinary)));
/// ```
#[derive(Clone)]
pub struct Finger {
    seed: u64,
    pattern: Pattern,
    /// Ridges towards 1, valleys towards -1, pores and creases cut in.
    pub(super) relief: Plane<f32>,
}

impl Finger {
    /// Grows the finger of a seed; its pattern is drawn about as often as people have it.
    pub fn from_seed(seed: u64) -> Self {
        let pattern = Pattern::draw(&mut Dice::branch(seed, 1));
        Self::with_pattern(seed, pattern)
    }

    /// Grows the finger of a seed with a chosen pattern.
    pub fn with_pattern(seed: u64, pattern: Pattern) -> Self {
        let flow = Flow::new(pattern, WIDTH_PX, HEIGHT_PX, &mut Dice::branch(seed, 2));
        let plan = Plan {
            direction: Plane::from_fn(WIDTH_PX, HEIGHT_PX, |x, y| flow.at(x, y)),
            period: periods(&mut Dice::branch(seed, 3)),
        };
        let mut relief = ridges::grow(&plan, &mut Dice::branch(seed, 4));
        cut_pores(&mut relief, &mut Dice::branch(seed, 5));
        cut_creases(&mut relief, &mut Dice::branch(seed, 6));
        Self { seed, pattern, relief }
    }

    /// The seed the finger was grown from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// How the ridges flow.
    pub fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// The print this finger leaves on a 256 × 288 reader at 500 dpi.
    pub fn impression(&self, press: &Press) -> Image {
        impression::render(self, press)
    }
}

impl std::fmt::Debug for Finger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Finger(seed {}, {:?})", self.seed, self.pattern)
    }
}

/// The ridge period at every place: a mean of the finger's own, varying by about a tenth.
fn periods(dice: &mut Dice) -> Plane<f32> {
    let mean = dice.between(7.9, 10.2);
    let slope = dice.between(-0.05, 0.12);
    let vary = dice.field(WIDTH_PX, HEIGHT_PX, 70.0);
    Plane::from_fn(WIDTH_PX, HEIGHT_PX, |x, y| {
        let down = y as f32 / HEIGHT_PX as f32 - 0.5;
        (mean * (1.0 + slope * down + 0.11 * vary.at(x, y))).clamp(6.6, 12.0)
    })
}

/// Sweat pores: small pits along the ridges, in the same place at every press.
fn cut_pores(relief: &mut Plane<f32>, dice: &mut Dice) {
    const GRID_PX: usize = 7;
    for row in 0..HEIGHT_PX / GRID_PX {
        for column in 0..WIDTH_PX / GRID_PX {
            let x = column * GRID_PX + math::index(dice.unit() * 6.0);
            let y = row * GRID_PX + math::index(dice.unit() * 6.0);
            let depth = dice.between(0.3, 1.1);
            if relief.at(x.min(WIDTH_PX - 1), y.min(HEIGHT_PX - 1)) < 0.6 {
                continue;
            }
            for dy in -2..=2i32 {
                for dx in -2..=2i32 {
                    let (px, py) = (offset(x, dx), offset(y, dy));
                    if px < WIDTH_PX && py < HEIGHT_PX {
                        let near = (dx * dx + dy * dy) as f32;
                        let cut = depth * math::exp(-near / 1.6);
                        relief.set(px, py, relief.at(px, py) - cut);
                    }
                }
            }
        }
    }
}

/// Creases: a few thin lines where the skin folds and no ridge touches the glass.
fn cut_creases(relief: &mut Plane<f32>, dice: &mut Dice) {
    let count = math::index(dice.between(-1.4, 3.4).max(0.0));
    for _ in 0..count {
        let mut x = dice.between(40.0, WIDTH_PX as f32 - 40.0);
        let mut y = dice.between(60.0, HEIGHT_PX as f32 - 40.0);
        let mut heading = dice.between(0.0, TAU);
        let turn = dice.between(-0.006, 0.006);
        let length = math::index(dice.between(60.0, 190.0));
        let wide = dice.between(0.5, 1.3);
        for _ in 0..length {
            let (cx, cy) = (math::round(x), math::round(y));
            for dy in -4..=4 {
                for dx in -4..=4 {
                    let (Ok(px), Ok(py)) = (usize::try_from(cx + dx), usize::try_from(cy + dy)) else {
                        continue;
                    };
                    if px >= WIDTH_PX || py >= HEIGHT_PX {
                        continue;
                    }
                    // the distance to the line, not to this step of it
                    let (ox, oy) = (px as f32 - x, py as f32 - y);
                    let away = ox * math::sin(heading) - oy * math::cos(heading);
                    let floor = 3.0 * math::exp(-away * away / (2.0 * wide * wide)) - 1.0;
                    relief.set(px, py, relief.at(px, py).min(1.0 - floor.max(0.0)));
                }
            }
            x += math::cos(heading);
            y += math::sin(heading);
            heading += turn;
        }
    }
}

fn offset(place: usize, by: i32) -> usize {
    i32::try_from(place).ok().and_then(|p| usize::try_from(p + by).ok()).unwrap_or(usize::MAX)
}
