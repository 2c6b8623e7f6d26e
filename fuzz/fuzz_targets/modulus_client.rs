//! Any sequence of inputs into the machines of Modulus' tills and terminals.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::modulus::client::check(data));
