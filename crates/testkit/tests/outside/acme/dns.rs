//! dns-01: through a program, through dynamic updates, and by hand.

use portward_testkit::{Named, Pebble, eventually, in_network_of_its_own};

use super::bench::{Bench, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wildcard_and_its_apex_are_shown_by_a_program_that_writes_txt_records() {
    let bench = Bench::without_issuer(|options| options).await;
    bench.add_issuer("pebble", &["--resolver", &bench.pebble.dns_addr().to_string()]);
    let management = bench.pebble.dns_management_addr();
    let written = bench.file("written", "");
    let hook = bench.script(
        "hook",
        &format!(
            "#!/bin/sh\n\
             echo \"$*\" >> '{}'\n\
             case $1 in present) path=set-txt ;; cleanup) path=clear-txt ;; esac\n\
             exec curl -sS --fail --noproxy '*' -d \"{{\\\"host\\\":\\\"$2.\\\",\\\"value\\\":\\\"$3\\\"}}\" \
             http://{management}/$path\n",
            written.display()
        ),
    );
    bench.server.portward(&["acme", "dns", "add", "exec", "--set", &format!("program={}", hook.display())]);
    let id = bench.issue(&["*.shop.test", "shop.test"], &["--dns", "exec"]);
    for name in ["shop.test", "www.shop.test"] {
        bench.is_trusted(&id, name).await;
    }
    let timeline = bench.timeline(&id);
    for name in ["shop.test", "*.shop.test"] {
        assert!(timeline.contains(&format!("control of {name} is shown by dns-01\n")), "{timeline}");
    }
    assert!(timeline.contains("every authoritative server shows the TXT records"), "{timeline}");
    // Two values of one name, and each is taken away.
    let written = std::fs::read_to_string(written).unwrap();
    let count = |action: &str| {
        written.lines().filter(|line| line.starts_with(&format!("{action} _acme-challenge.shop.test "))).count()
    };
    assert_eq!((count("present"), count("cleanup")), (2, 2), "{written}");
    assert_eq!(bench.pebble.orders(), 1);
}

/// Pain 14: what a provider says is what the operator reads, and what to do about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_14_a_dns_provider_that_fails_is_told_of_in_its_own_words() {
    let bench = Bench::without_issuer(|options| options).await;
    bench.add_issuer("pebble", &["--resolver", &bench.pebble.dns_addr().to_string()]);
    let hook = bench.script("hook", "#!/bin/sh\necho 'the zone shop.test is locked by the registrar' >&2\nexit 3\n");
    bench.server.portward(&["acme", "dns", "add", "exec", "--set", &format!("program={}", hook.display())]);
    let (outcome, said) = bench.is_not_issued("*.shop.test", &["--dns", "exec"]);
    assert_eq!(outcome["code"], "dns-provider-failed", "{outcome:#}");
    assert!(text(&outcome["cause"]).contains("the zone shop.test is locked by the registrar"), "{outcome:#}");
    assert!(said.contains("Cause") && said.contains("locked by the registrar") && said.contains("Remedy"), "{said}");
}

/// Pain 5: the record is written, and the CA is not told to look before every server shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pain_5_a_record_that_no_server_shows_is_waited_for_and_the_ca_is_not_told_to_look() {
    let bench = Bench::without_issuer(|options| options).await;
    bench.add_issuer("pebble", &["--resolver", &bench.pebble.dns_addr().to_string()]);
    let hook = bench.script("hook", "#!/bin/sh\nexit 0\n");
    bench.server.portward(&["acme", "dns", "add", "exec", "--set", &format!("program={}", hook.display())]);
    bench.server.portward(&["certificate", "request", "slow.test", "--issuer", "pebble", "--dns", "exec"]);
    eventually("the record is waited for", || {
        let timeline = bench.timeline("slow-test");
        let is_waiting = timeline.contains("waiting for _acme-challenge.slow.test");
        std::future::ready((is_waiting && !timeline.contains("told to look")).then_some(()))
    })
    .await;
}

