//! What extraction makes of good prints, bad prints and things that are no prints.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking, on numbers the tests chose"
)]

mod common;

use common::{Dice, corpus, drawn, seen_by_another, view};
use minutiae::matcher::{Print, compare};
use minutiae::synthesis::{Finger, Level, Press};
use minutiae::{Image, extract, property};

#[test]
fn quality_falls_as_a_press_gets_worse() {
    for seed in 40..44 {
        let finger = Finger::from_seed(seed);
        let mut last = 101;
        for step in 0..=8u8 {
            let degradation = f32::from(step) / 8.0;
            let image = finger.impression(&Press::degraded(seed, degradation));
            let quality = extract(&image).map_or(0, |reading| reading.quality());
            assert!(quality <= last, "finger and press {seed}: quality rose from {last} to {quality} at {degradation}");
            last = quality;
        }
        assert!(last < 50, "finger {seed} at its worst still has {last}");
    }
}

#[test]
fn ordinary_prints_score_eighty_to_ninety_five() {
    let mut qualities: Vec<u8> =
        (60..69).map(|seed| view(&Finger::from_seed(seed), seed, Level::Ordinary).quality()).collect();
    qualities.sort_unstable();
    let middle = qualities[qualities.len() / 2];
    assert!((80..=95).contains(&middle), "seeds 60 to 68: {qualities:?}");
}

#[test]
fn minutiae_stay_on_the_finger_and_say_how_sure_they_are() {
    for seed in 80..86 {
        let view = view(&Finger::from_seed(seed), seed, Level::Ordinary);
        let frame = view.frame();
        assert!((12..=90).contains(&view.minutiae().len()), "finger {seed}: {view:?}");
        for minutia in view.minutiae() {
            assert!(minutia.x < frame.width && minutia.y < frame.height);
            assert!((1..=100).contains(&minutia.quality));
        }
    }
}

#[test]
fn an_image_gives_the_same_reading_twice() {
    let image = Finger::from_seed(90).impression(&Press::draw(1, Level::Poor));
    let (one, two) = (extract(&image).unwrap(), extract(&image).unwrap());
    assert_eq!(one.view(), two.view());
}

#[test]
fn other_resolutions_match_what_was_seen_at_500_dpi() {
    for (seed, dpi) in [(91, 1000), (92, 750), (93, 400)] {
        let finger = Finger::from_seed(seed);
        let usual = Print::new(&view(&finger, 1, Level::Good));
        let image = finger.impression(&Press::draw(2, Level::Good));
        let other = extract(&seen_by_another(&image, dpi, 0.0)).unwrap();
        let score = compare(&usual, &Print::new(other.view()));
        assert!(score.is_match(), "finger {seed} at {dpi} dpi: {score:?}");
    }
}

fn refused(name: &str, image: &Image) {
    match extract(image) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(reading) => {
            assert!(reading.quality() < 40, "{name} was taken for a finger of quality {}", reading.quality())
        }
    }
}

#[test]
fn plain_images_are_no_fingers() {
    for grey in [0, 255, 128] {
        let error = extract(&drawn(256, 288, 500, |_, _| grey)).unwrap_err();
        assert!(error.to_string().contains("no finger"), "{error}");
    }
    refused("the smallest", &drawn(64, 64, 500, |_, _| 0));
    refused("the largest", &drawn(2048, 2048, 500, |x, y| (x ^ y) as u8));
}

#[test]
fn checkerboards_are_no_fingers() {
    for square in [1, 2, 3, 4, 6, 9, 16, 40] {
        let image = drawn(256, 288, 500, |x, y| if (x / square + y / square) % 2 == 0 { 20 } else { 230 });
        refused(&format!("a checkerboard of {square}"), &image);
    }
}

#[test]
fn photographs_are_no_fingers() {
    for seed in 1..5 {
        refused(&format!("photograph {seed}"), &photograph(seed));
    }
}

#[test]
fn noise_is_no_finger() {
    let mut dice = Dice(17);
    let pixels = (0..256 * 288).map(|_| dice.below(256) as u8).collect();
    refused("noise", &Image::new(256, 288, 500, pixels).unwrap());
}

#[test]
fn the_fuzzers_corpus_of_images_holds() {
    let corpus = corpus("minutiae_image");
    assert!(corpus.len() >= 8, "only {} files in the corpus", corpus.len());
    for (name, bytes) in corpus {
        println!("{name}");
        let read = property::check_image(&bytes);
        assert!(read || !name.starts_with("finger_"), "{name} was refused");
    }
}

/// A landscape of sorts: a sky, hills, boxes with sharp edges, film grain.
fn photograph(seed: u64) -> Image {
    let mut dice = Dice(seed);
    let boxes: Vec<[u32; 5]> =
        (0..14).map(|_| [250, 280, 90, 110, 255].map(|bound| u32::try_from(dice.below(bound)).unwrap())).collect();
    let grain: Vec<u8> = (0..256 * 288).map(|_| dice.below(14) as u8).collect();
    drawn(256, 288, 500, |x, y| {
        let hill = 150.0 + 30.0 * (x as f32 / 41.0 + seed as f32).sin();
        let mut grey = if (y as f32) < hill { 190 } else { 90 };
        grey = (grey + x / 8).min(240);
        for &[left, top, width, height, tone] in &boxes {
            if (left..left + width).contains(&x) && (top..top + height).contains(&y) {
                grey = tone;
            }
        }
        (grey as u8).saturating_add(grain[(y * 256 + x) as usize])
    })
}
