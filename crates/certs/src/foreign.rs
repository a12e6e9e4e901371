//! Reads what other programs keep about certificates: certbot, acme.sh, Caddy, Traefik.
//!
//! The caller lists the files ([`wanted()`] says which) and brings their contents; nothing is read from disk here.
//! Whatever cannot be taken over becomes a [`Note`], so that nothing is lost in silence.
//! Contents of files are quoted only where they are names: no key and no token gets into a note or an error.

mod account_key;
mod acme_sh;
mod caddy;
mod certbot;
mod collect;
mod directory;
mod files;
mod provider;
mod settings;
mod traefik;

use std::{fmt, time::Duration};

use portward_core::{HostPattern, Timestamp, acme::ChallengeKind};
use zeroize::Zeroizing;

use crate::{Bundle, acme::AccountKey};
pub use account_key::AccountKeyRefusal;
use collect::Collector;
pub use directory::is_known as is_known_directory;
use files::Files;

/// Names a program whose files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ForeignKind {
    /// certbot, with its directory `/etc/letsencrypt`.
    Certbot,
    /// acme.sh, with its directory `~/.acme.sh`.
    AcmeSh,
    /// Caddy, with its data directory, which has `certificates` and `acme` in it.
    Caddy,
    /// Traefik, with its file `acme.json`.
    Traefik,
}

/// Is one file of a program.
pub struct ForeignFile {
    /// Its path below the directory that is read, with `/` between the parts.
    pub path: String,
    /// Its content; symbolic links are followed by whoever reads it.
    pub data: Zeroizing<Vec<u8>>,
}

/// Is what was found, in the order of the paths.
#[derive(Debug, Default)]
pub struct Foreign {
    /// Certificates with their keys.
    pub certificates: Vec<ForeignCertificate>,
    /// Accounts with CAs.
    pub accounts: Vec<ForeignAccount>,
    /// What was left out, and what somebody should look at.
    pub notes: Vec<Note>,
}

/// Is a certificate of another program.
#[derive(Debug)]
pub struct ForeignCertificate {
    /// The file or directory it was in.
    pub path: String,
    /// Names and addresses that it is valid for, as the certificate itself says; never empty.
    pub names: Vec<HostPattern>,
    /// Chain and key.
    pub bundle: Bundle,
    /// URL of the ACME directory that it came from; none if that is not known.
    pub directory: Option<String>,
    /// The challenge that showed control of all its names; none if that is not known, or there was more than one.
    pub challenge: Option<ChallengeKind>,
    /// How control was shown and what is to be done for it here, for people.
    pub how: Option<String>,
    /// Time before its end at which it was renewed, where somebody had set one.
    pub renew_before: Option<Duration>,
}

/// Is an account of another program with a CA.
#[derive(Debug)]
pub struct ForeignAccount {
    /// The file or directory it was in.
    pub path: String,
    /// URL of the ACME directory.
    pub directory: String,
    /// URL of the account; none if the program had not stored it.
    pub url: Option<String>,
    /// Contact URLs.
    pub contacts: Vec<String>,
    /// Its key, or why that cannot be used here. Certificates do not depend on it: a new account does for them.
    pub key: Result<AccountKey, AccountKeyRefusal>,
}

/// Tells of something that was left out, or that somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The file or directory that it is about.
    pub path: String,
    /// What has become of it.
    pub weight: NoteWeight,
    /// What it is, and what to do.
    pub message: String,
}

/// Says what has become of that which a [`Note`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoteWeight {
    /// It was not taken.
    LeftOut,
    /// It was taken, or is none of Portward's business; there is something to do or to know.
    LookAt,
}

/// Says why nothing could be read at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadForeignError {
    /// There are more files than any of the programs keeps.
    #[error("there are {count} files, more than the {MAX_FOREIGN_FILES} that are read; give the directory of {kind} itself: {}", .kind.place())]
    TooManyFiles {
        /// Whose files they should be.
        kind: ForeignKind,
        /// How many came.
        count: usize,
    },
    /// The files are larger than those of any of the programs.
    #[error("the files have {bytes} bytes together, more than the {MAX_FOREIGN_BYTES} that are read; give the directory of {kind} itself: {}", .kind.place())]
    TooLarge {
        /// Whose files they should be.
        kind: ForeignKind,
        /// How much came.
        bytes: usize,
    },
    /// None of the files is one that the program writes.
    #[error("there is nothing of {kind} in it: expected were {}; give {}", .kind.expected(), .kind.place())]
    Nothing {
        /// Whose files they should be.
        kind: ForeignKind,
    },
    /// The one file that holds everything cannot be read.
    #[error("{path} cannot be read: {reason}; give the file as {kind} wrote it")]
    Broken {
        /// Whose file it should be.
        kind: ForeignKind,
        /// The file.
        path: String,
        /// What is wrong with it, and where.
        reason: String,
    },
}

