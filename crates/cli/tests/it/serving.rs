//! The program as the server, and commands against it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{Ran, program, run, run_with};

/// Is a server that runs; it is killed if a test ends without ending it.
pub(crate) struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What follows `ready` in the line.
    pub(crate) addresses: Vec<String>,
    pub(crate) rest: BufReader<std::process::ChildStdout>,
}

impl Serving {
    /// Starts with the data directory `data` in that directory, on ports that the system chooses.
    fn start(directory: &Path, words: &[&str]) -> Self {
        let mut child = program(directory)
            .arg("serve")
            .args(["--data-dir", "data", "--admin", "127.0.0.1:0", "--workers", "1"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        if stdout.read_line(&mut line).unwrap() == 0 {
            let mut told = String::new();
            stderr.read_to_string(&mut told).unwrap();
            panic!("the server ended: {told}");
        }
        let addresses = line.strip_suffix('\n').unwrap().strip_prefix("ready ").unwrap();
        let addresses = addresses.split(' ').map(str::to_owned).collect();
        Self { child, stderr, addresses, rest: stdout }
    }

    /// Starts with one http and one https binding on the loopback address.
    pub(crate) fn start_usual(directory: &Path) -> Self {
        Self::start(directory, &["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"])
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the log says that.
    fn wait_for(&mut self, words: &str) {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "the log ended without \"{words}\"");
        }
    }

    /// Waits until a killed server is gone.
    fn gone(mut self) {
        assert!(!self.child.wait().unwrap().success());
    }

    /// Waits for the end; what else is on stdout is how the first owner comes, if anything.
    pub(crate) fn end(mut self) -> i32 {
        let mut rest = String::new();
        self.rest.read_to_string(&mut rest).unwrap();
        assert!(rest.is_empty() || (rest.starts_with("setup ") && rest.lines().count() == 1), "{rest}");
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It has ended already where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(directory: &Path, words: &[&str]) -> Ran {
    run_with(program(directory).env("PORTWARD_DATA_DIR", "data").args(words), "")
}

fn ask_json(directory: &Path, words: &[&str]) -> Value {
    let ran = run_with(program(directory).env("PORTWARD_DATA_DIR", "data").args(words).args(["-o", "json"]), "");
    assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Makes a certificate and a backup that has it, in the file `backup`; gives the id.
fn backed_up(here: &Path) -> String {
    let serving = Serving::start_usual(here);
    let made = ask_json(here, &["certificate", "new-self-signed", "shop.test"]);
    assert_eq!(ask(here, &["store", "backup", "--out", "backup"]).code, 0);
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
    made["id"].as_str().unwrap().to_owned()
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_says_where_it_is_serves_and_ends_at_a_signal() {
    for signal in [Signal::TERM, Signal::INT] {
        let directory = tempfile::tempdir().unwrap();
        let serving = Serving::start_usual(directory.path());
        let [http, https, admin_word, admin] = &serving.addresses[..] else { panic!("{:?}", serving.addresses) };
        assert_eq!(admin_word, "admin");
        for (url, scheme) in [(http, "http"), (https, "https"), (admin, "http")] {
            let port = url.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://127.0.0.1:"));
            assert!(port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port != 0)), "{url}");
        }
        for path in ["/healthz", "/readyz"] {
            let answer = get(admin.strip_prefix("http://").unwrap(), path);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        }
        assert!(get(http.strip_prefix("http://").unwrap(), "/").starts_with("HTTP/1.1 "));
        let status = ask_json(directory.path(), &["status"]);
        assert_eq!((status["ok"].as_bool(), status["bindings"].as_array().unwrap().len()), (Some(true), 2));
        serving.signal(signal);
        assert_eq!(serving.end(), 0);
        assert_eq!(ask(directory.path(), &["status"]).code, 1, "it answers after its end");
    }
}

#[test]
fn a_second_signal_cuts_what_still_runs() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("http://{}", upstream.local_addr().unwrap());
    let words = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--upstream", &url];
    let mut serving = Serving::start(directory.path(), &words);
    let mut client = TcpStream::connect(serving.addresses[0].strip_prefix("http://").unwrap()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").unwrap();
    let (_held, _) = upstream.accept().unwrap();
    serving.signal(Signal::TERM);
    serving.wait_for("draining");
    serving.signal(Signal::TERM);
    serving.wait_for("ended at once");
    assert_eq!(serving.end(), 0);
    assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0, "the request was answered");
}

#[test]
fn wrong_configuration_ends_with_64() {
    let directory = tempfile::tempdir().unwrap();
    let serving = Serving::start_usual(directory.path());
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
    fs::write(directory.path().join("unknown.toml"), "workers = 1\nport = 80\n").unwrap();
    fs::write(directory.path().join("upstream.toml"), "upstream = \"shop\"\n").unwrap();
    let data = ["serve", "--data-dir", "data", "--admin"];
    for (words, reason) in [
        (&["127.0.0.1:0", "--config", "unknown.toml"][..], "unknown.toml, line 2: unknown field `port`"),
        (&["127.0.0.1:0", "--config", "upstream.toml"], "upstream in the configuration file: \"shop\" does not begin"),
        (&["127.0.0.1:0", "--config", "none.toml"], "cannot read none.toml: No such file"),
        (&["0.0.0.0:0"], "0.0.0.0:0"),
        (&["127.0.0.1:0", "--upstream", "http://127.0.0.1:1"], "--upstream"),
        (&["127.0.0.1:0", "--http", "127.0.0.1:1"], "--http"),
    ] {
        let ran = run_with(program(directory.path()).args(data).args(words), "");
        assert_eq!(ran.code, 64, "{words:?}: {ran:?}");
        assert!(ran.stderr.contains("portward: ") && ran.stderr.contains(reason), "{words:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{words:?}");
    }
    let ran = run_with(program(directory.path()).args(data).arg("127.0.0.1:0").env("PORTWARD_LOG_FORMAT", "xml"), "");
    assert_eq!(ran.code, 64, "{ran:?}");
}

#[test]
fn a_start_that_fails_ends_with_1_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let serving = Serving::start_usual(directory.path());
    let words = ["serve", "--data-dir", "data", "--admin", "127.0.0.1:0"];
    let ran = run(directory.path(), &words);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("portward: another Portward uses the data directory data"), "{ran:?}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = ["serve", "--data-dir", "other", "--admin", "127.0.0.1:0", "--http", &address];
    let ran = run(directory.path(), &words);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains(&address) && ran.stderr.contains("taken"), "{ran:?}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}

#[test]
fn a_configuration_file_can_say_it_all() {
    let directory = tempfile::tempdir().unwrap();
    let config = "data-dir = \"data\"\nhttp = [\"127.0.0.1:0\"]\nhttps = []\nadmin = \"127.0.0.1:0\"\nworkers = 1\n";
    fs::write(directory.path().join("portward.toml"), config).unwrap();
    let serving = Serving::start(directory.path(), &["--config", "portward.toml"]);
    assert_eq!(serving.addresses.len(), 3, "{:?}", serving.addresses);
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}

#[test]
fn a_certificate_lives_through_export_import_rollback_backup_and_restore() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let serving = Serving::start_usual(here);
    let made = ask_json(here, &["certificate", "new-self-signed", "shop.test", "--days", "30"]);
    let id = made["id"].as_str().unwrap();
    fs::write(here.join("password"), "hunter2\n").unwrap();
    let pfx: PathBuf = here.join("shop.pfx");
    let words = ["certificate", "export", id, "--format", "pfx", "--out", "shop.pfx", "--password-file", "password"];
    assert_eq!(ask(here, &words).code, 0);
    assert!(!fs::read(&pfx).unwrap().windows(7).any(|bytes| bytes == b"hunter2"));

    let other = ask_json(here, &["certificate", "new-self-signed", "other.test"]);
    let words = ["certificate", "import", "shop.pfx", "--replace", other["id"].as_str().unwrap()];
    let replaced = ask_json(here, &[&words[..], &["--password-file", "password"]].concat());
    assert_eq!(replaced["thumbprint"], made["thumbprint"]);
    assert_eq!((replaced["id"].as_str(), replaced["version"].as_u64()), (other["id"].as_str(), Some(2)));
    let back = ask_json(here, &["certificate", "rollback", other["id"].as_str().unwrap()]);
    assert_eq!(back["thumbprint"], other["thumbprint"]);

    assert_eq!(ask(here, &["store", "backup", "--out", "backup"]).code, 0);
    assert_eq!(ask(here, &["certificate", "remove", id]).code, 0);
    assert_eq!(ask(here, &["certificate", "show", id]).code, 3);
    let ran = ask(here, &["store", "restore", "backup"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ask_json(here, &["certificate", "show", id])["thumbprint"], made["thumbprint"]);
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}

#[test]
fn a_backup_is_restored_where_no_server_runs() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let id = backed_up(here);
    let serving = Serving::start(here, &[]);
    assert_eq!(ask(here, &["certificate", "remove", &id]).code, 0);
    // Killed, it leaves its socket.
    serving.signal(Signal::KILL);
    serving.gone();
    assert!(here.join("data/admin.sock").exists());

    let ran = ask(here, &["store", "restore", "backup", "-o", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let restored: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(restored["records"].as_u64().unwrap() > 0 && restored["revision"].as_u64().unwrap() > 0, "{ran:?}");
    for said in ["No server runs", "store.db.before-restore", "To serve it: portward serve --data-dir data"] {
        assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    }
    let serving = Serving::start(here, &[]);
    ask_json(here, &["certificate", "show", &id]);
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);

    // A new machine has the master key and nothing else.
    fs::create_dir(here.join("new")).unwrap();
    let moved = ["store", "restore", "backup", "--data-dir", "new"];
    let ran = run(here, &moved);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stderr.contains("nothing was restored into the data directory new")
            && ran.stderr.contains("new/master.key"),
        "{ran:?}"
    );
    assert_eq!(fs::read_dir(here.join("new")).unwrap().count(), 0);
    fs::copy(here.join("data/master.key"), here.join("new/master.key")).unwrap();
    let ran = run(here, &moved);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("before-restore"), "{ran:?}");
}

