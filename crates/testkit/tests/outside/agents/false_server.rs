//! A server whose keys somebody else has: what they have it ask for, an agent does only as far as its own policy goes.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_certs::{Input, Password, read};
use portward_core::{DialAddress, Thumbprint};
use portward_link::{
    CallError, Caller, Identity, Instance, SecretBytes, SecretText, Session, dial,
    message::{Deliver, Install, Method, VerifyAt, method},
    opening::Hello,
};
use portward_testkit::{AgentProgram, Authority, Issued, Program, StartedAgent, free_port};
use serde_json::{Value, json};

use super::bench::{PASSWORD, is_healthy, thumbprint};
use crate::imports::now;

/// Is an agent that trusts a server, and somebody who has that server's key.
struct Burglary {
    agent: AgentProgram,
    _running: StartedAgent,
    caller: Caller,
    authority: Authority,
}

impl Burglary {
    async fn begin() -> Self {
        let agent = AgentProgram::new();
        for directory in ["tls", "tls/site", "outside", "elsewhere"] {
            fs::create_dir(agent.path(directory)).unwrap();
        }
        fs::write(agent.path("outside/shadow"), "root:secret").unwrap();
        std::os::unix::fs::symlink(agent.path("outside"), agent.path("tls/way")).unwrap();
        std::os::unix::fs::symlink(agent.path("outside/shadow"), agent.path("tls/link.pem")).unwrap();
        fs::hard_link(agent.path("outside/shadow"), agent.path("tls/hard.pem")).unwrap();
        agent.write_policy(&format!(
            "directories = [{:?}]\n[profile.nginx]\nreload = [\"/usr/bin/touch\", {:?}]\n",
            agent.text("tls"),
            agent.text("told")
        ));

        // The server is one of everyday life, until its key is taken out.
        let server = Program::new().start();
        let port = free_port();
        agent.portward_agent(&[
            "configure",
            &format!("--trust={}", thumbprint(&server)),
            &format!("--port={port}"),
            "--listen-address=127.0.0.1",
        ]);
        let running = agent.start(&[]);
        let pin = agent.portward_agent(&["show-thumbprint"]);
        let address = format!("127.0.0.1:{port}");
        server.portward(&["agent", "trust", "web-03", "--thumbprint", pin.trim(), "--listening", &address]);
        is_healthy(&server, "web-03");
        fs::write(server.files().join("password"), PASSWORD).unwrap();
        server.portward(&["identity", "export", "--export-pfx", "stolen.pfx", "--pfx-password-file", "password"]);
        let stolen = fs::read(server.files().join("stolen.pfx")).unwrap();
        let password = Password::new(PASSWORD.to_owned());
        let bundle = read(&[Input { name: "stolen.pfx", bytes: &stolen }], Some(&password)).unwrap();
        let key = bundle.key.as_pkcs8_der().to_vec().into();
        let identity = Identity::from_der(bundle.chain.leaf.to_vec(), key).unwrap();
        drop(server);

        let tcp = dial(&DialAddress::parse(&address, None).unwrap(), None).await.unwrap();
        let pins = [Thumbprint::parse(&pin).unwrap()];
        let session = Session::dial(tcp, &identity, &pins, Hello::new(&Instance::new()), None).await.unwrap();
        let (caller, run) = Caller::begin(session).await.unwrap();
        tokio::spawn(run);
        Self { agent, _running: running, caller, authority: Authority::new() }
    }

    /// A delivery that the policy allows.
    fn good(&self) -> Deliver {
        let issued = self.authority.issue(&["shop.test"], now());
        Deliver {
            delivery: "d-1".to_owned(),
            generation: 1,
            install: Install {
                format: "pem".to_owned(),
                to: vec![self.agent.text("tls/site.pem"), self.agent.text("tls/site.key")],
                owner: String::new(),
                mode: "600".to_owned(),
                reload: Some("nginx".to_owned()),
                verify: None,
                friendly_name: String::new(),
            },
            chain: chain(&issued),
            key: Some(SecretBytes::new(der(&issued.key_pem))),
            key_of: None,
            password: Some(SecretText::new(PASSWORD.to_owned())),
        }
    }

    /// Everything below the agent's directory but its own state and log.
    fn everything(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        walk(self.agent.files(), &mut found);
        found.retain(|path, _| {
            !path.starts_with(self.agent.data_directory())
                && *path != self.agent.path("log")
                && path != self.agent.files()
        });
        found
    }

    /// What the agent remembers of what it installed.
    fn ledger(&self) -> Option<Vec<u8>> {
        fs::read(self.agent.data_directory().join("installed.json")).ok()
    }