/// Most files that are read.
pub const MAX_FOREIGN_FILES: usize = 50_000;
/// Most bytes that are read, all files together.
pub const MAX_FOREIGN_BYTES: usize = 64 * 1024 * 1024;

/// Reads the files of a program; those that are not [`wanted()`] are passed over.
///
/// Certificates are taken whatever [`crate::check()`] finds wrong with them, which becomes notes: whoever takes them
/// over judges again. Of several with the same names and the same kind of key, the one that is valid longest is taken.
pub fn read_foreign(kind: ForeignKind, files: Vec<ForeignFile>, now: Timestamp) -> Result<Foreign, ReadForeignError> {
    if files.len() > MAX_FOREIGN_FILES {
        return Err(ReadForeignError::TooManyFiles { kind, count: files.len() });
    }
    let bytes = files.iter().map(|file| file.data.len()).sum();
    if bytes > MAX_FOREIGN_BYTES {
        return Err(ReadForeignError::TooLarge { kind, bytes });
    }
    let files = Files::new(files.into_iter().filter(|file| wanted(kind, &file.path)));
    if files.is_empty() {
        return Err(ReadForeignError::Nothing { kind });
    }
    let mut collector = Collector::new(now);
    match kind {
        ForeignKind::Certbot => certbot::read(&files, &mut collector),
        ForeignKind::AcmeSh => acme_sh::read(&files, &mut collector),
        ForeignKind::Caddy => caddy::read(&files, &mut collector),
        ForeignKind::Traefik => traefik::read(&files, &mut collector)?,
    }
    for path in files.unused() {
        collector.left_out(path, "it is no part of a certificate or an account that was found".to_owned());
    }
    Ok(collector.finish())
}

/// Whether the content of a file is needed, by its path below the directory that is read.
///
/// Logs, requests, old versions and backups are not.
pub fn wanted(kind: ForeignKind, path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match kind {
        ForeignKind::Certbot => certbot::wanted(&parts),
        ForeignKind::AcmeSh => acme_sh::wanted(&parts),
        ForeignKind::Caddy => caddy::wanted(&parts),
        ForeignKind::Traefik => traefik::wanted(&parts),
    }
}

impl ForeignKind {
    /// All programs.
    pub const ALL: [Self; 4] = [Self::Certbot, Self::AcmeSh, Self::Caddy, Self::Traefik];

    /// The word of the command line: `certbot`, `acme.sh`, `caddy` or `traefik`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certbot => "certbot",
            Self::AcmeSh => "acme.sh",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
        }
    }

    /// Reads what [`ForeignKind::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What is to be given, and where it mostly is.
    fn place(self) -> &'static str {
        match self {
            Self::Certbot => "the directory of certbot, mostly /etc/letsencrypt",
            Self::AcmeSh => "the directory of acme.sh, mostly ~/.acme.sh",
            Self::Caddy => {
                "the data directory of Caddy, mostly /var/lib/caddy/.local/share/caddy or ~/.local/share/caddy, in a container /data/caddy"
            }
            Self::Traefik => "the file that certificatesResolvers.NAME.acme.storage names, mostly acme.json",
        }
    }

    /// Which files must be there.
    fn expected(self) -> &'static str {
        match self {
            Self::Certbot => "renewal/NAME.conf and live/NAME/fullchain.pem",
            Self::AcmeSh => "NAME/NAME.conf, NAME/NAME.key and NAME/fullchain.cer",
            Self::Caddy => "certificates/ISSUER/NAME/NAME.crt",
            Self::Traefik => "acme.json",
        }
    }
}

/// The program's own spelling.
impl fmt::Display for ForeignKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certbot => "certbot",
            Self::AcmeSh => "acme.sh",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
        })
    }
}

impl NoteWeight {
    /// The word of the API: `left-out` or `look-at`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LeftOut => "left-out",
            Self::LookAt => "look-at",
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl fmt::Debug for ForeignFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignFile({}, {} bytes)", self.path, self.data.len())
    }
}

#[cfg(test)]
mod tests;
