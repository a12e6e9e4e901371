//! What the CA remembers: accounts, orders, authorizations, certificates.

use std::collections::{BTreeMap, HashMap, VecDeque};

use portward_certs::acme::{AuthorizationStatus, ChallengeStatus, OrderStatus};
use portward_core::{
    HostPattern, Timestamp,
    acme::{AcmeProblem, ChallengeKind},
};
use serde_json::Value;

use super::{
    Config, Verdict,
    dice::Dice,
    fault::Faults,
    perform::{About, Refusal},
    record::Ledger,
    signer::Signer,
};

pub(super) struct State {
    pub(super) config: Config,
    pub(super) faults: Faults,
    pub(super) ledger: Ledger,
    pub(super) signer: Signer,
    pub(super) dice: Dice,
    pub(super) last_id: u64,
    /// The last id when what was over was forgotten.
    pub(super) pruned_at: u64,
    pub(super) accounts: BTreeMap<u64, Account>,
    pub(super) by_thumbprint: HashMap<String, u64>,
    pub(super) orders: BTreeMap<u64, Order>,
    /// Orders that may be reused, by account and sorted names.
    pub(super) open_orders: HashMap<(u64, Vec<HostPattern>), u64>,
    pub(super) authorizations: BTreeMap<u64, Authorization>,
    pub(super) valid_authorizations: HashMap<(u64, HostPattern), u64>,
    /// By what RFC 9773 section 4.1 calls them.
    pub(super) certificates: HashMap<String, Certificate>,
    /// When was issued for a set of names, of the last seven days.
    pub(super) same_set: HashMap<Vec<HostPattern>, VecDeque<Timestamp>>,
    /// Thumbprints and public keys of the private keys that came by the direct front.
    pub(super) thumbprints: HashMap<Vec<u8>, (String, Value)>,
}

pub(super) struct Account {
    pub(super) thumbprint: String,
    /// The public key as JWK.
    pub(super) jwk: Value,
    pub(super) contacts: Vec<String>,
    pub(super) orders: Vec<u64>,
    pub(super) order_times: VecDeque<Timestamp>,
    pub(super) failures: HashMap<HostPattern, VecDeque<Timestamp>>,
}

pub(super) struct Order {
    pub(super) account: u64,
    pub(super) names: Vec<HostPattern>,
    pub(super) profile: Option<String>,
    pub(super) replaces: Option<String>,
    pub(super) status: OrderStatus,
    pub(super) authorizations: Vec<u64>,
    pub(super) expires: Timestamp,
    pub(super) error: Option<AcmeProblem>,
    /// The key that the signing request is for.
    pub(super) key: Option<rcgen::PublicKey>,
    pub(super) polls: u32,
    pub(super) certificate: Option<String>,
}

pub(super) struct Authorization {
    pub(super) account: u64,
    pub(super) name: HostPattern,
    pub(super) status: AuthorizationStatus,
    pub(super) expires: Timestamp,
    pub(super) validated: Option<Timestamp>,
    pub(super) challenges: Vec<Challenge>,
    /// A verdict that shows after so many looks.
    pub(super) waiting: Option<(ChallengeKind, Verdict, u32)>,
}

pub(super) struct Challenge {
    pub(super) kind: ChallengeKind,
    pub(super) token: String,
    pub(super) status: ChallengeStatus,
    pub(super) error: Option<AcmeProblem>,
}

pub(super) struct Certificate {
    pub(super) account: u64,
    pub(super) names: Vec<HostPattern>,
    /// The default chain, then the alternate ones.
    pub(super) chains: Vec<String>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The order that replaces it.
    pub(super) replacement: Option<u64>,
    pub(super) revoked: bool,
    pub(super) window: Option<(Timestamp, Timestamp, Option<String>)>,
}

impl Challenge {
    pub(super) fn is_decided(&self) -> bool {
        matches!(self.status, ChallengeStatus::Valid | ChallengeStatus::Invalid)
    }
}

