//! What is seen only in the midst of doing something: setup, sign-in, a refused form, a second factor, an order, a
//! question. It is looked at as every other page is.

use std::fs;

use portward_testkit::{Browser, Pebble, Program, StartedProgram};
use serde_json::Value;

use super::{
    PASSWORD,
    pages::{SCHEMES, wrong_with},
};

/// Is somebody on the way, and what was wrong with what they saw.
struct Walk {
    server: StartedProgram,
    browser: Browser,
    wrong: Vec<String>,
}

impl Walk {
    fn begin() -> Self {
        let walk = Self { server: Program::new().start(), browser: Browser::start(), wrong: Vec::new() };
        walk.browser.console();
        walk
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("https://127.0.0.1:{}{path}", self.server.https.port()));
    }

    /// Looks at what is shown in both themes, and whether it fits on a phone.
    fn look(&mut self, page: &str) {
        for scheme in SCHEMES {
            self.browser.prefer(scheme);
            self.wrong.extend(wrong_with(&self.browser, &format!("{page} {scheme}")));
        }
        self.browser.resize(390, 844);
        let width = self.browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
        if width > 390 {
            self.wrong.push(format!("{page} is {width} wide"));
        }
        self.browser.resize(1280, 900);
    }

    /// Sends a form, and waits for the page that comes.
    fn press(&self, selector: &str) {
        self.browser.run("window.isBefore = true");
        self.browser.click(selector);
        self.browser.wait_for("return !window.isBefore && document.readyState === 'complete'");
    }

    fn sign_in(&self, password: &str) {
        self.open("/sign-in");
        self.browser.fill("[name=user]", "mara");
        self.browser.fill("[name=password]", password);
        self.press("main form button");
    }

    /// The time in seconds.
    fn now(&self) -> u64 {
        self.browser.run("return Math.floor(Date.now() / 1000)").as_u64().unwrap()
    }

    fn end(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

#[test]
fn the_way_in_is_usable_within_its_policy_and_small() {
    let mut walk = Walk::begin();
    let link = walk.server.portward(&["setup-link"]);
    let token = link.split_once('#').map(|(_, token)| token.trim().to_owned()).unwrap();
    walk.open("/setup");
    walk.look("setup without a token");
    walk.open(&format!("/setup#{token}"));
    walk.look("setup");
    walk.browser.fill("[name=name]", "mara");
    walk.browser.fill("[name=password]", PASSWORD);
    if walk.browser.run("return !!document.querySelector('[name=compared]:not(:checked)')") == true {
        walk.browser.click("[name=compared]");
    }
    walk.press("main form button.primary");
    walk.look("setup: the first site");
    walk.browser.fill("[name=names]", "ci.test");
    walk.browser.fill("[name=upstreams]", "http://127.0.0.1:9");
    walk.press("main form button.primary");
    walk.look("setup: its certificate");
    walk.open("/sites/ci-test?setup=try");
    walk.look("setup: trying it");

    // A second factor.
    walk.open("/account");
    walk.browser.fill("#begin-password", PASSWORD);
    walk.press("[action='/account/second-factor/begin'] button");
    walk.look("second factor");
    let shown = walk
        .browser
        .run("return document.querySelector('main').innerText.replace(/\\s/g, '').match(/[A-Z2-7]{32}/)[0]");
    let secret = shown.as_str().unwrap().to_owned();
    walk.browser.fill("[name=code]", "000000");
    walk.press("[action='/account/second-factor'] button.primary");
    walk.look("second factor refused");
    walk.browser.fill("[name=code]", &code(&secret, walk.now()));
    walk.press("[action='/account/second-factor'] button.primary");
    walk.look("recovery codes");
    walk.open("/account");
    walk.press("[action='/sign-out'] button");

    // The provider is not asked before somebody presses its button.
    fs::write(walk.server.files().join("secret"), "s3cret\n").unwrap();
    let provider = ["oidc", "set", "--issuer", "https://localhost:9", "--client-id", "portward"];
    let words = ["--client-secret-file", "secret", "--role", "ops=operator", "--label", "Northmole"];
    walk.server.portward(&[&provider[..], &words].concat());
    walk.open("/sign-in");
    walk.look("sign-in");
    walk.press("#elsewhere");
    walk.look("sign-in elsewhere refused");
    walk.sign_in("wrong wrong wrong wrong");
    walk.look("sign-in refused");
    // Who was wrong waits a second until they are looked at again.
    let asks_for_code = "return document.querySelector('[name=code]') !== null";
    let mut tries = (0..30).map(|_| walk.sign_in(PASSWORD));
    while tries.next().is_some() && walk.browser.run(asks_for_code) != true {}
    walk.look("sign-in: the code");
    walk.browser.fill("[name=code]", &code(&secret, walk.now() + 30));
    walk.press("main form button");
    assert!(walk.browser.text().contains("Horizon"), "{}", walk.browser.text());
    walk.end();
}

#[test]
fn what_is_seen_in_the_midst_of_deeds_is_usable_within_its_policy_and_small() {
    let mut walk = Walk::begin();
    let password = walk.server.files().join("password");
    fs::write(&password, PASSWORD).unwrap();
    walk.server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
    walk.server.portward(&["site", "add", "portal.test", "--upstream", "portal"]);
    fs::write(walk.server.files().join("topic"), "alerts\n").unwrap();
    walk.server.portward(&["notification", "add", "ntfy", "--id", "phone", "--secret", "topic=topic"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pebble = runtime.block_on(Pebble::options().blocklist("vpn.test").start());
    let attempt = fail(&walk.server, &pebble);
    walk.sign_in(PASSWORD);

    let https = walk.server.portward(&["binding", "list", "-o", "json"]);
    let https: Value = serde_json::from_str(&https).unwrap();
    let https = https.as_array().unwrap().iter().find(|binding| binding["url"].as_str().unwrap().starts_with("https"));
    let https = https.unwrap()["id"].as_str().unwrap().to_owned();
    for path in [
        format!("/bindings/{https}/certificate"),
        format!("/bindings/{https}/edit"),
        format!("/bindings/{https}/remove"),
        "/notifications/phone".to_owned(),
        format!("/attempts/{attempt}"),
        "/attempts".to_owned(),
        "/certificates/vpn".to_owned(),
        "/problems".to_owned(),
        "/".to_owned(),
    ] {
        walk.open(&path);
        walk.look(&path);
    }

    // What is refused, and what is not there.
    walk.open("/sites/nobody");
    walk.look("a page that is not there");
    walk.open("/sites/new");
    walk.browser.fill("[name=names]", "not a name");
    walk.browser.fill("[name=upstreams]", "http://127.0.0.1:9");
    walk.press("main form button.primary");
    walk.look("a site that is refused");

    // A chain that is being built.
    let files = walk.server.files().to_owned();
    let made = rcgen::generate_simple_self_signed(["shop.test".to_owned()]).unwrap();
    let whole = files.join("shop.pem");
    fs::write(&whole, made.signing_key.serialize_pem() + &made.cert.pem()).unwrap();
    walk.open("/import");
    walk.browser.fill("[type=file]", whole.to_str().unwrap());
    walk.browser
        .wait_for("return document.querySelector('.piece.leaf') !== null && document.readyState === 'complete'");
    walk.look("an import that is checked");

    // The question whether a change stays.
    walk.open("/sites/portal-test");
    walk.browser.click("[name=force_https][value=browsers]");
    walk.press("form:has([name=force_https]) button.primary");
    assert!(walk.browser.text().contains("Can you still reach the portal?"), "{}", walk.browser.text());
    walk.look("the question whether a change stays");
    walk.press("button[value=back]");
    walk.look("a toast");
    walk.end();
}

/// Has an order fail, and gives the id of the attempt.
fn fail(server: &StartedProgram, pebble: &Pebble) -> String {
    fs::write(server.files().join("pebble.pem"), pebble.root_pem()).unwrap();
    let (directory, resolver) = (pebble.directory_url(), pebble.dns_addr().to_string());
    let issuer = ["acme", "issuer", "add", &directory, "--id", "pebble", "--directory-ca", "pebble.pem"];
    server.portward(&[&issuer[..], &["--resolver", &resolver, "--accept-terms"]].concat());
    server.portward_fails(&["certificate", "request", "--wait", "--name", "vpn", "vpn.test"]);
    let attempts: Value = serde_json::from_str(&server.portward(&["acme", "attempts", "vpn", "-o", "json"])).unwrap();
    attempts[0]["id"].as_str().unwrap().to_owned()
}

/// The code that an authenticator shows at a time in seconds.
fn code(secret: &str, now: u64) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_secret(secret).build().unwrap();
    totp.generate(now).to_string()
}
