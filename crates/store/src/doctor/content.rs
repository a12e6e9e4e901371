//! The records of a store: whether each can be read, was written by us, opens, and refers to what is there.

use std::collections::BTreeSet;

use portward_core::{KeyId, SiteCertificate};

use super::{Finding, RESTORE};
use crate::{
    Kv, Store, StoreError,
    access::{self, open_second_factor},
    agents::{self, open_delivery_password, open_join_secret},
    audit::verify,
    cluster::Cluster,
    desired::{
        self, Desired, open_channel_secrets, open_dns_secrets, open_eab_key, open_identity_key, open_private_key,
    },
    memory::MemoryStore,
    place::Place,
    sealing::{MasterKey, Sealer},
};

/// Looks at all records.
pub(super) async fn look(kvs: Vec<Kv>, master: Option<&MasterKey>) -> Vec<Finding> {
    let count = kvs.len();
    let (known, unknown): (Vec<Kv>, Vec<Kv>) =
        kvs.into_iter().partition(|kv| Place::of(&kv.key).is_some() || is_of_work(kv));
    let content = known.into_iter().map(|kv| (kv.key, kv.value)).collect();
    // What reads the records of a running server reads them here, too.
    let store = MemoryStore::new();
    let looked = async {
        store.replace_all(Vec::new(), content).await?;
        let mut findings = Vec::new();
        let desired = desired::read(&store).await?;
        findings.push(records(&store, &desired, count, &unknown).await?);
        findings.push(references(&desired));
        if let Some(master) = master {
            match Cluster::open(&store, master.clone()).await {
                Ok(opened) if opened.is_new => {
                    findings.push(Finding::bad("cluster", "nothing says whose the store is", RESTORE));
                }
                Ok(opened) => {
                    let Cluster { id, generation } = &opened.cluster;
                    findings.push(Finding::good("cluster", format!("it is {id}, generation {generation}")));
                    findings.extend(secrets(&store, &desired, &opened.sealer).await?);
                }
                Err(error) => findings.push(Finding::bad(
                    "cluster",
                    error.to_string(),
                    "put the master key file back that was saved with the store",
                )),
            }
        }
        findings.push(chain(&store).await?);
        Ok::<_, StoreError>(findings)
    };
    looked.await.unwrap_or_else(|error| vec![Finding::bad("records", error.to_string(), RESTORE)])
}

/// What is no part of the desired state has readers of its own.
fn is_of_work(kv: &Kv) -> bool {
    ["work/", "audit/", "audit-head", "ops/"].iter().any(|prefix| kv.key.as_str().starts_with(prefix))
}

async fn records(store: &MemoryStore, desired: &Desired, count: usize, unknown: &[Kv]) -> Result<Finding, StoreError> {
    let mut bad: Vec<String> = desired.bad.iter().map(|bad| format!("{}: {}", bad.key, causes(&*bad.reason))).collect();
    bad.extend(unknown.iter().map(|kv| format!("{}: nothing of this Portward has such a key", kv.key)));
    let listed =
        store.list(&crate::Prefix::of_checked("access/".to_owned()), None, crate::Page::first(usize::MAX)).await?;
    for kv in listed.kvs {
        let read = match Place::of(&kv.key) {
            Some(Place::User(name)) => access::read_user(store, &name).await.map(drop),
            Some(Place::Token(id)) => access::read_token(store, &id).await.map(drop),
            Some(Place::Setup) => access::read_setup(store).await.map(drop),
            Some(Place::Oidc) => access::read_oidc(store).await.map(drop),
            _ => Ok(()),
        };
        if let Err(error) = read {
            bad.push(format!("{}: {}", kv.key, causes(&error)));
        }
    }
    Ok(match bad.is_empty() {
        true => Finding::good("records", format!("all {count} can be read")),
        false => Finding::bad("records", some(&bad), RESTORE),
    })
}

/// Whether what is referred to is there.
fn references(desired: &Desired) -> Finding {
    let mut missing = Vec::new();
    for stored in &desired.sites {
        if let SiteCertificate::Fixed(id) = &stored.value.certificate
            && desired.certificate(id).is_none()
        {
            missing.push(format!("site {} names the certificate {id}", stored.value.id));
        }
    }
    for stored in &desired.bindings {
        if let Some(id) = stored.value.default_certificate.as_ref().filter(|id| desired.certificate(id).is_none()) {
            missing.push(format!("binding {} names the certificate {id}", stored.value.id));
        }
    }
    let mut used: BTreeSet<&KeyId> = BTreeSet::new();
    for stored in &desired.certificates {
        let certificate = &stored.value;
        for version in certificate.versions.iter().filter(|version| version.key_on.is_none()) {
            used.insert(&version.key);
            if desired.private_key(&version.key).is_none() {
                let (number, key) = (version.number, &version.key);
                missing.push(format!("version {number} of certificate {} has the private key {key}", certificate.id));
            }
        }
        let managed = certificate.management.managed();
        for issuer in managed.iter().flat_map(|managed| &managed.issuers).filter(|id| desired.issuer(id).is_none()) {
            missing.push(format!("certificate {} names the issuer {issuer}", certificate.id));
        }
    }
    let unused = desired.keys.iter().filter(|stored| !used.contains(&stored.id)).count();
    if !missing.is_empty() {
        let seen = format!("not there, although something refers to it: {}", some(&missing));
        return Finding::bad("references", seen, "portward status says what is not served because of it");
    }
    if unused > 0 {
        let seen = format!("all that is referred to is there; {unused} private keys belong to no certificate");
        return Finding::warning("references", seen, "nothing has to be done: they are sealed, and nobody uses them");
    }
    Finding::good("references", "all that is referred to is there")
}

