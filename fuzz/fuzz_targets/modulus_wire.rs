//! Any text as a frame, a body or a request of Modulus, followed through to what the others read.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::modulus::wire::check(data));
