//! Large bodies through the program: they arrive whole, and memory stays flat.

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use portward_testkit::{Child, Program, StartedProgram, free_port, run};

const TWO_GIB: u64 = 2 << 30;
/// What the process may grow by while a body goes through, in KiB.
const GROWTH_KIB: u64 = 32 << 10;

#[test]
fn two_gibibytes_go_up_and_down_in_flat_memory() {
    let server = Program::new().start();
    let (nginx, upstream) = start_nginx(&server);
    server.portward(&["site", "add", "files.test", "--upstream", &format!("http://{upstream}")]);
    // A sparse file is read as zeros; what counts is that each byte goes through.
    let file = std::fs::File::create(server.files().join("www/down")).unwrap();
    file.set_len(TWO_GIB).unwrap();
    for version in ["--http1.1", "--http2"] {
        let base = server.resident_kib();
        let down = while_watching(&server, base, || transfer(&server, version, &["--output", "/dev/null"], "down"));
        assert_eq!(down, TWO_GIB.to_string(), "{version}");
        let up = while_watching(&server, base, || {
            transfer(&server, version, &["--upload-file", "www/down", "--output", "/dev/null"], "up")
        });
        assert_eq!(up, "0", "the answer to an upload is empty: {version}");
        assert_eq!(std::fs::metadata(server.files().join("www/up")).unwrap().len(), TWO_GIB, "{version}");
        std::fs::remove_file(server.files().join("www/up")).unwrap();
    }
    drop(nginx);
}

/// Runs the transfer while the server's memory is watched.
fn while_watching(server: &StartedProgram, base: u64, transfer: impl FnOnce() -> String) -> String {
    let (done, peak) = (AtomicBool::new(false), AtomicU64::new(base));
    let answer = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(server.resident_kib(), Ordering::Relaxed);
                std::thread::park_timeout(std::time::Duration::from_millis(20));
            }
        });
        let answer = transfer();
        done.store(true, Ordering::Relaxed);
        answer
    });
    let grown = peak.load(Ordering::Relaxed).saturating_sub(base);
    assert!(grown < GROWTH_KIB, "memory grew by {grown} KiB");
    answer
}

/// Moves a file with curl and gives the number of bytes that came down.
fn transfer(server: &StartedProgram, version: &str, arguments: &[&str], path: &str) -> String {
    run(Command::new("curl")
        .args(["-sS", "--fail", "--insecure", version, "--write-out", "%{size_download}"])
        .args(["--resolve", &format!("files.test:{}:127.0.0.1", server.https.port())])
        .args(arguments)
        .arg(format!("https://files.test:{}/{path}", server.https.port()))
        .current_dir(server.files()))
}

fn start_nginx(server: &StartedProgram) -> (Child, String) {
    let root = server.files();
    std::fs::create_dir(root.join("www")).unwrap();
    std::fs::create_dir(root.join("tmp")).unwrap();
    let port = free_port();
    let text = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr; worker_processes 1; events {{ worker_connections 64; }}\n{}\nhttp {{ access_log off; sendfile on; client_max_body_size 0;
        client_body_temp_path tmp/body; proxy_temp_path tmp/proxy; fastcgi_temp_path tmp/fastcgi; uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;
        server {{ listen 127.0.0.1:{port}; root www; dav_methods PUT; }} }}",
        user()
    );
    std::fs::write(root.join("nginx.conf"), text).unwrap();
    let nginx = Child::start(
        Command::new("/usr/sbin/nginx")
            .arg("-p")
            .arg(root)
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stderr(Stdio::null()),
    );
    wait_for(port);
    (nginx, format!("127.0.0.1:{port}"))
}

/// nginx's workers must be able to write below the test's own directory.
pub(crate) fn user() -> &'static str {
    if run(Command::new("id").arg("-u")).trim() == "0" { "user root;" } else { "" }
}

pub(crate) fn wait_for(port: u16) {
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed().as_secs() < 90, "nothing listens on port {port}");
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
}
