//! Handshakes with clients.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use portward_core::Host;
use rustls::{
    AlertDescription, CipherSuite, ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{
        ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCertUsingSni, UnbufferedServerConnection,
    },
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::{net::TcpStream, time::timeout};

use super::{
    challenge::{ACME_TLS_1, Wanted, wanted},
    choice::Choice,
    provider::provider,
};
use crate::{
    agents::is_agent,
    count::HandshakeFailure,
    pass_through::{Passed, target_of},
    snapshot::{ServedBinding, ServedCertificate, Serves, Snapshot},
    stream::{BeginError, Begun, Caller, Heard, Session, Stream, begin, hear},
    worker::Turns,
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
    /// The certificate that was presented, or would be presented now if the session was resumed; none for a challenge.
    pub(crate) certificate: Option<Arc<ServedCertificate>>,
    /// The name that the client asked for, if it is a valid one; for a challenge it may be an address.
    pub(crate) sni: Option<Host>,
    /// What was agreed on.
    pub(crate) protocol: Protocol,
    /// The cipher suite, which says the version too; small, as every idle connection has it.
    pub(crate) cipher: Option<CipherSuite>,
}

/// Is what is spoken after a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1, also where nothing was agreed on.
    Http1,
    /// HTTP/2.
    Http2,
    /// Nothing: the handshake was all that the client came for, and the connection is closed (RFC 8737 section 3).
    Challenge,
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
    /// The client is an agent, and another one does the handshake with it.
    #[error("the client is an agent")]
    Agent {
        /// Its connection.
        tcp: TcpStream,
        /// What was read of it.
        input: Vec<u8>,
    },
    /// The name that the client asks for is passed through, and its target does the handshake.
    #[error("the connection is passed through")]
    Passed(Passed),
    /// The client is no agent, and the binding is for agents alone.
    #[error("the binding {0} is for agents alone, and the client is none")]
    AgentsOnly(portward_core::BindingId),
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
    /// A CA, or who poses as one, asked for the answer to a tls-alpn-01 challenge, and there is none.
    #[error(
        "there is no tls-alpn-01 challenge for {}",
        host.as_ref().map_or_else(|| "a client that names no host".to_owned(), ToString::to_string)
    )]
    NoChallenge {
        /// The identifier that was asked for.
        host: Option<Host>,
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

impl HandshakeError {
    /// As it is counted; who is handed on has not failed, and is counted as such by nobody.
    pub(crate) fn failure(&self) -> HandshakeFailure {
        match self {
            Self::TimedOut => HandshakeFailure::TimedOut,
            Self::Http(_) => HandshakeFailure::Plain,
            Self::AgentsOnly(_) => HandshakeFailure::NoAgent,
            Self::NoCertificate { .. } => HandshakeFailure::NoCertificate,
            Self::NoChallenge { .. } => HandshakeFailure::NoChallenge,
            Self::Closed | Self::Io(_) => HandshakeFailure::Closed,
            Self::Agent { .. } | Self::Passed(_) | Self::Tls(_) => HandshakeFailure::NotAgreed,
        }
    }
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

    /// Waits within `limit` until a client speaks.
    pub(crate) async fn listen(tcp: TcpStream, limit: Duration) -> Result<Caller, HandshakeError> {
        let listened = timeout(limit, Caller::listen(tcp)).await;
        Ok(listened.map_err(|_| HandshakeError::TimedOut)??)
    }

    /// Does the handshake with a client that has called an https binding at `local`, within `limit`, when it is its turn.
    pub(crate) async fn accept(
        &self,
        caller: Caller,
        snapshot: &Arc<Snapshot>,
        binding: &Arc<ServedBinding>,
        local: SocketAddr,
        limit: Duration,
        turns: &Turns,
    ) -> Result<Accepted, HandshakeError> {
        let begun = timeout(limit, self.begin(caller, snapshot, binding, local, turns)).await;
        let (begun, facts) = begun.unwrap_or(Err(HandshakeError::TimedOut))?;
        Ok(Accepted { stream: Stream::tls(begun), tls: Some(facts) })
    }

    async fn begin(
        &self,
        caller: Caller,
        snapshot: &Arc<Snapshot>,
        binding: &Arc<ServedBinding>,
        local: SocketAddr,
        turns: &Turns,
    ) -> Result<(Begun, TlsFacts), HandshakeError> {
        let is_for_sites = binding.serves != Serves::AgentsOnly;
        let looks = !snapshot.tls_challenges.is_empty() || !snapshot.agent_protocols.is_empty();
        if is_for_sites && !looks && binding.passages.is_empty() {
            return self.begin_for_sites(caller.tcp, caller.input, snapshot, binding, local, turns).await;
        }
        // What is negotiated depends on the name, and rustls wants to know before it has read the name.
        let look = |hello: &ClientHello<'_>| match is_agent(hello, &snapshot.agent_protocols) {
            true => Wanted::Link,
            false => wanted(hello, &snapshot.tls_challenges),
        };
        let of_challenges = (!snapshot.tls_challenges.is_empty()).then_some(ACME_TLS_1);
        let words = snapshot.agent_protocols.iter().copied().chain(of_challenges);
        let heard = Box::pin(hear(caller, words, look)).await?;
        let is_ours = matches!(heard.seen, Some(Wanted::Link | Wanted::Answer { .. }));
        if !is_ours
            && !binding.passages.is_empty()
            && let Some((sni, target)) = target_of(&heard.input, binding)
        {
            let Heard { tcp, input, .. } = heard;
            return Err(HandshakeError::Passed(Passed { tcp, input, sni: Some(sni), target }));
        }
        match heard.seen {
            Some(Wanted::Link) => Err(HandshakeError::Agent { tcp: heard.tcp, input: heard.input }),
            Some(Wanted::Answer { host, key }) => {
                self.begin_for_challenge(heard.tcp, heard.input, host, key, turns).await
            }
            Some(Wanted::Nothing { ref host }) => {
                let host = host.clone();
                heard.refuse(AlertDescription::NoApplicationProtocol).await;
                Err(HandshakeError::NoChallenge { host })
            }
            Some(Wanted::Sites) | None if !is_for_sites => {
                heard.refuse(AlertDescription::NoApplicationProtocol).await;
                Err(HandshakeError::AgentsOnly(binding.id.clone()))
            }
            Some(Wanted::Sites) | None => {
                self.begin_for_sites(heard.tcp, heard.input, snapshot, binding, local, turns).await
            }
        }
    }

    async fn begin_for_sites(
        &self,
        tcp: TcpStream,
        input: Vec<u8>,
        snapshot: &Arc<Snapshot>,
        binding: &Arc<ServedBinding>,
        local: SocketAddr,
        turns: &Turns,
    ) -> Result<(Begun, TlsFacts), HandshakeError> {
        let choice =
            Arc::new(Choice::new(Arc::clone(snapshot), Arc::clone(binding), local.ip(), Arc::clone(&self.tickets)));
        let mut config = self.template.clone();
        config.cert_resolver = Arc::clone(&choice) as _;
        config.ticketer = Arc::clone(&choice) as _;
        let session = UnbufferedServerConnection::new(Arc::new(config)).map_err(HandshakeError::Tls)?;
        let begun = begin(tcp, input, Session::Server(session), Some(turns)).await;
        let made = choice.made();
        let begun = match begun {
            // rustls has an alert of its own for it and no error.
            Err(BeginError::Tls(rustls::Error::General(_))) if made.asked && made.certificate.is_none() => {
                return Err(match made.for_challenge {
                    true => HandshakeError::NoChallenge { host: made.sni },
                    false => HandshakeError::NoCertificate { sni: made.sni, binding: binding.id.clone() },
                });
            }
            other => other?,
        };
        let protocol = match begun.session().facts().alpn_protocol() {
            Some(H2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let cipher = cipher(&begun);
        Ok((begun, TlsFacts { certificate: made.certificate, sni: made.sni, protocol, cipher }))
    }

    /// No certificate of a site, no other protocol and no ticket can come of it: the session does not know of any.
    async fn begin_for_challenge(
        &self,
        tcp: TcpStream,
        input: Vec<u8>,
        host: Host,
        key: Arc<CertifiedKey>,
        turns: &Turns,
    ) -> Result<(Begun, TlsFacts), HandshakeError> {
        let mut config = self.template.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
        config.alpn_protocols = vec![ACME_TLS_1.to_vec()];
        config.send_tls13_tickets = 0;
        let session = UnbufferedServerConnection::new(Arc::new(config)).map_err(HandshakeError::Tls)?;
        let begun = begin(tcp, input, Session::Server(session), Some(turns)).await?;
        let cipher = cipher(&begun);
        Ok((begun, TlsFacts { certificate: None, sni: Some(host), protocol: Protocol::Challenge, cipher }))
    }
}

/// The cipher suite of a session.
fn cipher(begun: &Begun) -> Option<CipherSuite> {
    begun.session().facts().negotiated_cipher_suite().map(|suite| suite.suite())
}

impl From<BeginError> for HandshakeError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Http(tcp) => Self::Http(tcp),
            BeginError::Closed => Self::Closed,
            BeginError::Io(error) => Self::Io(error),
            BeginError::Tls(error) => Self::Tls(error),
        }
    }
}

const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";
