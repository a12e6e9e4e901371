//! A certificate that renews itself on one machine is served by nginx on another one, seen from a third.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_certs::Input;
use portward_core::Thumbprint;
use portward_testkit::{AgentProgram, ChildGroup, Machine, StartedAgent, in_network_of_its_own, run};
use serde_json::Value;

use super::bench::{becomes_healthy, check, delivery, said, within_time};
use crate::acme::bench::{Bench, json, text};

/// Is nginx, with the files that an agent installs.
pub(super) struct Nginx {
    pub(super) configuration: String,
    listen: Vec<String>,
}

impl Nginx {
    /// Writes its configuration below an agent's directory, and a certificate of its own that it begins with.
    pub(super) fn of(agent: &AgentProgram, listen: &[&str]) -> Self {
        fs::create_dir_all(agent.path("tls")).unwrap();
        let line = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=shop.test -addext subjectAltName=DNS:shop.test -keyout tls/shop.key -out tls/shop.pem 2>&1";
        run(Command::new("sh").args(["-ec", line]).current_dir(agent.files()));
        let listen = listen.iter().map(|address| (*address).to_owned()).collect();
        let nginx = Self { configuration: agent.text("nginx.conf"), listen };
        nginx.configure("");
        nginx
    }

    /// Writes its configuration with something more.
    pub(super) fn configure(&self, more: &str) {
        let root = self.configuration.strip_suffix("/nginx.conf").unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {root}/nginx-{what};\n"))
            .concat();
        let listen: String = self.listen.iter().map(|address| format!("listen {address} ssl;\n")).collect();
        let text = format!(
            "daemon off;\npid {root}/nginx.pid;\nerror_log {root}/nginx.log;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{more}\nserver {{\n{listen}server_name shop.test;\n\
             ssl_certificate {root}/tls/shop.pem;\nssl_certificate_key {root}/tls/shop.key;\n\
             location / {{ return 204; }}\n}}\n}}\n"
        );
        fs::write(&self.configuration, text).unwrap();
    }

    /// The words that run it.
    pub(super) fn command(&self, more: &[&str]) -> Vec<String> {
        let log = self.configuration.replace("nginx.conf", "nginx.log");
        let fixed = ["/usr/sbin/nginx", "-e", &log, "-c", &self.configuration];
        fixed.iter().chain(more).map(|word| (*word).to_owned()).collect()
    }

    /// A policy with a profile `nginx`, told by these words.
    pub(super) fn policy(&self, reload: &[String]) -> String {
        let directory = self.configuration.replace("nginx.conf", "tls");
        format!(
            "directories = [{directory:?}]\n[profile.nginx]\ntest = {:?}\nreload = {reload:?}\n",
            self.command(&["-t"])
        )
    }
}

/// The certificate in two files that belong together; it fails the test if they do not.
pub(super) fn pair(agent: &AgentProgram) -> Thumbprint {
    let files = ["tls/shop.pem", "tls/shop.key"].map(|name| fs::read(agent.path(name)).unwrap());
    let inputs = files.each_ref().map(|bytes| Input { name: "", bytes });
    portward_certs::read(&inputs, None).unwrap_or_else(|error| panic!("{error}: {files:?}")).facts.thumbprint
}

/// Takes what is posted.
struct Listener {
    port: u16,
    posted: Arc<Mutex<Vec<Value>>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, posted) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&posted);
        std::thread::spawn(move || {
            while let Ok((tcp, _)) = listener.accept() {
                if let Some(body) = take(tcp) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(body);
                }
            }
        });
        Self { port, posted }
    }

    fn posted(&self) -> Vec<Value> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn take(mut tcp: TcpStream) -> Option<Value> {
    let (mut came, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = tcp.read(&mut buffer).ok().filter(|length| *length > 0)?;
        came.extend_from_slice(&buffer[..length]);
        let text = String::from_utf8_lossy(&came).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let expected: usize = head.split("content-length: ").nth(1)?.lines().next()?.trim().parse().ok()?;
        if body.len() >= expected {
            tcp.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").ok()?;
            return serde_json::from_str(body).ok();
        }
    }
}

