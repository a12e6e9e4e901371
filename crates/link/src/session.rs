//! A connection past its handshake, and past its opening.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use portward_core::Thumbprint;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{
    Identity, LinkError, Offer, Stage,
    enrol::{Enrol, EnrolAnswer, EnrolProof},
    frame,
    join_string::JoinSecret,
    opening::{Hello, Opening, Refusal},
    tls::{self, Dialled, Purpose},
    verify::Shown,
};

/// Is a TCP connection, of which something may have been read already.
#[derive(Debug)]
pub struct Wire {
    tcp: TcpStream,
    unread: Vec<u8>,
}

/// Is a link: both sides have said hello, and HTTP/2 is next.
#[derive(Debug)]
pub struct Session {
    pub(crate) stream: TlsStream<Wire>,
    /// Who is there.
    pub peer: Peer,
}

/// Is the other side.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it showed.
    pub shown: Shown,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// What it said first.
    pub hello: Hello,
    /// The identity that it will show later, if it has one and proved that it has its key.
    pub next: Option<Thumbprint>,
    /// SHA-256 of what was shown to it.
    pub ours: Thumbprint,
}

/// Is a connection of somebody who has the key of the certificate that they showed, and of whom nothing else is known.
#[derive(Debug)]
pub struct Guest {
    stream: TlsStream<Wire>,
    shown: Shown,
    purpose: Purpose,
    ours: Thumbprint,
    /// What they said first, once it was heard, and the identity that they offer.
    heard: Option<(Hello, Option<Thumbprint>)>,
}

impl Session {
    /// Dials: does the handshake on a connection, and opens the link.
    ///
    /// The peer must show one of `pins`, of which the first is expected most. `next` is offered to follow `identity`.
    pub async fn dial(
        tcp: TcpStream,
        identity: &Identity,
        pins: &[Thumbprint],
        hello: Hello,
        next: Option<&Identity>,
    ) -> Result<Self, LinkError> {
        let mut stream = handshake(tcp, identity, pins, Purpose::Link).await?;
        let hello = offering(hello, next, &stream)?;
        frame::write(&mut stream, &Opening::Hello(hello)).await?;
        Self::read_opening(stream, identity.thumbprint()).await
    }

    async fn read_opening(mut stream: TlsStream<Wire>, ours: Thumbprint) -> Result<Self, LinkError> {
        let (hello, next) = hear(&mut stream).await?;
        let shown = shown(&stream)?;
        let address = stream.get_ref().0.tcp.peer_addr().ok();
        Ok(Self { stream, peer: Peer { shown, address, hello, next, ours } })
    }
}

impl Guest {
    /// Does the handshake of the side that was dialled.
    pub async fn welcome(wire: Wire, dialled: &Dialled) -> Result<Self, LinkError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&dialled.config));
        let accepting = acceptor.accept_with(wire, |tls| tls.set_buffer_limit(Some(TLS_BUFFER)));
        let handshake = timeout(HANDSHAKE, accepting);
        let stream = handshake.await.map_err(|_| LinkError::TimedOut(Stage::Tls))?;
        let stream = stream.map_err(LinkError::of_handshake)?;
        let ours = dialled.shown_to(stream.get_ref().1.server_name()).ok_or(LinkError::NoCertificate)?;
        let stream = TlsStream::from(stream);
        let purpose = purpose(&stream)?;
        let shown = shown(&stream)?;
        Ok(Self { stream, shown, purpose, ours, heard: None })
    }

    /// Who is there.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// What they want.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Where they are.
    pub fn address(&self) -> Option<SocketAddr> {
        self.stream.get_ref().0.tcp.peer_addr().ok()
    }

    /// Hears what they say first; before that, nothing is known of what they speak, nor which run of a program they are.
    pub async fn hear(&mut self) -> Result<&Hello, LinkError> {
        let heard = match self.heard.take() {
            Some(heard) => heard,
            None => hear(&mut self.stream).await?,
        };
        Ok(&self.heard.insert(heard).0)
    }

    /// Opens the link with somebody who is trusted.
    pub async fn open(mut self, hello: Hello, next: Option<&Identity>) -> Result<Session, LinkError> {
        let heard = match self.heard.take() {
            Some(heard) => heard,
            None => hear(&mut self.stream).await?,
        };
        let ours_says = offering(hello, next, &self.stream)?;
        frame::write(&mut self.stream, &Opening::Hello(ours_says)).await?;
        let address = self.address();
        let Self { stream, shown, ours, .. } = self;
        let (hello, next) = heard;
        Ok(Session { stream, peer: Peer { shown, address, hello, next, ours } })
    }

    /// Reads what somebody says who wants to join, with what proves that they have the secret.
    pub async fn read_enrol(&mut self) -> Result<(Enrol, EnrolProof), LinkError> {
        let enrol = frame::read::<Enrol>(&mut self.stream).await?.plain();
        let expected = EnrolProof::new(binding(&self.stream)?, self.shown.thumbprint);
        Ok((enrol, expected))
    }

    /// Answers somebody who wanted to join.
    pub async fn answer_enrol(mut self, answer: &EnrolAnswer) -> Result<(), LinkError> {
        frame::write(&mut self.stream, answer).await?;
        close(self.stream).await;
        Ok(())
    }

    /// Says that there will be no link, and why.
    pub async fn refuse(mut self, refusal: Refusal) {
        // Whether they hear it is their affair.
        let _ = match self.purpose {
            Purpose::Link => frame::write(&mut self.stream, &Opening::Refused(Box::new(refusal))).await,
            Purpose::Enrol => frame::write(&mut self.stream, &EnrolAnswer::Refused(Box::new(refusal))).await,
        };
        close(self.stream).await;
    }

    /// Begins a refusal of this guest.
    pub fn refusal(&self, code: crate::opening::RefusalCode, message: String, remedy: String) -> Refusal {
        Refusal {
            code,
            message,
            your_thumbprint: self.shown.thumbprint.to_string(),
            your_sha1: self.shown.sha1.to_string(),
            my_thumbprint: self.ours.to_string(),
            remedy,
            retry_after: None,
        }
    }
}

