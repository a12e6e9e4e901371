//! A tiny HTTPS server that answers what a test tells it to.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use portward_core::acme::DirectoryTrust;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Is a running server for `localhost`; dropping it ends it.
pub(crate) struct TestServer {
    port: u16,
    root: Arc<[u8]>,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// Is an answer.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    bytes: Vec<u8>,
    /// How many bytes of the end are left out.
    cut: usize,
    hangs: bool,
}

#[derive(Default)]
struct State {
    connections: usize,
    seen: Vec<String>,
    replies: VecDeque<Reply>,
    always: Reply,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test Root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &root).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(leaf.der().to_vec())], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, state) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move { serve(tcp, &acceptor, &state).await });
            }
        });
        Self { port, root: root.der().to_vec().into(), state, task }
    }

    /// Answers everything that nothing else is said about.
    pub(crate) fn always(&self, reply: Reply) {
        self.state.lock().unwrap().always = reply;
    }

    /// Answers the next requests, one each.
    pub(crate) fn next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state.lock().unwrap().replies.extend(replies);
    }

    pub(crate) fn trust(&self) -> DirectoryTrust {
        DirectoryTrust::Authorities(vec![Arc::clone(&self.root)])
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// How many handshakes succeeded.
    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// The requests, head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.state.lock().unwrap().seen.clone()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n", body.len());
        Self { bytes: format!("{head}{body}").into_bytes(), ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let at = self.bytes.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
        self.bytes.splice(at..at, format!("{name}: {value}\r\n").into_bytes());
        self
    }

    /// Exactly these bytes and the end of the connection.
    pub(crate) fn raw(bytes: &str) -> Self {
        Self { bytes: bytes.as_bytes().to_vec(), ..Self::default() }
    }

    /// No answer at all.
    pub(crate) fn hang() -> Self {
        Self { hangs: true, ..Self::default() }
    }

    /// Without the last bytes.
    pub(crate) fn broken_after(mut self, cut: usize) -> Self {
        self.cut = cut;
        self
    }

    /// With an open connection after its end.
    pub(crate) fn hanging(mut self) -> Self {
        self.hangs = true;
        self
    }
}

async fn serve(tcp: TcpStream, acceptor: &TlsAcceptor, state: &Mutex<State>) {
    let Ok(mut stream) = acceptor.accept(tcp).await else {
        return;
    };
    state.lock().unwrap().connections += 1;
    let mut pending = Vec::new();
    loop {
        let Some(end) = request_end(&pending) else {
            match stream.read_buf(&mut pending).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            }
        };
        let request = String::from_utf8_lossy(&pending.drain(..end).collect::<Vec<_>>()).into_owned();
        let reply = {
            let mut state = state.lock().unwrap();
            let is_head = request.starts_with("HEAD");
            state.seen.push(request);
            match is_head {
                true => Reply::json(200, "").header("Replay-Nonce", "from-head"),
                false => state.replies.pop_front().unwrap_or_else(|| state.always.clone()),
            }
        };
        let sent = &reply.bytes[..reply.bytes.len() - reply.cut];
        if stream.write_all(sent).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        if reply.hangs {
            std::future::pending::<()>().await;
        }
        let closes = sent.windows(17).any(|window| window == b"Connection: close");
        if reply.cut > 0 || closes || !sent.starts_with(b"HTTP/1.1") {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// Where the first request ends, if all of it is there.
fn request_end(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ").map(str::to_owned));
    let end = head + length.map_or(0, |length| length.trim().parse().unwrap());
    (bytes.len() >= end).then_some(end)
}
