//! Another process takes over, again and again, under load that notices everything: connections, requests, streams,
//! a WebSocket and uploads that go on from one process to the next.

mod load;

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use portward_testkit::{Program, StartedProgram, free_port, run};

use load::{Application, Load, Upload, WebSocket};

/// Ends the process that has taken over last, as the test started the first one alone.
struct Newest {
    process: u32,
}

impl Drop for Newest {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.to_string()).status();
    }
}

fn upgrade(server: &StartedProgram, binary: &str) -> serde_json::Value {
    serde_json::from_str(&server.portward(&["upgrade", "--binary", binary, "-o", "json"])).unwrap()
}

fn portward(server: &StartedProgram) -> String {
    server.command(&[]).get_program().to_str().unwrap().to_owned()
}

fn is_alive(process: u32) -> bool {
    // One that nobody has waited for yet has ended all the same.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).is_some_and(|state| state != 'Z')
}

fn within(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !holds() {
        if Instant::now() > until {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn five_upgrades_under_load_lose_nothing() {
    let application = Application::start();
    let server = Program::new().with(&["--upstream", &application.url(), "--workers", "2"]).start();
    let binary = portward(&server);
    let stop = Arc::<AtomicBool>::default();
    let load = Load::begin(&server, &stop);
    let mut socket = WebSocket::open(server.http);
    let mut newest = Newest { process: server.id() };
    let mut uploads = Vec::new();
    for turn in 0..5 {
        let before = load.done();
        uploads.push(Upload::begin(server.http, turn));
        socket.echo(turn);
        let upgraded = upgrade(&server, &binary);
        let process = u32::try_from(upgraded["process"].as_u64().unwrap()).unwrap();
        assert_ne!(process, newest.process, "{upgraded}");
        newest.process = process;
        // Changes are made there, and seen.
        server.portward(&["settings", "edit", "--warning-days", &(20 + turn).to_string()]);
        assert!(within(Duration::from_secs(60), || load.done() > before + 300), "nothing goes on after upgrade {turn}");
        socket.echo(turn);
    }
    for upload in uploads {
        upload.end();
    }
    socket.echo(99);
    socket.close();
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let (done, failed) = load.end();
    assert!(
        failed.is_empty(),
        "{} of {done} failed, the first ones: {:?}",
        failed.len(),
        &failed[..failed.len().min(5)]
    );
    assert!(done > 1500, "only {done} requests");
    // The first process and all in between have nothing left to do, and end by themselves.
    assert!(within(Duration::from_secs(30), || server.has_ended()), "the first process goes on");
    // It exits with 0 if everything is served.
    server.portward(&["status"]);
    let last = newest.process;
    drop(newest);
    assert!(within(Duration::from_secs(30), || !is_alive(last)), "the last process goes on");
    assert!(std::net::TcpStream::connect(server.http).is_err(), "somebody listens still");
}

/// A script that stands for another version.
fn script(server: &StartedProgram, name: &str, act: &str) -> PathBuf {
    let path = server.files().join(name);
    let text = format!("#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'portward 9.9.9'; exit 0; fi\n{act}\n");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_that_cannot_take_over_changes_nothing() {
    let application = Application::start();
    let server = Program::new().with(&["--upstream", &application.url()]).start();
    let stop = Arc::<AtomicBool>::default();
    let load = Load::begin(&server, &stop);
    // A file of another kind, one that says something else, and those that fail on their way.
    let other = server.files().join("other");
    std::fs::write(&other, "#!/bin/sh\necho nginx 1.2\n").unwrap();
    let message = |text: &str| format!("printf '\\000\\000\\000\\{:03o}%s' '{text}' >&0", text.len());
    let takes = format!("{}\nsleep 0.3", message("{\"store_form\":1000}"));
    for (binary, code, told) in [
        (server.files().join("nothing"), 1, "No such file"),
        (other.clone(), 1, "it is no program"),
        (script(&server, "fails", "echo broken >&2; exit 1"), 1, "it ended before it was ready (exit code 1)"),
        (
            script(&server, "old", &format!("{}\nexec sleep 60", message("{\"store_form\":0}"))),
            1,
            "it knows the form 0 of the store",
        ),
        (script(&server, "dies", &format!("{takes}\nexit 3")), 1, "it ended before it was ready (exit code 3)"),
        (script(&server, "hangs", "exec sleep 60"), 1, "it was not ready in time"),
    ] {
        let (ended, said) = server.portward_fails(&["upgrade", "--binary", binary.to_str().unwrap()]);
        assert!(ended == code && said.contains(told), "{}: {ended} {said}", binary.display());
        // It goes on as it was, changes too.
        server.portward(&["settings", "edit", "--warning-days", "21"]);
        assert!(!server.has_ended());
    }
    std::fs::set_permissions(&other, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (_, said) = server.portward_fails(&["upgrade", "--binary", other.to_str().unwrap()]);
    assert!(said.contains("its --version is not that of Portward"), "{said}");
    stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let (done, failed) = load.end();
    assert!(failed.is_empty() && done > 100, "{done}: {failed:?}");
    let (code, log) = server.stop();
    assert!(code == Some(0) && log.contains("nobody has taken over; this process goes on"), "{log}");
}

/// Starts a server with the directory and the admin address of another one; or says why it did not begin to serve.
fn begin_in_place_of(server: &StartedProgram) -> Result<Child, String> {
    let mut begun = Command::new(portward(server))
        .args(["serve", "--admin", &server.admin.to_string(), "--data-dir"])
        .arg(server.data_directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(begun.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    if ready.starts_with("ready ") {
        return Ok(begun);
    }
    Err(String::from_utf8_lossy(&begun.wait_with_output().unwrap().stderr).into_owned())
}

/// The first process has connections yet, and nothing that a start needs.
#[test]
fn when_who_took_over_ends_another_can_begin_while_connections_finish() {
    let application = Application::start();
    let server = Program::new_on(free_port(), free_port()).with(&["--upstream", &application.url()]).start();
    let mut socket = WebSocket::open(server.http);
    let upgraded = upgrade(&server, &portward(&server));
    let second = u32::try_from(upgraded["process"].as_u64().unwrap()).unwrap();
    run(Command::new("kill").args(["-9", &second.to_string()]));
    assert!(within(Duration::from_secs(20), || !is_alive(second)));
    // The first one lets go a moment after the second has taken over.
    let until = Instant::now() + Duration::from_secs(20);
    let mut third = loop {
        match begin_in_place_of(&server) {
            Ok(third) => break third,
            Err(why) => assert!(Instant::now() < until, "{why}"),
        }
    };
    let newest = Newest { process: third.id() };
    server.portward(&["settings", "edit", "--warning-days", "25"]);
    server.portward(&["status"]);
    socket.echo(1);
    assert!(!server.has_ended());
    socket.close();
    drop(newest);
    assert!(third.wait().unwrap().success());
    assert!(within(Duration::from_secs(30), || server.has_ended()), "the first process goes on");
}

/// From somebody else on the network it would be a way to run programs.
#[test]
fn a_token_does_not_have_another_program_take_over() {
    let server = Program::new().start();
    let password = server.files().join("password");
    std::fs::write(&password, "a lime tree by the door\n").unwrap();
    server.portward_reading(&["init", "--owner", "olga", "--password-stdin"], &password);
    let token = server.portward(&["token", "create", "ci", "--permission", "settings:change"]);
    let answer = run(Command::new("curl")
        .args(["-sS", "--json", &format!("{{\"binary\":\"{}\"}}", portward(&server))])
        .args(["-H", &format!("Authorization: Bearer {}", token.trim())])
        .arg(format!("http://{}/api/v1/upgrade", server.admin)));
    assert!(answer.contains("not-permitted") && !server.has_ended(), "{answer}");
}

#[test]
fn a_signal_has_the_program_in_the_same_place_take_over() {
    let server = Program::new().start();
    run(Command::new("kill").args(["-USR2", &server.id().to_string()]));
    assert!(within(Duration::from_secs(60), || server.has_ended()), "the first process goes on");
    let lock = std::fs::read_to_string(server.data_directory().join("store.lock")).unwrap();
    let newest = Newest { process: lock.trim().parse().unwrap() };
    assert_ne!(newest.process, server.id());
    server.portward(&["binding", "list"]);
}

/// `systemd-socket-activate` gives sockets as systemd does.
#[test]
fn sockets_of_systemd_are_used_for_the_bindings_at_their_addresses() {
    let ports: Vec<_> = (0..3).map(|_| portward_testkit::free_port()).collect();
    let [http, https, other] = [0, 1, 2].map(|index| format!("127.0.0.1:{}", ports[index]));
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let program = Program::new();
    let mut child = Command::new("systemd-socket-activate")
        .args(["-l", &http, "-l", &https, "-l", &other])
        .arg(program.executable())
        .args(["serve", "--admin", "127.0.0.1:0", "--http", &http, "--https", &https, "--data-dir"])
        .arg(directory.path().join("data"))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    // It starts the program when somebody connects, who is answered then.
    assert!(within(Duration::from_secs(20), || std::net::TcpStream::connect(&http).is_ok()));
    let answer = run(Command::new("curl")
        .args(["-sS", "--retry", "20", "--retry-connrefused", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg(format!("http://{http}/")));
    assert_eq!(answer.len(), 3, "{answer}");
    let answer = run(Command::new("curl")
        .args(["-skS", "-o", "/dev/null", "-w", "%{http_code}"])
        .arg(format!("https://{https}/")));
    assert_eq!(answer.len(), 3, "{answer}");
    let logged = std::fs::read_to_string(&log).unwrap();
    let closed = logged.lines().find(|line| line.contains("a socket that was given is closed"));
    assert!(closed.is_some_and(|line| line.contains(&other)), "{logged}");
    run(Command::new("kill").arg(child.id().to_string()));
    assert!(child.wait().unwrap().success(), "{}", std::fs::read_to_string(&log).unwrap());
}