#[test]
fn dynamic_updates_reach_the_zone_that_a_delegation_leads_to() {
    const TEST: &str = "acme::dns::dynamic_updates_reach_the_zone_that_a_delegation_leads_to";
    // Servers of zones are asked at port 53, and the resolver of this machine is the server.
    if in_network_of_its_own(TEST, &[("/etc/resolv.conf", "nameserver 127.0.0.1\n")]) {
        tokio::runtime::Runtime::new().unwrap().block_on(dynamic_updates());
    }
}

async fn dynamic_updates() {
    let shop =
        "@ NS ns1\n@ NS ns2\nns1 A 127.0.0.1\nns2 A 127.0.0.1\n_acme-challenge.mail CNAME mail.validation.test.\n";
    let zones = [("shop.test", shop), ("validation.test", "@ NS ns1\nns1 A 127.0.0.1\n")];
    let named = Named::start_as_resolver(&zones).await;
    let bench = Bench::start(|options| options.dns_server(named.address)).await;
    bench.file("tsig", Named::SECRET);
    let key_name = format!("key_name={}", Named::KEY_NAME);
    bench.server.portward(&[
        "acme",
        "dns",
        "add",
        "rfc2136",
        "--set",
        "server=127.0.0.1:53",
        "--set",
        &key_name,
        "--secret",
        "secret=tsig",
    ]);
    let id = bench.issue(&["shop.test", "*.shop.test", "mail.shop.test"], &["--dns", "rfc2136"]);
    for name in ["shop.test", "www.shop.test", "mail.shop.test"] {
        bench.is_trusted(&id, name).await;
    }
    let timeline = bench.timeline(&id);
    for place in [
        "_acme-challenge.shop.test is written to the zone shop.test",
        "mail.validation.test is written to the zone validation.test",
    ] {
        assert!(timeline.contains(&format!("TXT record {place}")), "{timeline}");
    }
    assert!(timeline.contains("every authoritative server shows the TXT records"), "{timeline}");
    bench.renew(&id);
    assert_eq!(bench.pebble.orders(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_the_record_is_told_and_it_goes_on_by_itself_when_it_is_there() {
    let bench = Bench::without_issuer(|options| options).await;
    bench.add_issuer("pebble", &["--resolver", &bench.pebble.dns_addr().to_string()]);
    let id = bench.asked_by_hand(&["*.hand.test"]);
    let (name, value) = bench.to_place(&id).await;
    assert_eq!(name, "_acme-challenge.hand.test");
    assert_eq!(bench.renewal(&id)["stage"], "challenged");
    assert!(bench.certificate(&id)["source"] == "self-signed");
    bench.pebble.set_txt(&name, &value).await;
    bench.is_served_in_the_end(&id).await;
    bench.is_trusted(&id, "www.hand.test").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_the_operator_may_say_that_it_is_there_although_it_cannot_be_seen_from_here() {
    let elsewhere = Pebble::options().start().await;
    let bench = Bench::without_issuer(|options| options).await;
    bench.add_issuer("pebble", &["--resolver", &elsewhere.dns_addr().to_string()]);
    let id = bench.asked_by_hand(&["hand.test"]);
    let (name, value) = bench.to_place(&id).await;
    bench.pebble.set_txt(&name, &value).await;
    eventually("it is waited for", async || bench.timeline(&id).contains("waiting for _acme-challenge").then_some(()))
        .await;
    bench.server.portward(&["certificate", "renew", &id, "--placed", "--wait"]);
    bench.is_trusted(&id, "hand.test").await;
    assert_eq!(bench.pebble.orders(), 1);
}

impl Bench {
    /// Asks for a certificate without anybody who writes TXT records, and does not wait.
    fn asked_by_hand(&self, names: &[&str]) -> String {
        let words = [&["certificate", "request", "--challenge", "dns-01", "-o", "json"], names].concat();
        text(&super::bench::json(&self.server.portward(&words))["certificate"]["id"])
    }

    /// The name and the value of the one TXT record that is to be placed.
    async fn to_place(&self, id: &str) -> (String, String) {
        let line = eventually("it is told what to place", async || {
            self.renewal(id)["to_place"].as_array().and_then(|lines| lines.first().map(text))
        })
        .await;
        let (name, value) = line.strip_prefix("TXT record ").unwrap().split_once(" with the value ").unwrap();
        (name.to_owned(), value.to_owned())
    }
}
