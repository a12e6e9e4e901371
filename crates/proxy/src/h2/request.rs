//! One stream: its request is checked, routed and carried out.

use std::{cell::RefCell, future::poll_fn, pin::pin, rc::Rc, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use h2::{Reason, RecvStream, ext::Protocol, server::SendResponse};
use http::HeaderValue;
use portward_core::{Authority, RequestFacts, Scheme};
use tokio::time::timeout;

use super::{
    Shared,
    stream_side::{About, StreamSide},
    websocket::Key,
    window::Turn,
};
use crate::{
    answer::{Answer, Fault, log},
    forward::{Deadline, Exchanged, Interim, Outgoing, Repeat, exchange},
    h1::{
        downgrade::{self, Parts},
        forwarded::{Forwarded, Proto, Told},
        limits::HeadLimits,
        refusal::Refusal,
        request,
    },
    request_id::RequestId,
    route::{Question, Routed, hsts, route},
    snapshot::ServedSite,
    stream::buffer,
    traffic::CameBy,
    upgrade,
    upstream::{Sticky, sticky::COOKIE},
};

/// Carries out one request; when the client resets the stream, so ends everything that was done for it.
pub(super) async fn serve(request: http::Request<RecvStream>, respond: SendResponse<Bytes>, shared: Rc<Shared>) {
    let (head, body) = request.into_parts();
    let has_fragment = shared.seen.takes_fragment(respond.stream_id().as_u32());
    let (about, decided) = match has_fragment {
        true => (About::new(&shared, &head), Decided::Answer(Fault::Refused(Refusal::InvalidTarget).into())),
        false => decide(&head, &body, &shared),
    };
    drop(head);
    let side = RefCell::new(StreamSide::new(body, respond, &about, &shared));
    let answer = match decided {
        Decided::Answer(answer) => {
            log::answered(&answer, &about.subject(&shared, None));
            answer
        }
        Decided::Forward(site, outgoing) => match forward(&shared, &site, outgoing, &side).await {
            Exchanged::Answer(failure) => {
                log::failed(&failure, &about.subject(&shared, Some(&site)));
                failure.fault.into()
            }
            Exchanged::Truncated { failure, reason } => {
                log::truncated(&failure, &about.subject(&shared, Some(&site)));
                side.into_inner().reset(reason.unwrap_or(Reason::INTERNAL_ERROR));
                return;
            }
            Exchanged::Switched { upstream, early, in_flight } => {
                if let Some(mut mouth) = side.into_inner().into_mouth() {
                    let idle = shared.client.served.limits.of(&site).idle;
                    let mut deadline = Deadline::after(idle);
                    // On the heap: most streams are none.
                    Box::pin(upgrade::tunnel(
                        &mut mouth,
                        Vec::new(),
                        upstream,
                        early,
                        idle,
                        &mut deadline,
                        about.log.clone(),
                    ))
                    .await;
                    drop(in_flight);
                }
                return;
            }
            exchanged @ (Exchanged::Done | Exchanged::Gone) => {
                // The request itself may be what has changed the certificate.
                if shared.client.is_outdated(&site, &shared.tls) {
                    shared.is_outdated.set(true);
                }
                if matches!(exchanged, Exchanged::Done) {
                    after_answer(side.into_inner().into_body()).await;
                }
                return;
            }
        },
    };
    let body = side.into_inner().answer(&answer, &about, &shared);
    after_answer(body).await;
}

/// Reads a little of a body that nobody wants, be it the end alone that comes behind the last byte.
///
/// A client that is told to stop while it sends may drop the answer with the rest, as curl does.
async fn after_answer(mut body: RecvStream) {
    if body.is_end_stream() {
        return;
    }
    let discard = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(data)) = body.data().await {
            if data.len() > left || body.flow_control().release_capacity(data.len()).is_err() {
                return;
            }
            left -= data.len();
        }
    };
    // However it ends, the crate resets what is left.
    let _ = timeout(LINGER, discard).await;
}

/// Writes down a request that was reset before anybody looked at it; nothing is done for it.
pub(super) fn forget(request: http::Request<RecvStream>, respond: &SendResponse<Bytes>, shared: &Shared) {
    shared.seen.takes_fragment(respond.stream_id().as_u32());
    let (head, _) = request.into_parts();
    drop(About::new(shared, &head));
}

/// Answers that there is too much to do already.
pub(super) fn refuse(request: http::Request<RecvStream>, respond: SendResponse<Bytes>, shared: &Shared) {
    let (head, body) = request.into_parts();
    let about = About::new(shared, &head);
    let answer = Fault::Overloaded.into();
    log::answered(&answer, &about.subject(shared, None));
    // Who has too many requests open already is not listened to.
    let _ = StreamSide::new(body, respond, &about, shared).answer(&answer, &about, shared);
}

enum Decided {
    Answer(Answer),
    Forward(Arc<ServedSite>, Outgoing),
}

