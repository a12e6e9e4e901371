//! The one way to an upstream: a choice, a connection, a flight on it, and what follows from its end.

use std::{future::poll_fn, sync::Arc};

use tokio::time::Instant;

use super::{
    ClientFault, Deadline, Downstream, Exchanged, Outgoing, Upload,
    flight::{End, Flight},
    h2::StreamFlight,
    paced::Paced,
    search::Search,
    upstream_error::UpstreamError,
};
use crate::{
    answer::Failure,
    served::Client,
    snapshot::ServedSite,
    traffic::Answered,
    upstream::{Carrier, InFlight, Lease, Needs},
};

/// Sends a request to one of the site's upstreams and its response to the client.
///
/// If there is no connection, the next upstream is tried. A connection that turns out to be dead before the first byte
/// of a response is followed by another one, if that cannot carry the request out twice: its method is idempotent and
/// all of it is still here, or nothing of it was sent. For one of the pool that is a new one to the same upstream; for a
/// new one it is one to another upstream. Each happens once at most, and not after the time for a response is up.
/// What an HTTP/2 upstream says that it has not looked at is sent to it again, whatever the method is.
/// Nothing else is ever repeated.
pub(crate) async fn exchange<D: Downstream>(
    client: &Client,
    site: &ServedSite,
    outgoing: Outgoing,
    downstream: &mut D,
    deadline: &mut Deadline,
) -> Exchanged {
    let begun = Instant::now();
    let exchanged = attempt(client, site, outgoing, downstream, deadline, begun).await;
    if let Exchanged::Answer(failure) = &exchanged {
        let answered = Answered { took: begun.elapsed(), bytes: 0 };
        site.traffic.answered(client.worker.index, failure.fault.status(), &answered, client.served.now());
    }
    exchanged
}

async fn attempt<D: Downstream>(
    client: &Client,
    site: &ServedSite,
    outgoing: Outgoing,
    downstream: &mut D,
    deadline: &mut Deadline,
    begun: Instant,
) -> Exchanged {
    let limits = &client.served.limits;
    let bounds = limits.of(site);
    let Outgoing { head, body, asked, repeat, expects_continue, interim, log, group, sticky } = outgoing;
    let upload = match Upload::new(head, body, bounds.body) {
        Ok(upload) => upload,
        Err(fault) => return Exchanged::Answer(fault.into()),
    };
    let upstreams = &client.worker.upstreams;
    let downstream = &mut Paced::new(downstream, limits.pace);
    let mut needs = if asked.upgrade { Needs::Http1 } else { Needs::Nothing };
    let mut refusals = 0;
    let mut flight = Flight::new(upload, asked, interim, expects_continue, log.clone());
    let mut search = Search::new(client, site, group, sticky);
    // Of a connection that died under the request.
    let mut died = None;
    let mut now = begun;
    loop {
        let Some(index) = search.next(now) else {
            return Exchanged::Answer(died.unwrap_or_else(|| search.none_left()));
        };
        let member = search.member(index);
        let _in_flight = InFlight::at(&*member.health);
        log.asked(&member.upstream);
        if sticky.is_some() {
            downstream.set_cookie(search.set_cookie(index));
        }
        let mut kept = upstreams.take(site, &member.upstream, needs);
        let end = loop {
            let (mut held, reused, asked_at) = match kept.take() {
                Some(lease) => (lease, true, begun),
                None => {
                    let asked_at = Instant::now();
                    match Box::pin(upstreams.connect(site, &member.upstream, needs, client)).await {
                        Ok(lease) => {
                            member.health.connected(client.served.clock());
                            (lease, false, asked_at)
                        }
                        Err(error) => break Err((error, asked_at)),
                    }
                }
            };
            flight.await_response(&bounds, deadline);
            let (end, answered, delivered) = match &mut held.carrier {
                Carrier::Http1(stream) => {
                    // What was framed for HTTP/1.1 is not taken apart any more.
                    needs = Needs::Http1;
                    flight.upload.frame();
                    let end = poll_fn(|cx| flight.poll(cx, stream, downstream, deadline, &bounds)).await;
                    (end, flight.answered, flight.delivered)
                }
                Carrier::Http2(seat) => {
                    flight.upload.unframe(body);
                    match StreamFlight::begin(seat, &flight.upload, asked, interim, log.clone()) {
                        // On the heap: most requests go over HTTP/1.1, and wait with a smaller task.
                        Ok(stream) => {
                            let mut stream = Box::new(stream);
                            let upload = &mut flight.upload;
                            let end = poll_fn(|cx| stream.poll(cx, upload, downstream, deadline, &bounds)).await;
                            (end, stream.answered, stream.delivered)
                        }
                        Err(end) => (end, None, 0),
                    }
                }
            };
            match end {
                End::Dead(_) if reused && flight.may_restart(repeat) => {}
                End::Refused(_) if refusals < REFUSALS && flight.upload.can_restart() => refusals += 1,
                end => break Ok((end, answered, delivered, held, reused, asked_at)),
            }
            flight.restart();
        };
        let (end, answered, delivered, held, reused, asked_at) = match end {
            Ok(end) => end,
            Err((error, asked_at)) => {
                search.unreachable(index, error, asked_at);
                now = Instant::now();
                if now.duration_since(begun) >= bounds.response {
                    return Exchanged::Answer(died.unwrap_or_else(|| search.none_left()));
                }
                continue;
            }
        };
        if let Some((status, at)) = answered {
            let counted = Answered { took: at.duration_since(begun), bytes: delivered };
            site.traffic.answered(client.worker.index, status, &counted, client.served.now());
        }
        match (&end, answered) {
            (_, Some((status, _))) => search.answered(index, status, asked_at),
            // That a kept connection is gone says nothing of the upstream.
            (End::Dead(error), None) if !reused => search.failed(index, error, asked_at),
            (End::Failed(error), None) => search.failed(index, error, asked_at),
            _ => {}
        }
        let failure = |error: UpstreamError| Failure::of(Some(&member.upstream), error.fault(), error);
        return match end {
            End::Dead(error) if died.is_none() && search.has_others() && flight.may_restart(repeat) => {
                now = Instant::now();
                if now.duration_since(begun) >= bounds.response {
                    return Exchanged::Answer(failure(error));
                }
                died = Some(failure(error));
                flight.restart();
                continue;
            }
            End::Dead(error) | End::Refused(error) => Exchanged::Answer(failure(error)),
            End::Done => {
                log.complete();
                if flight.leaves_clean() {
                    let held = Lease { kept: flight.kept, ..held };
                    upstreams.put(site, &member.upstream, held, limits);
                }
                Exchanged::Done
            }
            End::Switched => match held.carrier {
                Carrier::Http1(upstream) => Exchanged::Switched {
                    upstream,
                    early: flight.take_early(),
                    in_flight: InFlight::at(Arc::clone(&member.health)),
                },
                // On a stream nothing is switched to.
                Carrier::Http2(_) => Exchanged::Gone,
            },
            End::Failed(error) if answered.is_some() => {
                let reason = error.reason();
                Exchanged::Truncated { failure: failure(error), reason }
            }
            End::Failed(error) => Exchanged::Answer(failure(error)),
            End::Client(ClientFault::Refused(fault)) if answered.is_none() => Exchanged::Answer(fault.into()),
            End::Client(_) => Exchanged::Gone,
        };
    }
}

/// How often a request is sent again that an upstream has refused to look at: once for a connection that it leaves, and
/// once more for a new one that has less room than was thought.
const REFUSALS: u8 = 2;
