//! Pages of a large server: what they weigh, and how long they take.
//!
//! `cargo test --release -p portward-server --lib scale -- --nocapture` prints the figures of `docs/SCALE.md`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portward_core::{
    Agent, AgentName, AgentOrigin, AgentPins, Binding, CertificateId, Delivery, DeliveryFormat, DeliveryId,
    DeliveryPath, Dialling, FileMode, FileOwner, HeaderRules, HostPattern, Hsts, IssuerId, KeyId, Management, Site,
    SiteCertificate, SiteId, SiteLimits, Source, Thumbprint, Upstream, UpstreamTrust,
    acme::{DirectoryTrust, Issuer, IssuerPorts, KeyAlgorithm, KeyReuse, Managed},
};
use portward_store::{
    agents::StoredDelivery,
    change::{Change, Expected, NewKey, NewVersion, commit},
    sealing::{Sealer, Secret},
    work::{Renewal, Window},
};

use super::super::{asset::Assets, browser::Browser};
use crate::fixture::{Fixture, bundle_at, now};

#[tokio::test]
async fn pages_of_a_thousand_sites_and_five_thousand_certificates_are_small_and_quick() {
    let fixture = Fixture::start().await;
    fill(&fixture, 1000, 5000).await;
    let paths = [
        "/",
        "/overview/live",
        "/overview/traffic",
        "/live",
        "/sites",
        "/sites?page=10",
        "/sites?q=n0999",
        "/sites/n0999",
        "/certificates",
        "/certificates?sort=expires&page=100",
        "/certificates?q=n0999",
        "/certificates/c0999",
        "/search?q=n09",
        "/search/hits?q=n09",
        "/problems",
        "/problems?page=2",
        "/bindings",
        "/explain",
        "/import",
        "/request",
        "/https-settings",
        "/audit",
        "/lets-encrypt",
    ];
    are_small_and_quick(&fixture, &paths).await;
}

#[tokio::test]
async fn pages_of_ten_thousand_agents_are_small_and_quick() {
    let fixture = Fixture::start().await;
    fill(&fixture, 0, 100).await;
    fill_agents(&fixture, 10_000, 5_000).await;
    let paths = [
        "/",
        "/agents",
        "/machines/live",
        "/agents?sort=heard&page=100",
        "/agents?q=a0999",
        "/agents?board=c0007",
        "/agents/a0999",
        "/agents/a0999/live",
        "/agents/trust",
        "/deliveries/add",
        "/deliveries/d0999",
        "/certificates/c0007",
        "/search?q=a09",
        "/search/hits?q=a09",
    ];
    are_small_and_quick(&fixture, &paths).await;
}

