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
/// Putting it off costs a look at the clock and nothing else: the timer rings at the earliest moment that it was ever
/// set to, sees that there is more time, and is wound up again. Only a moment before that costs a turn of the timer.
#[derive(Debug)]
pub(crate) struct Deadline {
    at: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Starts so far away.
    pub(crate) fn after(span: Duration) -> Self {
        Self { at: Instant::now() + span, sleep: None }
    }

    /// Moves it so far away from now.
    pub(crate) fn put_off(&mut self, span: Duration) {
        self.at = Instant::now() + span;
    }

    /// Is ready when the moment has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(self.at)));
        if sleep.deadline() > self.at {
            sleep.as_mut().reset(self.at);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.at);
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
