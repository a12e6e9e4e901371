//! One handshake, for what it shows.

use std::{net::SocketAddr, sync::Arc};

use portward_core::{Host, Thumbprint, explain::TlsFacts};
use rustls::{
    ProtocolVersion,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Ask, Trust, silence};
use crate::handshake::looking_config;

/// Shakes hands and says what came.
pub(super) async fn shake(at: SocketAddr, ask: &Ask, trust: &Arc<Trust>) -> Result<TlsFacts, String> {
    let begun = Instant::now();
    let tls = connect(at, ask, &[b"h2", b"http/1.1"]).await?;
    let took = begun.elapsed();
    let (_, connection) = tls.get_ref();
    let chain: Vec<CertificateDer<'_>> = connection.peer_certificates().unwrap_or_default().to_vec();
    let leaf = chain.first().ok_or("no certificate is presented")?;
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
        other => format!("{other:?}"),
    };
    let name = server_name(&ask.host)?;
    Ok(TlsFacts {
        version,
        cipher: connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        alpn: connection.alpn_protocol().map(|spoken| String::from_utf8_lossy(spoken).into_owned()),
        thumbprint: Thumbprint::of(leaf),
        leaf: portward_certs::facts(leaf).ok(),
        sent: chain.len(),
        in_order: portward_certs::is_in_order(&chain),
        trust: trust.judge(&chain, &name),
        took,
    })
}

/// A connection on which that is spoken; whoever answers is not believed.
pub(super) async fn connect(at: SocketAddr, ask: &Ask, alpn: &[&[u8]]) -> Result<TlsStream<TcpStream>, String> {
    let config = looking_config(alpn).map_err(|error| error.to_string())?;
    let mut tcp = TcpStream::connect(at).await.map_err(|error| silence(&error))?;
    tcp.write_all(ask.opening).await.map_err(|error| silence(&error))?;
    TlsConnector::from(config).connect(server_name(&ask.host)?, tcp).await.map_err(|error| error.to_string())
}

fn server_name(host: &Host) -> Result<ServerName<'static>, String> {
    match host {
        Host::Name(name) => {
            ServerName::try_from(name.as_str().to_owned()).map_err(|_| format!("{name} cannot be asked for"))
        }
        Host::Ip(ip) => Ok(ServerName::IpAddress((*ip).into())),
    }
}
