//! Any text as a frame of a vendor, a scanner or a server, followed through to what the others read.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::boop::wire::check(data));
