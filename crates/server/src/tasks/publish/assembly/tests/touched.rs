//! What is built of what was touched is what is built of everything.

use portward_core::{KeyId, Management, VersionNumber};
use portward_store::{Store, Txn, desired::Follower};

use super::*;

/// A number below `below`, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
}

const NAMES: [&str; 7] = ["a.test", "b.test", "c.a.test", "*.a.test", "d.a.test", "*", "e.test"];

/// Certificates of several names and ages: made once, as keys take their time.
fn bundles() -> Vec<portward_certs::Bundle> {
    let names: [&[&str]; 6] =
        [&["a.test"], &["a.test", "*.a.test"], &["b.test"], &["c.a.test", "b.test"], &["*.a.test"], &["e.test"]];
    let made = names
        .iter()
        .flat_map(|names| [0, 80, 200].map(|age| bundle_at(names, 90, now().minus(Duration::from_secs(age * DAY)))));
    made.collect()
}

/// Edits something, whatever it is.
fn edit(
    change: &mut Change,
    desired: &Desired,
    dice: &mut Dice,
    bundles: &[portward_certs::Bundle],
    master: &MasterKey,
) {
    let id = CertificateId::parse(&format!("c{}", dice.below(5))).unwrap();
    let site_id = SiteId::parse(&format!("s{}", dice.below(6))).unwrap();
    match dice.below(14) {
        0..=4 => {
            let bundle = &bundles[usize::try_from(dice.below(bundles.len() as u64)).unwrap()];
            // Some cannot be opened.
            let cluster = if dice.below(8) == 0 { "another".to_owned() } else { desired.cluster.clone().unwrap().id };
            let sealer = portward_store::sealing::Sealer::new(cluster, master.clone());
            let secret = Secret::copy_of(bundle.key.as_pkcs8_der());
            let version = NewVersion {
                source: Source::Imported,
                added: now(),
                chain: bundle.chain.clone(),
                facts: bundle.facts.clone().into(),
                key: KeyId::parse(&format!("k{}", dice.below(1 << 30))).unwrap(),
                private_key: NewKey::Here(&secret),
            };
            match desired.certificate(&id) {
                Some(stored) => drop(change.add_version(stored, version, &sealer)),
                None => drop(change.add_certificate(&id, id.as_str(), Management::Unmanaged, version, &sealer)),
            }
        }
        5 => desired.certificate(&id).into_iter().for_each(|stored| change.remove_certificate(stored)),
        6 => {
            if let Some(stored) = desired.certificate(&id).filter(|stored| stored.value.versions.len() > 1) {
                change.set_current(stored, stored.value.versions[0].number);
            }
        }
        7..=10 => {
            let names = (0..=dice.below(2)).map(|_| HostPattern::parse(dice.of(&NAMES)).unwrap());
            let names: std::collections::BTreeSet<HostPattern> = names.collect();
            let certificate = match dice.below(3) {
                0 => SiteCertificate::Fixed(id),
                _ => SiteCertificate::Auto,
            };
            let force_https = dice.of(&[None, Some(ForceHttps::All)]);
            let site = Site { force_https, certificate, ..a_site(site_id, names.into_iter().collect()) };
            change.put_site(&site, Expected::Any);
        }
        11 => change.remove_site(&site_id, Expected::Any),
        12 => {
            let (protocol, address) =
                Binding::parse_url(dice.of(&["https://127.0.0.1:1", "http://127.0.0.2:1"])).unwrap();
            let default_certificate = (dice.below(2) == 0).then_some(id);
            let id = BindingId::parse(&format!("b{}", dice.below(2))).unwrap();
            let binding = Binding { default_certificate, ..Binding::new(id, protocol, address) };
            change.put_binding(&binding, Expected::Any);
        }
        _ => {
            let force_https = dice.of(&[ForceHttps::Off, ForceHttps::All]);
            change.put_settings(&portward_core::Settings { force_https, ..desired.settings.clone() });
        }
    }
}

/// What was built, in a form that can be compared.
fn shown(built: &Built) -> String {
    let snapshot = &built.snapshot;
    let certificate =
        |served: &Arc<ServedCertificate>| format!("{} {} {:?}", served.id, served.thumbprint, served.status);
    let hosts = ["a.test", "b.test", "c.a.test", "d.a.test", "e.test", "x.a.test", "other.test"];
    let mut lines = Vec::new();
    for host in hosts {
        let host = Host::parse(host).unwrap();
        let site = snapshot
            .sites
            .find(&host)
            .map(|site| format!("{} {:?} {:?}", site.id, site.force_https, site.certificate.as_ref().map(certificate)));
        lines.push(format!("{host}: {site:?}, {:?}", snapshot.certificates.find(&host).map(certificate)));
    }
    for binding in &snapshot.bindings {
        let default = binding.default_certificate.as_ref().map(certificate);
        lines.push(format!("{} {} {default:?}", binding.id, binding.address));
    }
    lines.push(format!("{:?} {:#?}", snapshot.revision, built.problems));
    lines.join("\n")
}