impl State {
    pub(super) fn new() -> Self {
        let signer = Signer::new();
        Self {
            // No token or nonce of one CA is one of another.
            dice: Dice::new(signer.seed()),
            config: Config::default(),
            faults: Faults::default(),
            ledger: Ledger::default(),
            signer,
            last_id: 0,
            pruned_at: 0,
            accounts: BTreeMap::new(),
            by_thumbprint: HashMap::new(),
            orders: BTreeMap::new(),
            open_orders: HashMap::new(),
            authorizations: BTreeMap::new(),
            valid_authorizations: HashMap::new(),
            certificates: HashMap::new(),
            same_set: HashMap::new(),
            thumbprints: HashMap::new(),
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Names, a text that tells things apart, and what is replaced.
    pub(super) fn resolve(&self, about: About) -> (Vec<HostPattern>, String, Option<String>) {
        let text = |names: &[HostPattern]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match about {
            About::Nothing => (Vec::new(), String::new(), None),
            About::Names { mut names, replaces } => {
                names.sort();
                let subject = text(&names);
                (names, subject, replaces)
            }
            About::Order(id) => {
                let names = self.orders.get(&id).map(|order| order.names.clone()).unwrap_or_default();
                let subject = format!("{} (order {id})", text(&names));
                (names, subject, None)
            }
            About::Authorization(id) => {
                let names: Vec<_> = self.authorizations.get(&id).map(|one| one.name.clone()).into_iter().collect();
                let subject = format!("{} (authorization {id})", text(&names));
                (names, subject, None)
            }
            // Of two certificates for the same names one may be asked about right after the other.
            About::Certificate(id) => {
                (self.certificates.get(&id).map(|one| one.names.clone()).unwrap_or_default(), id, None)
            }
        }
    }

    /// Makes the account of a key, or finds it; says whether it is new.
    pub(super) fn register(&mut self, thumbprint: &str, jwk: Value, contacts: Vec<String>) -> (u64, bool) {
        if let Some(id) = self.by_thumbprint.get(thumbprint) {
            return (*id, false);
        }
        let id = self.next_id();
        self.by_thumbprint.insert(thumbprint.to_owned(), id);
        let account = Account {
            thumbprint: thumbprint.to_owned(),
            jwk,
            contacts,
            orders: Vec::new(),
            order_times: VecDeque::new(),
            failures: HashMap::new(),
        };
        self.accounts.insert(id, account);
        (id, true)
    }

    pub(super) fn account(&mut self, id: u64) -> Result<&mut Account, Refusal> {
        self.accounts.get_mut(&id).ok_or_else(no_account)
    }

    /// Gives an account another key.
    pub(super) fn roll_over(&mut self, id: u64, thumbprint: &str, jwk: Value) -> Result<(), Refusal> {
        if self.by_thumbprint.get(thumbprint).is_some_and(|other| *other != id) {
            return Err(Refusal::new(409, "malformed", "New key is already in use for a different account"));
        }
        let account = self.account(id)?;
        let old = std::mem::replace(&mut account.thumbprint, thumbprint.to_owned());
        account.jwk = jwk;
        self.by_thumbprint.remove(&old);
        self.by_thumbprint.insert(thumbprint.to_owned(), id);
        Ok(())
    }

    pub(super) fn forget_account(&mut self, id: u64) {
        if let Some(account) = self.accounts.remove(&id) {
            self.by_thumbprint.remove(&account.thumbprint);
        }
    }

    /// Forgets what is over, now and then.
    pub(super) fn prune(&mut self, now: Timestamp) {
        self.orders.retain(|_, order| now < order.expires);
        let orders = &self.orders;
        self.open_orders.retain(|_, id| orders.contains_key(id));
        for account in self.accounts.values_mut() {
            account.orders.retain(|id| orders.contains_key(id));
            account.failures.retain(|_, times| times.back().is_some_and(|last| now < last.plus(super::limits::HOUR)));
        }
        self.authorizations.retain(|_, authorization| now < authorization.expires);
        let authorizations = &self.authorizations;
        self.valid_authorizations.retain(|_, id| authorizations.contains_key(id));
        self.certificates.retain(|_, certificate| now < certificate.until);
        self.ledger.prune(now);
    }
}

pub(super) fn no_account() -> Refusal {
    Refusal::new(400, "accountDoesNotExist", "Account is not known here; it may have been deleted")
}
