//! The block ciphers of old and new files, all in CBC mode with the padding of PKCS #7.

use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use cbc::{
    Decryptor,
    cipher::{BlockCipherDecrypt, BlockModeDecrypt, InnerIvInit, KeyInit},
};
use des::{Des, TdesEde2, TdesEde3};
use rc2::Rc2;
use zeroize::Zeroizing;

use super::Container;
use crate::{
    der::{self, DerError, Element},
    oid,
    read_error::ReadFailure,
};

/// Names a cipher with its key size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128,
    Aes192,
    Aes256,
    Des,
    TripleDes,
    TwoKeyTripleDes,
    /// RC2 with the key in octets and its effective size in bits.
    Rc2 {
        key_len: usize,
        bits: usize,
    },
}

impl Cipher {
    /// The name of a cipher that protects nothing any more; none for AES.
    pub(super) fn old(self) -> Option<&'static str> {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => None,
            Self::Des => Some("DES"),
            Self::TripleDes | Self::TwoKeyTripleDes => Some("3DES"),
            Self::Rc2 { bits: 40, .. } => Some("RC2-40"),
            Self::Rc2 { .. } => Some("RC2"),
        }
    }

    /// Reads the `AlgorithmIdentifier` of PBES2's cipher and its initialisation vector.
    ///
    /// RC2 alone takes the length of its key from the key derivation.
    pub(super) fn read(
        algorithm: &Element<'_>,
        key_len: Option<u64>,
        container: Container,
    ) -> Result<(Self, Vec<u8>), ReadFailure> {
        let broken = |error: DerError| container.broken(error);
        let mut fields = algorithm.inside();
        let name = fields.oid().map_err(broken)?;
        let cipher = match name.as_str() {
            oid::AES_128_CBC => Self::Aes128,
            oid::AES_192_CBC => Self::Aes192,
            oid::AES_256_CBC => Self::Aes256,
            oid::DES_CBC => Self::Des,
            oid::DES_EDE3_CBC => Self::TripleDes,
            oid::RC2_CBC => {
                let mut parameters = fields.expect(der::SEQUENCE, "RC2 has no parameters").map_err(broken)?.inside();
                let version = parameters.any().and_then(|version| version.unsigned()).map_err(broken)?;
                // RFC 8018 appendix B.2.3 numbers the usual effective key sizes in its own way.
                let bits = match version {
                    160 => 40,
                    120 => 64,
                    58 => 128,
                    _ => return Err(broken(DerError("RC2 has an unusual key size"))),
                };
                let key_len = key_len.map_or(Some(bits / 8), |length| usize::try_from(length).ok());
                let cipher = match key_len {
                    Some(key_len @ 5..=16) => Self::Rc2 { key_len, bits },
                    _ => return Err(broken(DerError("RC2 has an unusual key size"))),
                };
                let iv = parameters.expect_octets("RC2 has no initialisation vector").map_err(broken)?;
                return Ok((cipher, iv.to_vec()));
            }
            other => return Err(container.unsupported(other)),
        };
        let iv = fields.expect_octets("the cipher has no initialisation vector").map_err(broken)?;
        Ok((cipher, iv.to_vec()))
    }

    /// Reads the name that PEM files have in their `DEK-Info` header.
    pub(crate) fn from_pem_name(name: &str) -> Option<Self> {
        Some(match name {
            "AES-128-CBC" => Self::Aes128,
            "AES-192-CBC" => Self::Aes192,
            "AES-256-CBC" => Self::Aes256,
            "DES-CBC" => Self::Des,
            "DES-EDE3-CBC" => Self::TripleDes,
            _ => return None,
        })
    }

    pub(crate) fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::Aes128 | Self::TwoKeyTripleDes => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
            Self::Rc2 { key_len, .. } => key_len,
        }
    }

    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::Des | Self::TripleDes | Self::TwoKeyTripleDes | Self::Rc2 { .. } => 8,
        }
    }

    /// Decrypts and takes the padding off; none if lengths or padding are wrong.
    pub(crate) fn decrypt(self, key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let block = self.block_len();
        if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(block) || iv.len() != block {
            return None;
        }
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        match self {
            Self::Aes128 | Self::Aes192 | Self::Aes256 => self.decrypt_aes(key, iv, &mut buffer)?,
            Self::Des => decrypt_blocks(Des::new_from_slice(key).ok()?, iv, &mut buffer)?,
            Self::TripleDes => decrypt_blocks(TdesEde3::new_from_slice(key).ok()?, iv, &mut buffer)?,
            Self::TwoKeyTripleDes => decrypt_blocks(TdesEde2::new_from_slice(key).ok()?, iv, &mut buffer)?,
            Self::Rc2 { bits, .. } => decrypt_blocks(Rc2::new_with_eff_key_len(key, bits), iv, &mut buffer)?,
        }
        let padding = usize::from(*buffer.last()?);
        if padding == 0 || padding > block {
            return None;
        }
        let end = buffer.len() - padding;
        if buffer[end..].iter().any(|byte| usize::from(*byte) != padding) {
            return None;
        }
        buffer.truncate(end);
        Some(buffer)
    }

    fn decrypt_aes(self, key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<()> {
        let algorithm = match self {
            Self::Aes128 => &AES_128,
            Self::Aes192 => &AES_192,
            _ => &AES_256,
        };
        let key = DecryptingKey::cbc(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
        let iv: [u8; 16] = iv.try_into().ok()?;
        key.decrypt(buffer, DecryptionContext::Iv128(iv.into())).ok()?;
        Some(())
    }
}

fn decrypt_blocks<C: BlockCipherDecrypt>(cipher: C, iv: &[u8], buffer: &mut [u8]) -> Option<()> {
    let mut decryptor = Decryptor::<C>::inner_iv_slice_init(cipher, iv).ok()?;
    let (blocks, _) = cbc::cipher::Array::slice_as_chunks_mut(buffer);
    decryptor.decrypt_blocks(blocks);
    Some(())
}
