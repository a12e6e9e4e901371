//! The frames of HTTP/2 as they come in (RFC 9113 section 4.1), in whatever pieces.

/// Walks over frames that come in pieces.
pub(super) struct Frames {
    /// Bytes to be passed over: the preface first, then payloads.
    skip: usize,
    header: [u8; HEADER_BYTES],
    have: usize,
}

/// Is what is known of a frame before its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type (RFC 9113 section 6).
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream; 0 for the connection.
    pub stream: u32,
}

/// Is a piece of a frame.
pub(super) enum Piece<'a> {
    /// It begins.
    Header(Frame),
    /// Some of its payload, or of what comes before the first frame.
    Payload(&'a [u8]),
    /// It ends.
    End,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE_BYTES, header: [0; HEADER_BYTES], have: 0 }
    }
}

impl Frames {
    /// Calls `each` with every piece as it comes; ends with `false` when `each` does.
    pub(super) fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Piece<'_>) -> bool) -> bool {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let (payload, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip -= payload.len();
                bytes = rest;
                if !each(Piece::Payload(payload)) || (self.skip == 0 && !each(Piece::End)) {
                    return false;
                }
                continue;
            }
            let taken = (HEADER_BYTES - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_BYTES {
                self.have = 0;
                let [a, b, c, kind, flags, stream @ ..] = self.header;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
                if !each(Piece::Header(Frame { kind, flags, stream })) || (self.skip == 0 && !each(Piece::End)) {
                    return false;
                }
            }
        }
        true
    }
}

// Types of frames (RFC 9113 section 6), and flags of some.
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const ACK: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u32, kind: u8, flags: u8) -> Vec<u8> {
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
        frame.resize(HEADER_BYTES + length as usize, 0xff);
        frame
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let expected = [(SETTINGS, 0), (HEADERS, 5), (PING, 1), (DATA, 1)];
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for (length, (kind, flags)) in [18, 300, 8, 0].into_iter().zip(expected) {
            bytes.extend(frame(length, kind, flags));
        }
        for size in 1..bytes.len() {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(size) {
                assert!(frames.pass(piece, |piece| {
                    if let Piece::Header(Frame { kind, flags, stream: 1 }) = piece {
                        found.push((kind, flags));
                    }
                    true
                }));
            }
            assert_eq!(found, expected, "pieces of {size}");
        }
    }
}
