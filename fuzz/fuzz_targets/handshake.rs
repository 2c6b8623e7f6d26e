//! Any headers as an upgrade, asked for and answered.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| properties::handshake::check(data));
