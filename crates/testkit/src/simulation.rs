//! Years of renewals in seconds: the real engine over a store in memory, with a clock that jumps from one thing that is
//! due to the next, and the fault CA.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use portward_certs::{
    acme::CertificateAuthority,
    dns::{TxtError, TxtRecord, TxtWriter},
    self_signed, self_signed_validity,
};
use portward_core::{
    ActorKind, CertificateId, DnsProviderId, HostPattern, IssuerId, KeyId, Management, Revision, Scheme, Source,
    Thumbprint, Timestamp, VersionNumber,
    acme::{Advice, ChallengeKind, DirectoryTrust, Issuer, IssuerPorts, KeyAlgorithm, KeyReuse, Managed, Outcome},
};
use portward_server::renewals::{Engine, EngineParts, NoRequest, RequestWanted, Shown, Surroundings, TxtPlace};
use portward_store::{
    Store,
    backup::{self, Existing, RestoredBy, restore_into},
    change::{Change, Expected, NewKey, NewVersion, commit},
    cluster::{Cluster, OpenedCluster},
    desired,
    memory::MemoryStore,
    sealing::{MasterKey, Secret},
    work,
};
use zeroize::Zeroizing;

use crate::FaultCa;

/// Is an engine that keeps certificates in simulated time.
pub struct Simulation {
    /// Who issues.
    pub ca: FaultCa,
    /// A second CA, for those that may ask two.
    pub other: FaultCa,
    clock: Arc<AtomicI64>,
    txt: Arc<Mutex<BTreeSet<String>>>,
    store: MemoryStore,
    master: MasterKey,
    kept: Kept,
    engine: Arc<Engine>,
    names: Vec<String>,
}

/// Says which certificates there are.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// How many, one name each.
    pub count: usize,
    /// Whether the second CA may be asked where the first one fails.
    pub two_issuers: bool,
    /// Whether control is shown by dns-01: all by TXT records of one name, to which all names lead, in a zone of which a
    /// name's values can be read and replaced.
    pub dns: bool,
    /// How long before the end they are renewed; none for the usual rules.
    pub renew_before: Option<Duration>,
}

struct Simulated {
    clock: Arc<AtomicI64>,
    cas: BTreeMap<String, FaultCa>,
    /// Values of the one TXT record.
    txt: Arc<Mutex<BTreeSet<String>>>,
}

/// Replaces all values by one more or less, as APIs of most DNS providers have it.
struct Replacing(Arc<Mutex<BTreeSet<String>>>);

impl Simulation {
    /// Begins at noon of some day, with nothing issued.
    pub async fn begin(kept: Kept) -> Self {
        let clock = Arc::new(AtomicI64::new(Timestamp::parse("2026-11-20T12:00:00Z").unwrap().unix()));
        let (ca, other) = (FaultCa::with_clock(Arc::clone(&clock)), FaultCa::with_clock(Arc::clone(&clock)));
        for ca in [&ca, &other] {
            ca.configure(|config| config.cheap_keys = true);
        }
        let (store, master) = (MemoryStore::new(), MasterKey::generate());
        let now = Timestamp::from_unix(clock.load(Ordering::SeqCst)).unwrap();
        let names: Vec<String> = (0..kept.count).map(|number| format!("n{number}.shop.test")).collect();
        seed(&store, &master, &names, &kept, now).await;
        let txt = Arc::default();
        let outside = outside(&clock, &txt, &ca, &other);
        let engine = engine(&store, &master, outside).await;
        Self { ca, other, clock, txt, store, master, kept, engine, names }
    }

    /// Ends the engine as a kill would, and starts another one on the same store.
    pub async fn restart(&mut self) {
        let outside = outside(&self.clock, &self.txt, &self.ca, &self.other);
        self.engine = engine(&self.store, &self.master, outside).await;
    }

    /// Puts the backup of another cluster with the same master key in the place of everything, while the engine runs:
    /// one with the same certificates, of which none was issued.
    pub async fn restore_another_cluster(&self) {
        let (another, directory) = (MemoryStore::new(), tempfile::tempdir().unwrap());
        seed(&another, &self.master, &self.names, &self.kept, self.now()).await;
        let file = directory.path().join("backup");
        backup::write(&another, &file).await.unwrap();
        let by = RestoredBy { who: "simulation".to_owned(), actor: ActorKind::Socket, address: None, at: self.now() };
        restore_into(&self.store, &file, &self.master, Existing::Replace, &by).await.unwrap();
        self.engine.load().await.unwrap();
    }

