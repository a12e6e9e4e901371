//! Frames of HTTP/2, as far as they are looked at before the `h2` crate gets them.

use loona_hpack::Decoder;
use portward_proxy::h2::incoming::{Incoming, Seen};

use crate::raw::{CONTINUATION, END_HEADERS, HEADERS, PREFACE, SETTINGS};

/// Reads frames whole and byte by byte, and has what is seen in them judged by a decoder of others.
///
/// The bytes come after the preface, which is always the same. What the judge refuses ends the connection, and may be
/// taken in any way.
pub fn http2_frames(bytes: &[u8]) {
    let (mut whole, mut pieces) = (Reader::new(), Reader::new());
    whole.pass(PREFACE);
    PREFACE.iter().for_each(|byte| pieces.pass(&[*byte]));
    let (mut judge, mut rest) = (Judge::new(), bytes);
    while let Some((frame, after)) = split(rest) {
        whole.pass(&rest[..rest.len() - after.len()]);
        rest[..rest.len() - after.len()].iter().for_each(|byte| pieces.pass(&[*byte]));
        rest = after;
        let Some(verdict) = judge.judge(&frame) else { return };
        for reader in [&whole, &pieces] {
            if let Some(has_fragment) = verdict {
                assert_eq!(reader.seen.takes_fragment(frame.stream), has_fragment, "stream {}", frame.stream);
            }
            assert_eq!(reader.seen.is_narrow(), judge.window < NARROW, "a window of {}", judge.window);
        }
    }
    whole.pass(rest);
    rest.iter().for_each(|byte| pieces.pass(&[*byte]));
    assert_eq!((whole.frames, whole.seen.takes_fragment(1)), (pieces.frames, pieces.seen.takes_fragment(1)));
}

struct Reader {
    incoming: Incoming,
    seen: Seen,
    frames: usize,
}

impl Reader {
    fn new() -> Self {
        Self { incoming: Incoming::default(), seen: Seen::default(), frames: 0 }
    }

    fn pass(&mut self, bytes: &[u8]) {
        let all = self.incoming.pass(bytes, &self.seen, |_| {
            self.frames += 1;
            true
        });
        assert!(all, "a frame was refused that was allowed");
    }
}

struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// Cuts the first frame off, if all of it is there (RFC 9113 section 4.1).
fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (&[a, b, c, kind, flags, stream @ ..], rest) = bytes.split_first_chunk::<9>()?;
    let (payload, rest) = rest.split_at_checked(u32::from_be_bytes([0, a, b, c]) as usize)?;
    Some((Frame { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload }, rest))
}

/// Is what another reader makes of the frames.
struct Judge {
    decoder: Decoder<'static>,
    /// The stream and the beginning of a block that goes on in the next frame.
    open: Option<(u32, Vec<u8>)>,
    window: u32,
}

impl Judge {
    fn new() -> Self {
        let mut decoder = Decoder::new();
        decoder.set_max_allowed_table_size(TABLE_BYTES);
        Self { decoder, open: None, window: 65_535 }
    }

    /// Reads a frame; none if it is malformed. Tells of the last one of a header block whether a path in it has a fragment.
    fn judge(&mut self, frame: &Frame<'_>) -> Option<Option<bool>> {
        match (frame.kind, self.open.take()) {
            (HEADERS, None) => self.block(frame, fragment(frame)?.to_vec()),
            (CONTINUATION, Some((stream, block))) if stream == frame.stream => {
                self.block(frame, [&block, frame.payload].concat())
            }
            (HEADERS | CONTINUATION, _) | (_, Some(_)) => None,
            (SETTINGS, None) if frame.flags & ACK == 0 => {
                let (entries, []) = frame.payload.as_chunks::<6>() else { return None };
                for [high, low, value @ ..] in entries {
                    if [*high, *low] == [0, 4] {
                        self.window = u32::from_be_bytes(*value);
                    }
                }
                Some(None)
            }
            _ => Some(None),
        }
    }

    fn block(&mut self, frame: &Frame<'_>, block: Vec<u8>) -> Option<Option<bool>> {
        if block.len() > BLOCK_BYTES {
            return None;
        }
        if frame.flags & END_HEADERS == 0 {
            self.open = Some((frame.stream, block));
            return Some(None);
        }
        let fields = self.decoder.decode(&block).ok()?;
        Some(Some(fields.iter().any(|(name, value)| name == b":path" && value.contains(&b'#'))))
    }
}

/// What a HEADERS frame has beside padding and priority (RFC 9113 section 6.2).
fn fragment<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let (mut payload, mut padding) = (frame.payload, 0);
    if frame.flags & PADDED != 0 {
        (padding, payload) = payload.split_first().map(|(first, rest)| (usize::from(*first), rest))?;
    }
    if frame.flags & PRIORITY != 0 {
        payload = payload.get(5..)?;
    }
    payload.get(..payload.len().checked_sub(padding)?)
}

const ACK: u8 = 0x1;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// What a header table may hold where no SETTINGS of ours say otherwise.
const TABLE_BYTES: usize = 4096;

/// Larger blocks are not followed, and end the connection.
const BLOCK_BYTES: usize = 128 * 1024;

/// What counts as next to nothing of a response.
const NARROW: u32 = 1024;
