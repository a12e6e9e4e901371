//! How commands reach the agent that runs on a directory: a Unix socket in it, a line of JSON each way.
//!
//! Commands change the files and have them read again; the agent answers when what they say counts.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream as BlockingStream},
    sync::Arc,
    time::Duration,
};

use portward_core::Thumbprint;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::{DataDirectory, StatusView, shared::Shared};

/// Is what a command asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    /// The files have changed.
    Reread,
    /// How it is.
    Status,
    /// Which SHA-256 a certificate has that was seen, by its SHA-1.
    Seen(String),
}

/// Is what an agent answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Done,
    Status(Box<StatusView>),
    Seen(Option<String>),
    Failed(String),
}

/// Says why a running agent does not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// It cannot be asked.
    #[error("the agent that runs on {data_dir} does not answer; restart it if it hangs")]
    Io {
        /// Where.
        data_dir: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says why it did not do it.
    #[error("what was changed is stored, but the running agent did not take it: {0}")]
    Failed(String),
    /// Its answer makes no sense.
    #[error("the running agent answered something else; it may be of another version: restart it")]
    Other,
}

/// Takes the socket; whoever had it has let go of the directory.
pub(crate) fn listen(directory: &DataDirectory) -> io::Result<UnixListener> {
    let (path, _held) = directory.short_socket()?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers commands; never ends.
pub(crate) async fn run(shared: Arc<Shared>, listener: UnixListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    if let Err(error) = timeout(PATIENCE, answer(&shared, stream)).await.unwrap_or(Ok(())) {
                        tracing::debug!(error = &error as &dyn std::error::Error, "a command was not answered");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a command cannot be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(shared: &Arc<Shared>, stream: UnixStream) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(reading.take(MOST)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(Request::Reread) => match shared.reread().await {
            Ok(()) => Answer::Done,
            Err(error) => Answer::Failed(error.to_string()),
        },
        Ok(Request::Status) => Answer::Status(Box::new(StatusView::of_running(shared))),
        Ok(Request::Seen(sha1)) => Answer::Seen(shared.links.seen(&sha1).map(|thumbprint| thumbprint.to_string())),
        Err(error) => Answer::Failed(error.to_string()),
    };
    let mut json = serde_json::to_vec(&answer)?;
    json.push(b'\n');
    writing.write_all(&json).await?;
    writing.shutdown().await
}

/// Has a running agent take what was changed; gives whether there is one.
pub(crate) fn tell(directory: &DataDirectory) -> Result<bool, ControlError> {
    match ask(directory, &Request::Reread)? {
        None => Ok(false),
        Some(Answer::Done) => Ok(true),
        Some(Answer::Failed(reason)) => Err(ControlError::Failed(reason)),
        Some(_) => Err(ControlError::Other),
    }
}

/// How the running agent is, if one runs.
pub(crate) fn status(directory: &DataDirectory) -> Result<Option<StatusView>, ControlError> {
    match ask(directory, &Request::Status)? {
        None => Ok(None),
        Some(Answer::Status(status)) => Ok(Some(*status)),
        Some(_) => Err(ControlError::Other),
    }
}

/// The SHA-256 of a certificate that the running agent has seen, by its SHA-1.
pub(crate) fn seen(directory: &DataDirectory, sha1: &str) -> Option<Thumbprint> {
    match ask(directory, &Request::Seen(sha1.to_owned())) {
        Ok(Some(Answer::Seen(Some(thumbprint)))) => Thumbprint::parse(&thumbprint).ok(),
        _ => None,
    }
}

fn ask(directory: &DataDirectory, request: &Request) -> Result<Option<Answer>, ControlError> {
    let failed = |source| ControlError::Io { data_dir: directory.path().display().to_string(), source };
    let (path, _held) = directory.short_socket().map_err(failed)?;
    let mut stream = match BlockingStream::connect(path) {
        Ok(stream) => stream,
        // A socket that nobody listens at was left by an agent that was killed.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut exchange = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut json = serde_json::to_vec(request)?;
        json.push(b'\n');
        stream.write_all(&json)?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(line)
    };
    let line: String = exchange().map_err(failed)?;
    serde_json::from_str(&line).map(Some).map_err(|_| ControlError::Other)
}

const PATIENCE: Duration = Duration::from_secs(10);
const MOST: u64 = 4096;
