//! Any text as a webhook endpoint's URL, any body as what a till says of one.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::modulus::hook::check(data));
