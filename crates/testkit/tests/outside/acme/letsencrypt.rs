//! One command, as Octopus has it, on bindings that were plain self-signed a moment ago.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use portward_core::{Thumbprint, Timestamp};
use portward_testkit::{Connection, handshake};
use tokio::task::JoinSet;

use super::bench::{Bench, json, text};

const NAME: &str = "shop.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_has_a_name_served_by_a_ca_and_no_request_fails_meanwhile() {
    let bench = Bench::without_issuer(|options| options).await;
    let before = handshake(bench.server.https, NAME).await;
    let load = Load::start(bench.server.http, bench.server.https).await;
    bench.server.portward(&configure(&bench.pebble.directory_url(), &["--accept-terms", "--wait"], NAME));
    let after = handshake(bench.server.https, NAME).await;
    let (answered, failed) = load.stop().await;
    assert_eq!(failed, Vec::<String>::new(), "of {answered}");
    println!("{answered} requests were answered, and none failed");
    assert!(answered > 200, "{answered} requests were answered");
    assert_ne!(before, after);
    bench.is_trusted("shop-test", NAME).await;

    let status = json(&bench.server.portward(&["letsencrypt", "status", "-o", "json"]));
    assert_eq!((&status["enabled"], &status["dns_name"]), (&true.into(), &NAME.into()), "{status:#}");
    assert_eq!(text(&status["thumbprint"]), Thumbprint::of(&after).to_string());
    let renewal = &status["renewal"];
    let time = |field: &str| Timestamp::parse(&text(&renewal[field])).unwrap();
    let (last, expires) = (time("last_renewed"), time("expires"));
    let (check, next) = (time("next_check"), time("next_renewal"));
    assert!(last < check && check <= next && next < expires, "{renewal:#}");
    // Pebble suggests nothing, so that a third of the ninety days is left, and a tenth more at most.
    let days = expires.since(next).as_secs() / (24 * 3600);
    assert!((29..=40).contains(&days), "{renewal:#}");
    assert_eq!(renewal["why"], "a third of its lifetime is left", "{renewal:#}");
    for text in ["last renewed", "expires", "next check", "next renewal", "a third of its lifetime is left"] {
        let status = bench.server.portward(&["letsencrypt", "status"]);
        assert!(status.contains(text), "{status}");
    }
    assert_eq!(bench.pebble.orders(), 1);
}

#[tokio::test]
async fn a_url_instead_of_a_name_and_terms_that_were_not_agreed_to_are_refused_with_the_reason() {
    let bench = Bench::without_issuer(|options| options).await;
    let directory = bench.pebble.directory_url();
    let (code, said) = bench.server.portward_fails(&configure(&directory, &["--accept-terms"], "https://shop.test"));
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is a URL; give the host name alone, without http:// or https://"), "{said}");
    let (code, said) = bench.server.portward_fails(&configure(&directory, &[], NAME));
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("terms of service (data:") && said.contains("add --accept-terms"), "{said}");
    let status = json(&bench.server.portward(&["letsencrypt", "status", "-o", "json"]));
    assert_eq!(status["enabled"], false, "{status:#}");
    assert_eq!(bench.server.portward(&["acme", "issuer", "list", "-o", "json"]).trim(), "[]");
    assert_eq!(bench.pebble.orders(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_configured_is_renewed_and_disabled() {
    let bench = Bench::without_issuer(|options| options.always_valid()).await;
    bench.server.portward(&configure(
        &bench.pebble.directory_url(),
        &["--accept-terms", "--renew-days-before", "21", "--wait"],
        NAME,
    ));
    let status = json(&bench.server.portward(&["letsencrypt", "status", "-o", "json"]));
    assert_eq!(status["renewal"]["managed"]["renew_days_before"], 21, "{status:#}");
    assert!(text(&status["renewal"]["why"]).contains("21 days"), "{status:#}");
    let first = bench.certificate("shop-test");
    bench.server.portward(&["letsencrypt", "renew", "--force", "--wait"]);
    let second = bench.certificate("shop-test");
    assert_ne!(first["thumbprint"], second["thumbprint"]);
    bench.server.portward(&["letsencrypt", "disable"]);
    let last = bench.certificate("shop-test");
    assert_eq!((&last["thumbprint"], &last["managed"]), (&second["thumbprint"], &false.into()));
    bench.is_trusted("shop-test", NAME).await;
    assert_eq!(bench.pebble.orders(), 2);
}

#[tokio::test]
async fn a_server_that_gets_another_name_has_its_old_certificate_renewed_no_more() {
    let bench = Bench::without_issuer(|options| options.always_valid()).await;
    let directory = bench.pebble.directory_url();
    bench.server.portward(&configure(&directory, &["--accept-terms", "--wait"], NAME));
    bench.server.portward(&configure(&directory, &["--accept-terms", "--wait"], "new.shop.test"));
    assert_eq!(bench.certificate("shop-test")["managed"], false);
    let new = bench.certificate("new-shop-test");
    assert_eq!((&new["managed"], &new["source"]), (&true.into(), &"acme".into()));
    // Whoever asks for a name that no certificate has is shown the new one.
    let shown = portward_testkit::handshake(bench.server.https, "nobody.test").await;
    assert_eq!(portward_core::Thumbprint::of(&shown).to_string(), text(&new["thumbprint"]));
}

/// The words of the command for a name at a directory.
fn configure<'a>(directory: &'a str, more: &[&'a str], name: &'a str) -> Vec<&'a str> {
    let mut words = vec!["letsencrypt", "configure", "--dns-name", name, "--email", "ops@shop.test"];
    words.extend(["--directory", directory, "--directory-ca", "ca.pem"]);
    words.extend(more);
    words
}

/// Is clients that ask without pause: in the clear and over TLS, on kept connections and on a new one each time.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    /// Starts the clients, and waits until each has been answered.
    async fn start(http: SocketAddr, https: SocketAddr) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = JoinSet::new();
        for (tls, kept) in [(false, false), (false, true), (true, false), (true, true)] {
            let address = if tls { https } else { http };
            clients.spawn(ask(address, tls, kept, Arc::clone(&stop), Arc::clone(&answered)));
        }
        while answered.load(Ordering::SeqCst) < 40 {
            tokio::task::yield_now().await;
        }
        Self { stop, answered, clients }
    }

    /// How many requests were answered, and what went wrong with others.
    async fn stop(self) -> (usize, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        let failed = self.clients.join_all().await.concat();
        (self.answered.load(Ordering::SeqCst), failed)
    }
}

async fn ask(
    address: SocketAddr,
    tls: bool,
    kept: bool,
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
) -> Vec<String> {
    let connect = async || match tls {
        true => Connection::tls(address, NAME).await,
        false => Connection::plain(address).await,
    };
    let (mut failed, mut connection) = (Vec::new(), None);
    while !stop.load(Ordering::SeqCst) {
        let asked = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => connect().await?,
            };
            let answer = open.request("GET", NAME, "/", "").await?;
            Ok::<_, std::io::Error>((open, answer))
        };
        match asked.await {
            Ok((open, answer)) if answer.status == 200 && answer.header("upstream") == Some("shop") => {
                connection = kept.then_some(open);
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok((_, answer)) => failed.push(format!("tls {tls}, kept {kept}: {answer:?}")),
            Err(error) => failed.push(format!("tls {tls}, kept {kept}: {error}")),
        }
    }
    failed
}
