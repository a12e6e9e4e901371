//! TLS of a link: 1.3 only, both sides show a certificate, nothing is resumed, nothing is sent early.
//!
//! A resumed session would skip the certificates, and outlive a trust that was taken away.

use std::sync::{Arc, LazyLock};

use portward_core::Thumbprint;
use rustls::{
    ClientConfig, Error, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use rustls_pki_types::ServerName;

use crate::{
    Identity,
    verify::{AnyClient, Pinned},
};

/// The protocol of a link (RFC 7301).
pub const LINK: &[u8] = b"portward-agent/1";
/// The protocol by which an agent joins.
pub const ENROL: &[u8] = b"portward-enroll/1";

/// Says what a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A link.
    Link,
    /// To join.
    Enrol,
}

/// Is what the side that is dialled shows, and how it does handshakes.
#[derive(Clone, Debug)]
pub struct Dialled {
    pub(crate) config: Arc<ServerConfig>,
    /// By the name under which each is expected; the usual one is the first.
    known: Vec<(String, Thumbprint)>,
}

/// Chooses the identity that is shown: the one that the dialler expects, if it is there.
#[derive(Debug)]
struct ByExpectation {
    /// What is shown to who expects nothing that is known here.
    usual: Arc<CertifiedKey>,
    others: Vec<(String, Arc<CertifiedKey>)>,
}

impl Purpose {
    /// Its protocol.
    pub fn alpn(self) -> &'static [u8] {
        match self {
            Self::Link => LINK,
            Self::Enrol => ENROL,
        }
    }

    /// The purpose that a protocol has.
    pub fn of(alpn: &[u8]) -> Option<Self> {
        [Self::Link, Self::Enrol].into_iter().find(|purpose| purpose.alpn() == alpn)
    }
}

/// The name that a dialler puts into SNI, so that the other side shows the identity that is expected.
///
/// It is half of the thumbprint: enough to tell identities apart, and it fits into a label (RFC 1035 section 2.3.4).
pub fn expectation(pin: Thumbprint) -> String {
    let mut name = pin.to_string();
    name.truncate(32);
    name.push_str(".agent.invalid");
    name
}

/// The one that all links share.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// For the side that dials: shows `identity`, and takes one of `pins`.
pub(crate) fn dialler(identity: &Identity, pins: &[Thumbprint], purpose: Purpose) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned::new(pins.to_vec())))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
    config.alpn_protocols = vec![purpose.alpn().to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    Ok(config)
}

/// The name of the dialled side, for the pin that is expected most.
pub(crate) fn server_name(pins: &[Thumbprint]) -> Result<ServerName<'static>, Error> {
    let pin = pins.first().ok_or_else(|| Error::General("no thumbprint is trusted".to_owned()))?;
    ServerName::try_from(expectation(*pin)).map_err(|error| Error::General(error.to_string()))
}

impl Dialled {
    /// Shows `identity`, or that one of `others` that is expected, and takes any peer.
    pub fn new(identity: &Identity, others: &[Identity], purposes: &[Purpose]) -> Result<Self, Error> {
        let named = |identity: &Identity| (expectation(identity.thumbprint()), identity.certified_key());
        let chosen = ByExpectation { usual: identity.certified_key(), others: others.iter().map(named).collect() };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(AnyClient::new()))
            .with_cert_resolver(Arc::new(chosen));
        config.alpn_protocols = purposes.iter().map(|purpose| purpose.alpn().to_vec()).collect();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        let thumbprint = |identity: &Identity| (expectation(identity.thumbprint()), identity.thumbprint());
        let known = std::iter::once(identity).chain(others).map(thumbprint).collect();
        Ok(Self { config: Arc::new(config), known })
    }

    /// What was shown to who asked for that name; none only if nothing can be shown.
    pub(crate) fn shown_to(&self, name: Option<&str>) -> Option<Thumbprint> {
        let asked = self.known.iter().find(|(known, _)| Some(known.as_str()) == name);
        asked.or_else(|| self.known.first()).map(|(_, thumbprint)| *thumbprint)
    }
}

impl ResolvesServerCert for ByExpectation {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let expected = hello.server_name().unwrap_or_default();
        let other = self.others.iter().find(|(name, _)| name == expected);
        Some(Arc::clone(other.map_or(&self.usual, |(_, key)| key)))
    }
}