/// Whether secrets open, and whether what must not be forged was not.
async fn secrets(store: &MemoryStore, desired: &Desired, sealer: &Sealer) -> Result<Vec<Finding>, StoreError> {
    let mut bad = Vec::new();
    let mut count = 0;
    let mut look = |what: String, opened: Result<(), String>| {
        count += 1;
        if let Err(error) = opened {
            bad.push(format!("{what}: {error}"));
        }
    };
    for stored in &desired.keys {
        let opened = open_private_key(sealer, &stored.id, &stored.sealed);
        look(format!("private key {}", stored.id), opened.map(drop).map_err(|error| error.to_string()));
    }
    for stored in &desired.issuers {
        if let Some(sealed) = &stored.value.eab_mac_key {
            let id = &stored.value.issuer.id;
            let opened = open_eab_key(sealer, id, sealed);
            look(format!("issuer {id}"), opened.map(drop).map_err(|error| error.to_string()));
        }
    }
    for stored in &desired.dns_providers {
        let opened = open_dns_secrets(sealer, &stored.value);
        look(format!("DNS provider {}", stored.value.id), opened.map(drop).map_err(|error| error.to_string()));
    }
    for stored in &desired.channels {
        let opened = open_channel_secrets(sealer, &stored.value);
        look(format!("channel {}", stored.value.id), opened.map(drop).map_err(|error| error.to_string()));
    }
    for stored in &desired.identities {
        let opened = open_identity_key(sealer, stored.value.seq, &stored.value.key);
        look(format!("identity {}", stored.value.seq), opened.map(drop).map_err(|error| error.to_string()));
    }
    for stored in access::users(store).await? {
        if let Some(factor) = &stored.value.second_factor {
            let name = &stored.value.user.name;
            let opened = open_second_factor(sealer, name, &factor.secret);
            look(format!("second factor of {name}"), opened.map(drop).map_err(|error| error.to_string()));
        }
    }
    let fleet = agents::read_all(store, sealer).await?;
    for stored in &fleet.deliveries {
        let opened = open_delivery_password(sealer, &stored.value);
        let id = &stored.value.delivery.id;
        look(format!("delivery {id}"), opened.map(drop).map_err(|error| error.to_string()));
    }
    for stored in agents::joins(store, sealer).await? {
        let opened = open_join_secret(sealer, &stored.value);
        look("a join string".to_owned(), opened.map(drop).map_err(|error| error.to_string()));
    }
    let forged: Vec<String> = fleet.bad.iter().map(|bad| format!("{}: {}", bad.key, causes(&*bad.reason))).collect();
    Ok(vec![
        match bad.is_empty() {
            true => Finding::good("secrets", format!("all {count} open")),
            false => Finding::bad("secrets", some(&bad), RESTORE),
        },
        match forged.is_empty() {
            true => Finding::good("authenticity", "all records of agents and deliveries were written by this Portward"),
            false => Finding::bad(
                "authenticity",
                some(&forged),
                "see portward status; trust the agents anew, or go back to a backup",
            ),
        },
    ])
}

async fn chain(store: &MemoryStore) -> Result<Finding, StoreError> {
    let found = verify(store, None).await?;
    Ok(match found.broken {
        None => Finding::good("audit", format!("the chain of {} records is whole", found.records)),
        Some(broken) => Finding::bad(
            "audit",
            format!(
                "the chain is broken at {} of {} places; the first is {}: {}",
                found.breaks, found.records, broken.key, broken.fault
            ),
            "portward audit verify tells more; find out who could write to the store",
        ),
    })
}

/// An error with its causes, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// The first few of many, and how many there are.
fn some(all: &[String]) -> String {
    let shown = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match all.len() {
        0..=SHOWN => shown,
        count => format!("{shown}; and {} more", count - SHOWN),
    }
}

/// Enough to see of what kind they are.
const SHOWN: usize = 5;
