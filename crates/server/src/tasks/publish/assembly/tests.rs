#![allow(clippy::unwrap_used, reason = "tests")]

mod touched;

use std::time::Duration;

use portward_core::{
    BindingId, CertificateStatus, ForceHttps, HeaderRules, Host, Hsts, Site, SiteCertificate, SiteId, SiteLimits,
    Source, Upstream, UpstreamTrust,
};
use portward_proxy::{ServedCertificate, Snapshot};
use portward_store::{
    Key, Revision,
    change::{Change, Expected, NewKey, NewVersion, commit},
    cluster::Cluster,
    desired::{self, StoredKey},
    memory::MemoryStore,
    sealing::{MasterKey, Secret},
};

use super::*;
use crate::{
    app::new_key_id,
    fixture::{bundle_at, now},
};

/// Is a desired state in the making.
struct Wanted {
    store: MemoryStore,
    master: MasterKey,
}

const DAY: u64 = 24 * 3600;

impl Wanted {
    async fn new() -> Self {
        let (store, master) = (MemoryStore::new(), MasterKey::generate());
        Cluster::open(&store, master.clone()).await.unwrap();
        Self { store, master }
    }

    async fn change(self, edit: impl FnOnce(&mut Change)) -> Self {
        let mut change = Change::new("test", "test", now());
        edit(&mut change);
        commit(&self.store, change).await.unwrap();
        self
    }

    async fn binding(self, id: &str, url: &str, default: Option<&str>) -> Self {
        let (protocol, address) = Binding::parse_url(url).unwrap();
        let default_certificate = default.map(|id| CertificateId::parse(id).unwrap());
        let id = BindingId::parse(id).unwrap();
        let binding = Binding { default_certificate, ..Binding::new(id, protocol, address) };
        self.change(|change| change.put_binding(&binding, Expected::Absent)).await
    }

    async fn site(self, id: &str, names: &[&str], edit: impl FnOnce(&mut Site)) -> Self {
        let names = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
        let mut site = a_site(SiteId::parse(id).unwrap(), names);
        edit(&mut site);
        self.change(|change| change.put_site(&site, Expected::Absent)).await
    }

    /// A certificate made `age` days ago for `days` days.
    async fn certificate(self, id: &str, names: &[&str], age: u64, days: u32) -> Self {
        let bundle = bundle_at(names, days, now().minus(Duration::from_secs(age * DAY)));
        let cluster = desired::read(&self.store).await.unwrap().cluster.unwrap();
        let sealer = portward_store::sealing::Sealer::new(cluster.id, self.master.clone());
        let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
        let version = NewVersion {
            source: Source::Imported,
            added: now(),
            chain: bundle.chain,
            facts: bundle.facts.into(),
            key: new_key_id().unwrap(),
            private_key: NewKey::Here(&secret),
        };
        let id = CertificateId::parse(id).unwrap();
        self.change(|change| {
            change.add_certificate(&id, id.as_str(), portward_core::Management::Unmanaged, version, &sealer);
        })
        .await
    }

    async fn read(&self) -> Desired {
        desired::read(&self.store).await.unwrap()
    }

    async fn build(&self) -> Built {
        whole(&self.read().await, now(), &mut Assembly::new(self.master.clone()))
    }
}

