//! The free list of byte buffers of one worker.
//!
//! A connection takes a buffer when bytes are there and gives it back when they are gone, so that an idle connection has none.

use std::cell::RefCell;

/// Capacity of a fresh buffer: one TLS record's plaintext (RFC 8446 section 5.1), and most heads and small bodies.
pub(crate) const BUFFER_BYTES: usize = 16 * 1024;

/// Takes an empty buffer from this thread's free list, or makes one.
pub(crate) fn take() -> Vec<u8> {
    FREE.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
}

/// Gives a buffer back; one without capacity costs nothing, one that grew large is freed.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() < BUFFER_BYTES || buffer.capacity() > KEPT_BYTES {
        return;
    }
    buffer.clear();
    FREE.with_borrow_mut(|free| {
        if free.len() < KEPT {
            free.push(buffer);
        }
    });
}

/// Gives a buffer back if it is empty and leaves one without capacity in its place.
pub(crate) fn give_if_empty(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > 0 {
        give(std::mem::take(buffer));
    }
}

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Buffers that a worker keeps: 1 MiB at their usual size, enough for what is read between two polls of the sockets.
const KEPT: usize = 64;

/// A buffer above this is freed, so that one large transfer does not leave its size behind.
const KEPT_BYTES: usize = 128 * 1024;
