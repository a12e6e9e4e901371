//! Takes the pictures of `docs/screenshots`: every page of the portal, light, dark, and as wide as a phone.
//!
//! `make screenshots` runs it. The certificates are signed by a CA of its own, the applications are not there:
//! what the pages show is what Portward makes of that.
#![allow(clippy::unwrap_used, reason = "a tool of this repository, which ends where something is amiss")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use portward_testkit::{Browser, Program, StartedProgram, run};

/// What each picture is called, and the page that it shows.
const PAGES: &[(&str, &str)] = &[
    ("overview", "/"),
    ("bindings", "/bindings"),
    ("sites", "/sites"),
    ("site-new", "/sites/new"),
    ("site", "/sites/wiki-northmole-test"),
    ("site-headers", "/sites/wiki-northmole-test/headers"),
    ("site-limits", "/sites/wiki-northmole-test/limits"),
    ("site-traffic", "/sites/wiki-northmole-test/traffic"),
    ("https-settings", "/https-settings"),
    ("certificates", "/certificates"),
    ("certificate", "/certificates/wiki-northmole-test"),
    ("import", "/import"),
    ("request", "/request"),
    ("lets-encrypt", "/lets-encrypt"),
    ("issuers", "/issuers"),
    ("problems", "/problems"),
    ("explain", "/explain?host=wiki.northmole.test"),
    ("audit", "/audit"),
    ("users", "/users"),
    ("account", "/account"),
    ("notifications", "/notifications"),
    ("backup", "/backup"),
    ("settings", "/settings"),
    ("about", "/about"),
    ("api-reference", "/api-reference"),
];

fn main() {
    let place = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "docs/screenshots".into()));
    fs::create_dir_all(&place).unwrap();
    let server = Program::new().start();
    let at = format!("https://127.0.0.1:{}", server.https.port());
    let browser = Browser::start();
    let link = server.portward(&["setup-link"]);
    let token = link.split_once('#').map(|(_, token)| token.trim()).unwrap_or_default().to_owned();
    browser.open(&format!("{at}/setup#{token}"));
    picture(&browser, &place, "setup");
    furnish(&server);
    browser.open(&format!("{at}/sign-in"));
    picture(&browser, &place, "sign-in");
    browser.fill("[name=user]", "mara");
    browser.fill("[name=password]", PASSWORD);
    browser.click("main form button");
    browser.wait_for("return location.pathname === '/' && document.readyState === 'complete'");
    for (name, page) in PAGES {
        browser.open(&format!("{at}{page}"));
        picture(&browser, &place, name);
    }
}

/// Takes one page in three ways.
fn picture(browser: &Browser, place: &Path, name: &str) {
    for (way, scheme, width, height) in
        [("light", "light", 1280, 900), ("dark", "dark", 1280, 900), ("phone", "light", 390, 844)]
    {
        browser.prefer(scheme);
        browser.resize(width, height);
        fs::write(place.join(format!("{name}-{way}.png")), browser.picture()).unwrap();
    }
}

/// Gives the server an owner, applications, and certificates of different ages.
fn furnish(server: &StartedProgram) {
    let files = server.files();
    let password = files.join("password");
    fs::write(&password, PASSWORD).unwrap();
    server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
    let openssl = |arguments: &str| {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(files));
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /O=Northmole/CN=Northmole-CA",
    );
    for (site, days, preset) in [("wiki", "60", "gitea"), ("ci", "340", "teamcity"), ("board", "180", "grafana")] {
        let name = format!("{site}.northmole.test");
        server.portward(&["site", "add", &name, "--upstream", "http://127.0.0.1:9", "--preset", preset]);
        fs::write(files.join("names"), format!("subjectAltName=DNS:{name}")).unwrap();
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {site}.key -out {site}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {site}.csr -CA ca.pem -CAkey ca.key -days {days} -extfile names -out {site}.pem"
        ));
        server.portward(&["certificate", "import", &format!("{site}.pem"), &format!("{site}.key"), "ca.pem"]);
    }
}

const PASSWORD: &str = "four words are better";
