//! Judges a bundle: dates, strength, chain, names.

use portward_core::{HostPattern, KeyType, Timestamp};

use crate::{
    Bundle, Finding,
    finding::{Defect, Weight},
    oid,
    private_key::MIN_RSA_BITS,
    x509::X509,
};

/// Lists the defects that an operator takes on purpose; all off by default.
///
/// An allowed defect is still found, as a warning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// A leaf or an issuer out of its time, on either side.
    pub expired: bool,
    /// A leaf without any issuer certificate.
    pub incomplete_chain: bool,
    /// Signatures with MD5 or SHA-1, and issuers with short keys.
    pub weak: bool,
}

/// Judges a bundle at a time, for the names of the sites that it is to serve.
///
/// What refuses comes before what warns.
///
/// | code | refuses | unless |
/// |---|---|---|
/// | `expired`, `not-yet-valid`, `issuer-expired` | yes | `allow.expired` |
/// | `weak-signature`, `weak-issuer-key` | yes | `allow.weak` |
/// | `incomplete-chain` | yes | `allow.incomplete_chain` |
/// | `name-not-covered` | yes | |
/// | `ca-as-leaf` | yes | it is self-signed, as the default of `openssl req -x509` makes it |
/// | `no-names`, `not-for-servers` | no | |
///
/// A chain is incomplete if the leaf is not self-signed and no certificate of its issuer was given.
/// It need not reach the root, which clients have. A root is judged by nothing but being there.
pub fn check(bundle: &Bundle, now: Timestamp, wanted: &[HostPattern], allow: Allow) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Ok(leaf) = X509::read(&bundle.chain.leaf) else {
        // A bundle is made of certificates that have been read.
        return findings;
    };
    let issuers: Vec<X509> = bundle.chain.intermediates.iter().filter_map(|der| X509::read(der).ok()).collect();
    let mut find = |defect, allowed| {
        let weight = if allowed { Weight::Warns } else { Weight::Refuses };
        findings.push(Finding { defect, weight });
    };

    if now > leaf.validity.not_after {
        let since = leaf.validity.not_after;
        let days = now.since(since).as_secs() / (24 * 3600);
        find(Defect::Expired { subject: leaf.title(), since, days }, allow.expired);
    } else if now < leaf.validity.not_before {
        find(Defect::NotYetValid { subject: leaf.title(), from: leaf.validity.not_before }, allow.expired);
    }
    for issuer in &issuers {
        if now > issuer.validity.not_after {
            let since = issuer.validity.not_after;
            find(Defect::IssuerExpired { subject: issuer.title(), since }, allow.expired);
        }
    }
    for certificate in std::iter::once(&leaf).chain(&issuers) {
        if certificate.signature.is_weak() {
            let algorithm = certificate.signature.name();
            find(Defect::WeakSignature { subject: certificate.title(), algorithm }, allow.weak);
        }
    }
    for issuer in &issuers {
        if let Ok(KeyType::Rsa(bits)) = issuer.public_key.key_type()
            && bits < MIN_RSA_BITS
        {
            find(Defect::WeakIssuerKey { subject: issuer.title(), bits }, allow.weak);
        }
    }
    if !bundle.facts.self_signed && issuers.is_empty() && bundle.chain.root.is_none() {
        let url = leaf.extensions.issuer_url.clone();
        find(Defect::IncompleteChain { issuer: leaf.issuer_text.clone(), url }, allow.incomplete_chain);
    }
    if leaf.is_ca() {
        find(Defect::CaAsLeaf { subject: leaf.title() }, bundle.facts.self_signed);
    }
    let has: Vec<String> = bundle.facts.names.iter().map(HostPattern::to_string).collect();
    for name in wanted {
        if !bundle.facts.names.iter().any(|own| own.covers(name)) {
            find(Defect::NameNotCovered { name: name.to_string(), has: has.clone() }, false);
        }
    }
    if has.is_empty() {
        find(Defect::NoNames { subject: leaf.title() }, true);
    }
    if !leaf.extensions.is_for_servers() {
        let usages =
            leaf.extensions.usages.iter().flatten().map(|usage| oid::name(usage)).collect::<Vec<_>>().join(", ");
        find(Defect::NotForServers { subject: leaf.title(), usages }, true);
    }
    findings.sort_by_key(|finding| !finding.refuses());
    findings
}
