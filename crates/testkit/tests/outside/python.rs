//! Programs in Python: libraries in environments of their own, and servers that are scripts.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use portward_testkit::run;

/// A program of the environment of that name, installed once below the target directory with those packages.
pub(crate) fn program(environment: &str, packages: &[&str], program: &str) -> PathBuf {
    let environment = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join(environment);
    // Written last, so that an installation that was broken off is begun again.
    let ready = environment.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        run(Command::new(environment.join("bin/pip")).args(["install", "--quiet"]).args(packages));
        fs::write(ready, "").unwrap();
    }
    environment.join("bin").join(program)
}

/// A script below `tests/outside`.
pub(crate) fn script(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside").join(path)
}

/// Is a script that serves: it prints its port first, and ends with its standard input.
pub(crate) struct Serving {
    child: Child,
    pub(crate) port: u16,
}

impl Serving {
    /// Starts it and waits for its port.
    pub(crate) fn start<A: AsRef<OsStr>>(python: &Path, script: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(python);
        command.arg(script).arg("serve").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