async fn are_small_and_quick(fixture: &Fixture, paths: &[&str]) {
    let browser = Browser::of(fixture);
    let mut wrong = Vec::new();
    let style = Assets::new().weight();
    for path in paths {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let begun = Instant::now();
        for _ in 0..TIMES {
            browser.get(path).await;
        }
        let took = begun.elapsed() / TIMES;
        println!("| `{path}` | {:.1} ms | {:.1} kB |", took.as_secs_f64() * 1000.0, page.text.len() as f64 / 1000.0);
        let is_whole = page.text.starts_with("<!doctype html>");
        let bytes = page.text.len() + if is_whole { style } else { 0 };
        if bytes > MOST_BYTES {
            wrong.push(format!("{path} has {bytes} bytes with its style and scripts"));
        }
        if took > MOST_TIME {
            wrong.push(format!("{path} takes {took:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Has agents trusted, of whom nobody came, with a certificate for every other one; and as many strangers as are kept.
async fn fill_agents(fixture: &Fixture, agents: usize, deliveries: usize) {
    let sealer = fixture.sealer().await;
    let name = |number: usize| AgentName::parse(&format!("a{number:04}")).unwrap();
    for first in (0..agents).step_by(SITES_AT_ONCE) {
        let mut change = Change::new("test", format!("add agents from {first}"), now());
        for number in first..agents.min(first + SITES_AT_ONCE) {
            let pins = AgentPins::of(Thumbprint::of(&number.to_be_bytes()));
            let (dialling, origin) = (Dialling::Polling, AgentOrigin::Joined);
            let agent = Agent { name: name(number), dialling, pins, trusted: now(), origin };
            change.put_agent(&agent, &sealer, Expected::Absent);
        }
        commit(&fixture.store, change).await.unwrap();
    }
    for first in (0..deliveries).step_by(SITES_AT_ONCE) {
        let mut change = Change::new("test", format!("add deliveries from {first}"), now());
        for number in first..deliveries.min(first + SITES_AT_ONCE) {
            let delivery = Delivery {
                id: DeliveryId::parse(&format!("d{number:04}")).unwrap(),
                agent: name(number * 2),
                certificate: certificate_id(number % 100),
                format: DeliveryFormat::PemCombined,
                to: vec![DeliveryPath::parse("/etc/haproxy/tls/site.pem").unwrap()],
                owner: FileOwner::default(),
                mode: FileMode::PRIVATE,
                reload: None,
                verify: None,
            };
            let stored = StoredDelivery { delivery, password: None, generation: 1 };
            change.put_delivery(&stored, None, &sealer, Expected::Absent);
        }
        commit(&fixture.store, change).await.unwrap();
    }
    fixture.app.show_identity(&crate::fixture::by()).await.unwrap();
    for number in 0..200_u32 {
        let bytes = number.to_be_bytes();
        let shown = portward_link::verify::Shown {
            thumbprint: Thumbprint::of(&bytes),
            sha1: portward_core::Sha1Thumbprint::of(&bytes),
            subject: format!("CN=stranger-{number}"),
            issuer: String::new(),
        };
        fixture.app.agents().strangers().came(&shown, None, None, now());
    }
    let all = || (fixture.app.agents().roster().len(), fixture.app.agents().delivered().len());
    let end = Instant::now() + Duration::from_secs(300);
    while all() != (agents, deliveries) {
        assert!(Instant::now() < end, "{:?}", all());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stores sites, and certificates that are managed: one for each site, and others.
async fn fill(fixture: &Fixture, sites: usize, certificates: usize) {
    let sealer = fixture.sealer().await;
    let mut change = Change::new("test", "fill", now());
    change.put_issuer(&issuer(), None, &sealer, Expected::Absent);
    commit(&fixture.store, change).await.unwrap();
    for first in (0..certificates).step_by(CERTIFICATES_AT_ONCE) {
        let mut change = Change::new("test", format!("add certificates from {first}"), now());
        for number in first..certificates.min(first + CERTIFICATES_AT_ONCE) {
            add_certificate(&mut change, number, &sealer);
        }
        commit(&fixture.store, change).await.unwrap();
    }
    let mut last = None;
    for first in (0..sites).step_by(SITES_AT_ONCE) {
        let mut change = Change::new("test", format!("add sites from {first}"), now());
        for number in first..sites.min(first + SITES_AT_ONCE) {
            change.put_site(&site(number), Expected::Absent);
        }
        if first == 0 {
            change.put_binding(&Binding { default_certificate: Some(certificate_id(0)), ..https() }, Expected::Absent);
        }
        last = Some(commit(&fixture.store, change).await.unwrap());
    }
    if let Some(last) = last {
        fixture.served.reached(last, Duration::from_secs(300)).await.unwrap();
    }
}

fn add_certificate(change: &mut Change, number: usize, sealer: &Sealer) {
    // From 9 days old to 59: those of a real server are of every age.
    let age = Duration::from_secs((9 + number as u64 % 50) * 86_400);
    let bundle = bundle_at(&[&format!("n{number:04}.test")], 90, now().minus(age));
    let id = certificate_id(number);
    let managed = Managed {
        names: bundle.facts.names.to_vec(),
        issuers: vec![issuer().id],
        challenge: None,
        profile: None,
        dns: None,
        key: KeyAlgorithm::EcdsaP256,
        reuse: KeyReuse::New,
        key_on: None,
        renew_before: None,
    };
    let window = Window {
        of: bundle.facts.thumbprint,
        start: bundle.facts.validity.not_after.minus(Duration::from_secs(30 * 86_400)),
        end: bundle.facts.validity.not_after.minus(Duration::from_secs(28 * 86_400)),
        explanation_url: None,
    };
    change.put_renewal(
        &id,
        &Renewal { window: Some(window), issued_by: Some(issuer().id), issued: vec![now()], ..Renewal::default() },
    );
    let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
    let version = NewVersion {
        source: Source::Acme,
        added: now().minus(age),
        chain: bundle.chain,
        facts: Arc::new(bundle.facts),
        key: KeyId::parse(&format!("k{number:04}")).unwrap(),
        private_key: NewKey::Here(&secret),
    };
    change.add_certificate(&id, &format!("n{number:04}.test"), Management::Managed(Arc::new(managed)), version, sealer);
}

fn certificate_id(number: usize) -> CertificateId {
    CertificateId::parse(&format!("c{number:04}")).unwrap()
}

fn site(number: usize) -> Site {
    // Every tenth has no certificate, which is a problem each.
    let name = if number % 10 == 9 { format!("x{number:04}.test") } else { format!("n{number:04}.test") };
    Site {
        id: SiteId::parse(&format!("n{number:04}")).unwrap(),
        names: [HostPattern::parse(&name).unwrap()].into(),
        upstreams: [Upstream::parse("http://127.0.0.1:3000").unwrap()].into(),
        upstream_trust: UpstreamTrust::System,
        force_https: None,
        hsts: Hsts::Off,
        certificate: SiteCertificate::Auto,
        forwarding: Arc::default(),
        limits: SiteLimits::default(),
        headers: HeaderRules::default(),
        preset: None,
    }
}

fn https() -> Binding {
    let id = portward_core::BindingId::parse("https").unwrap();
    Binding::new(id, portward_core::BindingProtocol::Https, "127.0.0.1:0".parse().unwrap())
}

fn issuer() -> Issuer {
    Issuer {
        id: IssuerId::parse("le").unwrap(),
        directory: Issuer::LETS_ENCRYPT.to_owned(),
        trust: DirectoryTrust::System,
        contacts: Vec::new(),
        terms_agreed: true,
        eab_key_id: None,
        profile: None,
        challenge: None,
        preferred_chain: None,
        ports: IssuerPorts::default(),
        resolvers: Vec::new(),
    }
}

/// A certificate has five keys, and a change at most a hundred.
const CERTIFICATES_AT_ONCE: usize = 15;
const SITES_AT_ONCE: usize = 80;
const TIMES: u32 = 5;
/// What a page and all that it needs at first may have.
const MOST_BYTES: usize = 100_000;
/// A release build takes a tenth of what a build for tests does.
const MOST_TIME: Duration = if cfg!(debug_assertions) { Duration::from_secs(3) } else { Duration::from_millis(100) };
