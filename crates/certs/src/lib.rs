//! Reads the certificate files that people have, checks them, makes self-signed ones, writes them out again, and gets
//! certificates from CAs.
//!
//! Files are bytes in memory here: no store, no clock. Only [`acme`] and [`dns`] reach for the network.
//! [`read()`] turns files of any format into one [`Bundle`]; [`check()`] says what is wrong with it.
//! The parsers are strict about structure, tolerant of BER, and bounded in size, depth and key derivation.

pub mod acme;
pub mod dns;

mod bundle;
mod chain_order;
mod check;
mod der;
mod export;
mod facts;
mod finding;
mod foreign;
mod hash;
mod kdf;
mod oid;
mod password;
mod pbe;
mod pem;
mod pkcs12;
mod pkcs7;
mod private_key;
mod read;
mod read_error;
mod self_signed;
mod x509;

pub use bundle::{Bundle, LeftOver};
pub use chain_order::is_in_order;
pub use check::{Allow, check};
pub use export::{ExportPfxError, export_pem, export_pfx};
pub use facts::{FactsError, facts};
pub use finding::{Defect, Finding, Weight};
pub use foreign::{
    AccountKeyRefusal, Foreign, ForeignAccount, ForeignCertificate, ForeignFile, ForeignKind, MAX_FOREIGN_BYTES,
    MAX_FOREIGN_FILES, Note, NoteWeight, ReadForeignError, is_known_directory, read_foreign, wanted,
};
pub use password::Password;
pub use private_key::{PrivateKey, PrivateKeyError};
pub use read::{
    Fate, Input, InspectedCertificate, InspectedFile, InspectedKey, InspectedPiece, Inspection, MAX_CERTIFICATES,
    MAX_PEM_BYTES, MAX_PFX_BYTES, MissingIssuer, PieceKind, inspect, read,
};
pub use read_error::{ReadError, ReadFailure};
pub use self_signed::{SELF_SIGNED_DAYS, SelfSignedError, self_signed, self_signed_validity};
