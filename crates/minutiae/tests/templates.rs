//! Templates survive the trip, and nothing hostile gets through.
//!
//! The writers of the two formats the crate only reads live here, written from the standards'
//! layouts and sharing no code with the readers.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking, on numbers the tests chose"
)]

mod common;

use common::{Dice, corpus};
use minutiae::property;
use minutiae::template::{
    FingerPosition, Format, Frame, Kind, MAX_TEMPLATE_BYTES, Minutia, Template, TemplateError, View,
};
use proptest::prelude::*;

fn minutiae(width: u16, height: u16, most: usize) -> impl Strategy<Value = Vec<Minutia>> {
    let kind = prop_oneof![Just(Kind::Ending), Just(Kind::Bifurcation), Just(Kind::Other)];
    let one = (0..width, 0..height, any::<u8>(), kind, 0..=100u8);
    let minutia = one.prop_map(|(x, y, angle, kind, quality)| Minutia { x, y, angle, kind, quality });
    proptest::collection::vec(minutia, 0..=most)
}

fn views(most: usize) -> impl Strategy<Value = Vec<View>> {
    let frame = (1..=16_384u16, 1..=16_384u16, 99..=2_000u16, 99..=2_000u16);
    frame.prop_flat_map(move |(width, height, x_per_cm, y_per_cm)| {
        let frame = Frame { width, height, x_per_cm, y_per_cm };
        let view = (minutiae(width, height, 255), 0..=100u8, 0..11usize);
        let view = view.prop_map(move |(minutiae, quality, position)| {
            View::new(frame, quality, minutiae).unwrap().of_finger(FingerPosition::ALL[position])
        });
        proptest::collection::vec(view, 1..=most)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn iso_2005_comes_back_as_it_was_written(views in views(3)) {
        let template = Template::new(views).unwrap();
        let bytes = template.to_iso_2005().unwrap();
        prop_assert_eq!(u32::from_be_bytes(bytes[8..12].try_into().unwrap()) as usize, bytes.len());
        prop_assert_eq!(Template::parse_with_format(&bytes).unwrap(), (template, Format::Iso2005));
    }

    #[test]
    fn iso_2011_is_read_as_it_was_meant(views in views(4), six in any::<bool>(), certified in any::<bool>()) {
        let bytes = written_2011(&views, six, certified);
        let (read, format) = Template::parse_with_format(&bytes).unwrap();
        prop_assert_eq!(format, Format::Iso2011);
        for (read, meant) in read.views().iter().zip(&views) {
            prop_assert_eq!(read.frame(), meant.frame());
            prop_assert_eq!(read.quality(), meant.quality());
            prop_assert_eq!(read.position(), meant.position());
            for (read, meant) in read.minutiae().iter().zip(meant.minutiae()) {
                let quality = if six { meant.quality } else { 0 };
                prop_assert_eq!(*read, Minutia { quality, ..*meant });
            }
        }
    }

    #[test]
    fn ansi_378_is_read_to_within_its_two_degrees(views in views(3), long in any::<bool>()) {
        let bytes = written_378(&views, long);
        let (read, format) = Template::parse_with_format(&bytes).unwrap();
        prop_assert_eq!(format, Format::Ansi378);
        for (read, meant) in read.views().iter().zip(&views) {
            prop_assert_eq!(read.position(), meant.position());
            for (read, meant) in read.minutiae().iter().zip(meant.minutiae()) {
                prop_assert_eq!(Minutia { angle: 0, ..*read }, Minutia { angle: 0, ..*meant });
                let off = read.angle.wrapping_sub(meant.angle);
                prop_assert!(off.min(off.wrapping_neg()) <= 1, "{} for {}", read.angle, meant.angle);
            }
        }
    }

    #[test]
    fn random_bytes_after_the_magic_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), version in 0..3usize) {
        let head = [b"FMR\0 20\0", b"FMR\x00030\0", b"FMR\0xxx\0"][version];
        bytes.splice(0..0, head.iter().copied());
        let _ = Template::parse(&bytes);
    }
}

fn sample() -> Vec<View> {
    let minutiae = (0..40u16).map(|i| Minutia {
        x: i * 6,
        y: i * 7,
        angle: (i * 6) as u8,
        kind: if i % 2 == 0 { Kind::Ending } else { Kind::Bifurcation },
        quality: 80,
    });
    let view = View::new(Frame::at_500_dpi(256, 288), 85, minutiae.collect()).unwrap();
    vec![view.clone(), view.clone(), view]
}

