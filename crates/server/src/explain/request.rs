//! One request, as a browser's navigation makes it, without a body in the answer.

use bytes::Bytes;
use http::{HeaderName, Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portward_core::explain::Answered;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinSet,
};

use super::{Ask, Place, handshake, silence};
use crate::app::chain_text;

/// Sends the request and says what came; redirects are told, and not followed.
pub(super) async fn send(at: &Place, ask: &Ask) -> Result<Answered, String> {
    match (at, &ask.trust) {
        (Place::Address(at), Some(_)) => talk(handshake::connect(*at, ask, &[b"http/1.1"]).await?, ask).await,
        (Place::Address(at), None) => open(TcpStream::connect(at).await, ask).await,
        (Place::Socket(socket), _) => open(UnixStream::connect(socket.as_str()).await, ask).await,
    }
}

/// Begins a connection in the clear, and talks on it.
async fn open<I>(connected: std::io::Result<I>, ask: &Ask) -> Result<Answered, String>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut io = connected.map_err(|error| silence(&error))?;
    io.write_all(ask.opening).await.map_err(|error| silence(&error))?;
    talk(io, ask).await
}

async fn talk<I>(io: I, ask: &Ask) -> Result<Answered, String>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let no_http = |error: hyper::Error| format!("it does not speak HTTP as expected: {}", chain_text(&error));
    let request = Request::builder()
        .method(&ask.method)
        .uri(&ask.path)
        .header(header::HOST, &ask.authority)
        .header(header::USER_AGENT, "Portward explain")
        .header(header::ACCEPT, "text/html, */*;q=0.5")
        .header(HeaderName::from_static("sec-fetch-mode"), "navigate")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(no_http)?;
    // It ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(no_http)?;
    let text = |name: HeaderName| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(|value| value.chars().take(MOST_SHOWN).collect::<String>())
    };
    Ok(Answered {
        status: response.status().as_u16(),
        location: text(header::LOCATION),
        hsts: text(header::STRICT_TRANSPORT_SECURITY),
        server: text(header::SERVER),
        took: std::time::Duration::ZERO,
    })
}

/// Of a header that is told.
const MOST_SHOWN: usize = 200;
