//! Ten thousand who begin to be agents and go no further, against the program as it runs.
//!
//! Nobody is kept out for an address: at an https binding no address has a share of its own, and 10,000 are fewer than the
//! 50,000 that may be open. They come from 40 addresses all the same.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portward_link::tls::LINK;
use portward_testkit::{AgentProgram, Program, StartedAgent, StartedProgram, raise_open_files};
use rustls::{ClientConfig, ClientConnection, crypto::aws_lc_rs, version::TLS13};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::{JoinSet, block_in_place},
    time::{Instant, interval, timeout},
};

use super::bench::{becomes_healthy, is_healthy, within_time};

/// Says how far somebody goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    /// They connect.
    Nowhere,
    /// They send the first half of a ClientHello.
    Half,
    /// They send a ClientHello byte by byte, one each second.
    Crumbs,
    /// They send a whole ClientHello of an agent, and do not answer what comes.
    ToTheHello,
}

/// Sends as much as that kind sends, and waits until the server ends it.
async fn go(kind: Goes, to: SocketAddr, hello: Arc<Vec<u8>>) -> Ended {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address(NUMBER.fetch_add(1, Ordering::Relaxed))).unwrap();
    let tcp = socket.connect(to).await.unwrap();
    let begun = Instant::now();
    let answered = match kind {
        Goes::Crumbs => crumbs(tcp, &hello).await,
        Goes::Nowhere => says(tcp, &[]).await,
        Goes::Half => says(tcp, &hello[..hello.len() / 2]).await,
        Goes::ToTheHello => says(tcp, &hello).await,
    };
    Ended { after: begun.elapsed(), answered }
}

/// Gives how many bytes came until the end; what cannot be sent is not sent.
async fn says(mut tcp: TcpStream, words: &[u8]) -> usize {
    let _ = tcp.write_all(words).await;
    let (mut answered, mut bytes) = (0, [0; 1024]);
    while let Ok(read @ 1..) = tcp.read(&mut bytes).await {
        answered += read;
    }
    answered
}

async fn crumbs(mut tcp: TcpStream, words: &[u8]) -> usize {
    let (mut second, mut bytes) = (interval(Duration::from_secs(1)), [0; 1024]);
    for byte in words {
        tokio::select! {
            _ = second.tick() => {
                if tcp.write_all(&[*byte]).await.is_err() {
                    return 0;
                }
            }
            read = tcp.read(&mut bytes) => return read.unwrap_or_default(),
        }
    }
    0
}

/// Tells how a connection ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    after: Duration,
    /// Bytes that the server said.
    answered: usize,
}

/// From where the next one comes: 40 addresses, all of this machine, and ports that the system gives nobody by itself, so
/// that other tests find theirs free.
fn address(number: usize) -> SocketAddr {
    let (host, port) = (u8::try_from(number % 40).unwrap(), u16::try_from(20_000 + number / 40 % 12_000).unwrap());
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 7, host / 20, 1 + host % 20)), port)
}

/// What an agent says first.
fn hello() -> Arc<Vec<u8>> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![LINK.to_vec()];
    let mut client = ClientConnection::new(Arc::new(config), "nobody.agent.invalid".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    Arc::new(bytes)
}

/// Is a server with an agent that is healthy, before anybody comes.
struct Scene {
    server: StartedProgram,
    _agent: AgentProgram,
    _running: StartedAgent,
    before: u64,
    files: usize,
}

impl Scene {
    fn begin() -> Self {
        let files = raise_open_files().unwrap();
        assert!(
            files.is_none_or(|files| files >= 12_000),
            "this test needs 12,000 open files, and {files:?} are allowed"
        );
        let server = Program::new().start();
        let agent = AgentProgram::new();
        let running = join(&server, &agent, "web-03", Duration::from_secs(10));
        let (before, files) = (server.resident_kib(), open_files(&server));
        Self { server, _agent: agent, _running: running, before, files }
    }

    /// Waits until so many connections more than before are open.
    fn until_open(&self, count: usize) {
        let open = || (open_files(&self.server) >= self.files + count).then_some(());
        let is_so = within_time(Duration::from_secs(10), open);
        assert!(is_so.is_some(), "{} of {count} connections are open", open_files(&self.server) - self.files);
    }

    /// Waits until all of them are closed.
    fn until_gone(&self) {
        // The agents that joined meanwhile may be here still.
        let gone = || (open_files(&self.server) < self.files + 20).then_some(());
        let is_so = within_time(Duration::from_secs(10), gone);
        assert!(is_so.is_some(), "{} connections are left", open_files(&self.server) - self.files);
    }

    /// What each of so many costs, in bytes.
    fn cost(&self, count: usize) -> u64 {
        self.server.resident_kib().saturating_sub(self.before) * 1024 / count as u64
    }
}