    /// Whether the key of what is served for a name, and that of the account, open for the cluster that the store is of.
    pub async fn opens(&self, number: usize) -> bool {
        let OpenedCluster { sealer, .. } = Cluster::open(&self.store, self.master.clone()).await.unwrap();
        let account = work::StoredAccount::read(&self.store, &sealer, &IssuerId::parse("first").unwrap()).await;
        let stored = desired::read_certificate(&self.store, &id(number)).await.unwrap().unwrap();
        let version = stored.value.current_version().unwrap();
        let key = desired::read_private_key(&self.store, &sealer, &version.key).await;
        account.is_ok_and(|account| account.is_some()) && key.is_ok_and(|key| key.is_some())
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    /// How many values the TXT record has.
    pub fn txt_values(&self) -> usize {
        self.txt.lock().unwrap().len()
    }

    /// Sets the clock of everybody.
    pub fn set_now(&self, now: Timestamp) {
        self.clock.store(now.unix(), Ordering::SeqCst);
    }

    /// Wants other names in a certificate.
    pub async fn want(&self, number: usize, names: &[&str]) {
        let stored = desired::read_certificate(&self.store, &id(number)).await.unwrap().unwrap();
        let managed = stored.value.management.managed().unwrap();
        let names = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
        let management = Management::Managed(Arc::new(Managed { names, ..Managed::clone(managed) }));
        let mut change = Change::new("simulation", "other names", self.now());
        change.edit_certificate(&stored, &stored.value.name, &management);
        commit(&self.store, change).await.unwrap();
        self.engine.wake(&id(number));
    }

    /// Goes back to the version before, as an operator does.
    pub async fn roll_back(&self, number: usize) {
        let stored = desired::read_certificate(&self.store, &id(number)).await.unwrap().unwrap();
        let mut change = Change::new("simulation", "roll back", self.now());
        change.set_current(&stored, VersionNumber(stored.value.current.0 - 1));
        commit(&self.store, change).await.unwrap();
        self.engine.wake(&id(number));
    }

    /// Asks for a renewal if it is due, as an operator does.
    pub async fn ask(&self, number: usize) {
        let mut change = Change::of_work();
        let request = work::RenewalRequest { at: self.now(), renew: true, force: false, placed: false };
        change.put_request(&id(number), &request);
        commit(&self.store, change).await.unwrap();
        self.engine.wake(&id(number));
    }

    /// The names that are kept.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many turns certificates have had since the last start.
    pub fn turns(&self) -> u64 {
        self.engine.turns()
    }

    /// Lets time go by.
    pub async fn run(&self, span: Duration) {
        let end = self.now().plus(span);
        loop {
            let next = self.engine.run_due().await;
            // Nobody is woken within the same second again and again.
            let next = next.map_or(end, |next| next.max(self.now().plus(Duration::from_secs(1))));
            // Nobody watches from before.
            self.store.compact(self.store.revision().await.unwrap());
            if next >= end {
                self.clock.store(end.unix(), Ordering::SeqCst);
                return;
            }
            self.clock.store(next.unix(), Ordering::SeqCst);
        }
    }

    /// Last second of validity of what is served for a name; none before a CA has issued.
    pub async fn served_until(&self, number: usize) -> Option<Timestamp> {
        let stored = desired::read_certificate(&self.store, &id(number)).await.unwrap().unwrap();
        let version = stored.value.current_version().unwrap();
        (version.source == Source::Acme).then_some(version.facts.validity.not_after)
    }

    /// What is remembered of a renewal: attempts that failed in a row, and the word for what went wrong last.
    pub async fn trouble(&self, number: usize) -> (u32, Option<String>) {
        let renewal = work::Renewal::read(&self.store, &id(number)).await.unwrap().unwrap_or_default();
        (renewal.failures, renewal.trouble)
    }

    /// The newest attempts for a name: whether each succeeded, or why not.
    pub async fn attempts(&self, number: usize) -> Vec<Result<(), String>> {
        let attempts = work::newest_attempts(&self.store, Some(&id(number)), usize::MAX).await.unwrap();
        let outcome = |outcome: &Outcome| match outcome {
            Outcome::Served { .. } => Ok(()),
            Outcome::Failed { diagnosis, .. } => Err(diagnosis.code.clone()),
        };
        attempts.iter().filter_map(|attempt| attempt.outcome.as_ref().map(outcome)).collect()
    }

    /// Gaps in which a name had no certificate that was valid, after the first one was issued.
    pub fn expiries(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for name in &self.names {
            let mut issued = self.ca.issued(name);
            issued.extend(self.other.issued(name));
            issued.sort_unstable();
            for (index, (_, until)) in issued.iter().enumerate() {
                let next = issued.get(index + 1).map_or_else(|| self.now(), |(at, _)| *at);
                if next > *until {
                    gaps.push(format!("{name} from {until} to {next}"));
                }
            }
            if issued.is_empty() {
                gaps.push(format!("{name} was never issued"));
            }
        }
        gaps
    }
}

fn outside(
    clock: &Arc<AtomicI64>,
    txt: &Arc<Mutex<BTreeSet<String>>>,
    ca: &FaultCa,
    other: &FaultCa,
) -> Arc<Simulated> {
    let cas = [("first".to_owned(), ca.clone()), ("second".to_owned(), other.clone())].into();
    Arc::new(Simulated { clock: Arc::clone(clock), cas, txt: Arc::clone(txt) })
}

async fn engine(store: &MemoryStore, master: &MasterKey, outside: Arc<Simulated>) -> Arc<Engine> {
    let engine = Arc::new(Engine::new(EngineParts {
        store: Arc::new(store.clone()),
        master: master.clone(),
        surroundings: outside,
        side_by_side: NonZeroUsize::new(16).unwrap(),
    }));
    engine.load().await.unwrap();
    engine
}

async fn seed(store: &dyn Store, master: &MasterKey, names: &[String], kept: &Kept, now: Timestamp) {
    let sealer = &Cluster::open(store, master.clone()).await.unwrap().sealer;
    let issuer = |id: &str| Issuer {
        id: IssuerId::parse(id).unwrap(),
        directory: format!("https://{id}.ca.test/directory"),
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
    let mut change = Change::new("simulation", "issuers", now);
    change.put_issuer(&issuer("first"), None, sealer, Expected::Absent);
    change.put_issuer(&issuer("second"), None, sealer, Expected::Absent);
    let dns = kept.dns.then(|| DnsProviderId::parse("zone").unwrap());
    if let Some(id) = &dns {
        change.put_dns_provider(id, "exec", BTreeMap::new(), &BTreeMap::new(), sealer, Expected::Absent);
    }
    commit(store, change).await.unwrap();
    let ids: &[&str] = if kept.two_issuers { &["first", "second"] } else { &["first"] };
    let bridge = self_signed(&[HostPattern::parse("bridge.test").unwrap()], self_signed_validity(now, 90)).unwrap();
    let (secret, facts) = (Secret::copy_of(bridge.key.as_pkcs8_der()), Arc::new(bridge.facts));
    for (number, name) in names.iter().enumerate() {
        let managed = Managed {
            names: vec![HostPattern::parse(name).unwrap()],
            issuers: ids.iter().map(|id| IssuerId::parse(id).unwrap()).collect(),
            challenge: None,
            profile: None,
            dns: dns.clone(),
            key: KeyAlgorithm::EcdsaP256,
            reuse: KeyReuse::New,
            key_on: None,
            renew_before: kept.renew_before,
        };
        let version = NewVersion {
            source: Source::SelfSigned,
            added: now,
            chain: bridge.chain.clone(),
            facts: Arc::clone(&facts),
            key: KeyId::parse(&format!("bridge-{number}")).unwrap(),
            private_key: NewKey::Here(&secret),
        };
        let mut change = Change::new("simulation", "certificate", now);
        change.add_certificate(&id(number), name, Management::Managed(Arc::new(managed)), version, sealer);
        commit(store, change).await.unwrap();
    }
}

fn id(number: usize) -> CertificateId {
    CertificateId::parse(&format!("n{number}")).unwrap()
}

#[async_trait]
impl Surroundings for Simulated {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.clock.load(Ordering::SeqCst)).unwrap()
    }

