//! Several names, IP addresses, internationalized names, and accounts that are bound to others.

use super::bench::{Bench, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_names_are_in_one_certificate() {
    let bench = Bench::start(|options| options).await;
    let id = bench.issue(&["shop.test", "www.shop.test"], &[]);
    for name in ["shop.test", "www.shop.test"] {
        bench.is_trusted(&id, name).await;
    }
    assert_eq!(bench.pebble.orders(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ip_address_is_shown_to_be_ours_by_either_challenge() {
    for challenge in ["http-01", "tls-alpn-01"] {
        let bench = Bench::start(|options| options).await;
        let id = bench.issue(&["127.0.0.1"], &["--challenge", challenge]);
        bench.is_trusted(&id, "127.0.0.1").await;
        let timeline = bench.timeline(&id);
        assert!(timeline.contains(&format!("control of 127.0.0.1 is shown by {challenge}")), "{timeline}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internationalized_name_is_asked_for_as_people_write_it() {
    let bench = Bench::start(|options| options).await;
    let id = bench.issue(&["münchen.test"], &[]);
    bench.is_trusted(&id, "xn--mnchen-3ya.test").await;
    assert_eq!(bench.certificate(&id)["names"], serde_json::json!(["xn--mnchen-3ya.test"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_account_is_bound_with_the_key_of_the_ca_and_no_other() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let bench = Bench::without_issuer(|options| options.always_valid().eab("kid-1", key)).await;
    bench.file("mac-key", key);
    bench.file("wrong-key", &key.replace('z', "y"));
    let eab = |file| ["--eab-key-id", "kid-1", "--eab-mac-key-file", file];
    bench.add_issuer("unbound", &[]);
    bench.add_issuer("wrong", &eab("wrong-key"));
    bench.add_issuer("right", &eab("mac-key"));

    let (outcome, said) = bench.is_not_issued("wrong.test", &["--issuer", "wrong"]);
    assert_eq!(outcome["code"], "external-account-needed", "{outcome:#}");
    assert!(text(&outcome["remedy"]).contains("EAB credentials"), "{outcome:#}");
    assert!(said.contains("Cause") && said.contains("Remedy") && said.contains("The CA said with status"), "{said}");
    bench.server.portward(&["certificate", "remove", "refused"]);
    let (outcome, _) = bench.is_not_issued("unbound.test", &["--issuer", "unbound"]);
    assert_eq!(outcome["code"], "external-account-needed", "{outcome:#}");
    assert!(text(&outcome["remedy"]).contains("EAB credentials"), "{outcome:#}");
    assert_eq!(bench.pebble.orders(), 0);

    let id = bench.issue(&["bound.test"], &["--issuer", "right"]);
    bench.is_trusted(&id, "bound.test").await;
}
