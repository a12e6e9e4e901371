//! The portal in a browser that runs no script: every page is there, and does what it is for.

use std::{fs, path::Path, process::Command};

use portward_testkit::{Browser, Program, StartedProgram, Upstream, eventually, free_port, run};
use serde_json::json;

use super::{PAGES, PAGES_OF_AGENTS, PASSWORD, machines::Machines, signed_in};

#[test]
fn every_page_can_be_used_without_script() {
    let (server, browser) = signed_in();
    let _machines = Machines::start(&server);
    Machines::check(&server, &browser);
    let copies = || {
        browser.open(&format!("https://127.0.0.1:{}/https-settings", server.https.port()));
        browser.run("return document.querySelector('.print [data-copy]').checkVisibility({ visibilityProperty: true })")
    };
    assert_eq!(copies(), true, "a script shows what it serves");
    browser.without_script();
    assert_eq!(copies(), false, "what only a script serves is seen without one");
    let mut wrong = Vec::new();
    for page in PAGES.iter().chain(PAGES_OF_AGENTS) {
        browser.open(&format!("https://127.0.0.1:{}{page}", server.https.port()));
        let found = browser.run(DEAD);
        wrong.extend(found.as_array().unwrap().iter().map(|line| format!("{page}: {}", line.as_str().unwrap())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_portal_is_for_is_done_without_script() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(Upstream::start("shop"));
    let server = Program::new().start();
    let hand = Hand::new(&server);
    set_up(&hand);
    serve_a_site(&hand, &upstream.url());
    give_certificates(&hand);
    open_other_doors(&hand);
    send_elsewhere(&hand);
    let_others_in(&hand);
    look_around(&hand);

    hand.open("/account");
    hand.press("form[action='/sign-out'] button");
    hand.open("/users");
    assert!(hand.browser.url().contains("/sign-in"), "{}", hand.browser.url());
    sign_in(&hand);
    hand.shows("h1", "Users and tokens");
}

fn set_up(hand: &Hand<'_>) {
    let link = hand.server.portward(&["setup-link"]);
    let token = link.trim().split_once('#').unwrap().1;
    hand.open(&format!("/setup#{token}"));
    hand.says("Your browser runs no script here");
    hand.fill("token", token);
    hand.fill("name", "mara");
    hand.fill("password", PASSWORD);
    if hand.has("[name=compared]") {
        hand.press_only("[name=compared]");
    }
    hand.press("main form button.primary");
    hand.shows("h1", "What is behind the door?");
}

fn sign_in(hand: &Hand<'_>) {
    hand.fill("user", "mara");
    hand.fill("password", PASSWORD);
    hand.press("main form button");
}

fn serve_a_site(hand: &Hand<'_>, upstream: &str) {
    hand.open("/sites/new");
    hand.choose("preset", "grafana");
    hand.press("#fill-in");
    hand.says("Answers within");
    hand.fill("names", "shop.test");
    hand.fill("upstreams", upstream);
    hand.press("form[method=post] button.primary");
    assert!(hand.browser.url().contains("/sites/shop-test"), "{}", hand.browser.url());

    let edit = |path: &str, act: &dyn Fn()| {
        hand.open(path);
        act();
        hand.press("main form[method=post] fieldset button.primary");
    };
    edit("/sites/shop-test", &|| {
        hand.press_only("main details:has([name=names]) summary");
        hand.fill("names", "shop.test www.shop.test");
        hand.press_only("[name=force_https][value=browsers]");
    });
    hand.says("shop-test is served as you asked.");
    edit("/sites/shop-test/headers", &|| hand.fill("set", "X-Frame-Options: DENY"));
    edit("/sites/shop-test/forwarding", &|| {
        hand.press_only("[name=balance][value=sticky]");
        hand.fill("health_path", "/health");
        hand.fill("routes", "/api=unix:/run/api.sock");
        hand.choose("upstream_http", "1");
    });
    hand.says("Requests of shop-test reach the upstreams as you asked.");
    edit("/sites/shop-test/limits", &|| hand.fill("max_body", "10MiB"));
    let site = hand.json(&["site", "show", "shop-test", "-o", "json"]);
    assert_eq!(site["names"], json!(["shop.test", "www.shop.test"]));
    assert_eq!((&site["force_https"], &site["max_body"]), (&json!("browsers"), &json!("10MiB")));
    assert_eq!((&site["balance"], &site["health_path"]), (&json!("sticky"), &json!("/health")));
    assert_eq!(site["routes"], json!([{ "prefix": "/api", "upstreams": ["unix:/run/api.sock"] }]));
    assert_eq!((&site["upstream_http"], &site["proxy_protocol"]), (&json!("1"), &json!("off")));
    assert!(site["set_headers"].to_string().contains("X-Frame-Options"), "{site}");

    hand.open("/sites/shop-test");
    hand.press("[form=ask]");
    // Nobody listens at the socket of the route.
    hand.says("1 of 2 upstreams do not answer as they should.");
}

fn give_certificates(hand: &Hand<'_>) {
    let pfx = pfx(hand.server.files());
    hand.open("/import");
    hand.fill("files", &pfx);
    hand.fill("password", "secret");
    hand.press("main form .acts button.primary");
    hand.says("The chain");
    hand.press("button[value=import]");
    assert!(hand.browser.url().contains("/certificates/shop-test"), "{}", hand.browser.url());

    hand.open("/request");
    hand.says("No issuer yet");
    hand.open("/issuers/new?preset=other");
    hand.fill("directory", "ftp://ca.test");
    hand.press("main form button.primary");
    hand.says("Nothing was saved.");
    assert_eq!(hand.browser.run("return document.querySelector('[name=directory]').value"), "ftp://ca.test");

    hand.open("/dns-providers/new");
    hand.choose("kind", "rfc2136");
    hand.press("#choose-kind");
    hand.says("rfc2136");
    let required = hand.browser.run("return document.querySelectorAll('[name^=\"setting.\"][required]').length");
    for number in 0..required.as_u64().unwrap() {
        let name = format!("return document.querySelectorAll('[name^=\"setting.\"][required]')[{number}].name");
        hand.fill(hand.browser.run(&name).as_str().unwrap(), "???");
    }
    hand.press("main form[method=post] button.primary");
    hand.says("Nothing was saved.");
}

fn open_other_doors(hand: &Hand<'_>) {
    let port = free_port().to_string();
    hand.open("/bindings");
    hand.press_only("[name=scheme][value=http]");
    hand.fill("address", "127.0.0.1");
    hand.fill("port", &port);
    hand.press("#add button.primary");
    hand.says(&format!("http://127.0.0.1:{port} accepts connections."));

    // The new port is confirmed at the new port.
    let port = free_port().to_string();
    hand.open("/https-settings");
    hand.fill("port", &port);
    hand.press("main form button.primary");
    hand.says("Can you still reach the portal?");
    assert!(!hand.has("button[value=keep]"));
    hand.browser.open(&format!("https://127.0.0.1:{port}/https-settings"));
    hand.press("button[value=keep]");
    hand.says("The new settings stay.");
    hand.port.set(port.parse().unwrap());
    let bindings = hand.server.portward(&["binding", "list"]);
    assert!(bindings.contains(&port) && !hand.has("[role=alertdialog]"), "{bindings}");

    hand.open("/settings");
    hand.fill("warning_days", "14");
    hand.press("main form button.primary");
    assert_eq!(hand.browser.run("return document.querySelector('[name=warning_days]').value"), "14");
}

fn send_elsewhere(hand: &Hand<'_>) {
    hand.open("/deliveries/add");
    hand.says("No agent yet");
    hand.press("main .empty a.primary");
    let thumbprint = "D94F20B67C3EA8155501EE974B8D62FA0C19D7A483B0F62E11479CDA35E870B1";
    let form = "form[action^='/agents/add/thumbprint']";
    let fill = |name: &str, text: &str| hand.browser.fill(&format!("{form} [name='{name}']"), text);
    fill("name", "web-03");
    fill("thumbprint", "F1D30DE16AFBA30CB8FD20070856EECC15DDF06C");
    hand.press(&format!("{form} .acts .btn"));
    hand.says("SHA-1");
    let typed = hand.browser.run(&format!("return document.querySelector(\"{form} [name=name]\").value"));
    assert_eq!(typed, "web-03");
    let clear = format!("document.querySelector(\"{form} [name=thumbprint]\").value = ''");
    hand.browser.run(&clear);
    fill("thumbprint", thumbprint);
    hand.press(&format!("{form} .acts .btn"));
    hand.shows("h1", "web-03");
    hand.says("On its machine");

    hand.press("main .page-head a[href^='/deliveries/add']");
    hand.choose("certificate", "shop-test");
    hand.choose("format", "pfx");
    hand.press("#choose");
    hand.fill("to_1", "/srv/app/site.pfx");
    hand.fill("password", "a secret");
    hand.press("main form .acts button.primary");
    hand.shows("h1", "shop-test on web-03");
    hand.says("Machine out of reach");
    hand.press("form[action$='/retry'] button");
    hand.says("as soon as web-03 is connected");
    hand.press("main a[href$='/remove']");
    hand.press("main form button.danger");
    hand.open("/agents");
    hand.press("form[action='/agent-checks'] button");
    hand.open(&hand.path());
    hand.says("web-03");
    hand.open("/agents/trust");
    hand.fill("typed", "no");
    hand.press("form[action^='/agents/trust/replace'] button");
    hand.says("Type compromised");
    hand.open("/agents/trust");
    hand.press("form[action^='/agents/trust/rotate'] button");
    hand.says("A rotation is under way");
    hand.open("/agents/web-03/remove");
    hand.press("main form button.danger");
    hand.says("No agent yet");
}

fn let_others_in(hand: &Hand<'_>) {
    hand.open("/users/new");
    hand.fill("name", "jan");
    hand.fill("password", "quite long enough for anybody");
    hand.press_only("[name=role][value=viewer]");
    hand.press("main form button.primary");
    hand.says("jan");
    hand.open("/users/jan/change");
    hand.press("a[href='/users/jan/remove']");
    hand.press("main form button.danger");
    assert!(!hand.server.portward(&["user", "list"]).contains("jan"));

    hand.open("/tokens/new");
    hand.fill("name", "deploy");
    hand.press_only("[name=permission][value='site:change']");
    hand.press("main form button.primary");
    hand.says("not shown again");
    let token = hand.browser.run("return document.getElementById('token').textContent");
    assert!(token.as_str().unwrap().starts_with("ptw_"), "{token}");
    hand.press("main a.primary");
    assert!(!hand.browser.text().contains(token.as_str().unwrap()));

    hand.open("/notifications");
    hand.choose("kind", "webhook");
    hand.press("#choose-kind");
    hand.fill("url", "https://hooks.test/portward");
    hand.fill("secret", "a secret for the signature");
    hand.press("form[method=post][action^='/notifications'] button.primary");
    hand.open("/notifications");
    hand.says("hooks.test");
    hand.press("form[action='/notifications/webhook/remove'] button");
    hand.says("No channel yet");
}

fn look_around(hand: &Hand<'_>) {
    hand.open("/explain");
    hand.fill("host", "shop.test");
    hand.press("main form button.primary");
    hand.shows("h1", "Explain");
    hand.says("shop.test");

    hand.open("/");
    hand.browser.fill(".top [name=q]", "shop\u{e007}");
    hand.browser.wait_for("return location.pathname === '/search'");
    assert!(hand.has("main a[href='/sites/shop-test']"), "{}", hand.browser.text());

    hand.open("/audit");
    hand.fill("what", "site");
    hand.press("main form[role=search] button");
    hand.says("edit site shop-test");
    assert!(!hand.browser.text().contains("add binding"), "{}", hand.browser.text());

    let downloads = hand.server.files().join("downloads");
    fs::create_dir(&downloads).unwrap();
    hand.browser.keep_downloads_in(&downloads);
    hand.open("/backup");
    hand.browser.click("form[action='/backup'] button");
    let is_there = || {
        let mut files = fs::read_dir(&downloads).unwrap().map(|file| file.unwrap());
        files.any(|file| {
            file.path().extension().is_some_and(|end| end == "backup") && file.metadata().unwrap().len() > 0
        })
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(eventually("the backup is there", async || is_there().then_some(())));
}

/// Somebody at a browser without script.
struct Hand<'a> {
    server: &'a StartedProgram,
    browser: Browser,
    port: std::cell::Cell<u16>,
}

impl<'a> Hand<'a> {
    fn new(server: &'a StartedProgram) -> Self {
        let browser = Browser::start();
        browser.without_script();
        Self { server, browser, port: server.https.port().into() }
    }

    fn open(&self, path: &str) {
        self.browser.open(&format!("https://127.0.0.1:{}{path}", self.port.get()));
    }

    /// Where the browser is.
    fn path(&self) -> String {
        let path = self.browser.run("return location.pathname");
        path.as_str().unwrap().to_owned()
    }

    /// Types into the field of a name, which has to be seen.
    fn fill(&self, name: &str, text: &str) {
        self.browser.fill(&format!("[name='{name}']:not([type=hidden])"), text);
    }

    /// Chooses of a list.
    fn choose(&self, name: &str, value: &str) {
        let place = format!(
            "return [...document.querySelector(\"select[name='{name}']\").options].findIndex(o => o.value === {}) + 1",
            json!(value)
        );
        let place = self.browser.run(&place);
        self.browser.click(&format!("select[name='{name}'] option:nth-of-type({place})"));
    }

    /// Presses what goes to another page, and waits for that.
    fn press(&self, selector: &str) {
        self.browser.run("document.documentElement.dataset.left = ''");
        self.browser.click(selector);
        let is_new = "return document.readyState === 'complete' && !('left' in document.documentElement.dataset)";
        self.browser.wait_for(is_new);
    }

    /// Presses what stays on the page.
    fn press_only(&self, selector: &str) {
        self.browser.click(selector);
    }

    fn has(&self, selector: &str) -> bool {
        self.browser.run(&format!("return !!document.querySelector({})", json!(selector))) == true
    }

    fn says(&self, text: &str) {
        let all = self.browser.text();
        assert!(all.contains(text), "{text:?} is not in {}:\n{all}", self.browser.url());
    }

    fn shows(&self, selector: &str, text: &str) {
        let shown = self.browser.run(&format!("return document.querySelector('main {selector}').textContent"));
        assert!(shown.as_str().unwrap().contains(text), "{shown} is at {}", self.browser.url());
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.server.portward(arguments)).unwrap()
    }
}

/// A PFX for the site, as the path of it.
fn pfx(directory: &Path) -> String {
    let openssl = |arguments: &str| {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(directory));
    };
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout shop.key -out shop.pem -days 90 -subj /CN=shop.test -addext subjectAltName=DNS:shop.test,DNS:www.shop.test",
    );
    openssl("pkcs12 -export -inkey shop.key -in shop.pem -passout pass:secret -out shop.pfx");
    directory.join("shop.pfx").to_str().unwrap().to_owned()
}