/// Joins: shows that the join string is known, in a session with who made it.
pub async fn enrol(
    tcp: TcpStream,
    identity: &Identity,
    pins: &[Thumbprint],
    secret: &JoinSecret,
    name: Option<String>,
    token: String,
) -> Result<EnrolAnswer, LinkError> {
    let mut stream = handshake(tcp, identity, pins, Purpose::Enrol).await?;
    let proof = EnrolProof::new(binding(&stream)?, identity.thumbprint()).by(secret);
    frame::write(&mut stream, &Enrol { token, proof, name, version: env!("CARGO_PKG_VERSION").to_owned() }).await?;
    let answer = match frame::read(&mut stream).await? {
        EnrolAnswer::Refused(refusal) => EnrolAnswer::Refused(Box::new(refusal.plain())),
        enrolled @ EnrolAnswer::Enrolled(_) => enrolled,
    };
    close(stream).await;
    Ok(answer)
}

impl Wire {
    /// Takes a connection of which nothing was read.
    pub fn new(tcp: TcpStream) -> Self {
        Self::with_unread(tcp, Vec::new())
    }

    /// Takes a connection of which `unread` was read already.
    pub fn with_unread(tcp: TcpStream, unread: Vec<u8>) -> Self {
        // Calls are small, and each is waited for.
        let _ = tcp.set_nodelay(true);
        Self { tcp, unread }
    }
}

async fn handshake(
    tcp: TcpStream,
    identity: &Identity,
    pins: &[Thumbprint],
    purpose: Purpose,
) -> Result<TlsStream<Wire>, LinkError> {
    let config = tls::dialler(identity, pins, purpose).map_err(|error| LinkError::of_tls(&error))?;
    let name = tls::server_name(pins).map_err(|error| LinkError::of_tls(&error))?;
    let connecting = TlsConnector::from(Arc::new(config))
        .connect_with(name, Wire::new(tcp), |tls| tls.set_buffer_limit(Some(TLS_BUFFER)));
    let connected = timeout(HANDSHAKE, connecting).await.map_err(|_| LinkError::TimedOut(Stage::Tls))?;
    let stream = TlsStream::from(connected.map_err(LinkError::of_handshake)?);
    if self::purpose(&stream)? == purpose { Ok(stream) } else { Err(LinkError::Alpn("ALPN")) }
}

/// Reads the opening of the other side, with the identity that it offers and proves.
async fn hear(stream: &mut TlsStream<Wire>) -> Result<(Hello, Option<Thumbprint>), LinkError> {
    let hello = match frame::read(stream).await? {
        Opening::Hello(hello) => hello.plain()?,
        Opening::Refused(refusal) => return Err(LinkError::Refused(Box::new(refusal.plain()))),
    };
    hello.agree()?;
    let next = match &hello.next {
        Some(offer) => Some(offer.accept(&binding(stream)?)?),
        None => None,
    };
    Ok((hello, next))
}

/// The protocol that was agreed on; without one it is not a link, whatever else was shown.
fn purpose(stream: &TlsStream<Wire>) -> Result<Purpose, LinkError> {
    let agreed = stream.get_ref().1.alpn_protocol();
    agreed.and_then(Purpose::of).ok_or(LinkError::Alpn("no ALPN"))
}

fn shown(stream: &TlsStream<Wire>) -> Result<Shown, LinkError> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    certificates.first().map(|certificate| Shown::of(certificate)).ok_or(LinkError::NoCertificate)
}

/// What only the two ends of this session know (RFC 8446 section 7.5).
fn binding(stream: &TlsStream<Wire>) -> Result<[u8; 32], LinkError> {
    let label = b"EXPORTER-portward-agent-1";
    let exported = match stream {
        TlsStream::Client(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
        TlsStream::Server(stream) => stream.get_ref().1.export_keying_material([0; 32], label, None),
    };
    exported.map_err(|error| LinkError::of_tls(&error))
}

fn offering(mut hello: Hello, next: Option<&Identity>, stream: &TlsStream<Wire>) -> Result<Hello, LinkError> {
    if let Some(next) = next {
        let offer: Result<Offer, _> = next.offer(&binding(stream)?);
        hello.next = Some(offer.map_err(|error| LinkError::Tls(error.to_string()))?);
    }
    Ok(hello)
}

/// Says goodbye, and gives the other side a moment to take what was sent: a reset would take it from them.
async fn close(mut stream: TlsStream<Wire>) {
    let goodbye = async {
        let _ = stream.shutdown().await;
        let mut rest = [0_u8; 256];
        let mut left = 64;
        while left > 0 && matches!(tokio::io::AsyncReadExt::read(&mut stream, &mut rest).await, Ok(1..)) {
            left -= 1;
        }
    };
    let _ = timeout(GOODBYE, goodbye).await;
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.tcp).poll_read(cx, into);
        }
        let taken = self.unread.len().min(into.remaining());
        into.put_slice(&self.unread[..taken]);
        self.unread.drain(..taken);
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// From the first byte to the last of a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What TLS holds for a peer that does not read; HTTP/2 holds the rest, and less of it.
const TLS_BUFFER: usize = 16 * 1024;
const GOODBYE: Duration = Duration::from_secs(2);
