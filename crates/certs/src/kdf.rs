//! Keys from passwords: PBKDF1 and 2 (RFC 8018), PKCS #12 (RFC 7292 appendix B), and OpenSSL's for old PEM.

use std::num::NonZeroU32;

use aws_lc_rs::{hmac, pbkdf2 as aws};
use zeroize::Zeroizing;

use crate::hash::Hash;

/// What a key derived by the PKCS #12 method is for (RFC 7292 appendix B.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// Derives `length` octets by PBKDF2 with HMAC (RFC 8018 section 5.2).
pub(crate) fn pbkdf2(
    hash: Hash,
    password: &[u8],
    salt: &[u8],
    rounds: NonZeroU32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; length]);
    let algorithm = match hash {
        Hash::Sha1 => aws::PBKDF2_HMAC_SHA1,
        Hash::Sha256 => aws::PBKDF2_HMAC_SHA256,
        Hash::Sha384 => aws::PBKDF2_HMAC_SHA384,
        Hash::Sha512 => aws::PBKDF2_HMAC_SHA512,
        Hash::Sha224 | Hash::Md5 => {
            pbkdf2_by_hmac(hash.hmac().unwrap_or(hmac::HMAC_SHA224), password, salt, rounds, &mut out);
            return out;
        }
    };
    aws::derive(algorithm, rounds, salt, password, &mut out);
    out
}

/// PBKDF2 for the one hash that the TLS library's own does not offer.
fn pbkdf2_by_hmac(algorithm: hmac::Algorithm, password: &[u8], salt: &[u8], rounds: NonZeroU32, out: &mut [u8]) {
    let key = hmac::Key::new(algorithm, password);
    for (number, block) in (1_u32..).zip(out.chunks_mut(algorithm.tag_len())) {
        let mut context = hmac::Context::with_key(&key);
        context.update(salt);
        context.update(&number.to_be_bytes());
        let mut tag = context.sign();
        block.copy_from_slice(&tag.as_ref()[..block.len()]);
        for _ in 1..rounds.get() {
            tag = hmac::sign(&key, tag.as_ref());
            block.iter_mut().zip(tag.as_ref()).for_each(|(sum, byte)| *sum ^= byte);
        }
    }
}

/// Derives by PBKDF1 (RFC 8018 section 5.1): as many octets as the hash has.
pub(crate) fn pbkdf1(hash: Hash, password: &[u8], salt: &[u8], rounds: NonZeroU32) -> Zeroizing<Vec<u8>> {
    let mut key = hash.of(&[password, salt]);
    hash.repeat(&mut key, rounds.get() - 1);
    key
}

/// Derives `length` octets as RFC 7292 appendix B.2 says.
pub(crate) fn pkcs12(
    hash: Hash,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    rounds: NonZeroU32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = hash.block_len();
    let diversifier = vec![purpose as u8; block];
    let mut input = Zeroizing::new(Vec::with_capacity(stretched(salt, block) + stretched(password, block)));
    for source in [salt, password] {
        input.extend(source.iter().cycle().take(stretched(source, block)));
    }
    let mut out = Zeroizing::new(Vec::with_capacity(length + hash.output_len()));
    while out.len() < length {
        let mut part = hash.of(&[&diversifier, &input]);
        hash.repeat(&mut part, rounds.get() - 1);
        out.extend_from_slice(&part);
        if out.len() < length {
            add_to_each_block(&mut input, &part, block);
        }
    }
    out.truncate(length);
    out
}

/// The length of `source` repeated up to whole blocks.
fn stretched(source: &[u8], block: usize) -> usize {
    source.len().div_ceil(block) * block
}

/// Adds `part`, repeated to a block, and one, to each block as a number in big endian.
fn add_to_each_block(input: &mut [u8], part: &[u8], block: usize) {
    let addend: Zeroizing<Vec<u8>> = Zeroizing::new(part.iter().copied().cycle().take(block).collect());
    for number in input.chunks_exact_mut(block) {
        let mut carry = 1_u16;
        for (digit, added) in number.iter_mut().zip(addend.iter()).rev() {
            carry += u16::from(*digit) + u16::from(*added);
            *digit = (carry & 0xff) as u8;
            carry >>= 8;
        }
    }
}

/// Derives `length` octets as OpenSSL does for PEM with a `DEK-Info` header (its `EVP_BytesToKey` with MD5, one round).
pub(crate) fn openssl_pem(password: &[u8], salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(length + Hash::Md5.output_len()));
    let mut last = Zeroizing::new(Vec::new());
    while out.len() < length {
        last = Hash::Md5.of(&[&last, password, salt]);
        out.extend_from_slice(&last);
    }
    out.truncate(length);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn rounds(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn pbkdf2_by_hmac_agrees_with_the_library() {
        for (count, length) in [(1, 16), (2, 32), (7, 80)] {
            let mut own = vec![0; length];
            pbkdf2_by_hmac(hmac::HMAC_SHA256, b"password", b"salt", rounds(count), &mut own);
            assert_eq!(own, *pbkdf2(Hash::Sha256, b"password", b"salt", rounds(count), length));
        }
    }

    #[test]
    fn pbkdf2_gives_the_vectors_of_rfc_6070() {
        for (count, expected) in
            [(1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"), (4096, "4b007901b765489abead49d926f721d065a429c1")]
        {
            assert_eq!(hex(&pbkdf2(Hash::Sha1, b"password", b"salt", rounds(count), 20)), expected);
        }
    }
}
