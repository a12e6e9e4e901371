//! Somebody who has never read a page of documentation: from the setup link to "all is well".

use std::{fs, path::PathBuf, process::Command, time::Instant};

use portward_testkit::{Browser, Program, Upstream, run};

use super::PASSWORD;

#[test]
fn the_first_way_leads_from_the_setup_link_to_a_safe_site() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let upstream = runtime.block_on(Upstream::start("teamcity"));
    let server = Program::new().start();
    let begun = Instant::now();
    let link = server.portward(&["setup-link"]);
    let token = link.trim().split_once('#').map(|(_, token)| token.to_owned());
    let token = token.unwrap_or_else(|| panic!("no token in {link}"));
    let browser = Browser::start();
    browser.open(&format!("https://127.0.0.1:{}/setup#{token}", server.https.port()));

    // The owner.
    browser.fill("[name=name]", "mara");
    browser.fill("[name=password]", PASSWORD);
    if browser.run("return !!document.querySelector('[name=compared]:not(:checked)')") == true {
        browser.click("[name=compared]");
    }
    browser.click("main form button.primary");
    browser.wait_for("return location.pathname === '/sites/new'");

    // A site, with what TeamCity needs.
    if browser.run("return !!document.querySelector('select[name=preset]')") == true {
        browser.run("document.querySelector('select[name=preset]').value = 'teamcity'");
    } else {
        browser.click("[name=preset][value=teamcity]");
    }
    browser.fill("[name=names]", "ci.test");
    browser.fill("[name=upstreams]", &upstream.url());
    browser.click("main form button.primary");
    browser.wait_for("return location.search.includes('setup=certificate')");

    // Its certificate, from a PFX.
    let pfx = pfx(&server);
    browser.open(&format!("https://127.0.0.1:{}/import", server.https.port()));
    browser.fill("[type=file]", pfx.to_str().unwrap());
    browser.fill("[name=password]", "secret");
    browser.click("main form button.primary");
    browser.wait_for("return document.body.innerText.includes('ci.test')");
    browser.click("main form button.primary");
    browser.wait_for("return location.pathname.startsWith('/certificates/')");

    // Everybody to HTTPS.
    browser.open(&format!("https://127.0.0.1:{}/sites/ci-test", server.https.port()));
    browser.click("[name=force_https][value=all]");
    let press = |selector: &str| {
        // The page that is there is complete already; the next one is waited for.
        browser.run("window.isBefore = true");
        browser.click(selector);
        browser.wait_for("return !window.isBefore && document.readyState === 'complete'");
    };
    press("form:has([name=force_https]) button.primary");
    if browser.run("return !!document.querySelector('button[value=keep]')") == true {
        press("button[value=keep]");
    }

    browser.open(&format!("https://127.0.0.1:{}/", server.https.port()));
    let verdict = browser.run("return document.getElementById('verdict').textContent");
    assert!(verdict.as_str().unwrap().starts_with("The site serves a valid certificate"), "{verdict}");
    let mark = browser.run("return document.querySelector('.verdict > .m').getAttribute('aria-label')");
    assert_eq!(mark, "All is well");
    // The portal itself is at an address for which it has but the certificate that it made itself.
    let facts = browser.run("return document.querySelector('.verdict .dots').textContent");
    assert!(facts.as_str().unwrap().contains("Browsers warn of the portal"), "{facts}");
    browser.open(&format!("http://ci.test:{}/", server.http.port()));
    assert!(browser.url().starts_with("https://ci.test:"), "{}", browser.url());
    assert!(begun.elapsed().as_secs() < 180, "it took {:?}", begun.elapsed());
}

/// A PFX as a company's CA hands it out.
fn pfx(server: &portward_testkit::StartedProgram) -> PathBuf {
    let openssl = |arguments: &str| {
        run(Command::new("openssl").args(arguments.split(' ')).current_dir(server.files()));
    };
    fs::write(server.files().join("names"), "subjectAltName=DNS:ci.test").unwrap();
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /O=Northmole/CN=Northmole-CA",
    );
    openssl("req -newkey rsa:2048 -nodes -keyout ci.key -out ci.csr -subj /CN=ci.test");
    openssl("x509 -req -in ci.csr -CA ca.pem -CAkey ca.key -days 90 -extfile names -out ci.pem");
    openssl("pkcs12 -export -inkey ci.key -in ci.pem -certfile ca.pem -passout pass:secret -out ci.pfx");
    server.files().join("ci.pfx")
}
