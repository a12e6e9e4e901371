//! Passwords asked for on a terminal: one that script(1) makes.

use std::{
    fs,
    io::{Read, Write},
    process::{Command, Stdio},
};

use crate::fake::{Fake, taken};

/// Runs the program on a terminal, answers each prompt in turn, and gives all that the terminal showed.
pub(crate) fn on_terminal(fake: &Fake, words: &str, answers: &[(&str, &str)]) -> (i32, String) {
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("{} {words}", env!("CARGO_BIN_EXE_portward")))
        .arg("/dev/null")
        .env("PORTWARD_DATA_DIR", fake.directory())
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C")
        .env("TERM", "xterm")
        .current_dir(fake.directory())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    for (prompt, answer) in answers {
        let mut byte = [0];
        while !shown.ends_with(prompt.as_bytes()) {
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "no \"{prompt}\" in {}", String::from_utf8_lossy(&shown));
            shown.push(byte[0]);
        }
        writeln!(keyboard, "{answer}").unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    drop(keyboard);
    (child.wait().unwrap().code().unwrap(), String::from_utf8(shown).unwrap())
}

#[test]
fn a_protected_file_asks_for_its_password_and_does_not_show_it() {
    let needed = r#"{"type":"t","title":"t","status":422,"detail":"It is protected.","code":"password-needed"}"#;
    let fake = Fake::answering(vec![(422, needed.to_owned()), (201, taken("shop").to_string())]);
    fs::write(fake.directory().join("a.pfx"), "x").unwrap();
    let (code, shown) = on_terminal(&fake, "certificate import a.pfx", &[("Password of the file: ", "hunter2 ")]);
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("The certificate shop is in the library.") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(fake.asked()[0].body.get("password"), None);
    assert_eq!(fake.asked()[1].body["password"], "hunter2 ");
}

#[test]
fn a_new_password_is_asked_for_twice() {
    let fake = Fake::answering(vec![(200, "pfx")]);
    let words = "certificate export shop --format pfx --out shop.pfx";
    let (new, again) = ("Password for the new file: ", "The same again: ");
    let (code, shown) = on_terminal(&fake, words, &[(new, "one"), (again, "other")]);
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("the two passwords differ"), "{shown}");
    assert!(fake.asked().is_empty() && !fake.directory().join("shop.pfx").exists());

    let (code, shown) = on_terminal(&fake, words, &[(new, "hunter2"), (again, "hunter2")]);
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(fake.asked()[0].body["password"], "hunter2");
}

#[test]
fn a_private_key_is_not_shown_on_a_terminal() {
    let fake = Fake::answering(vec![(200, "-----BEGIN PRIVATE KEY-----")]);
    let (code, shown) = on_terminal(&fake, "certificate export shop --format pem --out -", &[]);
    assert_eq!(code, 2, "{shown}");
    assert!(shown.contains("a private key is not shown on a terminal") && fake.asked().is_empty(), "{shown}");
}
