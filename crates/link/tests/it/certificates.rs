//! Keys of every kind, and certificates as other programs make them, well or badly.
//!
//! They are written by hand: nobody verifies the signature of a pinned certificate, so any will do.

use std::sync::{Arc, LazyLock};

use portward_core::Thumbprint;
use portward_link::Identity;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512, PKCS_ED25519, PKCS_RSA_SHA256,
    RsaKeySize,
};
use rustls::{
    Error, SignatureAlgorithm, SignatureScheme,
    crypto::aws_lc_rs::sign::any_supported_type,
    sign::{CertifiedKey, Signer, SigningKey},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

/// A key, and what signs with it.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) signing: Arc<dyn SigningKey>,
}

/// What a certificate says; the default is what Octopus makes of it, but for the key.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) version: Option<u8>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) from: &'static str,
    pub(crate) until: &'static str,
    /// Whole extensions, in DER.
    pub(crate) extensions: Vec<Vec<u8>>,
}

/// Every signature that a peer can make in TLS 1.3.
pub(crate) const SCHEMES: [SignatureScheme; 7] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
];

/// These take long to make.
static RSA: LazyLock<[Key; 2]> = LazyLock::new(|| [Key::rsa(), Key::rsa()]);

impl Key {
    /// Two keys that can make such a signature, and that are not the same.
    pub(crate) fn two_of(scheme: SignatureScheme) -> [Self; 2] {
        let is_rsa =
            [SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PSS_SHA384, SignatureScheme::RSA_PSS_SHA512];
        if is_rsa.contains(&scheme) { RSA.clone() } else { [Self::of(scheme), Self::of(scheme)] }
    }

    /// A new key that can make such a signature; if it is RSA, always the same one.
    pub(crate) fn of(scheme: SignatureScheme) -> Self {
        let algorithm = match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => &PKCS_ECDSA_P256_SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384 => &PKCS_ECDSA_P384_SHA384,
            SignatureScheme::ECDSA_NISTP521_SHA512 => &PKCS_ECDSA_P521_SHA512,
            SignatureScheme::ED25519 => &PKCS_ED25519,
            _ => return RSA[0].clone(),
        };
        Self::read(KeyPair::generate_for(algorithm).unwrap().serialize_der())
    }

    /// The usual one.
    pub(crate) fn new() -> Self {
        Self::of(SignatureScheme::ECDSA_NISTP256_SHA256)
    }

    pub(crate) fn rsa() -> Self {
        Self::read(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap().serialize_der())
    }

    fn read(pkcs8: Vec<u8>) -> Self {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_slice()));
        let signing = any_supported_type(&der).unwrap();
        Self { pkcs8, signing }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.signing.public_key().unwrap().to_vec()
    }

    /// An identity whose certificate says the usual.
    pub(crate) fn identity(&self) -> Identity {
        self.identity_of(&Written::default())
    }

    pub(crate) fn identity_of(&self, written: &Written) -> Identity {
        Identity::from_der(written.for_key(&self.public()), Zeroizing::new(self.pkcs8.clone())).unwrap()
    }

    /// Shows `chain`, and signs with this key whatever is in it.
    pub(crate) fn showing(&self, chain: &[&[u8]]) -> Arc<CertifiedKey> {
        shown(chain, Arc::clone(&self.signing))
    }
}

pub(crate) fn shown(chain: &[&[u8]], key: Arc<dyn SigningKey>) -> Arc<CertifiedKey> {
    let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    Arc::new(CertifiedKey::new(chain, key))
}

impl Default for Written {
    fn default() -> Self {
        Self {
            version: Some(2),
            subject: "Octopus Tentacle".to_owned(),
            issuer: "Octopus Tentacle".to_owned(),
            from: "20260101000000Z",
            until: "21260101000000Z",
            extensions: Vec::new(),
        }
    }
}

impl Written {
    pub(crate) fn named(subject: &str) -> Self {
        Self { subject: subject.to_owned(), issuer: subject.to_owned(), ..Self::default() }
    }

    /// The certificate for a public key in DER.
    pub(crate) fn for_key(&self, public: &[u8]) -> Vec<u8> {
        let algorithm = tlv(0x30, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
        let version = self.version.map(|version| tlv(0xa0, &[0x02, 0x01, version])).unwrap_or_default();
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            some => tlv(0xa3, &tlv(0x30, &some.concat())),
        };
        let dates = [tlv(0x18, self.from.as_bytes()), tlv(0x18, self.until.as_bytes())].concat();
        let signed = [
            version,
            vec![0x02, 0x01, 0x07],
            algorithm.clone(),
            name(&self.issuer),
            tlv(0x30, &dates),
            name(&self.subject),
            public.to_vec(),
            extensions,
        ];
        tlv(0x30, &[tlv(0x30, &signed.concat()), algorithm, vec![0x03, 0x02, 0x00, 0x00]].concat())
    }
}

/// An extension that nobody knows.
pub(crate) fn extension(criticality: &[u8]) -> Vec<u8> {
    let oid = [0x06, 0x05, 0x2a, 0x03, 0x04, 0x05, 0x06];
    tlv(0x30, &[&oid[..], criticality, &tlv(0x04, b"?")].concat())
}

/// As `criticality`: the extension must be understood.
pub(crate) const CRITICAL: &[u8] = &[0x01, 0x01, 0xff];

/// The public key of an RSA key with so many bits, which nobody has the private part of.
pub(crate) fn rsa_public(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xc3; bits / 8];
    modulus.insert(0, 0);
    let key = tlv(0x30, &[tlv(0x02, &modulus), vec![0x02, 0x03, 1, 0, 1]].concat());
    let algorithm = tlv(0x30, &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]);
    tlv(0x30, &[algorithm, tlv(0x03, &[vec![0], key].concat())].concat())
}

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    if length < 0x80 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(0x82);
        bytes.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    }
    bytes.extend_from_slice(content);
    bytes
}

fn name(common: &str) -> Vec<u8> {
    let attribute = [vec![0x06, 0x03, 0x55, 0x04, 0x03], tlv(0x0c, common.as_bytes())].concat();
    tlv(0x30, &tlv(0x31, &tlv(0x30, &attribute)))
}

pub(crate) fn pin(identity: &Identity) -> [Thumbprint; 1] {
    [identity.thumbprint()]
}

/// Signs with that scheme and no other.
#[derive(Debug)]
pub(crate) struct Only(pub(crate) Arc<dyn SigningKey>, pub(crate) SignatureScheme);

impl SigningKey for Only {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.0.choose_scheme(&[self.1])
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// Shows bytes as if they were a signature.
#[derive(Clone, Debug)]
pub(crate) struct Forged(pub(crate) Vec<u8>, pub(crate) SignatureScheme);

impl SigningKey for Forged {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(self.clone()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Forged {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.clone())
    }

    fn scheme(&self) -> SignatureScheme {
        self.1
    }
}
