//! Runs the program and looks at what came of it.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

/// Is what a run of the program left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The program, in that directory, with nothing in its environment but the data directory there.
pub(crate) fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portward"));
    command.env_clear().env("PORTWARD_DATA_DIR", directory).current_dir(directory);
    command
}

/// Runs it with these words, and nothing on stdin.
pub(crate) fn run(directory: &Path, words: &[impl AsRef<OsStr>]) -> Ran {
    run_with(program(directory).args(words), "")
}

/// Runs a command with that on stdin.
pub(crate) fn run_with(command: &mut Command, stdin: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that does not read its stdin may have gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    Ran::from(child.wait_with_output().unwrap())
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
