//! Agents that dial: by one line, as somebody who is approved, through a proxy, and to a binding of their own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use portward_core::Thumbprint;
use portward_testkit::{AgentProgram, Program, StartedAgent, StartedProgram, free_port};

use super::bench::{
    as_in_windows, becomes_healthy, check, is_healthy, nobodys, obey, obey_there, said, thumbprint, within_time,
};
use crate::acme::bench::{json, text};

/// Joins by the line that the server prints for a name.
fn joined(server: &StartedProgram, agent: &AgentProgram, name: &str) -> StartedAgent {
    let line = server.portward(&["agent", "add", name]);
    assert!(line.starts_with("pwa1_") && line.ends_with('\n') && line.lines().count() == 1, "{line}");
    let running = agent.start(&["--no-listen"]);
    let printed = agent.portward_agent(&["join", line.trim_end()]);
    assert!(printed.starts_with(&format!("Joined as {name}\nThe thumbprint of this agent: ")), "{printed}");
    assert!(printed.contains(&format!("The thumbprint of the server: {}\n", thumbprint(server))), "{printed}");
    becomes_healthy(server, name, Duration::from_secs(10));
    running
}

#[test]
fn an_agent_joins_with_one_line_and_a_wrong_thumbprint_on_either_side_is_mended_by_what_is_said() {
    let server = Program::new().start();
    let agent = AgentProgram::new();
    let _running = joined(&server, &agent, "web-03");
    let own = Thumbprint::parse(&agent.portward_agent(&["show-thumbprint"])).unwrap();
    let right = thumbprint(&server);

    // The server expects another one: the agent is somebody who waits, and the check says so.
    server.portward(&["agent", "trust", "web-03", "--thumbprint", &nobodys().to_string()]);
    let came = format!("Expected the thumbprint {}, and {own} came", nobodys());
    let text_of_it = within_time(Duration::from_secs(20), || {
        let (is_healthy, text) = check(&server, "web-03");
        assert!(!is_healthy, "{text}");
        text.contains(&came).then_some(text)
    });
    let text_of_it = text_of_it.unwrap_or_else(|| panic!("{}", check(&server, "web-03").1));
    // The agent knows it too, and says what to run on the server.
    let (code, status) = said(&mut agent.command(&["status"]));
    assert_eq!(code, 1, "{status}");
    assert!(status.contains("on the server: portward agent approve"), "{status}");
    obey(&server, &text_of_it, "portward agent trust");
    becomes_healthy(&server, "web-03", Duration::from_secs(30));

    // The agent expects another one.
    let (old, new) = (format!("--old-thumbprint={}", as_in_windows(right)), format!("--new-thumbprint={}", nobodys()));
    let printed = agent.portward_agent(&["update-trust", &old, &new]);
    assert_eq!(
        printed,
        format!(
            "Updating Portward servers thumbprint from {right} to {0}\n\
             Updating polling agent URL {1} - changing to trust {0}\n",
            nobodys(),
            server.https
        )
    );
    let (is_healthy_now, text) = check(&server, "web-03");
    assert!(!is_healthy_now, "{text}");
    assert!(text.contains("portward-agent status") && text.contains(&format!("to trust {right}")), "{text}");
    let status = within_time(Duration::from_secs(20), || {
        let (code, status) = said(&mut agent.command(&["status"]));
        assert_eq!(code, 1, "{status}");
        status.contains(&format!("and {right} came")).then_some(status)
    });
    let status = status.unwrap_or_else(|| panic!("{}", said(&mut agent.command(&["status"])).1));
    assert!(status.contains(&nobodys().to_string()), "{status}");
    obey_there(&agent, &status, "portward-agent update-trust");
    becomes_healthy(&server, "web-03", Duration::from_secs(10));
}

#[test]
fn an_agent_polls_at_a_binding_beside_a_name_that_is_passed_through() {
    let server = Program::new().start();
    let list = json(&server.portward(&["binding", "list", "-o", "json"]));
    let https = list.as_array().unwrap().iter().find(|binding| text(&binding["url"]).starts_with("https")).unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("polling.test={}", other.local_addr().unwrap());
    server.portward(&["binding", "edit", &text(&https["id"]), "--to", &to, "--accept-proxy-from", "192.0.2.0/24"]);
    let agent = AgentProgram::new();
    let _running = joined(&server, &agent, "web-07");
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "the target heard of an agent");
}

