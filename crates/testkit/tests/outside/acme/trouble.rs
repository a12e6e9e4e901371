//! CAs that refuse, forget and have several chains; keys that are rolled over, certificates that are revoked, restarts.

use std::{process::Command, time::Duration};

use portward_testkit::{Connection, eventually, free_port, handshake, run};

use super::bench::{Bench, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_nonce_may_be_refused() {
    let bench = Bench::start(|options| options.nonce_reject(50)).await;
    let id = bench.issue(&["shop.test", "www.shop.test"], &[]);
    bench.renew(&id);
    bench.is_trusted(&id, "www.shop.test").await;
    assert_eq!(bench.pebble.orders(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ca_still_knows_is_not_shown_again() {
    for (reuse, knows) in [(0, false), (100, true)] {
        let bench = Bench::start(|options| options.authz_reuse(reuse)).await;
        let id = bench.issue(&["shop.test"], &[]);
        let renewed = || {
            bench.renew(&id);
            bench.timeline(&id)
        };
        // Even with 0 per cent Pebble takes an authorization again once in a while.
        let mut timeline = renewed();
        for _ in 0..2 {
            if timeline.contains("no challenge is needed") != knows {
                timeline = renewed();
            }
        }
        assert_eq!(timeline.contains("no challenge is needed"), knows, "{timeline}");
        assert_eq!(timeline.contains("is shown by http-01"), !knows, "{timeline}");
        bench.is_trusted(&id, "shop.test").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ca_that_forgot_the_account_gets_another_one() {
    let bench = Bench::start(|options| options).await;
    let id = bench.issue(&["shop.test"], &[]);
    bench.pebble.restart().await;
    bench.renew(&id);
    let timeline = bench.timeline(&id);
    assert!(timeline.contains("the CA does not know our account any more; another one is made"), "{timeline}");
    bench.is_trusted(&id, "shop.test").await;
    assert_eq!(bench.pebble.orders(), 1);
    // And that one stays.
    bench.renew(&id);
    assert!(!bench.timeline(&id).contains("another one is made"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_ca_will_not_have_is_told_with_cause_and_remedy_and_its_own_words() {
    let bench = Bench::start(|options| options.blocklist("blocked.test")).await;
    let (outcome, said) = bench.is_not_issued("www.blocked.test", &[]);
    assert_eq!((&outcome["result"], &outcome["code"]), (&"failed".into(), &"name-refused".into()), "{outcome:#}");
    assert!(text(&outcome["cause"]).contains("www.blocked.test"), "{outcome:#}");
    assert!(!text(&outcome["remedy"]).is_empty(), "{outcome:#}");
    let problem = &outcome["problem"];
    assert_eq!(problem["type"], "urn:ietf:params:acme:error:rejectedIdentifier", "{outcome:#}");
    let words = text(&problem["detail"]);
    assert!(words.contains("www.blocked.test"), "{outcome:#}");
    let attempts = bench.server.portward(&["acme", "attempts", "refused"]);
    for shown in [&said, &attempts] {
        assert!(shown.contains("Cause") && shown.contains("Remedy") && shown.contains(&words), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_with_the_id_of_one_that_was_removed_has_no_past() {
    let bench = Bench::start(|options| options.blocklist("blocked.test")).await;
    bench.is_not_issued("www.blocked.test", &[]);
    bench.server.portward(&["certificate", "remove", "refused"]);
    assert_eq!(bench.server.portward(&["acme", "attempts", "-o", "json"]).trim(), "[]");
    // It waits for an attempt of its own, and for no retry of the other one.
    assert_eq!(bench.issue(&["shop.test"], &["--name", "refused"]), "refused");
    bench.is_trusted("refused", "shop.test").await;
    assert_eq!(bench.renewal("refused")["failures"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_ca_is_down_the_next_one_issues() {
    let bench = Bench::start(|options| options).await;
    let nobody = format!("https://127.0.0.1:{}/dir", free_port());
    bench.server.portward(&["acme", "issuer", "add", &nobody, "--id", "down", "--accept-terms"]);
    let words = ["certificate", "request", "shop.test", "--issuer", "down", "--issuer", "pebble"];
    bench.server.portward(&words);
    eventually("the other CA has issued", async || (bench.certificate("shop-test")["source"] == "acme").then_some(()))
        .await;
    bench.is_served_in_the_end("shop-test").await;
    bench.is_trusted("shop-test", "shop.test").await;
    // That a CA is down counts against nobody.
    assert_eq!(bench.renewal("shop-test")["failures"], 0);
    let attempts = super::bench::json(&bench.server.portward(&["acme", "attempts", "shop-test", "-o", "json"]));
    let of = |attempt: usize| (attempts[attempt]["issuer"].clone(), attempts[attempt]["outcome"]["code"].clone());
    assert_eq!(of(0), ("pebble".into(), serde_json::Value::Null), "{attempts:#}");
    assert_eq!((of(1).0, attempts[1]["outcome"]["result"].clone()), ("down".into(), "failed".into()), "{attempts:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chain_that_is_preferred_is_served() {
    let bench = Bench::without_issuer(|options| options.always_valid().alternate_roots(2).chain_length(2)).await;
    let root = bench.file("alternate.pem", &bench.pebble.issuing_root_pem(1).await);
    let subject =
        run(Command::new("openssl").args(["x509", "-noout", "-subject", "-nameopt", "multiline", "-in"]).arg(root));
    let name = subject.lines().find_map(|line| line.split_once("commonName")).unwrap().1;
    let name = name.trim_start_matches([' ', '=']);
    bench.add_issuer("first", &[]);
    bench.add_issuer("alternate", &["--preferred-chain", name]);
    for (issuer, host, root, other) in [("first", "a.test", 0, 1), ("alternate", "b.test", 1, 0)] {
        bench.issue(&[host], &["--issuer", issuer]);
        bench.is_trusted_by(root, host).await.unwrap();
        let said = bench.is_trusted_by(other, host).await.unwrap_err();
        assert!(said.contains("certificate"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_roll_over_the_same_account_renews() {
    let bench = Bench::start(|options| options.always_valid()).await;
    let id = bench.issue(&["shop.test"], &[]);
    let account = |bench: &Bench| {
        let issuer = bench.server.portward(&["acme", "issuer", "show", "pebble", "-o", "json"]);
        text(&super::bench::json(&issuer)["account"])
    };
    let before = account(&bench);
    bench.server.portward(&["acme", "account", "rollover", "pebble"]);
    bench.renew(&id);
    // The new key is the one that is kept.
    let bench = bench.start_again();
    bench.renew(&id);
    assert_eq!(account(&bench), before);
    bench.is_trusted(&id, "shop.test").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_has_a_successor() {
    let bench = Bench::start(|options| options).await;
    let id = bench.issue(&["shop.test"], &[]);
    let revoked = bench.certificate(&id);
    bench.server.portward(&["certificate", "revoke", &id, "--reason", "key-compromise"]);
    eventually("the successor is there", async || {
        (bench.certificate(&id)["thumbprint"] != revoked["thumbprint"]).then_some(())
    })
    .await;
    bench.is_served_in_the_end(&id).await;
    bench.is_trusted(&id, "shop.test").await;
    assert_eq!(bench.certificate_status(&revoked).await, "Revoked");
    assert_eq!(bench.certificate_status(&bench.certificate(&id)).await, "Valid");
    assert_eq!(bench.pebble.orders(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_cause_no_order() {
    let mut bench = Bench::start(|options| options.always_valid()).await;
    let ids = ["a.test", "b.test", "c.test"].map(|name| bench.issue(&[name], &[]));
    let served = handshake(bench.server.https, "b.test").await;
    assert_eq!(bench.pebble.orders(), 3);
    for _ in 0..5 {
        bench = bench.start_again();
    }
    bench.server.kill();
    let Bench { server, pebble, .. } = bench;
    let server = server.start_again();
    // A turn at the start takes milliseconds.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(pebble.orders(), 3);
    assert_eq!(handshake(server.https, "b.test").await, served);
    for id in ids {
        let attempts = server.portward(&["acme", "attempts", &id, "-o", "json"]);
        assert_eq!(super::bench::json(&attempts).as_array().unwrap().len(), 1, "{attempts}");
    }
}

impl Bench {
    /// What Pebble says of a certificate.
    async fn certificate_status(&self, certificate: &serde_json::Value) -> String {
        let path = format!("/cert-status-by-serial/{}", text(&certificate["serial"]));
        let mut connection = Connection::tls(self.pebble.management_addr(), "localhost").await.unwrap();
        let answer = connection.request("GET", "localhost", &path, "").await.unwrap();
        text(&super::bench::json(&answer.text())["Status"])
    }
}
