//! From words to requests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use clap::Parser;
use portward_api::{BindingCreate, BindingUpdate, Effect};
use portward_core::{AttemptId, BindingId, CertificateId, ChannelId, DnsProviderId, HostPattern, IssuerId, SiteId};

use super::{
    acme::{DnsRequest, IssuerRequest},
    certificate::ManagedRequest,
    safety::Safety,
    *,
};
use crate::args::Args;

mod acme;
mod agent;

fn parse(words: &str) -> Result<Task, Failure> {
    Task::parse(Args::try_parse_from(std::iter::once("portward").chain(words.split(' '))).unwrap().command)
}

fn request(words: &str) -> Request {
    match parse(words).unwrap() {
        Task::Ask(request, ..) => request,
        Task::Serve(_) => panic!("{words} serves"),
    }
}

#[test]
fn words_become_requests() {
    let id = |id| CertificateId::parse(id).unwrap();
    let (issuer, dns) = (|id| IssuerId::parse(id).unwrap(), |id| DnsProviderId::parse(id).unwrap());
    let names = |names: &[&str]| names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
    let channel = |id| ChannelId::parse(id).unwrap();
    for (words, expected) in [
        ("status", Request::Status),
        ("binding list", Request::Binding(BindingRequest::List)),
        (
            "binding add HTTPS://[::] --default-certificate c1",
            Request::Binding(BindingRequest::Add {
                create: BindingCreate {
                    url: "https://[::]:443".to_owned(),
                    default_certificate: Some("c1".to_owned()),
                    ..BindingCreate::default()
                },
                safety: Safety::default(),
            }),
        ),
        (
            "binding add tls-passthrough://[::]:8883 --to a.test=10.0.0.7:1 *=b.test:2 --accept-proxy-from 10.0.0.0/8",
            Request::Binding(BindingRequest::Add {
                create: BindingCreate {
                    url: "tls-passthrough://[::]:8883".to_owned(),
                    to: vec!["a.test=10.0.0.7:1".to_owned(), "*=b.test:2".to_owned()],
                    accept_proxy_from: vec!["10.0.0.0/8".to_owned()],
                    ..BindingCreate::default()
                },
                safety: Safety::default(),
            }),
        ),
        (
            "binding edit b1 --to none --accept-proxy-from 10.0.0.0/8 --accept-proxy-from ::1",
            Request::Binding(BindingRequest::Edit(
                BindingId::parse("b1").unwrap(),
                BindingUpdate {
                    to: Some(Vec::new()),
                    accept_proxy_from: Some(vec!["10.0.0.0/8".to_owned(), "::1/128".to_owned()]),
                    ..BindingUpdate::default()
                },
                Safety::default(),
            )),
        ),
        (
            "binding remove b1",
            Request::Binding(BindingRequest::Remove(BindingId::parse("b1").unwrap(), Safety::default())),
        ),
        ("site list", Request::Site(SiteRequest::List)),
        ("site show s1", Request::Site(SiteRequest::Show(SiteId::parse("s1").unwrap()))),
        ("site presets", Request::Site(SiteRequest::Presets)),
        ("site remove s1", Request::Site(SiteRequest::Remove(SiteId::parse("s1").unwrap(), Safety::default()))),
        ("certificate list", Request::Certificate(CertificateRequest::List)),
        ("certificate show c1", Request::Certificate(CertificateRequest::Show(id("c1")))),
        (
            "certificate new-self-signed NAS.local 192.0.2.10 --days 90",
            Request::Certificate(CertificateRequest::NewSelfSigned {
                names: names(&["nas.local", "192.0.2.10"]),
                days: Some(90),
            }),
        ),
        (
            "certificate rollback c1",
            Request::Certificate(CertificateRequest::Rollback {
                id: id("c1"),
                allow_expired: false,
                safety: Safety::default(),
            }),
        ),
        ("certificate remove c1", Request::Certificate(CertificateRequest::Remove(id("c1"), Safety::default()))),
        (
            "certificate unmanage c1",
            Request::Certificate(CertificateRequest::Managed(ManagedRequest::Unmanage(id("c1")))),
        ),
        ("letsencrypt status", Request::LetsEncrypt(LetsEncryptRequest::Status)),
        ("lets-encrypt disable", Request::LetsEncrypt(LetsEncryptRequest::Disable)),
        ("acme issuer list", Request::Acme(AcmeRequest::Issuer(IssuerRequest::List))),
        ("acme issuer show i1", Request::Acme(AcmeRequest::Issuer(IssuerRequest::Show(issuer("i1"))))),
        ("acme issuer remove i1", Request::Acme(AcmeRequest::Issuer(IssuerRequest::Remove(issuer("i1"))))),
        ("acme account rollover i1", Request::Acme(AcmeRequest::Rollover(issuer("i1")))),
        ("acme dns kinds", Request::Acme(AcmeRequest::Dns(DnsRequest::Kinds))),
        ("acme dns list", Request::Acme(AcmeRequest::Dns(DnsRequest::List))),
        ("acme dns show d1", Request::Acme(AcmeRequest::Dns(DnsRequest::Show(dns("d1"))))),
        ("acme dns remove d1", Request::Acme(AcmeRequest::Dns(DnsRequest::Remove(dns("d1"))))),
        ("acme renewals", Request::Acme(AcmeRequest::Renewals)),
        ("acme renewals c1", Request::Acme(AcmeRequest::Renewal(id("c1")))),
        ("acme attempts", Request::Acme(AcmeRequest::Attempts)),
        ("acme attempts c1", Request::Acme(AcmeRequest::AttemptsOf(id("c1")))),
        ("acme attempt a1", Request::Acme(AcmeRequest::Attempt(AttemptId::parse("a1").unwrap()))),
        ("notification kinds", Request::Notification(NotificationRequest::Kinds)),
        ("notification list", Request::Notification(NotificationRequest::List)),
        ("notification show n1", Request::Notification(NotificationRequest::Show(channel("n1")))),
        ("notification test n1", Request::Notification(NotificationRequest::Test(channel("n1")))),
        ("notification remove n1", Request::Notification(NotificationRequest::Remove(channel("n1")))),
        ("store backup --out f", Request::Store(StoreRequest::Backup("f".into()))),
        ("store restore f", Request::Store(StoreRequest::Restore("f".into()))),
        (
            "audit list --who ada --day 2026-11-20 --limit 5 --before 01X",
            Request::Audit(AuditRequest::List(portward_api::AuditQuery {
                who: Some("ada".to_owned()),
                what: None,
                day: Some("2026-11-20".to_owned()),
                limit: Some(5),
                cursor: Some("01X".to_owned()),
            })),
        ),
        (
            "explain shop.example:8443/cart",
            Request::Explain(ExplainRequest { host: "shop.example:8443/cart".to_owned() }),
        ),
        ("audit verify --known ab", Request::Audit(AuditRequest::Verify(Some("ab".to_owned())))),
    ] {
        assert_eq!(request(words), expected, "{words}");
    }
}

