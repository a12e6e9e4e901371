//! What must hold for any bytes at all, as functions that panic where it does not.
//!
//! `make fuzz` calls them with what libFuzzer makes up; the tests call them with the files in `fuzz/seeds`.

mod certificates;
mod chunked;
mod differential;
mod first_words;
mod http2;
mod names;
mod request;
mod response;

pub use certificates::{pem, pfx};
pub use chunked::chunked;
pub use differential::{request_stream, response_stream};
pub use first_words::{client_hello, proxy_header};
pub use http2::http2_frames;
pub use names::{authority, path};
pub use request::request_head;
pub use response::response_head;

/// Says how one property is tried.
pub type Target = fn(&[u8]);

/// All of them, by the names of their files in `fuzz/fuzz_targets` and of their folders in `fuzz/seeds`.
pub const TARGETS: &[(&str, Target)] = &[
    ("authority", authority),
    ("chunked", chunked),
    ("client_hello", client_hello),
    ("http2_frames", http2_frames),
    ("path", path),
    ("pem", pem),
    ("pfx", pfx),
    ("proxy_header", proxy_header),
    ("request_head", request_head),
    ("request_stream", request_stream),
    ("response_head", response_head),
    ("response_stream", response_stream),
];
