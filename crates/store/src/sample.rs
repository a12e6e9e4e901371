//! Things for tests to store. No leaf here is a real certificate: this crate parses none.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{sync::Arc, time::Duration};

use portward_core::{
    Agent, AgentName, AgentOrigin, AgentPins, Balance, Binding, BindingId, Certificate, CertificateId,
    CertificateVersion, Chain, Delivery, DeliveryFormat, DeliveryId, DeliveryPath, DialAddress, Dialling, FileMode,
    FileOwner, ForceHttps, Forwarding, HeaderRules, HealthPath, Host, HostPattern, Hsts, KeyId, KeyType, LeafFacts,
    Management, PathRoute, ProfileName, ProxyProtocol, Sha1Thumbprint, Site, SiteCertificate, SiteId, SiteLimits,
    Source, Thumbprint, Timestamp, Upstream, UpstreamHttp, UpstreamTrust, Validity, Verify, VersionNumber,
};

use crate::{
    HttpChallenge, Key, Revision, Store,
    agents::StoredDelivery,
    change::{self, Change, NewKey, NewVersion},
    cluster::Cluster,
    desired::StoredCertificate,
    sealing::{MasterKey, Sealed, Sealer, Secret},
};

/// What no file, log or message may have.
pub(crate) const MARKER: &[u8] = b"MARKER-private-key-MARKER";

pub(crate) fn at() -> Timestamp {
    Timestamp::parse("2026-11-20T14:32:07Z").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) fn certificate_id(text: &str) -> CertificateId {
    CertificateId::parse(text).unwrap()
}

pub(crate) fn binding(id: &str, url: &str) -> Binding {
    let (protocol, address) = Binding::parse_url(url).unwrap();
    Binding::new(BindingId::parse(id).unwrap(), protocol, address)
}

pub(crate) fn site(id: &str) -> Site {
    Site {
        id: SiteId::parse(id).unwrap(),
        names: ["shop.test", "*.shop.test", "::1", "*"].iter().map(|name| HostPattern::parse(name).unwrap()).collect(),
        upstreams: ["http://127.0.0.1:3000", "https://[::1]:4000"]
            .iter()
            .map(|url| Upstream::parse(url).unwrap())
            .collect(),
        upstream_trust: UpstreamTrust::Pin(Arc::new(Thumbprint::of(b"upstream"))),
        force_https: Some(ForceHttps::Browsers),
        hsts: Hsts::On { max_age: Duration::from_secs(365 * 24 * 3600), include_subdomains: true, preload: true },
        certificate: SiteCertificate::Fixed(certificate_id("cert-1")),
        forwarding: Arc::default(),
        limits: SiteLimits::default(),
        headers: HeaderRules::default(),
        preset: None,
    }
}

/// How requests may reach upstreams, with nothing as it is in a new site.
pub(crate) fn forwarding() -> Forwarding {
    let routes = ["/api=http://127.0.0.1:8081", "/docs=http://127.0.0.1:8082", "/api=unix:/run/api.sock"];
    Forwarding {
        balance: Balance::LeastConnections,
        health: Some(HealthPath::parse("/health?deep=1").unwrap()),
        proxy_protocol: ProxyProtocol::V2,
        http: UpstreamHttp::Two,
        routes: PathRoute::parse_all(routes).unwrap(),
    }
}

pub(crate) fn challenge() -> HttpChallenge {
    HttpChallenge::parse(Host::parse("shop.test").unwrap(), "tok_en-1", "tok_en-1.thumb", 80).unwrap()
}

