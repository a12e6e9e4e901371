//! The access log: one line for each request, whatever became of it.
//!
//! A worker puts lines together in a batch of its own and hands full batches to one thread that writes. Nobody who serves
//! waits for it: what that thread cannot take is dropped and counted.
//! [`Logged`] goes along with a request, and its line is written when the last one of it is dropped.

mod batch;
mod entry;
mod escape;
mod line;
mod writer;

use std::{
    fmt,
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use self::{batch::Batch, writer::Writer};
pub(crate) use self::{
    batch::Batches,
    entry::{Logged, Said},
};

/// Says how an access log is kept.
#[derive(Clone)]
pub struct AccessLogOptions {
    /// Where the lines go.
    pub to: AccessLogTarget,
    /// How a line looks.
    pub format: AccessLogFormat,
    /// The time since the start of 1970, as lines have it to the millisecond.
    pub clock: Arc<dyn Fn() -> Duration + Send + Sync>,
}

/// Says where the lines of an access log go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// To the end of a file, made with mode 0640 if it is missing.
    File(PathBuf),
    /// To the standard output of the process.
    Stdout,
}

/// Says how a line of an access log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// One JSON object, with everything that is known.
    #[default]
    Json,
    /// Apache's combined log format, which tools of all kinds read.
    Combined,
}

/// Is an access log that is open; clones are the same one.
#[derive(Clone)]
pub struct AccessLog(Arc<Shared>);

/// Says why an access log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("the access log {} cannot be opened", .to)]
pub struct OpenAccessLogError {
    to: AccessLogTarget,
    #[source]
    source: io::Error,
}

/// Shows how many lines there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessLogCounts {
    /// Lines that were written.
    pub written: u64,
    /// Lines that were dropped because the writing was too slow or failed.
    pub dropped: u64,
}

struct Shared {
    options: AccessLogOptions,
    batches: SyncSender<Batch>,
    state: Arc<State>,
    /// Ends when the thread that writes does.
    ended: Mutex<Receiver<()>>,
}

/// Is what the thread that writes and the others tell each other.
#[derive(Default)]
struct State {
    reopen: AtomicBool,
    finish: AtomicBool,
    written: AtomicU64,
    dropped: AtomicU64,
    /// The memory of a batch that was written, for the next one that begins.
    spare: Mutex<Vec<u8>>,
}

impl State {
    fn spare(&self) -> MutexGuard<'_, Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessLog {
    /// Opens the log and starts the thread that writes it.
    pub fn open(options: AccessLogOptions) -> Result<Self, OpenAccessLogError> {
        let failed = |source| OpenAccessLogError { to: options.to.clone(), source };
        let file = options.to.open().map_err(failed)?;
        let (batches, incoming) = sync_channel(QUEUE);
        let (end, ended) = sync_channel(1);
        let state = Arc::<State>::default();
        let writer = Writer::new(options.to.clone(), file, Arc::clone(&state));
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                writer.run(&incoming);
                drop(end);
            })
            .map_err(failed)?;
        Ok(Self(Arc::new(Shared { options, batches, state, ended: Mutex::new(ended) })))
    }

    /// Opens the file anew, as it is due after somebody has moved it away; if that fails the old one is written on.
    ///
    /// It does not block; a line tells how it went.
    pub fn reopen(&self) {
        self.0.state.reopen.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// How many lines there were.
    pub fn counts(&self) -> AccessLogCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        AccessLogCounts { written: read(&self.0.state.written), dropped: read(&self.0.state.dropped) }
    }

    /// Waits until everything that was handed over is written, for `limit` at most; nothing is written afterwards.
    ///
    /// It blocks. Workers have handed everything over when they have ended.
    pub fn finish(&self, limit: Duration) {
        self.0.state.finish.store(true, Ordering::SeqCst);
        self.wake();
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(access_log.to = %self.0.options.to, "the last lines of the access log could not be written in time");
        }
    }

    /// Has the thread look up; a full queue keeps it awake anyway.
    fn wake(&self) {
        let _ = self.0.batches.try_send(Batch::default());
    }
}

impl AccessLogTarget {
    fn open(&self) -> io::Result<File> {
        match self {
            Self::File(path) => {
                use std::os::unix::fs::OpenOptionsExt;
                std::fs::OpenOptions::new().append(true).create(true).mode(0o640).open(path)
            }
            Self::Stdout => {
                use std::os::fd::AsFd;
                Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
            }
        }
    }
}

impl fmt::Display for AccessLogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stdout => f.write_str("on standard output"),
        }
    }
}

impl fmt::Debug for AccessLogOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLogOptions").field("to", &self.to).field("format", &self.format).finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AccessLog").field(&self.0.options.to).finish()
    }
}

/// Batches that wait to be written: 4 MiB, which a disk that hesitates for a moment needs at 20,000 requests a second.
const QUEUE: usize = 64;
