//! Writes PFX files in the shapes that other programs give them.

use cbc::{
    Encryptor,
    cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};

use crate::{
    der::{self, Reader, writer},
    hash::Hash,
    kdf::{self, Purpose},
    oid,
};

pub(super) const ROUNDS: std::num::NonZeroU32 = std::num::NonZeroU32::new(3).unwrap();

/// UTF-16 with its end mark.
pub(super) fn bmp(password: &str) -> Vec<u8> {
    password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect()
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    writer::sequence(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_vec()
}

pub(super) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    writer::set(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_vec()
}

pub(super) fn oid(dotted: &str) -> Vec<u8> {
    writer::oid(dotted).to_vec()
}

pub(super) fn octets(content: &[u8]) -> Vec<u8> {
    writer::octet_string(content).to_vec()
}

pub(super) fn number(value: u64) -> Vec<u8> {
    writer::unsigned(value).to_vec()
}

pub(super) fn explicit(content: &[u8]) -> Vec<u8> {
    writer::element(der::context(0), &[content]).to_vec()
}

pub(super) fn content_info(kind: &str, content: &[u8]) -> Vec<u8> {
    sequence(&[oid(kind), explicit(content)])
}

pub(super) fn bag(kind: &str, value: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = vec![oid(kind), explicit(value)];
    if !attributes.is_empty() {
        parts.push(set(attributes));
    }
    sequence(&parts)
}

pub(super) fn attribute(kind: &str, values: &[Vec<u8>]) -> Vec<u8> {
    sequence(&[oid(kind), set(values)])
}

pub(super) fn certificate_bag(certificate: &[u8], attributes: &[Vec<u8>]) -> Vec<u8> {
    let value = sequence(&[oid(oid::X509_CERTIFICATE), explicit(&octets(certificate))]);
    bag(oid::CERT_BAG, &value, attributes)
}

/// `AlgorithmIdentifier` and ciphertext of pbeWithSHA1And3-KeyTripleDES-CBC.
pub(super) fn triple_des(plain: &[u8], password: &str) -> (Vec<u8>, Vec<u8>) {
    let salt = [5; 8];
    let derive = |purpose, length| kdf::pkcs12(Hash::Sha1, purpose, &bmp(password), &salt, ROUNDS, length);
    let cipher =
        Encryptor::<des::TdesEde3>::new_from_slices(&derive(Purpose::Key, 24), &derive(Purpose::Iv, 8)).unwrap();
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + 8, 0);
    let ciphertext = cipher.encrypt_padded::<Pkcs7>(&mut buffer, plain.len()).unwrap().to_vec();
    let parameters = sequence(&[octets(&salt), number(ROUNDS.get().into())]);
    (sequence(&[oid(oid::PBE_SHA1_3DES), parameters]), ciphertext)
}

pub(super) fn shrouded_key_bag(pkcs8: &[u8], password: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let (algorithm, ciphertext) = triple_des(pkcs8, password);
    bag(oid::SHROUDED_KEY_BAG, &sequence(&[algorithm, octets(&ciphertext)]), attributes)
}

pub(super) fn plain_safe(bags: &[Vec<u8>]) -> Vec<u8> {
    content_info(oid::DATA, &octets(&sequence(bags)))
}

pub(super) fn encrypted_safe(contents: &[u8], password: &str) -> Vec<u8> {
    let (algorithm, ciphertext) = triple_des(contents, password);
    let ciphertext = writer::element(der::context_primitive(0), &[&ciphertext]).to_vec();
    let data = sequence(&[number(0), sequence(&[oid(oid::DATA), algorithm, ciphertext])]);
    content_info(oid::ENCRYPTED_DATA, &data)
}

/// A PFX with an HMAC-SHA1 by the method of PKCS #12.
pub(super) fn pfx(safes: &[u8], password: &str) -> Vec<u8> {
    let salt = [6; 20];
    let key = kdf::pkcs12(Hash::Sha1, Purpose::Mac, &bmp(password), &salt, ROUNDS, 20);
    let tag = hmac(Hash::Sha1, &key, safes);
    let digest = sequence(&[sequence(&[oid(oid::SHA1), writer::null().to_vec()]), octets(&tag)]);
    pfx_with_mac(safes, &sequence(&[digest, octets(&salt), number(ROUNDS.get().into())]))
}

pub(super) fn pfx_with_mac(safes: &[u8], mac: &[u8]) -> Vec<u8> {
    sequence(&[number(3), content_info(oid::DATA, &octets(safes)), mac.to_vec()])
}

/// `MacData` with PBMAC1: the key length that is derived, and the one that is written.
pub(super) fn pbmac1(
    safes: &[u8],
    password: &[u8],
    prf: (Hash, &str),
    mac: (Hash, &str),
    length: usize,
    named: Option<u64>,
) -> Vec<u8> {
    let salt = [7; 8];
    let key = kdf::pbkdf2(prf.0, password, &salt, ROUNDS, length);
    let tag = hmac(mac.0, &key, safes);
    let mut parameters = vec![octets(&salt), number(ROUNDS.get().into())];
    parameters.extend(named.map(number));
    parameters.push(sequence(&[oid(prf.1), writer::null().to_vec()]));
    let kdf = sequence(&[oid(oid::PBKDF2), sequence(&parameters)]);
    let scheme = sequence(&[oid(mac.1), writer::null().to_vec()]);
    let algorithm = sequence(&[oid(oid::PBMAC1), sequence(&[kdf, scheme])]);
    sequence(&[sequence(&[algorithm, octets(&tag)]), octets(b"NOT USED"), number(1)])
}

fn hmac(hash: Hash, key: &[u8], content: &[u8]) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(hash.hmac().unwrap(), key);
    aws_lc_rs::hmac::sign(&key, content).as_ref().to_vec()
}

/// Rewrites DER as the BER of old writers: indefinite lengths, and strings in segments of seven octets.
pub(super) fn ber(der: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut reader = Reader::new(der);
    while !reader.is_empty() {
        let element = reader.any().unwrap();
        let segmented = matches!(element.tag, der::OCTET_STRING) || element.tag == der::context_primitive(0);
        if segmented {
            out.extend([element.tag | 0x20, 0x80]);
            for segment in element.body.chunks(7) {
                out.extend(octets(segment));
            }
            out.extend([0, 0]);
        } else if element.tag & 0x20 != 0 {
            out.extend([element.tag, 0x80]);
            out.extend(ber(element.body));
            out.extend([0, 0]);
        } else {
            // A length in more octets than it needs.
            out.extend([element.tag, 0x82]);
            out.extend(u16::try_from(element.body.len()).unwrap().to_be_bytes());
            out.extend(element.body);
        }
    }
    out
}
