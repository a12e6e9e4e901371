//! The first owner, users and tokens, with a server that runs and without.

use std::{fs, io::BufRead, os::unix::fs::MetadataExt, path::Path};

use rustix::process::Signal;
use serde_json::Value;

use crate::{
    program::{Ran, program, run_with},
    serving::Serving,
};

const PASSWORD: &str = "four plain words here\n";

fn ask(here: &Path, words: &[&str], stdin: &str) -> Ran {
    run_with(program(here).env("PORTWARD_DATA_DIR", "data").args(words), stdin)
}

fn done(here: &Path, words: &[&str], stdin: &str) -> String {
    let ran = ask(here, words, stdin);
    assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
    ran.stdout
}

#[test]
fn an_owner_is_made_before_the_first_start_and_once() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let init = ["init", "--data-dir", "data", "--owner", "Mara", "--password-stdin"];
    let short = ask(here, &init, "correct horse\n");
    assert_eq!((short.code, short.stdout.as_str()), (1, ""));
    assert!(short.stderr.contains("password: 13 characters. 15 or more."), "{short:?}");
    let made = ask(here, &init, PASSWORD);
    assert_eq!((made.code, made.stderr.as_str()), (0, "mara owns this server.\n"), "{made:?}");
    let twice = ask(here, &init, PASSWORD);
    assert_eq!(twice.code, 5, "{twice:?}");
    assert!(twice.stderr.contains("this server has an owner already"), "{twice:?}");

    let serving = Serving::start_usual(here);
    assert_eq!(ask(here, &init, PASSWORD).code, 5);
    let link = ask(here, &["setup-link"], "");
    assert_eq!((link.code, link.stdout.as_str()), (5, ""), "{link:?}");
    let users: Value = serde_json::from_str(&done(here, &["user", "list", "-o", "json"], "")).unwrap();
    assert_eq!((&users[0]["name"], &users[0]["role"]), (&"mara".into(), &"owner".into()));
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
    assert!(!here.join("data/setup-link").exists());
}

#[test]
fn a_server_without_an_owner_tells_how_one_comes() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let mut serving = Serving::start_usual(here);
    let mut line = String::new();
    serving.rest.read_line(&mut line).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["setup", link, "sha256", thumbprint, "local", local] = words[..] else { panic!("{line}") };
    let (https, admin) = (&serving.addresses[1], &serving.addresses[3]);
    let secret = link.strip_prefix(&format!("{https}/setup#st_")).unwrap();
    assert_eq!((secret.len(), local), (43, format!("{admin}/setup#st_{secret}").as_str()));
    assert_eq!(thumbprint.len(), 64);
    let file = here.join("data/setup-link");
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{link}\n"));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);

    let fresh = ask(here, &["setup-link"], "");
    assert_eq!(fresh.code, 0, "{fresh:?}");
    assert!(fresh.stdout.starts_with(&format!("{https}/setup#st_")) && fresh.stdout.lines().count() == 1, "{fresh:?}");
    assert_ne!(fresh.stdout, format!("{link}\n"), "a fresh one");
    assert_eq!(fs::read_to_string(&file).unwrap(), fresh.stdout);
    assert!(!fresh.stderr.contains("st_"), "{fresh:?}");

    done(here, &["init", "--data-dir", "data", "--owner", "mara", "--password-stdin"], PASSWORD);
    assert!(!file.exists());
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}

#[test]
fn users_are_let_in_and_kept_out() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    done(here, &["init", "--owner", "olga", "--password-stdin"], PASSWORD);
    let serving = Serving::start_usual(here);
    let add = ["user", "add", "mara", "--role", "operator", "--password-stdin", "--email", "mara@shop.test"];
    let added = done(here, &add, PASSWORD);
    assert!(added.contains("operator") && added.contains("mara@shop.test"), "{added}");
    assert_eq!(ask(here, &add, PASSWORD).code, 5);
    assert!(done(here, &["user", "disable", "mara"], "").contains("disabled"));
    assert!(done(here, &["user", "list"], "").contains("disabled"));
    assert!(done(here, &["user", "enable", "mara"], "").contains("enabled"));
    let last = ask(here, &["user", "disable", "olga"], "");
    assert_eq!(last.code, 5, "{last:?}");
    assert!(last.stderr.contains("the only owner who can sign in"), "{last:?}");
    assert_eq!(ask(here, &["user", "remove", "nobody"], "").code, 3);
    assert_eq!(ask(here, &["user", "remove", "mara"], "").stderr, "The user mara is removed.\n");
    for words in [
        &["user", "add", "mara"][..],
        &["user", "add", "mara", "--role", "root", "--password-stdin"],
        &["user", "add", "ma ra", "--role", "viewer", "--password-stdin"],
        // Nobody is there to be asked.
        &["user", "add", "mara", "--role", "viewer"],
    ] {
        assert_eq!(ask(here, words, PASSWORD).code, 2, "{words:?}");
    }
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}

#[test]
fn a_token_lets_a_program_in_until_it_is_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    done(here, &["init", "--owner", "olga", "--password-stdin"], PASSWORD);
    let serving = Serving::start_usual(here);
    let create = ["token", "create", "ci", "--permission", "user:view", "view", "--expires", "90d"];
    let created = ask(here, &create, "");
    assert_eq!(created.code, 0, "{created:?}");
    let token = created.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("ptw_") && token.len() == 66, "{token}");
    assert!(created.stderr.starts_with("Keep the token now") && !created.stderr.contains(token), "{created:?}");
    let admin = serving.addresses[3].clone();
    let remote =
        |words: &[&str]| run_with(program(here).env("PORTWARD_TOKEN", token).args(words).args(["--url", &admin]), "");
    let listed = remote(&["token", "list", "-o", "json"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let tokens: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&tokens[0]["name"], &tokens[0]["permissions"]),
        (&"ci".into(), &serde_json::json!(["view", "user:view"]))
    );
    assert!(!listed.stdout.contains(token));
    let beyond = remote(&["user", "disable", "olga"]);
    assert_eq!(beyond.code, 4, "{beyond:?}");
    assert!(beyond.stderr.contains("lacks the permission to change users (user:change)"), "{beyond:?}");
    let id = tokens[0]["id"].as_str().unwrap();
    assert_eq!(ask(here, &["token", "revoke", id], "").stderr, format!("The token {id} is revoked.\n"));
    let revoked = remote(&["status"]);
    assert_eq!(revoked.code, 4, "{revoked:?}");
    assert!(revoked.stderr.contains("the token was revoked"), "{revoked:?}");
    assert_eq!(ask(here, &["token", "revoke", id], "").code, 3);
    for words in [
        &["token", "create", "ci"][..],
        &["token", "create", "ci", "--permission", "everything"],
        &["token", "create", "ci", "--permission", "view", "--expires", "soon"],
    ] {
        assert_eq!(ask(here, words, "").code, 2, "{words:?}");
    }
    serving.signal(Signal::TERM);
    assert_eq!(serving.end(), 0);
}
