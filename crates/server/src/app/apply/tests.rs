#![allow(clippy::unwrap_used, reason = "tests")]

use portward_api::{
    AppliedAction, BindingDeclared, CertificateDeclared, DesiredState, DesiredStateApply, DnsProviderDeclared,
    HeaderSet, IssuerDeclared, ManagedDeclared, SecretDeclared, SecretText, SettingsUpdate, SiteDeclared, SiteRoute,
};
use portward_core::Permission;

use super::*;
use crate::{
    app::{Actor, Precondition},
    fixture::{Fixture, binding, bundle, by, import, site},
};

fn site_declared(id: &str, name: &str) -> SiteDeclared {
    SiteDeclared {
        id: id.to_owned(),
        names: vec![name.to_owned()],
        upstreams: vec!["http://127.0.0.1:3000".to_owned()],
        upstream_trust: None,
        force_https: None,
        hsts: None,
        certificate: None,
        max_body: None,
        response_timeout: None,
        idle_timeout: None,
        set_headers: Vec::new(),
        remove_headers: Vec::new(),
        balance: None,
        health_path: None,
        proxy_protocol: None,
        upstream_http: None,
        routes: Vec::new(),
        preset: None,
    }
}

fn route(upstream: &str) -> SiteRoute {
    SiteRoute { prefix: "/api".to_owned(), upstreams: vec![upstream.to_owned()] }
}

fn issuer_declared() -> IssuerDeclared {
    IssuerDeclared {
        id: "ca".to_owned(),
        directory: "https://ca.test/dir".to_owned(),
        directory_ca: None,
        contacts: Vec::new(),
        accept_terms: true,
        eab: None,
        profile: None,
        challenge: None,
        preferred_chain: None,
        http_port: None,
        tls_port: None,
        resolvers: Vec::new(),
    }
}

fn dns_declared(token: Option<&str>) -> DnsProviderDeclared {
    let value = token.map(|token| SecretText::new(token.to_owned()));
    let secret = SecretDeclared { env: Some("CF_TOKEN".to_owned()), file: None, value };
    DnsProviderDeclared {
        id: "cf".to_owned(),
        kind: "cloudflare".to_owned(),
        settings: Default::default(),
        secrets: [("api_token".to_owned(), secret)].into(),
    }
}

/// One of each kind.
fn everything() -> DesiredState {
    DesiredState {
        settings: Some(SettingsUpdate {
            force_https: Some("browsers".to_owned()),
            warning_days: Some(14),
            ..SettingsUpdate::default()
        }),
        issuers: Some(vec![issuer_declared()]),
        dns_providers: Some(vec![dns_declared(Some("marker-token"))]),
        certificates: Some(vec![CertificateDeclared {
            id: "shop".to_owned(),
            name: None,
            managed: Some(ManagedDeclared {
                names: vec!["*.shop.test".to_owned(), "shop.test".to_owned()],
                dns: Some("cf".to_owned()),
                ..ManagedDeclared::default()
            }),
            thumbprint: None,
        }]),
        bindings: Some(vec![BindingDeclared {
            id: "https-any".to_owned(),
            url: "https://127.0.0.1:0".to_owned(),
            default_certificate: Some("shop".to_owned()),
            accept_proxy_from: Vec::new(),
            to: Vec::new(),
        }]),
        sites: Some(vec![SiteDeclared {
            certificate: Some("shop".to_owned()),
            hsts: Some("1h".to_owned()),
            balance: Some("sticky".to_owned()),
            health_path: Some("/health".to_owned()),
            proxy_protocol: Some("v2".to_owned()),
            upstream_http: Some("2".to_owned()),
            routes: vec![route("unix:/run/api.sock")],
            ..site_declared("shop", "shop.test")
        }]),
    }
}

async fn applied(fixture: &Fixture, state: DesiredState, prune: bool, apply: Apply) -> Result<Applied, AppError> {
    fixture
        .app
        .apply_desired_state(&by(), &DesiredStateApply { state, prune }, apply)
        .await
        .map(|changed| changed.result)
}

