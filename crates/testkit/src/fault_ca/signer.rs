//! Signs what orders ask for.

use std::net::IpAddr;

use portward_core::{HostPattern, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKey, SanType, SerialNumber,
};
use rustls::pki_types::CertificateSigningRequestDer;
use x509_parser::prelude::{FromDer, ParsedExtension, X509Certificate};

use super::{base64url, perform::Refusal};

/// Holds roots and intermediate.
pub(super) struct Signer {
    root: CertifiedIssuer<'static, KeyPair>,
    other_root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
    /// The same intermediate, signed by the other root.
    cross_signed: String,
}

/// Is a leaf with its chains.
pub(super) struct Signed {
    /// What RFC 9773 section 4.1 calls it.
    pub(super) id: String,
    pub(super) chain: String,
    pub(super) alternate: String,
}

impl Signer {
    pub(super) fn new() -> Self {
        let root = |name| CertifiedIssuer::self_signed(issuer(name), KeyPair::generate().unwrap()).unwrap();
        let (root, other_root) = (root("Fault CA Root"), root("Fault CA Other Root"));
        let key = KeyPair::generate().unwrap();
        let cross_signed = issuer("Fault CA Intermediate").signed_by(&key, &other_root).unwrap().pem();
        let intermediate = CertifiedIssuer::signed_by(issuer("Fault CA Intermediate"), key, &root).unwrap();
        Self { root, other_root, intermediate, cross_signed }
    }

    /// A number that is another one for each CA.
    pub(super) fn seed(&self) -> u64 {
        let end = self.root.key().public_key_raw().last_chunk().copied();
        u64::from_be_bytes(end.unwrap_or_default())
    }

    pub(super) fn root_pem(&self) -> String {
        self.root.pem()
    }

    pub(super) fn other_root_pem(&self) -> String {
        self.other_root.pem()
    }

    /// Signs for a key that [`check_csr`] gave.
    pub(super) fn sign(
        &self,
        key: &PublicKey,
        names: &[HostPattern],
        serial: [u8; 16],
        from: Timestamp,
        until: Timestamp,
    ) -> Option<Signed> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names.iter().filter_map(san).collect();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = time::OffsetDateTime::from_unix_timestamp(from.unix()).ok()?;
        params.not_after = time::OffsetDateTime::from_unix_timestamp(until.unix()).ok()?;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(key, &self.intermediate).ok()?;
        let pem = leaf.pem();
        Some(Signed {
            id: certificate_id(leaf.der())?,
            chain: format!("{pem}{}", self.intermediate.pem()),
            alternate: format!("{pem}{}", self.cross_signed),
        })
    }
}

/// The key of a request that is well signed and for these names, no more and no less.
pub(super) fn check_csr(csr: &[u8], names: &[HostPattern]) -> Result<PublicKey, Refusal> {
    let bad = |detail: String| Refusal::new(400, "badCSR", detail);
    let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
        .map_err(|error| bad(format!("Error parsing certificate request: {error}")))?;
    let asked = request.params.subject_alt_names.iter().map(|san| match san {
        SanType::DnsName(name) => HostPattern::parse(name.as_str()).ok(),
        SanType::IpAddress(address) => HostPattern::parse(&address.to_string()).ok(),
        _ => None,
    });
    let mut asked = asked.collect::<Option<Vec<_>>>().unwrap_or_default();
    asked.sort();
    asked.dedup();
    if asked == names {
        return Ok(request.public_key);
    }
    Err(bad("Error finalizing order :: CSR does not specify same identifiers as Order".to_owned()))
}

/// What RFC 9773 section 4.1 calls a certificate: authority key identifier, dot, serial number.
pub(super) fn certificate_id(der: &[u8]) -> Option<String> {
    let (_, leaf) = X509Certificate::from_der(der).ok()?;
    let authority = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.as_ref().map(|key| key.0),
        _ => None,
    })?;
    Some(format!("{}.{}", base64url(authority), base64url(leaf.raw_serial())))
}

fn san(name: &HostPattern) -> Option<SanType> {
    let text = name.to_string();
    match text.parse::<IpAddr>() {
        Ok(address) => Some(SanType::IpAddress(address)),
        Err(_) => text.try_into().ok().map(SanType::DnsName),
    }
}

fn issuer(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
