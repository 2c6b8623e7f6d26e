//! Owners get in, strangers do not, and the number of threads changes nothing.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking, on numbers the tests chose"
)]

mod common;

use std::num::NonZeroUsize;

use common::{print, seen_by_another, view};
use minutiae::extract;
use minutiae::matcher::{Enrolment, EnrolmentError, Gallery, MAX_PRINT_BYTES, Print, compare, correspond};
use minutiae::synthesis::{Finger, Level, Pattern, Press};
use minutiae::template::{Frame, Kind, Minutia, Template, View};

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn enrolment(finger: &Finger, level: Level) -> Enrolment {
    let views: Vec<View> = (0..3).map(|press| view(finger, press, level)).collect();
    Enrolment::new(&views).unwrap()
}

#[test]
fn owners_match_and_strangers_of_the_same_pattern_do_not() {
    let fingers: Vec<Finger> = (100..106).map(|seed| Finger::with_pattern(seed, Pattern::RightLoop)).collect();
    let enrolled: Vec<Enrolment> = fingers.iter().map(|finger| enrolment(finger, Level::Ordinary)).collect();
    for finger in &fingers {
        let probe = print(finger, 50, Level::Ordinary);
        for (owner, enrolment) in fingers.iter().zip(&enrolled) {
            let score = enrolment.compare(&probe);
            let same = owner.seed() == finger.seed();
            assert_eq!(score.is_match(), same, "{finger:?} against {owner:?}: {score:?}");
        }
    }
}

#[test]
fn a_finger_turned_any_way_is_still_that_finger() {
    let finger = Finger::from_seed(120);
    let upright = print(&finger, 1, Level::Good);
    let image = finger.impression(&Press::draw(2, Level::Good));
    for degrees in [-150.0f32, -90.0, -35.0, 35.0, 90.0, 180.0] {
        let turned = extract(&seen_by_another(&image, 500, degrees)).unwrap();
        let score = compare(&upright, &Print::new(turned.view()));
        assert!(score.is_match(), "finger 120 turned {degrees}: {score:?}");
    }
}

#[test]
fn half_a_finger_is_still_that_finger() {
    for seed in 121..124 {
        let finger = Finger::from_seed(seed);
        let whole = print(&finger, 1, Level::Good);
        let mut press = Press::draw(2, Level::Good);
        press.contact = 0.72;
        press.shift_x += 30.0;
        let part = extract(&finger.impression(&press)).unwrap();
        let score = compare(&whole, &Print::new(part.view()));
        assert!(score.is_match(), "finger {seed}: {score:?}");
    }
}

#[test]
fn every_number_of_threads_gives_the_same_scores() {
    let mut gallery = Gallery::new();
    let mut probes = Vec::new();
    for seed in 130..135u64 {
        let finger = Finger::from_seed(seed);
        for press in 0..4 {
            let enrolment = Enrolment::new(&[view(&finger, press, Level::Ordinary)]).unwrap();
            // enough entries for every number of threads below, and equal scores among them
            for copy in 0..4 {
                gallery.insert((seed, press, copy), enrolment.clone());
            }
        }
        probes.push(print(&finger, 500, Level::Ordinary));
    }
    for probe in [&probes[0], &probes[3]] {
        let alone = gallery.search(probe, 80, threads(1));
        for count in [2, 3, 64] {
            assert_eq!(alone, gallery.search(probe, 80, threads(count)), "{count} threads");
        }
        // and a search is nothing but comparing one by one
        for candidate in &alone {
            let one = gallery.get(candidate.key).unwrap().compare(probe);
            assert_eq!(candidate.score, one);
        }
    }
}

