//! Any sequence of happenings around nodes with several peers.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::node::check(data));
