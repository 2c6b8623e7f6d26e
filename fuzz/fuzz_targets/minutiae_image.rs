//! Any pixels, size and resolution as a finger. The corpus is replayed by `cargo test -p minutiae`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    minutiae::property::check_image(data);
});