fn decide(head: &http::request::Parts, body: &RecvStream, shared: &Shared) -> (About, Decided) {
    let client = &shared.client;
    let mut about = About::new(shared, head);
    let parts = Parts {
        method: head.method.as_str(),
        scheme: head.uri.scheme_str(),
        authority: head.uri.authority().map(http::uri::Authority::as_str),
        path: head.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
        protocol: head.extensions.get::<Protocol>().map(Protocol::as_str),
        headers: &head.headers,
        stream: if body.is_end_stream() { downgrade::Stream::Ended } else { downgrade::Stream::Open },
    };
    let checked = match downgrade::check(parts, &HeadLimits::default()) {
        Ok(checked) => checked,
        Err(refusal) => return (about, Decided::Answer(Fault::Refused(refusal).into())),
    };
    let question = Question {
        scheme: Scheme::Https,
        asked: Scheme::Https,
        serves: client.binding.serves,
        method: checked.method,
        authority: checked.host,
        path_and_query: checked.path_and_query,
        facts: RequestFacts {
            sec_fetch_mode: checked.header("sec-fetch-mode"),
            accept: about.accept.as_ref().map(HeaderValue::as_bytes),
        },
        sni: shared.tls.sni.as_ref(),
    };
    let routed = if client.served.clients.may_ask(client.peer.ip()) {
        let snapshot = client.served.newest();
        route(&snapshot, || client.served.https_port_for(client.local.ip()), &question)
    } else {
        Routed::Answer(Fault::TooManyRequests.into())
    };
    match routed {
        Routed::Answer(answer) => {
            about.host = Authority::parse(checked.host).ok().map(|authority| authority.host);
            (about, Decided::Answer(answer))
        }
        // Over TLS nobody is sent to HTTPS.
        Routed::Redirect { location, site } => {
            about.log.is_for(&site);
            (about, Decided::Answer(Answer::Redirect { location }))
        }
        Routed::Forward { host, site, group } => {
            site.traffic.came(client.worker.index, CameBy::HttpsHttp2, client.served.now());
            about.log.is_for(&site);
            about.hsts = hsts(&site, &host, shared.tls.certificate.as_deref());
            about.host = Some(host);
            about.rules.clone_from(&site.headers);
            about.expects_continue = checked.expect_continue;
            if checked.upgrade.is_some() {
                about.websocket = Key::new();
                if about.websocket.is_none() {
                    return (about, Decided::Answer(Fault::Overloaded.into()));
                }
            }
            let mut told = Told::Nothing;
            if client.is_outdated(&site, &shared.tls) {
                told = Told::Outdated;
                shared.is_outdated.set(true);
            }
            let mut out = buffer::take();
            let sticky = Sticky::of(&site, group, &checked.headers, Scheme::Https);
            let forwarded = Forwarded { hidden_cookie: sticky.map(|_| COOKIE), ..forwarded(shared, &about.id, told) };
            request::write_upstream(&checked, &forwarded, &mut out);
            if let Some(key) = &about.websocket {
                key.add_to(&mut out);
            }
            let outgoing = Outgoing {
                head: out,
                body: checked.body,
                asked: checked.asked(),
                repeat: Repeat::of(checked.method),
                expects_continue: checked.expect_continue,
                interim: Interim::Pass,
                log: about.log.clone(),
                group,
                sticky,
            };
            (about, Decided::Forward(site, outgoing))
        }
    }
}

fn forwarded<'a>(shared: &Shared, id: &'a RequestId, connection: Told) -> Forwarded<'a> {
    Forwarded {
        peer: shared.client.peer.ip(),
        proto: Proto::Https,
        port: shared.client.local.port(),
        request_id: id.as_str(),
        trust: shared.client.trust(),
        connection,
        hidden_cookie: None,
    }
}

async fn forward(shared: &Shared, site: &ServedSite, outgoing: Outgoing, side: &RefCell<StreamSide<'_>>) -> Exchanged {
    let Some(_turn) = turn(shared, side).await else { return Exchanged::Gone };
    let mut deadline = Deadline::after(shared.client.served.limits.upstream_response);
    let mut downstream = side;
    let mut exchanging = pin!(exchange(&shared.client, site, outgoing, &mut downstream, &mut deadline));
    poll_fn(|cx| match exchanging.as_mut().poll(cx) {
        Poll::Ready(exchanged) => Poll::Ready(exchanged),
        // Wherever the exchange waits, be it for a connection.
        Poll::Pending => side.borrow_mut().poll_reset(cx).map(|()| Exchanged::Gone),
    })
    .await
}

/// Waits for the request's turn to be forwarded; none if it was reset since it was taken.
async fn turn<'s>(shared: &'s Shared, side: &RefCell<StreamSide<'_>>) -> Option<Turn<'s>> {
    let mut turn = pin!(shared.seen.window.turn());
    poll_fn(|cx| match side.borrow_mut().poll_reset(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => turn.as_mut().poll(cx).map(Some),
    })
    .await
}

/// What is read of an unwanted body: as much as over HTTP/1.1.
const DRAIN_BYTES: usize = 64 * 1024;

/// How long it is read.
const LINGER: Duration = Duration::from_secs(2);
