//! Decrypts what is encrypted under a password: PBES1 and PBES2 (RFC 8018) and the schemes of PKCS #12 (RFC 7292).

mod cipher;
pub(crate) mod seal;

use std::{collections::BTreeSet, num::NonZeroU32};

use zeroize::Zeroizing;

pub(crate) use cipher::Cipher;

use crate::{
    Password,
    der::{self, DerError, Element, Reader},
    hash::Hash,
    kdf::{self, Purpose},
    oid, password,
    read_error::ReadFailure,
};

/// Names what a password protects, for messages and for the command that converts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Pfx,
    KeyInPfx,
    Key,
}

/// Bounds the rounds of key derivation that one call may spend, as the files set their number.
#[derive(Debug)]
pub(crate) struct Budget {
    left: u64,
    /// What was opened, for whoever wants to know.
    opened: Opened,
}

/// Says what was opened with a password.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Whether anything was.
    pub(crate) any: bool,
    /// Ciphers that protect nothing any more.
    pub(crate) old: BTreeSet<&'static str>,
}

/// A key derivation with everything but the password.
enum Scheme {
    Pkcs12 { cipher: Cipher, salt: Zeroizing<Vec<u8>>, rounds: NonZeroU32 },
    Pbes1 { hash: Hash, cipher: Cipher, salt: Zeroizing<Vec<u8>>, rounds: NonZeroU32 },
    Pbes2 { kdf: Pbkdf2, cipher: Cipher, iv: Vec<u8> },
}

/// The parameters of PBKDF2 (RFC 8018 appendix A.2).
pub(crate) struct Pbkdf2 {
    pub(crate) salt: Zeroizing<Vec<u8>>,
    pub(crate) rounds: NonZeroU32,
    pub(crate) key_len: Option<u64>,
    pub(crate) prf: Hash,
}

/// Decrypts what the algorithm, an `AlgorithmIdentifier`, protects, trying each encoding of the password.
///
/// The content must be one element of DER: what a wrong password makes is practically never one.
pub(crate) fn decrypt(
    algorithm: &Element<'_>,
    ciphertext: &[u8],
    password: Option<&Password>,
    container: Container,
    budget: &mut Budget,
) -> Result<Zeroizing<Vec<u8>>, ReadFailure> {
    let scheme = Scheme::read(algorithm, container)?;
    let encodings = match scheme {
        Scheme::Pkcs12 { .. } => password::for_pkcs12(password),
        Scheme::Pbes1 { .. } | Scheme::Pbes2 { .. } => password::for_pkcs5(password),
    };
    for encoding in encodings {
        if let Some(plain) = scheme.open(&encoding, ciphertext, container, budget)?
            && der::whole(&plain).is_ok()
        {
            budget.opened.any = true;
            budget.opened.old.extend(scheme.old());
            return Ok(plain);
        }
    }
    Err(container.refused(password))
}

impl Scheme {
    fn read(algorithm: &Element<'_>, container: Container) -> Result<Self, ReadFailure> {
        let broken = |error: DerError| container.broken(error);
        let mut fields = algorithm.inside();
        let scheme = fields.oid().map_err(broken)?;
        let pkcs12 = |cipher| {
            let (salt, rounds) = salt_and_rounds(&mut fields.clone(), container)?;
            Ok(Self::Pkcs12 { cipher, salt, rounds })
        };
        let pbes1 = |hash, cipher| {
            let (salt, rounds) = salt_and_rounds(&mut fields.clone(), container)?;
            Ok(Self::Pbes1 { hash, cipher, salt, rounds })
        };
        match scheme.as_str() {
            oid::PBE_SHA1_3DES => pkcs12(Cipher::TripleDes),
            oid::PBE_SHA1_2DES => pkcs12(Cipher::TwoKeyTripleDes),
            oid::PBE_SHA1_RC2_128 => pkcs12(Cipher::Rc2 { key_len: 16, bits: 128 }),
            oid::PBE_SHA1_RC2_40 => pkcs12(Cipher::Rc2 { key_len: 5, bits: 40 }),
            oid::PBE_MD5_DES => pbes1(Hash::Md5, Cipher::Des),
            oid::PBE_SHA1_DES => pbes1(Hash::Sha1, Cipher::Des),
            oid::PBE_MD5_RC2 => pbes1(Hash::Md5, Cipher::Rc2 { key_len: 8, bits: 64 }),
            oid::PBE_SHA1_RC2 => pbes1(Hash::Sha1, Cipher::Rc2 { key_len: 8, bits: 64 }),
            oid::PBES2 => {
                let mut parameters = fields.expect(der::SEQUENCE, "PBES2 has no parameters").map_err(broken)?.inside();
                let kdf = parameters.expect(der::SEQUENCE, "PBES2 has no key derivation").map_err(broken)?;
                let encryption = parameters.expect(der::SEQUENCE, "PBES2 has no cipher").map_err(broken)?;
                let kdf = Pbkdf2::read(&kdf, container)?;
                let (cipher, iv) = Cipher::read(&encryption, kdf.key_len, container)?;
                Ok(Self::Pbes2 { kdf, cipher, iv })
            }
            other => Err(container.unsupported(other)),
        }
    }

