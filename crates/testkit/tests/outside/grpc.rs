//! gRPC through the program as it is without it: grpc's own library asks and answers, over HTTP/2 from end to end.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use portward_testkit::{Program, run};

#[test]
fn every_case_of_interop_comes_out_as_it_does_directly() {
    let server = Program::new().start();
    let (certificate, key) = (server.files().join("grpc.pem"), server.files().join("grpc.key"));
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=grpc.test", "-addext", "subjectAltName=DNS:grpc.test,IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate));
    // Counts are of one server's life, so that each way has a server of its own.
    let direct = {
        let app = App::start(&certificate, &key);
        ask(app.port, &certificate)
    };
    let app = App::start(&certificate, &key);
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    server.portward(&["certificate", "import", &path(&certificate), &path(&key)]);
    let upstream = format!("https://127.0.0.1:{}", app.port);
    // openssl makes an authority of it, which no server may be for who looks at authorities.
    let fingerprint =
        Command::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&certificate).output();
    let fingerprint = String::from_utf8(fingerprint.unwrap().stdout).unwrap();
    let pin = fingerprint.trim().split_once('=').unwrap().1;
    server.portward(&["site", "add", "grpc.test", "--upstream", &upstream, "--upstream-pin", pin]);
    let through = ask(server.https.port(), &certificate);
    assert_eq!(through, direct);
    assert_eq!(direct.lines().count(), 18, "{direct}");
    assert!(!direct.contains("failed: "), "{direct}");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked") && !log.contains("request failed"), "{log}");
}

/// Runs all cases against a port, and gives what came of them.
fn ask(port: u16, authority: &Path) -> String {
    run(Command::new(python()).arg(script()).args(["ask", &port.to_string()]).arg(authority))
}

/// Is grpc's own server, which ends with its standard input.
struct App {
    child: std::process::Child,
    port: u16,
}

impl App {
    fn start(certificate: &Path, key: &Path) -> Self {
        let mut child = Command::new(python())
            .arg(script())
            .arg("serve")
            .args([certificate, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap();
        Self { child, port }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/grpc/interop.py")
}

/// Python with grpc's library, in an environment of its own, installed once below the target directory.
fn python() -> PathBuf {
    let environment = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("grpc");
    let ready = environment.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "grpcio==1.*"]));
        std::fs::write(ready, "").unwrap();
    }
    environment.join("bin/python")
}
