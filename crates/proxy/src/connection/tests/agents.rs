//! Agents that come in through an https binding.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use portward_core::{BindingId, BindingProtocol, HostPattern};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::harness::{Door, site, snapshot};
use crate::{
    ServedBinding, Serves,
    tls::fixture::{certificate, client},
};

async fn door(protocols: &[&'static [u8]]) -> (Door, SocketAddr) {
    door_for(protocols, Serves::Everything).await
}

async fn door_for(protocols: &[&'static [u8]], serves: Serves) -> (Door, SocketAddr) {
    let door = Door::open().await;
    let mut snapshot = snapshot(site(&[door.app.address]));
    let id = BindingId::parse("https").unwrap();
    let binding = ServedBinding::new(id, BindingProtocol::Https, "127.0.0.1:0".parse().unwrap());
    snapshot.bindings.push(Arc::new(ServedBinding { serves, ..binding }));
    snapshot.certificates.insert(&HostPattern::parse("shop.test").unwrap(), certificate("shop", &["shop.test"]));
    snapshot.agent_protocols = protocols.to_vec();
    let reports = door.proxy.publish(snapshot).await;
    (door, *reports[1].result.as_ref().unwrap())
}

async fn handshake(address: SocketAddr, alpn: &[&str]) -> std::io::Result<Option<Vec<u8>>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("shop.test").unwrap();
    let tls = TlsConnector::from(Arc::new(client(alpn, |_| {}))).connect(name, tcp).await?;
    Ok(tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

#[tokio::test]
async fn who_offers_protocols_of_agents_alone_is_handed_over_with_what_it_said() {
    let (door, address) = door(&[b"agent/1", b"join/1"]).await;
    for alpn in [&["agent/1"][..], &["join/1", "agent/1"]] {
        let dialled = handshake(address, alpn);
        let taken = async {
            let handed = door.proxy.accept_agent().await.unwrap();
            // A handshake record of TLS, and the whole of it.
            assert_eq!(handed.unread[0], 22);
            let length = usize::from(u16::from_be_bytes([handed.unread[3], handed.unread[4]]));
            assert_eq!(handed.unread.len(), length + 5);
            assert_eq!((handed.binding.as_str(), handed.peer.ip()), ("https", address.ip()));
        };
        let (refused, ()) = tokio::join!(dialled, taken);
        assert!(refused.is_err(), "{alpn:?}");
    }
    let counts = door.proxy.counts();
    assert_eq!((counts.handshakes_failed.total(), counts.panics), (0, 0));
}

#[tokio::test]
async fn everybody_else_gets_a_site() {
    let (door, address) = door(&[b"agent/1"]).await;
    for (alpn, expected) in [
        (&["h2", "agent/1"][..], Some("h2")),
        (&["agent/1", "http/1.1"], Some("http/1.1")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let agreed = handshake(address, alpn).await.unwrap();
        assert_eq!(agreed.as_deref(), expected.map(str::as_bytes), "{alpn:?}");
    }
    assert!(timeout(Duration::from_millis(50), door.proxy.accept_agent()).await.is_err());
}

#[tokio::test]
async fn where_no_agents_are_expected_none_is_handed_over() {
    let (door, address) = door(&[]).await;
    let refused = handshake(address, &["agent/1"]).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    assert!(timeout(Duration::from_millis(50), door.proxy.accept_agent()).await.is_err());
}

#[tokio::test]
async fn at_a_binding_for_agents_alone_nobody_else_gets_past_the_handshake() {
    let (door, address) = door_for(&[b"agent/1"], Serves::AgentsOnly).await;
    for alpn in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
        let refused = handshake(address, alpn).await.unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{alpn:?}: {refused}");
    }
    let taken = async { assert_eq!(door.proxy.accept_agent().await.unwrap().binding.as_str(), "https") };
    let (refused, ()) = tokio::join!(handshake(address, &["agent/1"]), taken);
    assert!(refused.is_err());
}
