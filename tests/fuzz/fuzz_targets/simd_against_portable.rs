#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| agw_testkit::fuzz::simd_against_portable(data));
