//! Agents for the pages that tell of them: one that is well, one that cannot install, one that was never heard, and one
//! that is not trusted; and what is seen of them while one looks.

use portward_core::{Thumbprint, Timestamp};
use portward_link::{LinkError, message::Fault, opening::RefusalCode};
use portward_testkit::{Browser, FakeAgent, FakeLink, StartedProgram, eventually};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::signed_in;

/// Has their links.
pub(super) struct Machines {
    pub(super) runtime: Runtime,
    pub(super) first: FakeAgent,
    links: Vec<FakeLink>,
}

impl Machines {
    /// Has them come, and the certificate of the first start be delivered to them.
    pub(super) fn start(server: &StartedProgram) -> Self {
        let runtime = Runtime::new().unwrap();
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let agent = |name: &str| FakeAgent::new(name, now);
        let (first, second) = (agent("edge-1"), agent("edge-2"));
        second.fail_with(
            Fault::new("test-failed", "the program nginx does not take the new files; nothing was changed")
                .at("test")
                .with_output("nginx: [emerg] invalid parameter \"htpps\" in /etc/nginx/conf.d/shop.conf:3\nnginx: configuration file /etc/nginx/nginx.conf test failed"),
        );
        for (name, thumbprint, listening) in [
            ("edge-1", first.thumbprint(), None),
            ("edge-2", second.thumbprint(), None),
            ("edge-3", Thumbprint::of(b"edge-3"), Some("127.0.0.1:9")),
        ] {
            let mut body = json!({ "name": name, "thumbprint": thumbprint.to_string() });
            if let Some(listening) = listening {
                body["listening"] = json!(listening);
            }
            server.api("POST", "/api/v1/agents", &body);
        }
        let mut these = Self { runtime, first, links: Vec::new() };
        let ours = ours(server);
        for agent in [these.first.clone(), second] {
            these.links.push(these.runtime.block_on(agent.link(server.https, ours)).unwrap());
        }
        for agent in ["edge-1", "edge-2", "edge-3"] {
            let to = ["/etc/nginx/tls/shop.pem", "/etc/nginx/tls/shop.key"];
            let body = json!({ "agent": agent, "certificate": "first-start", "format": "pem", "to": to, "reload": "nginx", "verify": "127.0.0.1:443" });
            server.api("POST", "/api/v1/deliveries", &body);
            let expected = match agent {
                "edge-1" => "installed",
                "edge-2" => "failed",
                _ => "unreachable",
            };
            these.runtime.block_on(eventually("the delivery is where it comes to", async || {
                let delivery = server.api("GET", &format!("/api/v1/deliveries/first-start-{agent}"), &Value::Null);
                (delivery["state"] == expected).then_some(())
            }));
        }
        let stranger = agent("edge-ams-1");
        let refused = these.runtime.block_on(stranger.link(server.https, ours)).unwrap_err();
        assert!(
            matches!(&refused, LinkError::Refused(refusal) if refusal.code == RefusalCode::UnknownPin),
            "{refused}"
        );
        these
    }

    /// Has all of them asked, so that there is a page that tells what came of it.
    pub(super) fn check(server: &StartedProgram, browser: &Browser) {
        browser.open(&format!("https://127.0.0.1:{}/agents", server.https.port()));
        browser.click("form[action='/agent-checks'] button");
        browser.wait_for(
            "return location.pathname === '/agent-checks/1' && !document.querySelector('#live-check[data-on]')",
        );
    }
}

/// By what agents know the server.
fn ours(server: &StartedProgram) -> Thumbprint {
    let identity = server.api("GET", "/api/v1/identity", &Value::Null);
    Thumbprint::parse(identity["thumbprint"].as_str().unwrap()).unwrap()
}

#[test]
fn what_becomes_of_agents_is_seen_while_one_looks() {
    let (server, browser) = signed_in();
    let mut machines = Machines::start(&server);
    browser.open(&format!("https://127.0.0.1:{}/agents", server.https.port()));
    browser.run("window.opened = 'once'");
    let shows = |id: &str, text: &str| {
        browser.wait_for(&format!("return document.getElementById('{id}').textContent.includes({})", json!(text)));
    };
    shows("live-strangers", "edge-ams-1");
    shows("live-board", "failed");
    // What is typed meanwhile is not taken away.
    browser.fill("#live-strangers [name=name]", "edge-ams-9");
    machines.links.clear();
    shows("live-machines", "Not reached for");
    shows("live-board", "v1?");
    let typed = browser.run("return document.querySelector('#live-strangers [name=name]').value");
    assert_eq!((typed, browser.run("return window.opened")), (json!("edge-ams-9"), json!("once")));

    browser.open(&format!("https://127.0.0.1:{}/agents/edge-1", server.https.port()));
    shows("live-lead", "Not reached for");
    let link = machines.runtime.block_on(machines.first.link(server.https, ours(&server))).unwrap();
    shows("live-lead", "Connected");
    drop(link);
}
