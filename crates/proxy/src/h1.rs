//! The HTTP/1.1 codec of the data plane, without any I/O: bytes in, bytes out.
//!
//! A head is parsed in place (it borrows the buffer that it was read into), checked, and rewritten straight into the
//! next buffer. What this codec cannot read in exactly one way it refuses; it never repairs.
//!
//! The one thing to know: message length is decided in [`length`] and nowhere else, for requests and for responses,
//! and the `Content-Length` or `Transfer-Encoding` that leaves is written from that decision, never copied.

pub mod chunked;
pub mod downgrade;
pub mod forwarded;
pub mod headers;
pub mod length;
pub mod limits;
pub mod refusal;
pub mod request;
pub mod response;
pub mod trailers;

mod authority;
mod lines;
pub(crate) mod text;

#[cfg(test)]
mod tests;

/// Tells whether a buffer held a whole head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// Tells that nothing is wrong so far and more bytes are needed.
    Partial,
    /// Carries the head, and how many bytes of the buffer it took: the body starts at `len`.
    Complete {
        /// The head, which borrows the buffer.
        head: T,
        /// The bytes taken, including one empty line in front of a request (RFC 9112, section 2.2).
        len: usize,
    },
}

/// The version of HTTP that a message came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: no chunked bodies, closed after each message unless both sides say otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2, for requests that [`downgrade`] has checked.
    Http2,
}

/// Tells what happens to a connection after the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// The connection can carry another message.
    Keep,
    /// The connection ends with this message.
    Close,
}
