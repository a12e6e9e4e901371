#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portward_testkit::fuzzing::http2_frames(bytes));