fn steps(applied: &Applied) -> Vec<String> {
    applied.steps.iter().map(|step| format!("{:?} {} {}", step.action, step.kind, step.id)).collect()
}

#[tokio::test]
async fn one_change_makes_all_of_it_and_what_is_exported_changes_nothing() {
    let fixture = Fixture::start().await;
    let before = fixture.stored().await.revision;
    let planned = applied(&fixture, everything(), false, Apply::DryRun).await.unwrap();
    let expected = [
        "Edit settings ",
        "Add issuer ca",
        "Add DNS provider cf",
        "Add certificate shop",
        "Add binding https-any",
        "Add site shop",
    ];
    assert_eq!((steps(&planned), planned.revision), (expected.map(str::to_owned).to_vec(), None));
    assert_eq!(planned.steps[0].changes, ["force_https: off -> browsers", "warning_days: 30 -> 14"]);
    assert_eq!(fixture.stored().await.revision, before);

    let done = applied(&fixture, everything(), false, Apply::Now).await.unwrap();
    assert_eq!((done.steps, done.notes), (planned.steps, Vec::<String>::new()));
    assert_eq!(done.revision.unwrap(), before.0 + 1);
    assert_eq!(fixture.audited().await, 1);
    let served = fixture.app.served();
    assert_eq!(served.desired.sites.len() + served.desired.bindings.len(), 2);
    assert!(served.binding(&portward_core::BindingId::parse("https-any").unwrap()).unwrap().result.is_ok());

    let exported = fixture.app.export_desired_state(&by());
    assert!(!serde_json::to_string(&exported).unwrap().contains("marker"));
    for prune in [false, true] {
        let again = applied(&fixture, exported.clone(), prune, Apply::Now).await.unwrap();
        assert_eq!(again, Applied::default());
    }
    assert_eq!(applied(&fixture, everything(), true, Apply::Now).await.unwrap(), Applied::default());
}

