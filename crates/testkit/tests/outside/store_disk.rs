//! A disk that is full, and a data directory that cannot be written: what is served goes on being served.

use std::{
    fs::File,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
};

use portward_testkit::{Program, StartedProgram, eventually, handshake, in_network_of_its_own, run};

/// Adds a site; what was said if that failed.
fn add(server: &StartedProgram, name: &str) -> Result<(), String> {
    let output = server.command(&["site", "add", name, "--upstream", "http://127.0.0.1:9"]).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Whether status tells that nothing can be changed.
fn is_told(server: &StartedProgram) -> bool {
    let output = server.command(&["status", "-o", "json"]).output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    status["problems"].as_array().unwrap().iter().any(|problem| problem["code"] == "store-read-only")
}

/// What keeps the server from being ready.
fn ready(server: &StartedProgram) -> String {
    run(Command::new("curl").args(["-sS", &format!("http://{}/readyz", server.admin)]))
}

fn mount(arguments: &[&str], at: &Path) {
    run(Command::new("mount").args(arguments).arg(at));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_changes_and_nothing_else() {
    if !in_network_of_its_own("store_disk::a_full_disk_stops_changes_and_nothing_else", &[]) {
        return;
    }
    let program = Program::new();
    let data = program.directory().join("data");
    std::fs::create_dir(&data).unwrap();
    mount(&["-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs"], &data);
    let server = program.start();
    add(&server, "before.test").unwrap();
    assert!(!is_told(&server));

    let filler = data.join("filler");
    let mut file = File::create(&filler).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![1; size]).is_err() {
            size /= 2;
        }
    }
    // The log of the store has some room of its own.
    let refused = (0..5000).find_map(|n| add(&server, &format!("s{n}.test")).err()).unwrap();
    for part in ["no space is left", "store.db"] {
        assert!(refused.contains(part), "{refused}");
    }
    eventually("status tells that nothing can be changed", async || is_told(&server).then_some(())).await;
    handshake(server.https, "before.test").await;

    drop(file);
    std::fs::remove_file(&filler).unwrap();
    eventually("it can be written again", async || (!is_told(&server)).then_some(())).await;
    add(&server, "after.test").unwrap();
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_cannot_be_written_is_served_from_what_was_kept() {
    if !in_network_of_its_own("store_disk::a_data_directory_that_cannot_be_written_is_served_from_what_was_kept", &[]) {
        return;
    }
    let server = Program::new().start();
    let data = server.data_directory();
    add(&server, "shop.test").unwrap();
    eventually("it is kept on the disk", async || data.join("desired.snapshot").exists().then_some(())).await;
    server.kill();
    eventually("it has ended", async || server.has_ended().then_some(())).await;
    mount(&["--bind", data.to_str().unwrap()], &data);
    mount(&["-o", "remount,bind,ro"], &data);
    let server = server.start_again();
    handshake(server.https, "shop.test").await;
    assert!(ready(&server).contains("the store cannot be read"), "{}", ready(&server));

    mount(&["-o", "remount,bind,rw"], &data);
    eventually("the store is open", async || (!ready(&server).contains("store")).then_some(())).await;
    handshake(server.https, "shop.test").await;
}

/// Has every fsync of a process fail, until it is ended.
struct FailingFsync(Child);

impl FailingFsync {
    async fn begin(process: u32) -> Self {
        let process = process.to_string();
        let failing = "inject=fsync,fdatasync:error=EIO";
        let words = ["-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", failing, "-p", &process];
        let strace = Command::new("strace").args(words).stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let tasks = format!("/proc/{process}/task");
        let is_traced = async || {
            let mut all = std::fs::read_dir(&tasks).unwrap().flatten();
            let traced = |status: String| !status.contains("TracerPid:\t0\n");
            all.all(|task| std::fs::read_to_string(task.path().join("status")).is_ok_and(traced)).then_some(())
        };
        eventually("every thread is traced", is_traced).await;
        Self(strace)
    }

    fn end(mut self) {
        run(Command::new("kill").arg(self.0.id().to_string()));
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_write_through_stops_changes_until_it_does() {
    if !in_network_of_its_own("store_disk::a_disk_that_does_not_write_through_stops_changes_until_it_does", &[]) {
        return;
    }
    let server = Program::new().start();
    add(&server, "before.test").unwrap();
    let failing = FailingFsync::begin(server.id()).await;
    let refused = add(&server, "refused.test").unwrap_err();
    for part in ["disk", "store.db"] {
        assert!(refused.contains(part), "{refused}");
    }
    eventually("status tells that nothing can be changed", async || is_told(&server).then_some(())).await;
    handshake(server.https, "before.test").await;

    failing.end();
    eventually("it can be written again", async || (!is_told(&server)).then_some(())).await;
    add(&server, "after.test").unwrap();
    server.kill();
    eventually("it has ended", async || server.has_ended().then_some(())).await;
    let server = server.start_again();
    let sites = server.portward(&["site", "list"]);
    assert!(sites.contains("before.test") && sites.contains("after.test"), "{sites}");
}
