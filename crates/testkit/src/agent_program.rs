//! The program `portward-agent` itself, run as an operator runs it.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::{Machine, program::built};

/// Is an agent with a data directory, a policy and files of its own.
pub struct AgentProgram {
    directory: tempfile::TempDir,
    /// What comes before the program: how its machine is entered.
    entered: Vec<String>,
}

/// Is an agent that runs; dropping it kills it, as by `kill -9`.
pub struct StartedAgent {
    child: std::process::Child,
    log: PathBuf,
}

impl AgentProgram {
    /// One that has no identity yet, trusts nobody, and has no policy.
    pub fn new() -> Self {
        // A policy counts only if nobody else can lead the agent to another one.
        let directory = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        Self { directory, entered: Vec::new() }
    }

    /// The same on another machine.
    pub fn on(machine: &Machine) -> Self {
        let command = machine.command(built(NAME));
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let mut entered: Vec<String> = words.map(|word| word.to_str().unwrap().to_owned()).collect();
        entered.pop();
        Self { entered, ..Self::new() }
    }

    /// A path beside its data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same as a text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The directory of its files.
    pub fn files(&self) -> &Path {
        self.directory.path()
    }

    /// Its data directory.
    pub fn data_directory(&self) -> PathBuf {
        self.path("data")
    }

    /// Writes its policy.
    pub fn write_policy(&self, text: &str) {
        let directory = self.path("etc");
        fs::create_dir_all(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        let policy = self.policy();
        fs::write(&policy, text).unwrap();
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Where its policy is.
    pub fn policy(&self) -> PathBuf {
        self.path("etc/policy.toml")
    }

    /// A `portward-agent` command on its data directory, not yet run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = built(NAME);
        let mut command = match self.entered.split_first() {
            None => Command::new(program),
            Some((enter, rest)) => {
                let mut command = Command::new(enter);
                command.args(rest).arg(program);
                command
            }
        };
        command
            .args(arguments)
            .env("PORTWARD_AGENT_DATA_DIR", self.data_directory())
            .env("PORTWARD_AGENT_POLICY", self.policy())
            .current_dir(self.files())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command, which must succeed, and gives its standard output.
    pub fn portward_agent(&self, arguments: &[&str]) -> String {
        crate::run(&mut self.command(arguments))
    }

    /// Runs a command that must fail, and gives its exit code and what it said.
    pub fn portward_agent_fails(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stderr, .. } = self.command(arguments).output().unwrap();
        assert!(!status.success(), "portward-agent {arguments:?} succeeded");
        (status.code().unwrap(), String::from_utf8_lossy(&stderr).into_owned())
    }

    /// Starts `portward-agent run` with these arguments, and waits for `ready`.
    pub fn start(&self, arguments: &[&str]) -> StartedAgent {
        Self::until_ready(self.start_unready(arguments))
    }

    /// The same, logging what that filter lets through.
    pub fn start_logging(&self, arguments: &[&str], filter: &str) -> StartedAgent {
        Self::until_ready(self.spawn(arguments, filter))
    }

    /// Starts it, and waits for nothing.
    pub fn start_unready(&self, arguments: &[&str]) -> StartedAgent {
        self.spawn(arguments, "info,portward_agent=debug")
    }

    fn until_ready(mut started: StartedAgent) -> StartedAgent {
        let mut line = String::new();
        BufReader::new(started.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{}", started.log());
        started
    }

    fn spawn(&self, arguments: &[&str], filter: &str) -> StartedAgent {
        let log = self.path("log");
        let file = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&[&["run"], arguments].concat());
        command.env("PORTWARD_LOG", filter).stdout(Stdio::piped()).stderr(file);
        StartedAgent { child: command.spawn().unwrap(), log }
    }
}

impl Default for AgentProgram {
    fn default() -> Self {
        Self::new()
    }
}

impl StartedAgent {
    /// What it and those before it have logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for StartedAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const NAME: &str = "portward-agent";
