//! What is looked at of a client's frames on their way to the `h2` crate, which keeps no word of it.

use super::{
    fragment::{Blocks, Fragments},
    frames::{Frames, Piece},
    window::{Settings, Window},
};

pub use super::frames::Frame;

/// Reads along with one connection, from the first byte of its preface on (RFC 9113 section 3.4).
#[derive(Default)]
pub struct Incoming {
    frames: Frames,
    blocks: Blocks,
    settings: Settings,
}

/// Is what was seen on a connection so far and matters for its requests.
#[derive(Default)]
pub struct Seen {
    pub(super) fragments: Fragments,
    pub(super) window: Window,
}

impl Incoming {
    /// Looks at the next bytes and asks of each frame that begins in them whether it may; tells whether all of them may.
    ///
    /// After the first that may not, nothing is looked at any more.
    pub fn pass(&mut self, bytes: &[u8], seen: &Seen, mut may: impl FnMut(Frame) -> bool) -> bool {
        let Self { frames, blocks, settings } = self;
        frames.pass(bytes, |piece| {
            match piece {
                Piece::Header(frame) => {
                    blocks.begin(frame);
                    settings.begin(frame);
                    return may(frame);
                }
                Piece::Payload(bytes) => {
                    blocks.payload(bytes, &seen.fragments);
                    settings.payload(bytes, &seen.window);
                }
                Piece::End => blocks.end(&seen.fragments),
            }
            true
        })
    }
}

impl Seen {
    /// Whether the request of a stream is to be refused, since its path has a fragment or nobody can tell any more; a
    /// stream is forgotten by that.
    pub fn takes_fragment(&self, stream: u32) -> bool {
        self.fragments.take(stream)
    }

    /// Whether the client takes next to nothing of a response before it asks for more.
    pub fn is_narrow(&self) -> bool {
        self.window.is_narrow()
    }
}
