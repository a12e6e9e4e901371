//! False peers: TLS as an adversary would do it, and nothing of the link.

use std::sync::Arc;

use portward_core::Thumbprint;
use portward_link::{
    Caller, Handler, Identity, Instance, LinkError, Progress, Session, Wire,
    message::{Call, Fault, Reply},
    opening::{Hello, Opening},
    serve,
    tls::{Dialled, LINK, Purpose, expectation},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::aws_lc_rs,
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::certificates::{Key, pin};

/// Both ends of a connection.
pub(crate) async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dialling = TcpStream::connect(listener.local_addr().unwrap());
    let (dialler, accepted) = tokio::join!(dialling, listener.accept());
    let ends = (dialler.unwrap(), accepted.unwrap().0);
    ends.0.set_nodelay(true).unwrap();
    ends.1.set_nodelay(true).unwrap();
    ends
}

pub(crate) fn hello() -> Hello {
    Hello::new(&Instance::new())
}

/// How a false server does TLS.
pub(crate) fn false_server(shown: Arc<CertifiedKey>) -> ServerConfig {
    false_server_of(shown, &[&TLS13])
}

pub(crate) fn false_server_of(
    shown: Arc<CertifiedKey>,
    versions: &[&'static SupportedProtocolVersion],
) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(Arc::new(Anybody))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![LINK.to_vec()];
    config
}

/// How a false client does TLS.
pub(crate) fn false_client(shown: Arc<CertifiedKey>) -> ClientConfig {
    false_client_of(shown, &[&TLS13])
}

pub(crate) fn false_client_of(
    shown: Arc<CertifiedKey>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![LINK.to_vec()];
    config.resumption = Resumption::disabled();
    config
}

pub(crate) fn dialled(identity: &Identity) -> Dialled {
    Dialled::new(identity, &[], &[Purpose::Link, Purpose::Enrol]).unwrap()
}

pub(crate) async fn connect(
    config: ClientConfig,
    name: &str,
    tcp: TcpStream,
) -> std::io::Result<client::TlsStream<TcpStream>> {
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), tcp).await
}

/// What the dialler says of that server; one of `pins` is expected.
pub(crate) async fn dial_false_server(config: ServerConfig, pins: &[Thumbprint]) -> Result<Session, LinkError> {
    let (tcp, theirs) = tcp().await;
    let server = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await?;
        say(&mut stream, &Opening::Hello(hello())).await;
        std::io::Result::Ok(stream)
    });
    let dialled = Session::dial(tcp, &Key::new().identity(), pins, hello(), None).await;
    let _ = server.await.unwrap();
    dialled
}

/// What the dialled side says of that client.
pub(crate) async fn welcome_false_client(config: ClientConfig, dialled: &Dialled) -> Result<Session, LinkError> {
    let (theirs, tcp) = tcp().await;
    let client = tokio::spawn(async move {
        let mut stream = connect(config, "peer.invalid", theirs).await?;
        say(&mut stream, &Opening::Hello(hello())).await;
        // What is there is read, so that closing is no reset.
        let _ = stream.read(&mut [0; 1024]).await;
        std::io::Result::Ok(stream)
    });
    let opened = match portward_link::Guest::welcome(Wire::new(tcp), dialled).await {
        Ok(guest) => guest.open(hello(), None).await,
        Err(error) => Err(error),
    };
    let _ = client.await.unwrap();
    opened
}

/// Writes a frame of the opening.
pub(crate) async fn say(stream: &mut (impl AsyncWrite + Unpin), value: &impl serde::Serialize) {
    say_bytes(stream, &serde_json::to_vec(value).unwrap()).await;
}

pub(crate) async fn say_bytes(stream: &mut (impl AsyncWrite + Unpin), json: &[u8]) {
    let length = u16::try_from(json.len()).unwrap().to_be_bytes();
    let _ = stream.write_all(&[b"PWA1", &length[..], json].concat()).await;
    let _ = stream.flush().await;
}

