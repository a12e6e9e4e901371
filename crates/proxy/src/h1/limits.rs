//! Limits of heads and trailers, with their defaults.

/// The limits that one head is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The bytes of the whole head, start line and final empty line included.
    pub head_bytes: usize,
    /// The bytes of a request target.
    pub target_bytes: usize,
    /// The number of header lines, at most [`HEADERS_MAX`].
    pub headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { head_bytes: HEAD_BYTES, target_bytes: TARGET_BYTES, headers: HEADERS_MAX }
    }
}

/// The default for [`HeadLimits::head_bytes`].
///
/// nginx takes four buffers of 8 KiB (`large_client_header_buffers`), HAProxy one of 16 KiB (`tune.bufsize`), Apache
/// one hundred lines of 8 KiB. 32 KiB is nginx's total and holds a browser's largest cookie jar for one site.
pub const HEAD_BYTES: usize = 32 * 1024;

/// The default for [`HeadLimits::target_bytes`]: what nginx and Apache (`LimitRequestLine`) accept, and what
/// RFC 9112, section 3, names as the least that should be supported.
pub const TARGET_BYTES: usize = 8 * 1024;

/// The largest number of header lines that a head can have, and the default: Apache's (`LimitRequestFields`) and
/// hyper's number. It is fixed because it sizes an array on the stack.
pub const HEADERS_MAX: usize = 100;

/// The longest chunk extension: they mean nothing to us, and were a way to make readers work for nothing
/// (Go's CVE-2023-39326).
pub const CHUNK_EXTENSION_BYTES: usize = 256;

/// The most that the chunk extensions of one body may add up to.
pub const CHUNK_EXTENSIONS_BYTES: usize = 16 * 1024;

/// The most bytes that a trailer section may have: nginx's size of one header buffer.
pub const TRAILER_BYTES: usize = 8 * 1024;

/// The largest number of lines in a trailer section.
pub const TRAILERS_MAX: usize = 32;

/// The longest method. The longest registered with IANA has 17 bytes (`UPDATEREDIRECTREF`).
pub const METHOD_BYTES: usize = 32;

/// The longest `host:port`: a DNS name of 253 bytes with its final dot, a colon and a port.
pub const HOST_BYTES: usize = 260;

/// The largest number of headers that a `Connection` header may name, beside the options that we know.
pub const CONNECTION_NAMES_MAX: usize = 8;
