//! Takes the pictures of `docs/screenshots`: every page of the portal, light, dark, and as wide as a phone.
//!
//! `make screenshots` runs it. Certificates come from a CA of its own and from Pebble, which issues one, refuses one,
//! and waits for one; one application answers and is asked some hundred times, the others are not there.
//! It ends with an error where a page is wider than its window.
//! What the pages show is what Portward makes of that.
#![allow(clippy::unwrap_used, reason = "a tool of this repository, which ends where something is amiss")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use portward_core::{Thumbprint, Timestamp};
use portward_link::message::Fault;
use portward_testkit::{
    Authority, Browser, Connection, FakeAgent, FakeLink, MailSecurity, MailSink, Pebble, Program, StartedProgram,
    Upstream, free_port, get, run,
};
use serde_json::Value;
use tokio::runtime::Runtime;

/// What each picture is called, and the page that it shows.
const PAGES: &[(&str, &str)] = &[
    ("setup-site", "/sites/new?setup=1"),
    ("setup-certificate", "/sites/new?setup=certificate&site=wiki-northmole-test"),
    ("bindings", "/bindings"),
    ("binding-certificate", "/bindings/https-PORT/certificate"),
    ("binding-edit", "/bindings/https-PORT/edit"),
    ("binding-remove", "/bindings/https-PORT/remove"),
    ("site-new", "/sites/new"),
    ("site-headers", "/sites/wiki-northmole-test/headers"),
    ("site-forwarding", "/sites/wiki-northmole-test/forwarding"),
    ("site-limits", "/sites/wiki-northmole-test/limits"),
    ("site-history", "/sites/wiki-northmole-test/history"),
    ("site-remove", "/sites/wiki-northmole-test/remove"),
    ("https-settings", "/https-settings"),
    ("certificates", "/certificates"),
    ("certificate", "/certificates/board-northmole-test"),
    ("certificate-managed", "/certificates/docs-northmole-test"),
    ("certificate-failing", "/certificates/vpn"),
    ("certificate-remove", "/certificates/board-northmole-test/remove"),
    ("import", "/import"),
    ("request", "/request?names=shop.northmole.test"),
    ("lets-encrypt", "/lets-encrypt"),
    ("attempts", "/attempts"),
    ("issuers", "/issuers"),
    ("issuer-new", "/issuers/new?preset=letsencrypt"),
    ("dns-provider-new", "/dns-providers/new"),
    ("agents", "/agents"),
    ("agent", "/agents/edge-fra-1"),
    ("agent-away", "/agents/lab-nas"),
    ("agent-add", "/agents/add"),
    ("agent-remove", "/agents/build-3/remove"),
    ("agent-trust", "/agents/trust"),
    ("delivery", "/deliveries/ci-northmole-test-edge-fra-1"),
    ("delivery-failed", "/deliveries/ci-northmole-test-build-3"),
    ("delivery-new", "/deliveries/add?agent=edge-fra-1&certificate=ci-northmole-test"),
    ("problems", "/problems"),
    ("explain", "/explain?host=wiki.northmole.test"),
    ("audit", "/audit"),
    ("audit-verified", "/audit?verify=1"),
    ("users", "/users"),
    ("user", "/users/olga/change"),
    ("user-new", "/users/new"),
    ("user-remove", "/users/olga/remove"),
    ("openid-connect", "/users/openid-connect"),
    ("token-new", "/tokens/new"),
    ("account", "/account"),
    ("notifications", "/notifications"),
    ("notification", "/notifications/email"),
    ("backup", "/backup"),
    ("settings", "/settings"),
    ("search", "/search?q=northmole"),
    ("error", "/sites/nobody"),
    ("about", "/about"),
    ("api-reference", "/api-reference"),
    ("api-reference-sites", "/api-reference/sites"),
];

/// The same, of those that tell how much came in the last minute.
const COUNTING: &[(&str, &str)] = &[
    ("overview", "/"),
    ("sites", "/sites"),
    ("site", "/sites/wiki-northmole-test"),
    ("site-traffic", "/sites/wiki-northmole-test/traffic"),
];

