//! Any sequence of inputs into the client's machines.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::boop::client::check(data));