#[tokio::test]
async fn what_differs_is_edited_and_what_is_not_declared_goes_only_if_asked_for() {
    let fixture = Fixture::start().await;
    applied(&fixture, everything(), false, Apply::Now).await.unwrap();
    let dealt = SiteDeclared {
        balance: None,
        health_path: Some("/".to_owned()),
        routes: vec![route("http://127.0.0.1:8081")],
        ..everything().sites.unwrap().remove(0)
    };
    let dealt = DesiredState { sites: Some(vec![dealt]), ..DesiredState::default() };
    let edited = applied(&fixture, dealt, false, Apply::Now).await.unwrap();
    assert_eq!(
        edited.steps[0].changes,
        [
            "balance: sticky -> none",
            "health_path: /health -> /",
            r#"routes: {"prefix":"/api","upstreams":["unix:/run/api.sock"]} -> {"prefix":"/api","upstreams":["http://127.0.0.1:8081"]}"#,
        ]
    );
    let other = DesiredState {
        sites: Some(vec![SiteDeclared { force_https: Some("all".to_owned()), ..site_declared("wiki", "wiki.test") }]),
        dns_providers: Some(vec![dns_declared(Some("marker-other"))]),
        ..DesiredState::default()
    };
    let kept = applied(&fixture, other.clone(), false, Apply::Now).await.unwrap();
    assert_eq!(steps(&kept), ["Edit DNS provider cf", "Add site wiki"]);
    assert_eq!(kept.steps[0].changes, ["api_token: another secret"]);
    let pruned = applied(&fixture, other.clone(), true, Apply::Now).await.unwrap();
    assert_eq!(steps(&pruned), ["Remove site shop"]);
    let moved = DesiredState { sites: Some(vec![site_declared("wiki", "wiki.test")]), ..DesiredState::default() };
    let edited = applied(&fixture, moved, true, Apply::Now).await.unwrap();
    assert_eq!(edited.steps[0].action, AppliedAction::Edit);
    assert_eq!(edited.steps[0].changes, ["force_https: all -> none"]);

    let nothing = DesiredState {
        certificates: Some(Vec::new()),
        bindings: Some(Vec::new()),
        issuers: Some(Vec::new()),
        dns_providers: Some(Vec::new()),
        ..DesiredState::default()
    };
    let gone = applied(&fixture, nothing, true, Apply::Now).await.unwrap();
    assert_eq!(
        steps(&gone),
        ["Remove issuer ca", "Remove DNS provider cf", "Remove certificate shop", "Remove binding https-any"]
    );
    let left = fixture.stored().await;
    assert_eq!((left.certificates.len(), left.issuers.len(), left.bindings.len(), left.keys.len()), (0, 0, 0, 0));
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused_and_nothing_is_changed() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    app.add_site(&by(), &site(&["taken.test"]), Apply::Now).await.unwrap();
    app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let before = fixture.stored().await.revision;
    let sites = |sites: Vec<SiteDeclared>| DesiredState { sites: Some(sites), ..DesiredState::default() };
    let binding_at = |url: String| DesiredState {
        bindings: Some(vec![BindingDeclared {
            id: "new".to_owned(),
            url,
            default_certificate: None,
            accept_proxy_from: Vec::new(),
            to: Vec::new(),
        }]),
        ..DesiredState::default()
    };
    let certificate = |managed, thumbprint| DesiredState {
        certificates: Some(vec![CertificateDeclared { id: "c".to_owned(), name: None, managed, thumbprint }]),
        ..DesiredState::default()
    };
    let mut without_secret = everything();
    without_secret.dns_providers = Some(vec![dns_declared(None)]);
    let mut without_issuer = everything();
    without_issuer.issuers = None;
    for (state, prune, code, part) in [
        (sites(vec![site_declared("a", "taken.test")]), false, "site-name-taken", "site a: the site \"taken-test\""),
        (
            sites(vec![site_declared("a", "a.test"), site_declared("a", "b.test")]),
            false,
            "declared-twice",
            "site \"a\"",
        ),
        (sites(vec![site_declared("Bad Id", "a.test")]), false, "invalid-value", "site Bad Id: id"),
        (
            sites(vec![SiteDeclared { certificate: Some("none".to_owned()), ..site_declared("a", "a.test") }]),
            false,
            "not-found",
            "site a: there is no certificate",
        ),
        (binding_at(format!("http://{}", held.local_addr().unwrap())), false, "port-taken", "Nothing was saved"),
        (certificate(None, Some("ab".repeat(32))), false, "certificate-missing", "import it first"),
        (certificate(Some(ManagedDeclared::default()), None), false, "invalid-value", "certificate c: names"),
        (without_secret, false, "secret-missing", "set the environment variable CF_TOKEN"),
        (without_issuer, false, "no-issuer", "certificate shop: issuers"),
    ] {
        let refused = applied(&fixture, state, prune, Apply::Now).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.to_string().contains(part), "{refused}");
        assert!(!format!("{refused:?}").contains("marker"));
    }
    assert_eq!(fixture.stored().await.revision, before);

    applied(&fixture, everything(), false, Apply::Now).await.unwrap();
    let before = fixture.stored().await.revision;
    let no_issuer = DesiredState { issuers: Some(Vec::new()), ..DesiredState::default() };
    assert_eq!(applied(&fixture, no_issuer, true, Apply::Now).await.unwrap_err().code(), "issuer-in-use");
    let no_certificate = DesiredState { certificates: Some(Vec::new()), ..DesiredState::default() };
    assert_eq!(applied(&fixture, no_certificate, true, Apply::Now).await.unwrap_err().code(), "certificate-in-use");
    assert_eq!(fixture.stored().await.revision, before);
}