/// Is Portward beside Pebble on one machine, nginx with an agent on another, and somebody who looks on a third.
struct Net {
    bench: Bench,
    agent: AgentProgram,
    nginx: Nginx,
    third: Machine,
    listener: Listener,
    _nginx_runs: ChildGroup,
    running: Option<StartedAgent>,
    _web: Machine,
}

impl Net {
    async fn start() -> Self {
        let web = Machine::beside("10.91.0.1", "10.91.0.2");
        let third = Machine::beside("10.92.0.1", "10.92.0.2");
        third.cable_to(&web, "10.93.0.1", "10.93.0.2");
        let bench = Bench::start(|options| options).await;
        bench.server.portward(&["binding", "add", "https://10.91.0.1:443"]);
        let listener = Listener::start();
        bench.file("url", &format!("http://127.0.0.1:{}/hook", listener.port));
        bench.file("secret", "a secret of the test");
        let settings = ["--secret", "url=url", "--secret", "secret=secret", "--set", "plain_http=private"];
        bench.server.portward(&[&["notification", "add", "webhook", "--id", "ops"], &settings[..]].concat());

        let agent = AgentProgram::on(&web);
        let nginx = Nginx::of(&agent, &["10.93.0.2:443", "127.0.0.1:443"]);
        agent.write_policy(&nginx.policy(&nginx.command(&["-s", "reload"])));
        let words = nginx.command(&[]);
        let mut command = web.command(&words[0]);
        let nginx_runs = ChildGroup::start(command.args(&words[1..]));
        let line = bench.server.portward(&["agent", "add", "web-03", "--address", "10.91.0.1:443"]);
        agent.portward_agent(&["join", line.trim_end()]);
        let running = agent.start(&["--no-listen"]);
        becomes_healthy(&bench.server, "web-03", Duration::from_secs(20));
        Self { bench, agent, nginx, third, listener, _nginx_runs: nginx_runs, running: Some(running), _web: web }
    }

    /// The leaf that the third machine is shown.
    fn served(&self) -> Option<Thumbprint> {
        let mut command = self.third.command("openssl");
        command.args(["s_client", "-connect", "10.93.0.2:443", "-servername", "shop.test"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let begin = text.find("-----BEGIN CERTIFICATE-----")?;
        let leaf: String = text[begin..].lines().skip(1).take_while(|line| !line.starts_with('-')).collect();
        Some(Thumbprint::of(&BASE64_STANDARD.decode(leaf).unwrap()))
    }

    /// The third machine is shown this certificate by then, and the files have it.
    fn is_served_within(&self, within: Duration, thumbprint: &str) {
        let served = within_time(within, || self.served().filter(|leaf| leaf.to_string() == thumbprint));
        assert!(
            served.is_some(),
            "{:#}\n{}",
            self.delivery(),
            self.running.as_ref().map(StartedAgent::log).unwrap_or_default()
        );
        assert_eq!(pair(&self.agent).to_string(), thumbprint);
    }

    fn agent_stops(&mut self) {
        self.running = None;
    }

    fn agent_starts(&mut self) {
        self.running = Some(self.agent.start(&["--no-listen"]));
    }

    fn delivery(&self) -> Value {
        delivery(&self.bench.server, "shop")
    }

    /// The delivery comes to a state.
    fn comes_to(&self, within: Duration, state: &str) -> Value {
        let found = within_time(within, || Some(self.delivery()).filter(|delivery| delivery["state"] == state));
        found.unwrap_or_else(|| panic!("not {state}: {:#}", self.delivery()))
    }

    fn thumbprint(&self, id: &str) -> String {
        text(&self.bench.certificate(id)["thumbprint"])
    }

    fn problems(&self) -> String {
        said(&mut self.bench.server.command(&["status"])).1
    }
}

const TEN_SECONDS: Duration = Duration::from_secs(10);

#[test]
fn a_renewed_certificate_is_served_on_another_machine_within_ten_seconds_and_a_broken_one_never() {
    let test = "agents::delivery::a_renewed_certificate_is_served_on_another_machine_within_ten_seconds_and_a_broken_one_never";
    let files = [("/etc/hosts", "127.0.0.1 localhost shop.test\n"), ("/etc/resolv.conf", "nameserver 127.0.0.1\n")];
    if !in_network_of_its_own(test, &files) {
        return;
    }
    let net = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let net = Net::start().await;
        let others = net.served().expect("nginx serves what it had before");
        let (pem, key) = (net.agent.text("tls/shop.pem"), net.agent.text("tls/shop.key"));

        // Wanted before it is there: it is served as soon as it is.
        let requested =
            net.bench.server.portward(&["certificate", "request", "shop.test", "--name", "shop", "-o", "json"]);
        let id = text(&json(&requested)["certificate"]["id"]);
        let to = ["--to", &pem, "--to", &key, "--reload", "nginx", "--verify", "shop.test@127.0.0.1:443"];
        let words = ["delivery", "add", "--agent", "web-03", "--certificate", &id, "--format", "pem", "--id", "shop"];
        net.bench.server.portward(&[&words[..], &to].concat());
        net.bench.is_served_in_the_end(&id).await;
        let first = net.thumbprint(&id);
        net.is_served_within(TEN_SECONDS, &first);
        assert_ne!(first, others.to_string());
        net.comes_to(TEN_SECONDS, "installed");
        becomes_healthy(&net.bench.server, "web-03", TEN_SECONDS);

        net.bench.renew(&id);
        let second = net.thumbprint(&id);
        net.is_served_within(TEN_SECONDS, &second);
        net.comes_to(TEN_SECONDS, "installed");

        a_broken_configuration_is_rolled_back(&net, &id, &second);
        let last = net.thumbprint(&id);
        what_somebody_writes_over_it_is_mended(&net, &last);
        net
    });
    drop(net);
}

