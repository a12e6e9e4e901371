//! Reads certificate files of any format into one bundle.

mod assemble;
mod binary;
mod inspect;
mod pem_blocks;
mod pile;

use crate::{Bundle, Password, ReadError, der::Reader, pbe::Budget, pem, read_error::ReadFailure};
pub use inspect::{
    Fate, InspectedCertificate, InspectedFile, InspectedKey, InspectedPiece, Inspection, MissingIssuer, PieceKind,
    inspect,
};
use pile::Pile;

/// Is one file to read.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Name for messages; it does not decide how the content is read.
    pub name: &'a str,
    /// The content.
    pub bytes: &'a [u8],
}

/// Largest PFX and other binary file, in bytes.
pub const MAX_PFX_BYTES: usize = 1024 * 1024;
/// Largest PEM file, in bytes.
pub const MAX_PEM_BYTES: usize = 256 * 1024;
/// Most certificates in all files together.
pub const MAX_CERTIFICATES: usize = 50;

/// Reads a certificate with its key and chain from one or several files.
///
/// Each format is recognised by its content: PEM, PFX, PKCS #7, certificates and keys in DER, and base64 of these.
/// The leaf is the certificate that a given key fits; the chain is put in order and completed from all files.
/// The same password is tried on everything that is encrypted; none and the empty one are tried as each other.
/// Key derivation is bounded, but can take seconds: call it where blocking is allowed.
///
/// It says nothing about dates, names and strength: [`crate::check()`] does.
pub fn read(files: &[Input<'_>], password: Option<&Password>) -> Result<Bundle, ReadError> {
    let mut pile = Pile::default();
    let mut budget = Budget::new();
    for file in files {
        pile.open(file.name);
        read_file(file.bytes, password, &mut budget, &mut pile).map_err(|failure| failure.in_file(file.name))?;
    }
    assemble::assemble(pile)
}

fn read_file(
    bytes: &[u8],
    password: Option<&Password>,
    budget: &mut Budget,
    pile: &mut Pile,
) -> Result<(), ReadFailure> {
    if bytes.len() > MAX_PFX_BYTES {
        return Err(too_large("the file", MAX_PFX_BYTES));
    }
    if let Some(der) = one_element(bytes) {
        return binary::read(der, password, budget, pile);
    }
    let text = pem::text::decode(bytes);
    if pem::is_pem(&text) {
        if bytes.len() > MAX_PEM_BYTES {
            return Err(too_large("the PEM file", MAX_PEM_BYTES));
        }
        return pem_blocks::read(&text, password, budget, pile);
    }
    // Some programs hand out a PFX or a certificate as bare base64.
    let compact: zeroize::Zeroizing<String> =
        zeroize::Zeroizing::new(text.chars().filter(|character| !character.is_whitespace()).collect());
    if let Some(decoded) = pem::decode_base64(&compact)
        && let Some(der) = one_element(&decoded)
    {
        return binary::read(der, password, budget, pile);
    }
    Err(unrecognised(bytes, &text))
}

/// The DER that a file consists of; white space and zeros after it were added by editors and cards.
fn one_element(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.first() != Some(&crate::der::SEQUENCE) {
        return None;
    }
    let mut reader = Reader::new(bytes);
    let element = reader.any().ok()?;
    reader.rest().iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()).then_some(element.raw)
}

fn unrecognised(bytes: &[u8], text: &str) -> ReadFailure {
    let unsupported =
        |what: &str, remedy: &str| ReadFailure::UnsupportedFormat { what: what.to_owned(), remedy: remedy.to_owned() };
    match bytes {
        [0xfe, 0xed, 0xfe, 0xed, ..] | [0xce, 0xce, 0xce, 0xce, ..] => {
            return unsupported(
                "a Java key store (JKS or JCEKS)",
                "convert it: keytool -importkeystore -srckeystore FILE -destkeystore FILE.pfx -deststoretype PKCS12, then import FILE.pfx",
            );
        }
        // No text begins like this: the second byte says that a length follows.
        [crate::der::SEQUENCE, 0x80..=0x84, ..] => {
            return ReadFailure::Broken {
                what: "file",
                reason: "it begins like PFX or DER, but is cut off or followed by something else".to_owned(),
            };
        }
        [b'P', b'K', 3, 4, ..] => {
            return unsupported("a ZIP archive", "unpack it and give the files in it");
        }
        _ => {}
    }
    if text.starts_with("PuTTY-User-Key-File") || text.starts_with("ssh-") || text.starts_with("ecdsa-sha2-") {
        return unsupported("an SSH key", "give the private key of the certificate (often privkey.pem or .key)");
    }
    let hint = if bytes.is_empty() {
        "the file is empty"
    } else if text.trim_start().starts_with('<') {
        "it looks like a web page: download the file itself"
    } else {
        "give the file that the authority sent, or export it again"
    };
    ReadFailure::Unrecognised { hint: hint.to_owned() }
}

fn too_large(what: &str, limit: usize) -> ReadFailure {
    ReadFailure::TooLarge { what: what.to_owned(), limit: format!("{} KiB", limit / 1024) }
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({}, {} bytes)", self.name, self.bytes.len())
    }
}

#[cfg(test)]
mod tests;
