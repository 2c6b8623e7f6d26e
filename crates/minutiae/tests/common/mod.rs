//! Fingers, prints and images the tests share.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::path::Path;

use minutiae::matcher::Print;
use minutiae::synthesis::{Finger, Level, Press};
use minutiae::template::View;
use minutiae::{Image, extract};

/// What the fuzzer starts from, a name and bytes each, and what it has found worth keeping.
pub(crate) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = std::fs::read_dir(folder).expect("the corpus is committed");
    files
        .map(|file| {
            let file = file.unwrap();
            (file.file_name().to_string_lossy().into_owned(), std::fs::read(file.path()).unwrap())
        })
        .collect()
}

/// The view of one press; the seeds are in the message when there is none.
pub(crate) fn view(finger: &Finger, press: u64, level: Level) -> View {
    match extract(&finger.impression(&Press::draw(press, level))) {
        Ok(reading) => reading.into_view(),
        Err(error) => panic!("{finger:?} press {press} {level:?}: {error}"),
    }
}

/// The print of one press.
pub(crate) fn print(finger: &Finger, press: u64, level: Level) -> Print {
    Print::new(&view(finger, press, level))
}

/// An image drawn by a function of the place.
pub(crate) fn drawn(width: u32, height: u32, dpi: u16, grey: impl Fn(u32, u32) -> u8) -> Image {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| grey(x, y)).collect();
    Image::new(width, height, dpi, pixels).unwrap()
}

/// An image enlarged and turned about its middle, as another reader would have seen it.
pub(crate) fn seen_by_another(image: &Image, dpi: u16, degrees: f32) -> Image {
    let scale = f32::from(dpi) / f32::from(image.dpi());
    let (width, height) = (image.width() as f32, image.height() as f32);
    let (sin, cos) = degrees.to_radians().sin_cos();
    let at = |x: f32, y: f32| {
        let inside = (0.0..width).contains(&x) && (0.0..height).contains(&y);
        if !inside {
            return 210.0;
        }
        let pixel = y as usize * image.width() as usize + x as usize;
        f32::from(image.pixels()[pixel])
    };
    drawn((width * scale) as u32, (height * scale) as u32, dpi, |x, y| {
        let u = (x as f32 + 0.5) / scale - width / 2.0;
        let v = (y as f32 + 0.5) / scale - height / 2.0;
        let px = u * cos - v * sin + width / 2.0 - 0.5;
        let py = u * sin + v * cos + height / 2.0 - 0.5;
        let (left, top) = (px.floor(), py.floor());
        let (dx, dy) = (px - left, py - top);
        let upper = at(left, top) * (1.0 - dx) + at(left + 1.0, top) * dx;
        let lower = at(left, top + 1.0) * (1.0 - dx) + at(left + 1.0, top + 1.0) * dx;
        (upper * (1.0 - dy) + lower * dy).round() as u8
    })
}

/// Small, seeded dice for the tests.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
