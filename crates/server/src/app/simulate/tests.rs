#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use portward_core::{
    Certificate, CertificateId, CertificateVersion, Chain, HostPattern, KeyId, LeafFacts, Management, Source, Validity,
    VersionNumber,
    acme::{DirectoryTrust, Issuer, IssuerPorts, KeyAlgorithm, KeyReuse, LimitKind, Managed},
};
use portward_store::{
    Revision,
    cluster::Cluster,
    desired::{Desired, Stored, StoredCertificate, StoredIssuer},
};

use super::{busiest::most_within, forecast::Planned, *};
use crate::fixture::{Fixture, bundle, by, now};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn span(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

fn issuer(id: &str, directory: &str) -> Stored<StoredIssuer> {
    let issuer = Issuer {
        id: IssuerId::parse(id).unwrap(),
        directory: directory.to_owned(),
        trust: DirectoryTrust::System,
        contacts: Vec::new(),
        terms_agreed: true,
        eab_key_id: None,
        profile: None,
        challenge: None,
        preferred_chain: None,
        ports: IssuerPorts::default(),
        resolvers: Vec::new(),
    };
    Stored { value: StoredIssuer { issuer, eab_mac_key: None }, revision: Revision(1) }
}

/// Certificates of one set of facts, so that thousands are made in no time.
struct Shelf {
    chain: Chain,
    facts: LeafFacts,
    desired: Desired,
}

impl Shelf {
    fn new() -> Self {
        let bundle = bundle(&["shop.test"], 90);
        let mut desired = Desired::default();
        desired.cluster = Some(Cluster { id: "cluster".to_owned(), generation: 1 });
        desired.issuers = vec![issuer("le", Issuer::LETS_ENCRYPT), issuer("own", "https://ca.test/directory")];
        Self { chain: bundle.chain, facts: bundle.facts, desired }
    }

    /// Puts a certificate there that lives from a time on; without one, no CA has issued it.
    fn put(&mut self, id: &str, names: &[&str], issuers: &[&str], from: Option<Timestamp>, lifetime: Duration) {
        let id = CertificateId::parse(id).unwrap();
        let names: Vec<HostPattern> = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
        let not_before = from.unwrap_or_else(now);
        let validity = Validity { not_before, not_after: not_before.plus(lifetime).minus(Duration::from_secs(1)) };
        let facts = LeafFacts {
            names: names.clone().into(),
            thumbprint: portward_core::Thumbprint::of(id.as_str().as_bytes()),
            validity,
            ..self.facts.clone()
        };
        let version = CertificateVersion {
            number: VersionNumber(1),
            source: if from.is_some() { Source::Acme } else { Source::SelfSigned },
            added: not_before,
            chain: self.chain.clone(),
            key: KeyId::parse("key").unwrap(),
            key_on: None,
            facts: Arc::new(facts),
        };
        let managed = Managed {
            names,
            issuers: issuers.iter().map(|id| IssuerId::parse(id).unwrap()).collect(),
            challenge: None,
            profile: None,
            dns: None,
            key: KeyAlgorithm::EcdsaP256,
            reuse: KeyReuse::New,
            key_on: None,
            renew_before: None,
        };
        self.desired.certificates.insert(StoredCertificate {
            value: Certificate {
                name: id.as_str().into(),
                id,
                management: Management::Managed(Arc::new(managed)),
                current: VersionNumber(1),
                versions: [Arc::new(version)].into(),
            },
            spec_revision: Revision(1),
            managed_revision: Some(Revision(1)),
            current_revision: Some(Revision(1)),
        });
    }

    fn forecast(&self, until: &str, renewals: &HashMap<CertificateId, Renewal>) -> Forecast {
        let orders = HashMap::new();
        let (now, until) = (now(), at(until));
        let desired = &self.desired;
        let given = Given { desired, renewals, orders: &orders, now, until, most: MOST_RENEWALS };
        forecast::forecast(&given).unwrap()
    }
}

fn by_certificate(forecast: &Forecast) -> BTreeMap<&CertificateId, Vec<&Planned>> {
    let mut map: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for planned in &forecast.renewals {
        map.entry(&planned.certificate).or_default().push(planned);
    }
    map
}

fn used(forecast: &Forecast) -> Vec<(&str, LimitKind, u32, u32)> {
    let budgets = forecast.budgets.iter();
    budgets.map(|used| (used.what.as_str(), used.limit.kind, used.most, used.limit.count)).collect()
}

#[test]
fn two_hundred_certificates_follow_the_announced_lifetimes_and_none_expires() {
    let mut shelf = Shelf::new();
    for number in 0..200 {
        // Issued over the last two months.
        let from = now().minus(Duration::from_secs(number * 7 * 3600));
        shelf.put(&format!("c{number:03}"), &[&format!("c{number}.test")], &["le"], Some(from), span(90));
    }
    let forecast = shelf.forecast("2029-01-01T00:00:00Z", &HashMap::new());
    let announced: Vec<_> =
        forecast.announced.iter().map(|(id, step)| (id.as_str(), step.from.date(), days(step.lifetime))).collect();
    assert_eq!(announced, [("le", "2027-02-10".to_owned(), 64), ("le", "2028-02-16".to_owned(), 45)]);
    let lives = by_certificate(&forecast);
    assert_eq!(lives.len(), 200);
    for (id, renewals) in lives {
        let stored = shelf.desired.certificate(id).unwrap();
        let mut expires = stored.value.current_version().unwrap().facts.validity.not_after;
        let mut lived = span(90);
        for planned in renewals {
            assert!(planned.at < expires, "{id}: {} is after {expires}", planned.at);
            let left = expires.since(planned.at);
            let range = lived / 3 - Duration::from_secs(1)..=lived * 13 / 30 + Duration::from_secs(1);
            assert!(range.contains(&left), "{id} at {}: {left:?} of {lived:?} is left", planned.at);
            let expected = match planned.at {
                at if at < self::at("2027-02-10T00:00:00Z") => 90,
                at if at < self::at("2028-02-16T00:00:00Z") => 64,
                _ => 45,
            };
            assert_eq!(planned.lifetime, span(expected), "{id} at {}", planned.at);
            assert_eq!(planned.why, "a third of its lifetime is left");
            (lived, expires) = (planned.lifetime, planned.at.plus(planned.lifetime));
        }
        assert!(expires > at("2029-01-01T00:00:00Z"), "{id} lives on");
    }
    let times: Vec<_> = forecast.renewals.iter().map(|planned| planned.at).collect();
    assert!(times.is_sorted());
    let (what, kind, most, allowed) = used(&forecast)[0];
    assert_eq!((what, kind, allowed), ("le", LimitKind::Orders, 240));
    assert!((2..40).contains(&most), "{most} in three hours");
}

#[test]
fn the_busiest_windows_are_those_of_a_case_made_by_hand() {
    let mut shelf = Shelf::new();
    // Nobody has issued these yet, so that all are ordered now: 42 for one domain, more than Let's Encrypt allows.
    for number in 0..42 {
        shelf.put(&format!("a{number:02}"), &[&format!("a{number}.shop.test"), "*.shop.test"], &["le"], None, span(1));
    }
    shelf.put("b", &["b.test", "b.shop.test"], &["own", "le"], None, span(1));
    shelf.put("c", &["c.test"], &["own"], Some(now().minus(span(30))), span(300));
    // Twice this week already.
    let issued = vec![now().minus(span(8)), now().minus(span(6)), now().minus(span(1))];
    let renewals = HashMap::from([(CertificateId::parse("a07").unwrap(), Renewal { issued, ..Renewal::default() })]);
    let forecast = shelf.forecast("2026-11-28T00:00:00Z", &renewals);
    assert_eq!(forecast.renewals.len(), 43, "{:?}", forecast.renewals);
    assert!(forecast.renewals.iter().all(|planned| planned.at == now() && planned.lifetime == span(90)));
    assert_eq!(forecast.renewals[0].why, "no CA has issued it yet");
    use LimitKind::{CertificatesPerDomain, Orders, SameNames};
    assert_eq!(
        used(&forecast),
        [
            ("le", Orders, 42, 240),
            ("own", Orders, 1, 240),
            ("a07", SameNames, 3, 3),
            ("b", SameNames, 1, 50),
            // Three of eight days ago, six days ago and yesterday, of which two count with those of now.
            ("shop.test", CertificatesPerDomain, 44, 40),
            ("b.test", CertificatesPerDomain, 1, 1000),
        ]
    );
}

#[test]
fn what_is_exactly_a_span_apart_is_not_in_the_same_window() {
    let hours = |list: &[u64]| -> Vec<Timestamp> {
        list.iter().map(|hour| now().plus(Duration::from_secs(hour * 3600))).collect()
    };
    let three = Duration::from_secs(3 * 3600);
    for (list, expected) in [(&[][..], 0), (&[1], 1), (&[3, 0], 1), (&[0, 1, 2, 3, 4], 3), (&[9, 1, 1, 1, 9], 3)] {
        assert_eq!(most_within(&mut hours(list), three), expected, "{list:?}");
    }
}

#[test]
fn other_cas_keep_the_lifetime_and_a_failure_is_waited_for() {
    let mut shelf = Shelf::new();
    shelf.put("c", &["c.test"], &["own", "le"], Some(now().minus(span(29))), span(30));
    let id = CertificateId::parse("c").unwrap();
    let retry_at = now().plus(Duration::from_secs(600));
    let renewal = Renewal { retry_at: Some(retry_at), failures: 1, turn: 1, ..Renewal::default() };
    let forecast = shelf.forecast("2027-01-20T00:00:00Z", &HashMap::from([(id, renewal)]));
    let planned: Vec<_> =
        forecast.renewals.iter().map(|planned| (planned.issuer.as_str(), days(planned.lifetime))).collect();
    assert_eq!(planned, [("le", 90), ("own", 30)], "the second issuer has its turn, and after a success the first one");
    assert_eq!(forecast.renewals[0].at, retry_at);

    let forecast = shelf.forecast("2027-01-20T00:00:00Z", &HashMap::new());
    assert!(forecast.renewals.len() >= 3, "{:?}", forecast.renewals);
    assert!(forecast.renewals.iter().all(|planned| planned.issuer.as_str() == "own" && planned.lifetime == span(30)));
    assert_eq!(forecast.announced, []);
}

#[test]
fn ten_thousand_certificates_over_two_years_take_a_moment() {
    let mut shelf = Shelf::new();
    for number in 0..10_000_u64 {
        let from = now().minus(Duration::from_secs(number * 500));
        shelf.put(&format!("c{number:05}"), &[&format!("c{number}.test")], &["le"], Some(from), span(90));
    }
    let began = Instant::now();
    let forecast = shelf.forecast("2028-11-20T00:00:00Z", &HashMap::new());
    let took = began.elapsed();
    assert!(forecast.renewals.len() > 100_000, "{}", forecast.renewals.len());
    // A second is for a build with optimisation; this one has none, and the machine is shared.
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[tokio::test]
async fn a_date_is_checked_and_the_view_is_made() {
    let fixture = Fixture::start().await;
    let ask = async |until: &str| fixture.app.simulate(&by(), &SimulateRequest { until: until.to_owned() }).await;
    for (text, expected) in [
        ("tomorrow", "neither a date"),
        ("2026-11-20", "not after now"),
        ("2026-11-20T12:00:00Z", "not after now"),
        ("2031-11-30", "five years"),
    ] {
        let error = ask(text).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (422, "invalid-value"), "{text}");
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    let view = ask("2027-06-01").await.unwrap();
    assert_eq!((view.from.as_str(), view.until.as_str()), ("2026-11-20T12:00:00Z", "2027-06-01T00:00:00Z"));
    assert_eq!((view.renewals, view.budgets, view.announced), (vec![], vec![], vec![]));
    assert_eq!(ask("2027-06-01T12:00:00+02:00").await.unwrap().until, "2027-06-01T10:00:00Z");

    let mut shelf = Shelf::new();
    shelf.put("shop", &["shop.test"], &["le"], None, span(1));
    let view = super::view(shelf.forecast("2026-11-21T00:00:00Z", &HashMap::new()), now(), now());
    assert_eq!(view.renewals.len(), 1);
    assert_eq!((view.renewals[0].lifetime_days, view.renewals[0].issuer.as_str()), (90, "le"));
    let budgets: Vec<_> = view.budgets.iter().map(|budget| (&*budget.what, &*budget.limit)).collect();
    assert_eq!(
        budgets,
        [
            ("le", "orders in 3 hours"),
            ("shop", "certificates for the same names in 7 days"),
            ("shop.test", "certificates for the domain in 7 days"),
        ]
    );
}

#[tokio::test]
async fn one_simulation_runs_at_a_time_and_no_answer_is_kept() {
    let fixture = Fixture::start().await;
    let input = SimulateRequest { until: "2027-06-01".to_owned() };
    let running = Arc::clone(&fixture.app.simulating).acquire_owned().await.unwrap();
    let by = by();
    let mut waiting = std::pin::pin!(fixture.app.simulate(&by, &input));
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, waiting.as_mut()).await.is_err(), "it waits for the one that runs");
    drop(running);
    waiting.await.unwrap();
}
