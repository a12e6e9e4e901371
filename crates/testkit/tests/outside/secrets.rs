//! Planted secrets are found nowhere: not in logs, answers, files, backups, argument lists or environments.

use std::{path::Path, process::Command};

use base64::Engine;
use portward_testkit::{Authority, Program, run};

use crate::imports::{certificate_id, import, now, password_file, pfx, write};

const MARKER: &str = "pfx-password-marker-7f3a9c";

#[tokio::test]
async fn planted_secrets_are_found_nowhere() {
    let server = Program::new().with_log("trace").start();
    let issued = Authority::new().issue(&["shop.test"], now());
    pfx(&server, "shop", &issued, MARKER, &[]);
    let password = password_file(&server, MARKER);

    let mut seen = Vec::new();
    import(&server, &["shop.pfx", "--password-file", &password, "--name", "shop"]);
    let id = certificate_id(&server, "shop");
    seen.push(server.portward(&["site", "add", "shop.test", "--upstream", "http://127.0.0.1:9"]));
    for arguments in [
        &["certificate", "list", "-o", "json"][..],
        &["certificate", "show", &id, "-o", "json"],
        &["certificate", "show", &id],
        &["site", "list", "-o", "json"],
        &["certificate", "export", &id, "--format", "pfx", "--out", "exported.pfx", "--password-file", &password],
        &["store", "backup", "--out", "backup"],
    ] {
        seen.push(server.portward(arguments));
    }
    let status = server.command(&["status", "-o", "json"]).output().unwrap();
    seen.push(String::from_utf8_lossy(&status.stdout).into_owned());
    // Errors, with the secret at hand.
    write(&server, "garbage.pfx", &format!("{MARKER}{}", issued.key_pem));
    seen.push(server.portward_fails(&["certificate", "import", "garbage.pfx", "--password-file", &password]).1);
    seen.push(server.portward_fails(&["certificate", "import", "shop.pfx", "--password-file", "shop.pfx"]).1);
    let raw = run(Command::new("curl")
        .args(["-sS", "--unix-socket"])
        .arg(server.data_directory().join("admin.sock"))
        .args([
            "-X",
            "POST",
            "-H",
            "content-type: application/json",
            "http://localhost/api/v1/certificates",
            "-d",
            &format!(
                "{{\"files\":[{{\"name\":\"x\",\"data\":\"{MARKER}\"}}],\"password\":\"{MARKER}\",\"nonsense\":1}}"
            ),
        ]));
    seen.push(raw);
    seen.push(run(Command::new("curl").arg("-sS").arg(format!("http://{}/", server.admin))));
    // Requests over HTTP/2 and HTTP/1.1, whose libraries log much at TRACE.
    for version in ["--http2", "--http1.1"] {
        seen.push(run(Command::new("curl")
            .args(["-sSk", version, "--resolve", &format!("shop.test:{}:127.0.0.1", server.https.port())])
            .arg(format!("https://shop.test:{}/", server.https.port()))));
    }
    for file in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{file}", server.id())).unwrap();
        seen.push(String::from_utf8_lossy(&bytes).into_owned());
    }

    let needles = needles(&issued.key_pem);
    for text in &seen {
        assert_free_of(&needles, text.as_bytes(), text);
    }
    let (data, backup) = (server.data_directory(), server.files().join("backup"));
    let mut files = 0;
    search(&data, &needles, &mut files);
    search(&backup, &needles, &mut files);
    assert!(files >= 3, "only {files} files were searched in {}", data.display());
    let log = {
        let (code, log) = server.stop();
        assert_eq!(code, Some(0), "{log}");
        log
    };
    assert!(log.contains("TRACE"), "the log is not at TRACE");
    assert_free_of(&needles, log.as_bytes(), "the log");
}

/// The password, and the key in each form in which it could lie about: raw, base64 of files, hexadecimal.
pub(crate) fn needles(key_pem: &str) -> Vec<(&'static str, Vec<u8>)> {
    let lines: Vec<&str> = key_pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(lines.concat()).unwrap();
    // The private scalar of a P-256 key in PKCS #8 follows the header of its OCTET STRING.
    let at = der.windows(2).position(|window| window == [0x04, 0x20]).unwrap() + 2;
    let scalar = der[at..at + 32].to_vec();
    let hex: String = scalar.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        ("the password", MARKER.as_bytes().to_vec()),
        ("the password in UTF-16", MARKER.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("the key", scalar.clone()),
        ("the key in hexadecimal", hex.clone().into_bytes()),
        ("the key in hexadecimal", hex.to_uppercase().into_bytes()),
        ("the key in PEM", lines[1].as_bytes().to_vec()),
        ("the key in Rust's Debug", format!("{scalar:?}").trim_matches(['[', ']']).as_bytes().to_vec()),
    ]
}

pub(crate) fn search(path: &Path, needles: &[(&str, Vec<u8>)], files: &mut usize) {
    let kind = std::fs::symlink_metadata(path).unwrap().file_type();
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            search(&entry.unwrap().path(), needles, files);
        }
    } else if kind.is_file() {
        *files += 1;
        assert_free_of(needles, &std::fs::read(path).unwrap(), &path.display().to_string());
    }
}

pub(crate) fn assert_free_of(needles: &[(&str, Vec<u8>)], hay: &[u8], place: &str) {
    for (what, needle) in needles {
        let found = hay.windows(needle.len()).any(|window| window == needle.as_slice());
        assert!(!found, "{what} is in {place}");
    }
}
