//! What an operator has at hand: commands with what they say, and certificates made by openssl.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use portward_core::Thumbprint;
use portward_testkit::{AgentProgram, StartedProgram, run};
use serde_json::Value;

use crate::acme::bench::json;

/// Runs a command; gives its exit code, and all that it said.
pub(super) fn said(command: &mut Command) -> (i32, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// Asks an agent how it is; gives what was said. It exits with 0 if and only if it is healthy.
pub(super) fn check(server: &StartedProgram, name: &str) -> (bool, String) {
    let (code, text) = said(&mut server.command(&["agent", "check", name]));
    let is_healthy = text.starts_with(&format!("{name} is Healthy ("));
    assert_eq!(code, i32::from(!is_healthy), "{text}");
    (is_healthy, text)
}

/// The agent is healthy.
pub(super) fn is_healthy(server: &StartedProgram, name: &str) {
    let (is_healthy, text) = check(server, name);
    assert!(is_healthy, "{text}");
}

/// The agent becomes healthy by itself.
pub(super) fn becomes_healthy(server: &StartedProgram, name: &str, within: Duration) {
    let last = std::cell::RefCell::new(String::new());
    let healthy = within_time(within, || {
        let (is_healthy, text) = check(server, name);
        *last.borrow_mut() = text;
        is_healthy.then_some(())
    });
    assert!(healthy.is_some(), "not within {within:?}: {}", last.borrow());
}

/// Looks again and again, for so long.
pub(super) fn within_time<T>(within: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begun.elapsed() > within {
            return None;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The words of the command that a message says to run, without the program: it ends with the line, with a sentence, or
/// with what is said beside it.
pub(super) fn advised(text: &str, command: &str) -> Vec<String> {
    let begin = text.find(command).unwrap_or_else(|| panic!("it does not say {command}: {text}"));
    let line = text[begin..].lines().next().unwrap();
    let mut words = Vec::new();
    for word in line.split(' ').take_while(|word| !word.starts_with('(')) {
        words.push(word.trim_end_matches(['.', ',', ';', ')']).to_owned());
        if word.ends_with(['.', ',', ';', ')']) {
            break;
        }
    }
    words.split_off(1)
}

/// Does on the server what a message says.
pub(super) fn obey(server: &StartedProgram, text: &str, command: &str) {
    let words = advised(text, command);
    server.portward(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Does on the agent's machine what a message says.
pub(super) fn obey_there(agent: &AgentProgram, text: &str, command: &str) -> String {
    let words = advised(text, command);
    agent.portward_agent(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Makes `NAME.pfx` as one is made for Octopus: RSA 2048, 100 years, protected by [`PASSWORD`]. Gives SHA-256 and SHA-1.
pub(super) fn make_pfx(directory: &Path, name: &str, subject: &str) -> (Thumbprint, String) {
    let shell = |line: &str| run(Command::new("sh").args(["-ec", line]).current_dir(directory));
    shell(&format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 -subj '/CN={subject}' -keyout {name}.key -out {name}.pem 2>&1
         openssl pkcs12 -export -inkey {name}.key -in {name}.pem -out {name}.pfx -passout pass:{PASSWORD}"
    ));
    let print = |digest: &str| {
        let line = shell(&format!("openssl x509 -in {name}.pem -noout -fingerprint -{digest}"));
        line.trim().split_once('=').unwrap().1.to_owned()
    };
    (Thumbprint::parse(&print("sha256")).unwrap(), print("sha1").replace(':', ""))
}

/// As a dialog of Windows shows it, with the mark that is copied along.
pub(super) fn as_in_windows(thumbprint: Thumbprint) -> String {
    let text = thumbprint.to_string().to_uppercase();
    let pairs: Vec<&str> = (0..32).map(|i| &text[2 * i..2 * i + 2]).collect();
    format!("\u{200e}{}", pairs.join(":"))
}

/// A thumbprint that nobody has.
pub(super) fn nobodys() -> Thumbprint {
    Thumbprint::of(b"nobody")
}

/// The thumbprint of the server, as it is printed for scripts.
pub(super) fn thumbprint(server: &StartedProgram) -> Thumbprint {
    Thumbprint::parse(&server.portward(&["show-thumbprint"])).unwrap()
}

/// A delivery as it is shown to programs.
pub(super) fn delivery(server: &StartedProgram, id: &str) -> Value {
    json(&server.portward(&["delivery", "show", id, "-o", "json"]))
}

pub(super) const PASSWORD: &str = "MySecretPassword";
