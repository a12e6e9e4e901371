//! Handshakes with clients.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use portward_core::Host;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{NoServerSessionStorage, ProducesTickets, ResolvesServerCertUsingSni, UnbufferedServerConnection},
    version::{TLS12, TLS13},
};
use tokio::{net::TcpStream, time::timeout};

use super::{choice::Choice, provider::provider};
use crate::{
    snapshot::{ServedBinding, ServedCertificate, Snapshot},
    stream::{BeginError, Session, Stream, begin},
};

/// Is what the TLS servers of all workers share: versions, suites, groups and the keys of session tickets.
///
/// There is one for the process, so that a ticket from one worker is good at every other.
#[derive(Debug)]
pub(crate) struct TlsServer {
    /// Complete but for the certificate, which each connection chooses.
    template: ServerConfig,
    tickets: Arc<dyn ProducesTickets>,
}

/// Is a connection after its handshake.
pub(crate) struct Accepted {
    /// The stream, in the clear or decrypted.
    pub(crate) stream: Stream,
    /// What the handshake said; none without TLS.
    pub(crate) tls: Option<TlsFacts>,
}

/// Is what a TLS handshake with a client said.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    /// The certificate that was presented, or would be presented now if the session was resumed.
    pub(crate) certificate: Option<Arc<ServedCertificate>>,
    /// The name that the client asked for, if it is a valid one.
    pub(crate) sni: Option<Host>,
    /// Whether HTTP/2 was agreed on.
    pub(crate) alpn_h2: bool,
}

/// Says why there is no TLS connection with a client. The client has been sent an alert already, where it can be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// It was not done in time.
    #[error("the client did not finish the TLS handshake in time")]
    TimedOut,
    /// The client spoke HTTP in the clear; here is its connection, so that it can be told.
    #[error("the client spoke plain HTTP to an https binding")]
    Http(TcpStream),
    /// There is no certificate for what the client asked for, and the binding has no default.
    #[error(
        "there is no certificate for {} and the binding {binding} has no default certificate; import one, or set the binding's --default-certificate",
        sni.as_ref().map_or_else(|| "a client that names no host".to_owned(), ToString::to_string)
    )]
    NoCertificate {
        /// The name that was asked for.
        sni: Option<Host>,
        /// The binding.
        binding: portward_core::BindingId,
    },
    /// The client closed the connection.
    #[error("the client closed the connection during the TLS handshake")]
    Closed,
    /// The connection failed.
    #[error("the connection failed during the TLS handshake")]
    Io(#[source] io::Error),
    /// The two sides could not agree, or the client broke the protocol.
    #[error("the TLS handshake failed")]
    Tls(#[source] rustls::Error),
}

impl TlsServer {
    /// Makes the shared part, with fresh ticket keys.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let tickets = Ticketer::new()?;
        let mut template = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        template.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        template.ignore_client_order = true;
        // Requests that can be replayed do not get past a front door (RFC 8446 section 8).
        template.max_early_data_size = 0;
        // Browsers use one; each further one costs a record in every handshake.
        template.send_tls13_tickets = 1;
        // Tickets alone: nothing of a session is kept here.
        template.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { template, tickets })
    }

    /// Does the handshake with a client that has connected to an https binding at `local`, within `limit`.
    pub(crate) async fn accept(
        &self,
        tcp: TcpStream,
        snapshot: &Arc<Snapshot>,
        binding: &Arc<ServedBinding>,
        local: SocketAddr,
        limit: Duration,
    ) -> Result<Accepted, HandshakeError> {
        let choice =
            Arc::new(Choice::new(Arc::clone(snapshot), Arc::clone(binding), local.ip(), Arc::clone(&self.tickets)));
        let mut config = self.template.clone();
        config.cert_resolver = Arc::clone(&choice) as _;
        config.ticketer = Arc::clone(&choice) as _;
        let handshake = async {
            let session = UnbufferedServerConnection::new(Arc::new(config)).map_err(HandshakeError::Tls)?;
            match begin(tcp, Session::Server(session)).await {
                Ok(begun) => Ok(begun),
                Err(BeginError::Http(tcp)) => Err(HandshakeError::Http(tcp)),
                Err(BeginError::Closed) => Err(HandshakeError::Closed),
                Err(BeginError::Io(error)) => Err(HandshakeError::Io(error)),
                Err(BeginError::Tls(error)) => Err(HandshakeError::Tls(error)),
            }
        };
        let begun = timeout(limit, handshake).await.unwrap_or(Err(HandshakeError::TimedOut));
        let made = choice.made();
        let begun = match begun {
            // rustls has an alert of its own for it and no error.
            Err(HandshakeError::Tls(rustls::Error::General(_))) if made.asked && made.certificate.is_none() => {
                return Err(HandshakeError::NoCertificate { sni: made.sni, binding: binding.id.clone() });
            }
            other => other?,
        };
        let alpn_h2 = begun.session().facts().alpn_protocol() == Some(H2);
        Ok(Accepted {
            stream: Stream::tls(begun),
            tls: Some(TlsFacts { certificate: made.certificate, sni: made.sni, alpn_h2 }),
        })
    }
}

const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";
