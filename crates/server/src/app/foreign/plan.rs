//! What becomes of each certificate of another program.

use std::{collections::BTreeSet, sync::Arc};

use portward_api::ForeignCertificateView;
use portward_certs::{Allow, Bundle, ForeignCertificate, Note, check};
use portward_core::{
    CertificateId, HostPattern, IssuerId, KeyType, LeafFacts, Management, Timestamp,
    acme::{ChallengeKind, KeyAlgorithm, KeyReuse, Managed},
};
use portward_store::desired::{Desired, StoredCertificate, StoredDnsProvider};

use super::issuers::Moving;
use crate::app::slug;

/// Is a certificate with what is to be done with it.
pub(super) struct Planned {
    pub(super) view: ForeignCertificateView,
    pub(super) id: CertificateId,
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) management: Management,
    pub(super) bundle: Bundle,
    pub(super) issued_by: Option<IssuerId>,
}

/// Says where a certificate goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// It is one of its own.
    New,
    /// It is the next version of the one with the id.
    Version,
    /// It is there, or cannot be taken.
    Nowhere,
}

/// Plans all certificates; gives the notes that are about none of them as well.
pub(super) fn plan(
    desired: &Desired,
    certificates: Vec<ForeignCertificate>,
    notes: &[Note],
    moving: &Moving,
    now: Timestamp,
) -> (Vec<Planned>, Vec<String>) {
    let paths: BTreeSet<String> = certificates.iter().map(|certificate| certificate.path.clone()).collect();
    let mut ids = BTreeSet::new();
    let mut planned = Vec::with_capacity(certificates.len());
    for certificate in certificates {
        let about = notes.iter().filter(|note| note.path == certificate.path);
        let told = about.map(|note| note.message.clone()).collect();
        if let Some(one) = plan_one(desired, certificate, told, moving, &mut ids, now) {
            planned.push(one);
        }
    }
    let mut others: Vec<String> =
        notes.iter().filter(|note| !paths.contains(&note.path)).map(ToString::to_string).collect();
    for issuer in &moving.unagreed {
        others.push(format!(
            "{issuer}: no account with it was found, so that nobody has agreed to its terms of service here; agree to them before the first renewal"
        ));
    }
    (planned, others)
}

fn plan_one(
    desired: &Desired,
    certificate: ForeignCertificate,
    mut notes: Vec<String>,
    moving: &Moving,
    ids: &mut BTreeSet<String>,
    now: Timestamp,
) -> Option<Planned> {
    let ForeignCertificate { path, names, bundle, directory, challenge, how, renew_before } = certificate;
    let facts = &bundle.facts;
    let present = with_leaf(desired, facts);
    let same = present.is_none().then(|| with_names(desired, &names, facts)).flatten();
    let stored = present.or(same);
    let name = match stored {
        Some(stored) => stored.value.name.to_string(),
        None => names.first()?.to_string(),
    };
    let id = match stored {
        Some(stored) => stored.value.id.clone(),
        None => {
            let is_taken = |id: &str| {
                ids.contains(id) || CertificateId::parse(id).is_ok_and(|id| desired.certificate(&id).is_some())
            };
            CertificateId::parse(&slug(&name, "certificate", is_taken)).ok()?
        }
    };
    ids.insert(id.to_string());
    let mut target = if same.is_some() { Target::Version } else { Target::New };
    let mut outcome = if same.is_some() { "new-version" } else { "created" };
    let mut management = stored.map_or(Management::Unmanaged, |stored| stored.value.management.clone());
    let issuer = directory.as_ref().and_then(|directory| moving.of_directory.get(directory)).cloned();
    // Those that expired are to be renewed; what else no client takes is of no use here either.
    let allow = Allow { expired: true, ..Allow::default() };
    let refusals: Vec<String> =
        check(&bundle, now, &[], allow).iter().filter(|finding| finding.refuses()).map(ToString::to_string).collect();
    let newer =
        same.and_then(|stored| stored.value.current_version()).filter(|version| !is_older(&version.facts, facts));
    let origin = Origin {
        names: &names,
        directory: directory.as_deref(),
        issuer: issuer.as_ref(),
        challenge,
        how: how.as_deref(),
    };
    if let Some(stored) = present {
        (target, outcome) = (Target::Nowhere, "unchanged");
        notes = vec![match stored.value.current_version() {
            Some(version) if version.facts.thumbprint == facts.thumbprint => "it is there already".to_owned(),
            _ => format!("it is there already, and \"{id}\" serves another version"),
        }];
        if management == Management::Unmanaged {
            let managed = origin.managed(desired, &id, facts, renew_before);
            notes.push(managed.err().unwrap_or_else(|| format!("nobody renews it: {}", origin.ask(&id))));
        }
    } else if let Some(version) = newer {
        (target, outcome) = (Target::Nowhere, "unchanged");
        let end = version.facts.validity.not_after;
        notes.push(format!("\"{id}\" has the same names and is valid until {end}, which is longer"));
    } else if !refusals.is_empty() {
        (target, outcome) = (Target::Nowhere, "left-out");
        notes.push(format!("it was not taken: {}", refusals.join("; ")));
    } else if management == Management::Unmanaged {
        match origin.managed(desired, &id, facts, renew_before) {
            Ok((managed, note)) => {
                management = Management::Managed(Arc::new(managed));
                notes.extend(note);
            }
            Err(note) => notes.push(note),
        }
    }
    let renewer = management.managed().and_then(|managed| managed.issuers.first());
    let view = ForeignCertificateView {
        path,
        id: id.to_string(),
        names: names.iter().map(ToString::to_string).collect(),
        not_after: facts.validity.not_after.to_string(),
        outcome: outcome.to_owned(),
        issuer: renewer.map(ToString::to_string),
        notes,
    };
    Some(Planned { view, id, name, target, management, issued_by: issuer, bundle })
}

