//! The program `portward` itself, run as an operator runs it.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

/// Builds the command line of `portward serve` on a data directory of its own.
pub struct Program {
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    log_filter: String,
    user: User,
}

/// Is the process; dropping it ends it.
struct Process {
    child: Arc<Mutex<std::process::Child>>,
    id: u32,
}

/// Is what the process logs. A test that fails shows the end of it.
struct Log {
    text: Arc<Mutex<String>>,
    /// Ends with the process.
    reading: Option<JoinHandle<()>>,
}

/// Is the text in the log at which the process is killed.
type Trap = Arc<Mutex<Option<String>>>;

/// Says as whom the program runs.
#[derive(Clone, Copy, PartialEq)]
enum User {
    Same,
    Nobody,
}

/// Is a running server; dropping it ends the process.
pub struct StartedProgram {
    program: Program,
    process: Process,
    trap: Trap,
    log: Log,
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
        Self::new_at(([127, 0, 0, 1], http).into(), ([127, 0, 0, 1], https).into())
    }

    /// The same at those addresses.
    pub fn new_at(http: SocketAddr, https: SocketAddr) -> Self {
        let (http, https) = (http.to_string(), https.to_string());
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

    /// The directory in which its data directory will be, as `data`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The program itself, for whoever is to start it in another way.
    pub fn executable(&self) -> PathBuf {
        executable()
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
        let (output, errors, id) = (child.stdout.take().unwrap(), child.stderr.take().unwrap(), child.id());
        let (process, trap) = (Process { child: Arc::new(Mutex::new(child)), id }, Trap::default());
        let (killed, sprung) = (Arc::clone(&process.child), Arc::clone(&trap));
        let text = Arc::<Mutex<String>>::default();
        let read = Arc::clone(&text);
        let reading = std::thread::spawn(move || {
            let mut lines = BufReader::new(errors);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                let shown = String::from_utf8_lossy(&line);
                let mut trap = held(&sprung);
                if trap.as_ref().is_some_and(|trap| shown.contains(trap)) {
                    let _ = held(&killed).kill();
                    *trap = None;
                }
                held(&read).push_str(&shown);
                line.clear();
            }
        });
        let mut log = Log { text, reading: Some(reading) };
        let mut ready = String::new();
        BufReader::new(output).read_line(&mut ready).unwrap();
        if !ready.starts_with("ready ") {
            drop(process);
            panic!("portward serve printed {ready:?} instead of ready:\n{}", log.whole());
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
        StartedProgram { program: self, process, trap, log, ready, http, https, admin }
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
        self.program.directory.path().join("data")
    }

    /// A directory for the files of the test, beside the data directory.
    pub fn files(&self) -> &Path {
        self.program.directory.path()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id
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

    /// Asks the API, on the admin socket, and gives the body of the answer, which must be a good one.
    pub fn api(&self, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
        let mut command = Command::new("curl");
        command.args(["-sS", "--fail-with-body", "-X", method, "--unix-socket"]);
        command.arg(self.data_directory().join("admin.sock"));
        if !body.is_null() {
            command.arg("--json").arg(body.to_string());
        }
        let answer = crate::run(command.arg(format!("http://localhost{path}")));
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// The same with a file as standard input.
    pub fn portward_reading(&self, arguments: &[&str], file: &Path) -> String {
        let Output { status, stdout, stderr } =
            self.command(arguments).stdin(std::fs::File::open(file).unwrap()).output().unwrap();
        assert!(status.success(), "portward {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
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

    /// What it has cost so far.
    pub fn cost(&self) -> Cost {
        Cost::of(self.id())
    }

    /// Asks it to end, waits for it, and gives its exit code and everything that it logged.
    pub fn stop(mut self) -> (Option<i32>, String) {
        crate::run(Command::new("kill").arg(self.id().to_string()));
        let status = held(&self.process.child).wait().unwrap();
        (status.code(), self.log.whole())
    }

    /// Has it killed, as by `kill -9`, as soon as a line of its log has that text.
    pub fn kill_at_log(&self, text: &str) {
        *held(&self.trap) = Some(text.to_owned());
    }

    /// Kills it now, as by `kill -9`.
    pub fn kill(&self) {
        let _ = held(&self.process.child).kill();
    }

    /// Kills it whenever it is called, from anywhere; of use as long as the server is there.
    pub fn killer(&self) -> Arc<dyn Fn() + Send + Sync> {
        let child = Arc::clone(&self.process.child);
        Arc::new(move || {
            let _ = held(&child).kill();
        })
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        held(&self.process.child).try_wait().unwrap().is_some()
    }

    /// Kills it, unless it has ended, and starts it anew with the same data, flags and ports.
    pub fn start_again(self) -> Self {
        let Self { program, process, .. } = self;
        drop(process);
        program.start()
    }
}

/// Is what a process has cost by now.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time of all its threads, in milliseconds.
    pub cpu_ms: u64,
    /// Resident memory, in KiB.
    pub memory_kib: u64,
}

impl Cost {
    /// Looks at a process of this machine.
    pub fn of(process: u32) -> Self {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The name in parentheses may have spaces; utime and stime are the 12th and 13th word behind it.
        let words: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = words[11..13].iter().map(|word| word.parse::<u64>().unwrap()).sum();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory_kib = line.trim().trim_end_matches(" kB").parse().unwrap();
        // Linux tells a hundred ticks a second to everybody (USER_HZ).
        Self { cpu_ms: ticks * 10, memory_kib }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = held(&self.child);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Log {
    /// Everything that the process has logged; it waits until the process has ended.
    fn whole(&mut self) -> String {
        self.reading.take().unwrap().join().unwrap();
        std::mem::take(&mut *held(&self.text))
    }
}

impl Drop for Log {
    #[allow(clippy::print_stdout, reason = "with the output of the test that fails")]
    fn drop(&mut self) {
        let text = held(&self.text);
        if std::thread::panicking() && !text.is_empty() {
            let lines: Vec<_> = text.lines().collect();
            println!("the server logged last:\n{}", lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"));
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn executable() -> PathBuf {
    built("portward")
}

/// A program beside the test that runs: `target/debug/portward` for `target/debug/deps/outside-…`.
pub(crate) fn built(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    // Tests lie one directory deeper than programs.
    let path = own.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.exists());
    let path = path.unwrap_or_else(|| own.with_file_name(name));
    assert!(path.exists(), "{} is not built; `make test` builds it", path.display());
    path
}

/// How much of its log a test shows that fails.
const SHOWN_LINES: usize = 100;
/// The user and group id of nobody on Debian.
const NOBODY: &str = "65534";