#[test]
fn every_setting_of_a_site_reaches_the_api() {
    let pin = "ab".repeat(32);
    let words = format!(
        "site add Shop.Example *.shop.example --upstream http://10.0.0.1:3000/ --upstream https://app.internal \
         --force-https browsers --hsts 1y,includeSubDomains,preload --certificate c1 --upstream-pin {pin}"
    );
    let Request::Site(SiteRequest::Add(names, settings)) = request(&words) else { panic!("{words}") };
    let create = settings.create(&names).unwrap();
    assert_eq!(
        serde_json::to_value(create).unwrap(),
        serde_json::json!({
            "names": ["shop.example", "*.shop.example"],
            "upstreams": ["http://10.0.0.1:3000", "https://app.internal:443"],
            "force_https": "browsers",
            "hsts": "31536000,includeSubDomains,preload",
            "certificate": "c1",
            "upstream_trust": { "pin": pin },
        })
    );
}

#[test]
fn an_edit_names_only_what_changes() {
    for (words, expected) in [
        ("--force-https off", serde_json::json!({ "force_https": "off" })),
        ("--name B.test --name *.c.test", serde_json::json!({ "names": ["b.test", "*.c.test"] })),
        ("--hsts off", serde_json::json!({ "hsts": "off" })),
        ("--certificate auto", serde_json::json!({ "certificate": "auto" })),
        ("--upstream http://a.test", serde_json::json!({ "upstreams": ["http://a.test:80"] })),
        ("--upstream-ca system", serde_json::json!({ "upstream_trust": "system" })),
        ("--danger-upstream-insecure", serde_json::json!({ "upstream_trust": "danger-insecure" })),
        ("--max-body 10240M", serde_json::json!({ "max_body": "10GiB" })),
        ("--max-body none", serde_json::json!({ "max_body": "none" })),
        ("--response-timeout 1200", serde_json::json!({ "response_timeout": "20m" })),
        ("--idle-timeout default", serde_json::json!({ "idle_timeout": "default" })),
        (
            "--set-header X-A:b --remove-header Server",
            serde_json::json!({ "set_headers": [{ "name": "X-A", "value": "b" }], "remove_headers": ["Server"] }),
        ),
        ("--balance least-connections", serde_json::json!({ "balance": "least-connections" })),
        ("--health-path /health?deep=1", serde_json::json!({ "health_path": "/health?deep=1" })),
        ("--health-path none", serde_json::json!({ "health_path": "none" })),
        ("--proxy-protocol v2", serde_json::json!({ "proxy_protocol": "v2" })),
        ("--upstream-http 2", serde_json::json!({ "upstream_http": "2" })),
        ("--upstream unix:///run/a.sock", serde_json::json!({ "upstreams": ["unix:/run/a.sock"] })),
        (
            "--route /api=http://a.test --route /docs/=https://b.test --route /api=unix:/run/a.sock",
            serde_json::json!({ "routes": [
                { "prefix": "/api", "upstreams": ["http://a.test:80", "unix:/run/a.sock"] },
                { "prefix": "/docs", "upstreams": ["https://b.test:443"] },
            ] }),
        ),
        ("--no-routes", serde_json::json!({ "routes": [] })),
        ("--no-header-rules", serde_json::json!({ "set_headers": [], "remove_headers": [] })),
    ] {
        let Request::Site(SiteRequest::Edit(_, names, settings, _)) = request(&format!("site edit s1 {words}")) else {
            panic!("{words}")
        };
        assert_eq!(serde_json::to_value(settings.update(&names).unwrap()).unwrap(), expected, "{words}");
    }
}

