//! Runs the program and looks at what came of it.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use portward_agent::StatusView;
use portward_core::{Thumbprint, Timestamp};
use portward_link::Identity;
use tempfile::TempDir;

/// Is what a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Is a data directory of a test.
pub(crate) struct Home {
    directory: TempDir,
}

/// Is an agent that runs on one; it ends with the test.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a command on it.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, "")
    }

    pub(crate) fn run_with(&self, words: &[&str], stdin: &str) -> Ran {
        let mut child =
            self.command(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that does not read its stdin may have gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that has to be done.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran.stdout
    }

    /// Starts an agent that listens at a free port of loopback, and waits until it is ready.
    pub(crate) fn start(&self) -> Running {
        self.start_with(&["run", "--listen-address", "127.0.0.1", "--port", "0"])
    }

    pub(crate) fn start_with(&self, words: &[&str]) -> Running {
        let log = self.file("log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = self.command(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let running = Running { child, log };
        assert_eq!(line, "ready\n", "{}", running.log());
        running
    }

    pub(crate) fn status(&self) -> StatusView {
        serde_json::from_str(&self.run(&["status", "-o", "json"]).stdout).unwrap()
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::parse(&self.done(&["show-thumbprint"])).unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portward-agent"));
        command.env_clear().env("PORTWARD_AGENT_DATA_DIR", self.path()).current_dir(self.directory.path()).args(words);
        command
    }
}

impl Running {
    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A time that no test reads from a clock.
pub(crate) fn some_day() -> Timestamp {
    Timestamp::parse("2026-11-26T12:00:00Z").unwrap()
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity::new(name, some_day()).unwrap()
}

/// Waits until something holds.
pub(crate) async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} did not come about");
}

pub(crate) fn write(path: &Path, content: &[u8]) {
    std::fs::write(path, content).unwrap();
}