fn main() {
    let place = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "docs/screenshots".into()));
    fs::create_dir_all(&place).unwrap();
    let runtime = Runtime::new().unwrap();
    let (http, https) = (free_port(), free_port());
    let pebble = Pebble::options().http_port(http).tls_port(https).blocklist("vpn.northmole.test");
    let pebble = runtime.block_on(pebble.start());
    let wiki = runtime.block_on(Upstream::start("wiki"));
    let issued = Authority::new().issue_between(&["localhost"], Timestamp::EPOCH, Timestamp::EPOCH);
    let mail = runtime.block_on(MailSink::start(MailSecurity::None, &issued, PASSWORD));
    let server = Program::new_on(http, https).start();
    let at = format!("https://127.0.0.1:{https}");
    let browser = Browser::start();
    let link = server.portward(&["setup-link"]);
    let token = link.split_once('#').map(|(_, token)| token.trim()).unwrap_or_default().to_owned();
    browser.open(&format!("{at}/setup#{token}"));
    picture(&browser, &place, "setup");
    people(&server);
    sites(&server, &wiki, &mail);
    orders(&server, &pebble);
    let _links = machines(&server, &runtime);
    runtime.block_on(traffic(&server));
    browser.open(&format!("{at}/sign-in"));
    picture(&browser, &place, "sign-in");
    browser.fill("[name=user]", "mara");
    browser.fill("[name=password]", PASSWORD);
    browser.click("main form button");
    browser.wait_for("return location.pathname === '/' && document.readyState === 'complete'");
    for (name, page) in PAGES {
        browser.open(&format!("{at}{}", page.replace("PORT", &https.to_string())));
        picture(&browser, &place, name);
    }
    for (name, certificate) in
        [("attempt-served", "docs-northmole-test"), ("attempt-failed", "vpn"), ("attempt", "git")]
    {
        let attempts = json(&server.portward(&["acme", "attempts", certificate, "-o", "json"]));
        browser.open(&format!("{at}/attempts/{}", attempts[0]["id"].as_str().unwrap()));
        picture(&browser, &place, name);
    }
    deeds(&server, &browser, &at, &place);
    // A minute is counted when it is over.
    let is_counted = || {
        browser.open(&format!("{at}/sites/wiki-northmole-test"));
        browser.text().contains("requests a minute") && !browser.text().contains(" 0 requests a minute")
    };
    while !is_counted() {}
    for (name, page) in COUNTING {
        browser.open(&format!("{at}{page}"));
        picture(&browser, &place, name);
    }
}

/// What is seen only in the midst of doing something.
fn deeds(server: &StartedProgram, browser: &Browser, at: &str, place: &Path) {
    let is_there = |path: &str| format!("return location.pathname === '{path}' && document.readyState === 'complete'");
    let files = server.files();
    let whole = files.join("shop-and-its-chain.pem");
    let text = ["shop.key", "shop.pem"].map(|name| fs::read_to_string(files.join(name)).unwrap()).concat();
    fs::write(&whole, text).unwrap();
    browser.open(&format!("{at}/import"));
    browser.fill("[type=file]", whole.to_str().unwrap());
    browser.wait_for("return document.querySelector('.piece.leaf') !== null && document.readyState === 'complete'");
    picture(browser, place, "import-checked");

    browser.open(&format!("{at}/sites/wiki-northmole-test"));
    browser.click("[name=confirm]");
    browser.click("[name=force_https][value=browsers]");
    browser.click("form:has([name=force_https]) button.primary");
    browser.wait_for("return document.querySelector('.confirm .ring') !== null && document.readyState === 'complete'");
    picture(browser, place, "confirm");
    browser.click("button[value=back]");
    browser.wait_for("return document.querySelector('.confirm') === null && document.readyState === 'complete'");

    browser.open(&format!("{at}/request?names=shop.northmole.test"));
    browser.click(".equivalents > summary");
    picture(browser, place, "equivalents");

    browser.open(&format!("{at}/agents/lab-nas"));
    browser.click("form[action='/agents/lab-nas/check'] button");
    browser.wait_for("return document.body.innerText.includes('The way to it') && document.readyState === 'complete'");
    picture(browser, place, "agent-checked");
    browser.open(&format!("{at}/agents"));
    browser.click("form[action='/agent-checks'] button");
    browser
        .wait_for("return location.pathname === '/agent-checks/1' && !document.querySelector('#live-check[data-on]')");
    picture(browser, place, "agent-check");
    browser.open(&format!("{at}/agents/add"));
    browser.fill("#join-name", "edge-ams-1");
    browser.fill("#addresses", "door.northmole.test:443");
    browser.click("form[action='/agents/add/join'] button.primary");
    browser.wait_for("return document.querySelector('#script') !== null && document.readyState === 'complete'");
    picture(browser, place, "agent-joined");
    browser.open(&format!("{at}/agents/trust"));
    browser.click("form[action^='/agents/trust/rotate'] button");
    browser.wait_for("return document.querySelector('.rail.four') !== null && document.readyState === 'complete'");
    picture(browser, place, "agent-trust-rotating");

    browser.open(&format!("{at}/account"));
    browser.fill("#begin-password", PASSWORD);
    browser.click("[action='/account/second-factor/begin'] button");
    browser.wait_for(&is_there("/account/second-factor"));
    picture(browser, place, "second-factor");
}

