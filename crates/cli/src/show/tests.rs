//! Views as people see them.

#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{
    BindingStatus, BindingView, CertificateOutcome, CertificateTaken, CertificateView, ChainLink, Effect, FindingView,
    FindingWeight, ProblemView, Removed, Severity, SiteView, StatusView,
};

use super::*;
use crate::table::Colour;

mod acme;
mod agent;
mod outlook;

fn binding(id: &str, url: &str, problem: Option<&str>) -> BindingView {
    BindingView {
        id: id.to_owned(),
        url: url.to_owned(),
        bound: problem.is_none(),
        problem: problem.map(str::to_owned),
        accept_proxy_from: Vec::new(),
        to: Vec::new(),
    }
}

fn shop() -> CertificateView {
    CertificateView {
        id: "shop".to_owned(),
        name: "Shop".to_owned(),
        source: "imported".to_owned(),
        managed: false,
        names: ["shop.example", "www.shop.example", "a.shop.example", "b.shop.example"].map(str::to_owned).into(),
        thumbprint: "ab".repeat(32),
        sha1: "CD".repeat(20),
        serial: "0a1b".to_owned(),
        issuer: "CN=Example CA".to_owned(),
        subject: "CN=shop.example".to_owned(),
        not_before: "2026-01-01T00:00:00Z".to_owned(),
        not_after: "2026-12-01T00:00:00Z".to_owned(),
        key_type: "ECDSA P-256".to_owned(),
        chain: vec![
            ChainLink {
                subject: "CN=shop.example".to_owned(),
                thumbprint: "ab".repeat(32),
                not_after: Some("2026-12-01T00:00:00Z".to_owned()),
            },
            ChainLink { subject: "CN=Example CA".to_owned(), thumbprint: "ef".repeat(32), not_after: None },
        ],
        version: 2,
        status: "expires-soon".to_owned(),
        sites: Vec::new(),
        bindings: Vec::new(),
    }
}

fn status_of(problems: Vec<ProblemView>, certificates: Vec<CertificateView>) -> StatusView {
    let bound = |id: &str, url: &str, address: Option<&str>| BindingStatus {
        id: id.to_owned(),
        url: url.to_owned(),
        bound: address.is_some(),
        address: address.map(str::to_owned),
        default_certificate: None,
        problem: None,
    };
    let ok = problems.iter().all(|problem| problem.severity == Severity::Warning);
    StatusView {
        revision: 42,
        version: "0.1.0".to_owned(),
        ok,
        bindings: vec![
            bound("http-80", "http://[::]:80", Some("[::]:80")),
            bound("https-443", "https://[::]:443", ok.then_some("[::]:443")),
        ],
        sites: 1,
        certificates,
        problems,
    }
}

