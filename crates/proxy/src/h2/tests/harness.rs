//! A proxy with one https binding, a client that speaks HTTP/2 to it, and the application behind it.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use h2::client::SendRequest;
use portward_core::{
    ForceHttps, Forwarding, HostPattern, Hsts, Revision, SiteId, SiteLimits, Timestamp, Upstream, UpstreamHttp,
    UpstreamTrust,
};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    Clock, Limits, Proxy, ProxyOptions, ServedSite, Snapshot, Traffic,
    tls::fixture::{binding, certificate, client},
};

/// What a test waits for at most; nothing here takes long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Door {
    pub(super) proxy: Proxy,
    pub(super) address: SocketAddr,
    pub(super) app: TcpListener,
}

impl Door {
    pub(super) async fn open() -> Self {
        Self::open_with(Limits::default()).await
    }

    pub(super) async fn open_with(limits: Limits) -> Self {
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = app.local_addr().unwrap();
        Self { app, ..Self::open_to(limits, address, UpstreamHttp::Auto).await }
    }

    /// A door before an application that the test has itself.
    pub(super) async fn open_to(limits: Limits, app: SocketAddr, http: UpstreamHttp) -> Self {
        let clock = Clock::new(|| Timestamp::from_unix(1_800_000_000).unwrap());
        let proxy = Proxy::spawn(ProxyOptions {
            workers: NonZeroUsize::MIN,
            limits,
            clock,
            access_log: None,
            given: Vec::new(),
        })
        .unwrap();
        let site = |upstream: SocketAddr| {
            Arc::new(ServedSite {
                id: SiteId::parse("shop").unwrap(),
                upstreams: vec![Upstream::parse(&format!("http://{upstream}")).unwrap()].into(),
                upstream_trust: UpstreamTrust::System,
                force_https: ForceHttps::Off,
                hsts: Hsts::Off,
                certificate: None,
                forwarding: Arc::new(Forwarding { http, ..Forwarding::default() }),
                limits: SiteLimits::default(),
                headers: None,
                traffic: Arc::new(Traffic::since(Timestamp::EPOCH)),
            })
        };
        let bindings = vec![binding(Some(&certificate("only", &["shop.test"])))];
        let mut snapshot = Snapshot { revision: Revision(1), bindings, ..Snapshot::default() };
        snapshot.sites.insert(&HostPattern::parse("shop.test").unwrap(), site(app));
        // Nobody listens at port 1.
        snapshot.sites.insert(&HostPattern::parse("down.test").unwrap(), site(SocketAddr::from(([127, 0, 0, 1], 1))));
        let reports = proxy.publish(snapshot).await;
        let address = *reports[0].result.as_ref().unwrap();
        let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { proxy, address, app }
    }

    /// A connection after its handshake, on which nothing of HTTP/2 was said.
    pub(super) async fn connect(&self) -> TlsStream<TcpStream> {
        self.secure(TcpStream::connect(self.address).await.unwrap()).await
    }

    /// The same of a client that takes little at a time.
    pub(super) async fn connect_narrowly(&self) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(32 * 1024).unwrap();
        self.secure(socket.connect(self.address).await.unwrap()).await
    }

    async fn secure(&self, tcp: TcpStream) -> TlsStream<TcpStream> {
        tcp.set_nodelay(true).unwrap();
        let config = Arc::new(client(&["h2"], |_| {}));
        let name = ServerName::try_from("shop.test").unwrap();
        TlsConnector::from(config).connect(name, tcp).await.unwrap()
    }

    /// The crate's client on a connection of its own.
    pub(super) async fn client(&self) -> SendRequest<Bytes> {
        let (client, connection) = h2::client::handshake(self.connect().await).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub(super) async fn app(&self) -> App {
        let (tcp, _) = timeout(PATIENCE, self.app.accept()).await.expect("nobody connects").unwrap();
        App { tcp, seen: Vec::new() }
    }

    /// Sends a plain request and sees it come out as the first thing that the application hears: nothing else did.
    pub(super) async fn nothing_else_reached_the_app(&self, what: &str) {
        let request = http::Request::get("https://shop.test/marker").body(()).unwrap();
        let (response, _) = self.client().await.ready().await.unwrap().send_request(request, true).unwrap();
        let app = async {
            loop {
                let mut app = self.app().await;
                let head = app.head().await;
                // A connection may have been made for what was refused later; nothing was sent on it.
                if !head.is_empty() {
                    assert!(head.starts_with("GET /marker HTTP/1.1\r\n"), "{what}: the application heard {head}");
                    app.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
                    return;
                }
            }
        };
        let (response, ()) = tokio::join!(response, app);
        assert_eq!(response.unwrap().status(), 204, "{what}");
    }
}

/// Is one connection to the application, which does what the test does.
pub(super) struct App {
    pub(super) tcp: TcpStream,
    seen: Vec<u8>,
}

impl App {
    /// Reads one head, or what there is of it before the end.
    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads up to the end of `mark`, or of the connection.
    pub(super) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(mark.len()).position(|window| window == mark.as_bytes()) {
                let rest = self.seen.split_off(at + mark.len());
                return String::from_utf8(std::mem::replace(&mut self.seen, rest)).unwrap();
            }
            if !self.more().await {
                return String::from_utf8(std::mem::take(&mut self.seen)).unwrap();
            }
        }
    }

    /// Reads some bytes of a body; none at the end.
    pub(super) async fn some(&mut self) -> Vec<u8> {
        if self.seen.is_empty() {
            self.more().await;
        }
        std::mem::take(&mut self.seen)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.tcp.write_all(bytes)).await.expect("nobody reads").unwrap();
    }

    /// `false` at the end, in order or with a reset.
    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.tcp.read_buf(&mut self.seen)).await.expect("nothing comes");
        matches!(read, Ok(bytes) if bytes > 0)
    }
}
