//! The tasks of one connection's streams.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
};

use tokio::task::{JoinHandle, spawn_local};

/// Holds the tasks that serve streams; those that still run when it is dropped are ended.
///
/// A task that panics ends alone: tokio catches it.
pub(super) struct Streams(Rc<Open>);

#[derive(Default)]
struct Open {
    /// By place; none where no task is.
    tasks: RefCell<Vec<Option<JoinHandle<()>>>>,
    free: RefCell<Vec<usize>>,
    count: Cell<usize>,
    /// Told of each task that ends.
    connection: RefCell<Option<Waker>>,
}

/// Is the place of one task; the task has it, and so it is free when the task is gone, however it ended.
struct Place {
    open: Rc<Open>,
    at: usize,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self(Rc::default())
    }

    /// How many run.
    pub(super) fn len(&self) -> usize {
        self.0.count.get()
    }

    /// Begins to serve a stream.
    pub(super) fn spawn(&self, serve: impl Future<Output = ()> + 'static) {
        // What a task runs is moved at its beginning and its end, and this is large.
        let serve = Box::pin(serve);
        let at = self.0.free.borrow_mut().pop().unwrap_or_else(|| {
            self.0.tasks.borrow_mut().push(None);
            self.0.tasks.borrow().len() - 1
        });
        self.0.count.set(self.0.count.get() + 1);
        let place = Place { open: Rc::clone(&self.0), at };
        let task = spawn_local(async move {
            let _place = place;
            serve.await;
        });
        self.0.tasks.borrow_mut()[at] = Some(task);
    }

    /// Has the connection's task woken whenever a stream ends.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        let mut connection = self.0.connection.borrow_mut();
        match &mut *connection {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *connection = Some(cx.waker().clone()),
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut *self.0.tasks.borrow_mut());
        tasks.into_iter().flatten().for_each(|task| task.abort());
        self.0.connection.take();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // After the connection there are no places any more.
        if let Some(task) = self.open.tasks.borrow_mut().get_mut(self.at) {
            task.take();
            self.open.free.borrow_mut().push(self.at);
        }
        self.open.count.set(self.open.count.get() - 1);
        if let Some(connection) = &*self.open.connection.borrow() {
            connection.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests")]
    use std::future::{pending, poll_fn};
    use std::task::Poll;

    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// Waits until so many run.
    async fn until(streams: &Streams, count: usize) {
        poll_fn(|cx| {
            streams.watch(cx);
            if streams.len() == count { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn a_place_is_free_again_however_its_task_ended() {
        LocalSet::new()
            .run_until(async {
                let streams = Streams::new();
                for _ in 0..10 {
                    streams.spawn(async {});
                    streams.spawn(async { panic!("on purpose") });
                    streams.spawn(yield_now());
                    until(&streams, 0).await;
                }
                assert_eq!(streams.0.tasks.borrow().len(), 3);
                assert!(streams.0.tasks.borrow().iter().all(Option::is_none));
            })
            .await;
    }

    #[tokio::test]
    async fn tasks_end_with_their_connection() {
        LocalSet::new()
            .run_until(async {
                let (streams, held) = (Streams::new(), Rc::new(()));
                for _ in 0..3 {
                    let held = Rc::clone(&held);
                    streams.spawn(async move {
                        pending::<()>().await;
                        drop(held);
                    });
                }
                yield_now().await;
                assert_eq!((streams.len(), Rc::strong_count(&held)), (3, 4));
                drop(streams);
                while Rc::strong_count(&held) > 1 {
                    yield_now().await;
                }
            })
            .await;
    }
}