/// Is what is known of where a certificate came from.
struct Origin<'a> {
    names: &'a [HostPattern],
    directory: Option<&'a str>,
    issuer: Option<&'a IssuerId>,
    challenge: Option<ChallengeKind>,
    how: Option<&'a str>,
}

impl Origin<'_> {
    /// The command that makes it managed.
    fn ask(&self, id: &CertificateId) -> String {
        let names: Vec<String> = self.names.iter().map(typed).collect();
        format!("portward certificate request {} --replace {id}", names.join(" "))
    }

    /// How it is renewed from here on, and what is to be known about that; or why it is not.
    ///
    /// One for which nobody here writes TXT records stays unmanaged. Managed, it would be ordered when it is due and fail
    /// again and again, which uses up what the CA allows, while everything looks as if it were taken care of. Unmanaged,
    /// it is served just as well, is told of before it ends, and one command makes it managed.
    fn managed(
        &self,
        desired: &Desired,
        id: &CertificateId,
        facts: &LeafFacts,
        renew_before: Option<std::time::Duration>,
    ) -> Result<(Managed, Option<String>), String> {
        let ask = self.ask(id);
        let how = self.how.map(str::to_owned);
        let Some(issuer) = self.issuer else {
            return Err(match self.directory {
                Some(url) => format!(
                    "nobody renews it: the CA with the directory {url} is not known here. portward acme issuer add {url}, then: {ask}"
                ),
                None => format!(
                    "nobody renews it: which CA it came from is not known. Choose an issuer: {ask} --issuer ISSUER"
                ),
            });
        };
        let mut managed = Managed {
            names: self.names.to_vec(),
            issuers: vec![issuer.clone()],
            challenge: self.challenge,
            profile: None,
            dns: None,
            key: algorithm(facts.key_type),
            reuse: KeyReuse::New,
            key_on: None,
            renew_before,
        };
        if self.challenge == Some(ChallengeKind::Dns01) {
            let Some(provider) = provider(desired, self.how) else {
                let how = self.how.unwrap_or("it needs dns-01: add a provider with portward acme dns add KIND");
                return Err(format!(
                    "nobody renews it, as nobody here writes its TXT records: {how}. Then: {ask} --issuer {issuer} --dns PROVIDER"
                ));
            };
            managed.dns = Some(provider.id.clone());
        }
        Ok((managed, how))
    }
}

/// The only DNS provider here of the kind that the other program wrote to; with several, only the operator knows.
fn provider<'a>(desired: &'a Desired, how: Option<&str>) -> Option<&'a StoredDnsProvider> {
    let (_, named) = how?.split_once("portward acme dns add ")?;
    let kind = named.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next()?;
    let mut of_kind = desired.dns_providers.iter().map(|stored| &stored.value).filter(|provider| provider.kind == kind);
    let first = of_kind.next()?;
    of_kind.next().is_none().then_some(first)
}

/// The certificate that has the same leaf, in whichever version.
fn with_leaf<'a>(desired: &'a Desired, facts: &LeafFacts) -> Option<&'a StoredCertificate> {
    let has = |stored: &&StoredCertificate| {
        stored.value.versions.iter().any(|version| version.facts.thumbprint == facts.thumbprint)
    };
    desired.certificates.iter().find(has)
}

/// The certificate that serves the same names with the same kind of key.
fn with_names<'a>(desired: &'a Desired, names: &[HostPattern], facts: &LeafFacts) -> Option<&'a StoredCertificate> {
    let set = |names: &[HostPattern]| names.iter().cloned().collect::<BTreeSet<_>>();
    let wanted = set(names);
    let is_rsa = |facts: &LeafFacts| matches!(facts.key_type, KeyType::Rsa(_));
    let has = |stored: &&StoredCertificate| {
        let version = stored.value.current_version();
        version.is_some_and(|version| {
            set(&version.facts.names) == wanted
                && (version.facts.self_signed || is_rsa(&version.facts) == is_rsa(facts))
        })
    };
    desired.certificates.iter().find(has)
}

/// Whether one certificate is worth less than another: clients take none that is signed by its own key.
fn is_older(stored: &LeafFacts, new: &LeafFacts) -> bool {
    (stored.self_signed && !new.self_signed) || stored.validity.not_after < new.validity.not_after
}

/// A name as a shell takes it: the star is for us.
fn typed(name: &HostPattern) -> String {
    match name {
        HostPattern::Wildcard(_) => format!("'{name}'"),
        name => name.to_string(),
    }
}

fn algorithm(key: KeyType) -> KeyAlgorithm {
    match key {
        KeyType::P384 | KeyType::P521 => KeyAlgorithm::EcdsaP384,
        KeyType::Rsa(bits) if bits > 2048 => KeyAlgorithm::Rsa4096,
        KeyType::Rsa(_) => KeyAlgorithm::Rsa2048,
        KeyType::P256 | KeyType::Ed25519 => KeyAlgorithm::EcdsaP256,
    }
}

impl Planned {
    /// It could not be stored.
    pub(super) fn leave_out(&mut self, why: &str) {
        self.target = Target::Nowhere;
        "left-out".clone_into(&mut self.view.outcome);
        self.view.issuer = None;
        self.view.notes.push(format!("it was not taken: {why}"));
    }
}
