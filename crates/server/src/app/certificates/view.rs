//! What is shown of a certificate.

use std::sync::Arc;

use portward_api::{CertificateVersionView, CertificateView, ChainLink};
use portward_certs::{Bundle, FactsError, facts};
use portward_core::{
    CertificateId, CertificateVersion, Chain, LeafFacts, Management, Source, Thumbprint, Timestamp, VersionNumber,
    WarningPolicy,
};
use portward_store::desired::{Desired, StoredCertificate};

use super::{Usage, Uses};

/// The view of a certificate; none if it has no version that can be read.
pub(in crate::app) fn view(stored: &StoredCertificate, desired: &Desired, now: Timestamp) -> Option<CertificateView> {
    view_used(stored, desired, &Usage::of_these(desired, [&stored.value.id], now), now)
}

/// The same, where it is known already who uses what.
pub(in crate::app) fn view_used(
    stored: &StoredCertificate,
    desired: &Desired,
    usage: &Usage,
    now: Timestamp,
) -> Option<CertificateView> {
    let certificate = &stored.value;
    let version: &Arc<CertificateVersion> = certificate.current_version()?;
    let head = Head {
        id: &certificate.id,
        name: &certificate.name,
        source: version.source,
        management: certificate.management.clone(),
        version: version.number,
    };
    let view = of_parts(head, &version.chain, &version.facts, desired.settings.warning, now);
    Some(with_users(view, usage.get(&certificate.id)))
}

/// The view of a certificate that is about to be stored; who uses it is told as it is before.
pub(in crate::app) fn of_bundle(
    id: &CertificateId,
    name: &str,
    version: VersionNumber,
    source: Source,
    bundle: &Bundle,
    desired: &Desired,
    now: Timestamp,
) -> CertificateView {
    let head = Head { id, name, source, management: Management::Unmanaged, version };
    let view = of_parts(head, &bundle.chain, &bundle.facts, desired.settings.warning, now);
    with_users(view, Usage::of_these(desired, [id], now).get(id))
}

fn with_users(view: CertificateView, uses: Option<&Uses>) -> CertificateView {
    let sites = uses.map(|uses| uses.sites.iter().map(ToString::to_string).collect()).unwrap_or_default();
    let bindings = uses.map(|uses| uses.bindings.iter().map(ToString::to_string).collect()).unwrap_or_default();
    CertificateView { sites, bindings, ..view }
}

/// The views of all versions of a certificate, oldest first.
pub(super) fn versions(stored: &StoredCertificate, desired: &Desired, now: Timestamp) -> Vec<CertificateVersionView> {
    let view = |version: &Arc<CertificateVersion>| CertificateVersionView {
        version: version.number.0,
        current: version.number == stored.value.current,
        source: version.source.to_string(),
        added: version.added.to_string(),
        names: version.facts.names.iter().map(ToString::to_string).collect(),
        thumbprint: version.facts.thumbprint.to_string(),
        not_before: version.facts.validity.not_before.to_string(),
        not_after: version.facts.validity.not_after.to_string(),
        status: version.facts.validity.status(now, desired.settings.warning).to_string(),
    };
    stored.value.versions.iter().map(view).collect()
}

struct Head<'a> {
    id: &'a CertificateId,
    name: &'a str,
    source: Source,
    management: Management,
    version: VersionNumber,
}

fn of_parts(head: Head<'_>, chain: &Chain, facts: &LeafFacts, warn: WarningPolicy, now: Timestamp) -> CertificateView {
    CertificateView {
        id: head.id.to_string(),
        name: head.name.to_owned(),
        source: head.source.to_string(),
        managed: head.management.managed().is_some(),
        names: facts.names.iter().map(ToString::to_string).collect(),
        thumbprint: facts.thumbprint.to_string(),
        sha1: facts.sha1.to_string(),
        serial: facts.serial.to_string(),
        issuer: facts.issuer.to_string(),
        subject: facts.subject.to_string(),
        not_before: facts.validity.not_before.to_string(),
        not_after: facts.validity.not_after.to_string(),
        key_type: facts.key_type.to_string(),
        chain: links(chain, facts),
        version: head.version.0,
        status: facts.validity.status(now, warn).to_string(),
        sites: Vec::new(),
        bindings: Vec::new(),
    }
}

fn links(chain: &Chain, leaf: &LeafFacts) -> Vec<ChainLink> {
    let mut links = vec![ChainLink {
        subject: leaf.subject.to_string(),
        thumbprint: leaf.thumbprint.to_string(),
        not_after: Some(leaf.validity.not_after.to_string()),
    }];
    links.extend(chain.intermediates.iter().chain(&chain.root).map(|der| issuer(der)));
    links
}

/// An issuer may have a key that we cannot serve with; its name is shown all the same.
fn issuer(der: &[u8]) -> ChainLink {
    let (subject, not_after) = match facts(der) {
        Ok(facts) => (facts.subject.into(), Some(facts.validity.not_after.to_string())),
        Err(FactsError::UnsupportedKey { subject, .. }) => (subject, None),
        Err(FactsError::Broken(_)) => ("(cannot be read)".to_owned(), None),
    };
    ChainLink { subject, thumbprint: Thumbprint::of(der).to_string(), not_after }
}
