//! An open page: what others change appears in it, and can be undone from it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use portward_testkit::{Browser, StartedProgram};

use super::signed_in;

const UNDO: &str = "#live-changes form[action='/undo'] button";

fn hsts(server: &StartedProgram) -> String {
    let shown: serde_json::Value =
        serde_json::from_str(&server.portward(&["site", "show", "shop-test", "-o", "json"])).unwrap();
    shown["hsts"].as_str().unwrap().to_owned()
}

fn shows(browser: &Browser, id: &str, text: &str) {
    browser.wait_for(&format!("return document.getElementById('{id}').textContent.includes('{text}')"));
}

#[test]
fn what_others_change_appears_on_the_open_overview_and_is_undone_from_there() {
    let (server, browser) = signed_in();
    browser.run("window.opened = 'once'; document.querySelector('#live-changes a').focus()");
    let revision = browser.run("return document.getElementById('revision').textContent");

    server.portward(&["site", "edit", "shop-test", "--hsts", "1h"]);
    shows(&browser, "live-changes", "edit site shop-test");
    browser.wait_for(&format!("return document.getElementById('revision').textContent !== {revision}"));
    assert_eq!(browser.run("return document.activeElement.getAttribute('href')"), "/audit", "the focus stays");
    assert_eq!(browser.run("return document.getElementById('said').textContent"), "", "the verdict is the same");

    server.portward(&["site", "add", "wiki.test", "--upstream", "http://127.0.0.1:9"]);
    shows(&browser, "verdict", "Browsers warn of 2 sites");
    shows(&browser, "said", "Browsers warn of 2 sites");
    server.portward(&["site", "remove", "wiki-test"]);
    shows(&browser, "verdict", "Browsers warn of shop.test");
    assert_eq!(browser.run("return window.opened"), "once", "the page was not loaded again");

    // The others were overtaken, or taken back already.
    let offered = browser.run(&format!("return [...document.querySelectorAll(\"{UNDO}\")].map(b => b.textContent)"));
    assert_eq!(offered, serde_json::json!(["Undo: remove site wiki-test", "Undo: edit site shop-test"]));
    browser.run(&format!("document.querySelectorAll(\"{UNDO}\")[1].click()"));
    browser.wait_for("return document.getElementById('toast')?.textContent.includes('Undone: edit site shop-test')");
    assert_eq!(hsts(&server), "off");
}

#[test]
fn what_comes_appears_while_one_looks() {
    let (server, browser) = signed_in();
    let mut client = TcpStream::connect(("127.0.0.1", server.http.port())).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    shows(&browser, "live-traffic", "100 %");
    shows(&browser, "live-traffic", "shop.test");
}

#[test]
fn a_hidden_page_gives_its_seat_away_and_one_without_a_seat_asks() {
    let (server, browser) = signed_in();
    let hide = |is_hidden: bool| {
        browser.run(&format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {is_hidden} }});
             document.dispatchEvent(new Event('visibilitychange'))"
        ));
    };
    hide(true);
    // Whoever hears takes a seat, and there are 32: that many are left for others once this page has left its own.
    browser.run(
        "window.take = async () => {
           const seats = Array.from({ length: 33 }, () => new EventSource('/api/v1/events'));
           const answered = seat => new Promise(done => { seat.onopen = seat.onerror = done; });
           await Promise.all(seats.map(answered));
           window.seats = seats.filter(seat => seat.readyState === EventSource.OPEN);
           if (window.seats.length === 32) return true;
           seats.forEach(seat => seat.close());
           return false;
         }",
    );
    browser.wait_for("return take()");
    hide(false);
    server.portward(&["site", "edit", "shop-test", "--hsts", "1h"]);
    shows(&browser, "live-changes", "edit site shop-test");
}

#[test]
fn a_change_is_undone_without_script() {
    let (server, browser) = signed_in();
    server.portward(&["site", "edit", "shop-test", "--hsts", "1h"]);
    browser.without_script();
    browser.open(&format!("https://127.0.0.1:{}/", server.https.port()));
    browser.click(UNDO);
    browser.wait_for("return document.body.innerText.includes('Undone:')");
    assert!(browser.text().contains("Undone: edit site shop-test."), "{}", browser.text());
    assert_eq!(hsts(&server), "off");
}
