//! An HTTP/2 client's side of one exchange.

use std::{
    cell::{Cell, RefCell},
    fmt,
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use portward_core::{HeaderRules, Host};

use super::{
    Shared,
    websocket::{self, Key, StreamMouth},
};
use crate::{
    access_log::{Logged, Said},
    answer::{Answer, Asked, Fault, log},
    forward::{ClientFault, Downstream, Upload},
    h1::{
        KeepAlive, Version,
        headers::Headers as _,
        length::BodyLength,
        refusal::Refusal,
        response::{self, ResponseHead},
        trailers::Trailers,
    },
    request_id::RequestId,
    route::HstsRule,
    snapshot::ServedSite,
};

/// Is what is still to be known of a request when its head is gone.
#[derive(Debug)]
pub(super) struct About {
    pub(super) id: RequestId,
    /// Whether the method is HEAD.
    pub(super) head: bool,
    /// Whether the client waits for `100 Continue`.
    pub(super) expects_continue: bool,
    pub(super) accept: Option<HeaderValue>,
    /// Whom it comes from, if a trusted proxy says so.
    pub(super) named: Option<IpAddr>,
    /// The host that was asked for, if it could be read.
    pub(super) host: Option<Host>,
    pub(super) hsts: HstsRule,
    /// What the site does to headers.
    pub(super) rules: Option<Arc<HeaderRules>>,
    /// What the upstream has to prove, when the client asks for a WebSocket.
    pub(super) websocket: Option<Key>,
    /// Where it is written down what becomes of it.
    pub(super) log: Logged,
}

/// Moves one request's body in and its response out.
pub(super) struct StreamSide<'a> {
    body: RecvStream,
    /// Of the body, taken from the crate and not yet by the upload.
    rest: Bytes,
    respond: SendResponse<Bytes>,
    /// There once the head has gone.
    send: Option<SendStream<Bytes>>,
    about: &'a About,
    /// Bytes of bodies that all streams of the connection have taken.
    moved: &'a Cell<u64>,
    invited: bool,
    /// Bytes of a response of known length that are still to come.
    left: Option<u64>,
    ended: bool,
    /// A cookie of ours for the final head.
    cookie: Option<String>,
}

impl About {
    pub(super) fn new(shared: &Shared, head: &http::request::Parts) -> Self {
        let id = shared.client.worker.request_ids.next();
        let header = |name| head.headers.get(name).map(HeaderValue::as_bytes);
        let log = Logged::begin(&shared.client, id, Some(&shared.tls), || Said {
            version: Some(Version::Http2),
            method: Some(head.method.as_str()),
            target: Some(head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str)),
            host: head.uri.authority().map(http::uri::Authority::as_str),
            referer: header(http::header::REFERER),
            user_agent: header(http::header::USER_AGENT),
        });
        Self {
            id,
            head: head.method == http::Method::HEAD,
            expects_continue: false,
            accept: head.headers.get(http::header::ACCEPT).cloned(),
            named: shared.client.named(&&head.headers, shared.client.trust()),
            host: None,
            hsts: HstsRule::Remove,
            rules: None,
            websocket: None,
            log,
        }
    }

    /// What the log needs to know of the request.
    pub(super) fn subject<'a>(&'a self, shared: &Shared, site: Option<&'a ServedSite>) -> log::Subject<'a> {
        let host = self.host.as_ref().map(|host| host as &dyn fmt::Display);
        log::Subject {
            id: &self.id,
            peer: shared.client.peer,
            proxy: shared.client.proxy(),
            named: self.named,
            host,
            site: site.map(|site| &site.id),
        }
    }
}

impl<'a> StreamSide<'a> {
    pub(super) fn new(body: RecvStream, respond: SendResponse<Bytes>, about: &'a About, shared: &'a Shared) -> Self {
        let (rest, moved) = (Bytes::new(), &shared.moved);
        Self { body, rest, respond, send: None, about, moved, invited: false, left: None, ended: false, cookie: None }
    }

