//! Commands that ask a server.

use serde_json::{Value, json};

use crate::{
    fake::{Fake, certificate},
    program::{program, run, run_with},
};

#[test]
fn json_is_exactly_what_the_api_answers() {
    let binding = json!({ "id": "http-80", "url": "http://[::]:80", "bound": true, "problem": null });
    let site = json!({
        "id": "shop", "names": ["shop.test"], "upstreams": ["http://127.0.0.1:3000"],
        "force_https": "off", "hsts": "off", "certificate": "auto",
    });
    for (words, answer) in [
        (&["binding", "list", "-o", "json"][..], json!([binding])),
        (&["binding", "add", "http://[::]:80", "-o", "json"], binding),
        (&["site", "list", "-o", "json"], json!([site])),
        (&["site", "show", "shop", "-o", "json"], site),
        (&["certificate", "list", "-o", "json"], json!([certificate("shop")])),
        (&["certificate", "show", "shop", "-o", "json"], certificate("shop")),
        (&["certificate", "list", "--output=json"], json!([])),
    ] {
        let fake = Fake::json(200, &answer);
        let ran = run(fake.directory(), words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), answer, "{words:?}");
        assert_eq!(ran.stderr, "", "{words:?}");
    }
}

#[test]
fn a_refusal_ends_with_the_code_of_its_kind_and_is_told_on_stderr() {
    for (status, code) in [(400, 1), (401, 4), (403, 4), (404, 3), (409, 5), (412, 5), (422, 1), (500, 1), (503, 1)] {
        let fake = Fake::refusing(status, "some-code", "The reason and the remedy.");
        for words in [&["binding", "list"][..], &["site", "remove", "s1"], &["certificate", "rollback", "c1"]] {
            let ran = run(fake.directory(), words);
            assert_eq!(ran.code, code, "{status} of {words:?}");
            assert_eq!(ran.stderr, "portward: The reason and the remedy.\n");
            assert_eq!(ran.stdout, "");
        }
    }
}

#[test]
fn what_the_server_would_only_refuse_is_not_asked() {
    let fake = Fake::json(200, &json!([]));
    for (words, reason) in [
        (&["binding", "add", "https://shop.test:443"][..], "names a host"),
        (&["site", "add", "shop.test"], "--upstream"),
        (&["site", "edit", "s1"], "nothing to change"),
        (&["certificate", "export", "c1", "--format", "pfx", "--out", "f"], "--password-file F or --password-stdin"),
        (&["binding", "list", "--bogus"], "unexpected argument '--bogus'"),
        (&["binding", "list", "--url", "https://localhost"], "PORTWARD_TOKEN"),
    ] {
        let ran = run(fake.directory(), words);
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(reason), "{words:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{words:?}");
    }
    assert_eq!(fake.lines(), [""; 0]);
}

#[test]
fn status_ends_with_1_if_something_is_not_served() {
    let status = |ok: bool, severity: &str| {
        let problem = json!({
            "code": "x", "severity": severity, "what": "binding https-443",
            "message": "Port 443 is taken.", "remedy": "Choose another.",
        });
        json!({
            "revision": 7, "version": "0.1.0", "ok": ok, "bindings": [], "sites": 0, "certificates": [],
            "problems": [problem],
        })
    };
    for (ok, severity, code, verdict) in [
        (true, "warning", 0, "Everything is served: no binding and no site; but 1 thing needs attention.\n"),
        (false, "error", 1, "Not everything is served: 1 problem among no binding and no site.\n"),
    ] {
        let view = status(ok, severity);
        let fake = Fake::json(200, &view);
        let ran = run(fake.directory(), &["status"]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stdout.starts_with(verdict) && ran.stdout.contains("Choose another."), "{ran:?}");
        let ran = run(fake.directory(), &["status", "-o", "json"]);
        assert_eq!((ran.code, serde_json::from_str::<Value>(&ran.stdout).unwrap()), (code, view));
        assert_eq!(fake.lines(), ["GET /api/v1/status", "GET /api/v1/status"]);
    }
}

#[test]
fn a_removal_is_told_on_stderr() {
    let fake = Fake::json(200, &json!({ "id": "http-80", "warnings": ["The last http binding is gone."] }));
    let ran = run(fake.directory(), &["binding", "remove", "http-80"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, "");
    assert_eq!(ran.stderr, "The binding http-80 is removed.\nWarning: The last http binding is gone.\n");
    let ran = run(fake.directory(), &["binding", "remove", "http-80", "-o", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["id"], "http-80", "{ran:?}");
    assert_eq!(fake.lines(), ["DELETE /api/v1/bindings/http-80"; 2]);
}

#[test]
fn a_pipe_gets_no_colour() {
    let binding = json!({ "id": "http-80", "url": "http://[::]:80", "bound": false, "problem": "taken\u{1b}[2J" });
    let fake = Fake::json(200, &json!([binding]));
    let ran = run_with(program(fake.directory()).env("TERM", "xterm").args(["binding", "list"]), "");
    assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.contains("taken\\u{1b}[2J"), "{ran:?}");
}

#[test]
fn a_server_that_does_not_run_is_told_with_the_command_that_starts_it() {
    let directory = tempfile::tempdir().unwrap();
    let ran = run(directory.path(), &["status"]);
    assert_eq!(ran.code, 1);
    let told = format!("Start it: portward serve --data-dir {}", directory.path().display());
    assert!(ran.stderr.starts_with("portward: Portward does not run") && ran.stderr.contains(&told), "{ran:?}");
}

#[test]
fn the_directory_here_is_found_without_being_named() {
    let fake = Fake::json(200, &json!([]));
    let around = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(fake.directory(), around.path().join("portward-data")).unwrap();
    let ran = run_with(program(around.path()).env_remove("PORTWARD_DATA_DIR").args(["binding", "list"]), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    let named = fake.directory().to_str().unwrap();
    let ran = run(around.path(), &["binding", "list", "--data-dir", named]);
    assert_eq!(ran.code, 0, "{ran:?}");
}