/// Is held while it is measured what one peer has the process hold: the others would be counted along.
pub(crate) static MEASURING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Takes what the other side says, if it says anything before it ends.
pub(crate) async fn hear_anything(stream: &mut (impl AsyncRead + Unpin)) {
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), stream.read(&mut [0; 4096])).await;
}

/// Reads a frame of the opening.
pub(crate) async fn hear<T: serde::de::DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> T {
    let mut head = [0; 6];
    stream.read_exact(&mut head).await.unwrap();
    let mut json = vec![0; usize::from(u16::from_be_bytes([head[4], head[5]]))];
    stream.read_exact(&mut json).await.unwrap();
    serde_json::from_slice(&json).unwrap()
}

pub(crate) type RawAgent = server::TlsStream<TcpStream>;
pub(crate) type RawServer = client::TlsStream<TcpStream>;

/// A caller, how its link ends, and the false agent at the other end, which has said hello and nothing else.
pub(crate) async fn caller_of_false_agent() -> (Caller, JoinHandle<String>, RawAgent) {
    let (tcp, theirs) = tcp().await;
    let agent = Key::new();
    let identity = agent.identity();
    let config = false_server(identity.certified_key());
    let raw = tokio::spawn(async move {
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await.unwrap();
        say(&mut stream, &Opening::Hello(hello())).await;
        let _: Opening = hear(&mut stream).await;
        stream
    });
    let session = Session::dial(tcp, &Key::new().identity(), &pin(&identity), hello(), None).await.unwrap();
    let (caller, run) = Caller::begin(session).await.unwrap();
    (caller, tokio::spawn(run), raw.await.unwrap())
}

/// How the link of an agent ends, and the false server at the other end, which has said hello and nothing else.
pub(crate) async fn agent_of_false_server<H: Handler>(handler: Arc<H>) -> (JoinHandle<String>, RawServer) {
    let (theirs, tcp) = tcp().await;
    let agent = Key::new().identity();
    let raw = tokio::spawn(async move {
        let mut stream =
            connect(false_client(Key::new().identity().certified_key()), "peer.invalid", theirs).await.unwrap();
        say(&mut stream, &Opening::Hello(hello())).await;
        let _: Opening = hear(&mut stream).await;
        stream
    });
    let guest = portward_link::Guest::welcome(Wire::new(tcp), &dialled(&agent)).await.unwrap();
    let session = guest.open(hello(), None).await.unwrap();
    let served = tokio::spawn(serve(session, handler, std::future::pending()));
    (served, raw.await.unwrap())
}

/// A caller and an agent, both honest, with how their links end.
pub(crate) async fn link<H: Handler>(handler: Arc<H>) -> (Caller, JoinHandle<String>, JoinHandle<String>) {
    let (tcp, theirs) = tcp().await;
    let agent = Key::new().identity();
    let dialled = dialled(&agent);
    let opened = tokio::spawn(async move {
        let guest = portward_link::Guest::welcome(Wire::new(theirs), &dialled).await.unwrap();
        guest.open(hello(), None).await.unwrap()
    });
    let session = Session::dial(tcp, &Key::new().identity(), &pin(&agent), hello(), None).await.unwrap();
    let (caller, run) = Caller::begin(session).await.unwrap();
    let served = serve(opened.await.unwrap(), handler, std::future::pending());
    (caller, tokio::spawn(run), tokio::spawn(served))
}

/// The name under which an identity is asked for.
pub(crate) fn sni(identity: &Identity) -> String {
    expectation(identity.thumbprint())
}

/// Does what a function does.
pub(crate) struct Does<F>(pub(crate) F);

impl<F, R> Handler for Does<F>
where
    F: Fn(Call, Progress) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Reply, Fault>> + Send,
{
    fn handle(&self, call: Call, progress: Progress) -> impl Future<Output = Result<Reply, Fault>> + Send {
        (self.0)(call, progress)
    }
}

/// Takes any certificate, as nobody should.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
