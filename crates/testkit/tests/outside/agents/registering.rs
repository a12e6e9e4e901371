//! Agents that have the API of a server know them, as Tentacle's `register-with` does.

use std::time::Duration;

use portward_testkit::{AgentProgram, Program};

use super::bench::{becomes_healthy, said};
use crate::acme::bench::json;

#[test]
fn an_agent_registers_with_the_api_of_a_server_that_it_pins_and_is_healthy() {
    let server = Program::new().start();
    let password = server.files().join("password");
    std::fs::write(&password, "a lime tree by the door\n").unwrap();
    server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
    server.portward(&["identity", "show"]);
    let certificates = json(&server.portward(&["certificate", "list", "-o", "json"]));
    let pin = certificates[0]["thumbprint"].as_str().unwrap();
    let token = |permissions: &[&str]| {
        let mut words = vec!["token", "create", "machines"];
        permissions.iter().for_each(|permission| words.extend(["--permission", permission]));
        server.portward(&words).trim_end().to_owned()
    };
    let url = format!("https://{}", server.https);
    let agent = AgentProgram::new();
    let _running = agent.start(&["--no-listen"]);
    let register = |token: &str, others: &[&str]| {
        std::fs::write(agent.path("token"), format!("{token}\n")).unwrap();
        let file = agent.text("token");
        let words = ["register-with", "--server", &url, "--token-file", &file, "--name", "web-03"];
        said(&mut agent.command(&[&words[..], others].concat()))
    };
    let good = token(&["view", "agent:change"]);

    // No authority vouches for the certificate of a first start.
    let (code, text) = register(&good, &[]);
    assert_eq!(code, 1, "{text}");
    // Who may look may not have agents trusted.
    let (code, text) = register(&token(&["view"]), &["--server-thumbprint", pin]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("agent:change"), "{text}");
    assert!(server.portward(&["agent", "list", "-o", "json"]).contains("[]"));

    let (code, text) = register(&good, &["--server-thumbprint", pin]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Agent registered successfully as web-03"), "{text}");
    becomes_healthy(&server, "web-03", Duration::from_secs(20));
    assert!(!text.contains(&good), "{text}");
}