#[test]
fn a_private_key_that_is_made_on_a_machine_never_leaves_it_and_its_certificate_is_renewed_there() {
    let test = "agents::delivery::a_private_key_that_is_made_on_a_machine_never_leaves_it_and_its_certificate_is_renewed_there";
    let files = [("/etc/hosts", "127.0.0.1 localhost shop.test\n"), ("/etc/resolv.conf", "nameserver 127.0.0.1\n")];
    if !in_network_of_its_own(test, &files) {
        return;
    }
    let net = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut net = Net::start().await;
        let server = &net.bench.server;
        let (pem, key) = (net.agent.text("tls/shop.pem"), net.agent.text("tls/shop.key"));
        let words = ["certificate", "request", "shop.test", "--name", "shop", "--key-on"];
        let (code, told) = said(&mut server.command(&[&words[..], &["nobody"]].concat()));
        assert!(code != 0 && told.contains("nobody"), "{told}");
        let requested = server.portward(&[&words[..], &["web-03", "-o", "json"]].concat());
        let id = text(&json(&requested)["certificate"]["id"]);
        let to = ["--to", &pem, &key, "--reload", "nginx", "--verify", "shop.test@127.0.0.1:443"];
        let words = ["delivery", "add", "--agent", "web-03", "--certificate", &id, "--format", "pem", "--id", "shop"];
        server.portward(&[&words[..], &to].concat());
        net.bench.is_served_in_the_end(&id).await;
        let first = net.thumbprint(&id);
        net.is_served_within(TEN_SECONDS, &first);
        net.comes_to(TEN_SECONDS, "installed");
        let first_key = fs::read(net.agent.path("tls/shop.key")).unwrap();

        // Portward has no key of it: it gives none out, and shows something else in its own handshakes.
        let (code, told) =
            said(&mut server.command(&["certificate", "export", &id, "--format", "pem", "--out", "x.pem"]));
        assert!(code != 0 && told.contains("never leaves it") && told.contains("web-03"), "{told}");
        let own = Thumbprint::of(&portward_testkit::handshake(server.https, "shop.test").await);
        assert_ne!(own.to_string(), first);

        net.bench.renew(&id);
        let second = net.thumbprint(&id);
        net.is_served_within(TEN_SECONDS, &second);
        assert_ne!(fs::read(net.agent.path("tls/shop.key")).unwrap(), first_key, "a renewal makes a new key");

        // Its machine is off when the certificate is due, and comes back.
        net.agent_stops();
        net.bench.server.portward(&["certificate", "renew", &id, "--force"]);
        let waits = within_time(Duration::from_secs(30), || {
            Some(net.bench.timeline(&id)).filter(|text| text.contains("web-03 is not connected"))
        });
        assert!(waits.is_some(), "{}", net.bench.timeline(&id));
        net.agent_starts();
        net.bench.is_served_in_the_end(&id).await;
        let third = net.thumbprint(&id);
        assert_ne!(third, second);
        net.is_served_within(TEN_SECONDS, &third);
        net.comes_to(TEN_SECONDS, "installed");
        becomes_healthy(&net.bench.server, "web-03", TEN_SECONDS);
        net
    });
    drop(net);
}

