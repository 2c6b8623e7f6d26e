//! From a finger and a press to grey pixels.
//!
//! Every pixel of the reader asks the finger what lies over it, through the turned, shifted and
//! stretched skin; pressure and moisture decide how much of a ridge touches the glass; blotches,
//! grain, scratches and the reader's own noise do the rest.

use super::finger::{Finger, HEIGHT_PX, WIDTH_PX};
use super::press::Press;
use crate::dice::Dice;
use crate::image::{Image, WORKING_DPI};
use crate::math;
use crate::plane::Plane;

const READER_WIDTH: u32 = 256;
const READER_HEIGHT: u32 = 288;

pub(super) fn render(finger: &Finger, press: &Press) -> Image {
    let (width, height) = (READER_WIDTH as usize, READER_HEIGHT as usize);
    let mut dice = Dice::branch(press.seed ^ finger.seed().rotate_left(23), 21);
    let skin = Skin::draw(press, width, height, &mut dice);
    let dirt = Dirt::draw(press, width, height, &mut dice);

    let mut touch = Plane::from_fn(width, height, |x, y| {
        let (u, v) = skin.under(x, y);
        let contact = skin.contact(u, v, dirt.edge.at(x, y));
        if contact <= 0.0 {
            return 0.0;
        }
        let relief = finger.relief.between(u, v) + dirt.grain_at(x, y);
        // how high the glass cuts through the ridge: wet and pressed fingers touch with more
        let wet = 0.55 * press.moisture + 0.45 * press.pressure + dirt.blotch_at(x, y);
        let level = 0.08 - 0.62 * wet;
        let ink = math::smoothstep(level - 0.55, level + 0.55, relief);
        // a barely touching edge prints only the tops
        ink * math::smoothstep(0.0, 0.5, contact) * dirt.fading_at(x, y)
    });
    dirt.scratch(&mut touch, &mut dice);
    let touch = touch.blurred(0.55 + 0.25 * press.noise);

    let ground = dice.between(196.0, 226.0);
    let ink = dice.between(128.0, 158.0) - 26.0 * press.noise;
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let grain = dice.normal() * (3.0 + 17.0 * press.noise);
            let value = ground - ink * touch.at(x, y) + dirt.shade_at(x, y) + grain;
            pixels.push(math::grey(value));
        }
    }
    Image::new(READER_WIDTH, READER_HEIGHT, WORKING_DPI, pixels)
        .expect("the reader's size is within the limits and every pixel was written")
}

/// Where the skin lies and which part of it touches.
struct Skin {
    sin: f32,
    cos: f32,
    shift: (f32, f32),
    middle: (f32, f32),
    stretch_x: Plane<f32>,
    stretch_y: Plane<f32>,
    stretch: f32,
    twist: f32,
    half_wide: f32,
    half_tall: f32,
    lift: (f32, f32),
}

impl Skin {
    fn draw(press: &Press, width: usize, height: usize, dice: &mut Dice) -> Self {
        let swell = 1.0 + 0.10 * press.pressure;
        let lift = 1.0 - press.contact;
        Self {
            sin: math::sin(press.rotation),
            cos: math::cos(press.rotation),
            shift: (press.shift_x, press.shift_y),
            middle: (width as f32 / 2.0, height as f32 / 2.0),
            stretch_x: dice.field(width, height, 105.0),
            stretch_y: dice.field(width, height, 105.0),
            stretch: press.stretch,
            twist: 0.05 * press.stretch * dice.between(-0.25, 0.25),
            half_wide: 112.0 * swell * (0.45 + 0.55 * press.contact) * dice.between(0.94, 1.06),
            half_tall: 150.0 * swell * (0.45 + 0.55 * press.contact) * dice.between(0.94, 1.06),
            lift: (80.0 * lift * dice.between(-1.0, 1.0), 100.0 * lift * dice.between(-1.0, 1.0)),
        }
    }

