//! Lock-out drills: what an operator does in the portal that would shut them out of it goes back by itself, or is refused.
//!
//! Nobody touches the machine meanwhile, and the browser believes no certificate that an operator's would not.

use std::{
    net::{IpAddr, Ipv4Addr},
    process::Command,
    time::{Duration, Instant},
};

use portward_testkit::{Authority, Browser, Issued, Program, StartedProgram, in_network_of_its_own, run};

use super::PASSWORD;
use crate::imports::now;

#[test]
fn a_certificate_that_browsers_do_not_believe_goes_back_by_itself() {
    let drill = Drill::begin();
    drill.give_certificate(&Authority::new().issue(&[PORTAL], now()));
    // The settings are in effect, and the browser, that is sent on, will not come in any more.
    drill.is_shut_out("ERR_CERT_AUTHORITY_INVALID");
    drill.is_back("change HTTPS settings: certificate");
}

#[test]
fn a_certificate_that_browsers_with_hsts_would_not_get_past_is_refused() {
    let drill = Drill::begin();
    // The portal is known by HSTS in this browser from here on.
    drill.open("/sites/portal-test");
    drill.browser.run("document.querySelector('[name=max_age]').value = '31536000'");
    drill.browser.fill("[name=within]", SECONDS);
    drill.browser.click("main form:has([name=max_age]) button.primary");
    drill.shows("Can you still reach the portal?");
    drill.browser.click("button[value=keep]");
    drill.shows("The new settings stay.");

    drill.upload(&self_signed(&drill.server, PORTAL));
    for said in ["is signed by its own key", "let nobody go on past it", "or leave HSTS off", "Everything is as it was"]
    {
        drill.shows(said);
    }
    assert!(drill.comes_in().contains("How this portal is reached"));

    // One for another name does no harm: those who ask for the portal's name get the one that has it.
    drill.give_certificate(&Authority::new().issue(&["other.test"], now()));
    drill.shows("Can you still reach the portal?");
    drill.shows("as it fits better");
    drill.browser.click("button[value=back]");
    drill.shows("is served again.");

    // One of an authority that this machine knows nothing of may be right; where it is not, there is a way back.
    drill.give_certificate(&Authority::new().issue(&[PORTAL], now()));
    drill.is_shut_out("ERR_CERT_AUTHORITY_INVALID");
    let all = drill.browser.run("return document.body.textContent");
    assert!(all.as_str().unwrap().contains("HSTS"), "the browser remembers nothing: {all}");
    drill.is_back("change HTTPS settings: certificate");
}

#[test]
fn hsts_with_a_certificate_that_browsers_do_not_believe_is_refused() {
    let drill = Drill::begin_unbelieved();
    drill.open("/sites/portal-test");
    drill.shows("Browsers that remember would be locked out");
    drill.browser.run("document.querySelector('[name=max_age]').value = '31536000'");
    drill.browser.click("main form:has([name=max_age]) button.primary");
    for said in ["is signed by its own key", "Get a certificate that browsers trust first", "Everything is as it was"] {
        drill.shows(said);
    }
    assert!(drill.server.portward(&["site", "show", "portal-test"]).contains("off"));
    drill.open("/sites/portal-test");
    assert_eq!(drill.browser.run("return document.querySelector('[name=max_age]').value"), "off");
}

#[test]
fn the_certificate_in_use_is_not_removed() {
    let drill = Drill::begin();
    let (id, url) = ("portal-test", "/certificates/portal-test/remove");
    drill.server.portward(&["binding", "edit", &drill.https_binding(), "--default-certificate", id]);
    drill.server.portward(&["site", "edit", id, "--force-https", "all"]);
    drill.open("/https-settings");
    for said in ["This portal", "has no other certificate for portal.test", "The redirect of site \"portal-test\""] {
        drill.shows(said);
    }
    drill.shows("Possible once nothing above is marked as breaking.");
    assert_eq!(
        drill.browser.run("return document.querySelector('#remove button.danger').getAttribute('aria-disabled')"),
        "true"
    );

    let refused = |said: &[&str]| {
        drill.open(url);
        // Something breaks, so it is proposed that it comes back by itself; without that it does not go.
        drill.browser.click("input[name=confirm]:checked");
        drill.browser.click("form[action$='/remove'] button.danger");
        for said in said {
            drill.shows(said);
        }
        assert!(drill.comes_in().contains("How this portal is reached"));
    };
    refused(&["The redirect of site", "Switch that redirect off first", "Nothing was removed"]);
    drill.open("/https-settings");
    drill.browser.click("button[formaction$='/redirect-off']");
    drill.shows("The portal redirects nobody to HTTPS.");
    refused(&["is used by binding", "let them use another one first"]);
    // The way out that it names: another one takes its place, and then it goes.
    drill.server.portward(&["binding", "edit", &drill.https_binding(), "--default-certificate", "first-start"]);
    refused(&["has no other certificate for portal.test", "Import another certificate first"]);

    // As the page proposes it: it goes, and comes back by itself.
    drill.open(url);
    drill.browser.fill("[name=within]", SECONDS);
    drill.browser.click("form[action$='/remove'] button.danger");
    drill.is_back("remove certificate portal-test");
}

