#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, path::Path, time::Instant};

use zeroize::Zeroizing;

use crate::dns::{TxtError, TxtRecord, TxtWriter, open};

/// Has another process write the script: a test beside this one that starts a program while the file is open for
/// writing would keep it open, and it could not be run.
fn script(directory: &Path, content: &str) -> String {
    let path = directory.join("hook");
    let status = std::process::Command::new("sh")
        .args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod 700 \"$0\""])
        .arg(&path)
        .arg(content)
        .status();
    assert!(status.unwrap().success());
    path.to_str().unwrap().to_owned()
}

fn writer(program: &str, timeout: &str) -> Box<dyn TxtWriter> {
    let settings = [("program", program), ("timeout", timeout)];
    let settings: BTreeMap<String, Zeroizing<String>> =
        settings.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()))).collect();
    open("exec", &settings).unwrap()
}

fn record() -> TxtRecord {
    TxtRecord {
        zone: "shop.test".to_owned(),
        name: "_acme-challenge.shop.test".to_owned(),
        value: "-va lue; $(x)".to_owned(),
    }
}

#[tokio::test]
async fn a_program_is_told_by_arguments_and_environment() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let path = script(
        directory.path(),
        &format!("{{ printf '<%s>' \"$@\"; echo; env | sort; if read x; then echo input; fi; }} >> {}", log.display()),
    );
    let writer = writer(&path, "60");
    writer.add(&record()).await.unwrap();
    writer.remove(&record()).await.unwrap();
    let text = std::fs::read_to_string(log).unwrap();
    for action in ["present", "cleanup"] {
        let line = format!("<{action}><_acme-challenge.shop.test><-va lue; $(x)><shop.test>\n");
        assert!(text.contains(&line), "{text}");
        assert!(text.contains(&format!("PORTWARD_DNS_ACTION={action}\n")), "{text}");
    }
    for line in [
        "PORTWARD_DNS_NAME=_acme-challenge.shop.test",
        "PORTWARD_DNS_VALUE=-va lue; $(x)",
        "PORTWARD_DNS_ZONE=shop.test",
        "PATH=",
    ] {
        assert_eq!(text.matches(line).count(), 2, "{line}: {text}");
    }
    // Nothing but PATH is handed on; the others are the shell's own.
    for line in text.lines().filter(|line| !line.starts_with('<')) {
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        let is_known = name.starts_with("PORTWARD_DNS_") || ["PATH", "PWD", "OLDPWD", "SHLVL", "_"].contains(&name);
        assert!(is_known, "{line}: {text}");
    }
    assert!(std::env::vars_os().count() > 1, "there is nothing that could be handed on");
    assert!(!text.contains("input"), "{text}");
}

#[tokio::test]
async fn the_end_of_what_a_program_says_is_in_the_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "for n in 1 2 3 4 5 6 7; do echo line $n >&2; done; echo >&2; exit 3");
    let error = writer(&path, "60").add(&record()).await.unwrap_err();
    let why = "it ended with exit status: 3: line 3 / line 4 / line 5 / line 6 / line 7".to_owned();
    assert_eq!(error, TxtError::Failed { provider: path, why });
    let path = script(directory.path(), "exit 1");
    let error = writer(&path, "60").add(&record()).await.unwrap_err().to_string();
    assert_eq!(error, format!("{path} failed: it ended with exit status: 1, and wrote nothing to standard error"));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = writer("/nowhere/hook", "60").add(&record()).await.unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/hook failed: it cannot be started: No such file"), "{error}");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "echo $$ > \"$0.pid\"; exec sleep 600");
    let begun = Instant::now();
    let error = writer(&path, "1").add(&record()).await.unwrap_err().to_string();
    assert_eq!(error, format!("{path} failed: it did not end within 1 seconds, and was killed"));
    assert!(begun.elapsed().as_secs() < 60);
    let id = std::fs::read_to_string(format!("{path}.pid")).unwrap();
    assert!(!Path::new(&format!("/proc/{}", id.trim())).exists());
}

#[tokio::test]
async fn a_process_that_a_program_leaves_behind_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "sleep 20 & echo $! > \"$0.pid\"; echo bad >&2; exit 2");
    let begun = Instant::now();
    let error = writer(&path, "60").add(&record()).await.unwrap_err().to_string();
    assert_eq!(error, format!("{path} failed: it ended with exit status: 2: bad"));
    assert!(begun.elapsed().as_secs() < 15);
    let id = std::fs::read_to_string(format!("{path}.pid")).unwrap();
    std::process::Command::new("kill").arg(id.trim()).status().unwrap();
}
