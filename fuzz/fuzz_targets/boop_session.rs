//! Any sequence of inputs into the machines of vendors' and scanners' sockets.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::boop::session::check(data));
