//! What must hold for any bytes whatever: run by the fuzzer, and by the tests over its corpus. Not part of the interface.

use crate::matcher::{Print, compare};
use crate::template::{Template, View};
use crate::{Image, extract};

/// Larger images would only make the fuzzer slow.
const MAX_SIDE: u32 = 220;

/// Any bytes as a template: refused, or read, written, read again and matched. Says whether it was read.
///
/// # Panics
///
/// When that does not hold.
pub fn check_template(data: &[u8]) -> bool {
    let Ok(template) = Template::parse(data) else { return false };
    for view in template.views() {
        check_view(view);
        let print = Print::new(view);
        let score = compare(&print, &print).confidence();
        assert!((0.0..=100.0).contains(&score), "a confidence of {score}");
    }
    if let Ok(bytes) = template.to_iso_2005() {
        let again = Template::parse(&bytes).expect("what was written can be read");
        assert_eq!(template.views().len(), again.views().len());
        for (one, other) in template.views().iter().zip(again.views()) {
            assert!(one.minutiae() == other.minutiae(), "a view changed on its way");
        }
    }
    true
}

/// Any pixels as a finger: refused, or read without a minutia out of place. Says whether it was read.
///
/// The first four bytes are the width, the height, the resolution and how the other bytes become pixels.
///
/// # Panics
///
/// When that does not hold.
pub fn check_image(data: &[u8]) -> bool {
    let Some((&[w, h, d, kind], pixels)) = data.split_first_chunk::<4>() else { return false };
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
    let Ok(image) = Image::new(width, height, dpi, grey) else { return false };
    let Ok(reading) = extract(&image) else { return false };
    assert!(reading.quality() <= 100, "a quality of {}", reading.quality());
    check_view(reading.view());
    true
}

fn check_view(view: &View) {
    let frame = view.frame();
    let inside = view.minutiae().iter().all(|m| m.x < frame.width && m.y < frame.height);
    assert!(inside, "a minutia outside its image");
}