#[tokio::test]
async fn a_thousand_sites_come_and_go_in_several_changes() {
    let fixture = Fixture::start().await;
    let declared = |at: usize| SiteDeclared {
        certificate: Some("shop".to_owned()),
        ..site_declared(&format!("s{at}"), &format!("s{at}.shop.test"))
    };
    let mut state = everything();
    state.sites = Some((0..1000).map(declared).collect());
    let before = fixture.stored().await.revision;
    let done = applied(&fixture, state.clone(), true, Apply::Now).await.unwrap();
    assert_eq!(done.steps.len(), 1005);
    let changes = done.revision.unwrap() - before.0;
    assert!((11..=13).contains(&changes), "{changes} changes");
    assert_eq!(fixture.audited().await as u64, changes);
    assert_eq!(fixture.app.served().desired.sites.len(), 1000);

    // A name goes from the last one to a new one; all others go with their certificate and its issuer.
    let taker = SiteDeclared { certificate: None, ..site_declared("a", "s999.shop.test") };
    let kept = SiteDeclared { names: vec!["kept.test".to_owned()], certificate: None, ..declared(999) };
    let less = DesiredState {
        sites: Some(vec![taker, kept]),
        certificates: Some(Vec::new()),
        issuers: Some(Vec::new()),
        bindings: Some(Vec::new()),
        ..DesiredState::default()
    };
    let done = applied(&fixture, less, true, Apply::Now).await.unwrap();
    assert_eq!(done.steps.len(), 1001 + 3);
    let left = fixture.stored().await;
    assert_eq!((left.sites.len(), left.certificates.len(), left.issuers.len()), (2, 0, 0));
}

#[tokio::test]
async fn what_would_leave_no_way_in_to_the_portal_is_refused_and_can_be_tried() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    app.add_site(&by(), &crate::fixture::portal(&["portal.test"]), Apply::Now).await.unwrap();
    app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let no_site = DesiredState { sites: Some(Vec::new()), ..DesiredState::default() };
    let no_binding = DesiredState { bindings: Some(Vec::new()), ..DesiredState::default() };
    let before = fixture.stored().await.revision;
    for state in [&no_site, &no_binding] {
        let refused = applied(&fixture, state.clone(), true, Apply::Now).await.unwrap_err();
        assert_eq!(refused.code(), "would-lock-out", "{refused}");
    }
    // The certificate of the first start is not there in this test, so nothing is presented.
    let redirect = DesiredState {
        settings: Some(SettingsUpdate { force_https: Some("all".to_owned()), ..SettingsUpdate::default() }),
        ..DesiredState::default()
    };
    let refused = applied(&fixture, redirect, false, Apply::Now).await.unwrap_err();
    assert!(refused.code().starts_with("trial-"), "{refused}");
    let after = fixture.stored().await;
    assert_eq!(after.settings.force_https, portward_core::ForceHttps::Off, "it went back");
    assert_eq!(after.revision.0, before.0 + 2);

    let tried = DesiredStateApply { state: no_site, prune: true };
    let forced = Apply::Within(crate::app::Within {
        confirm: portward_core::ConfirmWithin::parse("60s").unwrap(),
        is_forced: true,
    });
    let waiting = app.apply_desired_state(&by(), &tried, forced).await.unwrap().confirmation.unwrap();
    assert!(fixture.stored().await.sites.is_empty());
    app.go_back(&by(), &waiting.id).await.unwrap();
    assert_eq!(fixture.stored().await.sites.len(), 1);
}

/// The error named a key of the store, and no way out.
#[tokio::test]
async fn what_replaces_too_much_to_be_kept_is_not_made_to_be_confirmed() {
    let fixture = Fixture::start().await;
    let large = |at: usize, upstream: &str| SiteDeclared {
        upstreams: vec![upstream.to_owned()],
        set_headers: (0..30).map(|at| HeaderSet { name: format!("X-{at}"), value: "v".repeat(4000) }).collect(),
        ..site_declared(&format!("s{at}"), &format!("s{at}.test"))
    };
    let state = |upstream: &str| DesiredState {
        sites: Some((0..3).map(|at| large(at, upstream)).collect()),
        ..DesiredState::default()
    };
    applied(&fixture, state("http://127.0.0.1:3000"), false, Apply::Now).await.unwrap();
    let before = fixture.stored().await.revision;
    let other = state("http://127.0.0.1:3001");
    let refused = applied(&fixture, other.clone(), false, crate::fixture::within_a_minute()).await.unwrap_err();
    assert_eq!((refused.status().as_u16(), refused.code()), (422, "too-large-to-confirm"));
    assert!(refused.to_string().contains("file by file"), "{refused}");
    assert_eq!(fixture.stored().await.revision, before);
    applied(&fixture, other, false, Apply::Now).await.unwrap();
}

