//! Challenges that failed.

use super::*;

const TOKEN: &str = "http://shop.example/.well-known/acme-challenge/abc";

#[test]
fn pain_1_the_challenge_failed_and_nobody_says_why() {
    let (mut page, host) = (String::new(), name("shop.example"));
    let kind = ChallengeKind::Http01;
    entry(&mut page, "nothing", &told(FailureKind::Challenge { name: &host, kind, problem: None }, &[]));
    let seen = [warning(Check::Addresses, "shop.example leads to 198.51.100.9, which is no address of this machine")];
    entry(&mut page, "nothing, with advice", &told(FailureKind::Challenge { name: &host, kind, problem: None }, &seen));
    page += &challenges(
        kind,
        "shop.example",
        &[
            ("connection", &format!("203.0.113.7: Fetching {TOKEN}: Connection refused"), &[]),
            (
                "connection",
                &format!("203.0.113.7: Fetching {TOKEN}: Timeout during connect (likely firewall problem)"),
                &seen,
            ),
            (
                "connection",
                "203.0.113.7: Fetching http://shop.example/: Timeout after connect (your server may be slow or overloaded)",
                &[],
            ),
            ("connection", &format!("203.0.113.7: Fetching {TOKEN}: Connection reset by peer"), &[]),
            ("connection", &format!("203.0.113.7: Fetching {TOKEN}: Error getting validation data"), &[]),
            ("connection", "203.0.113.7: Server is speaking HTTP/2 over HTTP", &[]),
            ("unauthorized", &format!("203.0.113.7: Invalid response from {TOKEN}: 404"), &[]),
            ("unauthorized", &format!("203.0.113.7: Invalid response from {TOKEN}: \"<!DOCTYPE html>\\n<html>\""), &[]),
            (
                "unauthorized",
                "The key authorization file from the server did not match this challenge. Expected \"abc.def\" (got \"abc.xyz\")",
                &[],
            ),
            ("unauthorized", &format!("Non-200 status code from HTTP: {TOKEN} returned 502"), &[]),
            ("incorrectResponse", "wrong answer", &[]),
            ("malformed", "Server only speaks HTTP, not TLS", &[]),
        ],
    );
    insta::assert_snapshot!(page);
}

#[test]
fn pain_2_a_redirect_or_an_access_list_swallows_the_challenge() {
    let redirect = [warning(Check::Redirect, "http://shop.example/ is redirected (301) to https://shop.example/")];
    let page = challenges(
        ChallengeKind::Http01,
        "shop.example",
        &[
            (
                "unauthorized",
                "203.0.113.7: Invalid response from https://shop.example/.well-known/acme-challenge/abc: 404",
                &redirect,
            ),
            ("unauthorized", "203.0.113.7: Invalid response from https://login.example/?next=/.well-known: 200", &[]),
            (
                "connection",
                "203.0.113.7: Fetching https://shop.example/.well-known/acme-challenge/abc: remote error: tls: handshake failure",
                &[],
            ),
            ("connection", &format!("203.0.113.7: Fetching {TOKEN}: Redirect loop detected"), &[]),
            (
                "connection",
                &format!(
                    "203.0.113.7: Fetching {TOKEN}: Invalid port in redirect target. Only ports 80 and 443 are supported, not 8443"
                ),
                &[],
            ),
            ("unauthorized", &format!("203.0.113.7: Invalid response from {TOKEN}: 401"), &[]),
            (
                "unauthorized",
                "203.0.113.7: Invalid response from https://shop.example/.well-known/acme-challenge/abc: 403",
                &[],
            ),
        ],
    );
    insta::assert_snapshot!(page);
}

