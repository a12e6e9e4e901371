//! Other programs, started beside Portward and ended with the value that holds them.

use std::{
    net::{TcpListener, UdpSocket},
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

/// Is a running program of somebody else; dropping it ends it.
pub struct Child(std::process::Child);

impl Child {
    /// Starts a program with its output sent to nowhere.
    pub fn start(command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{shown} does not start: {error}")))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Is a running program with those that it starts in turn; dropping it kills all of them at once.
pub struct ChildGroup(Child);

impl ChildGroup {
    /// Starts a program in a group of its own, with its output sent to nowhere.
    pub fn start(command: &mut Command) -> Self {
        Self(Child::start(command.process_group(0)))
    }

    /// The process id of the program, which is the group's too.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for ChildGroup {
    fn drop(&mut self) {
        // Nobody is left of it if all have ended.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.id())]).output();
    }
}

/// Runs a program to its end and fails the test if it fails; its standard output is given back.
pub fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{shown} ended with {status}\n{stdout}\n{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// A port that was free a moment ago, for programs that cannot be given port 0.
///
/// It is none of those that the system gives away, so that no connection and no other program takes it meanwhile.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different ones.
    let begin = u16::try_from(std::process::id() * 61 % u32::from(PORTS)).unwrap();
    (0..PORTS)
        .map(|_| FIRST_PORT + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % PORTS) % PORTS)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// Linux gives away those from 32768 on.
const FIRST_PORT: u16 = 12_000;
const PORTS: u16 = 20_000;
