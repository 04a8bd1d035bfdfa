#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| jumpcloud_fuzz::settings(bytes));
