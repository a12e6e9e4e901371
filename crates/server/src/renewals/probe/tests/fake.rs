//! Others on the way: a resolver that says what a test wants, servers that are not ours, and a CA.

use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use portward_certs::acme::{
    AccountKey, Authorization, CertificateAuthority, DirectoryFacts, IssuedChain, NewAccount, NewOrder, Order,
    RegisteredAccount, RenewalAnswer, RevocationReason, RollOverError,
};
use portward_core::{
    HostPattern,
    acme::{CaError, ChallengeKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

/// Is what one question is answered with.
pub(super) enum Says {
    Addresses(Vec<IpAddr>),
    Caa(&'static str),
    NoSuchName,
    ServFail,
}

/// Runs a resolver that is asked for a name and a type; it ends with the set.
pub(super) async fn resolver(
    tasks: &mut JoinSet<()>,
    answer: impl Fn(&str, u16) -> Says + Send + 'static,
) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tasks.spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let reply = reply(&buffer[..length], &answer);
            let _ = socket.send_to(&reply, peer).await;
        }
    });
    address
}

/// RFC 1035 section 4.1: the question comes back with what is said to it.
fn reply(question: &[u8], answer: &impl Fn(&str, u16) -> Says) -> Vec<u8> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8(question[at + 1..=at + length].to_vec()).unwrap().to_lowercase());
        at += length + 1;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let (code, data): (u8, Vec<Vec<u8>>) = match answer(&labels.join("."), kind) {
        Says::NoSuchName => (3, vec![]),
        Says::ServFail => (2, vec![]),
        Says::Addresses(addresses) => {
            let of_kind = addresses.into_iter().filter_map(|address| match address {
                IpAddr::V4(address) if kind == A => Some(address.octets().to_vec()),
                IpAddr::V6(address) if kind == AAAA => Some(address.octets().to_vec()),
                _ => None,
            });
            (0, of_kind.collect())
        }
        Says::Caa(value) => (0, vec![[&[0, 5], b"issue".as_slice(), value.as_bytes()].concat()]),
    };
    let mut reply = question[..2].to_vec();
    reply.extend([0x81, 0x80 | code, 0, 1, 0, u8::try_from(data.len()).unwrap(), 0, 0, 0, 0]);
    reply.extend(&question[12..at + 5]);
    for data in data {
        reply.extend([0xc0, 12]);
        reply.extend(kind.to_be_bytes());
        reply.extend([0, 1, 0, 0, 0, 60]);
        reply.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        reply.extend(data);
    }
    reply
}

/// Runs a server that gives everybody the same answer.
pub(super) async fn server(tasks: &mut JoinSet<()>, address: SocketAddr, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    address
}

/// Runs a router that forwards a port.
pub(super) async fn router(tasks: &mut JoinSet<()>, from: SocketAddr, to: SocketAddr) {
    let listener = TcpListener::bind(from).await.unwrap();
    tasks.spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut inner = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
}

pub(super) const A: u16 = 1;
pub(super) const AAAA: u16 = 28;
pub(super) const CAA: u16 = 257;

/// Is a CA that has a directory and nothing else.
pub(super) struct OnlyDirectory(pub(super) DirectoryFacts);

#[async_trait]
impl CertificateAuthority for OnlyDirectory {
    async fn directory(&self) -> Result<DirectoryFacts, CaError> {
        Ok(self.0.clone())
    }

    async fn register(&self, _: &NewAccount) -> Result<RegisteredAccount, CaError> {
        unreachable!()
    }

    async fn roll_over(&self, _: &RegisteredAccount, _: &AccountKey) -> Result<(), RollOverError> {
        unreachable!()
    }

    async fn new_order(&self, _: &RegisteredAccount, _: &NewOrder) -> Result<Order, CaError> {
        unreachable!()
    }

    async fn find_order(&self, _: &RegisteredAccount, _: &[HostPattern]) -> Result<Option<Order>, CaError> {
        unreachable!()
    }

    async fn order(&self, _: &RegisteredAccount, _: &str) -> Result<Order, CaError> {
        unreachable!()
    }

    async fn authorization(&self, _: &RegisteredAccount, _: &str) -> Result<Authorization, CaError> {
        unreachable!()
    }

    async fn answer(&self, _: &RegisteredAccount, _: &str, _: ChallengeKind) -> Result<(), CaError> {
        unreachable!()
    }

    async fn finalize(&self, _: &RegisteredAccount, _: &str, _: &[u8]) -> Result<Order, CaError> {
        unreachable!()
    }

    async fn certificate(&self, _: &RegisteredAccount, _: &str) -> Result<Vec<IssuedChain>, CaError> {
        unreachable!()
    }

    async fn revoke(&self, _: &RegisteredAccount, _: &[u8], _: RevocationReason) -> Result<(), CaError> {
        unreachable!()
    }

    async fn renewal_info(&self, _: &[u8]) -> Result<RenewalAnswer, CaError> {
        unreachable!()
    }
}