/// Takes one page in each way, as high as it is unless it is very long.
fn picture(browser: &Browser, place: &Path, name: &str) {
    for (way, scheme, width, height, most) in
        [("light", "light", 1280, 900, 1500), ("dark", "dark", 1280, 900, 900), ("phone", "light", 390, 844, 1300)]
    {
        browser.prefer(scheme);
        browser.resize(width, height);
        browser.run("document.documentElement.style.scrollbarWidth = 'none'");
        let wide = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{name} is {wide} wide where {width} are to be had");
        let all = browser.run("return document.documentElement.scrollHeight").as_u64().unwrap();
        browser.resize(width, u32::try_from(all).unwrap().clamp(height, most));
        fs::write(place.join(format!("{name}-{way}.png")), browser.picture()).unwrap();
    }
}

/// Gives the server an owner, an operator, and a program that may come in.
fn people(server: &StartedProgram) {
    let password = server.files().join("password");
    fs::write(&password, PASSWORD).unwrap();
    server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
    let olga = ["user", "add", "olga", "--role", "operator", "--email", "olga@northmole.test", "--password-stdin"];
    server.portward_reading(&olga, &password);
    server.portward(&["token", "create", "deploy from CI", "--permission", "certificate:change", "--expires", "90d"]);
}

/// Gives it applications, certificates of different ages, and a channel.
fn sites(server: &StartedProgram, wiki: &Upstream, mail: &MailSink) {
    let files = server.files();
    let (northmole, now) = (Authority::named("Northmole"), now());
    let write = |name: &str, text: &str| fs::write(files.join(name), text).unwrap();
    write("ca.pem", &northmole.root_pem());
    for (site, since, days, preset) in [
        ("wiki", 30, 60, "gitea"),
        ("ci", 25, 340, "teamcity"),
        ("board", 5, 180, "grafana"),
        ("legacy", 67, 23, ""),
        ("shop", 1, 89, ""),
    ] {
        let name = format!("{site}.northmole.test");
        let issued = northmole.issue_between(&[&name], now.minus(since * DAY), now.plus(days * DAY));
        let (chain, key) = (format!("{site}.pem"), format!("{site}.key"));
        write(&chain, &issued.chain_pem);
        write(&key, &issued.key_pem);
        // That of the shop is only looked at.
        if site == "shop" {
            continue;
        }
        let address = wiki.url();
        let upstream = if site == "wiki" { &address } else { "http://127.0.0.1:9" };
        let preset: &[&str] = if preset.is_empty() { &[] } else { &["--preset", preset] };
        server.portward(&[["site", "add", &name, "--upstream", upstream].as_slice(), preset].concat());
        server.portward(&["certificate", "import", &chain, &key, "ca.pem"]);
    }
    let server_of_mails = format!("server=localhost:{}", mail.port);
    let settings = ["--set", &server_of_mails, "--set", "security=none"];
    let addresses = ["--set", "from=portward@northmole.test", "--set", "to=ops@northmole.test"];
    server.portward(&[["notification", "add", "email"].as_slice(), &settings, &addresses].concat());
    server.portward(&["notification", "test", "email"]);
}

/// Has Pebble issue a certificate, refuse one, and wait for one.
fn orders(server: &StartedProgram, pebble: &Pebble) {
    fs::write(server.files().join("pebble.pem"), pebble.root_pem()).unwrap();
    let (http, tls) = (pebble.http_port().to_string(), pebble.tls_port().to_string());
    let issuer = ["acme", "issuer", "add", &pebble.directory_url(), "--id", "pebble", "--directory-ca", "pebble.pem"]
        .map(str::to_owned);
    let ports =
        ["--http-port", &http, "--tls-port", &tls, "--resolver", &pebble.dns_addr().to_string()].map(str::to_owned);
    let issuer: Vec<&str> = issuer.iter().chain(&ports).map(String::as_str).chain(["--accept-terms"]).collect();
    server.portward(&issuer);
    server.portward(&["site", "add", "docs.northmole.test", "--upstream", "http://127.0.0.1:9"]);
    server.portward(&["certificate", "request", "--wait", "docs.northmole.test"]);
    server.portward_fails(&["certificate", "request", "--wait", "--name", "vpn", "vpn.northmole.test"]);
    server.portward(&["certificate", "request", "--challenge", "dns-01", "--name", "git", "*.git.northmole.test"]);
    while !server.portward(&["acme", "attempts", "git"]).contains("_acme-challenge") {}
}

