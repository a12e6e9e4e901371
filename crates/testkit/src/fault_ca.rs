//! A CA of ours that speaks ACME, and does what goes wrong with real ones: when a test says so, by a clock of the test.
//!
//! [`FaultCa`] is the CA. It is a [`CertificateAuthority`](portward_certs::acme::CertificateAuthority) itself, without
//! HTTP and without waiting, so that years pass in seconds; every fault comes out as the error that the client would
//! make of it. Everything that was asked is remembered, and [`FaultCa::retry_after_violations`] and its like say how a
//! client behaved. [`FaultCaServer`] is the same CA over HTTPS.

mod authorizations;
mod certificates;
mod config;
mod dice;
mod direct;
mod fault;
mod http;
mod limits;
mod orders;
mod perform;
mod record;
mod signer;
mod state;
mod validate;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portward_core::Timestamp;

pub use config::{Ari, Config, Limits, Look, Validation, Verdict};
pub use fault::{Endpoint, Fault};
pub use http::FaultCaServer;
pub use record::{Asked, Outcome};

use state::State;

/// Is a CA whose behaviour, faults and clock a test sets. Clones are the same CA.
#[derive(Clone)]
pub struct FaultCa {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl FaultCa {
    /// Makes a CA that goes by that clock, without faults.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { state: Arc::new(Mutex::new(State::new())), clock: Arc::new(clock) }
    }

    /// Makes a CA whose clock is a number of seconds since 1970 that the test holds.
    pub fn with_clock(seconds: Arc<AtomicI64>) -> Self {
        Self::new(move || Timestamp::from_unix(seconds.load(Ordering::SeqCst)).unwrap())
    }

    /// Makes a CA whose clock begins there and goes on by itself, for clients that wait for real.
    pub fn ticking_from(begin: Timestamp) -> Self {
        let begun = Instant::now();
        Self::new(move || begin.plus(begun.elapsed()))
    }

    /// What the CA's clock says.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Changes how it behaves, from now on.
    pub fn configure(&self, change: impl FnOnce(&mut Config)) {
        change(&mut self.lock().config);
    }

    /// Changes the lifetime of certificates without a profile.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.configure(|config| config.lifetime = lifetime);
    }

    /// Changes how challenges are looked at.
    pub fn set_validation(&self, validation: Validation) {
        self.configure(|config| config.validation = validation);
    }

    /// Scripts the verdict on a name; names without one are good.
    pub fn set_verdict(&self, name: &str, verdict: Verdict) {
        self.configure(|config| match &mut config.validation {
            Validation::Scripted(verdicts) => {
                verdicts.insert(name.to_owned(), verdict);
            }
            other => *other = Validation::Scripted([(name.to_owned(), verdict)].into()),
        });
    }

    /// Lets the next request for a thing go wrong, after those that were told before; an outage lasts its time.
    pub fn fail(&self, endpoint: Endpoint, fault: Fault) {
        self.fail_times(endpoint, fault, 1);
    }

    /// Lets as many requests for a thing go wrong; an outage lasts its time.
    pub fn fail_times(&self, endpoint: Endpoint, fault: Fault, times: u32) {
        if times > 0 {
            self.lock().faults.queue(endpoint, fault, times);
        }
    }

    /// Lets requests for a thing go wrong until [`FaultCa::clear_faults`].
    pub fn fail_always(&self, endpoint: Endpoint, fault: Fault) {
        self.lock().faults.queue(endpoint, fault, fault::FOREVER);
    }

    /// Lets requests go wrong with a chance between 0 and 1; for a thing, or for anything.
    pub fn fail_by_chance(&self, endpoint: Option<Endpoint>, chance: f64, fault: Fault) {
        self.lock().faults.chance(endpoint, chance, fault);
    }

    /// Sets what chance grows out of; the same requests with the same seed have the same faults.
    pub fn seed(&self, seed: u64) {
        self.lock().faults.seed(seed);
    }

    /// Lets nobody listen between the two times; the end is not in it.
    pub fn outage(&self, from: Timestamp, until: Timestamp) {
        for endpoint in Endpoint::ALL {
            self.fail(endpoint, Fault::Outage { from, until });
        }
    }

    /// Takes back all faults.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Says that a certificate, given in DER, should be renewed in that window.
    pub fn set_window(&self, leaf_der: &[u8], from: Timestamp, until: Timestamp, explanation_url: Option<&str>) {
        let id = signer::certificate_id(leaf_der).unwrap();
        let mut state = self.lock();
        let certificate = state.certificates.get_mut(&id).unwrap();
        certificate.window = Some((from, until, explanation_url.map(str::to_owned)));
    }

    /// Says that all certificates of now should have been renewed already.
    pub fn move_windows_into_the_past(&self, explanation_url: Option<&str>) {
        let now = self.now();
        for certificate in self.lock().certificates.values_mut() {
            let (from, until) = (now.minus(2 * limits::HOUR), now.minus(limits::HOUR));
            certificate.window = Some((from, until, explanation_url.map(str::to_owned)));
        }
    }

    /// Forgets an account, as a CA that was set up anew does.
    pub fn forget_accounts(&self) {
        let mut state = self.lock();
        state.accounts.clear();
        state.by_thumbprint.clear();
    }

    /// The root of its certificates, in PEM.
    pub fn issuing_root_pem(&self) -> String {
        self.lock().signer.root_pem()
    }

    /// The root of the alternate chain, in PEM.
    pub fn other_root_pem(&self) -> String {
        self.lock().signer.other_root_pem()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed in the middle of a change is not made clearer by a second panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FaultCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultCa").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// Thumbprint of a key of ECDSA on P-256 by its coordinates in base64url (RFC 7638 section 3).
fn thumbprint(x: &str, y: &str) -> String {
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    base64url(digest::digest(&digest::SHA256, members.as_bytes()))
}

/// Base64 as all of ACME has it.
fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
