//! A certificate authority for tests: root, intermediate, and leaves of any validity.

use std::time::Duration;

use portward_core::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

/// Issues certificates for tests through an intermediate, as public authorities do.
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    intermediate: CertifiedIssuer<'static, KeyPair>,
}

/// Is a certificate with its key, in the forms that people have.
pub struct Issued {
    /// The leaf in DER.
    pub leaf: Vec<u8>,
    /// Leaf and intermediate in PEM.
    pub chain_pem: String,
    /// The leaf alone in PEM.
    pub leaf_pem: String,
    /// The key in PEM, PKCS #8.
    pub key_pem: String,
}

impl Authority {
    /// Makes root and intermediate.
    pub fn new() -> Self {
        Self::named("Test")
    }

    /// Makes root and intermediate, which are called after their owner.
    pub fn named(owner: &str) -> Self {
        let params = |what: &str| issuer_params(&format!("{owner} {what}"));
        let root = CertifiedIssuer::self_signed(params("Root"), KeyPair::generate().unwrap()).unwrap();
        let intermediate =
            CertifiedIssuer::signed_by(params("Intermediate"), KeyPair::generate().unwrap(), &root).unwrap();
        Self { root, intermediate }
    }

    /// Issues a certificate for the names that is valid from an hour before `now` for 90 days.
    pub fn issue(&self, names: &[&str], now: Timestamp) -> Issued {
        self.issue_between(names, now.minus(HOUR), now.plus(90 * DAY))
    }

    /// Issues a certificate for the names that is valid between the two times.
    pub fn issue_between(&self, names: &[&str], not_before: Timestamp, not_after: Timestamp) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("nameless"));
        params.not_before = date(not_before);
        params.not_after = date(not_after);
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = params.signed_by(&key, &self.intermediate).unwrap();
        Issued {
            leaf: leaf.der().to_vec(),
            chain_pem: format!("{}{}", leaf.pem(), self.intermediate.pem()),
            leaf_pem: leaf.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// The root in PEM, for clients to trust.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The root in DER.
    pub fn root_der(&self) -> Vec<u8> {
        self.root.der().to_vec()
    }

    /// The intermediate in PEM.
    pub fn intermediate_pem(&self) -> String {
        self.intermediate.pem()
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

fn issuer_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn date(time: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(time.unix()).unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
