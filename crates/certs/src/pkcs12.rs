//! PFX: PKCS #12 (RFC 7292), with the PBMAC1 of RFC 9579.

mod bags;
mod mac;

pub(crate) use bags::decrypt_key;
use zeroize::Zeroizing;

use crate::{
    Password,
    der::{self, DerError, Element},
    oid,
    pbe::{self, Budget, Container},
    read_error::ReadFailure,
};

/// Holds what a PFX contained.
#[derive(Default)]
pub(crate) struct Contents {
    /// DER, in the order of the file.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// PKCS #8, decrypted.
    pub(crate) keys: Vec<Zeroizing<Vec<u8>>>,
    /// What else there was, in words.
    pub(crate) others: Vec<String>,
    /// Whether certificates are marked as trusted by Java: such a file is a trust store.
    pub(crate) is_trust_store: bool,
}

/// Reads a PFX: verifies its MAC, if it has one, and opens all its safes.
///
/// A file without a MAC is read too; then only the decryption tells a wrong password.
pub(crate) fn read(der: &[u8], password: Option<&Password>, budget: &mut Budget) -> Result<Contents, ReadFailure> {
    let broken = |error: DerError| Container::Pfx.broken(error);
    let mut fields = der::whole(der).map_err(broken)?.inside();
    let version = fields.expect(der::INTEGER, "the version is missing").and_then(|v| v.unsigned()).map_err(broken)?;
    if version != 3 {
        return Err(broken(DerError("its version is not 3")));
    }
    let mut info = fields.expect(der::SEQUENCE, "the content is missing").map_err(broken)?.inside();
    let kind = info.oid().map_err(broken)?;
    if kind != oid::DATA {
        // Signed by a public key instead of a MAC; no known program writes it.
        return Err(Container::Pfx.unsupported(&kind));
    }
    let content = content(&mut info).map_err(broken)?;
    if let Some(mac) = fields.optional(der::SEQUENCE).map_err(broken)? {
        mac::verify(&mac, &content, password, budget)?;
    }
    fields.end().map_err(broken)?;

    let mut found = Contents::default();
    let mut safes = der::whole(&content).map_err(broken)?.inside();
    while !safes.is_empty() {
        let safe = safes.expect(der::SEQUENCE, "a safe is malformed").map_err(broken)?;
        let contents = open_safe(&safe, password, budget)?;
        bags::read(&contents, MAX_BAG_DEPTH, password, budget, &mut found)?;
    }
    Ok(found)
}

/// Reads the `ContentInfo` of one safe, and decrypts it.
fn open_safe(
    safe: &Element<'_>,
    password: Option<&Password>,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, ReadFailure> {
    let broken = |error: DerError| Container::Pfx.broken(error);
    let mut info = safe.inside();
    match info.oid().map_err(broken)?.as_str() {
        oid::DATA => content(&mut info).map_err(broken),
        oid::ENCRYPTED_DATA => {
            let outer = info.expect(der::context(0), "a safe is empty").map_err(broken)?;
            let mut data = outer.inside().expect(der::SEQUENCE, "a safe is malformed").map_err(broken)?.inside();
            data.expect(der::INTEGER, "a safe has no version").map_err(broken)?;
            let mut encrypted = data.expect(der::SEQUENCE, "a safe is malformed").map_err(broken)?.inside();
            encrypted.oid().map_err(broken)?;
            let algorithm = encrypted.expect(der::SEQUENCE, "a safe has no cipher").map_err(broken)?;
            let ciphertext = encrypted.any().map_err(broken)?;
            if ciphertext.tag != der::context(0) && ciphertext.tag != der::context_primitive(0) {
                return Err(broken(DerError("a safe is empty")));
            }
            let ciphertext = ciphertext.octets().map_err(broken)?;
            pbe::decrypt(&algorithm, &ciphertext, password, Container::Pfx, budget)
        }
        other => Err(Container::Pfx.unsupported(other)),
    }
}

/// Reads `[0] EXPLICIT OCTET STRING`.
fn content(info: &mut der::Reader<'_>) -> Result<Zeroizing<Vec<u8>>, DerError> {
    let outer = info.expect(der::context(0), "the content is missing")?;
    outer.inside().expect_octets("the content is of another kind")
}

/// Safes inside safes are allowed and hardly ever seen.
const MAX_BAG_DEPTH: u8 = 4;

#[cfg(test)]
mod tests;