#[test]
fn authorities_are_sent_as_they_are_and_never_with_a_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let settings = || {
        let words = format!("site edit s1 --upstream-ca {}", path.display());
        let Request::Site(SiteRequest::Edit(_, _, settings, _)) = request(&words) else { panic!("{words}") };
        settings.update(&[]).map(|update| serde_json::to_value(update.upstream_trust).unwrap())
    };
    assert!(settings().unwrap_err().to_string().contains("cannot read the authorities from "));
    std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n").unwrap();
    assert_eq!(settings().unwrap(), serde_json::json!({ "authorities": "-----BEGIN CERTIFICATE-----\n" }));
    std::fs::write(&path, "-----BEGIN EC PRIVATE KEY-----\nmarker\n").unwrap();
    let refused = settings().unwrap_err().to_string();
    assert!(refused.contains("has a private key in it") && !refused.contains("marker"), "{refused}");
}

#[test]
fn a_dry_run_and_a_real_import_differ_in_their_effect() {
    for (words, expected) in [("", Effect::Apply), (" --dry-run", Effect::DryRun)] {
        let words = format!("certificate import a.pfx{words}");
        let Request::Certificate(CertificateRequest::Import(import)) = request(&words) else { panic!("{words}") };
        assert_eq!(import.effect, expected);
    }
}

