//! Commands that read and write files.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::Path,
};

use serde_json::{Value, json};

use crate::{
    fake::{Fake, certificate, taken},
    program::{program, run, run_with},
};

#[test]
fn an_import_sends_the_files_and_the_password_and_shows_the_certificate() {
    let fake = Fake::json(201, &taken("shop"));
    fs::write(fake.directory().join("chain.pem"), "chain").unwrap();
    fs::write(fake.directory().join("key.pem"), [0xff, 0x00]).unwrap();
    fs::write(fake.directory().join("password"), "secret\n").unwrap();
    let words = ["certificate", "import", "chain.pem", "key.pem", "--name", "Shop", "--allow-expired", "-o", "json"];
    for (flags, stdin) in [(&["--password-stdin"][..], "secret\nmore\n"), (&["--password-file", "password"], "")] {
        let ran = run_with(program(fake.directory()).args(words).args(flags), stdin);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap(), certificate("shop"));
        assert_eq!(ran.stderr, "The certificate shop is in the library.\nWarning: the chain is incomplete\n");
    }
    for asked in fake.asked() {
        assert_eq!(asked.line, "POST /api/v1/certificates");
        assert_eq!(
            asked.body,
            json!({
                "files": [{ "name": "chain.pem", "data": "Y2hhaW4=" }, { "name": "key.pem", "data": "/wA=" }],
                "password": "secret", "name": "Shop", "allow_expired": true,
            })
        );
    }
}

#[test]
fn a_dry_run_says_that_nothing_was_changed() {
    let fake = Fake::json(200, &taken("shop"));
    fs::write(fake.directory().join("a.pfx"), "x").unwrap();
    let ran = run(fake.directory(), &["certificate", "import", "a.pfx", "--replace", "shop", "--dry-run"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("Nothing was changed."), "{ran:?}");
    assert!(ran.stdout.contains("thumbprint  abab"), "{ran:?}");
    assert_eq!(fake.lines(), ["POST /api/v1/certificates?dry_run=true"]);
    assert_eq!(fake.asked()[0].body["replace"], "shop");
}

#[test]
fn a_protected_file_is_not_asked_about_where_nobody_can_answer() {
    let fake = Fake::refusing(422, "password-needed", "The PFX is protected.");
    fs::write(fake.directory().join("a.pfx"), "x").unwrap();
    let ran = run(fake.directory(), &["certificate", "import", "a.pfx"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "portward: The PFX is protected.\n"));
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn files_that_cannot_be_read_are_named_and_nothing_is_asked() {
    let fake = Fake::json(201, &taken("shop"));
    fs::write(fake.directory().join("huge"), vec![0; 1024 * 1024 + 1]).unwrap();
    fs::write(fake.directory().join("a.pfx"), "x").unwrap();
    for (words, reason) in [
        (&["none.pfx"][..], "cannot read none.pfx: No such file or directory"),
        (&["a.pfx", "."], "cannot read .: Is a directory"),
        (&["huge"], "huge is larger than 1 MiB"),
        (&["a.pfx", "--password-file", "none"], "cannot read the password from none: No such file"),
    ] {
        let ran = run_with(program(fake.directory()).args(["certificate", "import"]).args(words), "");
        assert_eq!(ran.code, 1, "{words:?}");
        assert!(ran.stderr.starts_with(&format!("portward: {reason}")), "{words:?}: {ran:?}");
    }
    assert_eq!(fake.lines(), [""; 0]);
}

#[test]
fn an_export_is_written_for_its_owner_alone_and_never_over_a_file() {
    let fake = Fake::answering(vec![(200, &b"\x30\x82bytes"[..])]);
    let path = fake.directory().join("shop.pfx");
    let words = ["certificate", "export", "shop", "--format", "pfx", "--out", "shop.pfx", "--password-stdin"];
    let ran = run_with(program(fake.directory()).args(words), "secret\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    assert_eq!(fs::read(&path).unwrap(), b"\x30\x82bytes");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fake.asked()[0].line, "POST /api/v1/certificates/shop/export");
    assert_eq!(fake.asked()[0].body, json!({ "format": "pfx", "password": "secret" }));

    let ran = run_with(program(fake.directory()).args(words), "secret\n");
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("shop.pfx is there already"), "{ran:?}");
    assert_eq!(fake.lines().len(), 1, "a key left the server for nothing");
}

#[test]
fn pem_goes_through_a_pipe_as_it_is() {
    let fake = Fake::answering(vec![(200, "-----BEGIN CERTIFICATE-----\n")]);
    let ran = run(fake.directory(), &["certificate", "export", "shop", "--format", "pem", "--out", "-"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "-----BEGIN CERTIFICATE-----\n"), "{ran:?}");
}

#[test]
fn a_refused_export_leaves_no_file() {
    let fake = Fake::refusing(403, "not-permitted", "You may not.");
    let ran = run(fake.directory(), &["certificate", "export", "shop", "--format", "pem", "--out", "shop.pem"]);
    assert_eq!(ran.code, 4);
    assert_eq!(left_by(fake.directory()), ["admin.sock"]);
}

#[test]
fn a_backup_that_breaks_off_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("admin.sock")).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        assert!(stream.read(&mut buffer).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").unwrap();
    });
    let ran = run(directory.path(), &["store", "backup", "--out", "backup"]);
    server.join().unwrap();
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("broke before the answer was complete"), "{ran:?}");
    assert_eq!(left_by(directory.path()), ["admin.sock"]);
}

fn left_by(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