fn leaf(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

/// How a certificate may be managed.
pub(crate) fn managed() -> portward_core::Management {
    use portward_core::{DnsProviderId, IssuerId, acme};
    portward_core::Management::Managed(Arc::new(acme::Managed {
        names: ["shop.test", "*.shop.test", "::1"].iter().map(|name| HostPattern::parse(name).unwrap()).collect(),
        issuers: ["letsencrypt", "other"].map(|id| IssuerId::parse(id).unwrap()).into(),
        challenge: Some(acme::ChallengeKind::Dns01),
        profile: Some("shortlived".to_owned()),
        dns: Some(DnsProviderId::parse("cloudflare").unwrap()),
        key: acme::KeyAlgorithm::EcdsaP384,
        reuse: acme::KeyReuse::Keep,
        key_on: Some(AgentName::parse("web-03").unwrap()),
        renew_before: Some(Duration::from_secs(21 * 24 * 3600)),
    }))
}

pub(crate) fn issuer(id: &str) -> portward_core::acme::Issuer {
    use portward_core::acme::{DirectoryTrust, Issuer, IssuerPorts};
    Issuer {
        id: portward_core::IssuerId::parse(id).unwrap(),
        directory: Issuer::LETS_ENCRYPT.to_owned(),
        trust: DirectoryTrust::Authorities(vec![leaf("authority")]),
        contacts: vec!["mailto:ops@shop.test".to_owned()],
        terms_agreed: true,
        eab_key_id: Some("kid".to_owned()),
        profile: Some("classic".to_owned()),
        challenge: None,
        preferred_chain: Some("Root".to_owned()),
        ports: IssuerPorts { http: 5002, tls: 5001 },
        resolvers: vec!["[::1]:53".parse().unwrap()],
    }
}

pub(crate) fn chain(leaf_text: &str) -> Chain {
    Chain {
        leaf: leaf(leaf_text),
        intermediates: Arc::new([leaf("intermediate 1"), leaf("intermediate 2")]),
        root: Some(leaf("root")),
    }
}

pub(crate) fn facts(leaf: &[u8]) -> LeafFacts {
    LeafFacts {
        names: ["shop.test", "*.shop.test", "10.0.0.1"].iter().map(|name| HostPattern::parse(name).unwrap()).collect(),
        thumbprint: Thumbprint::of(leaf),
        sha1: Sha1Thumbprint::of(leaf),
        serial: "0a1b".into(),
        issuer: "CN=Test \"CA\", O=Ä".into(),
        subject: "CN=shop.test".into(),
        self_signed: false,
        validity: Validity { not_before: Timestamp::EPOCH, not_after: at() },
        key_type: KeyType::Rsa(2048),
    }
}

/// A certificate of one version that has those names.
pub(crate) fn stored_certificate(id: &str, names: &[&str]) -> StoredCertificate {
    let names = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
    let chain = chain(id);
    let version = CertificateVersion {
        number: VersionNumber(1),
        source: Source::Imported,
        added: at(),
        facts: Arc::new(LeafFacts { names, ..facts(&chain.leaf) }),
        chain,
        key: KeyId::parse("key-1").unwrap(),
        key_on: None,
    };
    StoredCertificate {
        value: Certificate {
            id: certificate_id(id),
            name: id.into(),
            management: Management::Unmanaged,
            current: VersionNumber(1),
            versions: [Arc::new(version)].into(),
        },
        spec_revision: Revision(1),
        managed_revision: None,
        current_revision: Some(Revision(1)),
    }
}

pub(crate) fn secret() -> Secret {
    Secret::copy_of(MARKER)
}

pub(crate) fn version<'a>(chain: Chain, key: &str, private_key: &'a Secret) -> NewVersion<'a> {
    let facts = Arc::new(facts(&chain.leaf));
    let private_key = NewKey::Here(private_key);
    NewVersion { source: Source::Imported, added: at(), chain, facts, key: KeyId::parse(key).unwrap(), private_key }
}

pub(crate) fn change(what: &str) -> Change {
    Change::new("owner", what, at())
}

pub(crate) async fn open(store: &dyn Store, master: &MasterKey) -> Sealer {
    Cluster::open(store, master.clone()).await.unwrap().sealer
}

/// A secret that is sealed for nothing.
pub(crate) fn sealed() -> Sealed {
    Sealer::new("c", MasterKey::generate()).seal(&key("keys/1"), 1, &secret())
}

pub(crate) fn agent(name: &str) -> Agent {
    Agent {
        name: AgentName::parse(name).unwrap(),
        dialling: Dialling::Listening(DialAddress::parse("[2001:db8::7]:10933", None).unwrap()),
        pins: AgentPins {
            current: Thumbprint::of(b"current"),
            next: Some(Thumbprint::of(b"next")),
            previous: Some((Thumbprint::of(b"previous"), at())),
        },
        trusted: at(),
        origin: AgentOrigin::Joined,
    }
}

pub(crate) fn delivery(id: &str, agent: &str) -> StoredDelivery {
    let delivery = Delivery {
        id: DeliveryId::parse(id).unwrap(),
        agent: AgentName::parse(agent).unwrap(),
        certificate: certificate_id("cert-1"),
        format: DeliveryFormat::Pfx,
        to: vec![DeliveryPath::parse("/etc/with space/ü.pfx").unwrap()],
        owner: FileOwner::parse("root:ssl-cert").unwrap(),
        mode: FileMode::parse("640").unwrap(),
        reload: Some(ProfileName::parse("nginx").unwrap()),
        verify: Some(Verify::parse("shop.test@127.0.0.1:443").unwrap()),
    };
    StoredDelivery { delivery, password: None, generation: 1 }
}

/// Fills a store with a binding, a site and a certificate of one version.
pub(crate) async fn fill(store: &dyn Store, sealer: &Sealer) -> Revision {
    let mut change = change("fill");
    change.put_binding(&binding("b1", "https://[::]:8443"), change::Expected::Absent);
    change.put_site(&site("s1"), change::Expected::Absent);
    add_certificate(&mut change, sealer);
    change::commit(store, change).await.unwrap()
}

/// Adds the certificate alone.
pub(crate) async fn fill_certificate(store: &dyn Store, sealer: &Sealer) -> Revision {
    let mut change = change("add a certificate");
    add_certificate(&mut change, sealer);
    change::commit(store, change).await.unwrap()
}

fn add_certificate(change: &mut Change, sealer: &Sealer) {
    let private_key = secret();
    let version = version(chain("leaf 1"), "key-1", &private_key);
    let management = portward_core::Management::Unmanaged;
    change.add_certificate(&certificate_id("cert-1"), "Shop", management, version, sealer);
}