fn every_format() -> [(&'static str, Vec<u8>); 3] {
    let views = sample();
    [
        ("2005", Template::new(views.clone()).unwrap().to_iso_2005().unwrap()),
        ("2011", written_2011(&views, true, true)),
        ("378", written_378(&views, false)),
    ]
}

#[test]
fn a_record_of_one_view_and_forty_minutiae_has_270_bytes() {
    let one = Template::new(sample()[..1].to_vec()).unwrap();
    let bytes = one.to_iso_2005().unwrap();
    assert_eq!(bytes.len(), 270);
    assert_eq!(&bytes[..28], b"FMR\0 20\0\0\0\x01\x0e\0\0\x01\0\x01\x20\0\xc5\0\xc5\x01\0\0\0\x55\x28");
}

#[test]
fn every_cut_and_every_addition_is_refused() {
    for (name, bytes) in every_format() {
        assert!(Template::parse(&bytes).is_ok(), "{name}");
        for length in 0..bytes.len() {
            assert!(Template::parse(&bytes[..length]).is_err(), "{name} cut at {length}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Template::parse(&longer).is_err(), "{name} with a byte more");
    }
}

#[test]
fn trailing_bytes_are_named_even_when_the_length_counts_them() {
    let mut bytes = every_format()[0].1.clone();
    bytes.extend([1, 2, 3]);
    let total = u32::try_from(bytes.len()).unwrap();
    bytes[8..12].copy_from_slice(&total.to_be_bytes());
    let error = Template::parse(&bytes).unwrap_err();
    assert_eq!(error.to_string(), format!("3 bytes follow the end of the template at byte {}", total - 3));
}

#[test]
fn every_changed_byte_is_either_harmless_or_refused() {
    let mut dice = Dice(99);
    for (name, bytes) in every_format() {
        for place in 0..bytes.len() {
            for _ in 0..6 {
                let mut changed = bytes.clone();
                changed[place] = dice.next() as u8;
                if let Ok(template) = Template::parse(&changed) {
                    for view in template.views() {
                        let frame = view.frame();
                        let inside = view.minutiae().iter().all(|m| m.x < frame.width && m.y < frame.height);
                        assert!(inside, "{name}: byte {place} as {}", changed[place]);
                    }
                }
            }
        }
    }
}

#[test]
fn lying_counts_are_refused_without_believing_them() {
    let one = Template::new(sample()[..1].to_vec()).unwrap().to_iso_2005().unwrap();
    for count in [0u8, 39, 41, 128, 255] {
        let mut bytes = one.clone();
        bytes[27] = count;
        assert!(Template::parse(&bytes).is_err(), "{count} minutiae declared, 40 there");
    }
    for views in [0u8, 2, 17, 255] {
        let mut bytes = one.clone();
        bytes[22] = views;
        assert!(Template::parse(&bytes).is_err(), "{views} views declared, 1 there");
    }
    for length in [0u32, 24, 269, 271, u32::MAX] {
        let mut bytes = one.clone();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        assert!(Template::parse(&bytes).is_err(), "length {length} declared, 270 there");
    }
    let mut bytes = one;
    bytes[268..270].copy_from_slice(&u16::MAX.to_be_bytes());
    assert_eq!(
        Template::parse(&bytes).unwrap_err().to_string(),
        "template ends at byte 270, inside its extension data"
    );
}

#[test]
fn a_view_of_255_minutiae_is_fine_and_256_are_not() {
    let frame = Frame::at_500_dpi(300, 300);
    let minutia = sample()[0].minutiae()[1];
    let full = View::new(frame, 1, vec![minutia; 255]).unwrap();
    let bytes = Template::new(vec![full; 3]).unwrap().to_iso_2005().unwrap();
    assert_eq!(bytes.len(), 4_632);
    assert_eq!(Template::parse(&bytes).unwrap().views()[2].minutiae().len(), 255);
    assert_eq!(View::new(frame, 1, vec![minutia; 256]).unwrap_err(), TemplateError::Minutiae { count: 256 });
}

#[test]
fn refusals_say_what_was_wrong() {
    let frame = Frame::at_500_dpi(256, 288);
    let minutia = |x, y| Minutia { x, y, ..sample()[0].minutiae()[0] };
    let refusal = |frame, minutia| View::new(frame, 50, vec![minutia]).unwrap_err().to_string();
    assert_eq!(refusal(frame, minutia(256, 5)), "minutia 0 at (256, 5) lies outside the 256x288 image");
    assert_eq!(
        refusal(Frame { x_per_cm: 98, ..frame }, minutia(1, 1)),
        "resolution is 98 pixels per centimetre, must be at least 99"
    );
    assert_eq!(View::new(frame, 101, Vec::new()).unwrap_err().to_string(), "finger quality is 101, must be 0 to 100");
    let parse = |bytes: &[u8]| Template::parse(bytes).unwrap_err().to_string();
    assert_eq!(parse(b""), "template ends at byte 0, inside its header");
    assert_eq!(parse(b"\x89PNG\r\n\x1a\n...."), "not a minutiae template: it does not begin with FMR");
    assert!(parse(b"FMR\x00999\0\0\0\0\0").contains("version"));
    assert!(parse(&vec![0; MAX_TEMPLATE_BYTES + 1]).contains("at most 65536"));
}

#[test]
fn the_writer_refuses_what_the_format_cannot_hold() {
    let view = sample().remove(0);
    let coarse = View::new(Frame { x_per_cm: 100, ..view.frame() }, 50, Vec::new()).unwrap();
    let written = |views: Vec<View>| Template::new(views).unwrap().to_iso_2005();
    assert!(matches!(written(vec![view.clone(); 4]), Err(TemplateError::Views { count: 4, most: 3 })));
    assert_eq!(written(vec![view, coarse]), Err(TemplateError::MixedResolutions));
    assert!(Template::new(Vec::new()).is_err());
}

#[test]
fn nothing_printed_gives_a_finger_away() {
    let template = Template::new(sample()).unwrap();
    let text = format!("{template:?} {:?}", template.views()[0].minutiae()[39]);
    assert!(!text.contains("234") && !text.contains("273"), "{text}");
}

#[test]
fn the_fuzzers_corpus_of_templates_holds() {
    let corpus = corpus("minutiae_template");
    assert!(corpus.len() >= 15, "only {} files in the corpus", corpus.len());
    for (name, bytes) in corpus {
        println!("{name}");
        let read = property::check_template(&bytes);
        // the fuzzer names its own finds otherwise
        assert!(read || !name.starts_with("read_"), "{name} was refused");
        assert!(!read || !name.starts_with("bad_"), "{name} was read");
    }
}

fn five_bytes(minutia: &Minutia, angle: u8) -> [u8; 5] {
    let kind = match minutia.kind {
        Kind::Other => 0u16,
        Kind::Ending => 1,
        Kind::Bifurcation => 2,
    };
    let [a, b] = (kind << 14 | minutia.x).to_be_bytes();
    let [c, d] = minutia.y.to_be_bytes();
    [a, b, c, d, angle]
}

fn code(position: FingerPosition) -> u8 {
    let place = FingerPosition::ALL.iter().position(|&p| p == position);
    place.unwrap() as u8
}

fn written_2011(views: &[View], six: bool, certified: bool) -> Vec<u8> {
    let mut out = b"FMR\x00030\0\0\0\0\0".to_vec();
    out.extend((views.len() as u16).to_be_bytes());
    out.push(u8::from(certified));
    for (number, view) in views.iter().enumerate() {
        let start = out.len();
        out.extend([0; 4]);
        out.extend([0xff; 9]);
        out.extend([0, 0, 7, 0, 9]);
        out.extend([2, view.quality(), 0, 7, 0, 1, 255, 0, 7, 0, 2]);
        if certified {
            out.extend([1, 0, 7, 1]);
        }
        out.extend([code(view.position()), number as u8]);
        let frame = view.frame();
        for field in [frame.x_per_cm, frame.y_per_cm] {
            out.extend(field.to_be_bytes());
        }
        out.push(0);
        for field in [frame.width, frame.height] {
            out.extend(field.to_be_bytes());
        }
        out.push(if six { 0x61 } else { 0x51 });
        out.push(view.minutiae().len() as u8);
        for minutia in view.minutiae() {
            out.extend(five_bytes(minutia, minutia.angle));
            if six {
                out.push(minutia.quality);
            }
        }
        out.extend([0, 4, 0, 9, 9, 9]);
        let length = (out.len() - start) as u32;
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }
    let length = out.len() as u32;
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out
}

fn written_378(views: &[View], long: bool) -> Vec<u8> {
    let mut out = b"FMR\0 20\0".to_vec();
    out.extend(vec![0; if long { 6 } else { 2 }]);
    out.extend([0, 7, 0, 8, 0, 9]);
    let frame = views[0].frame();
    for field in [frame.width, frame.height, frame.x_per_cm, frame.y_per_cm] {
        out.extend(field.to_be_bytes());
    }
    out.extend([views.len() as u8, 0]);
    for view in views {
        out.extend([code(view.position()), 0, view.quality(), view.minutiae().len() as u8]);
        for minutia in view.minutiae() {
            let steps = (u32::from(minutia.angle) * 180 + 128) / 256 % 180;
            out.extend(five_bytes(minutia, steps as u8));
            out.push(minutia.quality);
        }
        out.extend([0, 0]);
    }
    let length = out.len();
    if long {
        out[10..14].copy_from_slice(&(length as u32).to_be_bytes());
    } else {
        out[8..10].copy_from_slice(&(length as u16).to_be_bytes());
    }
    out
}
