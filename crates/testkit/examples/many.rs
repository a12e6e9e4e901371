//! Fills the store of a stopped server with many sites and as many certificates, to measure what they cost.
//! `docs/SCALE.md` has the figures.
//!
//! `cargo run --release -p portward-testkit --example many -- DATA_DIR COUNT [SITES]`; without SITES there are as many.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "it is run by hand for its figures")]

use std::{path::Path, sync::Arc, time::Instant};

use portward_core::{
    CertificateId, Chain, HeaderRules, HostPattern, Hsts, KeyId, Management, Site, SiteCertificate, SiteId, SiteLimits,
    Source, Timestamp, Upstream, UpstreamTrust,
};
use portward_store::{
    Page, Prefix, Store,
    change::{Change, Expected, NewKey, NewVersion, commit},
    cluster::Cluster,
    memory::MemoryStore,
    sealing::{MasterKey, Secret},
    sqlite::SqliteStore,
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("DATA_DIR COUNT [SITES]");
    let count: usize = arguments.next().expect("DATA_DIR COUNT [SITES]").parse().unwrap();
    let sites: usize = arguments.next().map_or(count, |sites| sites.parse().unwrap());
    let directory = Path::new(&directory);
    let began = Instant::now();
    let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
    let file = SqliteStore::open(directory, Arc::new(move || now)).unwrap();
    let master = MasterKey::open(&directory.join("master.key")).unwrap();
    let sealer = Cluster::open(&file, master).await.unwrap().sealer;

    // A transaction on the disk for each would take an hour.
    let memory = MemoryStore::new();
    let there = file.list(&Prefix::all(), None, Page::first(usize::MAX)).await.unwrap();
    let content = there.kvs.into_iter().filter(|kv| kv.lease.is_none()).map(|kv| (kv.key, kv.value)).collect();
    memory.replace_all(Vec::new(), content).await.unwrap();

    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Many Test CA 1");
    let authority_key = KeyPair::generate().unwrap();
    let intermediate: Arc<[u8]> = authority.self_signed(&authority_key).unwrap().der().to_vec().into();
    let issuer = Issuer::new(authority, authority_key);
    // Making a key takes longer than all the rest; that all are the same is nowhere noticed.
    let key = KeyPair::generate().unwrap();
    let private_key = Secret::from(key.serialize_der());
    let mut of_its_own = 0;
    let mut change = Change::new("many", "many certificates and sites", now);
    for n in 0..count {
        let name = format!("s{n:06}.many.test");
        let mut params = CertificateParams::new([name.clone()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name.clone());
        (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2036, 1, 1));
        let leaf: Arc<[u8]> = params.signed_by(&key, &issuer).unwrap().der().to_vec().into();
        of_its_own += leaf.len() + private_key.expose().len();
        let mut one = Change::new("many", "", now);
        let version = NewVersion {
            source: Source::Imported,
            added: now,
            facts: Arc::new(portward_certs::facts(&leaf).unwrap()),
            chain: Chain { leaf, intermediates: Arc::new([Arc::clone(&intermediate)]), root: None },
            key: KeyId::parse(&format!("k{n:06}")).unwrap(),
            private_key: NewKey::Here(&private_key),
        };
        let id = CertificateId::parse(&format!("c{n:06}")).unwrap();
        one.add_certificate(&id, &name, Management::Unmanaged, version, &sealer);
        let site = Site {
            id: SiteId::parse(&format!("s{n:06}")).unwrap(),
            names: [HostPattern::parse(&name).unwrap()].into(),
            upstreams: [Upstream::parse("http://127.0.0.1:9").unwrap()].into(),
            upstream_trust: UpstreamTrust::System,
            forwarding: Arc::default(),
            force_https: None,
            hsts: Hsts::Off,
            certificate: SiteCertificate::Auto,
            limits: SiteLimits::default(),
            headers: HeaderRules::default(),
            preset: None,
        };
        if n < sites {
            one.put_site(&site, Expected::Absent);
        }
        if !change.has_room_for(&one) {
            let full = std::mem::replace(&mut change, Change::new("many", "many certificates and sites", now));
            commit(&memory, full).await.unwrap();
            memory.compact(memory.revision().await.unwrap());
        }
        change.absorb(one);
    }
    commit(&memory, change).await.unwrap();
    let all = memory.list(&Prefix::all(), None, Page::first(usize::MAX)).await.unwrap().kvs;
    let content: Vec<_> = all.into_iter().filter(|kv| kv.lease.is_none()).map(|kv| (kv.key, kv.value)).collect();
    let (keys, bytes) = (content.len(), content.iter().map(|(_, value)| value.len()).sum::<usize>());
    file.replace_all(Vec::new(), content).await.unwrap();
    println!(
        "{count} certificates and {} sites in {:.1} s: {keys} keys with {bytes} bytes; leaf and private key have {} bytes each",
        sites.min(count),
        began.elapsed().as_secs_f64(),
        of_its_own / count.max(1)
    );
}