#[tokio::test]
async fn what_is_built_of_what_was_touched_is_what_is_built_of_everything() {
    let bundles = bundles();
    for seed in 0..12 {
        let wanted = Wanted::new().await;
        let (mut dice, mut at) = (Dice(seed), now());
        let mut assembly = Assembly::new(wanted.master.clone());
        let mut follower = Follower::begin(&wanted.store).await.unwrap();
        assembly.build(follower.desired(), &Touched::everything(), at);
        let mut in_part = 0;
        for turn in 0..120 {
            for _ in 0..=dice.below(2) {
                if dice.below(40) == 0 {
                    let key = Key::parse(&format!("certs/c{}/v/1", dice.below(5))).unwrap();
                    wanted.store.txn(Txn::new().put(key, "spoilt")).await.unwrap();
                    continue;
                }
                let desired = desired::read(&wanted.store).await.unwrap();
                let mut change = Change::new("test", "", now());
                edit(&mut change, &desired, &mut dice, &bundles, &wanted.master);
                // Where a record is spoilt, a change of its neighbours may be refused.
                let _ = commit(&wanted.store, change).await;
            }
            match dice.below(40) {
                0..=3 => at = at.plus(Duration::from_secs(dice.below(30) * DAY)),
                4 => at = at.minus(Duration::from_secs(dice.below(30) * DAY)),
                _ => {}
            }
            let mut touched = Touched::default();
            follower.catch_up(&wanted.store, &mut touched).await.unwrap();
            in_part += u64::from(!touched.everything);
            let desired = follower.desired();
            let built = assembly.build(desired, &touched, at);
            let anew = Assembly::new(wanted.master.clone()).build(desired, &Touched::everything(), at);
            assert_eq!(shown(&built), shown(&anew), "seed {seed}, turn {turn}: {touched:#?}");
            // It may be sooner, where what would have changed then is gone.
            let is_soon_enough = anew.changes_at.is_none_or(|at| built.changes_at.is_some_and(|sooner| sooner <= at));
            assert!(is_soon_enough, "{:?} and {:?}", built.changes_at, anew.changes_at);
        }
        assert!(in_part > 30, "{in_part}: hardly anything is built in part");
    }
}

#[tokio::test]
async fn keys_that_nobody_has_looked_at_are_looked_at_afterwards() {
    let wanted = Wanted::new().await.certificate("good", &["a.test"], 0, 90).await;
    let mut desired = wanted.read().await;
    let good = desired.certificates[0].clone();
    let version = Arc::clone(good.value.current_version().unwrap());
    let sealed = desired.private_key(&version.key).unwrap().clone();
    // So many that not all are opened at once; the key of the last one was sealed for another place.
    for n in 0..300 {
        let mut stored = good.clone();
        stored.value.id = CertificateId::parse(&format!("z{n:03}")).unwrap();
        if n == 299 {
            let key = KeyId::parse("swapped").unwrap();
            let version = portward_core::CertificateVersion { key, number: VersionNumber(1), ..(*version).clone() };
            stored.value.versions = [Arc::new(version)].into();
        }
        desired.certificates.insert(stored);
    }
    desired.keys.insert(StoredKey { id: KeyId::parse("swapped").unwrap(), sealed });
    let mut assembly = Assembly::new(wanted.master.clone());
    let built = assembly.build(&desired, &Touched::everything(), now());
    assert_eq!(codes(&built.problems), []);
    let (mut unusable, mut looked_at) = (Vec::new(), 0);
    loop {
        let keys = assembly.take_unchecked();
        if keys.is_empty() {
            break;
        }
        looked_at += keys.len();
        unusable.extend(keys.into_iter().filter(|(_, key)| !key.opens()).map(|(id, _)| id));
    }
    assert!(looked_at >= 45, "{looked_at}");
    assert_eq!(unusable, [CertificateId::parse("z299").unwrap()]);
    assembly.doubt(unusable.iter().cloned());
    let touched = Touched { certificates: unusable.into_iter().collect(), ..Touched::default() };
    let built = assembly.build(&desired, &touched, now());
    assert_eq!(codes(&built.problems), [("certificate-unusable", "certificate z299".to_owned(), Error)]);
}
