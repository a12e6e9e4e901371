//! gRPC through the program as it is without it: grpc's own library asks and answers, over HTTP/2 from end to end.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use portward_testkit::{Program, run};

use crate::python::{Serving, program, script};

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
        let app = serve(&certificate, &key);
        ask(app.port, &certificate)
    };
    let app = serve(&certificate, &key);
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
    run(Command::new(python()).arg(script("grpc/interop.py")).args(["ask", &port.to_string()]).arg(authority))
}

/// Starts grpc's own server.
fn serve(certificate: &Path, key: &Path) -> Serving {
    Serving::start(&python(), &script("grpc/interop.py"), [certificate, key])
}

/// Python with grpc's library.
fn python() -> PathBuf {
    program("grpc", &["grpcio==1.*"], "python")
}
