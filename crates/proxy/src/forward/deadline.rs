//! One timer for a connection that is set often and rings seldom.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Is the moment at which a connection has waited long enough.
///
/// Putting it off costs nothing, and the next wait costs one look at the clock: the timer rings at the earliest moment
/// that it was ever set to, sees that there is more time, and is wound up again. Only a moment before that costs a turn
/// of the timer.
#[derive(Debug)]
pub(crate) struct Deadline {
    when: When,
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug)]
enum When {
    At(Instant),
    /// So long after the next wait begins: much is done between two waits that puts it off.
    In(Duration),
}

impl Deadline {
    /// Starts so far away.
    pub(crate) fn after(span: Duration) -> Self {
        Self { when: When::In(span), sleep: None }
    }

    /// Moves it so far away from where the next wait begins, which is the next [`Deadline::poll`].
    pub(crate) fn put_off(&mut self, span: Duration) {
        self.when = When::In(span);
    }

    /// Is ready when the moment has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let at = match self.when {
            When::At(at) => at,
            When::In(span) => Instant::now() + span,
        };
        self.when = When::At(at);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() > at {
            sleep.as_mut().reset(at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_last_moment_it_was_set_to() {
        let start = Instant::now();
        let mut deadline = Deadline::after(Duration::from_secs(10));
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        deadline.put_off(Duration::from_secs(100));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(100));
        deadline.put_off(Duration::from_secs(50));
        assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
        deadline.put_off(Duration::from_secs(1));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(101));
    }
}