    /// Asks for something; nothing comes of it, and nothing is changed.
    async fn refused(&self, what: &str, call: Deliver) -> String {
        let (before, ledger) = (self.everything(), self.ledger());
        let answer = self.caller.call::<method::Deliver>(&call, PATIENCE).await;
        let Err(CallError::Fault(fault)) = answer else { panic!("{what}: {answer:?}") };
        assert_eq!(fault.stage.as_deref(), Some("check"), "{what}: {fault:?}");
        assert!(!fault.message.chars().any(char::is_control), "{what}: {fault:?}");
        assert_eq!(self.everything(), before, "{what}: {fault:?}");
        assert_eq!(self.ledger(), ledger, "{what}: {fault:?}");
        fault.code
    }

    /// Asks for each of these in turn, made of a good delivery.
    async fn all_refused(&self, what: &str, texts: &[String], put: impl Fn(&mut Deliver, &str)) {
        for text in texts {
            let mut call = self.good();
            put(&mut call, text);
            self.refused(&format!("{what} {text:?}"), call).await;
        }
    }
}

/// What a shell, a path, or a list of arguments could be made of; each of them would leave the file `canary`.
fn nasty(agent: &AgentProgram) -> Vec<String> {
    let touch = format!("touch {}", agent.text("canary"));
    let mut all: Vec<String> = [
        format!(";{touch}"),
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("|{touch}"),
        format!("&& {touch}"),
        format!("nginx\n{touch}"),
        format!("nginx;{touch}"),
        format!("nginx\0{touch}"),
        format!("nginx {}", agent.text("canary")),
        format!("--reload={touch}"),
        format!("/bin/sh -c '{touch}'"),
        "../nginx".to_owned(),
        "/usr/bin/touch".to_owned(),
        "reload".to_owned(),
        "profile.nginx".to_owned(),
        "NGINX".to_owned(),
        "nginx\u{202e}".to_owned(),
        "${IFS}".to_owned(),
        "%s%n".to_owned(),
        "\u{1b}]0;x\u{7}".to_owned(),
    ]
    .to_vec();
    all.push("n".repeat(65));
    all.push("n".repeat(100_000));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_key_of_the_server_gets_no_further_than_the_policy() {
    let burglary = Burglary::begin().await;
    let agent = &burglary.agent;
    let nasty = nasty(agent);

    burglary.all_refused("profile", &nasty, |call, text| call.install.reload = Some(text.to_owned())).await;
    burglary.all_refused("format", &nasty, |call, text| call.install.format = text.to_owned()).await;
    burglary.all_refused("owner", &nasty, |call, text| call.install.owner = text.to_owned()).await;
    burglary.all_refused("group", &nasty, |call, text| call.install.owner = format!("root:{text}")).await;
    burglary.all_refused("mode", &nasty, |call, text| call.install.mode = text.to_owned()).await;
    let ids: Vec<String> = nasty.iter().filter(|id| portward_core::DeliveryId::parse(id).is_err()).cloned().collect();
    assert!(ids.len() + 3 > nasty.len());
    burglary.all_refused("delivery", &ids, |call, text| call.delivery = text.to_owned()).await;
    let look = |address: &str, name: &str| Some(VerifyAt { address: address.to_owned(), name: name.to_owned() });
    let names: Vec<String> = nasty.iter().filter(|name| portward_core::Host::parse(name).is_err()).cloned().collect();
    burglary.all_refused("verify", &nasty, |call, text| call.install.verify = look(text, "shop.test")).await;
    burglary.all_refused("name", &names, |call, text| call.install.verify = look("127.0.0.1:1", text)).await;
    let long = ["n".repeat(129), "a\nb".to_owned(), "\u{1b}[2J".to_owned()];
    burglary.all_refused("friendly name", &long, |call, text| call.install.friendly_name = text.to_owned()).await;

    // Paths that lead elsewhere, as text and by what is on the disk.
    let own = |name: &str| agent.text(name);
    let paths = [
        own("outside/new.pem"),
        own("elsewhere/new.pem"),
        own("tls2/new.pem"),
        own("tls"),
        own("tls/../outside/new.pem"),
        own("tls/./new.pem"),
        own("tls//new.pem"),
        own("tls/way/new.pem"),
        own("tls/way/deeper/new.pem"),
        own("tls/link.pem"),
        own("tls/hard.pem"),
        own("tls/.portward"),
        own("tls/.portward/d-2/live/new.pem"),
        own("tls/new\n.pem"),
        own("tls/new\0.pem"),
        own(&format!("tls/{}", "n".repeat(300))),
        own(&format!("tls/{}", "n/".repeat(2000))),
        own("etc/policy.toml"),
        own("data/agent.json"),
        own("data/installed.json"),
        "/etc/cron.d/portward".to_owned(),
        "/etc/passwd".to_owned(),
        "/root/.ssh/authorized_keys".to_owned(),
        "/dev/null".to_owned(),
        "/proc/self/mem".to_owned(),
        "tls/new.pem".to_owned(),
        "~/new.pem".to_owned(),
        "/".to_owned(),
        String::new(),
    ];
    for at in [0, 1] {
        burglary.all_refused("path", &paths, |call, text| call.install.to[at] = text.to_owned()).await;
    }
    for modes in ["644", "666", "777", "4600", "2600", "1600", "-600", "0", "600 "] {
        let mut call = burglary.good();
        call.install.mode = modes.to_owned();
        burglary.refused(modes, call).await;
    }
    for owner in ["4294967295", "nobody-is-called-so", "root:nobody-is-called-so", "root:root:root"] {
        let mut call = burglary.good();
        call.install.owner = owner.to_owned();
        burglary.refused(owner, call).await;
    }
    let mut call = burglary.good();
    call.install.to = vec![agent.text("tls/new.pem"); 100];
    burglary.refused("a hundred paths", call).await;
    let mut call = burglary.good();
    call.key = Some(SecretBytes::new(format!("* * * * * root touch {}\n", agent.text("canary")).into_bytes()));
    burglary.refused("a key that is a table of cron", call).await;
    let mut call = burglary.good();
    call.chain = vec![BASE64_STANDARD.encode(b"directories = [\"/\"]"); 21];
    burglary.refused("a chain that is a policy", call).await;

    // Calls that there are not, and such as have more in them than there is.
    let canary = format!("touch {}", agent.text("canary"));
    let before = burglary.everything();
    for request in [json!({ "command": canary }), json!(canary), json!([canary]), Value::Null] {
        for outcome in [
            burglary.caller.call::<Run>(&request, PATIENCE).await.err(),
            burglary.caller.call::<Policy>(&request, PATIENCE).await.err(),
            burglary.caller.call::<UpDirectory>(&request, PATIENCE).await.err(),
            burglary.caller.call::<Raw>(&request, PATIENCE).await.err(),
        ] {
            let Some(CallError::Fault(fault)) = outcome else { panic!("{outcome:?}") };
            assert!(["unknown-call", "unreadable"].contains(&fault.code.as_str()), "{fault:?}");
        }
    }
    let mut more = serde_json::to_value(burglary.good()).unwrap();
    more["install"]["reload"] = json!({ "command": ["/bin/sh", "-c", canary] });
    let outcome = burglary.caller.call::<Raw>(&more, PATIENCE).await;
    assert!(matches!(&outcome, Err(CallError::Fault(fault)) if fault.code == "unreadable"), "{outcome:?}");
    let huge = json!({ "delivery": "d-1", "more": "n".repeat(8 << 20) });
    assert!(burglary.caller.call::<Raw>(&huge, PATIENCE).await.is_err());
    assert_eq!(burglary.everything(), before);

    // A call may bring words that are not known; they count for nothing.
    let mut more = serde_json::to_value(burglary.good()).unwrap();
    for (name, value) in [("policy", json!("directories = [\"/\"]")), ("test", json!(["/bin/sh", "-c", canary]))] {
        more[name] = value.clone();
        more["install"][name] = value;
    }
    // The number is the highest, after which none is newer.
    more["generation"] = u64::MAX.into();
    assert!(!agent.path("told").exists());
    let reply = burglary.caller.call::<Raw>(&more, PATIENCE).await.unwrap();
    assert_eq!(reply["generation"], u64::MAX, "{reply}");
    assert!(agent.path("told").exists(), "the policy's own command runs");
    for generation in [0, 1, u64::MAX - 1] {
        burglary.refused("an older one", Deliver { generation, ..burglary.good() }).await;
    }
    // All that is new is what was allowed: the two files, what is kept beside them, and what the policy's command did.
    let after = burglary.everything();
    let added = after.keys().filter(|path| !before.contains_key(*path));
    let allowed = |path: &&PathBuf| path.starts_with(agent.path("tls")) || **path == agent.path("told");
    assert_eq!(added.filter(|path| !allowed(path)).count(), 0, "{after:?}");
    let is_outside = |path: &Path| !path.starts_with(agent.path("tls"));
    for (path, was) in before.iter().filter(|(path, _)| is_outside(path)) {
        assert_eq!(after.get(path), Some(was), "{}", path.display());
    }
    assert!(!agent.path("canary").exists());
}

/// Makes calls of which agents know nothing, and one that carries whatever it is given.
macro_rules! calls {
    ($($name:ident: $method:literal;)*) => {
        $(enum $name {}

        impl Method for $name {
            const NAME: &'static str = $method;
            type Request = Value;
            type Reply = Value;
        })*
    };
}

calls! {
    Run: "run";
    Policy: "policy";
    UpDirectory: "../health";
    Raw: "deliver";
}

fn walk(directory: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stat = fs::symlink_metadata(&path).unwrap();
        let content = if stat.is_dir() {
            walk(&path, found);
            String::new()
        } else if stat.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned()
        };
        found.insert(path, format!("{:o} {}:{} {content}", stat.mode(), stat.uid(), stat.gid()));
    }
}

fn chain(issued: &Issued) -> Vec<String> {
    let pem = issued.chain_pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    pem.map(|pem| pem.split("-----END").next().unwrap().split_whitespace().collect()).collect()
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    BASE64_STANDARD.decode(body).unwrap()
}

const PATIENCE: Duration = Duration::from_secs(20);