/// Joins by a line of the server, and is healthy.
fn join(server: &StartedProgram, agent: &AgentProgram, name: &str, within: Duration) -> StartedAgent {
    let line = server.portward(&["agent", "add", name]);
    let running = agent.start(&["--no-listen"]);
    agent.portward_agent(&["join", line.trim_end()]);
    becomes_healthy(server, name, within);
    running
}

fn open_files(server: &StartedProgram) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

/// What ends gives its memory back to the allocator, which keeps most of it for whoever comes next. So what the process holds
/// rises a little less with each wave: measured (debug build) are 16 KiB each with the first one, 22, 25, 26, and 27 with
/// the fifth and the sixth.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_never_finish_a_hello_cost_little_and_keep_no_agent_out() {
    let _alone = ALONE.lock().await;
    let scene = block_in_place(Scene::begin);
    let (server, hello) = (&scene.server, hello());
    for name in ["web-04", "web-05", "web-06"] {
        let begun = Instant::now();
        let mut all = JoinSet::new();
        for number in 0..COUNT {
            let kind = [Goes::Nowhere, Goes::Half, Goes::Half, Goes::Crumbs][number % 4];
            all.spawn(go(kind, server.https, Arc::clone(&hello)));
        }
        block_in_place(|| scene.until_open(COUNT));

        // The agent that is there is well, and another one comes; all of them are there meanwhile.
        block_in_place(|| is_healthy(server, "web-03"));
        let another = AgentProgram::new();
        let another = block_in_place(|| join(server, &another, name, Duration::from_secs(10)));
        assert!(open_files(server) >= scene.files + COUNT, "after {:?}", begun.elapsed());
        let each = scene.cost(COUNT);
        println!("{COUNT} that begin a handshake cost {each} bytes each");
        assert!(each < MOST_OF_A_BEGINNING * 1024, "{each} bytes each");

        // Nobody is told anything, and nobody is waited for longer than 15 s.
        let ended = timeout(Duration::from_secs(40), all.join_all()).await.unwrap();
        let last = ended.iter().map(|ended| ended.after).max().unwrap();
        println!("the last one is gone after {last:?}, {} KiB are left", server.resident_kib());
        assert!(ended.iter().all(|ended| ended.answered == 0), "somebody was answered");
        assert!(last < Duration::from_secs(20), "{last:?}");
        drop(another);
        block_in_place(|| scene.until_gone());
    }
}

/// The links that are there stay, memory is bounded, and who is not linked yet comes in among them: who falls silent
/// keeps no place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_greet_and_fall_silent_cost_little_and_cut_no_link() {
    let _alone = ALONE.lock().await;
    let scene = block_in_place(Scene::begin);
    let (server, server_at, hello) = (&scene.server, scene.server.https, hello());
    let mut all = JoinSet::new();
    for _ in 0..COUNT {
        all.spawn(go(Goes::ToTheHello, server.https, Arc::clone(&hello)));
    }
    // Who is answered is given 10 s from then on; those beyond the queue are closed unheard. Whoever ends comes again.
    let (mut answered, mut unheard, begun) = (0, 0, Instant::now());
    while begun.elapsed() < Duration::from_secs(15) {
        let Ok(Some(ended)) = timeout(Duration::from_secs(1), all.join_next()).await else { continue };
        let ended = ended.unwrap();
        match ended.answered {
            0 => unheard += 1,
            _ => {
                answered += 1;
                let within = Duration::from_secs(9)..Duration::from_secs(60);
                assert!(within.contains(&ended.after), "{ended:?}");
            }
        }
        all.spawn(go(Goes::ToTheHello, server.https, Arc::clone(&hello)));
    }
    let there = open_files(server) - scene.files;
    let each = scene.cost(there);
    println!("{there} are there, {answered} were answered and {unheard} were not; they cost {each} bytes each");
    assert!(there > 4000 && answered > 100, "{there} are there, {answered} were answered");
    assert!(each < MOST_OF_A_HALF * 1024, "{each} bytes each");
    block_in_place(|| is_healthy(server, "web-03"));
    let among_them = tokio::spawn(async move {
        loop {
            if all.join_next().await.is_some() {
                all.spawn(go(Goes::ToTheHello, server_at, Arc::clone(&hello)));
            }
        }
    });
    let another = AgentProgram::new();
    let _another = block_in_place(|| join(server, &another, "web-04", Duration::from_secs(40)));
    let there = open_files(server) - scene.files;
    assert!(there > 2000, "{there} are there still");
    block_in_place(|| is_healthy(server, "web-03"));
    among_them.abort();
    block_in_place(|| scene.until_gone());
}

const COUNT: usize = 10_000;
/// Counts those who came.
static NUMBER: AtomicUsize = AtomicUsize::new(0);
/// What somebody who gets no further costs, in KiB: less than a link, of which 60 would be too much.
const MOST_OF_A_BEGINNING: u64 = 30;
/// What somebody costs, in KiB, to whom the server has shown its certificate, and who is waited for.
const MOST_OF_A_HALF: u64 = 45;
/// Each of these tests takes half of the files that this process may open.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