    /// Is ready when the client has reset the stream or is gone.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Pending;
        }
        match &mut self.send {
            Some(send) => send.poll_reset(cx).map(drop),
            None => self.respond.poll_reset(cx).map(drop),
        }
    }

    /// Sends an answer of ours, and gives what the client may still be sending; nothing of a response was sent before.
    pub(super) fn answer(mut self, answer: &Answer, about: &About, shared: &Shared) -> RecvStream {
        let host = about.host.as_ref().map(ToString::to_string);
        let asked = Asked {
            request_id: about.id.as_str(),
            host: host.as_deref(),
            accept: about.accept.as_ref().map(HeaderValue::as_bytes),
            head: about.head,
            now: shared.client.served.now(),
        };
        let (response, body) = answer.to_h2(&asked);
        let bytes = body.len() as u64;
        // An error says that the client is not there any more.
        let sent = match self.respond.send_response(response, body.is_empty()) {
            Ok(mut send) if !body.is_empty() => send.send_data(body, true).is_ok(),
            sent => sent.is_ok(),
        };
        about.log.answered(answer, bytes, sent);
        self.body
    }

    /// The stream as the end of a tunnel, once the client has been told that there is one.
    pub(super) fn into_mouth(self) -> Option<StreamMouth> {
        Some(StreamMouth::new(self.body, self.rest, self.send?))
    }

    /// What the client may still be sending, once all was said to it.
    pub(super) fn into_body(self) -> RecvStream {
        self.body
    }

    /// Breaks the stream off, so that the client sees that something is missing.
    pub(super) fn reset(mut self, reason: Reason) {
        match &mut self.send {
            Some(send) => send.send_reset(reason),
            None => self.respond.send_reset(reason),
        }
    }

    fn poll_upload(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), ClientFault>> {
        if self.about.expects_continue && !self.invited {
            self.invited = true;
            let mut invitation = Response::new(());
            *invitation.status_mut() = StatusCode::CONTINUE;
            if self.send.is_none() && !self.body.is_end_stream() {
                self.respond.send_informational(invitation).map_err(gone)?;
            }
        }
        if self.rest.is_empty() {
            match ready!(self.body.poll_data(cx)) {
                Some(data) => self.rest = data.map_err(gone)?,
                None => {
                    let trailers = ready!(self.body.poll_trailers(cx)).map_err(gone)?;
                    let trailers = trailers.as_ref().map_or_else(Trailers::default, |trailers| {
                        Trailers::collect(trailers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
                    });
                    return Poll::Ready(upload.end(&trailers).map_err(|_| BODY_MISMATCH));
                }
            }
        }
        let part = self.rest.split_to(self.rest.len().min(upload.room()));
        // The client may send as much again: the upload holds no more than its window.
        self.body.flow_control().release_capacity(part.len()).map_err(gone)?;
        self.moved.set(self.moved.get() + part.len() as u64);
        Poll::Ready(upload.data(&part).map_err(ClientFault::from))
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Result<(), ClientFault> {
        let is_tunnel = match &self.about.websocket {
            Some(key) if head.status == 101 => {
                if !key.is_answered_by(head) {
                    return Err(Fault::UpstreamBadResponse.into());
                }
                true
            }
            // To a client that asked by CONNECT any success is a tunnel, and there is none.
            Some(_) if (200..300).contains(&head.status) => return Err(Fault::UpstreamBadResponse.into()),
            _ => false,
        };
        let hsts;
        let (set, remove): (&[_], &[_]) = match &self.about.hsts {
            HstsRule::Keep => (&[], &[websocket::ACCEPT]),
            HstsRule::Remove => (&[], &["strict-transport-security", websocket::ACCEPT]),
            HstsRule::Set(value) => {
                hsts = [("strict-transport-security", value.as_bytes())];
                (&hsts, &[websocket::ACCEPT])
            }
        };
        let to = response::Downstream {
            version: Version::Http2,
            keep_alive: KeepAlive::Keep,
            set,
            remove,
            cookie: self.cookie.as_deref().map(str::as_bytes),
            rules: self.about.rules.as_deref(),
        };
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(if is_tunnel { 200 } else { head.status }).map_err(gone)?;
        // Grown one after the other they would be moved several times; the length and ours come on top.
        *response.headers_mut() = HeaderMap::with_capacity(head.headers.walk().count() + set.len() + 1);
        append(response.headers_mut(), head.end_to_end(&to));
        if is_tunnel {
            self.send = Some(self.respond.send_response(response, false).map_err(gone)?);
            return Ok(());
        }
        if head.is_interim() {
            return self.respond.send_informational(response).map_err(gone);
        }
        if let Some(length) = head.content_length
            && head.status != 204
        {
            response.headers_mut().insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        self.left = match head.body {
            // Trailers may follow the last byte of a body of HTTP/2, whatever length was announced.
            BodyLength::Exact(1..) if head.version == Version::Http2 => None,
            BodyLength::None => Some(0),
            BodyLength::Exact(bytes) => Some(bytes),
            BodyLength::Chunked | BodyLength::UntilClose => None,
        };
        self.ended = self.left == Some(0);
        self.send = Some(self.respond.send_response(response, self.ended).map_err(gone)?);
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, ClientFault>> {
        let Some(send) = &mut self.send else { return Poll::Ready(Err(ClientFault::Gone)) };
        while send.capacity() == 0 {
            send.reserve_capacity(data.len());
            match ready!(send.poll_capacity(cx)) {
                Some(capacity) => capacity.map_err(gone)?,
                None => return Poll::Ready(Err(ClientFault::Gone)),
            };
        }
        let taken = data.len().min(send.capacity());
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(taken as u64);
            // The last byte carries the end: no empty frame behind it.
            self.ended = *left == 0;
        }
        send.send_data(Bytes::copy_from_slice(&data[..taken]), self.ended).map_err(gone)?;
        Poll::Ready(Ok(taken))
    }

    fn end(&mut self, trailers: &Trailers) -> Result<(), ClientFault> {
        if self.ended {
            return Ok(());
        }
        self.ended = true;
        let Some(send) = &mut self.send else { return Err(ClientFault::Gone) };
        if trailers.is_empty() {
            return send.send_data(Bytes::new(), true).map_err(gone);
        }
        let mut map = HeaderMap::new();
        append(&mut map, trailers.walk());
        send.send_trailers(map).map_err(gone)
    }
}

/// The exchange and the look-out for a reset are polled by the same task, one after the other.
impl Downstream for &RefCell<StreamSide<'_>> {
    fn poll_body(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), ClientFault>> {
        self.borrow_mut().poll_upload(cx, upload)
    }

    fn moved(&self) -> u64 {
        self.borrow().moved.get()
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.borrow_mut().poll_reset(cx)
    }

    fn set_cookie(&mut self, cookie: Option<String>) {
        self.borrow_mut().cookie = cookie;
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Result<(), ClientFault> {
        self.borrow_mut().head(head)
    }

    fn poll_data(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, ClientFault>> {
        self.borrow_mut().poll_data(cx, data)
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>, trailers: &Trailers) -> Poll<Result<(), ClientFault>> {
        Poll::Ready(self.borrow_mut().end(trailers))
    }

    // The connection's task sends what its streams have, together.
    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ClientFault>> {
        Poll::Ready(Ok(()))
    }
}

/// Appends headers; the codec has checked that each is one.
fn append<'h>(to: &mut HeaderMap, headers: impl Iterator<Item = (&'h str, &'h [u8])>) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
            to.append(name, value);
        }
    }
}

fn gone<E>(_: E) -> ClientFault {
    ClientFault::Gone
}

const BODY_MISMATCH: ClientFault = ClientFault::Refused(Fault::Refused(Refusal::BodyMismatch));
