//! A proxy on a loopback port, and both of its neighbours byte by byte.

use std::{io, net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use portward_core::{
    BindingId, BindingProtocol, ForceHttps, HostPattern, Hsts, Revision, SiteId, SiteLimits, Timestamp, Upstream,
    UpstreamTrust,
};
use rustls::{ServerConfig, pki_types::ServerName};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::{
    AccessLog, Clock, Limits, Proxy, ProxyOptions, ServedBinding, ServedCertificate, ServedSite, Snapshot, Traffic,
    tls::fixture,
};

/// What a test waits for at most; nothing here takes long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Is a proxy with one worker and one http binding, and the application behind `shop.test`.
pub(super) struct Door {
    pub(super) proxy: Proxy,
    pub(super) address: SocketAddr,
    pub(super) app: App,
}

/// Is an application that does what the test does.
pub(super) struct App {
    pub(super) address: SocketAddr,
    listener: TcpListener,
}

/// Is an address at which nobody listens. Its port is held, so that no other test gets it.
pub(super) struct Nobody {
    pub(super) address: SocketAddr,
    socket: Socket,
}

/// Is one end of a connection, with what it has seen and not yet looked at.
pub(super) struct Peer<S = TcpStream> {
    pub(super) tcp: S,
    seen: Vec<u8>,
}

impl Door {
    pub(super) async fn open() -> Self {
        Self::open_with(Limits::default(), |_| {}).await
    }

    /// A door whose requests are written down.
    pub(super) async fn open_logging(access_log: AccessLog, limits: Limits) -> Self {
        Self::open_all(Some(access_log), limits, |_| {}).await
    }

    /// A door whose limits and snapshot are the test's.
    pub(super) async fn open_with(limits: Limits, edit: impl FnOnce(&mut Snapshot)) -> Self {
        Self::open_all(None, limits, edit).await
    }

    async fn open_all(access_log: Option<AccessLog>, limits: Limits, edit: impl FnOnce(&mut Snapshot)) -> Self {
        let app = App::listen().await;
        let clock = Clock::new(|| Timestamp::from_unix(1_800_000_000).unwrap());
        let proxy =
            Proxy::spawn(ProxyOptions { workers: NonZeroUsize::MIN, limits, clock, access_log, given: Vec::new() })
                .unwrap();
        let mut snapshot = snapshot(site(&[app.address]));
        edit(&mut snapshot);
        let reports = proxy.publish(snapshot).await;
        let address = *reports[0].result.as_ref().unwrap();
        Self { proxy, address, app }
    }

    pub(super) async fn connect(&self) -> Peer {
        Peer::new(TcpStream::connect(self.address).await.unwrap())
    }

    /// A connection on which `request` was sent.
    pub(super) async fn send(&self, request: &[u8]) -> Peer {
        let mut client = self.connect().await;
        client.write(request).await;
        client
    }

    /// Sends a plain request and sees it come out as the first thing that the application hears: nothing else did.
    pub(super) async fn nothing_else_reached_the_app(&self) {
        let mut client = self.send(b"GET /marker HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
        let (mut app, head) = loop {
            let mut app = self.app.accept().await;
            let head = app.rest_or_head().await;
            // A connection may have been made for what was refused later; nothing was sent on it.
            if !head.is_empty() {
                break (app, head);
            }
        };
        assert!(head.starts_with("GET /marker HTTP/1.1\r\n"), "the application heard: {head}");
        app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
        client.head().await;
    }
}

impl App {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    pub(super) async fn accept(&self) -> Peer {
        let (tcp, _) = timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap();
        Peer::new(tcp)
    }
}

impl Peer {
    pub(super) fn new(tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).unwrap();
        Self { tcp, seen: Vec::new() }
    }

    /// Closes with a reset.
    pub(super) fn reset(self) {
        self.tcp.set_zero_linger().unwrap();
    }

    /// The client's end of a TLS connection to `shop.test`.
    pub(super) async fn secured(tcp: TcpStream) -> Peer<client::TlsStream<TcpStream>> {
        let config = fixture::client(&["http/1.1"], |_| {});
        let name = ServerName::try_from("shop.test").unwrap();
        let tcp = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        Peer { tcp, seen: Vec::new() }
    }

    /// The server's end of a TLS connection.
    pub(super) async fn securing(
        self,
        certificate: &ServedCertificate,
    ) -> io::Result<Peer<server::TlsStream<TcpStream>>> {
        let resolver = rustls::sign::SingleCertAndKey::from(certificate.key.get().unwrap());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        TlsAcceptor::from(Arc::new(config)).accept(self.tcp).await.map(|tcp| Peer { tcp, seen: Vec::new() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The end of a connection that is made already.
    pub(super) fn of(tcp: S) -> Self {
        Self { tcp, seen: Vec::new() }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.tcp.write_all(bytes)).await.expect("nobody reads").unwrap();
        timeout(PATIENCE, self.tcp.flush()).await.expect("nobody reads").unwrap();
    }

    /// Closes the sending side.
    pub(super) async fn finish(&mut self) {
        self.tcp.shutdown().await.unwrap();
    }

    /// Reads up to the end of `mark`.
    pub(super) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                let rest = self.seen.split_off(at + mark.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            assert!(self.more().await, "the end came before {mark:?}, after {:?}", String::from_utf8_lossy(&self.seen));
        }
    }

    /// Reads one head.
    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads so many bytes.
    pub(super) async fn take(&mut self, bytes: usize) -> Vec<u8> {
        while self.seen.len() < bytes {
            assert!(self.more().await, "the end came after {} of {bytes} bytes", self.seen.len());
        }
        let rest = self.seen.split_off(bytes);
        std::mem::replace(&mut self.seen, rest)
    }

    /// Reads everything up to the end of the connection.
    pub(super) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8(std::mem::take(&mut self.seen)).unwrap()
    }

    /// Reads one head, or what there is of it before the end.
    pub(super) async fn rest_or_head(&mut self) -> String {
        while !self.seen.windows(4).any(|window| window == b"\r\n\r\n") && self.more().await {}
        String::from_utf8(std::mem::take(&mut self.seen)).unwrap()
    }

    /// Waits until the other end has closed, in order or with a reset, and sees that nothing came before.
    pub(super) async fn closed(&mut self) {
        let read = timeout(PATIENCE, self.tcp.read_buf(&mut self.seen)).await.expect("the connection stays open");
        assert!(matches!(read, Ok(0) | Err(_)) && self.seen.is_empty(), "{read:?}, {:?}", self.seen);
    }

    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.tcp.read_buf(&mut self.seen)).await;
        let last = &self.seen[self.seen.len().saturating_sub(1000)..];
        read.unwrap_or_else(|_| panic!("nothing comes after {:?}", String::from_utf8_lossy(last))).unwrap() > 0
    }
}

