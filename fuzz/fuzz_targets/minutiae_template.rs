//! Any bytes as a fingerprint template. The corpus is replayed by `cargo test -p minutiae`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    minutiae::property::check_template(data);
});
