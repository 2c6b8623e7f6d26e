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
        // most pictures have no colour, and then a third of the bytes says the same
        let grey: Option<Vec<u8>> =
            (self.rgb.chunks_exact(3)).map(|rgb| (rgb[0] == rgb[1] && rgb[1] == rgb[2]).then_some(rgb[0])).collect();
        let (colour, bytes) = match &grey {
            Some(grey) => (png::ColorType::Grayscale, grey),
            None => (png::ColorType::Rgb, &self.rgb),
        };
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::High);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes));
        written.expect("memory takes every byte, and the canvas is as large as it says");
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(canvas: &Canvas) -> (png::OutputInfo, Vec<u8>) {
        let file = canvas.to_png();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        (info, bytes)
    }

    #[test]
    fn a_grey_canvas_is_a_grey_file_and_a_coloured_one_keeps_its_colours() {
        let mut canvas = Canvas::new(3, 2);
        canvas.dot(1, 0, [7, 7, 7]);
        let (info, bytes) = decoded(&canvas);
        assert_eq!((info.width, info.height, info.color_type), (3, 2, png::ColorType::Grayscale));
        assert_eq!(bytes, [255, 7, 255, 255, 255, 255]);

        canvas.dot(0, 1, [1, 2, 3]);
        let (info, bytes) = decoded(&canvas);
        assert_eq!(info.color_type, png::ColorType::Rgb);
        assert_eq!(bytes[9..12], [1, 2, 3]);
    }

    #[test]
    fn what_falls_outside_is_left_out_and_canvases_of_two_sizes_join() {
        let mut small = Canvas::new(4, 4);
        small.line((-5.0, -5.0), (9.0, 9.0), [0, 0, 0]);
        let joined = small.beside(&Canvas::new(2, 7));
        assert_eq!((joined.width(), joined.height()), (6, 7));
        assert_eq!(small.above(&joined).height(), 11);
    }
}