    /// The name of its cipher, if that protects nothing any more.
    fn old(&self) -> Option<&'static str> {
        match self {
            Self::Pkcs12 { cipher, .. } | Self::Pbes1 { cipher, .. } | Self::Pbes2 { cipher, .. } => cipher.old(),
        }
    }

    /// Derives the key and decrypts; none if the padding tells that the key is wrong.
    fn open(
        &self,
        password: &[u8],
        ciphertext: &[u8],
        container: Container,
        budget: &mut Budget,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ReadFailure> {
        let (cipher, key, iv) = match self {
            Self::Pkcs12 { cipher, salt, rounds } => {
                // Key and vector are derived apart; the key of 3DES takes two blocks of SHA-1.
                let blocks = cipher.key_len().div_ceil(Hash::Sha1.output_len()) + 1;
                budget.spend(*rounds, blocks as u64, container)?;
                let derive = |purpose, length| kdf::pkcs12(Hash::Sha1, purpose, password, salt, *rounds, length);
                (cipher, derive(Purpose::Key, cipher.key_len()), derive(Purpose::Iv, cipher.block_len()))
            }
            Self::Pbes1 { hash, cipher, salt, rounds } => {
                budget.spend(*rounds, 1, container)?;
                let derived = kdf::pbkdf1(*hash, password, salt, *rounds);
                (cipher, Zeroizing::new(derived[..8].to_vec()), Zeroizing::new(derived[8..16].to_vec()))
            }
            Self::Pbes2 { kdf, cipher, iv } => {
                let key = kdf.derive(password, cipher.key_len(), container, budget)?;
                (cipher, key, Zeroizing::new(iv.clone()))
            }
        };
        Ok(cipher.decrypt(&key, &iv, ciphertext))
    }
}

impl Pbkdf2 {
    /// Reads the `AlgorithmIdentifier` of a key derivation; another one than PBKDF2 is refused by name.
    pub(crate) fn read(algorithm: &Element<'_>, container: Container) -> Result<Self, ReadFailure> {
        let broken = |error: DerError| container.broken(error);
        let mut fields = algorithm.inside();
        let name = fields.oid().map_err(broken)?;
        if name != oid::PBKDF2 {
            return Err(container.unsupported(&name));
        }
        let mut parameters = fields.expect(der::SEQUENCE, "PBKDF2 has no parameters").map_err(broken)?.inside();
        let salt = parameters.expect_octets("PBKDF2 has no salt").map_err(broken)?;
        let rounds = rounds(&parameters.any().map_err(broken)?, container)?;
        let key_len = parameters
            .optional(der::INTEGER)
            .and_then(|length| length.map(|l| l.unsigned()).transpose())
            .map_err(broken)?;
        let prf = match parameters.optional(der::SEQUENCE).map_err(broken)? {
            None => Hash::Sha1,
            Some(prf) => {
                let name = prf.inside().oid().map_err(broken)?;
                Hash::from_hmac_oid(&name).ok_or_else(|| container.unsupported(&name))?
            }
        };
        Ok(Self { salt, rounds, key_len, prf })
    }

    /// Derives a key of that length, which must be the one that the parameters name, if they do.
    pub(crate) fn derive(
        &self,
        password: &[u8],
        length: usize,
        container: Container,
        budget: &mut Budget,
    ) -> Result<Zeroizing<Vec<u8>>, ReadFailure> {
        if self.key_len.is_some_and(|named| named != length as u64) {
            return Err(container.broken(DerError("the key length of PBKDF2 is not that of the cipher")));
        }
        let blocks = length.div_ceil(self.prf.output_len());
        budget.spend(self.rounds, blocks as u64, container)?;
        Ok(kdf::pbkdf2(self.prf, password, &self.salt, self.rounds, length))
    }
}

