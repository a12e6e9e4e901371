//! Signing in at a real OpenID provider: oidc-provider of npm, over https, in Chromium.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

use portward_testkit::{Authority, Browser, Child, Program, StartedProgram, free_port, run};
use serde_json::{Value, json};

use super::PASSWORD;
use crate::imports::{now, write};

/// Is a server, and the provider at which its users sign in.
struct Bench {
    server: StartedProgram,
    issuer: String,
    provider: Option<Child>,
}

impl Bench {
    fn start() -> Self {
        let server = Program::new().start();
        let password = server.files().join("password");
        fs::write(&password, PASSWORD).unwrap();
        server.portward_reading(&["init", "--owner", "olga", "--password-stdin"], &password);
        let authority = Authority::new();
        let issued = authority.issue(&["localhost"], now());
        write(&server, "provider-root.pem", &authority.root_pem());
        write(&server, "provider.pem", &issued.chain_pem);
        write(&server, "provider.key", &issued.key_pem);
        write(&server, "client-secret", &format!("{SECRET}\n"));
        let port = free_port();
        let issuer = format!("https://localhost:{port}");
        let mut bench = Self { server, issuer, provider: None };
        bench.people(&json!({}));
        bench.provider = Some(bench.provider(port));
        bench
    }

    fn provider(&self, port: u16) -> Child {
        let file = |name: &str| self.server.files().join(name);
        let child = Child::start(
            Command::new("node")
                .arg(script())
                .env("ISSUER", &self.issuer)
                .env("PORT", port.to_string())
                .env("CERTIFICATE", file("provider.pem"))
                .env("KEY", file("provider.key"))
                .env("CLIENT_SECRET", SECRET)
                .env("REDIRECT_URI", self.portal("/sign-in/oidc/callback"))
                .env("PEOPLE", file("people.json")),
        );
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(60), "oidc-provider does not listen on port {port}");
            std::thread::yield_now();
        }
        child
    }

    /// Has portward send users there, with these words beside those that it needs.
    fn configure(&self, words: &[&str]) {
        let needed = [
            "oidc",
            "set",
            "--issuer",
            &self.issuer,
            "--client-id",
            "portward",
            "--client-secret-file",
            "client-secret",
            "--authority-file",
            "provider-root.pem",
            "--scope",
            "profile",
            "--scope",
            "groups",
            "--label",
            "Northmole",
        ];
        self.server.portward(&[&needed[..], words].concat());
    }

    /// Says who there is at the provider, by their ids.
    fn people(&self, people: &Value) {
        write(&self.server, "people.json", &people.to_string());
    }

    fn portal(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.server.https.port())
    }

    /// Signs in by the button, as somebody whom the provider does not know in this browser yet.
    fn sign_in(&self, browser: &Browser, id: &str) {
        browser.open(&self.portal("/sign-in?next=/account"));
        browser.click("#elsewhere");
        browser.wait_for("return !!document.querySelector('[name=login]')");
        assert!(browser.url().starts_with(&self.issuer), "{}", browser.url());
        browser.fill("[name=login]", id);
        browser.fill("[name=password]", "any");
        browser.click("button[type=submit]");
        // It asks whether Portward may know them.
        browser.wait_for("return location.pathname.startsWith('/interaction/') && !document.querySelector('[name=login]') || location.port != PORT".replace("PORT", self.issuer.rsplit(':').next().unwrap()).as_str());
        if browser.url().starts_with(&self.issuer) {
            browser.click("button[type=submit]");
        }
        self.back(browser);
    }

    /// Signs in by the button, as somebody whom the provider knows already.
    fn sign_in_again(&self, browser: &Browser) {
        browser.open(&self.portal("/sign-in?next=/account"));
        browser.click("#elsewhere");
        self.back(browser);
    }

    fn back(&self, browser: &Browser) {
        let own = format!("return location.port == {} && document.readyState === 'complete'", self.server.https.port());
        browser.wait_for(&own);
    }

    fn user(&self, name: &str) -> Value {
        let users = self.server.portward(&["user", "list", "-o", "json"]);
        let users: Value = serde_json::from_str(&users).unwrap();
        users.as_array().unwrap().iter().find(|user| user["name"] == name).cloned().unwrap_or_default()
    }
}

