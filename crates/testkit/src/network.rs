//! A network of a test's own: its loopback, its ports below 1024, its `/etc/hosts` and its resolver.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// Runs a test in namespaces of its own; `true` inside of them, and then the test is to be run.
///
/// It calls the test's program anew below `unshare`, with that test alone, and fails the test if that one fails. Inside
/// there is nothing but `lo`, and the files given, as in `("/etc/hosts", "127.0.0.1 shop.test")`, stand in the place of
/// those of the machine. As another user than root the kernel must let the user make namespaces.
pub fn in_network_of_its_own(test: &str, files: &[(&str, &str)]) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return true;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut script = String::from("set -e\nip link set lo up\n");
    for (number, (path, text)) in files.iter().enumerate() {
        let file = directory.path().join(number.to_string());
        std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
        script.push_str(&format!("mount --bind '{}' '{path}'\n", file.display()));
    }
    script.push_str("exec \"$@\"\n");
    let is_root = crate::run(Command::new("id").arg("-u")).trim() == "0";
    let as_root: &[&str] = if is_root { &[] } else { &["--user", "--map-root-user"] };
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(as_root).args(["--net", "--mount", "--propagation", "private"]);
        command
    };
    let tried = unshare().args(["sh", "-c", "ip link set lo up"]).stdin(Stdio::null()).output();
    let tried = tried.unwrap_or_else(|error| panic!("unshare does not start: {error}"));
    assert!(
        tried.status.success(),
        "{test} needs a network of its own, which only root or a kernel with user namespaces gives: {}",
        String::from_utf8_lossy(&tried.stderr)
    );
    let program = std::env::current_exe().unwrap();
    let output = unshare()
        .args(["sh", "-c", &script, "sh"])
        .arg(&program)
        .args([test, "--exact", "--nocapture", "--test-threads", "1"])
        .env(INSIDE, test)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let name = Path::new(&program).display();
    assert!(output.status.success(), "{test} of {name} failed in a network of its own:\n{stdout}\n{stderr}");
    assert!(stdout.contains("1 passed"), "{name} has no test {test}:\n{stdout}\n{stderr}");
    false
}

/// Tells the program that it runs inside already.
const INSIDE: &str = "PORTWARD_TEST_NETWORK_OF";