#[test]
fn pain_2_something_in_front_ends_tls_before_portward() {
    let page = challenges(
        ChallengeKind::TlsAlpn01,
        "shop.example",
        &[
            (
                "unauthorized",
                "203.0.113.7: Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge",
                &[],
            ),
            ("tls", "203.0.113.7: remote error: tls: no application protocol", &[]),
            ("tls", "203.0.113.7: remote error: tls: unrecognized name", &[]),
            (
                "unauthorized",
                "Incorrect validation certificate for tls-alpn-01 challenge. Requested shop.example from 203.0.113.7:443. Received certificate which is not self-signed.",
                &[],
            ),
            ("connection", "203.0.113.7: Connection refused", &[]),
            ("tls", "", &[]),
        ],
    );
    insta::assert_snapshot!(page);
}

#[test]
fn pain_3_the_aaaa_record_points_elsewhere() {
    let seen = [warning(Check::Ipv6, "2001:db8::7 answers as Apache, and 203.0.113.7 as Portward")];
    let page = challenges(
        ChallengeKind::Http01,
        "shop.example",
        &[
            ("unauthorized", &format!("2001:db8::7: Invalid response from {TOKEN}: 404"), &seen),
            (
                "connection",
                &format!("2001:db8::7: Fetching {TOKEN}: Timeout during connect (likely firewall problem)"),
                &[],
            ),
            ("connection", &format!("Fetching {TOKEN} [2001:db8::7]: Connection refused"), &[good(Check::Ipv6)]),
        ],
    );
    insta::assert_snapshot!(page);
}

#[test]
fn pain_4_a_firewall_lets_the_ca_in_from_one_country_only() {
    let reached = [good(Check::Port)];
    let mut page = challenges(
        ChallengeKind::Http01,
        "shop.example",
        &[
            (
                "connection",
                &format!(
                    "During secondary validation: 203.0.113.7: Fetching {TOKEN}: Timeout during connect (likely firewall problem)"
                ),
                &[],
            ),
            (
                "unauthorized",
                &format!("During secondary validation: 203.0.113.7: Invalid response from {TOKEN}: 403"),
                &[],
            ),
            (
                "unauthorized",
                &format!("During secondary validation: 203.0.113.7: Invalid response from {TOKEN}: 404"),
                &[],
            ),
            ("dns", "During secondary validation: DNS problem: query timed out looking up A for shop.example", &[]),
            (
                "connection",
                &format!("203.0.113.7: Fetching {TOKEN}: Timeout during connect (likely firewall problem)"),
                &reached,
            ),
        ],
    );
    page += &challenges(
        ChallengeKind::Dns01,
        "shop.example",
        &[(
            "unauthorized",
            "During secondary validation: Incorrect TXT record \"old\" found at _acme-challenge.shop.example",
            &[],
        )],
    );
    insta::assert_snapshot!(page);
}

