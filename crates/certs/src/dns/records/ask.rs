//! One question to one server: UDP, and TCP where the answer does not fit (RFC 1035 section 4.2, RFC 7766).

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use aws_lc_rs::rand;
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// Is what a server sent.
pub(super) type Answer = Message;

/// Says how a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// As a resolver, which asks others.
    Resolver,
    /// As a resolver, with the signatures of DNSSEC shown.
    ResolverWithSignatures,
    /// As a resolver that is not to check DNSSEC (RFC 4035 section 3.2.2).
    ResolverUnchecked,
    /// As an authoritative server, about what it has itself.
    Authority,
}

/// Holds how long is waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For the answer to one packet or connection; each is tried [`ATTEMPTS`] times over UDP.
    pub(super) attempt: Duration,
    /// For all that one call asks.
    pub(super) total: Duration,
}

/// Says why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// None came in this time.
    TimedOut(Duration),
    /// This machine has no way to the address, as without IPv6.
    NoRoute(String),
    /// The system or the server refused, or the answer cannot be read.
    Failed(String),
}

/// Asks a server. Whatever it answers is the answer, errors included.
pub(super) async fn ask(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
    how: Asking,
    patience: Patience,
) -> Result<Answer, Silence> {
    let answer = ask_once(server, &question(name, kind, how, Extended::Yes)?, patience).await?;
    if matches!(answer.metadata.response_code, ResponseCode::FormErr | ResponseCode::NotImp) {
        // Servers from before EDNS say so (RFC 6891 section 7).
        return ask_once(server, &question(name, kind, how, Extended::No)?, patience).await;
    }
    Ok(answer)
}

#[derive(Clone, Copy, PartialEq)]
enum Extended {
    Yes,
    No,
}

fn question(name: &Name, kind: RecordType, how: Asking, extended: Extended) -> Result<Message, Silence> {
    let mut id = [0; 2];
    rand::fill(&mut id).map_err(|_| Silence::Failed("the system gives no random numbers".to_owned()))?;
    let mut message = Message::new(u16::from_be_bytes(id), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = how != Asking::Authority;
    message.metadata.checking_disabled = how == Asking::ResolverUnchecked;
    message.add_query(Query::query(name.clone(), kind));
    if extended == Extended::Yes {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        edns.set_dnssec_ok(matches!(how, Asking::ResolverWithSignatures | Asking::ResolverUnchecked));
        message.set_edns(edns);
    }
    Ok(message)
}

async fn ask_once(server: SocketAddr, question: &Message, patience: Patience) -> Result<Answer, Silence> {
    let bytes = question.to_vec().map_err(|error| Silence::Failed(error.to_string()))?;
    let mut answer = Err(Silence::TimedOut(patience.attempt * ATTEMPTS));
    for _ in 0..ATTEMPTS {
        if let Ok(result) = timeout(patience.attempt, over_udp(server, question, &bytes)).await {
            answer = result.map_err(silence);
            break;
        }
    }
    let answer = answer?;
    if !answer.metadata.truncation {
        return Ok(answer);
    }
    timeout(patience.attempt, over_tcp(server, question, &bytes))
        .await
        .map_err(|_| Silence::TimedOut(patience.attempt))?
        .map_err(|error| match silence(error) {
            Silence::Failed(why) => Silence::Failed(format!("its answer is too long for UDP, and over TCP: {why}")),
            other => other,
        })
}

/// The system chooses the port and drops packets of others; together with the random id and the question that must
/// come back, that is what RFC 5452 asks for against forged answers.
async fn over_udp(server: SocketAddr, question: &Message, bytes: &[u8]) -> io::Result<Message> {
    let here: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(here).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = Message::from_vec(&buffer[..length]).ok().filter(|answer| fits(question, answer)) {
            return Ok(answer);
        }
    }
}

async fn over_tcp(server: SocketAddr, question: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], bytes].concat()).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    Message::from_vec(&buffer)
        .ok()
        .filter(|answer| fits(question, answer))
        .ok_or_else(|| io::Error::other("it answers something that is no answer to the question"))
}

fn fits(question: &Message, answer: &Message) -> bool {
    answer.metadata.id == question.metadata.id
        && answer.metadata.message_type == MessageType::Response
        // A server that cannot read a question may leave it out.
        && (answer.queries == question.queries
            || (answer.queries.is_empty() && answer.metadata.response_code != ResponseCode::NoError))
}

fn silence(error: io::Error) -> Silence {
    match error.kind() {
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => {
            Silence::NoRoute(error.to_string())
        }
        _ => Silence::Failed(error.to_string()),
    }
}

/// A packet may be lost, two of them hardly.
const ATTEMPTS: u32 = 2;
/// Fits into one packet on every network (DNS flag day 2020, and RFC 9715 section 3.2 with 1400).
const UDP_PAYLOAD: u16 = 1232;
