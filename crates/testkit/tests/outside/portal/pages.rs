//! Every page: usable by everybody, within its policy, small, and there without script.

use portward_testkit::Browser;

use super::{PAGES, PAGES_OF_AGENTS, axe::violations, machines::Machines, signed_in};

#[test]
fn every_page_is_usable_within_its_policy_and_small() {
    let (server, browser) = signed_in();
    let _machines = Machines::start(&server);
    Machines::check(&server, &browser);
    browser.console();
    let mut wrong = Vec::new();
    for scheme in SCHEMES {
        browser.prefer(scheme);
        for page in PAGES.iter().chain(PAGES_OF_AGENTS) {
            browser.open(&format!("https://127.0.0.1:{}{page}", server.https.port()));
            if browser.run("return document.querySelector('main h1')?.textContent") == "There is nothing here" {
                wrong.push(format!("{page}: is not there"));
            }
            wrong.extend(wrong_with(&browser, &format!("{page} {scheme}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_page_is_wider_than_a_phone() {
    let (server, browser) = signed_in();
    let _machines = Machines::start(&server);
    Machines::check(&server, &browser);
    browser.resize(390, 844);
    let mut wide = Vec::new();
    for page in PAGES.iter().chain(PAGES_OF_AGENTS) {
        browser.open(&format!("https://127.0.0.1:{}{page}", server.https.port()));
        let width = browser.run("return document.documentElement.scrollWidth").as_u64().unwrap();
        if width > 390 {
            let widest = browser.run(
                "return [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 391)
                   .map(e => e.tagName + '.' + e.getAttribute('class')).slice(-3).join(' ')",
            );
            wide.push(format!("{page} is {width} wide: {widest}"));
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// What is wrong with the page that is shown, in lines that begin with a name for it.
pub(super) fn wrong_with(browser: &Browser, page: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let heading = browser.run("return document.querySelector('main h1')?.textContent ?? ''");
    if heading == "" {
        wrong.push(format!("{page}: has no heading"));
    }
    wrong.extend(violations(browser).into_iter().map(|line| format!("{page}: {line}")));
    let messages = browser.console();
    // What is refused answers the page itself with its status; a file of it that is not there is another address.
    let own = format!("{} - Failed to load resource: the server responded with a status of ", browser.url());
    let is_bad = |text: &str| !text.starts_with(&own);
    let bad = messages.iter().filter(|(level, text)| level == "SEVERE" && is_bad(text));
    wrong.extend(bad.map(|(_, message)| format!("{page}: {message}")));
    let bytes = browser.run(
        "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
         return all.map(entry => entry.transferSize).reduce((a, b) => a + b, 0)",
    );
    if bytes.as_u64().unwrap() > PAINT_BYTES {
        wrong.push(format!("{page}: {bytes} bytes for its first paint"));
    }
    let elsewhere = browser.run(
        "return performance.getEntriesByType('resource').map(entry => entry.name).filter(name => !name.startsWith(location.origin))",
    );
    if elsewhere != serde_json::json!([]) {
        wrong.push(format!("{page}: {elsewhere} from elsewhere"));
    }
    let inline = browser.run("return document.querySelectorAll('[style], style, script:not([src])').length");
    if inline != 0 {
        wrong.push(format!("{page}: {inline} inline styles or scripts"));
    }
    wrong
}

/// Both themes.
pub(super) const SCHEMES: [&str; 2] = ["light", "dark"];
/// What a page and all that it needs at first may have.
const PAINT_BYTES: u64 = 100_000;
