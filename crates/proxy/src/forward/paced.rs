//! Holds a client to a least pace: one who sends or takes a body by the byte keeps an upstream busy for nothing.
//!
//! Only the time is counted in which the client is waited for, and every byte that it moved earns some, so that a good
//! connection that breaks down for a while loses nothing.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{ClientFault, Deadline, Downstream, Upload};
use crate::{
    answer::Fault,
    h1::{response::ResponseHead, trailers::Trailers},
    limits::Pace,
};

/// Is a client's side that does not wait for ever.
pub(super) struct Paced<'d, D> {
    client: &'d mut D,
    pace: Pace,
    upload: Wait,
    response: Wait,
    /// Bytes of the response's body that the client's side has taken.
    taken: u64,
    /// Whether the final head was taken.
    answered: bool,
}

/// Is the time for which one direction has waited for the client.
#[derive(Default)]
struct Wait {
    before: Duration,
    since: Option<Instant>,
    deadline: Option<Deadline>,
}

impl<'d, D: Downstream> Paced<'d, D> {
    pub(super) fn new(client: &'d mut D, pace: Pace) -> Self {
        Self { client, pace, upload: Wait::default(), response: Wait::default(), taken: 0, answered: false }
    }

    /// Passes on what the client's side says of taking something, unless it has been waited for long enough.
    fn taking<T>(&mut self, cx: &mut Context<'_>, said: Poll<Result<T, ClientFault>>) -> Poll<Result<T, ClientFault>> {
        if said.is_ready() {
            self.response.is_over();
            return said;
        }
        match self.response.poll(cx, self.pace.stall, || self.pace.earned(self.taken)) {
            Poll::Ready(()) => Poll::Ready(Err(ClientFault::Gone)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<D: Downstream> Downstream for Paced<'_, D> {
    fn poll_body(&mut self, cx: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), ClientFault>> {
        let said = self.client.poll_body(cx, upload);
        if said.is_ready() {
            self.upload.is_over();
            return said;
        }
        // Who announces no length may have nothing to say for a while: gRPC streams are such bodies. And who has an answer
        // may have stopped because of it.
        if self.answered || !upload.is_measured() {
            return Poll::Pending;
        }
        match self.upload.poll(cx, Duration::MAX, || self.pace.earned(upload.bytes().max(self.client.moved()))) {
            Poll::Ready(()) => Poll::Ready(Err(ClientFault::Refused(Fault::RequestTimeout))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn moved(&self) -> u64 {
        self.client.moved()
    }

    fn set_cookie(&mut self, cookie: Option<String>) {
        self.client.set_cookie(cookie);
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.client.poll_gone(cx)
    }

    fn head(&mut self, head: &ResponseHead<'_>) -> Result<(), ClientFault> {
        self.answered |= !head.is_interim();
        self.client.head(head)
    }

    fn poll_data(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, ClientFault>> {
        let said = self.client.poll_data(cx, data);
        if let Poll::Ready(Ok(taken)) = said {
            self.taken += taken as u64;
        }
        self.taking(cx, said)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>, trailers: &Trailers) -> Poll<Result<(), ClientFault>> {
        let said = self.client.poll_end(cx, trailers);
        self.taking(cx, said)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientFault>> {
        let said = self.client.poll_flush(cx);
        self.taking(cx, said)
    }
}

impl Wait {
    /// Is ready when all waits together have taken as long as they may, or this one alone has.
    fn poll(&mut self, cx: &mut Context<'_>, alone: Duration, together: impl Fn() -> Duration) -> Poll<()> {
        let left = |before: Duration, since: Instant| {
            let waited = since.elapsed();
            alone.saturating_sub(waited).min(together().saturating_sub(before + waited)).min(LONG)
        };
        let (before, deadline) = (self.before, self.deadline.get_or_insert_with(|| Deadline::after(Duration::ZERO)));
        let since = match self.since {
            Some(since) => since,
            None => {
                let now = Instant::now();
                deadline.put_off(left(before, now));
                *self.since.insert(now)
            }
        };
        while deadline.poll(cx).is_ready() {
            // Something may have moved meanwhile on another stream of the client.
            let left = left(before, since);
            if left.is_zero() {
                return Poll::Ready(());
            }
            deadline.put_off(left);
        }
        Poll::Pending
    }

    fn is_over(&mut self) {
        if let Some(since) = self.since.take() {
            self.before += since.elapsed();
        }
    }
}

/// No moment is further away: what tokio's timers can be set to has an end.
const LONG: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::future::poll_fn;

    use super::*;
    use crate::h1::length::BodyLength;

    const PACE: Pace = Pace { grace: Duration::from_secs(30), bytes_per_second: 100, stall: Duration::from_secs(300) };

    /// Moves what it is told to, and then nothing until it is told again.
    #[derive(Default)]
    struct Client {
        sends: usize,
        takes: usize,
        others: u64,
    }

    impl Downstream for Client {
        fn poll_body(&mut self, _: &mut Context<'_>, upload: &mut Upload) -> Poll<Result<(), ClientFault>> {
            match std::mem::take(&mut self.sends) {
                0 => Poll::Pending,
                bytes => Poll::Ready(upload.data(&vec![b'x'; bytes]).map_err(ClientFault::from)),
            }
        }

        fn set_cookie(&mut self, _cookie: Option<String>) {}

        fn moved(&self) -> u64 {
            self.others
        }

        fn poll_gone(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }

        fn head(&mut self, _: &ResponseHead<'_>) -> Result<(), ClientFault> {
            Ok(())
        }

        fn poll_data(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, ClientFault>> {
            match std::mem::take(&mut self.takes) {
                0 => Poll::Pending,
                bytes => Poll::Ready(Ok(bytes)),
            }
        }

        fn poll_end(&mut self, _: &mut Context<'_>, _: &Trailers) -> Poll<Result<(), ClientFault>> {
            Poll::Ready(Ok(()))
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientFault>> {
            Poll::Pending
        }
    }

    /// How many seconds pass until a wait ends; none if it does not in three days.
    async fn seconds<T>(mut wait: impl FnMut(&mut Context<'_>) -> Poll<Result<T, ClientFault>>) -> Option<u64> {
        let begun = Instant::now();
        let ended = tokio::time::timeout(Duration::from_secs(3 * 24 * 3600), poll_fn(|cx| wait(cx)));
        ended.await.ok().map(|_| begun.elapsed().as_secs())
    }

    fn upload(length: BodyLength) -> Upload {
        Upload::new(Vec::new(), length, None).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_is_waited_for_as_long_as_its_bytes_have_earned() {
        let mut client = Client::default();
        let mut paced = Paced::new(&mut client, PACE);
        let mut exact = upload(BodyLength::Exact(1_000_000));
        assert_eq!(seconds(|cx| paced.poll_body(cx, &mut exact)).await, Some(30));

        let mut paced = Paced::new(&mut client, PACE);
        let mut exact = upload(BodyLength::Exact(1_000_000));
        assert!(poll_fn(|cx| Poll::Ready(paced.poll_body(cx, &mut exact))).await.is_pending());
        tokio::time::advance(Duration::from_secs(20)).await;
        paced.client.sends = 1_000;
        assert_eq!(seconds(|cx| paced.poll_body(cx, &mut exact)).await, Some(0), "it has sent something");
        // Time in which nobody asks it for more is not its own.
        tokio::time::advance(Duration::from_secs(1_000)).await;
        assert_eq!(seconds(|cx| paced.poll_body(cx, &mut exact)).await, Some(20), "30, and 10 for 1000 bytes, less 20");

        let mut chunked = upload(BodyLength::Chunked);
        assert_eq!(seconds(|cx| Paced::new(&mut client, PACE).poll_body(cx, &mut chunked)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_not_ended_because_another_one_has_the_room() {
        let mut client = Client { others: 7_000, ..Client::default() };
        let mut paced = Paced::new(&mut client, PACE);
        let mut exact = upload(BodyLength::Exact(10));
        assert_eq!(seconds(|cx| paced.poll_body(cx, &mut exact)).await, Some(100));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_is_waited_for_as_long_as_its_bytes_have_earned_and_not_for_ever() {
        for (taken, expected) in [(0, 30), (1_000, 40), (1_000_000, 300)] {
            let mut client = Client { takes: taken, ..Client::default() };
            let mut paced = Paced::new(&mut client, PACE);
            let first = poll_fn(|cx| Poll::Ready(paced.poll_data(cx, b"data"))).await;
            assert_eq!(first.is_ready(), taken > 0);
            assert_eq!(seconds(|cx| paced.poll_data(cx, b"data")).await, Some(expected), "{taken}");
        }
    }
}
