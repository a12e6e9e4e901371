//! Lock-out drills: what an operator does in the portal that would shut them out of it goes back by itself, or is refused.
//!
//! Nobody touches the machine meanwhile, and the browser believes no certificate that an operator's would not.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use portward_testkit::{Authority, Browser, Issued, Program, StartedProgram};

use super::PASSWORD;
use crate::imports::now;

#[test]
fn a_certificate_that_browsers_do_not_believe_goes_back_by_itself() {
    let drill = Drill::begin();
    drill.give_certificate(&Authority::new().issue(&[PORTAL], now()));
    // The settings are in effect, and the browser, that is sent on, will not come in any more.
    drill.shows("ERR_CERT_AUTHORITY_INVALID");
    drill.is_back();
    let told = drill.browser.text();
    assert!(told.contains("HTTPS settings") && told.contains("Test Intermediate"), "{told}");
    drill.went_back("change HTTPS settings: certificate");
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
        let password = server.files().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
        server.portward(&["site", "add", PORTAL, "--upstream", "portal"]);
        let (chain, key) = write(&server, &authority.issue(&[PORTAL], now()));
        server.portward(&["certificate", "import", &chain, &key]);
        let browser = Browser::start_strict(&authority.root_pem(), address);
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

    /// Uploads a certificate in the HTTPS settings, to be confirmed within [`SECONDS`].
    fn give_certificate(&self, issued: &Issued) {
        let (chain, key) = write(&self.server, issued);
        self.open("/https-settings");
        self.browser.fill("[name=certificate]", &chain);
        self.browser.fill("[name=key]", &key);
        self.browser.fill("[name=within]", SECONDS);
        self.browser.click("main form button.primary");
    }

    /// Waits until the browser shows a text.
    fn shows(&self, text: &str) {
        self.browser.wait_for(&format!("return document.body.innerText.includes({})", serde_json::json!(text)));
    }

    /// What the browser shows that tries the old way in anew.
    fn comes_in(&self) -> String {
        self.browser.try_open(&format!("{}/https-settings", self.url), PATIENCE)
    }

    /// Waits until the browser comes in by the old way and is asked nothing, as nobody has answered.
    fn is_back(&self) {
        let begun = Instant::now();
        loop {
            let shown = self.comes_in();
            if shown.contains("How this portal is reached") && !shown.contains("Can you still reach the portal?") {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "there is no way back in: {shown}");
        }
    }

    /// The audit has it that a change went back, as nobody confirmed it.
    fn went_back(&self, what: &str) {
        let audit = self.server.portward(&["audit", "list"]);
        let line = audit.lines().find(|line| line.contains("go back to before revision") && line.contains(what));
        assert!(line.is_some_and(|line| line.contains("nobody confirmed it")), "{audit}");
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

/// How long a page is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const PORTAL: &str = "portal.test";
/// The least that an operator can choose.
const SECONDS: &str = "5";
