//! Asks one address for one path over plain HTTP, as a CA does.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portward_core::acme::PortAnswer;
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

/// Is what somebody said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) server: Option<String>,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

/// Asks an address; redirects are told, and not followed.
///
/// # Errors
///
/// Gives what is to be told of an address that did not answer.
pub(super) async fn ask(address: SocketAddr, host: &str, path: &str) -> Result<Said, PortAnswer> {
    let asking = async {
        let tcp = TcpStream::connect(address).await.map_err(|error| silence(&error))?;
        talk(tcp, host, path).await.map_err(PortAnswer::Failed)
    };
    timeout(LIMIT, asking).await.unwrap_or(Err(PortAnswer::TimedOut))
}

/// Whether an address takes connections; nothing is said there.
pub(super) async fn connects(address: SocketAddr) -> Result<(), PortAnswer> {
    match timeout(LIMIT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(silence(&error)),
        Err(_) => Err(PortAnswer::TimedOut),
    }
}

async fn talk(tcp: TcpStream, host: &str, path: &str) -> Result<Said, String> {
    let no_http =
        |error: hyper::Error| format!("it does not speak HTTP as expected: {}", crate::app::chain_text(&error));
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "Portward")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await.map_err(no_http)?;
    // It ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(no_http)?;
    let text = |name| {
        let value = response.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        value.map(|value| value.chars().take(MOST_SHOWN).collect::<String>())
    };
    let (status, server, location) = (response.status().as_u16(), text(header::SERVER), text(header::LOCATION));
    // A body that is too long or breaks off is none that we look for.
    let body = Limited::new(response.into_body(), MOST_READ).collect().await;
    let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    Ok(Said { status, server, location, body })
}

fn silence(error: &io::Error) -> PortAnswer {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => PortAnswer::Refused,
        io::ErrorKind::TimedOut => PortAnswer::TimedOut,
        _ => PortAnswer::Failed(error.to_string()),
    }
}

impl Said {
    /// As it is told of: somebody else, or a redirect.
    pub(super) fn told(self) -> PortAnswer {
        match self.location {
            Some(location) if (300..400).contains(&self.status) => {
                PortAnswer::Redirect { location, status: self.status }
            }
            _ => PortAnswer::OtherServer { status: self.status, server: self.server },
        }
    }
}

/// CAs wait ten seconds; what takes three will be trouble soon.
const LIMIT: Duration = Duration::from_secs(3);
/// A key authorization has less than 200 bytes; our longest own answer is a page.
const MOST_READ: usize = 16 * 1024;
/// Of a header that is told.
const MOST_SHOWN: usize = 200;
