//! One request to a server's API, and its answer. Each has a connection of its own, and ends with it (HTTP/1.0).

use std::{fmt, io, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use portward_api::Problem;
use portward_core::{Authority, Host};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::program::failure::{Exit, Failure};

/// Is the API of one server.
pub(super) struct Api {
    host: Host,
    port: u16,
    is_tls: bool,
    token: Zeroizing<String>,
}

impl Api {
    /// Reads `https://HOST[:PORT]`; without TLS only this machine itself is asked, as the token could be read on its way.
    pub(super) fn parse(url: &str, token: String) -> Result<Self, Failure> {
        let wrong = || Failure::usage(anyhow!("--server: \"{url}\" is no server; it is https://HOST:PORT"));
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let Authority { host, port } = Authority::parse(rest).map_err(|_| wrong())?;
        let is_here = match &host {
            Host::Ip(address) => address.is_loopback(),
            Host::Name(name) => name.as_str() == "localhost",
        };
        if !is_tls && !is_here {
            return Err(Failure::misses("--server: others could read the token on its way; give an https:// URL"));
        }
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::misses("the token has a character that no token has; copy it again"));
        }
        let port = port.unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { host, port, is_tls, token: Zeroizing::new(token) })
    }

    pub(super) async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        self.ask("GET", path, None).await
    }

    pub(super) async fn post<S: Serialize>(&self, path: &str, sent: &S) -> Result<(), Failure> {
        let json = serde_json::to_vec(sent).map_err(Failure::failed)?;
        self.ask::<serde_json::Value>("POST", path, Some(json)).await.map(drop)
    }

    async fn ask<A: DeserializeOwned>(&self, method: &str, path: &str, json: Option<Vec<u8>>) -> Result<A, Failure> {
        let json = json.unwrap_or_default();
        let mut request = Zeroizing::new(Vec::with_capacity(json.len() + 1024));
        request.extend_from_slice(
            format!("{method} /api/v1/{path} HTTP/1.0\r\nHost: {}:{}\r\n", self.host, self.port).as_bytes(),
        );
        request.extend_from_slice(b"Authorization: Bearer ");
        request.extend_from_slice(self.token.as_bytes());
        request.extend_from_slice(
            format!("\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", json.len()).as_bytes(),
        );
        request.extend_from_slice(&json);
        let answer = match timeout(PATIENCE, self.exchange(&request)).await {
            Ok(answer) => answer.with_context(|| format!("cannot ask {self}"))?,
            Err(_) => return Err(Failure::says(format!("{self} did not answer within {} s", PATIENCE.as_secs()))),
        };
        let (status, body) = split(&answer).ok_or_else(|| Failure::says(format!("{self} does not speak HTTP")))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(body).map_err(|error| {
                Failure::failed(anyhow::Error::new(error).context(format!("{self} answered something else to {path}")))
            });
        }
        let problem = serde_json::from_slice::<Problem>(body).map(|problem| problem.detail);
        let reason = problem.unwrap_or_else(|_| format!("status {status}; is it Portward, and new enough?"));
        Err(Failure::ending(Exit::of_status(status), anyhow!("{self} refuses: {reason}")))
    }

    async fn exchange(&self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        let tcp = match &self.host {
            Host::Name(name) => TcpStream::connect((name.as_str(), self.port)).await?,
            Host::Ip(address) => TcpStream::connect((*address, self.port)).await?,
        };
        if !self.is_tls {
            return Ok(converse(tcp, request).await?);
        }
        let name = match &self.host {
            Host::Name(name) => ServerName::try_from(name.as_str().to_owned())?,
            Host::Ip(address) => ServerName::from(*address),
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.context(
            "its certificate is not trusted here; the variable SSL_CERT_FILE names a file with one that is to be",
        )?;
        Ok(converse(tls, request).await?)
    }
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    match stream.take(MOST).read_to_end(&mut answer).await {
        // Some end TLS without a goodbye; JSON that is cut is seen to be.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(answer),
    }
}

/// The status of an answer, and its body.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body))
}

/// The URL.
impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.is_tls { "https" } else { "http" }, self.host, self.port)
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const MOST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_token_goes_to_a_server_over_tls_or_stays_on_the_machine() {
        for (url, shown) in [
            ("https://portward.test", Some("https://portward.test:443")),
            ("HTTPS://[2001:db8::7]:8443/", Some("https://[2001:db8::7]:8443")),
            ("http://127.0.0.1:8442", Some("http://127.0.0.1:8442")),
            ("http://portward.test", None),
            ("portward.test", None),
            ("https://portward.test/path", None),
            ("ftp://portward.test", None),
        ] {
            let parsed = Api::parse(url, "ptw_token".to_owned()).ok().map(|api| api.to_string());
            assert_eq!(parsed.as_deref(), shown, "{url}");
        }
        assert!(Api::parse("https://portward.test", "a\r\nb: c".to_owned()).is_err());
    }

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        assert_eq!(split(b"HTTP/1.1 201 Created\r\nA: b\r\n\r\n{}"), Some((201, &b"{}"[..])));
        for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 ok\r\n\r\n"] {
            assert_eq!(split(answer), None);
        }
    }
}