fn a_broken_configuration_is_rolled_back(net: &Net, id: &str, before: &str) {
    net.nginx.configure("a_word_that_nginx_does_not_know on;");
    net.bench.renew(id);
    let failed = net.comes_to(TEN_SECONDS, "failed");
    assert_eq!(failed["stage"], "test", "{failed:#}");
    assert!(text(&failed["output"]).contains("unknown directive \"a_word_that_nginx_does_not_know\""), "{failed:#}");
    assert_ne!(failed["wanted"], failed["stored"], "{failed:#}");
    assert_eq!(net.served().map(|leaf| leaf.to_string()).as_deref(), Some(before), "nginx serves something else");
    assert_eq!(pair(&net.agent).to_string(), before);
    let shown = net.bench.server.portward(&["delivery", "show", "shop"]);
    assert!(shown.contains("failed at test") && shown.contains("a_word_that_nginx_does_not_know"), "{shown}");

    let is_told = |text: &str| text.contains("a_word_that_nginx_does_not_know") && text.contains("delivery retry shop");
    let told = within_time(TEN_SECONDS, || Some(net.problems()).filter(|text| is_told(text)));
    assert!(told.is_some(), "{}", net.problems());
    // A problem that goes by itself within half a minute is told to nobody.
    let notified = within_time(Duration::from_secs(50), || {
        net.listener.posted().into_iter().find(|posted| is_told(&posted.to_string()))
    });
    assert!(notified.is_some(), "{:#?}", net.listener.posted());

    net.nginx.configure("");
    net.bench.server.portward(&["delivery", "retry", "shop"]);
    net.is_served_within(TEN_SECONDS, &net.thumbprint(id));
    net.comes_to(TEN_SECONDS, "installed");
    let gone = within_time(TEN_SECONDS, || Some(net.problems()).filter(|text| !text.contains("delivery")));
    assert!(gone.is_some(), "{}", net.problems());
}

fn what_somebody_writes_over_it_is_mended(net: &Net, thumbprint: &str) {
    let line = "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=shop.test -keyout other.key -out other.pem 2>&1 && cat other.pem > tls/shop.pem && cat other.key > tls/shop.key";
    run(Command::new("sh").args(["-ec", line]).current_dir(net.agent.files()));
    assert_ne!(pair(&net.agent).to_string(), thumbprint);
    let (is_healthy, text) = check(&net.bench.server, "web-03");
    assert!(!is_healthy && text.contains("was changed by somebody"), "{text}");
    let drifted = net.delivery();
    assert_ne!(drifted["stored"], drifted["wanted"], "{drifted:#}");
    // What differs right after an installation is given a moment.
    let mended = within_time(Duration::from_secs(40), || (pair(&net.agent).to_string() == thumbprint).then_some(()));
    assert!(mended.is_some(), "{:#}", net.delivery());
    net.is_served_within(TEN_SECONDS, thumbprint);
    net.comes_to(TEN_SECONDS, "installed");
    becomes_healthy(&net.bench.server, "web-03", TEN_SECONDS);
}
