//! An application, and those who ask it all the time.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use portward_testkit::StartedProgram;

/// Answers requests, counts bodies, and echoes what comes after an upgrade; it ends with the test.
pub(super) struct Application {
    address: SocketAddr,
}

impl Application {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                std::thread::spawn(move || serve(tcp));
            }
        });
        Self { address }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn serve(tcp: TcpStream) -> Option<()> {
    tcp.set_nodelay(true).ok()?;
    let mut out = tcp.try_clone().ok()?;
    let mut tcp = BufReader::new(tcp);
    loop {
        let (mut length, mut is_upgrade) = (0, false);
        let mut line = String::new();
        loop {
            line.clear();
            if tcp.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().ok()?;
            }
            is_upgrade |= line.starts_with("upgrade:");
            if line.is_empty() {
                break;
            }
        }
        if is_upgrade {
            out.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                .ok()?;
            std::io::copy(&mut tcp, &mut out).ok()?;
            return None;
        }
        let read = std::io::copy(&mut (&mut tcp).take(length), &mut std::io::sink()).ok()?;
        let body = format!("read {read}");
        write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    }
}

/// Is all who ask, each in a thread.
pub(super) struct Load {
    threads: Vec<JoinHandle<()>>,
    done: Arc<AtomicUsize>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl Load {
    /// Two who connect anew each time, two who keep their connection, and one who speaks HTTP/2.
    pub(super) fn begin(server: &StartedProgram, stop: &Arc<AtomicBool>) -> Self {
        let (done, failed) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (http, https) = (server.http, server.https);
        let asks: [Box<dyn FnMut() -> Result<usize, String> + Send>; 5] = [
            Box::new(move || anew(http)),
            Box::new(move || anew(http)),
            Box::new(keeping(http)),
            Box::new(keeping(http)),
            Box::new(move || by_http2(https)),
        ];
        let threads = asks
            .into_iter()
            .map(|mut ask| {
                let (stop, done, failed) = (Arc::clone(stop), Arc::clone(&done), Arc::clone(&failed));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        match ask() {
                            Ok(requests) => drop(done.fetch_add(requests, Ordering::SeqCst)),
                            Err(error) => failed.lock().unwrap().push(error),
                        }
                    }
                })
            })
            .collect();
        Self { threads, done, failed }
    }

    /// Requests that were answered so far.
    pub(super) fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Waits for all, who were told to stop; gives how many requests were answered, and what failed.
    pub(super) fn end(self) -> (usize, Vec<String>) {
        for thread in self.threads {
            thread.join().unwrap();
        }
        (self.done.load(Ordering::SeqCst), std::mem::take(&mut self.failed.lock().unwrap()))
    }
}

fn connect(address: SocketAddr) -> Result<BufReader<TcpStream>, String> {
    let tcp = TcpStream::connect(address).map_err(|error| format!("connect: {error}"))?;
    tcp.set_nodelay(true).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    Ok(BufReader::new(tcp))
}

/// Asks once; gives whether the connection stays, or none if it had ended before the answer began.
fn ask(tcp: &mut BufReader<TcpStream>, connection: &str) -> Result<Option<bool>, String> {
    let request = format!("GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: {connection}\r\n\r\n");
    if tcp.get_mut().write_all(request.as_bytes()).is_err() {
        return Ok(None);
    }
    let (mut head, mut stays) = (String::new(), true);
    loop {
        let before = head.len();
        match tcp.read_line(&mut head) {
            Ok(0) | Err(_) if head.is_empty() => return Ok(None),
            Ok(0) => return Err(format!("the answer broke off: {head}")),
            Err(error) => return Err(format!("the answer broke off: {error}: {head}")),
            Ok(_) => {}
        }
        let line = &head[before..];
        if line.eq_ignore_ascii_case("connection: close\r\n") {
            stays = false;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = [0; 6];
    tcp.read_exact(&mut body).map_err(|error| format!("the body broke off: {error}"))?;
    if !head.starts_with("HTTP/1.1 200 ") || body != *b"read 0" {
        return Err(head);
    }
    Ok(Some(stays))
}

fn anew(address: SocketAddr) -> Result<usize, String> {
    match ask(&mut connect(address)?, "close")? {
        Some(_) => Ok(1),
        None => Err("a new connection was not answered".to_owned()),
    }
}

/// Keeps its connection as long as it stays; if it ends just as the next request comes, that one is asked anew, as every
/// client does (RFC 9112 section 9.3.1).
fn keeping(address: SocketAddr) -> impl FnMut() -> Result<usize, String> + Send {
    let mut kept = None;
    move || {
        let is_new = kept.is_none();
        let mut tcp = match kept.take() {
            Some(tcp) => tcp,
            None => connect(address)?,
        };
        match ask(&mut tcp, "keep-alive")? {
            Some(stays) => kept = stays.then_some(tcp),
            None if is_new => return Err("a new connection was not answered".to_owned()),
            None => return Ok(0),
        }
        Ok(1)
    }
}

/// Fifty requests on one connection, for as long as it stays.
fn by_http2(address: SocketAddr) -> Result<usize, String> {
    let said = Command::new("curl")
        .args(["-skS", "--http2", "-m", "60", "-H", "Host: shop.test", "-o", "/dev/null"])
        .args(["-w", "%{http_code}/%{http_version}\n"])
        .arg(format!("https://{address}/?[1-50]"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout);
    if said.status.success() && text.lines().count() == 50 && text.lines().all(|line| line == "200/2") {
        return Ok(50);
    }
    Err(format!("curl: {} {text} {}", said.status, String::from_utf8_lossy(&said.stderr)))
}

/// Is an upgraded connection through the server.
pub(super) struct WebSocket(BufReader<TcpStream>);

impl WebSocket {
    pub(super) fn open(address: SocketAddr) -> Self {
        let mut tcp = connect(address).unwrap();
        let request = "GET /chat HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        tcp.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        tcp.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 101 "), "{line}");
        while line != "\r\n" {
            line.clear();
            tcp.read_line(&mut line).unwrap();
        }
        Self(tcp)
    }

    pub(super) fn echo(&mut self, word: usize) {
        let word = format!("word {word}\n");
        self.0.get_mut().write_all(word.as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line, word);
    }

    pub(super) fn close(self) {
        drop(self);
    }
}

/// Is an upload that has begun and is not done.
pub(super) struct Upload(BufReader<TcpStream>);

impl Upload {
    pub(super) fn begin(address: SocketAddr, turn: usize) -> Self {
        let mut tcp = connect(address).unwrap();
        let head = format!("PUT /{turn} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {}\r\n\r\n", 2 * HALF);
        tcp.get_mut().write_all(head.as_bytes()).unwrap();
        tcp.get_mut().write_all(&vec![b'x'; HALF]).unwrap();
        Self(tcp)
    }

    /// Sends the rest, and reads that all of it has come.
    pub(super) fn end(mut self) {
        self.0.get_mut().write_all(&vec![b'y'; HALF]).unwrap();
        self.0.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&format!("read {}", 2 * HALF)), "{answer}");
    }
}

const HALF: usize = 300_000;