#[test]
fn what_the_firewall_drops_goes_back_by_itself() {
    const TEST: &str = "portal::drills::what_the_firewall_drops_goes_back_by_itself";
    if !in_network_of_its_own(TEST, &[]) {
        return;
    }
    // From the operator's machine only 8080 and 8443 are let through; this machine reaches all of its ports itself.
    let here = "192.0.2.1";
    run(Command::new("ip").args(["address", "add", &format!("{here}/32"), "dev", "lo"]));
    let rules = format!(
        "table inet drill {{ chain in {{ type filter hook input priority 0; \
           ip daddr {here} tcp dport {{ 443, 9443 }} drop; }}; }}"
    );
    run(Command::new("nft").arg(rules));
    let everywhere = |port: u16| (Ipv4Addr::UNSPECIFIED, port).into();
    let drill = Drill::begin_at(Program::new_at(everywhere(8080), everywhere(8443)), here.parse().unwrap());

    // Another port: it answers here, so it passes its trial, and the old one goes on answering.
    drill.open("/https-settings");
    drill.browser.fill("[name=port]", "9443");
    drill.browser.fill("[name=within]", SECONDS);
    drill.browser.click("main form button.primary");
    drill.asks_at("https://portal.test:9443/");
    let shown = drill.browser.try_open("https://portal.test:9443/", Duration::from_secs(2));
    assert_eq!(shown, "", "the firewall lets it through");
    drill.is_back("change HTTPS settings: port 9443");
    drill.shows("The binding https-8443 is bound to 8443.");

    // A redirect to the usual port.
    drill.server.portward(&["binding", "add", "https://0.0.0.0:443"]);
    drill.open("/sites/portal-test");
    drill.browser.click("[name=force_https][value=all]");
    drill.browser.fill("[name=within]", SECONDS);
    drill.browser.click("main form:has([name=force_https]) button.primary");
    drill.asks_at("https://portal.test/");
    drill.is_back("edit site portal-test");
    drill.open("/sites/portal-test");
    assert_eq!(drill.browser.run("return document.querySelector('[name=force_https]:checked').value"), "off");

    // The port that the operator comes by goes, as another one is left, which is dropped.
    drill.open("/bindings/https-8443/remove");
    drill.browser.fill("[name=within]", SECONDS);
    drill.browser.click("main form button.danger");
    drill.shows("ERR_CONNECTION_REFUSED");
    drill.is_back("remove binding https-8443");
}

/// Is a portal with a name and a certificate of a company's own authority, and its operator's browser.
struct Drill {
    server: StartedProgram,
    browser: Browser,
    url: String,
}

impl Drill {
    fn begin() -> Self {
        Self::begin_at(Program::new(), Ipv4Addr::LOCALHOST.into())
    }

    /// The operator's browser finds the portal at an address.
    fn begin_at(program: Program, address: IpAddr) -> Self {
        let (server, authority) = (program.start(), Authority::new());
        let (chain, key) = write(&server, &authority.issue(&[PORTAL], now()));
        Self::begin_with(server, Browser::start_strict(&authority.root_pem(), address), &[&chain, &key])
    }

    /// Its certificate is signed by its own key, and the operator has said to the browser that it knows it.
    fn begin_unbelieved() -> Self {
        let server = Program::new().start();
        let (chain, key) = self_signed(&server, PORTAL);
        Self::begin_with(server, Browser::start(), &[&chain, &key])
    }

    fn begin_with(server: StartedProgram, browser: Browser, files: &[&str]) -> Self {
        let password = server.files().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
        server.portward(&["site", "add", PORTAL, "--upstream", "portal"]);
        server.portward(&[&["certificate", "import"], files].concat());
        let drill = Self { url: format!("https://{PORTAL}:{}", server.https.port()), server, browser };
        drill.open("/sign-in");
        drill.browser.fill("[name=user]", "mara");
        drill.browser.fill("[name=password]", PASSWORD);
        drill.browser.click("main form button");
        drill.browser.wait_for("return location.pathname === '/' && document.readyState === 'complete'");
        drill
    }