    fn authority(&self, issuer: &Issuer) -> Result<Arc<dyn CertificateAuthority>, String> {
        Ok(Arc::new(self.cas[issuer.id.as_str()].clone()))
    }

    fn listens(&self, _scheme: Scheme, _port: u16) -> bool {
        true
    }

    fn challenge_port_trouble(&self, _port: u16) -> Option<String> {
        None
    }

    async fn served(&self, _revision: Revision) -> Result<(), String> {
        Ok(())
    }

    async fn shown(&self, _name: &HostPattern, _thumbprint: &Thumbprint) -> Shown {
        Shown::It
    }

    fn writer(
        &self,
        _kind: &str,
        _settings: BTreeMap<String, Zeroizing<String>>,
    ) -> Result<Box<dyn TxtWriter>, String> {
        Ok(Box::new(Replacing(Arc::clone(&self.txt))))
    }

    async fn txt_place(&self, _issuer: &Issuer, _name: &str) -> Result<TxtPlace, String> {
        Ok(TxtPlace { zone: "acme.test".to_owned(), name: "all.acme.test".to_owned() })
    }

    async fn txt_missing(
        &self,
        _issuer: &Issuer,
        _place: &TxtPlace,
        value: &str,
    ) -> Result<Vec<(String, String)>, String> {
        let is_there = self.txt.lock().unwrap().contains(value);
        Ok(if is_there { Vec::new() } else { vec![("ns.acme.test".to_owned(), "nothing".to_owned())] })
    }

    async fn signing_request(&self, wanted: &RequestWanted<'_>) -> Result<Vec<u8>, NoRequest> {
        Err(NoRequest::Refused(format!("there is no agent {} in a simulation", wanted.agent)))
    }

    async fn advise(
        &self,
        _issuer: &Issuer,
        _name: &HostPattern,
        _kind: ChallengeKind,
        _answer: Option<(&str, &str)>,
    ) -> Vec<Advice> {
        Vec::new()
    }
}

impl Replacing {
    async fn replace(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        let mut values = self.0.lock().unwrap().clone();
        change(&mut values);
        // The API takes its time.
        tokio::task::yield_now().await;
        *self.0.lock().unwrap() = values;
    }
}

#[async_trait]
impl TxtWriter for Replacing {
    async fn add(&self, record: &TxtRecord) -> Result<(), TxtError> {
        let value = record.value.clone();
        self.replace(|values| _ = values.insert(value)).await;
        Ok(())
    }

    async fn remove(&self, record: &TxtRecord) -> Result<(), TxtError> {
        self.replace(|values| _ = values.remove(&record.value)).await;
        Ok(())
    }
}
