//! The walk of Octopus's and Tentacle's documentation, command by command: certificates of one's own on both sides, trust
//! by thumbprint, an agent that listens, and what is said when a thumbprint is wrong.

use std::time::Duration;

use portward_core::Thumbprint;
use portward_testkit::{AgentProgram, Program, StartedAgent, StartedProgram, free_port};

use super::bench::{
    PASSWORD, as_in_windows, becomes_healthy, check, is_healthy, make_pfx, nobodys, obey, obey_there, said, thumbprint,
};
use crate::acme::bench::json;

/// Is a server and a listening agent, each with a certificate of the operator's.
struct Walk {
    server: StartedProgram,
    agent: AgentProgram,
    running: StartedAgent,
    /// Where the agent listens.
    address: String,
    /// What the server is known by.
    portal: (Thumbprint, String),
    /// What the agent is known by.
    tentacle: (Thumbprint, String),
}

impl Walk {
    /// Goes it up to where both know each other.
    fn begin() -> Self {
        let server = Program::new().start();
        let portal = make_pfx(server.files(), "portal", "Octopus Portal");
        let before = thumbprint(&server);
        let password = format!("--pfx-password={PASSWORD}");
        let printed = server.portward(&["import-certificate", "--from-file=portal.pfx", &password, "--console"]);
        assert_eq!(
            printed,
            format!(
                "Importing the certificate stored in PFX file in portal.pfx using the provided password...\n\
                 The certificate CN=Octopus Portal was updated; old thumbprint = {before}, new thumbprint = {}\n\
                 Certificate imported successfully.\n",
                portal.0
            )
        );
        assert_eq!(server.portward(&["show-thumbprint"]), format!("{}\n", portal.0));
        let shown = json(&server.portward(&["show-thumbprint", "--format", "json"]));
        let as_json = |(sha256, sha1): &(Thumbprint, String)| serde_json::json!({ "Thumbprint": sha256.to_string(), "Sha1Thumbprint": sha1 });
        assert_eq!(shown, as_json(&portal));

        let agent = AgentProgram::new();
        let tentacle = make_pfx(agent.files(), "tentacle", "Octopus Tentacle");
        let printed = agent.portward_agent(&["import-certificate", "--from-file=tentacle.pfx", &password]);
        assert_eq!(printed, format!("Certificate with thumbprint {} imported successfully.\n", tentacle.0));
        assert_eq!(agent.portward_agent(&["show-thumbprint"]), format!("{}\n", tentacle.0));
        assert_eq!(json(&agent.portward_agent(&["show-thumbprint", "--format=json"])), as_json(&tentacle));

        let (trust, port) = (format!("--trust={}", portal.0), free_port());
        let listen = [&format!("--port={port}"), "--listen-address=127.0.0.1"];
        let printed = agent.portward_agent(&["configure", &trust, listen[0], listen[1]]);
        let expected =
            "Adding 1 trusted Portward servers\nServices listen port: PORT\nListen on IP address: 127.0.0.1\n";
        assert_eq!(printed, expected.replace("PORT", &port.to_string()));
        let running = agent.start(&[]);
        let address = format!("127.0.0.1:{port}");
        let pin = tentacle.0.to_string();
        server.portward(&["agent", "trust", "web-03", "--thumbprint", &pin, "--listening", &address]);
        Self { server, agent, running, address, portal, tentacle }
    }

    /// Has the server trust somebody as the agent.
    fn trust(&self, thumbprint: &str) {
        self.server.portward(&["agent", "trust", "web-03", "--thumbprint", thumbprint, "--listening", &self.address]);
    }
}

#[test]
fn the_walk_ends_with_a_healthy_agent() {
    let walk = Walk::begin();
    is_healthy(&walk.server, "web-03");
    let text = check(&walk.server, "web-03").1;
    assert!(text.contains(&format!("It shows {}, which is trusted", walk.tentacle.0)), "{text}");
    let status = walk.agent.portward_agent(&["status"]);
    assert!(status.contains(&format!("Trusts          {}", walk.portal.0)), "{status}");
    let checked = json(&walk.server.portward(&["agent", "check", "--all", "-o", "json"]));
    assert_eq!((&checked[0]["name"], &checked[0]["health"]), (&"web-03".into(), &"Healthy".into()), "{checked}");
}

#[test]
fn a_wrong_thumbprint_on_the_server_is_told_of_with_the_command_that_mends_it() {
    let walk = Walk::begin();
    is_healthy(&walk.server, "web-03");
    walk.trust(&nobodys().to_string());
    let (is_healthy_now, text) = check(&walk.server, "web-03");
    assert!(!is_healthy_now, "{text}");
    let (sha256, sha1) = &walk.tentacle;
    assert!(
        text.contains(&format!(
            "Expected the thumbprint {}, and {sha256} came (SHA-1 {sha1}, subject CN=Octopus Tentacle,",
            nobodys()
        )),
        "{text}"
    );
    obey(&walk.server, &text, "portward agent trust");
    is_healthy(&walk.server, "web-03");
}

#[test]
fn a_wrong_thumbprint_on_the_agent_is_told_of_with_the_command_that_mends_it() {
    let walk = Walk::begin();
    is_healthy(&walk.server, "web-03");
    let trust = format!("--trust={}", nobodys());
    let printed = walk.agent.portward_agent(&["configure", "--reset-trust", &trust]);
    assert_eq!(printed, "Removing all trusted Portward servers...\nAdding 1 trusted Portward servers\n");
    let (is_healthy_now, text) = check(&walk.server, "web-03");
    assert!(!is_healthy_now, "{text}");
    let (sha256, sha1) = &walk.portal;
    for part in [format!("it was shown {sha256} (SHA-1 {sha1})"), format!("it expected {}", nobodys())] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    assert_eq!(obey_there(&walk.agent, &text, "portward-agent configure"), "Adding 1 trusted Portward servers\n");
    is_healthy(&walk.server, "web-03");
    // Nobody needs a command on this machine for what is seen on the other one.
    let log = walk.running.log();
    assert!(log.contains(&format!("portward-agent configure --trust={sha256}")), "{log}");
}

#[test]
fn thumbprints_are_taken_as_windows_shows_them_and_a_sha1_is_refused_with_the_sha256_to_give() {
    let walk = Walk::begin();
    is_healthy(&walk.server, "web-03");
    // The wrong ones first, so that the right ones have something to do.
    walk.trust(&nobodys().to_string());
    let wrong = format!("--trust={}", nobodys());
    walk.agent.portward_agent(&["configure", "--reset-trust", &wrong]);
    assert!(!check(&walk.server, "web-03").0);
    walk.trust(&as_in_windows(walk.tentacle.0));
    assert!(!check(&walk.server, "web-03").0, "the agent does not trust it");

    let (code, text) = walk.agent.portward_agent_fails(&["configure", &format!("--trust={}", walk.portal.1)]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("SHA-1") && text.contains(&format!("give --trust={}", walk.portal.0)), "{text}");
    walk.agent.portward_agent(&["configure", "--reset-trust", &format!("--trust={}", as_in_windows(walk.portal.0))]);
    is_healthy(&walk.server, "web-03");

    let (sha256, sha1) = &walk.tentacle;
    for name in ["web-03", "web-04"] {
        let words = ["agent", "trust", name, "--thumbprint", sha1, "--listening", &walk.address];
        let (code, text) = said(&mut walk.server.command(&words));
        assert_ne!(code, 0, "{text}");
        assert!(text.contains("SHA-1") && text.contains(&sha256.to_string()), "{text}");
    }
    becomes_healthy(&walk.server, "web-03", Duration::from_secs(5));
}
