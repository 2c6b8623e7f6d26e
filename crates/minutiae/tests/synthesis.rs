//! Fingers and presses are what their seeds say, everywhere.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking, on numbers the tests chose"
)]

use minutiae::synthesis::{Finger, Level, Pattern, Press};

/// FNV-1a, so that the expected bytes fit on a line.
fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Changing these changes every seed's finger: say so in the changelog.
const DIGESTS: [u64; 3] = [0xdf75_5bcc_7eba_5907, 0xfc7a_c695_9cad_23d5, 0x4fcd_2ea2_dd96_db81];

#[test]
fn the_same_seeds_give_the_same_bytes_on_every_machine() {
    let cases =
        [(1, Pattern::LeftLoop, Level::Good), (2, Pattern::Whorl, Level::Ordinary), (3, Pattern::Arch, Level::Poor)];
    let digests = cases.map(|(seed, pattern, level)| {
        let finger = Finger::with_pattern(seed, pattern);
        digest(finger.impression(&Press::draw(seed, level)).pixels())
    });
    assert_eq!(digests, DIGESTS, "{digests:#x?}");
}

#[test]
fn every_pattern_grows_and_no_two_fingers_or_presses_are_alike() {
    let mut seen = Vec::new();
    for pattern in Pattern::ALL {
        let finger = Finger::with_pattern(9, pattern);
        assert_eq!((finger.seed(), finger.pattern()), (9, pattern));
        for press in 0..2 {
            let image = finger.impression(&Press::draw(press, Level::Ordinary));
            let dark = image.pixels().iter().filter(|&&grey| grey < 130).count();
            assert!(dark > 8_000, "{pattern:?} press {press}: {dark} dark pixels");
            seen.push(digest(image.pixels()));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 12);
}

#[test]
fn a_worse_press_of_one_seed_lies_where_the_better_one_lay() {
    let better = Press::degraded(5, 0.2);
    let worse = Press::degraded(5, 0.8);
    assert_eq!(better.shift_x.signum(), worse.shift_x.signum());
    assert_eq!(better.rotation.signum(), worse.rotation.signum());
    assert!(better.noise < worse.noise && better.contact > worse.contact);
}

#[test]
fn nonsense_in_a_press_still_gives_an_image() {
    let finger = Finger::from_seed(4);
    let mut press = Press::degraded(1, f32::NAN);
    assert!(press.noise.is_finite());
    press.shift_x = 1.0e9;
    press.rotation = f32::INFINITY;
    press.stretch = f32::NAN;
    press.moisture = -50.0;
    assert_eq!(finger.impression(&press).pixels().len(), 256 * 288);
}