/// Names what is seen in a page and does nothing without script.
const DEAD: &str = r#"
    const seen = e => e.checkVisibility({ visibilityProperty: true });
    const dead = [];
    for (const button of document.querySelectorAll('button')) {
        const works = button.type === 'submit' && button.form || button.popoverTargetElement || button.commandForElement
            || button.getAttribute('aria-disabled') === 'true';
        if (seen(button) && !works) dead.push('does nothing: ' + button.outerHTML.slice(0, 120));
    }
    for (const form of document.forms) {
        const controls = [...form.elements];
        const fields = controls.filter(e => e.matches('input:not([type=hidden]), select, textarea') && seen(e) && !e.disabled);
        const sends = controls.some(e => e.matches('button, input[type=submit]') && e.type === 'submit' && seen(e) && e.tabIndex >= 0);
        // One line of text is sent by Enter (HTML, implicit submission).
        const isLine = fields.length === 1 && fields[0].matches('input');
        if (fields.length && !sends && !isLine) dead.push('cannot be sent: ' + form.outerHTML.slice(0, 120));
    }
    for (const hidden of document.querySelectorAll('form[hidden], fieldset[hidden], .field[hidden], input[hidden]'))
        if (!hidden.id || !document.querySelector(`[form="${hidden.id}"]`)) dead.push('hidden: ' + hidden.outerHTML.slice(0, 120));
    if (!document.querySelector('main h1')?.textContent) dead.push('has no heading');
    return dead"#;