#[test]
fn values_that_make_no_sense_are_usage_with_the_flag_and_the_reason() {
    for (words, expected) in [
        (
            "binding add shop.example:443",
            "\"shop.example:443\" does not begin with http://, https:// or tls-passthrough://",
        ),
        ("binding add https://shop.example:443", "\"https://shop.example:443\" names a host"),
        (
            "binding add https://[::]:65536",
            "the address of the binding cannot be read: \"[::]:65536\" does not end in a port",
        ),
        ("binding add https://[::]:443/path", "\"https://[::]:443/path\" has something after the port"),
        ("binding add http://[::]:80 --default-certificate c1", "an http binding presents no certificate"),
        ("binding add https://[::]:443 --default-certificate C_1", "--default-certificate: \"C_1\" is not an id"),
        ("binding add tls-passthrough://[::]:443", "a tls-passthrough binding needs to know where connections go"),
        ("binding add tls-passthrough://[::] --to a.test", "--to: \"a.test\" does not say where connections go"),
        ("binding add https://[::] --to *=10.0.0.7:1", "* would leave an https binding no name that it serves itself"),
        ("binding add http://[::] --to a.test=10.0.0.7:1", "an http binding passes nothing through"),
        (
            "binding add http://[::] --accept-proxy-from 10.0.0.1/8",
            "--accept-proxy-from: \"10.0.0.1/8\" has bits behind",
        ),
        ("binding edit b1", "nothing to change was named"),
        ("binding remove B1", "\"B1\" is not an id"),
        ("site add a.test", "a site needs the application behind it: --upstream"),
        ("site add https://a.test --upstream http://b.test", "\"https://a.test\" is a URL"),
        ("site add a..test --upstream http://b.test", "\"a..test\" is not a host name"),
        ("site add a.test --upstream b.test", "--upstream: \"b.test\" does not begin with http://, https:// or unix:"),
        ("site add a.test --upstream http://b.test/x", "--upstream: \"http://b.test/x\" has a path"),
        ("site edit s1", "nothing to change was named"),
        ("site edit s1 --name https://a.test", "--name: \"https://a.test\" is a URL"),
        ("site edit s1 --hsts forever", "--hsts: \"forever\" is neither off nor a duration"),
        ("site edit s1 --hsts 1h,preload", "--hsts: preload needs includeSubDomains"),
        ("site edit s1 --max-body 0", "--max-body: a body limit of 0 would refuse"),
        ("site edit s1 --idle-timeout 2d", "--idle-timeout: \"2d\" is not between 1 second and 1 day"),
        ("site edit s1 --set-header Upgrade:h2c", "--set-header: Upgrade belongs to the connection"),
        ("site edit s1 --remove-header content-length", "--remove-header: content-length belongs to the connection"),
        ("site edit s1 --set-header Strict-Transport-Security:x", "--set-header: Strict-Transport-Security is set by"),
        ("site edit s1 --upstream-pin 00", "--upstream-pin: the thumbprint has 2 hexadecimal digits"),
        ("site edit s1 --certificate Auto", "--certificate: \"Auto\" is not an id"),
        ("certificate import a.pfx --replace A", "--replace: \"A\" is not an id"),
        ("certificate new-self-signed *", "no certificate is for every name"),
        ("certificate request *", "no certificate is for every name"),
        ("certificate request https://a.test", "\"https://a.test\" is a URL"),
        ("certificate request a.test --issuer I", "--issuer: \"I\" is not an id"),
        ("certificate request a.test --dns D", "--dns: \"D\" is not an id"),
        ("certificate request a.test --replace C", "--replace: \"C\" is not an id"),
        (
            "letsencrypt configure --dns-name https://a.test",
            "--dns-name: \"https://a.test\" is a URL; give the host name alone, without http:// or https://",
        ),
        ("letsencrypt configure --dns-name http://a.test", "--dns-name: \"http://a.test\" is a URL"),
        ("letsencrypt configure --dns-name *.a.test", "--dns-name: *.a.test is a wildcard, and a server has one name"),
        ("letsencrypt configure --dns-name a.test --ip-address b", "--ip-address: invalid IP address syntax"),
        ("acme issuer add ca.test", "\"ca.test\" is neither letsencrypt nor letsencrypt-staging nor a URL"),
        ("acme issuer add http://ca.test", "\"http://ca.test\" is neither letsencrypt"),
        ("acme issuer add letsencrypt --id L", "--id: \"L\" is not an id"),
        ("acme issuer add letsencrypt --resolver ns1", "--resolver: \"ns1\" is no IP address"),
        ("acme dns add exec --set command", "--set takes NAME=VALUE"),
        ("acme dns add exec --secret hunter2", "--secret takes NAME=FILE, or NAME=- for stdin"),
        ("acme dns add exec --set a=1 --set a=2", "the setting a is given twice"),
        ("acme dns add exec --set a=1 --secret a=f", "the setting a is given twice"),
        ("acme dns add exec --secret a=- --secret b=-", "--secret: only one setting can come from stdin"),
        ("notification add slack --id S", "--id: \"S\" is not an id"),
        ("notification add slack --secret hunter2", "--secret takes NAME=FILE, or NAME=- for stdin"),
        ("notification add slack --event expire", "--event: \"expire\" is no event; there are all, expires-soon,"),
        ("notification edit n1", "nothing to change was named"),
        ("acme attempts C1", "\"C1\" is not an id"),
        ("acme check https://a.test", "\"https://a.test\" is a URL"),
        ("acme check a.test --issuer I", "--issuer: \"I\" is not an id"),
        ("acme simulate --until tomorrow", "--until: \"tomorrow\" is neither a date, as in 2027-03-31"),
        ("certificate export c1 --format pfx --out -", "a PFX is no text for stdout"),
        ("certificate export c1 --format pem --out f --password-stdin", "PEM is written without a password"),
    ] {
        let failure = parse(words).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage, "{words}");
        let text = failure.to_string();
        assert!(text.starts_with(&format!("portward: {expected}")), "{words}: {text}");
    }
}

#[test]
fn a_change_can_wait_to_be_confirmed() {
    let Request::Site(SiteRequest::Remove(_, safety)) = request("site remove s1 --confirm-within 60s") else {
        panic!("no removal")
    };
    assert_ne!(safety, Safety::default());
    assert!(parse("site remove s1 --confirm-within 1s").is_err());
    assert_eq!(request("confirm list"), Request::Confirm(ConfirmRequest::List));
    let id = portward_core::ConfirmationId::parse("c1").unwrap();
    assert_eq!(request("confirm c1"), Request::Confirm(ConfirmRequest::Keep(id.clone())));
    assert_eq!(request("confirm c1 --back"), Request::Confirm(ConfirmRequest::Back(id)));
    assert!(parse("confirm list --back").is_err());
    assert_eq!(request("undo 7"), Request::Confirm(ConfirmRequest::Undo(portward_core::Revision(7))));
    assert!(parse("https-settings set").is_err());
}
