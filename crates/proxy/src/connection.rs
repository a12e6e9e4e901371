//! Serves HTTP/1.1 clients: one request after another on one connection.
//!
//! The one thing to know: a connection goes on to the next request only when every byte of the last one's body was
//! read, and after an answer to something that cannot be read in one way it is closed.
//!
//! A client that closes its sending side after a request still gets the response, as from Caddy and HAProxy; one that
//! resets the connection, or ends TLS without saying so, is gone, and so is its request to the upstream.

mod client_side;
mod request;
mod request_body;
mod wire;

#[cfg(test)]
mod tests;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use self::{
    client_side::ClientSide,
    request::{About, Begun},
    request_body::RequestBody,
    wire::Wire,
};
use crate::{
    access_log::{Logged, Said},
    answer::{Answer, Asked, Failure, Fault, Whose, log},
    forward::{Deadline, Exchanged, Outgoing, exchange},
    h1::{KeepAlive, length::BodyLength},
    request_id::RequestId,
    served::Client,
    snapshot::ServedSite,
    stream::{Stream, buffer},
    tls::TlsFacts,
    upgrade,
    upstream::{InFlight, UpstreamHealth},
};

/// Serves a connection to its end; `stream` is past its handshake.
pub(crate) fn serve_h1(stream: Stream, client: Client, tls: Option<TlsFacts>) -> impl Future<Output = ()> {
    let mut connection = Connection {
        wire: Wire::new(stream),
        deadline: Deadline::after(client.served.limits.idle),
        client,
        tls,
        requests: 0,
        waits: Waits::Between,
    };
    // By reference: a future keeps what is moved into it twice.
    async move { connection.serve().await }
}

/// Is one client's connection.
struct Connection {
    wire: Wire,
    client: Client,
    tls: Option<TlsFacts>,
    requests: u64,
    waits: Waits,
    deadline: Deadline,
}

/// Says what a connection without a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Nothing yet: a request has just ended.
    Between,
    /// The first byte of a request.
    Idle,
    /// The rest of a head, of which so many bytes have been looked at.
    Head { looked_at: usize },
}

/// Says how a connection goes on after a request.
enum After {
    /// With the next request.
    Next,
    /// Not: it is closed in order.
    Close,
    /// Not, and the client is to see that something is missing.
    Cut,
    /// Not, but the client may still be sending: a reset would take the answer from it.
    Linger,
    /// As a tunnel to an upstream.
    Tunnel { upstream: Stream, early: Vec<u8>, idle: Duration, log: Logged, in_flight: InFlight<Arc<UpstreamHealth>> },
}

impl Connection {
    async fn serve(&mut self) {
        let after = loop {
            let Some(begun) = poll_fn(|cx| self.poll_begin(cx)).await else { break After::Close };
            match self.carry_out(begun).await {
                After::Next => {}
                after => break after,
            }
        };
        Box::pin(self.end(after)).await;
    }

