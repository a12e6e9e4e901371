//! The one way to an upstream: a connection, a flight on it, and what follows from its end.

use std::future::poll_fn;

use tokio::time::Instant;

use super::{
    ClientFault, Deadline, Downstream, Exchanged, Outgoing, Upload,
    flight::{End, Flight},
    paced::Paced,
    upstream_error::UpstreamError,
};
use crate::{answer::Failure, served::Client, snapshot::ServedSite, traffic::Answered};

/// Sends a request to one of the site's upstreams and its response to the client.
///
/// A connection of the pool that turns out to be dead before the first byte of a response is replaced once, if that
/// cannot carry the request out twice: its method is idempotent and all of it is still here, or nothing of it was sent.
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
    let Outgoing { head, body, asked, repeat, expects_continue, interim } = outgoing;
    let upload = match Upload::new(head, body, bounds.body) {
        Ok(upload) => upload,
        Err(fault) => return Exchanged::Answer(fault.into()),
    };
    let upstreams = &client.worker.upstreams;
    let turn = upstreams.turn(site);
    let mut lease = upstreams.take(site, turn);
    let downstream = &mut Paced::new(downstream, limits.pace);
    let mut flight = Flight::new(upload, asked, interim, expects_continue);
    loop {
        let (mut held, reused) = match lease.take() {
            Some(lease) => (lease, true),
            None => match Box::pin(upstreams.connect(site, turn, &client.served)).await {
                Ok(lease) => (lease, false),
                Err(failure) => return Exchanged::Answer(failure),
            },
        };
        flight.await_response(&bounds, deadline);
        let end = poll_fn(|cx| flight.poll(cx, &mut held.stream, downstream, deadline, &bounds)).await;
        if let Some((status, at)) = flight.answered {
            let answered = Answered { took: at.duration_since(begun), bytes: flight.delivered };
            site.traffic.answered(client.worker.index, status, &answered, client.served.now());
        }
        let failure = |error: UpstreamError| Failure::of(held.upstream(site), error.fault(), error);
        return match end {
            End::Dead(_) if reused && flight.may_restart(repeat) => {
                flight.restart();
                continue;
            }
            End::Dead(error) => Exchanged::Answer(failure(error)),
            End::Done => {
                if flight.leaves_clean() {
                    held.kept = flight.kept;
                    upstreams.put(site, held, limits);
                }
                Exchanged::Done
            }
            End::Switched => Exchanged::Switched { upstream: held.stream, early: flight.take_early() },
            End::Failed(error) if flight.answered.is_some() => Exchanged::Truncated(failure(error)),
            End::Failed(error) => Exchanged::Answer(failure(error)),
            End::Client(ClientFault::Refused(fault)) if flight.answered.is_none() => Exchanged::Answer(fault.into()),
            End::Client(_) => Exchanged::Gone,
        };
    }
}
