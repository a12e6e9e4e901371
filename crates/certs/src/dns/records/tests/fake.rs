//! A DNS server that says what a test wants it to say, over UDP and TCP.

use std::{net::SocketAddr, sync::Arc};

use hickory_proto::{
    op::{Edns, Message, ResponseCode},
    rr::{
        Name, RData, Record, RecordType,
        rdata::{A, AAAA, CAA, CNAME, NS, SOA, TXT, opt::EdnsOption},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

/// Is a running server; dropping it ends it.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

/// Is what the server was asked.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) kind: RecordType,
    pub(super) recursion: bool,
    pub(super) unchecked: bool,
    pub(super) dnssec: bool,
    pub(super) edns: bool,
    pub(super) tcp: bool,
}

/// Is what it says.
pub(super) enum Says {
    Records(Vec<Record>),
    /// Records that a resolver has validated.
    Validated(Vec<Record>),
    NoSuchName,
    Code(ResponseCode),
    /// SERVFAIL with an extended error.
    Explained(u16, &'static str),
    /// Nothing but that the answer is too long.
    Truncated,
    Silence,
}

impl Fake {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Self {
        let answer: Arc<dyn Fn(&Asked) -> Says + Send + Sync> = Arc::new(answer);
        let (tcp, udp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let same = Arc::clone(&answer);
        let over_udp = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = udp.recv_from(&mut buffer).await {
                if let Some(bytes) = reply(&buffer[..length], false, &*same) {
                    let _ = udp.send_to(&bytes, peer).await;
                }
            }
        });
        let over_tcp = tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                let length = stream.read_u16().await.unwrap();
                let mut buffer = vec![0; length.into()];
                stream.read_exact(&mut buffer).await.unwrap();
                if let Some(bytes) = reply(&buffer, true, &*answer) {
                    stream.write_u16(bytes.len().try_into().unwrap()).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                }
            }
        });
        Self { address, tasks: [over_udp, over_tcp] }
    }

    /// A server that has these records, and NXDOMAIN for all other names.
    pub(super) async fn with(records: Vec<Record>) -> Self {
        Self::start(move |asked| lookup(&records, asked)).await
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What a server has: records of the name and type, else a CNAME record of the name; it follows none.
pub(super) fn lookup(records: &[Record], asked: &Asked) -> Says {
    let of_name: Vec<&Record> = records.iter().filter(|record| super::shown(&record.name) == asked.name).collect();
    if of_name.is_empty() {
        return Says::NoSuchName;
    }
    let fits =
        |kind: RecordType| of_name.iter().filter(|r| r.record_type() == kind).map(|r| (*r).clone()).collect::<Vec<_>>();
    match fits(asked.kind) {
        found if found.is_empty() => Says::Records(fits(RecordType::CNAME)),
        found => Says::Records(found),
    }
}

/// The same port for both.
async fn sockets() -> (TcpListener, UdpSocket) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
            return (tcp, udp);
        }
    }
}

fn reply(bytes: &[u8], tcp: bool, answer: &dyn Fn(&Asked) -> Says) -> Option<Vec<u8>> {
    let question = Message::from_vec(bytes).unwrap();
    let asked = Asked {
        name: super::shown(question.queries[0].name()),
        kind: question.queries[0].query_type(),
        recursion: question.metadata.recursion_desired,
        unchecked: question.metadata.checking_disabled,
        dnssec: question.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok),
        edns: question.edns.is_some(),
        tcp,
    };
    let mut message = Message::response(question.metadata.id, question.metadata.op_code);
    message.add_query(question.queries[0].clone());
    match answer(&asked) {
        Says::Records(records) => drop(message.add_answers(records)),
        Says::Validated(records) => {
            message.metadata.authentic_data = true;
            message.add_answers(records);
        }
        Says::NoSuchName => message.metadata.response_code = ResponseCode::NXDomain,
        Says::Code(code) => message.metadata.response_code = code,
        Says::Explained(code, words) => {
            message.metadata.response_code = ResponseCode::ServFail;
            let mut edns = Edns::new();
            edns.options_mut().insert(EdnsOption::Unknown(15, [&code.to_be_bytes()[..], words.as_bytes()].concat()));
            message.set_edns(edns);
        }
        Says::Truncated => message.metadata.truncation = true,
        Says::Silence => return None,
    }
    Some(message.to_vec().unwrap())
}

pub(super) fn name(text: &str) -> Name {
    super::parse(text).unwrap()
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 60, data)
}

pub(super) fn a(owner: &str, address: &str) -> Record {
    record(owner, RData::A(A(address.parse().unwrap())))
}

pub(super) fn aaaa(owner: &str, address: &str) -> Record {
    record(owner, RData::AAAA(AAAA(address.parse().unwrap())))
}

pub(super) fn cname(owner: &str, target: &str) -> Record {
    record(owner, RData::CNAME(CNAME(name(target))))
}

pub(super) fn ns(owner: &str, server: &str) -> Record {
    record(owner, RData::NS(NS(name(server))))
}

pub(super) fn soa(owner: &str) -> Record {
    record(owner, RData::SOA(SOA::new(name("ns1.test"), name("root.test"), 1, 2, 3, 4, 5)))
}

pub(super) fn txt(owner: &str, parts: &[&str]) -> Record {
    record(owner, RData::TXT(TXT::new(parts.iter().map(|part| (*part).to_owned()).collect())))
}

pub(super) fn caa(owner: &str, ca: &str) -> Record {
    record(owner, RData::CAA(CAA::new_issue(true, Some(name(ca)), Vec::new())))
}
