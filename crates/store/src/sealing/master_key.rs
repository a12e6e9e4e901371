//! The one key that opens all others.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::hkdf;
use base64::{Engine, prelude::BASE64_STANDARD};
use zeroize::Zeroizing;

use super::aead;
use crate::{disk, random};

/// Wraps the data keys of all sealed secrets. Whoever has it and the store has every private key.
///
/// It lives in a file that only its owner can read. The file is one line: `portward-master-key-1`, the generation, and the key in base64.
/// Without it a backup cannot be used, and a backup does not contain it: it is to be kept apart from them, but kept.
#[derive(Clone)]
pub struct MasterKey {
    pub(super) generation: u32,
    bytes: Zeroizing<[u8; aead::KEY_BYTES]>,
}

/// Says why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read.
    #[error("cannot read the master key {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot make the master key {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the owner can read or write the file.
    #[error("others can read or write the master key {path} (mode {mode:04o}); it opens every private key. Run: chmod 0400 {path}", path = path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is a directory, a pipe or the like.
    #[error("the master key {path} is not a regular file")]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// The file has something else in it, or half of it.
    #[error(
        "{path} is not a master key, or it is damaged; put the saved copy of the file in its place: without it no private key in the store can be used"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl MasterKey {
    /// Makes a new key, of generation 1.
    pub fn generate() -> Self {
        Self { generation: 1, bytes: Zeroizing::new(random::bytes()) }
    }

    /// Reads the file; where there is none, makes a new key and the file, with mode 0400.
    pub fn open_or_create(path: &Path) -> Result<Self, MasterKeyError> {
        match Self::open(path) {
            Err(MasterKeyError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let key = Self::generate();
        match disk::write_new(path, 0o400, key.line().as_bytes()) {
            Ok(()) => Ok(key),
            // Somebody was faster; theirs is the key.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::open(path),
            Err(source) => Err(MasterKeyError::Write { path: path.to_owned(), source }),
        }
    }

    /// Reads the file. Refuses one that others than its owner can read or write.
    pub fn open(path: &Path) -> Result<Self, MasterKeyError> {
        Self::open_with(path, 0o077)
    }

    /// Reads a file below `$CREDENTIALS_DIRECTORY`, as systemd gives it to a service.
    ///
    /// There the group may read: systemd lets the service's user in by an access control list, whose mask looks like that.
    pub fn open_credential(path: &Path) -> Result<Self, MasterKeyError> {
        Self::open_with(path, 0o037)
    }

    fn open_with(path: &Path, forbidden: u32) -> Result<Self, MasterKeyError> {
        let read = |source| MasterKeyError::Read { path: path.to_owned(), source };
        // A pipe without a writer would make `open` wait for ever.
        let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
        let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(read)?;
        // The open file is asked, not the path, so that nobody can swap it in between.
        let metadata = file.metadata().map_err(read)?;
        if !metadata.is_file() {
            return Err(MasterKeyError::NotAFile { path: path.to_owned() });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & forbidden != 0 {
            return Err(MasterKeyError::Permissions { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES));
        file.take(MAX_FILE_BYTES as u64).read_to_end(&mut text).map_err(read)?;
        Self::parse(&text).ok_or_else(|| MasterKeyError::Malformed { path: path.to_owned() })
    }

    /// Counts master keys of a cluster, from 1.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// A key for one purpose alone, from which nothing can be learnt of this one or of another purpose's (HKDF, RFC 5869).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; aead::KEY_BYTES]> {
        let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, DERIVED).extract(self.expose());
        let info = [purpose.as_bytes()];
        let mut key = Zeroizing::new([0; aead::KEY_BYTES]);
        let filled = derived.expand(&info, hkdf::HKDF_SHA256).and_then(|out| out.fill(key.as_mut_slice()));
        #[expect(clippy::expect_used, reason = "cannot fail for a key as long as the hash")]
        filled.expect("HKDF gives 32 bytes");
        key
    }

    pub(super) fn expose(&self) -> &[u8; aead::KEY_BYTES] {
        &self.bytes
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let (generation, key) = text.strip_prefix(MAGIC)?.strip_prefix(' ')?.split_once(' ')?;
        let mut decoded = Zeroizing::new([0; aead::KEY_BYTES + 4]);
        let length = BASE64_STANDARD.decode_slice(key, decoded.as_mut_slice()).ok()?;
        let bytes = Zeroizing::new(decoded.get(..length)?.try_into().ok()?);
        let generation = generation.parse().ok().filter(|generation| *generation > 0)?;
        Some(Self { generation, bytes })
    }

    pub(super) fn line(&self) -> Zeroizing<String> {
        let mut line = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES));
        line.push_str(MAGIC);
        line.push(' ');
        line.push_str(&self.generation.to_string());
        line.push(' ');
        BASE64_STANDARD.encode_string(self.bytes.as_slice(), &mut line);
        line.push('\n');
        line
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// Keeps these keys apart from those that MACs are made with.
const DERIVED: &[u8] = b"portward-derived-1";

/// First word of the file: what it is, and the version of its form.
const MAGIC: &str = "portward-master-key-1";
/// Room for the longest line: magic, ten digits, 44 characters of base64.
const MAX_FILE_BYTES: usize = 128;
