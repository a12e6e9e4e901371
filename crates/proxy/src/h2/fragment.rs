//! Finds requests whose `:path` has a fragment: the `http` crate cuts it off before anybody could refuse it.
//!
//! A path that two readers read in two ways must go no further (RFC 9113 section 8.3.1 has no fragment in it), so the
//! header blocks are looked through as they come in. Nothing is kept of them: the dynamic table (RFC 7541 section 2.3.2)
//! is followed by the sizes of its entries and by what matters here. What cannot be followed refuses every request.

mod huffman;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use self::huffman::decode;
use super::frames::{CONTINUATION, END_HEADERS, Frame, HEADERS, PADDED, PRIORITY};

/// Holds the streams whose requests are to be refused, until each is asked for.
#[derive(Default)]
pub(super) struct Fragments {
    streams: RefCell<Vec<u32>>,
    /// Whether the blocks cannot be followed any more.
    blind: Cell<bool>,
}

/// Follows the header blocks of one connection.
#[derive(Default)]
pub(super) struct Blocks {
    block: Vec<u8>,
    /// What the frame that is read has of it, if it has any.
    part: Option<Part>,
    table: Table,
}

struct Part {
    frame: Frame,
    /// Where its payload begins in `block`.
    begins: usize,
}

/// Says that a block is none, or is too large to be one of ours.
#[derive(Debug, PartialEq, Eq)]
struct Malformed;

impl Fragments {
    /// Whether the request of a stream is to be refused; it is forgotten by that.
    pub(super) fn take(&self, stream: u32) -> bool {
        let mut streams = self.streams.borrow_mut();
        let found = streams.iter().position(|other| *other == stream);
        if let Some(at) = found {
            streams.swap_remove(at);
        }
        found.is_some() || self.blind.get()
    }

    fn note(&self, stream: u32) {
        let mut streams = self.streams.borrow_mut();
        // The crate answers streams over its limit by itself, and nobody asks for them here.
        if streams.len() >= NOTED {
            self.blind.set(true);
        } else {
            streams.push(stream);
        }
    }
}

impl Blocks {
    /// A frame begins.
    pub(super) fn begin(&mut self, frame: Frame) {
        self.part = match frame.kind {
            HEADERS | CONTINUATION => Some(Part { frame, begins: self.block.len() }),
            _ => None,
        };
    }

    /// A piece of the frame's payload comes.
    pub(super) fn payload(&mut self, bytes: &[u8], found: &Fragments) {
        if self.part.is_none() || found.blind.get() {
            return;
        }
        if self.block.len() + bytes.len() > BLOCK_BYTES {
            found.blind.set(true);
            self.block = Vec::new();
            return;
        }
        self.block.extend_from_slice(bytes);
    }

    /// The frame ends.
    pub(super) fn end(&mut self, found: &Fragments) {
        let Some(Part { frame, begins }) = self.part.take() else { return };
        if found.blind.get() {
            return;
        }
        if frame.kind == HEADERS && self.strip(frame, begins).is_err() {
            found.blind.set(true);
        }
        if frame.flags & END_HEADERS != 0 {
            match self.table.follow(&self.block) {
                Ok(true) => found.note(frame.stream),
                Ok(false) => {}
                Err(Malformed) => found.blind.set(true),
            }
            // Given back, as an idle connection holds nothing.
            self.block = Vec::new();
        }
    }

    /// Takes padding and priority out of a HEADERS frame (RFC 9113 section 6.2).
    fn strip(&mut self, frame: Frame, begins: usize) -> Result<(), Malformed> {
        let payload = self.block.get(begins..).ok_or(Malformed)?;
        let padded = frame.flags & PADDED != 0;
        let padding = if padded { usize::from(*payload.first().ok_or(Malformed)?) } else { 0 };
        let before = usize::from(padded) + if frame.flags & PRIORITY != 0 { PRIORITY_BYTES } else { 0 };
        if before + padding > payload.len() {
            return Err(Malformed);
        }
        self.block.truncate(self.block.len() - padding);
        self.block.drain(begins..begins + before);
        Ok(())
    }
}

/// Is the dynamic table, of which only sizes and what matters here are kept; the newest entry first.
struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    most: usize,
}

#[derive(Clone, Copy)]
struct Entry {
    name: Name,
    has_fragment: bool,
    size: usize,
}

/// Is what is kept of a name.
#[derive(Clone, Copy)]
struct Name {
    is_path: bool,
    length: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, most: TABLE_BYTES }
    }
}

