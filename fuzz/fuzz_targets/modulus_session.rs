//! Any sequence of inputs into the machines of tills' and terminals' sockets, and of calls.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::modulus::session::check(data));
