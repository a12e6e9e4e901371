//! TCP to the other side, straight or through an HTTP proxy (CONNECT, RFC 9110 section 9.3.6).

use std::{fmt, io, net::SocketAddr, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_core::{DialAddress, Host};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::{LinkError, SecretText, Stage};

/// Is an HTTP proxy that makes tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProxy {
    /// Where it is.
    pub address: DialAddress,
    /// Who asks: user and password.
    pub credentials: Option<(String, SecretText)>,
}

/// Says why an HTTP proxy made no tunnel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It cannot be reached.
    #[error("the HTTP proxy {proxy} cannot be reached: {reason}")]
    Unreachable {
        /// Which.
        proxy: DialAddress,
        /// Why.
        reason: String,
    },
    /// It said no.
    #[error(
        "the HTTP proxy {proxy} makes no tunnel to {address}: it answered \"{answer}\"{}",
        if answer.contains(" 407") { "; it wants a user name and a password" } else { "; allow CONNECT to that port there" }
    )]
    Refused {
        /// Which.
        proxy: DialAddress,
        /// Where to.
        address: DialAddress,
        /// The first line of its answer.
        answer: String,
    },
    /// What it said is no HTTP.
    #[error("what is at {proxy} is no HTTP proxy: {reason}")]
    NoProxy {
        /// Which.
        proxy: DialAddress,
        /// What was seen.
        reason: String,
    },
}

/// Connects, through a proxy if there is one; of the addresses of a name each is tried.
pub async fn dial(address: &DialAddress, proxy: Option<&HttpProxy>) -> Result<TcpStream, LinkError> {
    match proxy {
        None => connect(address).await,
        Some(proxy) => match timeout(TUNNEL, tunnel(address, proxy)).await {
            Ok(tunnel) => tunnel,
            Err(_) => Err(LinkError::TimedOut(Stage::Proxy)),
        },
    }
}

async fn connect(address: &DialAddress) -> Result<TcpStream, LinkError> {
    let found: Vec<SocketAddr> = match &address.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, address.port)],
        Host::Name(name) => {
            let looked_up = timeout(LOOK_UP, lookup_host((name.as_str(), address.port))).await;
            let dns = |reason: String| LinkError::Dns { address: address.clone(), reason };
            let found = looked_up.map_err(|_| LinkError::TimedOut(Stage::Dns))?;
            found.map_err(|error| dns(error.to_string()))?.take(MOST_ADDRESSES).collect()
        }
    };
    if found.is_empty() {
        return Err(LinkError::Dns { address: address.clone(), reason: "it has no address".to_owned() });
    }
    let mut failed = Vec::new();
    for one in found {
        match timeout(CONNECT, TcpStream::connect(one)).await {
            Ok(Ok(tcp)) => {
                // Calls are small, and each is waited for.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
            Ok(Err(error)) => failed.push(format!("{one}: {error}")),
            Err(_) => failed.push(format!("{one}: no answer in {} s", CONNECT.as_secs())),
        }
    }
    Err(LinkError::Tcp { address: address.clone(), reason: failed.join("; ") })
}

async fn tunnel(address: &DialAddress, proxy: &HttpProxy) -> Result<TcpStream, LinkError> {
    let mut tcp = connect(&proxy.address)
        .await
        .map_err(|error| ProxyError::Unreachable { proxy: proxy.address.clone(), reason: error.to_string() })?;
    let no_proxy = |reason: String| ProxyError::NoProxy { proxy: proxy.address.clone(), reason };
    let credentials = proxy.credentials.as_ref().map(|(user, password)| {
        let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
        format!("Proxy-Authorization: Basic {pair}\r\n")
    });
    let request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n{}\r\n", credentials.unwrap_or_default());
    tcp.write_all(request.as_bytes()).await.map_err(|error| no_proxy(error.to_string()))?;
    let head = read_head(&mut tcp).await.map_err(|error| no_proxy(error.to_string()))?;
    let line = head.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    match words.next() {
        Some(status) if is_http && status.len() == 3 && status.starts_with('2') => Ok(tcp),
        Some(_) if is_http => {
            let answer = line.chars().filter(|c| !c.is_control()).take(120).collect();
            Err(ProxyError::Refused { proxy: proxy.address.clone(), address: address.clone(), answer }.into())
        }
        _ => Err(no_proxy("its answer is no HTTP".to_owned()).into()),
    }
}

/// Reads up to the empty line, and not a byte more: what follows belongs to the tunnel.
async fn read_head(tcp: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(io::Error::other("its answer does not end"));
        }
        head.push(tcp.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The address; the password is nobody's business.
impl fmt::Display for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

const LOOK_UP: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(10);
const TUNNEL: Duration = Duration::from_secs(30);
/// Each may take [`CONNECT`]; a name with more of them has enough that do not answer.
const MOST_ADDRESSES: usize = 8;
const MAX_HEAD: usize = 8 * 1024;