/// Reads `SEQUENCE { salt, iterations }`, the parameters of PBES1 and of the schemes of PKCS #12.
fn salt_and_rounds(
    fields: &mut Reader<'_>,
    container: Container,
) -> Result<(Zeroizing<Vec<u8>>, NonZeroU32), ReadFailure> {
    let broken = |error: DerError| container.broken(error);
    let mut parameters = fields.expect(der::SEQUENCE, "the encryption has no parameters").map_err(broken)?.inside();
    let salt = parameters.expect_octets("the encryption has no salt").map_err(broken)?;
    Ok((salt, rounds(&parameters.any().map_err(broken)?, container)?))
}

/// Reads a number of rounds, at least one and at most [`MAX_ROUNDS`].
pub(crate) fn rounds(number: &Element<'_>, container: Container) -> Result<NonZeroU32, ReadFailure> {
    let number = number.unsigned().map_err(|error| container.broken(error))?;
    if number > MAX_ROUNDS {
        return Err(container.too_costly(number, MAX_ROUNDS));
    }
    u32::try_from(number)
        .ok()
        .and_then(NonZeroU32::new)
        .ok_or_else(|| container.broken(DerError("it asks for no rounds of key derivation")))
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { left: MAX_TOTAL_ROUNDS, opened: Opened::default() }
    }

    /// What was opened since this was asked last.
    pub(crate) fn take_opened(&mut self) -> Opened {
        std::mem::take(&mut self.opened)
    }

    /// Takes `rounds` times `blocks` from what is left.
    pub(crate) fn spend(&mut self, rounds: NonZeroU32, blocks: u64, container: Container) -> Result<(), ReadFailure> {
        let cost = u64::from(rounds.get()).saturating_mul(blocks);
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(container.too_costly(MAX_TOTAL_ROUNDS - self.left + cost, MAX_TOTAL_ROUNDS)),
        }
    }
}

impl Container {
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Pfx => "PFX",
            Self::KeyInPfx => "private key in the PFX",
            Self::Key => "private key",
        }
    }

    /// A command that makes a file of it that is read here.
    fn conversion(self) -> String {
        match self {
            Self::Pfx | Self::KeyInPfx => {
                "openssl pkcs12 -legacy -nodes -in FILE -out FILE.pem (leave out -legacy with OpenSSL 1.1), then import FILE.pem and delete it"
            }
            Self::Key => "openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out FILE.new",
        }
        .to_owned()
    }

    pub(crate) fn broken(self, error: DerError) -> ReadFailure {
        ReadFailure::Broken { what: self.what(), reason: error.0.to_owned() }
    }

    pub(crate) fn unsupported(self, dotted: &str) -> ReadFailure {
        self.unsupported_named(&oid::describe(dotted))
    }

    pub(crate) fn unsupported_named(self, algorithm: &str) -> ReadFailure {
        ReadFailure::UnsupportedEncryption {
            what: self.what(),
            algorithm: algorithm.to_owned(),
            command: self.conversion(),
        }
    }

    pub(crate) fn too_costly(self, rounds: u64, limit: u64) -> ReadFailure {
        ReadFailure::TooCostly { what: self.what(), iterations: rounds, limit, command: self.conversion() }
    }

    /// The password was refused, or none was given.
    pub(crate) fn refused(self, password: Option<&Password>) -> ReadFailure {
        match password {
            None => ReadFailure::PasswordNeeded { what: self.what() },
            Some(_) => ReadFailure::WrongPassword { what: self.what() },
        }
    }
}

/// Half a second or so; the highest default of a known program is the 600,000 of NSS.
const MAX_ROUNDS: u64 = 1_000_000;
/// For all files together: a few seconds at worst. With its older ciphers a file of NSS takes 4.2 million.
const MAX_TOTAL_ROUNDS: u64 = 8_000_000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_rounds_of_all_files_together_are_bounded() {
        let million = NonZeroU32::new(1_000_000).unwrap();
        let mut budget = Budget::new();
        for _ in 0..4 {
            budget.spend(million, 2, Container::Pfx).unwrap();
        }
        let error = budget.spend(NonZeroU32::MIN, 1, Container::KeyInPfx).unwrap_err();
        assert_eq!(error.code(), "too-costly");
        assert!(Budget::new().spend(million, u64::MAX, Container::Key).is_err());
    }
}
