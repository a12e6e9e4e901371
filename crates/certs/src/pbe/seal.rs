//! Encrypts under a password, in the one way in which files are written here: PBES2 with AES-256-CBC.

use std::num::NonZeroU32;

use aws_lc_rs::{
    cipher::{AES_256, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey},
    rand,
};
use zeroize::Zeroizing;

use crate::{Password, der::writer, hash::Hash, kdf, oid};

/// Is a ciphertext with the `AlgorithmIdentifier` that says how to open it.
pub(crate) struct Sealed {
    pub(crate) algorithm: Zeroizing<Vec<u8>>,
    pub(crate) ciphertext: Vec<u8>,
}

/// Says why it could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SealError {
    Random,
    Encrypt,
}

/// Rounds of key derivation.
///
/// .NET refuses files of more than 300,000 by default; OWASP's 600,000 would make a PFX that Windows programs cannot load.
pub(crate) const ROUNDS: NonZeroU32 = NonZeroU32::new(250_000).unwrap();

/// Encrypts under PBKDF2-HMAC-SHA256 (RFC 8018 section 6.2).
pub(crate) fn pbes2(password: &Password, plain: &[u8]) -> Result<Sealed, SealError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| SealError::Random)?;
    let key = kdf::pbkdf2(Hash::Sha256, password.utf8(), &salt, ROUNDS, 32);
    let key = UnboundCipherKey::new(&AES_256, &key).map_err(|_| SealError::Encrypt)?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).map_err(|_| SealError::Encrypt)?;
    let mut ciphertext = plain.to_vec();
    let context = key.encrypt(&mut ciphertext).map_err(|_| SealError::Encrypt)?;
    let DecryptionContext::Iv128(iv) = context else {
        return Err(SealError::Encrypt);
    };
    let prf = writer::sequence(&[&writer::oid(oid::HMAC_SHA256), &writer::null()]);
    let rounds = writer::unsigned(ROUNDS.get().into());
    let parameters = writer::sequence(&[&writer::octet_string(&salt), &rounds, &prf]);
    let kdf = writer::sequence(&[&writer::oid(oid::PBKDF2), &parameters]);
    let iv: &[u8; 16] = iv.as_ref();
    let cipher = writer::sequence(&[&writer::oid(oid::AES_256_CBC), &writer::octet_string(iv)]);
    let algorithm = writer::sequence(&[&writer::oid(oid::PBES2), &writer::sequence(&[&kdf, &cipher])]);
    Ok(Sealed { algorithm, ciphertext })
}
