//! Any bytes into the WebSocket codec, in both roles, cut anywhere. The corpus is replayed by the tests of `websocket` and `properties`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| websocket::property::check(data));
