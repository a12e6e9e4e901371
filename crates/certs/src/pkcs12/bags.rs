//! The bags in a safe of a PFX: keys, certificates, and what else programs put there.

use super::Contents;
use crate::{
    Password,
    der::{self, DerError, Element},
    oid,
    pbe::{self, Budget, Container},
    read_error::ReadFailure,
};

/// Reads `SafeContents` into `found`.
pub(super) fn read(
    der: &[u8],
    depth: u8,
    password: Option<&Password>,
    budget: &mut Budget,
    found: &mut Contents,
) -> Result<(), ReadFailure> {
    let broken = |error: DerError| Container::Pfx.broken(error);
    let depth = depth.checked_sub(1).ok_or_else(|| broken(DerError("it is nested too deeply")))?;
    let mut bags = der::whole(der).map_err(broken)?.inside();
    while !bags.is_empty() {
        let mut bag = bags.expect(der::SEQUENCE, "a bag is malformed").map_err(broken)?.inside();
        let kind = bag.oid().map_err(broken)?;
        let value =
            bag.expect(der::context(0), "a bag is empty").and_then(|value| value.inside().any()).map_err(broken)?;
        let attributes = bag.optional(der::SET).map_err(broken)?;
        match kind.as_str() {
            oid::CERT_BAG => match certificate(&value).map_err(broken)? {
                Some(certificate) => {
                    found.is_trust_store |= attributes.is_some_and(|set| has(&set, oid::JAVA_TRUSTED_USAGE));
                    found.certificates.push(certificate);
                }
                None => found.others.push("a certificate that is not X.509".to_owned()),
            },
            oid::KEY_BAG => found.keys.push(zeroize::Zeroizing::new(value.raw.to_vec())),
            oid::SHROUDED_KEY_BAG => found.keys.push(decrypt_key(&value, password, Container::KeyInPfx, budget)?),
            oid::SAFE_CONTENTS_BAG => read(value.raw, depth, password, budget, found)?,
            oid::CRL_BAG => found.others.push("a list of revoked certificates".to_owned()),
            oid::SECRET_BAG => found.others.push("a secret that is not a private key".to_owned()),
            other => found.others.push(format!("a bag of an unknown kind ({other})")),
        }
    }
    Ok(())
}

/// Decrypts `EncryptedPrivateKeyInfo` (RFC 5958 section 3).
pub(crate) fn decrypt_key(
    info: &Element<'_>,
    password: Option<&Password>,
    container: Container,
    budget: &mut Budget,
) -> Result<zeroize::Zeroizing<Vec<u8>>, ReadFailure> {
    let broken = |error: DerError| container.broken(error);
    let mut fields = info.inside();
    let algorithm = fields.expect(der::SEQUENCE, "the cipher is missing").map_err(broken)?;
    let ciphertext = fields.expect_octets("the encrypted key is missing").map_err(broken)?;
    pbe::decrypt(&algorithm, &ciphertext, password, container, budget)
}

fn certificate(bag: &Element<'_>) -> Result<Option<Vec<u8>>, DerError> {
    let mut fields = bag.inside();
    if fields.oid()? != oid::X509_CERTIFICATE {
        return Ok(None);
    }
    let octets = fields
        .expect(der::context(0), "a certificate bag is empty")?
        .inside()
        .expect_octets("a certificate bag is empty")?;
    Ok(Some(octets.to_vec()))
}

/// Whether a bag has that attribute; malformed ones are passed over.
fn has(attributes: &Element<'_>, wanted: &str) -> bool {
    let mut list = attributes.inside();
    while let Ok(attribute) = list.any() {
        if attribute.inside().oid().is_ok_and(|name| name == wanted) {
            return true;
        }
    }
    false
}
