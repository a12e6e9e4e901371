//! A program of the operator's that writes the records.

use std::{ffi::OsString, future::pending, path::PathBuf, process::Stdio, time::Duration};

use async_trait::async_trait;
use tokio::{
    io::AsyncReadExt,
    process::{ChildStderr, Command},
    time::timeout,
};

use super::{Given, Make, NotOpened, ProviderKind, ProviderSetting, said::one_line};
use crate::dns::{TxtError, TxtRecord, TxtWriter};

pub(super) const KIND: ProviderKind = ProviderKind {
    word: "exec",
    name: "a program",
    sentence: "Runs a program of yours for each record that is to be written or taken away; only an owner adds it.",
    settings: &[
        ProviderSetting::plain(PROGRAM, "The absolute path of the program."),
        ProviderSetting::or("timeout", "60", "Seconds after which the program is killed."),
    ],
    make: Make::Own(open),
};

fn open(given: &Given) -> Result<Box<dyn TxtWriter>, NotOpened> {
    let program = PathBuf::from(given.text(PROGRAM));
    if !program.is_absolute() {
        return Err(NotOpened::Setting { name: PROGRAM, expected: "an absolute path like /usr/local/bin/dns-hook" });
    }
    let seconds = given.text("timeout").parse().ok().filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
    let Some(seconds) = seconds else {
        return Err(NotOpened::Setting { name: "timeout", expected: "a number of seconds from 1 to 3600" });
    };
    Ok(Box::new(Program { program, within: Duration::from_secs(seconds) }))
}

struct Program {
    program: PathBuf,
    within: Duration,
}

#[async_trait]
impl TxtWriter for Program {
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.run("present", record).await
    }

    async fn remove(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.run("cleanup", record).await
    }
}

impl Program {
    async fn run(&self, action: &str, record: &TxtRecord) -> Result<(), TxtError> {
        let TxtRecord { zone, name, value } = record;
        let child = Command::new(&self.program)
            .args([action, name, value, zone])
            // The environment of the server may hold secrets that are none of the program's business.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_else(|| OsString::from(PATH)))
            .env("PORTWARD_DNS_ACTION", action)
            .env("PORTWARD_DNS_NAME", name)
            .env("PORTWARD_DNS_VALUE", value)
            .env("PORTWARD_DNS_ZONE", zone)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| self.failed(format!("it cannot be started: {error}")))?;
        let mut said = Said { pipe: child.stderr.take(), kept: Vec::new() };
        let ended = timeout(self.within, async {
            tokio::select! {
                ended = child.wait() => ended,
                // A program that closes its standard error may go on.
                ended = async { said.read().await; pending().await } => ended,
            }
        });
        let Ok(ended) = ended.await else {
            let _ = child.kill().await;
            return Err(self.failed(format!("it did not end within {} seconds, and was killed", self.within.as_secs())));
        };
        let status = ended.map_err(|error| self.failed(format!("its end cannot be waited for: {error}")))?;
        if status.success() {
            return Ok(());
        }
        // A process that it left behind may keep the pipe open.
        let _ = timeout(GRACE, said.read()).await;
        Err(self.failed(match said.last_lines().as_str() {
            "" => format!("it ended with {status}, and wrote nothing to standard error"),
            lines => format!("it ended with {status}: {lines}"),
        }))
    }

    fn failed(&self, why: String) -> TxtError {
        TxtError::Failed { provider: self.program.display().to_string(), why }
    }
}

/// Is the end of what a program wrote to its standard error.
struct Said {
    pipe: Option<ChildStderr>,
    kept: Vec<u8>,
}

impl Said {
    /// Reads until nobody writes any more; can be left off and gone on with.
    async fn read(&mut self) {
        let mut buffer = [0; KEPT];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer).await {
                Ok(length @ 1..) => {
                    self.kept.extend_from_slice(&buffer[..length]);
                    let surplus = self.kept.len().saturating_sub(KEPT);
                    self.kept.drain(..surplus);
                }
                _ => self.pipe = None,
            }
        }
    }

    fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        one_line(&lines[lines.len().saturating_sub(LINES)..].join(" / "))
    }
}

/// The setting that says which program it is.
pub(super) const PROGRAM: &str = "program";
const MAX_SECONDS: u64 = 3600;
/// What Debian's login gives, for servers that are started without any.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How long the rest of standard error may take after the program ended.
const GRACE: Duration = Duration::from_secs(1);
const KEPT: usize = 2048;
const LINES: usize = 5;

#[cfg(test)]
mod tests;
