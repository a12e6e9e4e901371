//! A real browser: Chromium, driven by ChromeDriver over WebDriver (W3C).

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::{Child, free_port, run};

/// Is a headless Chromium with one page; dropping it ends it.
pub struct Browser {
    port: u16,
    session: String,
    _driver: Child,
    /// What it remembers, gone with it.
    _home: tempfile::TempDir,
}

/// Says which certificates a browser takes.
enum Believes<'a> {
    /// Every one.
    Everybody,
    /// Those of an authority, whose root is that in PEM, and of no other.
    Only(&'a str),
}

impl Browser {
    /// Starts it. It takes certificates that no authority signed, as an operator does who knows them.
    pub fn start() -> Self {
        Self::start_with(&Believes::Everybody, Ipv4Addr::LOCALHOST.into())
    }

    /// Starts one that refuses certificates as browsers do, but for those of the authority whose root is given in PEM;
    /// names below `test` are at `address`. It waits for no page to load: go by [`Self::try_open`], and wait by
    /// [`Self::wait_for`].
    pub fn start_strict(root_pem: &str, address: IpAddr) -> Self {
        Self::start_with(&Believes::Only(root_pem), address)
    }

    fn start_with(believes: &Believes<'_>, address: IpAddr) -> Self {
        let (port, home) = (free_port(), tempfile::tempdir().unwrap());
        if let Believes::Only(root_pem) = believes {
            believe(home.path(), root_pem);
        }
        let driver = Child::start(Command::new("chromedriver").arg(format!("--port={port}")).env("HOME", home.path()));
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "chromedriver does not listen on port {port}");
            std::thread::yield_now();
        }
        let names = format!("--host-resolver-rules=MAP *.test {address}");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &names,
        ];
        let options = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": matches!(believes, Believes::Everybody),
            "pageLoadStrategy": match believes {
                Believes::Everybody => "normal",
                // ChromeDriver takes what Chromium shows in the place of a page for one that does not end to load.
                Believes::Only(_) => "none",
            },
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let created = call(port, "POST", "/session", &options);
        let session = created["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {created}")).to_owned();
        Self { port, session, _driver: driver, _home: home }
    }

    /// Goes to an address and waits until the page is loaded.
    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    /// Goes to an address, waits no longer than that, and gives all text of what is there then: of a page, of what
    /// Chromium shows in its place, or of nothing.
    pub fn try_open(&self, url: &str, within: Duration) -> String {
        // A page that does not come leaves the one before in its place.
        self.ask("POST", "/url", &json!({ "url": "about:blank" }));
        self.wait_for("return location.href === 'about:blank'");
        self.ask("POST", "/url", &json!({ "url": url }));
        let begun = Instant::now();
        loop {
            let shown = self.look("return document.readyState === 'complete' ? document.body.innerText : ''");
            let text = shown.as_str().unwrap_or_default();
            if !text.is_empty() || begun.elapsed() > within {
                return text.to_owned();
            }
        }
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        self.ask("GET", "/url", &Value::Null).as_str().unwrap().to_owned()
    }

    /// Runs a function body in the page and gives what it returns; a promise is waited for.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Runs a function body in the page until what it returns is true.
    pub fn wait_for(&self, script: &str) {
        let begun = Instant::now();
        // A page that is just left may have nowhere to run it in.
        while self.look(script) != Value::Bool(true) {
            assert!(begun.elapsed() < Duration::from_secs(90), "this did not become true in the page: {script}");
        }
    }

    /// Clicks what a selector finds first.
    pub fn click(&self, selector: &str) {
        let element = self.find(selector);
        self.ask("POST", &format!("/element/{element}/click"), &json!({}));
    }

    /// Types into a field what stands in it after that; for a field of files it is the path of one.
    pub fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector);
        let is_file = self.run(&format!("return document.querySelector({}).type === 'file'", json!(selector)));
        if is_file != Value::Bool(true) {
            self.ask("POST", &format!("/element/{element}/clear"), &json!({}));
        }
        self.ask("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// All text that is seen in the page.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap().to_owned()
    }

    /// A picture of what is seen, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.ask("GET", "/screenshot", &Value::Null);
        BASE64_STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// Makes the page that wide and high, in CSS pixels.
    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Sets what the system prefers: `light` or `dark`.
    pub fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Lets pages run no script any more.
    pub fn without_script(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    }

    /// Keeps files that are downloaded in a directory.
    pub fn keep_downloads_in(&self, directory: &std::path::Path) {
        self.devtools("Browser.setDownloadBehavior", &json!({ "behavior": "allow", "downloadPath": directory }));
    }

    /// What pages wrote to the console since the last time: each message with its level.
    pub fn console(&self) -> Vec<(String, String)> {
        let messages = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        let text = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
        messages.as_array().unwrap().iter().map(|m| (text(m, "level"), text(m, "message"))).collect()
    }

    /// Runs a function body in the page; what it returns, or the error of WebDriver.
    fn look(&self, script: &str) -> Value {
        let path = format!("/session/{}/execute/sync", self.session);
        answer(self.port, "POST", &path, &json!({ "script": script, "args": [] }))
    }

    fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "/element", &wanted);
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    fn devtools(&self, command: &str, parameters: &Value) {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        call(self.port, method, &format!("/session/{}{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session; ending ChromeDriver alone would leave it behind.
        let _ = exchange(self.port, "DELETE", &format!("/session/{}", self.session), "");
    }
}

/// Has the Chromium of a home directory believe an authority, which it looks for in NSS's store.
fn believe(home: &std::path::Path, root_pem: &str) {
    let (store, root) = (home.join(".pki/nssdb"), home.join("root.pem"));
    std::fs::create_dir_all(&store).unwrap();
    std::fs::write(&root, root_pem).unwrap();
    let store = format!("sql:{}", store.display());
    run(Command::new("certutil").args(["-d", &store, "-N", "--empty-password"]));
    run(Command::new("certutil").args(["-d", &store, "-A", "-t", "C,,", "-n", "root", "-i"]).arg(root));
}

fn call(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let value = answer(port, method, path, body);
    assert!(value.get("error").is_none(), "{method} {path} {body}: {value}");
    value
}

fn answer(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = exchange(port, method, path, &body).unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let mut answer: Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{method} {path}: {answer}"));
    answer["value"].take()
}

fn exchange(port: u16, method: &str, path: &str, body: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    // ChromeDriver keeps the connection open, whatever it is asked.
    let mut answer = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if answer.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = String::new();
    answer.take(length).read_to_string(&mut body)?;
    Ok(body)
}
