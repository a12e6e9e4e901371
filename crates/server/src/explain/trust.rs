//! Who would believe a certificate.

use std::sync::Arc;

use portward_core::{Thumbprint, Timestamp, UpstreamTrust};
use rustls::{
    CertificateError, Error, RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// Judges certificates as a client would at a time.
#[derive(Debug)]
pub(crate) struct Trust {
    believes: Believes,
    now: UnixTime,
}

#[derive(Debug)]
enum Believes {
    /// What these authorities have signed; none if there are none.
    Authorities(Option<Arc<WebPkiServerVerifier>>),
    /// That leaf.
    Pin(Thumbprint),
    /// Everything.
    Anything,
}

impl Trust {
    /// As the programs of this machine; it reads files.
    pub(crate) fn of_this_machine(now: Timestamp) -> Self {
        Self::of_this_machine_at(unix_time(now))
    }

    /// The same at a time as TLS has it.
    pub(crate) fn of_this_machine_at(now: UnixTime) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self { believes: authorities(roots), now }
    }

    /// As Portward believes an upstream; it may read files.
    pub(crate) fn of_upstream(trust: &UpstreamTrust, now: Timestamp) -> Self {
        match trust {
            UpstreamTrust::System => Self::of_this_machine(now),
            UpstreamTrust::Authorities(given) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(given.iter().map(|der| CertificateDer::from(der.to_vec())));
                Self::new(authorities(roots), now)
            }
            UpstreamTrust::Pin(thumbprint) => Self::new(Believes::Pin(**thumbprint), now),
            UpstreamTrust::DangerInsecure => Self::new(Believes::Anything, now),
        }
    }

    fn new(believes: Believes, now: Timestamp) -> Self {
        Self { believes, now: unix_time(now) }
    }

    /// Whether a chain, the leaf first, is believed for a name; why not, as the end of a sentence.
    pub(crate) fn judge(&self, chain: &[CertificateDer<'_>], name: &ServerName<'_>) -> Result<(), String> {
        let Some((leaf, others)) = chain.split_first() else { return Err("none was presented".to_owned()) };
        match &self.believes {
            Believes::Anything => Ok(()),
            Believes::Pin(pin) => match Thumbprint::of(leaf) {
                got if got == *pin => Ok(()),
                got => Err(format!("{pin} is pinned, and {got} is presented")),
            },
            Believes::Authorities(None) => {
                Err("this machine knows no authorities (the package ca-certificates)".to_owned())
            }
            Believes::Authorities(Some(verifier)) => {
                verifier.verify_server_cert(leaf, others, name, &[], self.now).map(|_| ()).map_err(|error| why(&error))
            }
        }
    }
}

fn unix_time(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(time.since(Timestamp::EPOCH))
}

fn authorities(roots: RootCertStore) -> Believes {
    let provider = Arc::new(aws_lc_rs::default_provider());
    Believes::Authorities(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok())
}

fn why(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                "nobody that is trusted has signed it, or the issuers in between were not sent".to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "it is not valid yet".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "it is for other names".to_owned()
            }
            other => other.to_string(),
        },
        other => other.to_string(),
    }
}
