//! Which certificate a program serves: a peek, and no more.
//!
//! **Nothing is proved by it.** The peer may be anybody; its signature, its names and its dates are not looked at, nothing
//! is sent to it, and the connection is used for nothing else. All that comes of it is the leaf that was shown.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portward_core::{DialAddress, Host, Thumbprint};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// Is the leaf that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// SHA-256 of it.
    pub(crate) thumbprint: Thumbprint,
    /// As in `CN=shop.test`; empty if it cannot be read.
    pub(crate) subject: String,
}

/// Connects, and looks which leaf is shown to who asks for a name; an address is not asked for.
pub(crate) async fn peek(address: &DialAddress, name: &Host) -> Result<Seen, String> {
    let shown = Arc::new(Shown::default());
    let attempt = async {
        let tcp = match &address.host {
            Host::Ip(ip) => TcpStream::connect((*ip, address.port)).await,
            Host::Name(host) => TcpStream::connect((host.as_str(), address.port)).await,
        };
        let tcp = tcp.map_err(|error| format!("{address} cannot be connected to: {error}"))?;
        let name = server_name(name)?;
        let ended = TlsConnector::from(Arc::new(config(&shown)?)).connect(name, tcp).await;
        // A server that wants a certificate of the client ends it after having shown its own.
        match (ended, shown.leaf()) {
            (_, Some(leaf)) => Ok(leaf),
            (Err(error), None) => Err(format!("{address} shows no certificate: {error}")),
            (Ok(_), None) => Err(format!("{address} shows no certificate")),
        }
    };
    let leaf = match timeout(PATIENCE, attempt).await {
        Ok(leaf) => leaf?,
        Err(_) => {
            shown.leaf().ok_or_else(|| format!("{address} does not answer within {} seconds", PATIENCE.as_secs()))?
        }
    };
    let subject = portward_certs::facts(&leaf).map(|facts| facts.subject.into()).unwrap_or_default();
    Ok(Seen { thumbprint: Thumbprint::of(&leaf), subject })
}

fn server_name(name: &Host) -> Result<ServerName<'static>, String> {
    match name {
        Host::Ip(IpAddr::V4(ip)) => Ok(ServerName::IpAddress(rustls_pki_types::IpAddr::from(IpAddr::V4(*ip)))),
        Host::Ip(ip) => Ok(ServerName::IpAddress(rustls_pki_types::IpAddr::from(*ip))),
        Host::Name(name) => ServerName::try_from(name.as_str().to_owned())
            .map_err(|_| format!("{} is no name that TLS can ask for", name.as_str())),
    }
}

fn config(shown: &Arc<Shown>) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Shown>::clone(shown))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Remembers what is shown, and judges nothing.
#[derive(Debug, Default)]
struct Shown(Mutex<Option<Vec<u8>>>);

impl Shown {
    fn leaf(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
