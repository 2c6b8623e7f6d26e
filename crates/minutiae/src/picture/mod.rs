//! Pictures of what the algorithms see, as PNG.
//!
//! Every picture is at 500 dpi, whatever the image was. Endings are red, forks blue; the tail of a
//! minutia shows its direction.

mod canvas;

use std::f32::consts::TAU;

use crate::extract::{CELL, Reading};
use crate::image::Image;
use crate::matcher::Correspondence;
use crate::math;
use crate::template::{Kind, View};
use canvas::Canvas;

const ENDING: [u8; 3] = [214, 30, 40];
const FORK: [u8; 3] = [20, 80, 220];
const FLOW: [u8; 3] = [0, 140, 70];
const RIDGE: [u8; 3] = [0, 130, 60];
const PAIR: [u8; 3] = [230, 140, 0];

/// A finished picture.
///
/// ```
/// use minutiae::picture::Picture;
/// use minutiae::synthesis::{Finger, Level, Press};
/// let image = Finger::from_seed(3).impression(&Press::draw(1, Level::Ordinary));
/// let reading = minutiae::extract(&image)?;
/// let png = Picture::minutiae(&image, &reading).to_png();
/// assert_eq!(&png[1..4], b"PNG");
/// # Ok::<(), minutiae::ExtractError>(())
/// ```
#[derive(Clone)]
pub struct Picture {
    canvas: Canvas,
}

impl Picture {
    /// The image as it is.
    pub fn impression(image: &Image) -> Self {
        let plane = image.working_plane();
        let mut canvas = Canvas::new(plane.width(), plane.height());
        for y in 0..plane.height() {
            for x in 0..plane.width() {
                canvas.dot(x, y, [math::grey(plane.at(x, y)); 3]);
            }
        }
        Self { canvas }
    }

    /// The image with its minutiae.
    pub fn minutiae(image: &Image, reading: &Reading) -> Self {
        let mut picture = Self::impression(image);
        picture.canvas.fade(0.45);
        picture.mark(reading.view(), 0);
        picture
    }

    /// The image with the directions its ridges run in, inside what was taken for finger.
    pub fn flow(image: &Image, reading: &Reading) -> Self {
        let mut picture = Self::impression(image);
        picture.canvas.fade(0.55);
        let step = 3 * CELL;
        for y in (step / 2..picture.canvas.height()).step_by(step) {
            for x in (step / 2..picture.canvas.width()).step_by(step) {
                let place = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
                let Some(direction) = reading.direction_at(place(x), place(y)) else {
                    continue;
                };
                let half = 0.42 * step as f32;
                let (dx, dy) = (half * math::cos(direction), half * math::sin(direction));
                let (x, y) = (x as f32, y as f32);
                picture.canvas.line((x - dx, y + dy), (x + dx, y - dy), FLOW);
            }
        }
        picture
    }

    /// The ridges one pixel wide, over the faded image, with the minutiae found on them.
    pub fn skeleton(image: &Image, reading: &Reading) -> Self {
        let mut picture = Self::impression(image);
        picture.canvas.fade(0.7);
        for y in 0..reading.skeleton.height() {
            for x in 0..reading.skeleton.width() {
                if reading.skeleton.at(x, y) {
                    picture.canvas.dot(x, y, RIDGE);
                }
            }
        }
        picture.mark(reading.view(), 0);
        picture
    }

    /// Two prints side by side, lines between the minutiae found to be the same.
    pub fn matched(one: (&Image, &Reading), other: (&Image, &Reading), correspondence: &Correspondence) -> Self {
        let left = Self::minutiae(one.0, one.1);
        let right = Self::minutiae(other.0, other.1);
        let offset = left.canvas.width();
        let mut picture = Self { canvas: left.canvas.beside(&right.canvas) };
        for [from, to] in &correspondence.pairs {
            let from = (f32::from(from.0), f32::from(from.1));
            let to = (f32::from(to.0) + offset as f32, f32::from(to.1));
            picture.canvas.line(from, to, PAIR);
        }
        picture.mark(one.1.view(), 0);
        picture.mark(other.1.view(), offset);
        picture
    }

    /// Pictures in a row, left to right; `None` of none.
    pub fn row(pictures: &[Self]) -> Option<Self> {
        let (first, rest) = pictures.split_first()?;
        let canvas = rest.iter().fold(first.canvas.clone(), |row, picture| row.beside(&picture.canvas));
        Some(Self { canvas })
    }

    /// Pictures in a column, top to bottom; `None` of none.
    pub fn column(pictures: &[Self]) -> Option<Self> {
        let (first, rest) = pictures.split_first()?;
        let canvas = rest.iter().fold(first.canvas.clone(), |column, picture| column.above(&picture.canvas));
        Some(Self { canvas })
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.canvas.width()
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.canvas.height()
    }

    /// The picture as a PNG file.
    pub fn to_png(&self) -> Vec<u8> {
        self.canvas.to_png()
    }

    fn mark(&mut self, view: &View, offset: usize) {
        for minutia in view.minutiae() {
            let colour = match minutia.kind {
                Kind::Ending => ENDING,
                Kind::Bifurcation | Kind::Other => FORK,
            };
            let (x, y) = (f32::from(minutia.x) + offset as f32, f32::from(minutia.y));
            let angle = f32::from(minutia.angle) * (TAU / 256.0);
            self.canvas.ring((x, y), colour);
            let (dx, dy) = (math::cos(angle), math::sin(angle));
            self.canvas.line((x + 3.0 * dx, y - 3.0 * dy), (x + 11.0 * dx, y - 11.0 * dy), colour);
        }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width(), self.height())
    }
}