impl Nobody {
    pub(super) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        Self { address: socket.local_addr().unwrap().as_socket().unwrap(), socket }
    }

    /// Somebody comes.
    pub(super) fn listen(self) -> TcpListener {
        self.socket.listen(16).unwrap();
        self.socket.set_nonblocking(true).unwrap();
        TcpListener::from_std(self.socket.into()).unwrap()
    }
}

/// `shop.test`, with these applications behind it.
pub(super) fn site(apps: &[SocketAddr]) -> ServedSite {
    let upstreams: Vec<_> = apps.iter().map(|app| Upstream::parse(&format!("http://{app}")).unwrap()).collect();
    ServedSite {
        id: SiteId::parse("shop").unwrap(),
        upstreams: upstreams.into(),
        upstream_trust: UpstreamTrust::System,
        force_https: ForceHttps::Off,
        hsts: Hsts::Off,
        certificate: None,
        forwarding: Arc::default(),
        limits: SiteLimits::default(),
        headers: None,
        traffic: Arc::new(Traffic::since(Timestamp::EPOCH)),
    }
}

/// One http binding at any port, and the site.
pub(super) fn snapshot(site: ServedSite) -> Snapshot {
    let binding =
        ServedBinding::new(BindingId::parse("plain").unwrap(), BindingProtocol::Http, "127.0.0.1:0".parse().unwrap());
    let mut snapshot = Snapshot { revision: Revision(1), bindings: vec![Arc::new(binding)], ..Snapshot::default() };
    snapshot.sites.insert(&HostPattern::parse("shop.test").unwrap(), Arc::new(site));
    snapshot
}

/// Limits for tests in which time must run out.
pub(super) fn short(edit: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    edit(&mut limits);
    limits
}

pub(super) const SHORT: Duration = Duration::from_millis(50);