#[test]
fn bindings_are_a_line_each() {
    let views = [
        binding("http-8080", "http://[::]:8080", None),
        binding("https-443", "https://0.0.0.0:443", Some("port 443 is taken by nginx (process 812)")),
    ];
    insta::assert_snapshot!(bindings(&views, Colour::None), @r"
    ID         URL                  STATE      PROBLEM
    http-8080  http://[::]:8080     bound
    https-443  https://0.0.0.0:443  not bound  port 443 is taken by nginx (process 812)
    ");
    insta::assert_snapshot!(bindings(&[], Colour::None), @"No binding yet. A binding is where Portward accepts connections. Add one: portward binding add https://[::]:443");
}

#[test]
fn sites_are_a_line_each_and_one_site_is_a_line_for_each_setting() {
    let view = SiteView {
        id: "wiki".to_owned(),
        names: vec!["wiki.example".to_owned()],
        upstreams: vec!["https://10.0.0.7:8443".to_owned()],
        force_https: "browsers".to_owned(),
        hsts: "15552000".to_owned(),
        certificate: "auto".to_owned(),
        upstream_trust: Some("danger-insecure".to_owned()),
        max_body: Some("10GiB".to_owned()),
        response_timeout: Some("20m".to_owned()),
        idle_timeout: None,
        set_headers: vec![portward_api::HeaderSet { name: "X-Frame-Options".to_owned(), value: "DENY".to_owned() }],
        remove_headers: vec!["Server".to_owned(), "X-Powered-By".to_owned()],
        preset: Some("octopus".to_owned()),
        balance: Some("round-robin".to_owned()),
        health_path: None,
        proxy_protocol: Some("off".to_owned()),
        upstream_http: Some("auto".to_owned()),
        routes: Vec::new(),
    };
    insta::assert_snapshot!(sites(std::slice::from_ref(&view), Colour::None), @r"
    ID    NAMES         UPSTREAMS              FORCE HTTPS  HSTS      CERTIFICATE
    wiki  wiki.example  https://10.0.0.7:8443  browsers     15552000  auto
    ");
    insta::assert_snapshot!(site(&view, Colour::None), @r"
    id                wiki
    names             wiki.example
    upstreams         https://10.0.0.7:8443
    upstream trust    danger-insecure
    force HTTPS       browsers
    HSTS              15552000
    certificate       auto
    preset            octopus
    max body          10GiB
    response timeout  20m
    sets header       X-Frame-Options: DENY
    removes headers   Server, X-Powered-By
    ");
    let dealt = SiteView {
        upstreams: vec!["http://10.0.0.7:80".to_owned(), "unix:/run/wiki.sock".to_owned()],
        upstream_trust: None,
        balance: Some("sticky".to_owned()),
        health_path: Some("/health".to_owned()),
        proxy_protocol: Some("v2".to_owned()),
        upstream_http: Some("2".to_owned()),
        routes: vec![portward_api::SiteRoute {
            prefix: "/api".to_owned(),
            upstreams: vec!["http://10.0.0.8:80".to_owned(), "http://10.0.0.9:80".to_owned()],
        }],
        set_headers: Vec::new(),
        remove_headers: Vec::new(),
        ..view
    };
    insta::assert_snapshot!(sites(std::slice::from_ref(&dealt), Colour::None), @r"
    ID    NAMES         UPSTREAMS                                         FORCE HTTPS  HSTS      CERTIFICATE
    wiki  wiki.example  http://10.0.0.7:80, unix:/run/wiki.sock, 1 route  browsers     15552000  auto
    ");
    insta::assert_snapshot!(site(&dealt, Colour::None), @r"
    id                wiki
    names             wiki.example
    upstreams         http://10.0.0.7:80, unix:/run/wiki.sock
    route             /api to http://10.0.0.8:80, http://10.0.0.9:80
    balance           sticky
    health path       /health
    PROXY protocol    v2
    upstream HTTP     2
    force HTTPS       browsers
    HSTS              15552000
    certificate       auto
    preset            octopus
    max body          10GiB
    response timeout  20m
    ");
    let told = |url: &str, route: Option<&str>, state: &str, reason: Option<&str>| portward_api::SiteUpstreamView {
        url: url.to_owned(),
        route: route.map(str::to_owned),
        state: state.to_owned(),
        since: Some("2026-11-20T12:00:00Z".to_owned()),
        reason: reason.map(str::to_owned),
        reason_at: None,
        in_flight: 3,
    };
    let all = portward_api::SiteUpstreamsView {
        upstreams: vec![
            told("http://10.0.0.7:80", None, "well", Some("it was away")),
            told("unix:/run/wiki.sock", Some("/api"), "unwell", Some("nobody listens there")),
        ],
    };
    insta::assert_snapshot!(upstreams(&all, Colour::None), @r"
    UPSTREAM             ROUTE  STATE   SINCE                 IN FLIGHT  REASON
    http://10.0.0.7:80          well    2026-11-20T12:00:00Z  3
    unix:/run/wiki.sock  /api   unwell  2026-11-20T12:00:00Z  3          nobody listens there
    ");
    insta::assert_snapshot!(sites(&[], Colour::None), @"No site yet. A site is a set of host names and the application behind them. Add one: portward site add shop.example --upstream http://127.0.0.1:3000");
}

#[test]
fn certificates_are_a_line_each_and_one_certificate_shows_all_it_says() {
    insta::assert_snapshot!(certificates(&[shop()], Colour::None), @r"
    ID    NAME  NAMES                                                      STATUS        NOT AFTER   SOURCE    MANAGED  VERSION
    shop  Shop  shop.example, www.shop.example, a.shop.example and 1 more  expires-soon  2026-12-01  imported  no       2
    ");
    insta::assert_snapshot!(certificate(&shop(), Colour::None), @r"
    id          shop
    name        Shop
    names       shop.example, www.shop.example, a.shop.example, b.shop.example
    status      expires-soon
    not before  2026-01-01T00:00:00Z
    not after   2026-12-01T00:00:00Z
    subject     CN=shop.example
    issuer      CN=Example CA
    serial      0a1b
    key type    ECDSA P-256
    thumbprint  abababababababababababababababababababababababababababababababab
    SHA-1       CDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCDCD
    version     2
    source      imported
    managed     no
    chain       CN=shop.example (until 2026-12-01)
                CN=Example CA
    ");
    insta::assert_snapshot!(certificates(&[], Colour::None), @"No certificate yet. Import one: portward certificate import FILE...");
}

#[test]
fn what_became_of_an_import_is_told_in_a_sentence() {
    let finding = FindingView {
        code: "incomplete-chain".to_owned(),
        weight: FindingWeight::Warns,
        message: "the chain is incomplete".to_owned(),
    };
    let told = |outcome, effect, findings: &[FindingView]| {
        taken(&CertificateTaken { certificate: shop(), outcome, findings: findings.to_vec() }, effect)
    };
    let lines = [
        told(CertificateOutcome::Created, Effect::Apply, &[]),
        told(CertificateOutcome::Created, Effect::DryRun, &[]),
        told(CertificateOutcome::NewVersion, Effect::Apply, &[]),
        told(CertificateOutcome::NewVersion, Effect::DryRun, &[]),
        told(CertificateOutcome::Unchanged, Effect::Apply, &[]),
        told(CertificateOutcome::Created, Effect::Apply, &[finding]),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    The certificate shop is in the library.
    A new certificate would come to the library. Nothing was changed.
    The certificate shop is served with version 2.
    The certificate shop would be served with version 2. Nothing was changed.
    The certificate shop is this one already, as version 2; nothing changes.
    The certificate shop is in the library.
    Warning: the chain is incomplete
    ");
}

#[test]
fn a_removal_tells_what_follows() {
    let view = Removed { id: "https-443".to_owned(), warnings: vec!["no https binding is left".to_owned()] };
    insta::assert_snapshot!(removed("binding", &view), @r"
    The binding https-443 is removed.
    Warning: no https binding is left
    ");
}

#[test]
fn a_status_without_problems_is_one_sentence_and_the_bindings() {
    insta::assert_snapshot!(status(&status_of(Vec::new(), Vec::new()), Colour::None), @r"
    Everything is served: 2 bindings and 1 site.

    BINDING    URL               STATE  ADDRESS
    http-80    http://[::]:80    bound  [::]:80
    https-443  https://[::]:443  bound  [::]:443
    ");
}

#[test]
fn a_status_with_problems_says_so_first() {
    let problem = |severity, what: &str, message: &str, remedy: &str| ProblemView {
        code: "x".to_owned(),
        severity,
        what: what.to_owned(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
    };
    let expiring = problem(
        Severity::Warning,
        "certificate shop",
        "it expires on 2026-12-01, in 11 days",
        "Import its successor: portward certificate import FILE --replace shop",
    );
    insta::assert_snapshot!(status(&status_of(vec![expiring.clone()], vec![shop()]), Colour::None), @r"
    Everything is served: 2 bindings and 1 site; but 1 thing needs attention.

    BINDING    URL               STATE  ADDRESS
    http-80    http://[::]:80    bound  [::]:80
    https-443  https://[::]:443  bound  [::]:443

    CERTIFICATE  NAME  STATUS        NOT AFTER
    shop         Shop  expires-soon  2026-12-01

    Warning  certificate shop: it expires on 2026-12-01, in 11 days
             Import its successor: portward certificate import FILE --replace shop
    ");
    let taken = problem(Severity::Error, "binding https-443", "port 443 is taken by nginx (process 812)", "Stop it.");
    insta::assert_snapshot!(status(&status_of(vec![taken, expiring], vec![shop()]), Colour::None), @r"
    Not everything is served: 1 problem among 2 bindings and 1 site.

    BINDING    URL               STATE      ADDRESS
    http-80    http://[::]:80    bound      [::]:80
    https-443  https://[::]:443  not bound

    CERTIFICATE  NAME  STATUS        NOT AFTER
    shop         Shop  expires-soon  2026-12-01

    Error  binding https-443: port 443 is taken by nginx (process 812)
           Stop it.

    Warning  certificate shop: it expires on 2026-12-01, in 11 days
             Import its successor: portward certificate import FILE --replace shop
    ");
}

#[test]
fn colour_comes_on_top_of_words() {
    let plain = status(&status_of(Vec::new(), vec![shop()]), Colour::None);
    let coloured = status(&status_of(Vec::new(), vec![shop()]), Colour::Ansi);
    assert!(coloured.contains("\u{1b}[32mbound\u{1b}[0m") && coloured.contains("\u{1b}[33mexpires-soon\u{1b}[0m"));
    let mut stripped = coloured;
    for code in ["\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn the_audit_says_who_did_what_and_where_it_is_broken() {
    use portward_api::{AuditBreakView, AuditEndView, AuditPage, AuditVerification, AuditView};
    let record = AuditView {
        id: "01B".to_owned(),
        at: "2026-11-20T14:32:07Z".to_owned(),
        who: "ada".to_owned(),
        actor: Some("user".to_owned()),
        address: Some("192.0.2.7".to_owned()),
        what: "add site shop".to_owned(),
        changes: Vec::new(),
        number: Some(7),
        previous: None,
        sha256: "ab".repeat(32),
        undo: None,
    };
    let page = AuditPage { items: vec![record], next_cursor: Some("01B".to_owned()) };
    let text = audit(&page, Colour::None);
    assert!(text.contains("ada from 192.0.2.7  add site shop  01B\nOlder ones: --before 01B\n"), "{text}");
    let none = AuditPage { items: Vec::new(), next_cursor: None };
    assert!(audit(&none, Colour::None).starts_with("No record."));
    let end = AuditEndView { id: "01B".to_owned(), number: 7, sha256: "ab".repeat(32) };
    let whole = AuditVerification {
        ok: true,
        records: 7,
        older: 2,
        end: Some(end),
        broken: None,
        breaks: 0,
        has_known: Some(true),
    };
    let text = audit_verified(&whole);
    assert!(text.starts_with("The audit is whole: 7 records") && text.contains(&"ab".repeat(32)), "{text}");
    let broken = AuditBreakView { key: "audit-head".to_owned(), number: Some(9), message: "it is cut".to_owned() };
    let cut = AuditVerification { ok: false, broken: Some(broken), breaks: 2, has_known: Some(false), ..whole };
    let text = audit_verified(&cut);
    assert!(text.starts_with("The audit is broken at audit-head, number 9: it is cut.\n"), "{text}");
    assert!(text.contains("first of 2") && text.contains("No record has the hash"), "{text}");
}
