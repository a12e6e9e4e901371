//! The structure of a PFX (RFC 7292 sections 4 and 5) as it is written here.

use aws_lc_rs::{hmac, rand};
use portward_core::{Chain, Sha1Thumbprint};
use zeroize::Zeroizing;

use super::ExportPfxError;
use crate::{
    Password, PrivateKey,
    der::{self, writer},
    hash::Hash,
    kdf::{self, Purpose},
    oid,
    pbe::seal::{self, ROUNDS, SealError},
};

/// Writes one safe with the certificates and one with the key, and a MAC over both.
pub(super) fn write(
    chain: &Chain,
    key: &PrivateKey,
    password: &Password,
    friendly_name: &str,
) -> Result<Zeroizing<Vec<u8>>, ExportPfxError> {
    // What joins a key to its certificate; OpenSSL and Windows take the SHA-1 as well.
    let attributes = attributes(Sha1Thumbprint::of(&chain.leaf).as_bytes(), friendly_name);

    let mut bags = vec![certificate_bag(&chain.leaf, Some(&attributes))];
    let issuers = chain.intermediates.iter().chain(&chain.root);
    bags.extend(issuers.map(|issuer| certificate_bag(issuer, None)));
    let certificates = writer::sequence(&bags.iter().map(|bag| bag.as_slice()).collect::<Vec<_>>());
    let sealed = seal::pbes2(password, &certificates)?;
    let certificates = content_info(
        oid::ENCRYPTED_DATA,
        &writer::sequence(&[
            &writer::unsigned(0),
            &writer::sequence(&[
                &writer::oid(oid::DATA),
                &sealed.algorithm,
                &writer::element(der::context_primitive(0), &[&sealed.ciphertext]),
            ]),
        ]),
    );

    let sealed = seal::pbes2(password, key.as_pkcs8_der())?;
    let info = writer::sequence(&[&sealed.algorithm, &writer::octet_string(&sealed.ciphertext)]);
    let keys = writer::sequence(&[&bag(oid::SHROUDED_KEY_BAG, &info, Some(&attributes))]);
    let keys = content_info(oid::DATA, &writer::octet_string(&keys));

    let content = writer::sequence(&[&certificates, &keys]);
    let mac = mac(password, &content)?;
    let content = content_info(oid::DATA, &writer::octet_string(&content));
    Ok(writer::sequence(&[&writer::unsigned(3), &content, &mac]))
}

fn mac(password: &Password, content: &[u8]) -> Result<Zeroizing<Vec<u8>>, ExportPfxError> {
    let mut salt = [0; 16];
    rand::fill(&mut salt).map_err(|_| ExportPfxError::Random)?;
    let key = kdf::pkcs12(Hash::Sha256, Purpose::Mac, &password.bmp(), &salt, ROUNDS, Hash::Sha256.output_len());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content);
    let algorithm = writer::sequence(&[&writer::oid(oid::SHA256), &writer::null()]);
    let digest = writer::sequence(&[&algorithm, &writer::octet_string(tag.as_ref())]);
    Ok(writer::sequence(&[&digest, &writer::octet_string(&salt), &writer::unsigned(ROUNDS.get().into())]))
}

fn content_info(kind: &str, content: &[u8]) -> Zeroizing<Vec<u8>> {
    writer::sequence(&[&writer::oid(kind), &writer::element(der::context(0), &[content])])
}

fn certificate_bag(certificate: &[u8], attributes: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let value = writer::element(der::context(0), &[&writer::octet_string(certificate)]);
    bag(oid::CERT_BAG, &writer::sequence(&[&writer::oid(oid::X509_CERTIFICATE), &value]), attributes)
}

fn bag(kind: &str, value: &[u8], attributes: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    let value = writer::element(der::context(0), &[value]);
    writer::sequence(&[&writer::oid(kind), &value, attributes.unwrap_or_default()])
}

/// localKeyId and friendlyName, in the order that DER gives to a set: that of their encodings.
fn attributes(local_key_id: &[u8], friendly_name: &str) -> Zeroizing<Vec<u8>> {
    let name: Vec<u8> = friendly_name.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attribute = |kind: &str, value: &[u8]| writer::sequence(&[&writer::oid(kind), &writer::set(&[value])]);
    let mut both = vec![attribute(oid::LOCAL_KEY_ID, &writer::octet_string(local_key_id))];
    if !name.is_empty() {
        both.push(attribute(oid::FRIENDLY_NAME, &writer::element(BMP_STRING, &[&name])));
    }
    both.sort_by(|one, other| one.as_slice().cmp(other.as_slice()));
    writer::set(&both.iter().map(|attribute| attribute.as_slice()).collect::<Vec<_>>())
}

impl From<SealError> for ExportPfxError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Random => Self::Random,
            SealError::Encrypt => Self::Encrypt,
        }
    }
}

const BMP_STRING: u8 = 0x1e;
