//! Any bytes as a fingerprint template: refused, or read, written, read again and matched.

#![no_main]

use libfuzzer_sys::fuzz_target;
use minutiae::matcher::{Print, compare};
use minutiae::template::Template;

fuzz_target!(|data: &[u8]| {
    let Ok(template) = Template::parse(data) else {
        return;
    };
    for view in template.views() {
        let frame = view.frame();
        assert!(view.minutiae().iter().all(|m| m.x < frame.width && m.y < frame.height));
        let print = Print::new(view);
        let score = compare(&print, &print).confidence();
        assert!((0.0..=100.0).contains(&score));
    }
    if let Ok(bytes) = template.to_iso_2005() {
        let again = Template::parse(&bytes).expect("what was written can be read");
        for (one, other) in template.views().iter().zip(again.views()) {
            assert_eq!(one.minutiae(), other.minutiae());
        }
    }
});