    /// The place on the finger that lies over a pixel of the reader.
    fn under(&self, x: usize, y: usize) -> (f32, f32) {
        let px = x as f32 - self.middle.0 - self.shift.0 + self.stretch * self.stretch_x.at(x, y);
        let py = y as f32 - self.middle.1 - self.shift.1 + self.stretch * self.stretch_y.at(x, y);
        // the middle sticks to the glass while the rim is dragged round
        let twist = self.twist * math::smoothstep(30.0, 130.0, (px * px + py * py).sqrt());
        let (sin, cos) = (self.sin + twist * self.cos, self.cos - twist * self.sin);
        (px * cos - py * sin + WIDTH_PX as f32 / 2.0, px * sin + py * cos + HEIGHT_PX as f32 / 2.0)
    }

    /// Above 0 where the finger touches, near 1 in the middle.
    fn contact(&self, u: f32, v: f32, ragged: f32) -> f32 {
        let across = (u - WIDTH_PX as f32 / 2.0 - self.lift.0) / self.half_wide;
        let down = (v - HEIGHT_PX as f32 / 2.0 - self.lift.1) / self.half_tall;
        let beyond = (across * across + down * down).sqrt();
        (1.0 - beyond) * 4.0 + 0.35 * ragged
    }
}

/// Everything that is neither finger nor glass.
struct Dirt {
    noise: f32,
    dry: f32,
    edge: Plane<f32>,
    blotch: Plane<f32>,
    grain: Plane<f32>,
    fading: Plane<f32>,
    shade: Plane<f32>,
}

impl Dirt {
    fn draw(press: &Press, width: usize, height: usize, dice: &mut Dice) -> Self {
        Self {
            noise: press.noise,
            dry: (-press.moisture).max(0.0),
            edge: dice.field(width, height, 14.0),
            blotch: dice.field(width, height, 34.0),
            grain: dice.field(width, height, 2.6),
            fading: dice.field(width, height, 24.0),
            shade: dice.field(width, height, 120.0),
        }
    }

    /// Skin grain: breaks thin or dry ridges.
    fn grain_at(&self, x: usize, y: usize) -> f32 {
        (0.10 + 0.75 * self.noise * self.noise + 0.45 * self.dry) * self.grain.at(x, y)
    }

    /// Wetter and drier patches.
    fn blotch_at(&self, x: usize, y: usize) -> f32 {
        (0.10 + 0.75 * self.noise) * self.blotch.at(x, y)
    }

    /// Patches that hardly print at all.
    fn fading_at(&self, x: usize, y: usize) -> f32 {
        let faded = math::smoothstep(1.25 - 0.75 * self.noise, 1.9, self.fading.at(x, y) + 0.5);
        1.0 - faded * self.noise
    }

    fn shade_at(&self, x: usize, y: usize) -> f32 {
        (3.0 + 16.0 * self.noise) * self.shade.at(x, y)
    }

    /// Thin straight lines without ink: hairs and scratches.
    fn scratch(&self, touch: &mut Plane<f32>, dice: &mut Dice) {
        let (width, height) = (touch.width() as f32, touch.height() as f32);
        // always five draws, so that a worse press of the same seed has the same lines and more
        for line in 0..5u8 {
            let (mut x, mut y) = (dice.unit() * width, dice.unit() * height);
            let heading = dice.between(0.0, std::f32::consts::PI);
            let length = dice.between(30.0, 130.0);
            let depth = ((self.noise * 5.0) - f32::from(line)).clamp(0.0, 1.0) * 0.85;
            let mut gone = 0.0;
            while gone < length && depth > 0.0 {
                let (column, row) = (math::round(x), math::round(y));
                for (dx, dy) in [(0, 0), (1, 0), (0, 1)] {
                    let (px, py) = (column + dx, row + dy);
                    if let Some(value) = touch.get(px, py)
                        && let (Ok(px), Ok(py)) = (usize::try_from(px), usize::try_from(py))
                    {
                        touch.set(px, py, value * (1.0 - depth));
                    }
                }
                x += math::cos(heading);
                y += math::sin(heading);
                gone += 1.0;
            }
        }
    }
}