#[test]
fn users_sign_in_at_a_real_provider_with_the_role_that_their_groups_give() {
    let bench = Bench::start();
    bench.configure(&["--role", "ops=operator", "--role", "admins=administrator"]);
    let told = bench.server.portward(&["oidc", "test"]);
    assert!(told.contains(&bench.issuer) && told.contains("ES256"), "{told}");

    // For the first time.
    let mara = |groups: &[&str]| json!({ "u-1001": { "preferred_username": "mara", "groups": groups } });
    bench.people(&mara(&["staff", "ops"]));
    let browser = Browser::start();
    bench.sign_in(&browser, "u-1001");
    assert!(browser.url().ends_with("/account"), "{}\n{}", browser.url(), browser.text());
    assert!(browser.text().contains("mara") && browser.text().contains("operator"), "{}", browser.text());
    let user = bench.user("mara");
    assert_eq!(
        (&user["role"], &user["issuer"], &user["subject"]),
        (&json!("operator"), &json!(bench.issuer), &json!("u-1001"))
    );

    // With another group at the next time; the session of the other browser ends.
    bench.people(&mara(&["staff", "admins", "ops"]));
    let other = Browser::start();
    bench.sign_in(&other, "u-1001");
    assert!(other.text().contains("administrator"), "{}", other.text());
    assert_eq!(bench.user("mara")["role"], "administrator");
    browser.open(&bench.portal("/account"));
    assert!(browser.url().contains("/sign-in"), "{}", browser.url());

    // With no group that is mapped.
    bench.people(&mara(&["staff"]));
    bench.sign_in_again(&browser);
    let text = browser.text();
    assert!(
        text.contains("the groups that came are \"staff\"") && text.contains("on the page OpenID Connect"),
        "{text}"
    );
    assert!(text.contains("Password"), "the password is asked for beside that: {text}");

    // As somebody who is disabled.
    bench.people(&mara(&["ops"]));
    bench.server.portward(&["user", "disable", "mara"]);
    bench.sign_in_again(&browser);
    assert!(browser.text().contains("The user is disabled"), "{}", browser.text());
    bench.server.portward(&["user", "enable", "mara"]);
    bench.sign_in_again(&browser);
    assert!(browser.url().ends_with("/account"), "{}", browser.text());

    // As somebody with the name of an owner of this server.
    bench.people(&json!({ "u-666": { "preferred_username": "olga", "groups": ["admins"] } }));
    let stranger = Browser::start();
    bench.sign_in(&stranger, "u-666");
    assert!(stranger.text().contains("nobody becomes them by having their name"), "{}", stranger.text());
    let olga = bench.user("olga");
    assert_eq!((&olga["role"], &olga["issuer"]), (&json!("owner"), &Value::Null));

    // The secret is nowhere in the clear.
    let shown = bench.server.portward(&["oidc", "show", "-o", "json"]);
    assert!(!shown.contains(SECRET), "{shown}");
    let audit = bench.server.portward(&["audit", "list", "-o", "json"]);
    for what in ["add user mara as operator", "change the role of user mara from operator to administrator"] {
        assert!(audit.contains(what), "{what}: {audit}");
    }
    let (code, log) = bench.server.stop();
    assert_eq!(code, Some(0));
    assert!(!log.contains("panicked") && !log.contains(SECRET), "{log}");
}

#[test]
fn a_wrong_secret_and_a_provider_that_is_gone_are_told_and_passwords_go_on() {
    let mut bench = Bench::start();
    bench.people(&json!({ "u-1": { "preferred_username": "mara", "groups": ["ops"] } }));
    write(&bench.server, "client-secret", "another one");
    bench.configure(&["--role", "ops=operator"]);
    let browser = Browser::start();
    bench.sign_in(&browser, "u-1");
    let text = browser.text();
    assert!(text.contains("does not take the client \"portward\" or its secret"), "{text}");
    write(&bench.server, "client-secret", SECRET);
    bench.server.portward(&["oidc", "set", "--client-secret-file", "client-secret"]);
    bench.sign_in_again(&browser);
    assert!(browser.url().ends_with("/account"), "{}", browser.text());

    drop(bench.provider.take());
    // Settings that are new are asked about anew.
    bench.server.portward(&["oidc", "set", "--label", "the gone one"]);
    let gone = Browser::start();
    gone.open(&bench.portal("/sign-in"));
    gone.click("#elsewhere");
    gone.wait_for("return !!document.getElementById('refused')");
    let text = gone.text();
    assert!(text.contains("The provider cannot be asked at") && text.contains("signs in with it meanwhile"), "{text}");
    gone.fill("[name=user]", "olga");
    gone.fill("[name=password]", PASSWORD);
    gone.click("main form button");
    gone.wait_for("return location.pathname === '/'");
}

/// The script beside the package that it needs, taken once from the registry of npm packages, below the target
/// directory.
fn script() -> &'static Path {
    static SCRIPT: OnceLock<PathBuf> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        let place = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("oidc-provider");
        fs::create_dir_all(&place).unwrap();
        if !place.join("node_modules/oidc-provider").exists() {
            let install = ["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "oidc-provider@9"];
            run(Command::new("npm").args(install).arg("--prefix").arg(&place).current_dir(&place));
        }
        let script = place.join("provider.mjs");
        fs::write(&script, include_str!("openid/provider.mjs")).unwrap();
        script
    })
}

const SECRET: &str = "client-secret-marker-7c1d";
