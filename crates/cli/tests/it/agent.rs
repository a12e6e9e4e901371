//! Commands about agents, what they install, and the identity by which they know the server.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::{
    fake::Fake,
    program::{program, run, run_with},
};

fn agent(name: &str) -> Value {
    json!({
        "name": name, "health": "Healthy", "reasons": [], "dialling": "polling", "thumbprint": "ab".repeat(32),
        "trusted": "2026-11-20T12:00:00Z", "origin": "thumbprint", "connected": true, "deliveries": 0,
        "trust_is_newest": true,
    })
}

fn delivery(id: &str) -> Value {
    json!({
        "id": id, "agent": "web-03", "certificate": "shop", "format": "pem-combined", "to": ["/a.pem"], "owner": "",
        "mode": "600", "state": "pending", "generation": 1,
    })
}

fn checked(name: &str, health: &str) -> Value {
    json!({ "name": name, "health": health, "reasons": [], "steps": [], "milliseconds": 1 })
}

fn stranger() -> Value {
    json!({
        "id": "abababababababab", "thumbprint": "ab".repeat(32), "sha1": "CD".repeat(20), "subject": "CN=web-04",
        "address": "192.0.2.7:51234", "first_seen": "2026-11-20T12:00:00Z", "last_seen": "2026-11-20T12:00:00Z",
        "tries": 1,
    })
}

fn identity() -> Value {
    json!({
        "thumbprint": "ab".repeat(32), "sha1": "CD".repeat(20), "subject": "CN=Portward",
        "since": "2026-11-20T12:00:00Z", "addresses": [], "bindings": [], "identities": [],
    })
}

fn changed() -> Value {
    json!({ "subject": "CN=Own", "old_thumbprint": "ab".repeat(32), "new_thumbprint": "ef".repeat(32) })
}

fn join() -> Value {
    let join = json!({ "id": "01", "name": "web-03", "expires": "2026-11-20T12:30:00Z", "addresses": ["a:443"] });
    json!({ "join_string": "pwa1_secret", "join": join })
}

#[test]
fn every_command_asks_at_its_route_and_prints_what_came() {
    let removed = json!({ "id": "web-03", "warnings": [] });
    let pin = "ab".repeat(32);
    for (words, answer, asked, body) in [
        ("agent add web-03 --ttl 1h", join(), "POST agent-joins", json!({ "name": "web-03", "ttl": "1h" })),
        ("agent list --waiting", json!([stranger()]), "GET unrecognised-agents?limit=1000", Value::Null),
        ("agent show web-03", agent("web-03"), "GET agents/web-03", Value::Null),
        ("agent check a b", json!([checked("a", "Healthy")]), "POST agent-checks", json!({ "names": ["a", "b"] })),
        ("agent check --all", json!([checked("a", "Healthy")]), "POST agent-checks", json!({ "names": [] })),
        (
            "agent approve ab/.. --name web-04 --dry-run",
            agent("web-04"),
            "POST unrecognised-agents/ab%2F%2E%2E/approve?dry_run=true",
            json!({ "name": "web-04" }),
        ),
        (
            &format!("agent trust web-03 --thumbprint {pin} --listening web-03"),
            agent("web-03"),
            "POST agents",
            json!({ "name": "web-03", "thumbprint": pin, "listening": "web-03:10933" }),
        ),
        ("agent rotate web-03", agent("web-03"), "POST agents/web-03/rotate", Value::Null),
        ("agent remove web-03 --dry-run", removed.clone(), "DELETE agents/web-03?dry_run=true", Value::Null),
        ("delivery list", json!([delivery("d1")]), "GET deliveries?limit=1000", Value::Null),
        ("delivery show d1", delivery("d1"), "GET deliveries/d1", Value::Null),
        ("delivery retry d1", delivery("d1"), "POST deliveries/d1/retry", Value::Null),
        ("delivery remove d1", removed, "DELETE deliveries/d1", Value::Null),
        (
            "delivery add --agent web-03 --certificate shop --format pem-combined --to /a.pem",
            delivery("d1"),
            "POST deliveries",
            json!({ "agent": "web-03", "certificate": "shop", "format": "pem-combined", "to": ["/a.pem"] }),
        ),
        ("identity show", identity(), "GET identity", Value::Null),
        (
            "identity edit --binding 0.0.0.0:10943 --no-address",
            identity(),
            "PATCH identity",
            json!({ "addresses": [], "bindings": ["0.0.0.0:10943"] }),
        ),
        ("identity rotate --compromised", changed(), "POST identity/rotate", json!({ "compromised": true })),
        ("identity new", changed(), "POST identity/rotate", json!({ "compromised": false })),
    ] {
        let fake = Fake::json(200, &answer);
        let (method, path) = asked.split_once(' ').unwrap();
        let words: Vec<&str> = words.split(' ').collect();
        let ran = run(fake.directory(), &words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        assert!(!ran.stdout.is_empty() || !ran.stderr.is_empty(), "{words:?} says nothing");
        let ran = run(fake.directory(), &[&words[..], &["-o", "json"]].concat());
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), answer, "{words:?}");
        for seen in fake.asked() {
            assert_eq!((seen.line, seen.body), (format!("{method} /api/v1/{path}"), body.clone()), "{words:?}");
        }
    }
}

#[test]
fn the_join_string_is_alone_on_stdout() {
    let fake = Fake::json(200, &join());
    let ran = run(fake.directory(), &["agent", "add", "web-03"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "pwa1_secret\n"), "{ran:?}");
    assert!(ran.stderr.contains("portward-agent join -") && !ran.stderr.contains("pwa1_secret"), "{ran:?}");
}

