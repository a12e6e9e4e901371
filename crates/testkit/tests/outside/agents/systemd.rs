//! The agent as systemd runs it: the unit that it installs, on a machine that has its own systemd and nothing else.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use portward_testkit::{AgentProgram, Authority, Program, StartedProgram, run};

use super::bench::{becomes_healthy, delivery, said, within_time};
use crate::imports::{import, now, write};

/// Is a machine that systemd runs, with the agent as `/opt/portward-agent`; dropping it ends the machine.
///
/// Processes, files and control groups are its own; the network is that of the test. It takes a root who may mount.
struct Booted {
    keeper: std::process::Child,
    first: u32,
    _directory: tempfile::TempDir,
}

impl Booted {
    fn boot() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (root, script) = (directory.path().join("root"), directory.path().join("boot.sh"));
        fs::create_dir(&root).unwrap();
        fs::write(&script, include_str!("systemd/boot.sh")).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let agent = PathBuf::from(AgentProgram::new().command(&[]).get_program());
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--uts", "--ipc", "--propagation", "private", "sh"])
            .args([&script, &root, &agent])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let first = line.strip_prefix("first ").and_then(|pid| pid.trim().parse().ok());
        let first = first.unwrap_or_else(|| {
            let _ = keeper.kill();
            let log = fs::read_to_string(directory.path().join("log")).unwrap();
            panic!("this test needs a root who may mount and make control groups: {line}{log}")
        });
        let booted = Self { keeper, first, _directory: directory };
        let is_up = within_time(Duration::from_secs(20), || {
            (booted.says(&["systemctl", "is-system-running"]).1.trim() == "running").then_some(())
        });
        assert!(is_up.is_some(), "{}", booted.says(&["systemctl", "--failed"]).1);
        booted
    }

    /// A program on this machine, not yet started.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first));
        command.args(["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd=/"]);
        command.args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]).args(words);
        command
    }

    /// Runs a program, which must succeed, and gives what it printed.
    fn run(&self, words: &[&str]) -> String {
        run(&mut self.command(words))
    }

    /// Runs one that may fail.
    fn says(&self, words: &[&str]) -> (i32, String) {
        said(&mut self.command(words))
    }

    /// A file of this machine, as this test can reach it.
    fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    /// The main process of the agent's unit, by its number there.
    fn agent(&self) -> u32 {
        self.run(&["systemctl", "show", "--value", "--property=MainPID", UNIT]).trim().parse().unwrap()
    }

    fn is_active(&self) -> bool {
        self.says(&["systemctl", "is-active", UNIT]).1.trim() == "active"
    }

    fn journal(&self) -> String {
        self.says(&["journalctl", "--no-pager", "--output=cat", "--unit", UNIT]).1
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // It ends the machine when nobody writes to it any more.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// What the machine serves with: something that systemd reloads, and something that another user is told of.
fn prepare(machine: &Booted) {
    machine.write(
        "/etc/portward-agent/policy.toml",
        "directories = [\"/srv/tls\", \"/home/web/tls\"]\n\
         [profile.web]\nreload = [\"/usr/bin/systemctl\", \"reload\", \"web.service\"]\n\
         [profile.other]\nuser = \"nobody\"\nreload = [\"/usr/bin/touch\", \"/srv/nobody/told\"]\n",
    );
    machine.write(
        "/etc/systemd/system/web.service",
        "[Service]\nExecStart=sleep infinity\nExecReload=cp /srv/tls/site.pem /srv/served.pem\n",
    );
    machine.run(&["systemctl", "daemon-reload"]);
    machine.run(&["systemctl", "start", "web.service"]);
    machine.run(&["install", "-d", "-o", "nobody", "-g", "nogroup", "/srv/nobody"]);
    machine.run(&["install", "-d", "/home/web/tls"]);
}

/// Delivers a certificate to two places of the policy: it is installed, and whoever uses it is told.
fn deliver(machine: &Booted, server: &StartedProgram) {
    let issued = Authority::new().issue(&["shop.test"], now());
    write(server, "shop.pem", &format!("{}{}", issued.key_pem, issued.chain_pem));
    import(server, &["shop.pem", "--name", "shop"]);
    let words = ["delivery", "add", "--agent", "web-03", "--certificate", "shop", "--format", "pem"];
    let web = ["--to", "/srv/tls/site.pem", "--to", "/srv/tls/site.key", "--reload", "web", "--id", "web"];
    let other = ["--to", "/home/web/tls/a.pem", "--to", "/home/web/tls/a.key", "--reload", "other", "--id", "other"];
    server.portward(&[&words[..], &web, &["--owner", "nobody", "--mode", "640"]].concat());
    server.portward(&[&words[..], &other].concat());
    for id in ["web", "other"] {
        let installed = within_time(Duration::from_secs(10), || {
            Some(delivery(server, id)).filter(|delivery| delivery["state"] == "installed")
        });
        assert!(installed.is_some(), "{:#}\n{}", delivery(server, id), machine.journal());
    }
    let served = fs::read_to_string(machine.path("/srv/served.pem")).unwrap();
    assert!(served.contains(issued.chain_pem.trim()), "{served}");
    let mode = |path: &str| machine.run(&["stat", "-L", "-c", "%a %U", path]).trim().to_owned();
    assert_eq!(mode("/srv/tls/site.key"), "640 nobody");
    assert_eq!(mode("/srv/nobody/told"), "600 nobody");
}

/// Of the unit alone, as everybody may ask systemd.
#[test]
fn systemd_knows_every_word_of_the_unit() {
    let agent = AgentProgram::new();
    let file = agent.path(UNIT);
    fs::write(&file, agent.portward_agent(&["service", "install", "--print"])).unwrap();
    // It looks at those that this one needs, too, and they are of the machine.
    let (_, text) = said(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file));
    assert!(!text.contains(UNIT), "{text}");
    fs::write(&file, "[Service]\nExecStart=/bin/true\nProtectSystems=no\n").unwrap();
    let (_, text) = said(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file));
    assert!(text.contains(UNIT) && text.contains("ProtectSystems"), "{text}");
}

