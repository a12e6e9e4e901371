//! The program `portward` itself, run as an operator runs it.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::JoinHandle,
};

/// Builds the command line of `portward serve` on a data directory of its own.
pub struct Program {
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    log_filter: String,
    user: User,
}

/// Says as whom the program runs.
#[derive(Clone, Copy, PartialEq)]
enum User {
    Same,
    Nobody,
}

/// Is a running server; dropping it ends the process.
pub struct StartedProgram {
    directory: tempfile::TempDir,
    child: std::process::Child,
    stderr: Option<JoinHandle<String>>,
    /// The line that it printed when everything was bound.
    pub ready: String,
    /// What it bound for plain HTTP.
    pub http: SocketAddr,
    /// What it bound for HTTPS.
    pub https: SocketAddr,
    /// The loopback admin listener.
    pub admin: SocketAddr,
}

impl Program {
    /// One http and one https binding on loopback.
    pub fn new() -> Self {
        let arguments =
            ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0"].map(str::to_owned).to_vec();
        Self { directory: tempfile::tempdir().unwrap(), arguments, log_filter: "info".to_owned(), user: User::Same }
    }

    /// The same at ports that somebody else is told of beforehand.
    pub fn new_on(http: u16, https: u16) -> Self {
        let (http, https) = (format!("127.0.0.1:{http}"), format!("127.0.0.1:{https}"));
        let arguments = ["--http", &http, "--https", &https, "--admin", "127.0.0.1:0"].map(str::to_owned).to_vec();
        Self { arguments, ..Self::new() }
    }

    /// Runs it without any privilege: as nobody if the test runs as root, else as the test's user.
    #[must_use]
    pub fn as_nobody(mut self) -> Self {
        self.user = User::Nobody;
        self
    }

    /// Adds arguments to `portward serve`.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Sets which events are logged.
    #[must_use]
    pub fn with_log(mut self, filter: &str) -> Self {
        filter.clone_into(&mut self.log_filter);
        self
    }

    /// Starts it and waits for `ready`.
    pub fn start(self) -> StartedProgram {
        let data = self.directory.path().join("data");
        let mut child = self
            .program()
            .arg("serve")
            .arg("--data-dir")
            .arg(&data)
            .args(&self.arguments)
            .env("PORTWARD_LOG", &self.log_filter)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        if !ready.starts_with("ready ") {
            let _ = child.kill();
            let _ = child.wait();
            panic!("portward serve printed {ready:?} instead of ready:\n{}", stderr.join().unwrap());
        }
        let address = |prefix: &str| -> SocketAddr {
            let url = ready
                .split_whitespace()
                .find_map(|word| word.strip_prefix(prefix))
                .unwrap_or_else(|| panic!("{ready}"));
            url.trim_end_matches('/').parse().unwrap()
        };
        let admin: SocketAddr = ready
            .split_whitespace()
            .skip_while(|word| *word != "admin")
            .nth(1)
            .and_then(|url| url.strip_prefix("http://"))
            .and_then(|address| address.trim_end_matches('/').parse().ok())
            .unwrap_or_else(|| panic!("{ready}"));
        let (http, https) = (address("http://"), address("https://"));
        StartedProgram { directory: self.directory, child, stderr: Some(stderr), ready, http, https, admin }
    }
}

impl Program {
    fn program(&self) -> Command {
        if self.user == User::Same || crate::run(Command::new("id").arg("-u")).trim() != "0" {
            return Command::new(executable());
        }
        // A copy that nobody can reach, and a directory that is nobody's.
        let copy = self.directory.path().join("portward");
        std::fs::copy(executable(), &copy).unwrap();
        crate::run(Command::new("chown").arg("-R").arg(NOBODY).arg(self.directory.path()));
        let mut command = Command::new("setpriv");
        command
            .args([&format!("--reuid={NOBODY}"), "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"])
            .arg(copy);
        command
    }
}

impl Default for Program {
    fn default() -> Self {
        Self::new()
    }
}

impl StartedProgram {
    /// Its data directory.
    pub fn data_directory(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory for the files of the test, beside the data directory.
    pub fn files(&self) -> &Path {
        self.directory.path()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A `portward` command against this server, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable());
        command.args(arguments).env("PORTWARD_DATA_DIR", self.data_directory()).current_dir(self.files());
        command
    }

    /// Runs a `portward` command, which must succeed, and gives its standard output.
    pub fn portward(&self, arguments: &[&str]) -> String {
        crate::run(&mut self.command(arguments))
    }

    /// Runs a `portward` command that must fail, and gives its exit code and what it said.
    pub fn portward_fails(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stderr, .. } = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(!status.success(), "portward {arguments:?} succeeded");
        (status.code().unwrap(), String::from_utf8_lossy(&stderr).into_owned())
    }

    /// Resident memory of the process, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Asks it to end, waits for it, and gives its exit code and everything that it logged.
    pub fn stop(mut self) -> (Option<i32>, String) {
        crate::run(Command::new("kill").arg(self.id().to_string()));
        let status = self.child.wait().unwrap();
        (status.code(), self.stderr.take().unwrap().join().unwrap())
    }
}

impl Drop for StartedProgram {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program beside the test that runs: `target/debug/portward` for `target/debug/deps/outside-…`.
fn executable() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("portward");
    assert!(path.exists(), "{} is not built; `make test` builds it", path.display());
    path
}

/// The user and group id of nobody on Debian.
const NOBODY: &str = "65534";