#[test]
fn a_damaged_store_is_told_of_and_replaced_by_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let id = backed_up(here);
    let file = here.join("data/store.db");
    let mut damaged = fs::read(&file).unwrap();
    // The header stays whole, so that only looking at every page finds it.
    damaged[4096..].fill(0x5a);
    fs::write(&file, &damaged).unwrap();
    let ran = run(here, &["serve", "--data-dir", "data", "--admin", "127.0.0.1:0"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("is damaged") && ran.stderr.contains("portward store restore FILE"), "{ran:?}");

    fs::write(here.join("cut"), &fs::read(here.join("backup")).unwrap()[..100]).unwrap();
    let ran = ask(here, &["store", "restore", "cut"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("nothing was restored") && ran.stderr.contains("cut is damaged"), "{ran:?}");
    assert_eq!(fs::read(&file).unwrap(), damaged);

    let ran = ask(here, &["store", "restore", "backup"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert_eq!(fs::read(here.join("data/store.db.before-restore")).unwrap(), damaged);
    let serving = Serving::start(here, &[]);
    ask_json(here, &["certificate", "show", &id]);
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}

#[test]
fn a_hangup_ends_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut serving = Serving::start_usual(directory.path());
    serving.signal(Signal::HUP);
    serving.wait_for("nothing to reload: changes are in effect at once");
    assert_eq!(ask_json(directory.path(), &["status"])["ok"].as_bool(), Some(true));
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}
