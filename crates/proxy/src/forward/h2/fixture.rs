//! An application that speaks HTTP/2 and does what the test does.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{future::poll_fn, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use ::h2::{
    RecvStream, SendStream,
    server::{Builder, SendResponse},
};
use bytes::Bytes;
use http::{Request, Response};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use crate::snapshot::ServedCertificate;

/// What a test waits for at most; nothing here takes long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct App {
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

/// Is one connection to the application.
pub(crate) struct Talk {
    requests: mpsc::UnboundedReceiver<Exchange>,
    orders: mpsc::UnboundedSender<Order>,
}

/// Is a request, and the way to answer it.
pub(crate) struct Exchange {
    pub(crate) request: Request<RecvStream>,
    pub(crate) respond: SendResponse<Bytes>,
}

enum Order {
    Leave,
    Close,
}

impl App {
    pub(crate) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { address: listener.local_addr().unwrap(), listener }
    }

    pub(crate) async fn tcp(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("nobody connects").unwrap().0
    }

    /// Whether somebody connects at once.
    pub(crate) async fn is_called(&self) -> bool {
        timeout(Duration::from_millis(100), self.listener.accept()).await.is_ok()
    }

    pub(crate) async fn accept(&self) -> Talk {
        self.accept_with(&Builder::new()).await
    }

    pub(crate) async fn accept_with(&self, builder: &Builder) -> Talk {
        Talk::begin(self.tcp().await, builder).await
    }

    /// A connection after its TLS handshake, and what was agreed on.
    pub(crate) async fn secured(
        &self,
        certificate: &ServedCertificate,
        alpn: &[&str],
    ) -> (tokio_rustls::server::TlsStream<TcpStream>, Option<String>) {
        let resolver = rustls::sign::SingleCertAndKey::from(certificate.key.get().unwrap());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TlsAcceptor::from(Arc::new(config)).accept(self.tcp().await).await.unwrap();
        let agreed = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap());
        (stream, agreed)
    }
}

impl Talk {
    pub(crate) async fn begin(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, builder: &Builder) -> Self {
        let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
        let (given, requests) = mpsc::unbounded_channel();
        let (orders, mut inbox) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            poll_fn(|cx| {
                while let Poll::Ready(Some(order)) = inbox.poll_recv(cx) {
                    match order {
                        Order::Leave => connection.graceful_shutdown(),
                        Order::Close => return Poll::Ready(()),
                    }
                }
                loop {
                    match connection.poll_accept(cx) {
                        Poll::Ready(Some(Ok((request, respond)))) => {
                            let _ = given.send(Exchange { request, respond });
                        }
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            })
            .await;
        });
        Self { requests, orders }
    }

    pub(crate) async fn next(&mut self) -> Exchange {
        timeout(PATIENCE, self.requests.recv()).await.expect("nobody asks").expect("the connection has ended")
    }

    /// Whether the connection has ended, in order or not; nothing else must come before.
    pub(crate) async fn ended(&mut self) -> bool {
        timeout(PATIENCE, self.requests.recv()).await.expect("the connection stays open").is_none()
    }

    /// Says that no more streams are taken.
    pub(crate) fn leave(&self) {
        self.orders.send(Order::Leave).unwrap();
    }

    /// Closes the connection without a word.
    pub(crate) fn close(&self) {
        self.orders.send(Order::Close).unwrap();
    }
}

impl Exchange {
    pub(crate) fn path(&self) -> &str {
        self.request.uri().path()
    }

    /// Answers with a status, these headers, and a body if there is one.
    pub(crate) fn answer(mut self, status: u16, headers: &[(&str, &str)], body: &'static str) {
        let mut send = self.head(status, headers, body.is_empty());
        if !body.is_empty() {
            send.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
        }
    }

    pub(crate) fn head(&mut self, status: u16, headers: &[(&str, &str)], end: bool) -> SendStream<Bytes> {
        self.respond.send_response(response(status, headers), end).unwrap()
    }

    /// Reads the body to its end, and the trailers.
    pub(crate) async fn body(&mut self) -> (Vec<u8>, http::HeaderMap) {
        let (mut all, body) = (Vec::new(), self.request.body_mut());
        while let Some(data) = timeout(PATIENCE, body.data()).await.expect("nothing comes") {
            let data = data.unwrap();
            body.flow_control().release_capacity(data.len()).unwrap();
            all.extend_from_slice(&data);
        }
        (all, body.trailers().await.unwrap().unwrap_or_default())
    }

    /// Reads the next bytes of the body.
    pub(crate) async fn some(&mut self) -> Result<Bytes, ::h2::Error> {
        let body = self.request.body_mut();
        let data = timeout(PATIENCE, body.data()).await.expect("nothing comes").expect("the body has ended")?;
        body.flow_control().release_capacity(data.len()).unwrap();
        Ok(data)
    }

    /// Why the stream was reset.
    pub(crate) async fn reset(&mut self) -> ::h2::Reason {
        timeout(PATIENCE, poll_fn(|cx| self.respond.poll_reset(cx))).await.expect("no reset comes").unwrap()
    }
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}
