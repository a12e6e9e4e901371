//! Machines beside that of the test: each a network of its own, and cables between them.

use std::process::Command;

use crate::{Child, run};

/// Is a machine with a network of its own, inside that of a test ([`crate::in_network_of_its_own`]); dropping it ends it.
///
/// It shares the files of the test's machine, and nothing else: what listens there is reached by a cable alone.
pub struct Machine {
    /// Keeps the network there; what runs on the machine joins it.
    keeper: Child,
}

impl Machine {
    /// Makes one with a cable to this machine: `here` and `there` are the addresses at its ends, as in `10.7.0.1`.
    pub fn beside(here: &str, there: &str) -> Self {
        let keeper = Child::start(Command::new("unshare").args(["--net", "sh", "-c", "exec sleep 3600"]));
        let machine = Self { keeper };
        let own = run(Command::new("readlink").arg("/proc/self/ns/net"));
        // `unshare` has made it when the process is in another one than this.
        let is_made = || {
            let theirs = Command::new("readlink").arg(format!("/proc/{}/ns/net", machine.keeper.id())).output();
            theirs.is_ok_and(|output| output.status.success() && output.stdout != own.as_bytes())
        };
        while !is_made() {
            std::thread::yield_now();
        }
        machine.shell("ip link set lo up");
        cable(None, here, &machine, there);
        machine
    }

    /// Lays a cable to another machine, with these addresses at its ends.
    pub fn cable_to(&self, other: &Self, here: &str, there: &str) {
        cable(Some(self), here, other, there);
    }

    /// A program on this machine, not yet started. It is the process itself, so that it ends when it is killed.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.keeper.id())).arg(program);
        command
    }

    fn shell(&self, line: &str) {
        run(self.command("sh").args(["-ec", line]));
    }
}

/// Lays a cable from a machine, or from that of the test.
fn cable(from: Option<&Machine>, here: &str, to: &Machine, there: &str) {
    let name = |address: &str| format!("c{}", address.replace('.', "-"));
    let (one, other) = (name(here), name(there));
    let lay = format!("ip link add {one} type veth peer name {other} netns {}", to.keeper.id());
    let plug = |name: &str, address: &str| format!("ip addr add {address}/24 dev {name}; ip link set {name} up");
    let near = format!("{lay}; {}", plug(&one, here));
    match from {
        Some(machine) => machine.shell(&near),
        None => drop(run(Command::new("sh").args(["-ec", &near]))),
    }
    to.shell(&plug(&other, there));
}
