//! WebSockets through the program are as without it: a fuzzing client asks in every way that is right and wrong, over
//! HTTP/1.1 in the clear and with TLS, and as streams of one HTTP/2 connection (RFC 8441).

use std::{path::PathBuf, process::Command};

use portward_testkit::{Program, run};

use crate::python::{Serving, program, script};

#[test]
fn every_case_comes_out_as_it_does_directly() {
    // The echo server of a library.
    let app = Serving::start(&python(), &script("websocket/cases.py"), [""; 0]);
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
    run(Command::new(python()).arg(script("websocket/cases.py")).args(["ask", way, &port.to_string(), "chat.test"]))
}

/// Python with a library of WebSockets, and one of HTTP/2.
fn python() -> PathBuf {
    program("websocket", &["websockets>=15", "h2==4.*"], "python")
}
