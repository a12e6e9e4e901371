//! The portal in Chromium: the way of somebody who comes for the first time, and every page.

mod axe;
mod drills;
mod first_way;
mod live;
mod machines;
mod midway;
mod openid;
mod pages;
mod without_script;

use portward_testkit::{Browser, Program, StartedProgram};

/// The pages of the navigation, and the forms that are reached from them.
const PAGES: &[&str] = &[
    "/",
    "/bindings",
    "/bindings/https-0/remove",
    "/sites",
    "/sites/new",
    "/sites/shop-test",
    "/sites/shop-test/headers",
    "/sites/shop-test/forwarding",
    "/sites/shop-test/limits",
    "/sites/shop-test/traffic",
    "/sites/shop-test/history",
    "/sites/shop-test/remove",
    "/https-settings",
    "/certificates",
    "/certificates/first-start",
    "/certificates/first-start/remove",
    "/import",
    "/request",
    "/lets-encrypt",
    "/attempts",
    "/issuers",
    "/issuers/new?preset=letsencrypt",
    "/dns-providers/new",
    "/problems",
    "/explain",
    "/explain?host=shop.test",
    "/audit",
    "/audit?verify=1",
    "/users",
    "/users/new",
    "/users/mara/change",
    "/users/mara/remove",
    "/users/openid-connect",
    "/tokens/new",
    "/account",
    "/notifications",
    "/backup",
    "/settings",
    "/about",
    "/api-reference",
    "/api-reference/sites",
    "/search?q=shop",
];

/// The pages that tell of agents.
const PAGES_OF_AGENTS: &[&str] = &[
    "/agents",
    "/agents?q=edge-1",
    "/agents/add",
    "/agents/trust",
    "/agents/edge-1",
    "/agents/edge-2",
    "/agents/edge-3",
    "/agents/edge-3/remove",
    "/agent-checks/1",
    "/deliveries/add",
    "/deliveries/add?agent=edge-1&certificate=first-start&format=pfx",
    "/deliveries/first-start-edge-1",
    "/deliveries/first-start-edge-2",
    "/deliveries/first-start-edge-3",
    "/deliveries/first-start-edge-3/remove",
    "/certificates/first-start",
    "/search?q=edge",
];

/// A server with an owner and a site, and a browser in which the owner has signed in.
fn signed_in() -> (StartedProgram, Browser) {
    let server = Program::new().start();
    let password = server.files().join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    server.portward_reading(&["init", "--owner", "mara", "--password-stdin"], &password);
    server.portward(&["site", "add", "shop.test", "--upstream", "http://127.0.0.1:9"]);
    let browser = Browser::start();
    browser.open(&format!("https://127.0.0.1:{}/sign-in", server.https.port()));
    browser.fill("[name=user]", "mara");
    browser.fill("[name=password]", PASSWORD);
    browser.click("main form button");
    browser.wait_for("return location.pathname === '/' && document.readyState === 'complete'");
    (server, browser)
}

const PASSWORD: &str = "four words are better";