#[test]
fn pain_5_dns_is_late_stale_split_or_broken() {
    let mut page = challenges(
        ChallengeKind::Dns01,
        "*.shop.example",
        &[
            ("unauthorized", "No TXT record found at _acme-challenge.shop.example", &[]),
            (
                "dns",
                "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.shop.example - check that a DNS record exists for this domain",
                &[],
            ),
            ("unauthorized", "Incorrect TXT record \"old\" (and 2 more) found at _acme-challenge.shop.example", &[]),
            ("unauthorized", "Correct value not found for DNS challenge", &[]),
            (
                "dns",
                "DNS problem: SERVFAIL looking up TXT for _acme-challenge.shop.example - the domain's nameservers may be malfunctioning",
                &[],
            ),
            ("unauthorized", "", &[]),
        ],
    );
    page += &challenges(
        ChallengeKind::Http01,
        "www.shop.co.uk",
        &[
            (
                "dns",
                "DNS problem: NXDOMAIN looking up A for www.shop.co.uk - check that a DNS record exists for this domain; DNS problem: NXDOMAIN looking up AAAA for www.shop.co.uk",
                &[],
            ),
            ("dns", "no valid A records found for www.shop.co.uk; no valid AAAA records found for www.shop.co.uk", &[]),
            ("dns", "IP address is in a reserved address block: [RFC1918]: Private-Use", &[]),
            (
                "dns",
                "DNS problem: SERVFAIL looking up A for www.shop.co.uk - the domain's nameservers may be malfunctioning",
                &[],
            ),
            ("dns", "DNS problem: query timed out looking up A for www.shop.co.uk", &[]),
            ("dns", "DNS problem: looking up A for www.shop.co.uk: DNSSEC: DNSKEY Missing", &[]),
            (
                "dns",
                "While processing CAA for www.shop.co.uk: DNS problem: SERVFAIL looking up CAA for shop.co.uk",
                &[],
            ),
            ("caa", "While processing CAA for www.shop.co.uk: CAA record for shop.co.uk prevents issuance", &[]),
            ("dns", "", &[]),
        ],
    );
    let host = name("*.shop.example");
    let missing = [
        ("ns2.shop.example (203.0.113.53)".to_owned(), "no TXT record".to_owned()),
        ("ns3.shop.example (198.51.100.53)".to_owned(), "\"old\"".to_owned()),
    ];
    let waited = Duration::from_secs(600);
    let late = FailureKind::NotPropagated { name: &host, missing: &missing, waited };
    entry(&mut page, "not everywhere", &told(late, &[]));
    insta::assert_snapshot!(page);
}

#[test]
fn pain_1_another_program_has_the_port_that_portward_needs() {
    let taken =
        [warning(Check::Binding, "no binding has port 80, and none could be made: it is taken by nginx (process 7)")];
    let mut page = challenges(
        ChallengeKind::Http01,
        "shop.example",
        &[
            (
                "unauthorized",
                "203.0.113.7: Invalid response from http://shop.example/.well-known/acme-challenge/x: 404",
                &taken,
            ),
            (
                "unauthorized",
                "203.0.113.7: Invalid response from http://shop.example/.well-known/acme-challenge/x: 403",
                &taken,
            ),
            (
                "connection",
                "203.0.113.7: Fetching http://shop.example/.well-known/acme-challenge/x: Connection refused",
                &taken,
            ),
        ],
    );
    // Seen for each of several names.
    let host = name("shop.example");
    let twice = [&taken[..], &taken[..]].concat();
    let problem = problem("unauthorized", "203.0.113.7: Invalid response from http://shop.example/x: 404");
    let failed = FailureKind::Challenge { name: &host, kind: ChallengeKind::Http01, problem: Some(&problem) };
    entry(&mut page, "twice", &told(failed, &twice));
    insta::assert_snapshot!(page);
}

#[test]
fn commands_keep_what_is_set_for_the_certificate() {
    let office = issuer("https://acme.office.example/directory");
    let managed = Managed {
        issuers: ["office", "letsencrypt"].map(|id| crate::IssuerId::parse(id).unwrap()).to_vec(),
        profile: Some("short".to_owned()),
        dns: Some(crate::DnsProviderId::parse("cloudflare").unwrap()),
        key: crate::acme::KeyAlgorithm::Rsa2048,
        reuse: crate::acme::KeyReuse::Keep,
        renew_before: Some(Duration::from_secs(21 * 24 * 3600)),
        ..managed(&office.id)
    };
    let now = Timestamp::parse(NOW).unwrap();
    let failure = Failure {
        issuer: &Issuer {
            trust: DirectoryTrust::Authorities(Vec::new()),
            ports: IssuerPorts { http: 8080, tls: 8443 },
            ..office
        },
        certificate: &crate::CertificateId::parse("shop").unwrap(),
        managed: &managed,
        stage: Stage::Planned,
        what: FailureKind::Internal(""),
        advice: &[],
        now,
        expires: None,
    };
    insta::assert_snapshot!(
        [failure.set_up_again(" --contact ADDR"), failure.with_another_ca(), failure.by_http()].join("\n")
    );
}