    /// On the heap while it runs, so that a connection is small while it waits.
    fn carry_out(&mut self, begun: Begun) -> Pin<Box<dyn Future<Output = After> + '_>> {
        match begun {
            Begun::Forward { site, outgoing, about } => Box::pin(self.forward(site, outgoing, about)),
            Begun::Answer { answer, about } => {
                log::answered(&answer, &about.subject(&self.client, None));
                let body = RequestBody::new(about.body);
                Box::pin(self.answer(answer, about, body))
            }
            Begun::Refuse { fault, id } => Box::pin(self.refuse(fault, id)),
        }
    }

    /// Waits for the next request and reads its head; none if there will not be one.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Option<Begun>> {
        let limits = &self.client.served.limits;
        if self.waits == Waits::Between {
            self.waits = Waits::Idle;
            self.deadline.put_off(limits.idle);
        }
        loop {
            if let Some(begun) = self.look() {
                self.waits = Waits::Between;
                self.requests += 1;
                self.client.worker.counts().requests.up();
                return Poll::Ready(Some(begun));
            }
            match self.wire.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(None),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
        }
        if self.waits == Waits::Idle && self.client.drain.poll_draining(cx).is_ready() {
            if self.requests > 0 {
                return Poll::Ready(None);
            }
            // Accepted before the drain: its client is owed an answer, but not a long wait.
            self.waits = Waits::Head { looked_at: 0 };
            self.deadline.put_off(self.client.served.limits.head);
        }
        ready!(self.deadline.poll(cx));
        if self.waits == Waits::Idle || self.wire.unread().is_empty() {
            return Poll::Ready(None);
        }
        let id = self.client.worker.request_ids.next();
        Poll::Ready(Some(Begun::Refuse { fault: Fault::RequestTimeout, id }))
    }

    /// Looks whether a whole head is there.
    fn look(&mut self) -> Option<Begun> {
        let unread = self.wire.unread();
        // An empty line behind a body is left over from the request before, and no beginning of another one.
        if matches!(unread, b"" | b"\r" | b"\r\n") {
            return None;
        }
        if let Waits::Head { looked_at } = self.waits
            // No line has ended since: a slow sender must not make us read the same bytes again and again.
            && unread.len() < buffer::BUFFER_BYTES
            && !unread[looked_at.min(unread.len())..].contains(&b'\n')
        {
            return None;
        }
        match request::begin(unread, &self.client, self.tls.as_ref()) {
            Some((begun, used)) => {
                self.wire.consume(used);
                Some(begun)
            }
            None => {
                let looked_at = unread.len();
                if self.waits == Waits::Idle {
                    self.deadline.put_off(self.client.served.limits.head);
                }
                self.waits = Waits::Head { looked_at };
                None
            }
        }
    }

    /// Sends a request to its site's application.
    async fn forward(&mut self, site: Arc<ServedSite>, outgoing: Outgoing, mut about: About) -> After {
        let body = RequestBody::new(about.body);
        let mut side = ClientSide::new(&mut self.wire, &mut about, &self.client.drain, body);
        let exchanged = exchange(&self.client, &site, outgoing, &mut side, &mut self.deadline).await;
        let ClientSide { body, framing, .. } = side;
        match exchanged {
            Exchanged::Done if body.is_ended() => match about.keep_alive {
                KeepAlive::Keep => After::Next,
                KeepAlive::Close => After::Close,
            },
            Exchanged::Done => Box::pin(self.after_unread(&about, body)).await,
            Exchanged::Answer(failure) => {
                log::failed(&failure, &about.subject(&self.client, Some(&site)));
                let fault = failure.fault;
                // A body that was wrong or late has no end that could be found.
                if fault.whose() == Whose::Downstream {
                    about.keep_alive = KeepAlive::Close;
                }
                Box::pin(self.answer(fault.into(), about, body)).await
            }
            Exchanged::Truncated { failure, .. } => {
                log::truncated(&failure, &about.subject(&self.client, Some(&site)));
                // What there is reaches the client, and then it must see that something is missing. A missing last chunk
                // or byte shows; a body until close has no end but the connection's.
                let sent = Box::pin(self.flush()).await;
                if framing == BodyLength::UntilClose || !sent {
                    self.wire.stream.reset_at_close();
                }
                After::Cut
            }
            Exchanged::Gone => After::Cut,
            Exchanged::Switched { upstream, early, in_flight } => {
                let idle = self.client.served.limits.of(&site).idle;
                After::Tunnel { upstream, early, idle, log: about.log, in_flight }
            }
        }
    }

    /// Answers a request that was read up to its body.
    async fn answer(&mut self, answer: Answer, mut about: About, body: RequestBody) -> After {
        let waits_for_invitation = about.expects_continue && !body.is_ended();
        if self.client.drain.is_draining() || waits_for_invitation {
            about.keep_alive = KeepAlive::Close;
        }
        let host = about.host.as_ref().map(ToString::to_string);
        let asked = Asked {
            request_id: about.id.as_str(),
            host: host.as_deref(),
            accept: about.accepts_html.then_some(b"text/html"),
            head: about.head,
            now: self.client.served.now(),
        };
        let bytes = answer.write_h1(&asked, about.keep_alive, self.wire.out());
        let sent = self.flush().await;
        about.log.answered(&answer, bytes, sent);
        if !sent {
            return After::Cut;
        }
        match about.keep_alive {
            KeepAlive::Keep if body.is_ended() => After::Next,
            KeepAlive::Close if body.is_ended() => After::Close,
            _ => self.after_unread(&about, body).await,
        }
    }

    /// Answers what cannot be read as a request.
    async fn refuse(&mut self, fault: Fault, id: RequestId) -> After {
        let subject = log::Subject {
            id: &id,
            peer: self.client.peer,
            proxy: self.client.proxy(),
            named: None,
            host: None,
            site: None,
        };
        log::failed(&Failure::from(fault), &subject);
        let asked =
            Asked { request_id: id.as_str(), host: None, accept: None, head: false, now: self.client.served.now() };
        let answer = Answer::from(fault);
        let bytes = answer.write_h1(&asked, KeepAlive::Close, self.wire.out());
        let sent = self.flush().await;
        Logged::begin(&self.client, id, self.tls.as_ref(), Said::default).answered(&answer, bytes, sent);
        if sent { After::Linger } else { After::Cut }
    }

    /// Reads a little of a body that nobody wants; the connection can go on only if that was all of it.
    async fn after_unread(&mut self, about: &About, mut body: RequestBody) -> After {
        if about.keep_alive == KeepAlive::Close {
            return After::Linger;
        }
        self.deadline.put_off(LINGER);
        let mut left = DRAIN_BYTES;
        let ended = poll_fn(|cx| {
            while !body.is_ended() {
                match body.poll_discard(cx, &mut self.wire) {
                    Poll::Ready(Some(bytes)) if bytes <= left => left -= bytes,
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => {
                        ready!(self.deadline.poll(cx));
                        return Poll::Ready(false);
                    }
                }
            }
            Poll::Ready(true)
        })
        .await;
        if ended { After::Next } else { After::Linger }
    }

    /// Sends what was written; `false` if the client does not take it.
    async fn flush(&mut self) -> bool {
        self.deadline.put_off(self.client.served.limits.head);
        poll_fn(|cx| match self.wire.poll_flush(cx) {
            Poll::Ready(sent) => Poll::Ready(sent.is_ok()),
            Poll::Pending => self.deadline.poll(cx).map(|()| false),
        })
        .await
    }

    async fn end(&mut self, after: After) {
        match after {
            After::Close if !self.wire.unread().is_empty() => self.linger().await,
            After::Next | After::Close => {
                self.deadline.put_off(LINGER);
                poll_fn(|cx| match self.wire.stream.poll_goodbye(cx) {
                    Poll::Ready(_) => Poll::Ready(()),
                    Poll::Pending => self.deadline.poll(cx),
                })
                .await;
            }
            After::Cut => {}
            After::Linger => self.linger().await,
            After::Tunnel { upstream, early, idle, log, in_flight } => {
                let unread = self.wire.take_unread();
                upgrade::tunnel(&mut self.wire.stream, unread, upstream, early, idle, &mut self.deadline, log).await;
                drop(in_flight);
            }
        }
    }

    /// Closes the sending side and reads until the client has done likewise, so that it sees the answer and no reset.
    async fn linger(&mut self) {
        self.deadline.put_off(LINGER);
        let mut left = LINGER_BYTES;
        let mut closed = false;
        poll_fn(|cx| {
            if !closed {
                match self.wire.stream.poll_close(cx) {
                    Poll::Ready(Ok(())) => closed = true,
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending => {}
                }
            }
            while left > 0 {
                match self.wire.poll_fill(cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(read)) => {
                        left = left.saturating_sub(read);
                        self.wire.consume(self.wire.unread().len());
                    }
                    Poll::Pending => return self.deadline.poll(cx),
                }
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// How long a client is listened to that was answered before it had sent everything; nginx's `lingering_timeout`.
const LINGER: Duration = Duration::from_secs(5);

/// What is read of a client that was answered and is still sending, before it is cut off.
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// What is read of an unwanted body so that the connection can be kept: about what a new handshake costs.
const DRAIN_BYTES: usize = 64 * 1024;
