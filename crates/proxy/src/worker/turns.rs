//! Whose handshake a worker is busy with: one at a time, and between two of them everybody else has a turn.
//!
//! A ClientHello costs a signature and a key exchange, a quarter of a millisecond and more; a request on an open
//! connection a twentieth of that. Without turns, a thousand who come at once are all served before anybody who was
//! there already.

use std::{
    cell::Cell,
    pin::pin,
    task::{Context, Poll},
};

use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    task::yield_now,
};

/// Deals out the turns of one worker, in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct Turns {
    free: Semaphore,
    waiting: Cell<usize>,
    room: Notify,
}

/// Is the turn of one handshake.
#[derive(Debug)]
pub(crate) struct Turn<'t>(#[expect(dead_code, reason = "held")] Option<SemaphorePermit<'t>>);

impl Turns {
    pub(crate) fn new() -> Self {
        Self { free: Semaphore::new(1), waiting: Cell::new(0), room: Notify::new() }
    }

    /// Waits until it is one's turn.
    pub(crate) async fn take(&self) -> Turn<'_> {
        if let Ok(taken) = self.free.try_acquire() {
            return Turn(Some(taken));
        }
        self.waiting.set(self.waiting.get() + 1);
        // A client may be given up while it waits.
        let _waits = Waits(self);
        // It is never closed.
        Turn(self.free.acquire().await.ok())
    }

    /// Resolves when so few wait that another one may be accepted.
    pub(super) async fn has_room(&self) {
        while self.waiting.get() >= WAITING {
            self.room.notified().await;
        }
    }
}

impl Turn<'_> {
    /// Ends the turn behind whoever can go on with something else by now.
    ///
    /// The one look at what the sockets have is a hundredth of what the turn has cost.
    pub(crate) async fn pass(self) {
        yield_now().await;
    }
}

/// Has the task that is polled woken behind whoever is ready, and whoever's socket is found to be.
///
/// A task that wakes itself at once is run sixty times before anybody looks at the sockets.
pub(crate) fn give_way(cx: &mut Context<'_>) {
    if let Poll::Ready(()) = pin!(yield_now()).poll(cx) {
        cx.waker().wake_by_ref();
    }
}

/// Is counted as waiting.
struct Waits<'t>(&'t Turns);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let waiting = &self.0.waiting;
        waiting.set(waiting.get() - 1);
        if waiting.get() < WAITING {
            self.0.room.notify_waiters();
        }
    }
}

/// As many ClientHellos wait for a worker: with a key of RSA 2048 that is half a second. Who comes then waits in the queue
/// of the socket, where it costs nothing.
const WAITING: usize = 512;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::{cell::RefCell, rc::Rc};

    use tokio::task::{LocalSet, spawn_local};

    use super::*;

    #[tokio::test]
    async fn between_two_handshakes_everybody_else_has_a_turn() {
        let (turns, log) = (Rc::new(Turns::new()), Rc::new(RefCell::new(Vec::new())));
        let local = LocalSet::new();
        local
            .run_until(async {
                let mut all = Vec::new();
                for _ in 0..3 {
                    let (turns, log) = (Rc::clone(&turns), Rc::clone(&log));
                    all.push(spawn_local(async move {
                        let turn = turns.take().await;
                        log.borrow_mut().push("handshake");
                        turn.pass().await;
                    }));
                }
                let log = Rc::clone(&log);
                all.push(spawn_local(async move {
                    for _ in 0..2 {
                        log.borrow_mut().push("request");
                        yield_now().await;
                    }
                }));
                for task in all {
                    task.await.unwrap();
                }
            })
            .await;
        let log = log.borrow();
        assert_eq!(log[..2], ["handshake", "request"], "{log:?}");
        assert_eq!(log.last(), Some(&"handshake"), "the requests waited for all handshakes: {log:?}");
    }

    #[tokio::test]
    async fn who_is_given_up_gives_its_place_up() {
        let turns = Turns::new();
        let first = turns.take().await;
        let mut others: Vec<_> = (0..WAITING).map(|_| Box::pin(turns.take())).collect();
        for other in &mut others {
            assert!(futures_pending(other.as_mut()).await);
        }
        let mut room = Box::pin(turns.has_room());
        assert!(futures_pending(room.as_mut()).await, "as many wait as may");
        drop(others.pop());
        room.await;
        first.pass().await;
        drop(others);
        assert_eq!(turns.waiting.get(), 0);
        turns.take().await.pass().await;
    }

    #[tokio::test]
    async fn who_gives_way_is_behind_whoever_has_something_to_read() {
        let (busy, quiet) = std::os::unix::net::UnixDatagram::pair().unwrap();
        quiet.set_nonblocking(true).unwrap();
        let quiet = tokio::net::UnixDatagram::from_std(quiet).unwrap();
        let turns = Rc::new(Cell::new(0));
        let seen = Rc::clone(&turns);
        let local = LocalSet::new();
        local.spawn_local(async move {
            quiet.recv(&mut [0]).await.unwrap();
            seen.set(1_000);
        });
        local
            .run_until(async {
                yield_now().await;
                busy.send(b"x").unwrap();
                std::future::poll_fn(|cx| {
                    if turns.get() >= 50 {
                        return Poll::Ready(());
                    }
                    turns.set(turns.get() + 1);
                    give_way(cx);
                    Poll::Pending
                })
                .await;
            })
            .await;
        assert_eq!(turns.get(), 1_000, "the socket was not looked at");
    }

    async fn futures_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }
}