/// Whether this user may make namespaces, mounts and control groups.
fn may_boot() -> bool {
    let line = "mount -t tmpfs t /mnt && mkdir /mnt/c && mount -t cgroup2 c /mnt/c && mkdir /mnt/c/portward-may-$$ && rmdir /mnt/c/portward-may-$$";
    let words =
        ["--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork", "--propagation", "private", "sh", "-ec", line];
    said(Command::new("unshare").args(words)).0 == 0
}

/// Who may not have a systemd of their own, as in a container without these rights, has the test of the unit.
#[test]
fn systemd_runs_the_agent_with_all_that_it_needs_and_starts_it_again() {
    if !may_boot() {
        return;
    }
    let server = Program::new().start();
    let machine = Booted::boot();
    prepare(&machine);

    // Nothing of what systemd reads is unknown to it.
    let installed = machine.run(&[AGENT, "service", "install"]);
    assert_eq!(installed, format!("Service installed: {FILE}\nStart it: portward-agent service start\n"));
    assert_eq!(machine.says(&["systemd-analyze", "verify", FILE]), (0, String::new()));
    assert_eq!(machine.run(&["systemctl", "is-enabled", UNIT]).trim(), "enabled");

    let line = server.portward(&["agent", "add", "web-03"]);
    machine.run(&[AGENT, "join", line.trim()]);
    assert_eq!(machine.run(&[AGENT, "service", "start"]), "Service started\n");
    becomes_healthy(&server, "web-03", Duration::from_secs(10));
    let begun = machine.journal();
    assert!(begun.lines().any(|line| line == "ready"), "{begun}");
    machine.run(&[AGENT, "livez"]);

    deliver(&machine, &server);

    // Killed, it is there again, and has what it had.
    let killed = machine.agent();
    machine.run(&["kill", "-KILL", &killed.to_string()]);
    let again = within_time(Duration::from_secs(15), || {
        let agent = machine.agent();
        (agent != 0 && agent != killed).then_some(())
    });
    assert!(again.is_some(), "{}", machine.says(&["systemctl", "status", UNIT]).1);
    becomes_healthy(&server, "web-03", Duration::from_secs(10));

    // Stopped, it is not; and it ended by itself.
    assert_eq!(machine.run(&[AGENT, "service", "stop"]), "Service stopped\n");
    let result = machine.run(&["systemctl", "show", "--property=ActiveState,Result", UNIT]);
    assert_eq!(result, "Result=success\nActiveState=inactive\n");

    // One that cannot start is not said to be started.
    let configuration = machine.path("/var/lib/portward-agent/agent.json");
    let before = std::fs::read(&configuration).unwrap();
    std::fs::write(&configuration, "{").unwrap();
    let (code, text) = machine.says(&[AGENT, "service", "start"]);
    assert!(code == 1 && text.contains("journalctl -u portward-agent.service"), "{code} {text}");
    std::fs::write(&configuration, before).unwrap();
    machine.run(&[AGENT, "service", "start"]);
    becomes_healthy(&server, "web-03", Duration::from_secs(10));
    assert_eq!(machine.run(&[AGENT, "service", "uninstall"]), "Service uninstalled\n");
    assert!(!machine.is_active() && !Path::new(&machine.path(FILE)).exists());
    assert_eq!(machine.run(&[AGENT, "service", "uninstall"]), "Service is not installed\n");
    let (code, text) = machine.says(&[AGENT, "service", "start"]);
    assert!(code == 1 && text.contains("install it: portward-agent service install"), "{text}");
}

const AGENT: &str = "/opt/portward-agent";
const UNIT: &str = "portward-agent.service";
const FILE: &str = "/etc/systemd/system/portward-agent.service";