#[test]
fn a_stranger_waits_and_is_approved_by_thumbprint() {
    let server = Program::new().start();
    let agent = AgentProgram::new();
    let own = agent.portward_agent(&["show-thumbprint"]);
    agent.portward_agent(&["configure", "--no-listen", &format!("--trust={}", as_in_windows(thumbprint(&server)))]);
    assert_eq!(agent.portward_agent(&["poll-server", &server.https.to_string()]), "Polling endpoint configured\n");
    let _running = agent.start(&[]);
    let waiting = within_time(Duration::from_secs(10), || {
        let waiting = json(&server.portward(&["agent", "list", "--waiting", "-o", "json"]));
        waiting.as_array().unwrap().first().cloned()
    });
    let waiting = waiting.expect("nobody waits");
    assert_eq!(text(&waiting["thumbprint"]), own.trim());
    let (code, listed) = said(&mut server.command(&["agent", "list"]));
    assert!(code == 0 && listed.contains("1 waits to be approved."), "{listed}");
    let told = within_time(Duration::from_secs(5), || {
        let status = server.portward(&["status"]);
        status.contains("Somebody who is not trusted wants to be an agent").then_some(())
    });
    assert!(told.is_some(), "{}", server.portward(&["status"]));
    server.portward(&["agent", "approve", &text(&waiting["id"]), "--name", "web-05"]);
    becomes_healthy(&server, "web-05", Duration::from_secs(20));
    assert_eq!(server.portward(&["agent", "list", "--waiting", "-o", "json"]).trim(), "[]");
}

/// Is an HTTP proxy that lets everybody through who says CONNECT.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let lines = Arc::clone(&asked);
        std::thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                let lines = Arc::clone(&lines);
                std::thread::spawn(move || pass(tcp, &lines));
            }
        });
        Self { port, asked }
    }

    /// The first lines of what it was asked.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn pass(mut tcp: TcpStream, asked: &Mutex<Vec<String>>) -> Option<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        tcp.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next()?.to_owned();
    let there = TcpStream::connect(line.split(' ').nth(1)?).ok()?;
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
        let _ = from.shutdown(std::net::Shutdown::Both);
    };
    let (from, to) = (tcp.try_clone().ok()?, there.try_clone().ok()?);
    std::thread::spawn(move || copy(from, to));
    copy(there, tcp);
    Some(())
}

#[test]
fn an_agent_behind_a_proxy_dials_a_binding_for_agents_alone() {
    let server = Program::new().start();
    let port = free_port();
    let alone = format!("127.0.0.1:{port}");
    let (code, text_of_it) = said(&mut server.command(&["identity", "edit", "--binding", &alone, "--address", &alone]));
    let expected =
        format!("Agents dial {alone}. They are let in at every https binding, and at {alone} for them alone.\n");
    assert_eq!((code, text_of_it), (0, expected));
    let shown = server.portward(&["identity", "show"]);
    assert!(shown.contains(&format!("agents dial   {alone}\nagents alone  {alone}\n")), "{shown}");
    // No site is there, and no portal: who is no agent gets no further than the handshake.
    let curl = ["--noproxy", "*", "-skS", "--max-time", "5", "-o", "page", "-w", "%{http_code}"];
    let mut command = Command::new("curl");
    let command = command.args(curl).arg(format!("https://{alone}/")).current_dir(server.files());
    let (code, text_of_it) = said(command);
    assert!(code == 35 && text_of_it.contains("alert no application protocol"), "{code}: {text_of_it}");

    let proxy = Proxy::start();
    let agent = AgentProgram::new();
    let printed = agent.portward_agent(&["configure", "--proxy", &format!("http://127.0.0.1:{}", proxy.port)]);
    assert_eq!(printed, format!("Servers are dialled through the HTTP proxy 127.0.0.1:{}\n", proxy.port));
    let running = joined(&server, &agent, "web-03");
    let asked = proxy.asked();
    // Once to join, once for the link.
    assert!(asked.len() >= 2 && asked.iter().all(|line| *line == format!("CONNECT {alone} HTTP/1.1")), "{asked:?}");

    // Who is linked is told of a new address before the old one is closed, and comes by that.
    let https = server.https.to_string();
    server.portward(&["identity", "edit", "--address", &https]);
    let by_https = format!("CONNECT {https} HTTP/1.1");
    server.portward(&["identity", "edit", "--no-binding"]);
    assert!(TcpStream::connect(&alone).is_err(), "it is still bound");
    let configured = within_time(Duration::from_secs(10), || {
        let shown = agent.portward_agent(&["show-configuration", "-o", "json"]);
        shown.contains(&https).then_some(())
    });
    assert!(configured.is_some(), "{}", agent.portward_agent(&["show-configuration"]));
    becomes_healthy(&server, "web-03", Duration::from_secs(10));
    drop(running);
    let _running = agent.start(&[]);
    becomes_healthy(&server, "web-03", Duration::from_secs(10));
    assert!(proxy.asked().contains(&by_https), "{:?}", proxy.asked());
    is_healthy(&server, "web-03");
}
