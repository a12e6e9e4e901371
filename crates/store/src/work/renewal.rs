//! What is remembered of the renewal of one certificate, and what operators ask for.

use portward_core::{CertificateId, HostPattern, IssuerId, Thumbprint, Timestamp, acme::is_waited_for};
use serde::{Deserialize, Serialize};

use super::{REQUESTS, ReadWorkError, WorkPlace, certificate_of, read, read_all};
use crate::{Key, Store, change::Change, records::text};

/// Is what is remembered of the renewal of one certificate between attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Renewal {
    /// Attempts that failed in a row.
    pub failures: u32,
    /// Not before this after a failure; an operator may overrule it.
    #[serde(with = "text::option")]
    pub retry_at: Option<Timestamp>,
    /// What CAs said not to do before a time; nobody may overrule it.
    pub holds: Vec<Hold>,
    /// When the CA suggests to renew (RFC 9773).
    pub window: Option<Window>,
    /// When the CA is asked for that again.
    #[serde(with = "text::option")]
    pub window_due: Option<Timestamp>,
    /// Who issued the version that is served; none if no CA did.
    #[serde(with = "text::option")]
    pub issued_by: Option<IssuerId>,
    /// The names that the newest version of a CA was asked for; none if that is not known.
    #[serde(with = "text::list")]
    pub ordered: Vec<HostPattern>,
    /// When certificates for these names were issued lately.
    #[serde(with = "text::list")]
    pub issued: Vec<Timestamp>,
    /// The version of which a CA does not take that it is replaced.
    #[serde(with = "text::option")]
    pub irreplaceable: Option<Thumbprint>,
    /// Who may have an order of ours although no answer came.
    #[serde(with = "text::option")]
    pub unsure: Option<IssuerId>,
    /// Which of the issuers is asked next, counted from 0 and taken modulo their number.
    pub turn: u32,
    /// The word for what went wrong last; none after a success.
    pub trouble: Option<String>,
}

/// Is what a CA said not to do before a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who said it.
    #[serde(with = "text")]
    pub issuer: IssuerId,
    /// Until when.
    #[serde(with = "text")]
    pub until: Timestamp,
}

/// Is a window in which a CA suggests to renew one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Leaf of the version.
    #[serde(with = "text")]
    pub of: Thumbprint,
    /// When it begins.
    #[serde(with = "text")]
    pub start: Timestamp,
    /// When it ends.
    #[serde(with = "text")]
    pub end: Timestamp,
    /// A page that explains it.
    pub explanation_url: Option<String>,
}

/// Is the version of a certificate whose private key somebody else may have.
///
/// It is apart from the rest, which the engine writes while a CA is asked to revoke.
#[derive(Serialize, Deserialize)]
struct Compromised {
    #[serde(with = "text")]
    version: Thumbprint,
}

/// The version of a certificate whose private key somebody else may have: it is never kept. None if there is none.
pub async fn compromised(store: &dyn Store, certificate: &CertificateId) -> Result<Option<Thumbprint>, ReadWorkError> {
    let found: Option<Compromised> = read(store, &WorkPlace::Compromised(certificate)).await?;
    Ok(found.map(|found| found.version))
}

/// Is what an operator asks for about one certificate; it is taken away when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenewalRequest {
    /// When it was asked for.
    #[serde(with = "text")]
    pub at: Timestamp,
    /// To renew, although it is not due.
    pub renew: bool,
    /// Not to wait for a retry.
    pub force: bool,
    /// To go on, as what is placed by hand is in its place.
    pub placed: bool,
}

impl Renewal {
    /// Reads what is remembered of a certificate.
    pub async fn read(store: &dyn Store, certificate: &CertificateId) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Renewal(certificate)).await
    }

    /// Reads what is remembered of all certificates.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<(CertificateId, Self)>, ReadWorkError> {
        let all = read_all(store, RENEWALS).await?;
        let id = |key: &Key| key.segments().nth(2).and_then(|id| CertificateId::parse(id).ok());
        Ok(all.into_iter().filter_map(|(key, renewal)| Some((id(&key)?, renewal))).collect())
    }

    /// Until when a CA said not to be asked for this certificate; none if it did not, or that time is over.
    pub fn held(&self, issuer: &IssuerId, now: Timestamp) -> Option<Timestamp> {
        let holds = self.holds.iter().filter(|hold| hold.issuer == *issuer && is_waited_for(hold.until, now));
        holds.map(|hold| hold.until).max()
    }

    /// Until when nothing is tried again after a failure; none if it may be, or a clock that was wrong put that down.
    pub fn retry(&self, now: Timestamp) -> Option<Timestamp> {
        self.retry_at.filter(|at| is_waited_for(*at, now))
    }
}

impl RenewalRequest {
    /// Reads what is asked for about a certificate.
    pub async fn read(store: &dyn Store, certificate: &CertificateId) -> Result<Option<Self>, ReadWorkError> {
        read(store, &WorkPlace::Request(certificate)).await
    }

    /// Reads all that is asked for.
    pub async fn read_all(store: &dyn Store) -> Result<Vec<(CertificateId, Self)>, ReadWorkError> {
        let all = read_all(store, REQUESTS).await?;
        Ok(all.into_iter().filter_map(|(key, request)| Some((certificate_of(&key)?, request))).collect())
    }
}

impl Change {
    /// Writes what is remembered of a certificate.
    pub fn put_renewal(&mut self, certificate: &CertificateId, renewal: &Renewal) {
        self.put_work(&WorkPlace::Renewal(certificate), renewal);
    }

    /// Forgets it.
    pub fn remove_renewal(&mut self, certificate: &CertificateId) {
        self.delete_work(&WorkPlace::Renewal(certificate));
    }

    /// Writes which version of a certificate has a private key that somebody else may have.
    pub fn put_compromised(&mut self, certificate: &CertificateId, version: Thumbprint) {
        self.put_work(&WorkPlace::Compromised(certificate), &Compromised { version });
    }

    /// Forgets it.
    pub fn remove_compromised(&mut self, certificate: &CertificateId) {
        self.delete_work(&WorkPlace::Compromised(certificate));
    }

    /// Asks for something about a certificate.
    pub fn put_request(&mut self, certificate: &CertificateId, request: &RenewalRequest) {
        self.put_work(&WorkPlace::Request(certificate), request);
    }

    /// Takes a request away, as it is done.
    pub fn remove_request(&mut self, certificate: &CertificateId) {
        self.delete_work(&WorkPlace::Request(certificate));
    }
}

/// Below this is what is remembered of renewals.
const RENEWALS: &str = "work/renewal/";
