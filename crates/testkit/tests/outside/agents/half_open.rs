//! Ten thousand who begin to be agents and go no further, against the program as it runs.
//!
//! Nobody is kept out for an address: at an https binding no address has a share of its own, and 10,000 are fewer than the
//! 50,000 that may be open. They come from 40 addresses all the same.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
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
    time::{Instant, interval, sleep},
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
async fn go(kind: Goes, to: SocketAddr, hello: &[u8]) -> io::Result<Ended> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address(NUMBER.fetch_add(1, Ordering::Relaxed)))?;
    let tcp = socket.connect(to).await?;
    let begun = Instant::now();
    let answered = match kind {
        Goes::Crumbs => crumbs(tcp, hello).await,
        Goes::Nowhere => says(tcp, &[]).await,
        Goes::Half => says(tcp, &hello[..hello.len() / 2]).await,
        Goes::ToTheHello => says(tcp, hello).await,
    };
    Ok(Ended { after: begun.elapsed(), answered })
}

/// Is ten thousand who come again as soon as they are closed; dropping it sends them all away.
struct Crowd {
    _all: JoinSet<()>,
    ended: Arc<Mutex<Vec<Ended>>>,
}

impl Crowd {
    fn come(to: SocketAddr, kinds: &'static [Goes]) -> Self {
        let (mut all, ended, hello) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())), hello());
        for kind in kinds.iter().cycle().take(COUNT) {
            let (ended, hello) = (Arc::clone(&ended), Arc::clone(&hello));
            all.spawn(async move {
                loop {
                    if let Ok(end) = go(*kind, to, &hello).await {
                        ended.lock().unwrap().push(end);
                    }
                    sleep(AGAIN).await;
                }
            });
        }
        Self { _all: all, ended }
    }

    /// Those who were closed, so far.
    fn ended(&self) -> Vec<Ended> {
        self.ended.lock().unwrap().clone()
    }

    /// Waits until so many have been closed who were answered, or were not.
    fn until_ended(&self, count: usize, counts: impl Fn(&Ended) -> bool) {
        let ended = || (self.ended().iter().filter(|end| counts(end)).count() >= count).then_some(());
        assert!(within_time(Duration::from_secs(90), ended).is_some(), "{} were closed", self.ended().len());
    }
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

    /// Waits until so many of them are there.
    fn until_open(&self, count: usize) {
        let open = || (self.open() >= count).then_some(());
        assert!(within_time(Duration::from_secs(60), open).is_some(), "{} of {count} are there", self.open());
    }

    /// How many of them are there.
    fn open(&self) -> usize {
        open_files(&self.server).saturating_sub(self.files)
    }

    /// Waits until all of them are closed.
    fn until_gone(&self) {
        // The agents that joined meanwhile may be here still.
        let gone = || (self.open() < 20).then_some(());
        assert!(within_time(Duration::from_secs(60), gone).is_some(), "{} are left", self.open());
    }

    /// What each of those who are there costs, in bytes.
    fn cost(&self) -> u64 {
        self.server.resident_kib().saturating_sub(self.before) * 1024 / self.open() as u64
    }

    /// The agent that is there is well, and another one joins, while most of them are there.
    fn keeps_nobody_out(&self, name: &str) -> (AgentProgram, StartedAgent) {
        is_healthy(&self.server, "web-03");
        let another = AgentProgram::new();
        let running = join(&self.server, &another, name, Duration::from_secs(60));
        is_healthy(&self.server, "web-03");
        (another, running)
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

/// What somebody has said is held, and no buffer to read more. What ends gives its memory back to the allocator, which keeps
/// most of it for whoever comes next: measured (debug build) are 10 to 12 KiB each, in the first wave and in the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_never_finish_a_hello_cost_little_and_keep_no_agent_out() {
    let _alone = ALONE.lock().await;
    block_in_place(|| {
        let scene = Scene::begin();
        let crowd = Crowd::come(scene.server.https, &[Goes::Nowhere, Goes::Half, Goes::Half, Goes::Crumbs]);
        scene.until_open(MOST);
        let _another = scene.keeps_nobody_out("web-04");
        scene.until_open(MOST);
        let each = scene.cost();
        println!("each costs {each} bytes");
        assert!(each < MOST_OF_A_BEGINNING * 1024, "{each} bytes each");
        // All of them were closed, and came again, and again.
        crowd.until_ended(2 * COUNT, |_| true);
        scene.until_open(MOST);
        let _one_more = scene.keeps_nobody_out("web-05");
        let each = scene.cost();
        println!("each costs {each} bytes");
        assert!(each < MOST_OF_A_BEGINNING * 1024, "{each} bytes each");

        // Nobody is told anything, and nobody is waited for without end.
        let ended = crowd.ended();
        let last = ended.iter().map(|ended| ended.after).max().unwrap();
        println!("{} were closed, the last one after {last:?}", ended.len());
        assert!(ended.iter().all(|ended| ended.answered == 0), "somebody was answered");
        assert!(last < LONGEST, "{last:?}");
        drop(crowd);
        scene.until_gone();
    });
}

/// The links that are there stay, memory is bounded, and who is not linked yet comes in among them: who falls silent
/// keeps no place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_greet_and_fall_silent_cost_little_and_cut_no_link() {
    let _alone = ALONE.lock().await;
    block_in_place(|| {
        let scene = Scene::begin();
        let crowd = Crowd::come(scene.server.https, &[Goes::ToTheHello]);
        // Those who are answered are given 10 s from then on; those beyond the queue are closed unheard.
        crowd.until_ended(1000, |ended| ended.answered > 0);
        scene.until_open(COUNT / 2);
        let _another = scene.keeps_nobody_out("web-04");
        scene.until_open(COUNT / 2);
        let each = scene.cost();
        println!("each costs {each} bytes");
        assert!(each < MOST_OF_A_HALF * 1024, "{each} bytes each");
        let ended = crowd.ended();
        let answered: Vec<&Ended> = ended.iter().filter(|ended| ended.answered > 0).collect();
        println!("{} were answered, {} were not", answered.len(), ended.len() - answered.len());
        let within = Duration::from_secs(9)..LONGEST;
        assert!(answered.iter().all(|ended| within.contains(&ended.after)), "{answered:?}");
        drop(crowd);
        scene.until_gone();
    });
}

const COUNT: usize = 10_000;
/// So many of them are there at a time: some have just been closed, and come again in a moment.
const MOST: usize = 9_500;
/// How soon they come again.
const AGAIN: Duration = Duration::from_millis(300);
/// How long the server may wait for one, with what it takes on a machine that is busy with all of them.
const LONGEST: Duration = Duration::from_secs(60);
/// Counts those who came.
static NUMBER: AtomicUsize = AtomicUsize::new(0);
/// What somebody who gets no further costs, in KiB: far less than a link, of which 60 would be too much.
const MOST_OF_A_BEGINNING: u64 = 20;
/// What somebody costs, in KiB, to whom the server has shown its certificate, and who is waited for.
const MOST_OF_A_HALF: u64 = 45;
/// Each of these tests takes half of the files that this process may open.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
