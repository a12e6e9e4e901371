//! Files in DER: which kind one is shows in its first elements.

use super::pile::{Pile, Rejected};
use crate::{
    Password, PrivateKey,
    der::{self, DerError, Element},
    oid,
    pbe::{Budget, Container},
    pkcs7, pkcs12,
    read_error::ReadFailure,
};

/// Reads one element of DER of whatever kind.
pub(super) fn read(
    der: &[u8],
    password: Option<&Password>,
    budget: &mut Budget,
    pile: &mut Pile,
) -> Result<(), ReadFailure> {
    let broken = |error: DerError| ReadFailure::Broken { what: "file", reason: error.0.to_owned() };
    let outer = der::whole(der).map_err(broken)?;
    let mut fields = outer.inside();
    let mut next = || if fields.is_empty() { Ok(None) } else { fields.any().map(Some) };
    let elements: [Option<Element<'_>>; 3] =
        [next().map_err(broken)?, next().map_err(broken)?, next().map_err(broken)?];
    match elements.map(|element| element.map(|element| element.tag)) {
        [Some(der::INTEGER), Some(der::SEQUENCE), third] => {
            // A PFX has a ContentInfo, PKCS #8 an AlgorithmIdentifier and then the key.
            if third == Some(der::OCTET_STRING) || third == Some(der::OCTET_STRING | 0x20) {
                pile.add_key(PrivateKey::from_pkcs8_der(der))
            } else {
                read_pfx(der, password, budget, pile)
            }
        }
        [Some(der::INTEGER), Some(der::OCTET_STRING), _] => pile.add_key(PrivateKey::from_sec1_der(der, None)),
        [Some(der::INTEGER), Some(der::INTEGER), _] => read_numbers(der, &outer, pile),
        [Some(der::OID), Some(tag), _] if tag == der::context(0) => read_pkcs7(der, pile),
        [Some(der::SEQUENCE), Some(der::OCTET_STRING), _] => {
            let key = pkcs12::decrypt_key(&outer, password, Container::Key, budget)?;
            pile.add_key(PrivateKey::from_pkcs8_der(&key))
        }
        [Some(der::SEQUENCE), Some(der::BIT_STRING), None] => {
            pile.reject(Rejected::PublicKey, public_key(), "a public key".to_owned());
            Ok(())
        }
        [Some(der::SEQUENCE), Some(der::SEQUENCE), Some(der::BIT_STRING)] => match signed_kind(&elements[0]) {
            Signed::Request => {
                pile.reject(Rejected::Request, request(), "a certificate request".to_owned());
                Ok(())
            }
            Signed::RevocationList => {
                pile.leave("a list of revoked certificates".to_owned());
                Ok(())
            }
            Signed::Certificate => pile.add_certificate(der),
        },
        _ => Err(ReadFailure::Unrecognised { hint: "it is DER of an unknown kind".to_owned() }),
    }
}

/// Reads PKCS #7 or CMS.
pub(super) fn read_pkcs7(der: &[u8], pile: &mut Pile) -> Result<(), ReadFailure> {
    let list = pkcs7::certificates(der)
        .map_err(|error| ReadFailure::Broken { what: "PKCS #7", reason: error.0.to_owned() })?;
    match list {
        Ok(certificates) => certificates.into_iter().try_for_each(|der| pile.add_certificate(der)),
        Err(kind) => Err(ReadFailure::UnsupportedFormat {
            what: format!("PKCS #7 with other content than certificates ({})", oid::describe(&kind)),
            remedy: "give the certificates as PEM or .p7b".to_owned(),
        }),
    }
}

fn read_pfx(der: &[u8], password: Option<&Password>, budget: &mut Budget, pile: &mut Pile) -> Result<(), ReadFailure> {
    let contents = pkcs12::read(der, password, budget)?;
    for certificate in &contents.certificates {
        pile.add_certificate(certificate)?;
    }
    for key in &contents.keys {
        pile.add_key(PrivateKey::from_pkcs8_der(key))?;
    }
    contents.others.into_iter().for_each(|what| pile.leave(what));
    pile.has_trust_store |= contents.is_trust_store && contents.keys.is_empty();
    Ok(())
}

/// A row of numbers is an RSA key or a DSA key; the latter has six.
fn read_numbers(der: &[u8], outer: &Element<'_>, pile: &mut Pile) -> Result<(), ReadFailure> {
    let mut numbers = outer.inside();
    let mut count = 0;
    while numbers.any().is_ok() {
        count += 1;
    }
    match count {
        2 => {
            pile.reject(Rejected::PublicKey, public_key(), "a public key".to_owned());
            Ok(())
        }
        6 => pile.add_key(Err(crate::PrivateKeyError::Unsupported("DSA".to_owned()))),
        _ => pile.add_key(PrivateKey::from_pkcs1_der(der)),
    }
}

enum Signed {
    Certificate,
    Request,
    RevocationList,
}

/// Tells the three kinds of signed things apart by the fourth element of what is signed.
fn signed_kind(signed: &Option<Element<'_>>) -> Signed {
    let Some(signed) = signed else {
        return Signed::Certificate;
    };
    let mut fields = signed.inside();
    let tags: Vec<u8> = std::iter::from_fn(|| fields.any().ok()).map(|element| element.tag).take(4).collect();
    match tags.as_slice() {
        [der::INTEGER, der::SEQUENCE, der::SEQUENCE, tag] if *tag == der::context(0) => Signed::Request,
        [der::INTEGER, der::SEQUENCE, der::SEQUENCE] => Signed::Request,
        [der::INTEGER, der::SEQUENCE, der::SEQUENCE, 0x17 | 0x18] => Signed::RevocationList,
        [der::SEQUENCE, der::SEQUENCE, 0x17 | 0x18, ..] => Signed::RevocationList,
        _ => Signed::Certificate,
    }
}

pub(super) fn public_key() -> ReadFailure {
    ReadFailure::UnsupportedFormat {
        what: "a public key".to_owned(),
        remedy: "give the private key and the certificate".to_owned(),
    }
}

pub(super) fn request() -> ReadFailure {
    ReadFailure::UnsupportedFormat {
        what: "a certificate request".to_owned(),
        remedy: "give the certificate that the authority issued for it, and its private key".to_owned(),
    }
}