impl Table {
    /// Follows a block (RFC 7541 section 6); tells whether a path in it has a fragment.
    fn follow(&mut self, mut block: &[u8]) -> Result<bool, Malformed> {
        let mut found = false;
        while let Some(first) = block.first().copied() {
            if first & 0x80 != 0 {
                found |= self.indexed(integer(&mut block, 7)?)?;
            } else if first & 0x40 != 0 {
                let (name, has_number_sign, length) = self.literal(&mut block, 6)?;
                let has_fragment = name.is_path && has_number_sign;
                found |= has_fragment;
                self.insert(Entry { name, has_fragment, size: name.length + length + ENTRY_BYTES });
            } else if first & 0x20 != 0 {
                let most = integer(&mut block, 5)?;
                if most > TABLE_BYTES {
                    return Err(Malformed);
                }
                self.most = most;
                self.evict(0);
            } else {
                let (name, has_number_sign, _) = self.literal(&mut block, 4)?;
                found |= name.is_path && has_number_sign;
            }
        }
        Ok(found)
    }

    fn indexed(&self, index: usize) -> Result<bool, Malformed> {
        match index {
            0 => Err(Malformed),
            // The paths of the static table are `/` and `/index.html`.
            1..=STATIC => Ok(false),
            _ => self.entries.get(index - STATIC - 1).map(|entry| entry.has_fragment).ok_or(Malformed),
        }
    }

    /// Reads name and value; tells of the value whether it has a number sign, and how long it is.
    fn literal(&self, block: &mut &[u8], prefix: u8) -> Result<(Name, bool, usize), Malformed> {
        let name = match integer(block, prefix)? {
            0 => {
                let (mut at, mut is_path) = (0, true);
                string(block, |byte| {
                    is_path &= PATH.get(at) == Some(&byte);
                    at += 1;
                })?;
                Name { is_path: is_path && at == PATH.len(), length: at }
            }
            index @ 1..=STATIC => {
                let is_path = matches!(index, 4 | 5);
                Name { is_path, length: usize::from(STATIC_NAMES[index - 1]) }
            }
            index => self.entries.get(index - STATIC - 1).ok_or(Malformed)?.name,
        };
        let (mut has_number_sign, mut length) = (false, 0);
        string(block, |byte| {
            has_number_sign |= byte == b'#';
            length += 1;
        })?;
        Ok((name, has_number_sign, length))
    }

    fn insert(&mut self, entry: Entry) {
        self.evict(entry.size);
        // One that is larger than the table empties it (RFC 7541 section 4.4).
        if entry.size <= self.most {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    fn evict(&mut self, room: usize) {
        while self.size + room > self.most
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

/// Reads an integer with a prefix of so many bits (RFC 7541 section 5.1).
fn integer(block: &mut &[u8], prefix: u8) -> Result<usize, Malformed> {
    let (first, mut rest) = block.split_first().ok_or(Malformed)?;
    let most = (1_usize << prefix) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        // Four bytes more hold what any block here can mean.
        for shift in [0, 7, 14, 21, 28] {
            let (byte, after) = rest.split_first().ok_or(Malformed)?;
            rest = after;
            value += (usize::from(*byte) & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            if shift == 28 {
                return Err(Malformed);
            }
        }
    }
    *block = rest;
    Ok(value)
}

/// Reads a string (RFC 7541 section 5.2) and shows each of its bytes.
fn string(block: &mut &[u8], mut each: impl FnMut(u8)) -> Result<(), Malformed> {
    let is_huffman = block.first().ok_or(Malformed)? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (bytes, rest) = block.split_at_checked(length).ok_or(Malformed)?;
    *block = rest;
    if is_huffman {
        return decode(bytes, each).ok_or(Malformed);
    }
    bytes.iter().for_each(|byte| each(*byte));
    Ok(())
}

const PRIORITY_BYTES: usize = 5;
const PATH: &[u8] = b":path";

/// What a table may hold if nobody says otherwise, and we do not (RFC 9113 section 6.5.2).
const TABLE_BYTES: usize = 4096;

/// What each entry counts for beside its text (RFC 7541 section 4.1).
const ENTRY_BYTES: usize = 32;

/// More than the h2 crate takes before it ends the connection, which is six frames of 16 KiB: whatever it goes on after
/// has been followed.
const BLOCK_BYTES: usize = 128 * 1024;

/// More than the streams that a connection can have open.
const NOTED: usize = 1024;

/// Entries of the static table (RFC 7541 appendix A).
const STATIC: usize = STATIC_NAMES.len();

/// How long the names of the static table are.
#[rustfmt::skip]
const STATIC_NAMES: [u8; 61] = [
    10, 7, 7, 5, 5, 7, 7, 7, 7, 7, 7, 7, 7, 7, 14, 15, 15, 13, 6, 27, 3, 5, 13, 13, 19, 16, 16, 14, 16, 13, 12, 6,
    4, 4, 6, 7, 4, 4, 8, 17, 13, 8, 19, 13, 4, 8, 12, 18, 19, 5, 7, 7, 11, 6, 10, 25, 17, 10, 4, 3, 16,
];

#[cfg(test)]
mod tests;
