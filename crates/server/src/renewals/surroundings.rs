//! What the engine needs of the outside.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use portward_certs::{acme::CertificateAuthority, dns::TxtWriter};
use portward_core::{
    AgentName, CertificateId, HostPattern, Revision, Scheme, Thumbprint, Timestamp,
    acme::{Advice, ChallengeKind, Issuer, KeyAlgorithm},
};
use zeroize::Zeroizing;

/// Is what the engine needs of the outside: the time, CAs, DNS, and what is served.
///
/// The server fulfils it with the real things; simulations of years bring their own time and CA.
#[async_trait]
pub trait Surroundings: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Timestamp;

    /// Who answers for an issuer. Asked for each turn, so it should keep what is expensive.
    ///
    /// # Errors
    ///
    /// Says why nobody can be asked, as when its authorities cannot be read.
    fn authority(&self, issuer: &Issuer) -> Result<Arc<dyn CertificateAuthority>, String>;

    /// Whether a binding of that scheme listens on that port.
    fn listens(&self, scheme: Scheme, port: u16) -> bool;

    /// Why the binding that was made for challenges on that port does not listen; none if it does, or there is none.
    fn challenge_port_trouble(&self, port: u16) -> Option<String>;

    /// Waits until a change is served.
    ///
    /// # Errors
    ///
    /// Says that it was not served in time.
    async fn served(&self, revision: Revision) -> Result<(), String>;

    /// Looks, by a real handshake, which certificate is presented for a name.
    async fn shown(&self, name: &HostPattern, thumbprint: &Thumbprint) -> Shown;

    /// Makes who writes TXT records.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the settings.
    fn writer(&self, kind: &str, settings: BTreeMap<String, Zeroizing<String>>) -> Result<Box<dyn TxtWriter>, String>;

    /// Finds out where a TXT record belongs, after delegations.
    ///
    /// # Errors
    ///
    /// Says what DNS answered.
    async fn txt_place(&self, issuer: &Issuer, name: &str) -> Result<TxtPlace, String>;

    /// The authoritative servers that do not show a TXT record yet, each with what it said.
    ///
    /// # Errors
    ///
    /// Says what DNS answered.
    async fn txt_missing(
        &self,
        issuer: &Issuer,
        place: &TxtPlace,
        value: &str,
    ) -> Result<Vec<(String, String)>, String>;

    /// Has a machine make the private key for a certificate, and sign a request with it (PKCS #10, DER).
    ///
    /// # Errors
    ///
    /// Says why it does not, and whether it may later.
    async fn signing_request(&self, wanted: &RequestWanted<'_>) -> Result<Vec<u8>, NoRequest>;

    /// Looks at what may keep a CA from seeing the answer to a challenge. It takes a few seconds at most.
    async fn advise(
        &self,
        issuer: &Issuer,
        name: &HostPattern,
        kind: ChallengeKind,
        answer: Option<(&str, &str)>,
    ) -> Vec<Advice>;
}

/// Says what signing request a machine is to make.
#[derive(Clone, Debug)]
pub struct RequestWanted<'a> {
    /// The agent on whose machine the key stays.
    pub agent: &'a AgentName,
    /// The certificate.
    pub certificate: &'a CertificateId,
    /// What is asked for.
    pub names: &'a [HostPattern],
    /// The kind of the key.
    pub algorithm: KeyAlgorithm,
    /// Whether the key in use is kept.
    pub keep: bool,
}

/// Says why a machine has made no signing request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// It is not connected; it may be later.
    Away(String),
    /// It refuses, or what it sent is none.
    Refused(String),
}

/// Is where a TXT record belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtPlace {
    /// The zone, as in `shop.example`.
    pub zone: String,
    /// The full name, as in `_acme-challenge.www.shop.example`.
    pub name: String,
}

/// Says what a handshake showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The certificate.
    It,
    /// Another one, as a site or a better certificate has the name; the text says which.
    Other(String),
    /// Nothing: no https binding, or none that is bound.
    Nobody,
    /// The handshake failed; the text says how.
    Failed(String),
}
