//! Holds a client that takes nothing of its responses to a few requests at once.
//!
//! A response that is not taken holds a connection of an upstream and what was read of it (CVE-2019-9517). How much a
//! client takes unasked is in its SETTINGS (RFC 9113 section 6.5.2), which are looked at as they come in. The head of a
//! response needs no window, so who asks for each body by itself is served all the same.

use std::cell::Cell;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::frames::{ACK, Frame, SETTINGS};

/// Is what a client takes of each response before it asks for more.
pub(super) struct Window {
    initial: Cell<u32>,
    few: Semaphore,
}

/// Is held by a request while it is forwarded; a permit where its client has next to no window.
pub(super) struct Turn<'w>(#[expect(dead_code, reason = "held")] Option<SemaphorePermit<'w>>);

/// Follows the SETTINGS of a client.
#[derive(Default)]
pub(super) struct Settings {
    /// Whether the frame that is read is one of them.
    open: bool,
    entry: [u8; ENTRY_BYTES],
    have: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { initial: Cell::new(DEFAULT), few: Semaphore::new(FEW) }
    }
}

impl Window {
    /// Waits until few other requests are forwarded, if the client takes next to nothing.
    pub(super) async fn turn(&self) -> Turn<'_> {
        match self.is_narrow() {
            // It is never closed.
            true => Turn(self.few.acquire().await.ok()),
            false => Turn(None),
        }
    }

    pub(super) fn is_narrow(&self) -> bool {
        self.initial.get() < NARROW
    }
}

impl Settings {
    /// A frame begins.
    pub(super) fn begin(&mut self, frame: Frame) {
        (self.open, self.have) = (frame.kind == SETTINGS && frame.flags & ACK == 0, 0);
    }

    /// A piece of the frame's payload comes.
    pub(super) fn payload(&mut self, bytes: &[u8], window: &Window) {
        if !self.open {
            return;
        }
        for byte in bytes {
            self.entry[self.have] = *byte;
            self.have += 1;
            if self.have == ENTRY_BYTES {
                self.have = 0;
                if let [0, INITIAL_WINDOW_SIZE, value @ ..] = self.entry {
                    window.initial.set(u32::from_be_bytes(value));
                }
            }
        }
    }
}

const INITIAL_WINDOW_SIZE: u8 = 4;

/// An identifier of two bytes and a value of four.
const ENTRY_BYTES: usize = 6;

/// Where no SETTINGS say otherwise.
const DEFAULT: u32 = 65_535;

/// Less than the head and the body of a short answer have; no client in use has so little, and those that flood have none.
const NARROW: u32 = 1024;

/// Requests that are forwarded at once for a client without a window: as many as browsers had connections to a host.
const FEW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_setting_counts_however_it_is_cut() {
        let entries = [[0, 3, 0, 0, 0, 100], [0, 4, 0, 0, 0, 0], [0, 4, 0, 1, 0, 0], [0, 4, 0, 0, 3, 0xff]].concat();
        for size in 1..=entries.len() {
            let (window, mut settings) = (Window::default(), Settings::default());
            assert!(!window.is_narrow());
            settings.begin(Frame { kind: SETTINGS, flags: 0, stream: 0 });
            entries.chunks(size).for_each(|piece| settings.payload(piece, &window));
            assert_eq!(window.initial.get(), 1023, "pieces of {size}");
            assert!(window.is_narrow());
        }
    }

    #[test]
    fn other_frames_and_acknowledgements_change_nothing() {
        let (window, mut settings) = (Window::default(), Settings::default());
        for (kind, flags) in [(0, 0), (SETTINGS, ACK), (8, 0)] {
            settings.begin(Frame { kind, flags, stream: 0 });
            settings.payload(&[0, 4, 0, 0, 0, 0], &window);
            assert!(!window.is_narrow(), "{kind}");
        }
        // What a frame of a wrong length leaves is not taken for the beginning of the next one.
        settings.begin(Frame { kind: SETTINGS, flags: 0, stream: 0 });
        settings.payload(&[0, 4, 0], &window);
        settings.begin(Frame { kind: SETTINGS, flags: 0, stream: 0 });
        settings.payload(&[0, 4, 0, 0, 0, 0], &window);
        assert!(window.is_narrow());
    }
}