#[test]
fn a_list_tells_on_stderr_who_waits() {
    let fake = Fake::routed(vec![("agents", json!([agent("web-03")])), ("unrecognised-agents", json!([stranger()]))]);
    let ran = run(fake.directory(), &["agent", "list", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), json!([agent("web-03")]), "{ran:?}");
    assert!(ran.stderr.contains("portward agent approve abababababababab"), "{ran:?}");
}

#[test]
fn a_check_fails_unless_all_are_healthy() {
    for (health, code) in
        [("Healthy", 0), ("HasWarnings", 1), ("Unhealthy", 1), ("Unavailable", 1), ("Unknown", 1), ("Other", 1)]
    {
        let fake = Fake::json(200, &json!([checked("a", "Healthy"), checked("b", health)]));
        for words in [&["agent", "check", "--all"][..], &["agent", "check", "a", "b", "-o", "json"]] {
            let ran = run(fake.directory(), words);
            assert_eq!(ran.code, code, "{health}: {ran:?}");
        }
    }
}

#[test]
fn an_identity_goes_to_a_new_file_of_its_owner_alone() {
    let exported = json!({ "pfx": "cGZ4", "thumbprint": "ab".repeat(32) });
    for (words, new) in [("identity new", true), ("identity export", false)] {
        let fake = Fake::json(200, &exported);
        let path = fake.directory().join("identity.pfx");
        let words: Vec<&str> = words.split(' ').chain(["--pfx-password-stdin", "--export-pfx"]).collect();
        let go = || run_with(program(fake.directory()).args(&words).arg(&path), "hunter2\n");
        let ran = go();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(fs::read(&path).unwrap(), b"pfx");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(go().code, 1, "it is written over");
        let asked = fake.asked();
        assert_eq!(asked.len(), 1, "a key left the server for a file that cannot be written");
        assert_eq!(asked[0].body, json!({ "password": "hunter2", "new": new }));
    }
}

#[test]
fn octopus_users_find_their_lines() {
    let (old, new) = ("ab".repeat(32), "ef".repeat(32));
    let fake = Fake::routed(vec![
        ("identity/rotate", changed()),
        ("identity/import", changed()),
        ("identity/export", json!({ "pfx": "cGZ4", "thumbprint": new })),
        ("identity", identity()),
    ]);
    let file = fake.directory().join("own.pfx");
    let path = file.display();
    let [generating, current, made] = [
        "Generating certificate...",
        &format!("The Portward server currently uses a certificate with thumbprint:\n{old}"),
        &format!("A new certificate has been generated with thumbprint:\n{new}"),
    ];
    let json = format!("{{\"Thumbprint\":\"{old}\",\"Sha1Thumbprint\":\"{}\"}}", "CD".repeat(20));
    for (words, expected) in [
        ("show-thumbprint --console --instance Default".to_owned(), old.clone()),
        ("show-thumbprint --format=json".to_owned(), json),
        (
            format!("new-certificate --export-pfx={path} --pfx-password=p --console"),
            format!("{generating}\n{current}\n{made}\nThe new certificate has been written to {path}."),
        ),
        ("new-certificate --replace".to_owned(), format!("{generating}\n{current}\n{made}")),
        (
            format!("import-certificate --from-file={path} --pfx-password=p --console"),
            format!(
                "Importing the certificate stored in PFX file in {path} using the provided password...\n\
                 The certificate CN=Own was updated; old thumbprint = {old}, new thumbprint = {new}\n\
                 Certificate imported successfully."
            ),
        ),
        (
            format!("export-certificate --export-pfx={path}.old --pfx-password=p"),
            format!("Exporting certificate...\nThe certificate has been written to {path}.old."),
        ),
    ] {
        let ran = run(fake.directory(), &words.split(' ').collect::<Vec<_>>());
        assert_eq!((ran.code, ran.stdout), (0, format!("{expected}\n")), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains("need a restart") && !ran.stderr.contains("require a restart"), "{}", ran.stderr);
    }
    let import = fake.asked().into_iter().find(|asked| asked.line.ends_with("/import")).unwrap();
    assert_eq!(import.body, json!({ "file": "cGZ4", "file_name": path.to_string(), "password": "p" }));
}

#[test]
fn a_password_on_the_command_line_is_remarked_upon_and_one_in_a_file_is_not() {
    for (words, is_seen) in [("--pfx-password hunter2", true), ("--pfx-password-stdin", false)] {
        let fake = Fake::json(200, &changed());
        fs::write(fake.directory().join("own.pfx"), "pfx").unwrap();
        let mut command = program(fake.directory());
        command.args(["identity", "import"]).arg(fake.directory().join("own.pfx")).args(words.split(' '));
        let ran = run_with(&mut command, "hunter2\n");
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.stderr.contains("every user of this machine can see"), is_seen, "{ran:?}");
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
        assert_eq!(fake.asked()[0].body["password"], "hunter2");
    }
}

#[test]
fn a_key_store_without_a_password_is_no_request() {
    let fake = Fake::json(200, &delivery("d1"));
    let words = ["delivery", "add", "--agent", "a", "--certificate", "c", "--format", "pfx", "--to", "/a.pfx"];
    let ran = run_with(program(fake.directory()).args(words), "");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("a pfx has a password; give it with --password-file F"), "{ran:?}");
    assert!(fake.asked().is_empty());
}
