//! Lines of one worker that are not handed over yet.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{AccessLog, AccessLogFormat, Shared, entry::Entry, line};

/// Is some lines, each with its end.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    pub(super) lines: u64,
}

/// Holds the lines of one worker until there are enough of them, or a second has gone.
pub(crate) struct Batches {
    log: Arc<Shared>,
    batch: RefCell<Batch>,
    /// The second that was written last, and how.
    date: RefCell<line::Date>,
    /// When it was last said that lines are dropped.
    said: Cell<Option<Instant>>,
}

impl Batches {
    /// Begins with none.
    pub(crate) fn new(log: &AccessLog) -> Rc<Self> {
        Rc::new(Self {
            log: Arc::clone(&log.0),
            batch: RefCell::default(),
            date: RefCell::default(),
            said: Cell::new(None),
        })
    }

    /// Hands over what there is, each second, until the worker has ended.
    pub(crate) async fn hand_over_each_second(batches: Weak<Self>) {
        loop {
            sleep(PERIOD).await;
            let Some(batches) = batches.upgrade() else { return };
            batches.hand_over();
        }
    }

    /// The time since 1970.
    pub(super) fn now(&self) -> Duration {
        (self.log.options.clock)()
    }

    /// Adds the line of a request that has ended.
    pub(super) fn add(&self, entry: &Entry) {
        let is_full = {
            let mut batch = self.batch.borrow_mut();
            if batch.bytes.capacity() == 0 {
                batch.bytes = std::mem::take(&mut *self.log.state.spare());
                batch.bytes.reserve(BATCH + LINE);
            }
            let mut date = self.date.borrow_mut();
            match self.log.options.format {
                AccessLogFormat::Json => line::json(entry, &mut date, &mut batch.bytes),
                AccessLogFormat::Combined => line::combined(entry, &mut date, &mut batch.bytes),
            }
            batch.lines += 1;
            batch.bytes.len() >= BATCH
        };
        if is_full {
            self.hand_over();
        }
    }

    fn hand_over(&self) {
        let batch = self.batch.take();
        let lines = batch.lines;
        if lines == 0 || self.log.batches.try_send(batch).is_ok() {
            return;
        }
        self.log.state.dropped.fetch_add(lines, Ordering::Relaxed);
        if self.said.get().is_none_or(|said| said.elapsed() >= PAUSE) {
            self.said.set(Some(Instant::now()));
            tracing::warn!(
                access_log.to = %self.log.options.to,
                access_log.dropped = self.log.state.dropped.load(Ordering::Relaxed),
                "lines of the access log are dropped: they come faster than they can be written"
            );
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.hand_over();
    }
}

/// A write of that size costs little more than one of a line, and waking the thread that writes hardly counts; a hundred
/// requests have as much.
const BATCH: usize = 64 * 1024;

/// Longer than most lines, so that a batch hardly ever moves.
const LINE: usize = 1024;

/// Who follows the log waits so long at most.
const PERIOD: Duration = Duration::from_secs(1);

/// Often enough to be seen by who looks at the log now, seldom enough for a disk.
const PAUSE: Duration = Duration::from_secs(60);
