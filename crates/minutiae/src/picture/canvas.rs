//! Dots, lines and rings on a coloured rectangle, and the rectangle as a PNG file.

use crate::math;

/// Rows of red, green and blue bytes.
#[derive(Clone)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![255; width * height * 3] }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Colours a pixel; outside nothing happens.
    pub(super) fn dot(&mut self, x: usize, y: usize, colour: [u8; 3]) {
        if x < self.width && y < self.height {
            let start = (y * self.width + x) * 3;
            self.rgb[start..start + 3].copy_from_slice(&colour);
        }
    }

    /// Moves everything towards white, so that drawings stand out.
    pub(super) fn fade(&mut self, part: f32) {
        for byte in &mut self.rgb {
            let value = f32::from(*byte);
            *byte = math::grey(value + (255.0 - value) * part);
        }
    }

    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), colour: [u8; 3]) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let steps = math::index(dx.abs().max(dy.abs())).max(1);
        for step in 0..=steps {
            let part = step as f32 / steps as f32;
            self.spot(from.0 + dx * part, from.1 + dy * part, colour);
        }
    }

    pub(super) fn ring(&mut self, middle: (f32, f32), colour: [u8; 3]) {
        const STEPS: u8 = 24;
        for step in 0..STEPS {
            let angle = f32::from(step) * (std::f32::consts::TAU / f32::from(STEPS));
            self.spot(middle.0 + 3.0 * math::cos(angle), middle.1 + 3.0 * math::sin(angle), colour);
        }
    }

    fn spot(&mut self, x: f32, y: f32, colour: [u8; 3]) {
        if let (Ok(x), Ok(y)) = (usize::try_from(math::round(x)), usize::try_from(math::round(y))) {
            self.dot(x, y, colour);
        }
    }

    pub(super) fn beside(&self, other: &Self) -> Self {
        let height = self.height.max(other.height);
        let mut out = Self::new(self.width + other.width, height);
        out.paste(self, 0, 0);
        out.paste(other, self.width, 0);
        out
    }

    pub(super) fn above(&self, other: &Self) -> Self {
        let width = self.width.max(other.width);
        let mut out = Self::new(width, self.height + other.height);
        out.paste(self, 0, 0);
        out.paste(other, 0, self.height);
        out
    }

    fn paste(&mut self, other: &Self, left: usize, top: usize) {
        for y in 0..other.height {
            let from = &other.rgb[y * other.width * 3..(y + 1) * other.width * 3];
            let start = ((top + y) * self.width + left) * 3;
            self.rgb[start..start + from.len()].copy_from_slice(from);
        }
    }

    pub(super) fn to_png(&self) -> Vec<u8> {
        let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb));
        written.expect("memory takes every byte, and the canvas is as large as it says");
        file
    }
}