fn a_site(id: SiteId, names: Vec<HostPattern>) -> Site {
    Site {
        id,
        names: names.into(),
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

/// Builds everything anew.
fn whole(desired: &Desired, now: Timestamp, assembly: &mut Assembly) -> Built {
    assembly.build(desired, &Touched::everything(), now)
}

fn codes(problems: &[Problem]) -> Vec<(&'static str, String, portward_api::Severity)> {
    problems.iter().map(|problem| (problem.code, problem.subject.to_string(), problem.severity)).collect()
}

fn presented(snapshot: &Snapshot, host: &str) -> Option<String> {
    let host = Host::parse(host).unwrap();
    snapshot.certificates.find(&host).map(|served| served.id.to_string())
}

use portward_api::Severity::{Error, Warning};

#[tokio::test]
async fn what_is_well_is_served_without_problems() {
    let wanted = Wanted::new()
        .await
        .certificate("shop", &["shop.test", "*.shop.test"], 0, 90)
        .await
        .binding("b1", "http://127.0.0.1:0", None)
        .await
        .binding("b2", "https://127.0.0.1:0", Some("shop"))
        .await
        .site("s1", &["shop.test", "a.shop.test"], |site| site.force_https = Some(ForceHttps::All))
        .await
        .site("s2", &["*"], |_| {})
        .await;
    let built = wanted.build().await;
    assert_eq!(codes(&built.problems), []);
    let snapshot = built.snapshot;
    assert_eq!(snapshot.revision, wanted.read().await.revision);
    assert_eq!(snapshot.bindings.len(), 2);
    assert_eq!(snapshot.bindings[1].default_certificate.as_ref().unwrap().id.as_str(), "shop");
    for (host, site) in [("shop.test", "s1"), ("a.shop.test", "s1"), ("other.test", "s2")] {
        assert_eq!(snapshot.sites.find(&Host::parse(host).unwrap()).unwrap().id.as_str(), site, "{host}");
    }
    assert_eq!(presented(&snapshot, "b.shop.test").as_deref(), Some("shop"));
    assert_eq!(presented(&snapshot, "other.test"), None);
}

#[tokio::test]
async fn each_defect_is_told_of_and_the_rest_is_served() {
    let fixed = |id: &'static str| {
        move |site: &mut Site| {
            site.certificate = SiteCertificate::Fixed(CertificateId::parse(id).unwrap());
        }
    };
    let wanted = Wanted::new()
        .await
        .certificate("good", &["good.test"], 0, 90)
        .await
        .certificate("old", &["old.test"], 100, 90)
        .await
        .certificate("soon", &["soon.test"], 80, 90)
        .await
        .binding("b1", "http://127.0.0.2:80", None)
        .await
        .binding("b2", "https://127.0.0.1:443", Some("gone"))
        .await
        .binding("b3", "https://127.0.0.1:444", None)
        .await
        .site("s1", &["good.test"], |_| {})
        .await
        .site("s2", &["bare.test", "*.bare.test"], |_| {})
        .await
        .site("s3", &["fixed.test"], fixed("good"))
        .await
        .site("s4", &["lost.test"], fixed("gone"))
        .await
        .site("s5", &["good.test", "own.test"], fixed("good"))
        .await
        .site("s6", &["*"], |site| site.force_https = Some(ForceHttps::Browsers))
        .await;
    let built = wanted.build().await;
    let expected: Vec<_> = [
        ("default-certificate-missing", "binding b2", Error),
        ("no-default-certificate", "binding b3", Warning),
        ("no-certificate-for-name", "site s2", Warning),
        ("site-certificate-names", "site s3", Error),
        ("site-certificate-missing", "site s4", Error),
        ("site-certificate-names", "site s5", Error),
        ("site-name-taken", "site s5", Error),
        ("force-https-unreachable", "site s6", Warning),
        ("certificate-expired", "certificate old", Error),
        ("certificate-expires-soon", "certificate soon", Warning),
    ]
    .map(|(code, what, severity)| (code, what.to_owned(), severity))
    .into();
    assert_eq!(codes(&built.problems), expected, "{:#?}", built.problems);
    let site =
        |host: &str| built.snapshot.sites.find(&Host::parse(host).unwrap()).map(|site| site.id.to_string()).unwrap();
    for (host, expected) in [("good.test", "s1"), ("own.test", "s5"), ("lost.test", "s4"), ("any.test", "s6")] {
        assert_eq!(site(host), expected, "{host}");
    }
    assert_eq!(built.snapshot.bindings.len(), 3);
    assert!(built.problems.iter().all(|problem| !problem.message.is_empty() && !problem.remedy.is_empty()));
}

#[tokio::test]
async fn an_https_binding_without_any_certificate_is_an_error() {
    let wanted = Wanted::new().await.binding("b1", "https://127.0.0.1:443", None).await;
    assert_eq!(codes(&wanted.build().await.problems), [("no-certificate", "binding b1".to_owned(), Error)]);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_opened_is_left_out_alone() {
    let wanted = Wanted::new()
        .await
        .certificate("good", &["good.test"], 0, 90)
        .await
        .certificate("keyless", &["keyless.test"], 0, 90)
        .await
        .certificate("swapped", &["swapped.test"], 0, 90)
        .await
        .certificate("versionless", &["versionless.test"], 0, 90)
        .await;
    let mut desired = wanted.read().await;
    let key = |desired: &Desired, id: &str| {
        let id = CertificateId::parse(id).unwrap();
        desired.certificate(&id).unwrap().value.current_version().unwrap().key.clone()
    };
    let good = desired.private_key(&key(&desired, "good")).unwrap().clone();
    desired.keys.remove(&key(&desired, "keyless"));
    desired.keys.insert(StoredKey { id: key(&desired, "swapped"), sealed: good });
    let mut versionless = desired.certificates[3].clone();
    versionless.value.current = portward_core::VersionNumber(7);
    desired.certificates.insert(versionless);

    let mut assembly = Assembly::new(wanted.master.clone());
    let built = whole(&desired, now(), &mut assembly);
    let expected = [
        ("certificate-unusable", "certificate keyless".to_owned(), Error),
        ("certificate-unusable", "certificate swapped".to_owned(), Error),
        ("certificate-without-version", "certificate versionless".to_owned(), Error),
    ];
    assert_eq!(codes(&built.problems), expected);
    assert_eq!(presented(&built.snapshot, "good.test").as_deref(), Some("good"));

    let strange = whole(&wanted.read().await, now(), &mut Assembly::new(MasterKey::generate()));
    assert_eq!(strange.problems.len(), 4, "{:?}", strange.problems);
}

#[tokio::test]
async fn a_bad_record_is_told_of() {
    let wanted = Wanted::new().await.site("s1", &["a.test"], |_| {}).await;
    let txn = portward_store::Txn::new().put(Key::parse("sites/bad").unwrap(), "{}");
    portward_store::Store::txn(&wanted.store, txn).await.unwrap();
    let built = wanted.build().await;
    assert_eq!(codes(&built.problems), [("bad-record", "record sites/bad".to_owned(), Error)]);
    assert!(built.snapshot.sites.find(&Host::parse("a.test").unwrap()).is_some());
}

#[tokio::test]
async fn of_several_certificates_the_best_is_presented() {
    let wanted = Wanted::new()
        .await
        .certificate("a-short", &["a.test"], 0, 90)
        .await
        .certificate("b-long", &["a.test"], 0, 100)
        .await
        .certificate("c-expired", &["a.test"], 200, 100)
        .await;
    let built = wanted.build().await;
    assert_eq!(presented(&built.snapshot, "a.test").as_deref(), Some("b-long"));
    assert_eq!(
        codes(&built.problems),
        [("certificate-expired", "certificate c-expired".to_owned(), Warning)],
        "what nobody is shown is a warning"
    );
}

#[tokio::test]
async fn unchanged_certificates_are_shared_between_snapshots() {
    let wanted = Wanted::new().await.certificate("a", &["a.test"], 0, 90).await;
    let mut assembly = Assembly::new(wanted.master.clone());
    let host = Host::parse("a.test").unwrap();
    let first = whole(&wanted.read().await, now(), &mut assembly);
    let wanted = wanted.certificate("b", &["b.test"], 0, 90).await;
    let second = whole(&wanted.read().await, now(), &mut assembly);
    let (one, two) = (first.snapshot.certificates.find(&host), second.snapshot.certificates.find(&host));
    assert!(Arc::ptr_eq(one.unwrap(), two.unwrap()));

    let expired = whole(&wanted.read().await, now().plus(Duration::from_secs(90 * DAY)), &mut assembly);
    let three = expired.snapshot.certificates.find(&host).unwrap();
    assert_eq!(three.status, CertificateStatus::Expired);
    assert!(Arc::ptr_eq(&three.key, &one.unwrap().key), "the key is opened once");
}

#[tokio::test]
async fn the_next_change_of_status_is_known() {
    let wanted = Wanted::new().await.certificate("a", &["a.test"], 0, 90).await;
    let desired = wanted.read().await;
    let mut assembly = Assembly::new(wanted.master.clone());
    let mut at = now();
    let mut seen = Vec::new();
    while let Some(next) = whole(&desired, at, &mut assembly).changes_at {
        assert!(next > at);
        at = next;
        seen.push(
            whole(&desired, at, &mut assembly)
                .snapshot
                .certificates
                .find(&Host::parse("a.test").unwrap())
                .unwrap()
                .status,
        );
    }
    assert_eq!(seen, [CertificateStatus::ExpiresSoon, CertificateStatus::Expired]);
    assert_ne!(desired.revision, Revision(0));
}