#[test]
fn a_gallery_finds_its_people_and_nobody_else() {
    let mut gallery = Gallery::new();
    let mut probes = Vec::new();
    for seed in 150..156u64 {
        let finger = Finger::from_seed(seed);
        assert!(gallery.insert(seed, enrolment(&finger, Level::Ordinary)).is_none());
        probes.push((seed, print(&finger, 70, Level::Ordinary)));
    }
    for (seed, probe) in &probes {
        let found = gallery.identify(probe, threads(2)).map(|c| c.key);
        assert_eq!(found, Some(seed));
    }
    let stranger = print(&Finger::from_seed(159), 70, Level::Ordinary);
    assert_eq!(gallery.identify(&stranger, threads(2)), None);

    assert!(gallery.remove(&150).is_some() && gallery.remove(&150).is_none());
    assert_eq!(gallery.identify(&probes[0].1, threads(1)), None);
    assert_eq!(gallery.len(), 5);
    // what an enrolment itself and its key take is shared by three views
    assert!(gallery.size_bytes() < 5 * (3 * MAX_PRINT_BYTES + 64), "{} bytes", gallery.size_bytes());
}

#[test]
fn an_enrolment_takes_one_to_three_views_and_knows_when_they_disagree() {
    let mine = Finger::from_seed(160);
    let yours = Finger::from_seed(161);
    let one = view(&mine, 1, Level::Good);
    assert_eq!(Enrolment::new(&[]).unwrap_err(), EnrolmentError::Views { count: 0 });
    assert!(Enrolment::new(&vec![one.clone(); 4]).is_err());
    assert!(Enrolment::new(std::slice::from_ref(&one)).unwrap().weakest_pair().is_none());

    let true_one = [one.clone(), view(&mine, 2, Level::Good), view(&mine, 3, Level::Good)];
    let mixed = [one, view(&mine, 2, Level::Good), view(&yours, 3, Level::Good)];
    let weakest = |views: &[View]| Enrolment::new(views).unwrap().weakest_pair().unwrap();
    assert!(weakest(&true_one).is_match());
    assert!(!weakest(&mixed).is_match());
}

#[test]
fn a_template_that_was_written_and_read_matches_as_before() {
    let finger = Finger::from_seed(170);
    let views: Vec<View> = (0..3).map(|press| view(&finger, press, Level::Ordinary)).collect();
    let bytes = Template::new(views.clone()).unwrap().to_iso_2005().unwrap();
    let read = Template::parse(&bytes).unwrap();
    let probe = print(&finger, 9, Level::Ordinary);
    let before = Enrolment::new(&views).unwrap().compare(&probe);
    assert_eq!(Enrolment::new(read.views()).unwrap().compare(&probe), before);
}

#[test]
fn what_corresponds_lies_at_the_same_place_of_the_finger() {
    let finger = Finger::from_seed(175);
    let one = print(&finger, 1, Level::Good);
    let found = correspond(&one, &one);
    assert_eq!(found.pairs.len(), one.len());
    assert!(found.pairs.iter().all(|[from, to]| from == to));
    assert!(found.turn_degrees.abs() < 1.5, "{}", found.turn_degrees);
    assert!(found.score.confidence() > 95.0);
}

#[test]
fn hostile_views_score_low_and_never_panic() {
    let honest = print(&Finger::from_seed(180), 1, Level::Good);
    let frame = Frame::at_500_dpi(256, 288);
    let minutia = |x, y, angle| Minutia { x, y, angle, kind: Kind::Ending, quality: 100 };
    let heap = vec![minutia(100, 100, 0); 255];
    let carpet = (0..255u16).map(|i| minutia(i % 16 * 16, i / 16 * 17, (i % 8 * 32) as u8)).collect();
    let few = vec![minutia(10, 10, 0), minutia(20, 20, 9), minutia(40, 10, 80)];
    let line = (0..255u16).map(|i| minutia(i, 100, 64)).collect();
    for minutiae in [heap, carpet, few, line, Vec::new()] {
        let hostile = Print::new(&View::new(frame, 100, minutiae).unwrap());
        for score in [compare(&honest, &hostile), compare(&hostile, &honest)] {
            assert!(!score.is_match(), "{hostile:?}: {score:?}");
        }
        compare(&hostile, &hostile);
    }
    let far = Frame { width: 16_384, height: 16_384, x_per_cm: 65_535, y_per_cm: 99 };
    let corners = [(0, 0), (16_383, 0), (0, 16_383), (16_383, 16_383), (8_000, 8_000)];
    let corners = corners.map(|(x, y)| minutia(x, y, 7)).to_vec();
    let wide = Print::new(&View::new(far, 0, corners).unwrap());
    assert!(!compare(&honest, &wide).is_match());
}
