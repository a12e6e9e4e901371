//! The pains that people have with ACME, as the program tells of them: at the end of `--wait`, and later in
//! `portward acme attempts`.
//!
//! What the API says of each, and of more of them, is in the tests of a server in-process.

use std::time::Duration;

use portward_core::acme::AcmeProblem;
use portward_testkit::{
    Endpoint, Fault, FaultCa, FaultCaServer, Pebble, Program, StartedProgram, Upstream, Verdict, free_port, steady,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::imports::now;

/// Starts a server whose issuer is a CA that does what the test says.
async fn beside_ca() -> (StartedProgram, FaultCa, FaultCaServer) {
    let ca = FaultCa::ticking_from(now());
    let web = FaultCaServer::start(ca.clone()).await;
    let server = Program::new().start();
    add_issuer(&server, &web.directory_url(), &web.root_pem(), (server.http.port(), server.https.port()));
    (server, ca, web)
}

/// Starts a server whose issuer is a Pebble that looks for answers to http-01 at that port.
async fn beside_pebble(http_port: u16) -> (StartedProgram, Pebble) {
    let server = Program::new().start();
    let pebble = Pebble::options().http_port(http_port).tls_port(server.https.port()).start().await;
    add_issuer(&server, &pebble.directory_url(), &pebble.root_pem(), (http_port, server.https.port()));
    (server, pebble)
}

fn add_issuer(server: &StartedProgram, directory: &str, root_pem: &str, (http, tls): (u16, u16)) {
    std::fs::write(server.files().join("ca.pem"), root_pem).unwrap();
    let (http, tls) = (http.to_string(), tls.to_string());
    let add = ["acme", "issuer", "add", directory, "--id", "ca", "--directory-ca", "ca.pem", "--accept-terms"];
    server.portward(&[&add[..], &["--http-port", &http, "--tls-port", &tls]].concat());
}

/// Asks for a certificate, which is not issued; gives what the operator reads then, and what he reads in the morning.
fn told(server: &StartedProgram, arguments: &[&str], replaced: &[(&str, &str)]) -> String {
    let (code, said) = server.portward_fails(&[&["certificate", "request", "shop.test", "--wait"], arguments].concat());
    assert_eq!(code, 1, "{said}");
    let attempts = server.portward(&["acme", "attempts", "shop-test"]);
    page(server, &said, &attempts, replaced)
}

fn page(server: &StartedProgram, said: &str, attempts: &str, replaced: &[(&str, &str)]) -> String {
    let [http, https] = [server.http.port(), server.https.port()].map(|port| port.to_string());
    let mut all = vec![(http.as_str(), "HTTP!"), (https.as_str(), "HTTPS")];
    all.extend(replaced);
    steady(&format!("{said}\n{attempts}"), &all)
}

fn problem(word: &str, status: u16, detail: &str) -> AcmeProblem {
    AcmeProblem {
        kind: format!("urn:ietf:params:acme:error:{word}"),
        detail: detail.to_owned(),
        status: Some(status),
        subproblems: Vec::new(),
    }
}

/// What is told of a challenge that the CA judges so.
async fn judged(word: &str, detail: &str) -> String {
    let (server, ca, _web) = beside_ca().await;
    ca.set_verdict("shop.test", Verdict::Invalid(problem(word, 403, detail)));
    told(&server, &["--challenge", "http-01"], &[])
}

/// What is told of a call that ends so.
async fn met(endpoint: Endpoint, fault: Fault) -> String {
    let (server, ca, _web) = beside_ca().await;
    ca.fail_always(endpoint, fault);
    told(&server, &[], &[])
}

/// Answers every request on a port with the same; dropping it ends it.
struct OtherServer(u16, tokio::task::JoinHandle<()>);

impl OtherServer {
    async fn start(answer: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self(port, accepting)
    }
}

impl Drop for OtherServer {
    fn drop(&mut self) {
        self.1.abort();
    }
}

/// What is told where Pebble finds another server at the port for http-01.
async fn other_server(answer: &'static str) -> String {
    let other = OtherServer::start(answer).await;
    let (server, _pebble) = beside_pebble(other.0).await;
    let (id, name) = (std::process::id().to_string(), std::fs::read_to_string("/proc/self/comm").unwrap());
    let replaced = [(other.0.to_string().as_str(), "OTHER"), (&id, "PID"), (name.trim(), "nginx")]
        .map(|(from, to)| (from.to_owned(), to));
    let replaced = replaced.each_ref().map(|(from, to)| (from.as_str(), *to));
    told(&server, &["--challenge", "http-01"], &replaced)
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_1_another_web_server_answers_with_its_own_404() {
    insta::assert_snapshot!(
        other_server("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\nconnection: close\r\n\r\nnot found").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_1_another_web_server_answers_with_a_page_for_everything() {
    insta::assert_snapshot!(
        other_server("HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n<h1>Welcome</h1>").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_2_an_access_list_answers_with_403() {
    insta::assert_snapshot!(
        other_server("HTTP/1.1 403 Forbidden\r\ncontent-length: 6\r\nconnection: close\r\n\r\ndenied").await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_2_a_login_page_redirects_the_challenge() {
    insta::assert_snapshot!(
        other_server(
            "HTTP/1.1 302 Found\r\nlocation: https://login.shop.test/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_1_nobody_listens_where_the_ca_looks() {
    let (server, ca, _web) = beside_ca().await;
    let nobody = free_port();
    ca.set_validation(portward_testkit::Validation::Real { http_port: nobody, tls_port: nobody });
    insta::assert_snapshot!(told(&server, &["--challenge", "http-01"], &[(&nobody.to_string(), "NOONE")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_3_the_aaaa_record_points_elsewhere() {
    let detail = "2001:db8::7: Fetching http://shop.test/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)";
    insta::assert_snapshot!(judged("connection", detail).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_4_a_country_block_lets_the_ca_in_from_one_place_only() {
    let detail = "During secondary validation: 203.0.113.7: Fetching http://shop.test/.well-known/acme-challenge/x: Timeout during connect (likely firewall problem)";
    insta::assert_snapshot!(judged("connection", detail).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_5_the_name_does_not_exist() {
    let detail = "DNS problem: NXDOMAIN looking up A for shop.test - check that a DNS record exists for this domain";
    insta::assert_snapshot!(judged("dns", detail).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_too_many_certificates_of_the_same_names() {
    let detail = "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2030-01-02 03:04:05 UTC: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers";
    let wait = Some(Duration::from_secs(3600));
    let fault = Fault::Status { status: 429, retry_after: wait, problem: Some(problem("rateLimited", 429, detail)) };
    insta::assert_snapshot!(met(Endpoint::NewOrder, fault).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_6_the_account_is_paused() {
    let fault = Fault::PausedAccount("https://portal.letsencrypt.org/sfe/v1/unpause?jwt=abc".to_owned());
    insta::assert_snapshot!(met(Endpoint::NewOrder, fault).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_a_load_balancer_answers_in_html() {
    insta::assert_snapshot!(met(Endpoint::NewOrder, Fault::Html(502)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_the_ca_is_busy() {
    insta::assert_snapshot!(met(Endpoint::NewOrder, Fault::status(503, Some(Duration::from_secs(3600)))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_16_whoever_waits_is_told_of_the_second_ca_when_the_first_is_down() {
    let (server, _ca, _web) = beside_ca().await;
    let down = format!("https://localhost:{}/directory", free_port());
    add(&server, &down, "down");
    let request = ["certificate", "request", "shop.test", "--issuer", "down", "--issuer", "ca", "--wait"];
    let output = server.command(&request).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let attempts = server.portward(&["acme", "attempts", "shop-test"]);
    insta::assert_snapshot!(page(&server, &said, &attempts, &[]));
    assert!(output.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caa_record_forbids_the_ca() {
    let detail = "While processing CAA for shop.test: CAA record for shop.test prevents issuance";
    insta::assert_snapshot!(judged("caa", detail).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_one_line() {
    let (server, ca, web) = beside_ca().await;
    // Another URL, which no issuer has that agreed to the terms.
    let second = FaultCaServer::start(ca).await;
    std::fs::write(server.files().join("second.pem"), second.root_pem()).unwrap();
    let mut page = String::new();
    for line in [
        "certificate request *.shop.test",
        "certificate request *.shop.test --challenge http-01",
        "certificate request 192.0.2.7 --challenge dns-01",
        "certificate request shop.test --issuer zerossl",
        "certificate request shop.test --dns cloudflare",
        "certificate request https://shop.test/",
        "certificate request shop.test --replace shop",
        "letsencrypt configure --dns-name https://shop.test --accept-terms",
        "acme issuer add DIRECTORY --directory-ca second.pem --id other",
        "letsencrypt configure --dns-name shop.test --directory DIRECTORY --directory-ca second.pem",
        "certificate renew shop",
    ] {
        let directory = second.directory_url();
        let arguments: Vec<&str> =
            line.split(' ').map(|word| if word == "DIRECTORY" { directory.as_str() } else { word }).collect();
        let (code, said) = server.portward_fails(&arguments);
        page.push_str(&format!("$ portward {line}\n{said}exit {code}\n\n"));
    }
    add(&server, &web.directory_url(), "second");
    let (code, said) = server.portward_fails(&["certificate", "request", "shop.test"]);
    page.push_str(&format!("$ portward certificate request shop.test\n{said}exit {code}\n"));
    insta::assert_snapshot!(steady(&page, &[]));
}

/// Adds an issuer that nobody may ask yet, or ever.
fn add(server: &StartedProgram, directory: &str, id: &str) {
    let add = ["acme", "issuer", "add", directory, "--id", id, "--directory-ca", "ca.pem", "--accept-terms"];
    server.portward(&add);
}

#[tokio::test(flavor = "multi_thread")]
async fn pain_9_what_is_issued_is_told_to_be_served() {
    let (server, _ca, _web) = beside_ca().await;
    let upstream = Upstream::start("shop").await;
    server.portward(&["site", "add", "shop.test", "--upstream", &upstream.url()]);
    let output = server.command(&["certificate", "request", "shop.test", "--wait"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let attempts = server.portward(&["acme", "attempts", "shop-test"]);
    insta::assert_snapshot!(page(&server, &said, &attempts, &[]));
}
