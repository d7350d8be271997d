#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| agw_testkit::fuzz::mediasec(data));
