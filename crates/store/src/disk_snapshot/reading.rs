//! Reading the file of a disk snapshot: its head, and its records part by part.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use bytes::Buf;

use super::{MAGIC, ReadDiskSnapshotError, TAG_BYTES};
use crate::{Revision, cluster::Cluster};

/// Is what a file says of itself, before anything of it is believed.
pub(super) struct Head {
    pub(super) generation: u32,
    pub(super) cluster: Cluster,
    pub(super) revision: Revision,
    /// How long it is.
    pub(super) bytes: usize,
}

impl Head {
    pub(super) fn read(content: &[u8]) -> Result<Self, ReadDiskSnapshotError> {
        let mut rest = content.strip_prefix(MAGIC).ok_or(ReadDiskSnapshotError::Form)?;
        let mut parse = || {
            let generation = rest.try_get_u32().ok()?;
            let restored = rest.try_get_u64().ok()?;
            let revision = Revision(rest.try_get_u64().ok()?);
            let length = usize::from(rest.try_get_u16().ok()?);
            let id = rest.split_off(..length)?;
            let id = std::str::from_utf8(id).ok()?.to_owned();
            Some((generation, Cluster { id, generation: restored }, revision))
        };
        let (generation, cluster, revision) = parse().ok_or(ReadDiskSnapshotError::Refused)?;
        Ok(Self { generation, cluster, revision, bytes: content.len() - rest.len() })
    }
}

/// Is a record of a file.
pub(super) struct Record<'f> {
    key: &'f str,
    value: &'f [u8],
    revision: Revision,
}

impl<'f> Record<'f> {
    /// Takes the first record off; none if there is no whole one.
    fn take(rest: &mut &'f [u8]) -> Option<Self> {
        let key = usize::from(rest.try_get_u16().ok()?);
        let value = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let revision = Revision(rest.try_get_u64().ok()?);
        let key = std::str::from_utf8(rest.split_off(..key)?).ok()?;
        Some(Self { key, value: rest.split_off(..value)?, revision })
    }
}

/// Reads a file part by part, of which none ends within a certificate, and covers all of it with its MAC.
pub(super) struct Parts {
    file: fs::File,
    /// What was read and not given yet; the head before anything else.
    pub(super) rest: Vec<u8>,
    /// How much of the records is still in the file, where its head says that they begin.
    left: u64,
    mac: Option<hmac::Context>,
    failed: Option<io::Error>,
}

impl Parts {
    /// Reads the beginning of a file, in which its head is.
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let file = fs::File::open(file)?;
        let left = file.metadata()?.len().saturating_sub(TAG_BYTES as u64);
        let mut parts = Self { file, rest: Vec::new(), left, mac: None, failed: None };
        parts.read(HEAD_BYTES)?;
        Ok(parts)
    }

    /// Begins behind a head of so many bytes.
    pub(super) fn begin(&mut self, key: &hmac::Key, head: usize) -> Result<(), ReadDiskSnapshotError> {
        if self.rest.len() < head {
            return Err(ReadDiskSnapshotError::Refused);
        }
        let mut mac = hmac::Context::with_key(key);
        mac.update(&self.rest);
        self.mac = Some(mac);
        self.rest.drain(..head);
        Ok(())
    }

    /// Whether the file ends with the MAC of all that was read before.
    pub(super) fn verify(mut self) -> Result<(), ReadDiskSnapshotError> {
        if let Some(error) = self.failed {
            return Err(ReadDiskSnapshotError::Io(error));
        }
        let mac = self.mac.filter(|_| self.left == 0 && self.rest.is_empty()).ok_or(ReadDiskSnapshotError::Refused)?;
        let mut tag = Vec::new();
        self.file.read_to_end(&mut tag).map_err(ReadDiskSnapshotError::Io)?;
        verify_slices_are_equal(mac.sign().as_ref(), &tag).map_err(|_| ReadDiskSnapshotError::Refused)
    }

    /// Puts the next part into a buffer, and says whether there is one.
    ///
    /// Buffers are used again and again: what is freed while things are read that stay leaves holes between them.
    pub(super) fn fill(&mut self, part: &mut Vec<u8>) -> bool {
        part.clear();
        while self.left > 0 {
            if let Err(error) = self.read(PART_BYTES) {
                self.failed = Some(error);
                return false;
            }
            if self.left > 0
                && let Some(end) = last_thing(&self.rest)
            {
                part.extend_from_slice(&self.rest[end..]);
                self.rest.truncate(end);
                break;
            }
        }
        std::mem::swap(part, &mut self.rest);
        !part.is_empty()
    }

    /// Reads so many bytes more, or as many as there are before the MAC.
    fn read(&mut self, bytes: u64) -> io::Result<()> {
        let (before, bytes) = (self.rest.len(), bytes.min(self.left));
        let read = self.file.by_ref().take(bytes).read_to_end(&mut self.rest)?;
        if (read as u64) < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= bytes;
        if let Some(mac) = &mut self.mac {
            mac.update(&self.rest[before..]);
        }
        Ok(())
    }
}

/// Where the records of the last thing begin that is in a part, if it is not the first one.
pub(super) fn last_thing(part: &[u8]) -> Option<usize> {
    let (mut rest, mut thing, mut begin) = (part, "", 0);
    loop {
        let at = part.len() - rest.len();
        let Some(record) = Record::take(&mut rest) else { break };
        // Two segments name a thing; of a certificate there are several records.
        let mut segments = record.key.match_indices('/').map(|(at, _)| at);
        let next = record.key.get(..segments.nth(1).unwrap_or(record.key.len())).unwrap_or_default();
        if next != thing {
            (thing, begin) = (next, at);
        }
    }
    (begin > 0).then_some(begin)
}

/// Gives each record of a part to `take`, as long as that agrees; whether it did to the end.
pub(super) fn records(mut part: &[u8], take: &mut dyn FnMut(&str, &[u8], Revision) -> bool) -> bool {
    while !part.is_empty() {
        match Record::take(&mut part) {
            Some(Record { key, value, revision }) if take(key, value, revision) => {}
            _ => return false,
        }
    }
    true
}

/// More than stands before the records.
const HEAD_BYTES: u64 = 512;
/// What is read at a time: few enough that all threads have something to do up to the end.
const PART_BYTES: u64 = 1024 * 1024;
