//! A real client of a real application: git over HTTPS, with git's own server behind Portward.

use std::process::Command;

use portward_testkit::{Child, Program, free_port, run};

use crate::bodies::wait_for;

#[test]
fn git_clones_and_pushes_through_it() {
    let server = Program::new().start();
    let root = server.files();
    let git = |arguments: &[&str]| {
        run(Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@shop.test", "-c", "init.defaultBranch=main"])
            .args(["-c", "http.sslVerify=false"])
            .args(arguments)
            .current_dir(root)
            .env("GIT_TERMINAL_PROMPT", "0"))
    };
    git(&["init", "--bare", "repositories/shop.git"]);
    git(&["-C", "repositories/shop.git", "config", "http.receivepack", "true"]);
    git(&["init", "work"]);
    // Incompressible content that git sends as one large pack.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(8 << 20)
    .collect();
    std::fs::write(root.join("work/noise"), &noise).unwrap();
    git(&["-C", "work", "add", "noise"]);
    git(&["-C", "work", "commit", "-m", "noise"]);

    let port = free_port();
    std::fs::write(root.join("backend.py"), BACKEND).unwrap();
    let _backend = Child::start(
        Command::new("python3")
            .arg("backend.py")
            .arg(port.to_string())
            .current_dir(root)
            .env("GIT_PROJECT_ROOT", root.join("repositories")),
    );
    wait_for(port);
    server.portward(&["site", "add", "localhost", "--upstream", &format!("http://127.0.0.1:{port}")]);
    let url = format!("https://localhost:{}/cgi-bin/git/shop.git", server.https.port());
    git(&["-C", "work", "push", &url, "main"]);
    git(&["clone", &url, "clone"]);
    assert_eq!(std::fs::read(root.join("clone/noise")).unwrap(), noise);
}

/// Serves `git http-backend` by CGI; Python's own CGI server reads bodies by Content-Length alone, so chunks are joined here.
const BACKEND: &str = r#"
import http.server, os, subprocess, sys

class Backend(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self):
        body = self.body()
        path, _, query = self.path.partition("?")
        environment = dict(os.environ, GIT_HTTP_EXPORT_ALL="1", REQUEST_METHOD=self.command,
            PATH_INFO=path.removeprefix("/cgi-bin/git"), QUERY_STRING=query, REMOTE_ADDR="127.0.0.1", REMOTE_USER="test",
            CONTENT_TYPE=self.headers.get("Content-Type", ""), CONTENT_LENGTH=str(len(body)),
            HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""), GIT_PROTOCOL=self.headers.get("Git-Protocol", ""))
        output = subprocess.run(["git", "http-backend"], input=body, env=environment, stdout=subprocess.PIPE).stdout
        head, _, content = output.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self.send_response(status)
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *arguments):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend).serve_forever()
"#;
