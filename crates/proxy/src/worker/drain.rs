//! The signal that tells connections to finish; it never leaves its worker's thread.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Is the switch: one for each listener of a worker, thrown when its binding goes.
#[derive(Clone, Default)]
pub(crate) struct Drain(Rc<State>);

/// Lets a connection see when it is to finish.
///
/// From then on:
/// - HTTP/2 says `GOAWAY`,
/// - a request that runs goes on to its end, and its response says `Connection: close`,
/// - an HTTP/1.1 connection that waits for a further request ends; if it is to finish *gently*, it waits as long as it
///   would anyway and serves that one, as the request may be on its way and could be one that nobody asks twice,
/// - a connection that has not had its *first* request yet waits for it (bounded by the time-out for heads) and serves
///   it: it was accepted, so its client is owed an answer.
///
/// Connections that take longer than the grace period are cut by the worker: their task is dropped.
/// A clone registers itself on its own; clones may be awaited in different tasks of the same worker.
pub(crate) struct DrainWatch {
    drain: Drain,
    slot: Option<usize>,
}

#[derive(Default)]
struct State {
    stage: Cell<Stage>,
    waiting: RefCell<Waiting>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Serving,
    Ending,
    Draining,
    Cut,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Drain {
    pub(crate) fn watch(&self) -> DrainWatch {
        DrainWatch { drain: self.clone(), slot: None }
    }

    /// Asks the connections to finish gently: another process serves the same in their place.
    pub(crate) fn begin_gently(&self) {
        self.enter(Stage::Ending);
    }

    /// Asks the connections to finish.
    pub(crate) fn begin(&self) {
        self.enter(Stage::Draining);
    }

    /// Ends the connections that are left.
    pub(crate) fn cut(&self) {
        self.enter(Stage::Cut);
    }

    fn enter(&self, stage: Stage) {
        if self.0.stage.get() >= stage {
            return;
        }
        self.0.stage.set(stage);
        // Taken out first: a waker may run code that registers or leaves.
        let wakers: Vec<Waker> = self.0.waiting.borrow_mut().wakers.iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl DrainWatch {
    /// Whether the connection is to finish.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.0.stage.get() >= Stage::Ending
    }

    /// Is ready when the connection is to finish, gently or not.
    pub(crate) fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_stage(Stage::Ending, cx)
    }

    /// Is ready when the connection is not to wait for a further request.
    pub(crate) fn poll_draining(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_stage(Stage::Draining, cx)
    }

    /// Is ready when the connection is to be dropped as it is.
    pub(super) fn poll_cut(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_stage(Stage::Cut, cx)
    }

    fn poll_stage(&mut self, stage: Stage, cx: &mut Context<'_>) -> Poll<()> {
        if self.drain.0.stage.get() >= stage {
            return Poll::Ready(());
        }
        let mut waiting = self.drain.0.waiting.borrow_mut();
        let slot = *self.slot.get_or_insert_with(|| waiting.enter());
        let registered = &mut waiting.wakers[slot];
        match registered {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *registered = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Clone for DrainWatch {
    fn clone(&self) -> Self {
        self.drain.watch()
    }
}

impl Drop for DrainWatch {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let left = {
                let mut waiting = self.drain.0.waiting.borrow_mut();
                waiting.free.push(slot);
                waiting.wakers[slot].take()
            };
            // Outside of the borrow: the last waker of a task drops the task, which may hold another watch.
            drop(left);
        }
    }
}

impl Waiting {
    fn enter(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_watch_is_woken_at_each_stage_that_it_waits_for() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let drain = Drain::default();
        let (mut one, mut other) = (drain.watch(), drain.watch());
        assert!(one.poll_draining(&mut cx).is_pending());
        assert!(other.poll_cut(&mut cx).is_pending());
        assert!(!one.is_draining());

        drain.begin_gently();
        assert_eq!(woken.0.load(Ordering::SeqCst), 2);
        assert!(one.is_draining() && one.poll_ending(&mut cx).is_ready());
        assert!(one.poll_draining(&mut cx).is_pending() && other.poll_cut(&mut cx).is_pending());

        drain.begin();
        assert_eq!(woken.0.load(Ordering::SeqCst), 4);
        assert!(one.is_draining());
        assert!(one.poll_draining(&mut cx).is_ready());
        assert!(other.poll_cut(&mut cx).is_pending());

        drain.cut();
        drain.cut();
        assert_eq!(woken.0.load(Ordering::SeqCst), 5);
        assert!(other.poll_cut(&mut cx).is_ready());
    }

    #[test]
    fn a_place_is_used_again_after_its_watch_went() {
        let waker = Waker::noop();
        let mut cx = Context::from_waker(waker);
        let drain = Drain::default();
        for _ in 0..100 {
            let mut watch = drain.watch();
            assert!(watch.poll_draining(&mut cx).is_pending());
            assert!(watch.poll_draining(&mut cx).is_pending());
            let mut clone = watch.clone();
            assert!(clone.poll_draining(&mut cx).is_pending());
        }
        assert_eq!(drain.0.waiting.borrow().wakers.len(), 2);
    }
}
