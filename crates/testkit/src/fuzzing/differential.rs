//! The same bytes, read by hyper: where both take a message, it is the same message.
//!
//! hyper takes more than Portward does, and what it refuses has no reading to compare with; what both take must have
//! one end and one meaning, or one of them would see a request that the other never saw.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use portward_proxy::h1::{
    KeepAlive, Parsed,
    chunked::{Decoder, Step},
    headers::HeaderSlots,
    length::BodyLength,
    limits::HeadLimits,
    request,
    request::Asked,
    response,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime,
};

/// Reads a connection's worth of requests, one after the other.
pub fn request_stream(bytes: &[u8]) {
    let ours = requests(bytes);
    if ours.is_empty() {
        return;
    }
    for (at, (ours, theirs)) in ours.iter().zip(&hyper_requests(bytes)).enumerate() {
        assert_eq!(ours, theirs, "request {at} has two readings");
    }
}

/// Reads the answer to a `GET` and to a `HEAD`.
pub fn response_stream(bytes: &[u8]) {
    for head in [false, true] {
        if let (Some(ours), Some(theirs)) = (response(bytes, head), hyper_response(bytes, head)) {
            assert_eq!(ours, theirs, "the answer has two readings");
        }
    }
}

#[derive(Debug, PartialEq)]
struct Message {
    /// Method and path, or the status.
    start: String,
    body: Vec<u8>,
}

fn requests(bytes: &[u8]) -> Vec<Message> {
    let (mut messages, mut at) = (Vec::new(), 0);
    loop {
        let rest = &bytes[at..];
        let mut slots = HeaderSlots::new();
        let Ok(Parsed::Complete { head, len }) = request::parse(rest, &HeadLimits::default(), &mut slots) else {
            break;
        };
        let Some((body, used)) = body(head.body, &rest[len..]) else { break };
        messages.push(Message { start: format!("{} {}", head.method, head.path_and_query), body });
        at += len + used;
        if head.keep_alive == KeepAlive::Close || head.upgrade.is_some() {
            break;
        }
    }
    messages
}

fn response(bytes: &[u8], head: bool) -> Option<Message> {
    let (mut at, asked) = (0, Asked { head, upgrade: false });
    loop {
        let rest = &bytes[at..];
        let mut slots = HeaderSlots::new();
        let parsed = response::parse(rest, &HeadLimits::default(), asked, &mut slots).ok()?;
        let Parsed::Complete { head, len } = parsed else { return None };
        if head.is_interim() {
            at += len;
            continue;
        }
        let (body, _) = body(head.body, &rest[len..])?;
        return Some(Message { start: head.status.to_string(), body });
    }
}

/// The body at the start of `rest`, and how many bytes it takes; none if it has not ended or cannot be read.
fn body(length: BodyLength, rest: &[u8]) -> Option<(Vec<u8>, usize)> {
    match length {
        BodyLength::None => Some((Vec::new(), 0)),
        BodyLength::UntilClose => Some((rest.to_vec(), rest.len())),
        BodyLength::Exact(bytes) => {
            let bytes = usize::try_from(bytes).ok()?;
            Some((rest.get(..bytes)?.to_vec(), bytes))
        }
        BodyLength::Chunked => {
            let (mut decoder, mut data, mut at) = (Decoder::new(), Vec::new(), 0);
            loop {
                match decoder.step(&rest[at..]).ok()? {
                    Step::More => return None,
                    Step::Data { skip, len } => {
                        data.extend_from_slice(&rest[at + skip..at + skip + len]);
                        at += skip + len;
                    }
                    Step::End { used } => return Some((data, at + used)),
                }
            }
        }
    }
}

fn hyper_requests(bytes: &[u8]) -> Vec<Message> {
    let messages = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&messages);
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let path = parts.uri.path_and_query().map_or("*", |path| path.as_str()).to_owned();
            let body = body.collect().await?.to_bytes().to_vec();
            seen.borrow_mut().push(Message { start: format!("{} {path}", parts.method), body });
            Ok::<_, hyper::Error>(Response::new(Full::new(bytes::Bytes::new())))
        }
    });
    block_on(async {
        let wire = Wire { bytes, read_after_write: false, waiting: None };
        let mut builder = hyper::server::conn::http1::Builder::new();
        // What has come is read to its end, though no more will come.
        let _ = builder.half_close(true).serve_connection(TokioIo::new(wire), service).await;
    });
    messages.take()
}

fn hyper_response(bytes: &[u8], head: bool) -> Option<Message> {
    block_on(async {
        let wire = Wire { bytes, read_after_write: true, waiting: None };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await.ok()?;
        let request = Request::builder().method(if head { "HEAD" } else { "GET" }).header("host", "a.test");
        let exchange = async {
            let response =
                sender.send_request(request.uri("/").body(Empty::<bytes::Bytes>::new()).unwrap()).await.ok()?;
            let status = response.status().as_u16().to_string();
            Some(Message { start: status, body: response.into_body().collect().await.ok()?.to_bytes().to_vec() })
        };
        let (message, _) = tokio::join!(exchange, connection);
        message
    })
}

/// Is a connection on which all bytes have come already, and nothing more will.
struct Wire<'a> {
    bytes: &'a [u8],
    /// Nothing comes before something was asked.
    read_after_write: bool,
    waiting: Option<Waker>,
}

impl AsyncRead for Wire<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read_after_write {
            self.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let (now, later) = self.bytes.split_at(self.bytes.len().min(into.remaining()));
        into.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.read_after_write = false;
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: runtime::Runtime = runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