/// Has machines install certificates: most of them, one not, one not any more; and one come that is not trusted.
fn machines(server: &StartedProgram, runtime: &Runtime) -> Vec<FakeLink> {
    let agents: Vec<(&str, FakeAgent)> = ["edge-fra-1", "edge-fra-2", "build-1", "build-3", "mail-1", "lab-nas"]
        .into_iter()
        .map(|name| (name, FakeAgent::new(name, now())))
        .collect();
    for (name, agent) in &agents {
        let body = serde_json::json!({ "name": name, "thumbprint": agent.thumbprint().to_string() });
        server.api("POST", "/api/v1/agents", &body);
    }
    let identity = server.api("GET", "/api/v1/identity", &Value::Null);
    let ours = Thumbprint::parse(identity["thumbprint"].as_str().unwrap()).unwrap();
    let link = |agent: &FakeAgent| runtime.block_on(agent.link(server.https, ours));
    let mut links: Vec<FakeLink> = agents.iter().map(|(_, agent)| link(agent).unwrap()).collect();
    let come = |certificate: &str, agent: &str, expected: &str| {
        let path = format!("/api/v1/deliveries/{certificate}-northmole-test-{agent}");
        while server.api("GET", &path, &Value::Null)["state"] != expected {}
    };
    let deliver = |certificate: &str, agent: &str| {
        let to = [format!("/etc/nginx/tls/{certificate}.pem"), format!("/etc/nginx/tls/{certificate}.key")];
        let body = serde_json::json!({
            "agent": agent, "certificate": format!("{certificate}-northmole-test"), "format": "pem", "to": to,
            "owner": "root:ssl-cert", "mode": "640", "reload": "nginx", "verify": "127.0.0.1:443",
        });
        server.api("POST", "/api/v1/deliveries", &body);
        come(certificate, agent, "installed");
    };
    for (certificate, on) in [
        ("wiki", &["edge-fra-1", "edge-fra-2", "lab-nas"][..]),
        ("board", &["edge-fra-1", "edge-fra-2"]),
        ("ci", &["edge-fra-1", "edge-fra-2", "build-1", "build-3"]),
        ("legacy", &["mail-1", "lab-nas"]),
    ] {
        on.iter().for_each(|agent| deliver(certificate, agent));
    }
    // The newer version of one certificate is taken by all but one of its machines.
    agents[3].1.fail_with(
        Fault::new("test-failed", "the program nginx does not take the new files; the old ones are in use")
            .at("test")
            .with_output(
                "nginx: [emerg] host not found in upstream \"builds\" in /etc/nginx/conf.d/ci.conf:12\nnginx: configuration file /etc/nginx/nginx.conf test failed",
            ),
    );
    let issued = Authority::named("Northmole").issue_between(&["ci.northmole.test"], now(), now().plus(365 * DAY));
    fs::write(server.files().join("ci.pem"), &issued.chain_pem).unwrap();
    fs::write(server.files().join("ci.key"), &issued.key_pem).unwrap();
    server.portward(&["certificate", "import", "ci.pem", "ci.key", "--replace", "ci-northmole-test"]);
    come("ci", "build-3", "failed");
    drop(links.pop());
    come("legacy", "lab-nas", "unreachable");
    // Nobody who is not trusted is let in.
    link(&FakeAgent::new("edge-ams-1", now())).unwrap_err();
    links
}

/// Asks the wiki some hundred times, mostly over TLS.
async fn traffic(server: &StartedProgram) {
    const WIKI: &str = "wiki.northmole.test";
    let mut connection = Connection::tls(server.https, WIKI).await.unwrap();
    for page in 0..400 {
        connection.request("GET", WIKI, &format!("/pages/{page}"), "").await.unwrap();
    }
    for agent in ["Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "curl/8.14.1", "git/2.47.2"] {
        for _ in 0..12 {
            get(server.http, WIKI, "/", &format!("User-Agent: {agent}\r\n")).await;
        }
    }
    for _ in 0..8 {
        Connection::tls(server.https, "ci.northmole.test")
            .await
            .unwrap()
            .request("GET", "ci.northmole.test", "/", "")
            .await
            .unwrap();
    }
}

fn now() -> Timestamp {
    Timestamp::from_unix(run(Command::new("date").args(["-u", "+%s"])).trim().parse().unwrap()).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

const DAY: Duration = Duration::from_secs(86_400);
const PASSWORD: &str = "four words are better";