#[tokio::test]
async fn who_undoes_what_was_applied_needs_what_it_needed() {
    let fixture = Fixture::start().await;
    let sites = DesiredState { sites: Some(vec![site_declared("a", "a.test")]), ..DesiredState::default() };
    let revision = applied(&fixture, sites, false, Apply::Now).await.unwrap().revision.unwrap();
    let undo = async |permissions: &[Permission]| {
        let actor = Actor::with(permissions);
        fixture.app.undo(&actor.may().unwrap(), revision).await.err().map(|error| error.code())
    };
    assert_eq!(undo(&[Permission::View, Permission::SettingsChange]).await, Some("not-permitted"));
    assert_eq!(undo(&[Permission::View, Permission::SettingsChange, Permission::SiteChange]).await, None);
}

#[tokio::test]
async fn an_imported_certificate_is_known_by_its_thumbprint_and_stays() {
    let fixture = Fixture::start().await;
    let app = &fixture.app;
    let taken = app
        .import_certificate(&by(), import(&bundle(&["shop.test"], 90), None), Precondition::None, Apply::Now)
        .await
        .unwrap();
    let exported = app.export_desired_state(&by());
    let declared = &exported.certificates.as_ref().unwrap()[0];
    assert_eq!(declared.thumbprint.as_ref(), Some(&taken.view.certificate.thumbprint));
    let other = CertificateDeclared { thumbprint: Some("ab".repeat(32)), ..declared.clone() };
    let state = DesiredState { certificates: Some(vec![other]), ..DesiredState::default() };
    let applied = applied(&fixture, state, true, Apply::Now).await.unwrap();
    assert_eq!((applied.steps.len(), applied.notes.len()), (0, 1));
    assert!(applied.notes[0].contains("--replace"), "{:?}", applied.notes);
}

#[tokio::test]
async fn each_kind_needs_its_own_right() {
    let fixture = Fixture::start().await;
    let actor = Actor::with(&[Permission::SettingsChange, Permission::SiteChange]);
    let by = actor.may().unwrap();
    let apply = |state| DesiredStateApply { state, prune: false };
    let all = apply(everything());
    let refused = fixture.app.apply_desired_state(&by, &all, Apply::DryRun).await.unwrap_err();
    assert_eq!(refused.code(), "not-permitted");
    let sites = DesiredState { sites: Some(vec![site_declared("a", "a.test")]), ..DesiredState::default() };
    fixture.app.apply_desired_state(&by, &apply(sites), Apply::Now).await.unwrap();
}

/// Who may apply must not have the password sent to a server of their own.
#[tokio::test]
async fn a_stored_secret_of_a_dns_provider_is_not_sent_to_another_server() {
    let fixture = Fixture::start().await;
    let state = |endpoint: &str, password: Option<&str>| {
        let value = password.map(|password| SecretText::new(password.to_owned()));
        let secret = SecretDeclared { env: Some("HOOK_PASSWORD".to_owned()), file: None, value };
        let settings = [("endpoint", endpoint), ("username", "portward")];
        let provider = DnsProviderDeclared {
            id: "hook".to_owned(),
            kind: "httpreq".to_owned(),
            settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            secrets: [("password".to_owned(), secret)].into(),
        };
        DesiredState { dns_providers: Some(vec![provider]), ..DesiredState::default() }
    };
    applied(&fixture, state("https://a.test", Some("marker")), false, Apply::Now).await.unwrap();
    applied(&fixture, state("https://a.test", None), false, Apply::Now).await.unwrap();
    let refused = applied(&fixture, state("https://b.test", None), false, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "secret-elsewhere");
    assert_eq!(
        refused.to_string(),
        "DNS provider hook: endpoint is another one, and the password that is stored was given for the one before; give password again: set the environment variable HOOK_PASSWORD, then apply again"
    );
    applied(&fixture, state("https://b.test", Some("marker")), false, Apply::Now).await.unwrap();
}
