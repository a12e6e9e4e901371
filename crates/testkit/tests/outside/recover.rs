//! `portward recover` as somebody runs it on the machine whose portal nobody reaches any more.

use std::net::TcpStream;

use portward_testkit::{Browser, Program, StartedProgram};

#[test]
fn a_portal_that_nobody_reaches_is_reached_again_on_the_machine_and_from_outside() {
    let server = shut();
    assert!(TcpStream::connect(server.https).is_err(), "it is reached");

    let said = server.portward(&["recover"]);
    assert!(said.contains("as no https binding worked"), "{said}");
    let loopback = format!("http://{}", server.admin);
    assert!(said.contains(&loopback), "{said}");
    // The loopback admin listener opens, and takes the password.
    let outside = Browser::start();
    outside.open(&format!("{loopback}/sign-in"));
    outside.fill("[name=user]", "mara");
    outside.fill("[name=password]", PASSWORD);
    outside.click("main form button");
    outside.wait_for("return location.pathname === '/' && document.readyState === 'complete'");
    // So does the way in that was made.
    let bindings = server.portward(&["binding", "list"]);
    let port = bindings.split_whitespace().find_map(|word| word.strip_prefix("https://")?.rsplit_once(':'));
    let (_, port) = port.unwrap_or_else(|| panic!("{bindings}"));
    outside.open(&format!("https://127.0.0.1:{port}/sign-in"));
    assert!(outside.text().contains("Password"), "{}", outside.text());
    assert!(server.portward(&["recover"]).contains("othing"), "the second time there is nothing to do");
}

/// A server whose last https binding is gone for good.
fn shut() -> StartedProgram {
    let server = Program::new().start();
    let password = server.files().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
    let bindings = server.portward(&["binding", "list", "-o", "json"]);
    let bindings: serde_json::Value = serde_json::from_str(&bindings).unwrap();
    let mut all = bindings.as_array().unwrap().iter();
    let https = all.find(|binding| binding["url"].as_str().unwrap().starts_with("https")).unwrap();
    let id = https["id"].as_str().unwrap();
    let (code, refused) = server.portward_fails(&["binding", "remove", id]);
    assert!(code != 0 && refused.contains("has no other way in"), "{refused}");
    server.portward(&["binding", "remove", id, "--force", "--confirm-within", "5s"]);
    let waiting = server.portward(&["confirm", "list", "-o", "json"]);
    let waiting: serde_json::Value = serde_json::from_str(&waiting).unwrap();
    // Somebody on the machine says that it is well, and it is not.
    server.portward(&["confirm", waiting[0]["id"].as_str().unwrap()]);
    server
}

const PASSWORD: &str = "four words are better";