    fn open(&self, path: &str) {
        let shown = self.browser.try_open(&format!("{}{path}", self.url), PATIENCE);
        assert!(!shown.is_empty() && !shown.contains("ERR_"), "{path}: {shown}");
    }

    /// Gives a certificate in the HTTPS settings, to be confirmed within [`SECONDS`].
    fn give_certificate(&self, issued: &Issued) {
        self.upload(&write(&self.server, issued));
    }

    fn upload(&self, (chain, key): &(String, String)) {
        self.open("/https-settings");
        self.browser.fill("[name=certificate]", chain);
        self.browser.fill("[name=key]", key);
        self.browser.fill("[name=within]", SECONDS);
        self.browser.click("main form button.primary");
    }

    /// Waits for the question, which cannot be answered by the old way: it says where the new one begins.
    fn asks_at(&self, url: &str) {
        self.shows("Can you still reach the portal?");
        self.shows("comes back by itself at");
        assert_eq!(self.browser.run("return document.querySelector('[role=alertdialog] li a').href"), url);
        assert_eq!(self.browser.run("return document.querySelector('button[value=keep]')"), serde_json::Value::Null);
    }

    /// The id of the https binding.
    fn https_binding(&self) -> String {
        let bindings = self.server.portward(&["binding", "list", "-o", "json"]);
        let bindings: serde_json::Value = serde_json::from_str(&bindings).unwrap();
        let bindings = bindings.as_array().unwrap();
        let https = bindings.iter().find(|binding| binding["url"].as_str().unwrap().starts_with("https"));
        https.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the browser shows a text.
    fn shows(&self, text: &str) {
        self.browser.wait_for(&format!("return document.body.innerText.includes({})", serde_json::json!(text)));
    }

    /// Waits until the browser does not come in any more.
    ///
    /// What it asks for in the moment in which its connection ends may still be answered: there the change cannot be kept.
    fn is_shut_out(&self, error: &str) {
        let question = "Can you still reach the portal?";
        let either = format!(
            "const text = document.body?.innerText ?? ''; return text.includes({}) || text.includes({})",
            serde_json::json!(error),
            serde_json::json!(question)
        );
        loop {
            self.browser.wait_for(&either);
            if self.browser.text().contains(error) {
                return;
            }
            let keep = self.browser.run("return document.querySelector('button[value=keep]')");
            assert_eq!(keep, serde_json::Value::Null, "a connection of before keeps the change");
            self.comes_in();
        }
    }

    /// What the browser shows that tries the old way in anew.
    fn comes_in(&self) -> String {
        self.browser.try_open(&format!("{}/https-settings", self.url), PATIENCE)
    }

    /// Waits until the change has gone back, as nobody has answered, and the browser comes in by the old way again.
    fn is_back(&self, what: &str) {
        let begun = Instant::now();
        let went_back =
            |line: &str| line.contains("go back to") && line.contains(what) && line.contains("nobody confirmed");
        loop {
            let audit = self.server.portward(&["audit", "list"]);
            if audit.lines().any(went_back) {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not go back: {audit}");
        }
        let shown = self.comes_in();
        assert!(shown.contains("How this portal is reached"), "{shown}");
        assert!(!shown.contains("Can you still reach the portal?"), "{shown}");
    }
}

/// Writes a certificate where a browser and a command can read it, and gives the paths of its chain and key.
fn write(server: &StartedProgram, issued: &Issued) -> (String, String) {
    let path = |name: &str| server.files().join(name).to_str().unwrap().to_owned();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    std::fs::write(&chain, &issued.chain_pem).unwrap();
    std::fs::write(&key, &issued.key_pem).unwrap();
    (chain, key)
}

/// A certificate that is signed by its own key, as the paths of it and its key.
fn self_signed(server: &StartedProgram, name: &str) -> (String, String) {
    let path = |name: &str| server.files().join(name).to_str().unwrap().to_owned();
    let (chain, key) = (path("own.pem"), path("own.key"));
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    std::fs::write(&chain, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (chain, key)
}

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const PORTAL: &str = "portal.test";
/// What an operator chooses who is in a hurry, and long enough for a browser that is not.
const SECONDS: &str = "10";
