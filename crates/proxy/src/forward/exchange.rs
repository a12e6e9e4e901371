//! The one way to an upstream: a connection, a flight on it, and what follows from its end.

use std::future::poll_fn;

use tokio::time::Instant;

use super::{
    ClientFault, Deadline, Downstream, Exchanged, Outgoing, Upload,
    flight::{End, Flight},
    h2::StreamFlight,
    paced::Paced,
    upstream_error::UpstreamError,
};
use crate::{
    answer::Failure,
    served::Client,
    snapshot::ServedSite,
    traffic::Answered,
    upstream::{Carrier, Needs},
};

/// Sends a request to one of the site's upstreams and its response to the client.
///
/// A connection of the pool that turns out to be dead before the first byte of a response is replaced once, if that
/// cannot carry the request out twice: its method is idempotent and all of it is still here, or nothing of it was sent.
/// So is an HTTP/2 connection whose upstream says that it has not looked at the request, whatever the method is.
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
    let Outgoing { head, body, asked, repeat, expects_continue, interim, log } = outgoing;
    let upload = match Upload::new(head, body, bounds.body) {
        Ok(upload) => upload,
        Err(fault) => return Exchanged::Answer(fault.into()),
    };
    let upstreams = &client.worker.upstreams;
    let turn = upstreams.turn(site);
    let downstream = &mut Paced::new(downstream, limits.pace);
    let mut needs = if asked.upgrade { Needs::Http1 } else { Needs::Nothing };
    let mut lease = upstreams.take(site, turn, needs);
    let mut flight = Flight::new(upload, asked, interim, expects_continue, log.clone());
    let mut refusals = 0;
    loop {
        let (mut held, reused) = match lease.take() {
            Some(lease) => (lease, true),
            None => match Box::pin(upstreams.connect(site, turn, needs, &client.served)).await {
                Ok(lease) => (lease, false),
                Err(failure) => return Exchanged::Answer(failure),
            },
        };
        if let Some(upstream) = held.upstream(site) {
            log.asked(upstream);
        }
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
                match StreamFlight::begin(seat, &flight.upload, asked, interim) {
                    // On the heap: most requests go over HTTP/1.1, and wait with a smaller task.
                    Ok(stream) => {
                        let mut stream = Box::new(stream);
                        let upload = &mut flight.upload;
                        let end = poll_fn(|cx| stream.poll(cx, upload, downstream, deadline, &bounds)).await;
                        if let Some((status, at)) = stream.answered {
                            log.answered_by_upstream(status, at);
                        }
                        log.moved(0, stream.delivered);
                        (end, stream.answered, stream.delivered)
                    }
                    Err(end) => (end, None, 0),
                }
            }
        };
        if let Some((status, at)) = answered {
            let counted = Answered { took: at.duration_since(begun), bytes: delivered };
            site.traffic.answered(client.worker.index, status, &counted, client.served.now());
        }
        let failure = |error: UpstreamError| Failure::of(held.upstream(site), error.fault(), error);
        return match end {
            End::Dead(_) if reused && flight.may_restart(repeat) => {
                flight.restart();
                continue;
            }
            End::Refused(_) if refusals < REFUSALS && flight.upload.can_restart() => {
                refusals += 1;
                flight.restart();
                continue;
            }
            End::Dead(error) | End::Refused(error) => Exchanged::Answer(failure(error)),
            End::Done => {
                log.complete();
                if flight.leaves_clean() {
                    held.kept = flight.kept;
                    upstreams.put(site, held, limits);
                }
                Exchanged::Done
            }
            End::Switched => match held.carrier {
                Carrier::Http1(upstream) => Exchanged::Switched { upstream, early: flight.take_early() },
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
