//! Real programs, each on a port of its own, ended with all that they started.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use portward_core::Thumbprint;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::machine::Machine;

/// Is a program with its children; dropping it ends all of them.
pub(crate) struct Running {
    child: std::process::Child,
    shown: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let shown = format!("{command:?}");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{shown} does not start: {error}")), shown }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it serves something.
    pub(crate) async fn serves(mut self, port: u16) -> Self {
        let begun = Instant::now();
        while served(port).is_none() {
            assert!(self.child.try_wait().unwrap().is_none(), "{} ended", self.shown);
            assert!(begun.elapsed() < Duration::from_secs(60), "{} serves nothing", self.shown);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The leaf that OpenSSL is shown for `shop.test`.
pub(crate) fn served(port: u16) -> Option<Thumbprint> {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "shop.test"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let begin = text.find("-----BEGIN CERTIFICATE-----")?;
    let leaf: String = text[begin..].lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
    let der = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, leaf).unwrap();
    Some(Thumbprint::of(&der))
}

/// Waits until nobody is shown anything else: while a program changes over, some of its processes serve the old one.
pub(crate) async fn settles(port: u16, thumbprint: Thumbprint) {
    let begun = Instant::now();
    let mut in_a_row = 0;
    while in_a_row < 8 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{thumbprint} is not served");
        in_a_row = if served(port) == Some(thumbprint) { in_a_row + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Output {
    let shown = format!("{command:?}");
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{shown} does not start: {error}"))
}

/// A port that was free a moment ago, and is none of those that the system gives away.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() * 61 % 20_000).unwrap();
    (0..20_000)
        .map(|_| 12_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed) % 20_000) % 20_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .unwrap()
}

/// nginx with the two files `tls/site.pem` and `tls/site.key`.
pub(crate) struct Nginx {
    pub(crate) port: u16,
    configuration: String,
}

impl Nginx {
    pub(crate) fn on(machine: &Machine) -> Self {
        let nginx = Self { port: free_port(), configuration: machine.text("nginx.conf") };
        nginx.configure(machine, "");
        nginx
    }

    /// Writes its configuration, with something more.
    pub(crate) fn configure(&self, machine: &Machine, more: &str) {
        let root = machine.root().display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {root}/nginx-{what};\n"))
            .concat();
        let text = format!(
            "daemon off;\npid {root}/nginx.pid;\nerror_log {root}/nginx.log;\n{more}\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             server {{\nlisten 127.0.0.1:{port} ssl;\nserver_name shop.test;\nssl_certificate {root}/tls/site.pem;\n\
             ssl_certificate_key {root}/tls/site.key;\nlocation / {{ return 204; }}\n}}\n}}\n",
            port = self.port
        );
        std::fs::write(&self.configuration, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Vec<String> {
        let log = self.configuration.replace("nginx.conf", "nginx.log");
        let fixed = [NGINX, "-e", &log, "-c", &self.configuration];
        fixed.iter().chain(arguments).map(|part| (*part).to_owned()).collect()
    }

    /// The profile `nginx`.
    pub(crate) fn profile(&self) -> String {
        format!("[profile.nginx]\ntest = {:?}\nreload = {:?}\n", self.command(&["-t"]), self.command(&["-s", "reload"]))
    }

    pub(crate) async fn start(&self) -> Running {
        Running::start(Command::new(NGINX).args(&self.command(&[])[1..])).serves(self.port).await
    }
}

const NGINX: &str = "/usr/sbin/nginx";
