//! The MAC of a PFX: HMAC under a key by the method of PKCS #12, or PBMAC1.

use aws_lc_rs::hmac;

use crate::{
    Password,
    der::{self, DerError, Element},
    hash::Hash,
    kdf::{self, Purpose},
    oid, password,
    pbe::{self, Budget, Container, Pbkdf2},
    read_error::ReadFailure,
};

/// Verifies `MacData` over the content, in constant time, with each encoding of the password.
pub(super) fn verify(
    mac: &Element<'_>,
    content: &[u8],
    password: Option<&Password>,
    budget: &mut Budget,
) -> Result<(), ReadFailure> {
    let broken = |error: DerError| Container::Pfx.broken(error);
    let mut fields = mac.inside();
    let mut digest = fields.expect(der::SEQUENCE, "the MAC is malformed").map_err(broken)?.inside();
    let algorithm = digest.expect(der::SEQUENCE, "the MAC has no algorithm").map_err(broken)?;
    let expected = digest.expect_octets("the MAC is missing").map_err(broken)?;
    let name = algorithm.inside().oid().map_err(broken)?;
    if name == oid::PBMAC1 {
        return verify_pbmac1(&algorithm, &expected, content, password, budget);
    }
    let hash = Hash::from_digest_oid(&name).ok_or_else(|| Container::Pfx.unsupported(&name))?;
    let salt = fields.expect_octets("the MAC has no salt").map_err(broken)?;
    let rounds = match fields.optional(der::INTEGER).map_err(broken)? {
        Some(number) => pbe::rounds(&number, Container::Pfx)?,
        None => std::num::NonZeroU32::MIN,
    };
    let hmac = hash.hmac().ok_or_else(|| Container::Pfx.unsupported(&name))?;
    for encoding in password::for_pkcs12(password) {
        budget.spend(rounds, 1, Container::Pfx)?;
        let key = kdf::pkcs12(hash, Purpose::Mac, &encoding, &salt, rounds, hash.output_len());
        if hmac::verify(&hmac::Key::new(hmac, &key), content, &expected).is_ok() {
            return Ok(());
        }
    }
    Err(Container::Pfx.refused(password))
}

/// Verifies PBMAC1 (RFC 9579): salt and rounds beside it mean nothing, the password is UTF-8 (its erratum).
fn verify_pbmac1(
    algorithm: &Element<'_>,
    expected: &[u8],
    content: &[u8],
    password: Option<&Password>,
    budget: &mut Budget,
) -> Result<(), ReadFailure> {
    let broken = |error: DerError| Container::Pfx.broken(error);
    let mut fields = algorithm.inside();
    fields.oid().map_err(broken)?;
    let mut parameters = fields.expect(der::SEQUENCE, "PBMAC1 has no parameters").map_err(broken)?.inside();
    let kdf = parameters.expect(der::SEQUENCE, "PBMAC1 has no key derivation").map_err(broken)?;
    let scheme = parameters.expect(der::SEQUENCE, "PBMAC1 has no MAC").map_err(broken)?;
    let kdf = Pbkdf2::read(&kdf, Container::Pfx)?;
    let name = scheme.inside().oid().map_err(broken)?;
    let hmac = Hash::from_hmac_oid(&name).and_then(Hash::hmac).ok_or_else(|| Container::Pfx.unsupported(&name))?;
    let length = kdf.key_len.and_then(|length| usize::try_from(length).ok());
    let Some(length @ MIN_PBMAC1_KEY..=MAX_PBMAC1_KEY) = length else {
        return Err(broken(DerError("the key of its PBMAC1 has no length, or one that protects nothing")));
    };
    for encoding in password::for_pbmac1(password) {
        let key = kdf.derive(&encoding, length, Container::Pfx, budget)?;
        if hmac::verify(&hmac::Key::new(hmac, &key), content, expected).is_ok() {
            return Ok(());
        }
    }
    Err(Container::Pfx.refused(password))
}

/// RFC 9579 section 7: shorter keys are not to be accepted.
const MIN_PBMAC1_KEY: usize = 20;
/// The block of SHA-512; HMAC would shorten a longer key.
const MAX_PBMAC1_KEY: usize = 128;
