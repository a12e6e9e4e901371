//! WebSockets through the program are as without it: a fuzzing client asks in every way that is right and wrong, over
//! HTTP/1.1 in the clear and with TLS, and as streams of one HTTP/2 connection (RFC 8441).

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use portward_testkit::{Program, run};

#[test]
fn every_case_comes_out_as_it_does_directly() {
    let app = App::start();
    let server = Program::new().start();
    server.portward(&["site", "add", "chat.test", "--upstream", &format!("http://127.0.0.1:{}", app.port)]);
    let direct = ask("tcp", app.port);
    assert_eq!(direct.lines().count(), 228, "{direct}");
    assert!(!direct.contains("nothing more"), "{direct}");
    for (way, port) in [("tcp", server.http.port()), ("tls", server.https.port()), ("h2", server.https.port())] {
        let through = ask(way, port);
        for (through, direct) in through.lines().zip(direct.lines()) {
            assert_eq!(through, direct, "{way}");
        }
        assert_eq!(through.lines().count(), direct.lines().count(), "{way}");
    }
    let (code, log) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked"), "{log}");
}

/// Asks all cases, and gives what came back.
fn ask(way: &str, port: u16) -> String {
    run(Command::new(python()).arg(script()).args(["ask", way, &port.to_string(), "chat.test"]))
}

/// Is the echo server of a library, which ends with its standard input.
struct App {
    child: std::process::Child,
    port: u16,
}

impl App {
    fn start() -> Self {
        let mut child = Command::new(python())
            .arg(script())
            .arg("serve")
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
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/websocket/cases.py")
}

/// Python with the libraries, in an environment of its own, installed once below the target directory.
fn python() -> PathBuf {
    let environment = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("websocket");
    let ready = environment.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "websockets>=15", "h2==4.*"]));
        std::fs::write(ready, "").unwrap();
    }
    environment.join("bin/python")
}
