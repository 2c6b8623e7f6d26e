//! Any pixels, size and resolution as a finger: refused, or read without a minutia out of place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use minutiae::{Image, extract};

/// Larger images would only make the fuzzer slow.
const MAX_SIDE: u32 = 220;

fuzz_target!(|data: &[u8]| {
    let Some((&[w, h, d, kind], pixels)) = data.split_first_chunk::<4>() else {
        return;
    };
    let width = u32::from(w) % MAX_SIDE + 1;
    let height = u32::from(h) % MAX_SIDE + 1;
    let dpi = [500, 250, 400, 1000, 1200, u16::from(d)][usize::from(d) % 6];
    let count = width as usize * height as usize;
    let mut grey: Vec<u8> = if kind % 2 == 0 {
        // short inputs become a repeated texture, which is where ridges are imagined
        pixels.iter().copied().cycle().take(if pixels.is_empty() { 0 } else { count }).collect()
    } else {
        pixels.to_vec()
    };
    if kind % 3 == 0 {
        grey.resize(count, 255);
    }
    let Ok(image) = Image::new(width, height, dpi, grey) else {
        return;
    };
    if let Ok(reading) = extract(&image) {
        assert!(reading.quality() <= 100);
        let frame = reading.view().frame();
        for minutia in reading.view().minutiae() {
            assert!(minutia.x < frame.width && minutia.y < frame.height);
        }
    }
});
