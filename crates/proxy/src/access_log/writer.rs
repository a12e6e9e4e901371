//! The thread that writes: the one place where an access log waits for a disk.

use std::{
    fs::File,
    io::{self, Write},
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    time::Duration,
};

use tokio::time::Instant;

use super::{AccessLogTarget, State, batch::Batch};

/// Writes batches in the order in which they come.
pub(super) struct Writer {
    to: AccessLogTarget,
    file: File,
    state: Arc<State>,
    /// Whether the last write ended within a line.
    torn: bool,
    /// When it was last said that writing fails.
    said: Option<Instant>,
}

impl Writer {
    pub(super) fn new(to: AccessLogTarget, file: File, state: Arc<State>) -> Self {
        Self { to, file, state, torn: false, said: None }
    }

    /// Writes until nobody is left who hands over, or until it is to finish and the queue is empty.
    pub(super) fn run(mut self, incoming: &Receiver<Batch>) {
        while let Ok(batch) = incoming.recv() {
            self.take(batch);
            if self.state.finish.load(Ordering::SeqCst) {
                incoming.try_iter().for_each(|batch| self.take(batch));
                return;
            }
        }
    }

    fn take(&mut self, mut batch: Batch) {
        if self.state.reopen.swap(false, Ordering::SeqCst) {
            self.reopen();
        }
        if batch.lines == 0 {
            return;
        }
        match self.write(&batch.bytes) {
            Ok(()) => {
                self.state.written.fetch_add(batch.lines, Ordering::Relaxed);
            }
            Err(error) => {
                let dropped = self.state.dropped.fetch_add(batch.lines, Ordering::Relaxed) + batch.lines;
                if self.said.is_none_or(|said| said.elapsed() >= PAUSE) {
                    self.said = Some(Instant::now());
                    tracing::warn!(
                        access_log.to = %self.to,
                        access_log.dropped = dropped,
                        %error,
                        "lines of the access log are dropped: they cannot be written"
                    );
                }
            }
        }
        batch.bytes.clear();
        *self.state.spare() = batch.bytes;
    }

    /// A line that a full disk has cut is ended first, so that no two become one.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.torn = bytes[written - 1] != b'\n';
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn reopen(&mut self) {
        if self.to == AccessLogTarget::Stdout {
            return;
        }
        match self.to.open() {
            Ok(file) => {
                (self.file, self.torn) = (file, false);
                tracing::info!(access_log.to = %self.to, "the access log was opened anew");
            }
            Err(error) => tracing::error!(
                access_log.to = %self.to,
                %error,
                "the access log cannot be opened anew; the file that was open is written on"
            ),
        }
    }
}

/// As for lines that come too fast.
const PAUSE: Duration = Duration::from_secs(60);
