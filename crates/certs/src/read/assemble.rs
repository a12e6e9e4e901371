//! Finds out what belongs together: the key, the certificate that it fits, and the chain.

use portward_core::LeafFacts;

use super::pile::{Given, Pile, Rejected};
use crate::{
    Bundle, FactsError, LeftOver, PrivateKey, ReadError,
    chain_order::{is_issuer, order},
    facts,
    read_error::ReadFailure,
    x509::X509,
};

/// Chooses key and leaf, orders the chain, and lists what is left over.
pub(super) fn assemble(mut pile: Pile) -> Result<Bundle, ReadError> {
    if pile.keys.is_empty() || pile.certificates.is_empty() {
        return Err(missing(pile));
    }
    let (key, leaf) = match pair(&pile) {
        Ok(pair) => pair,
        // A key that cannot be used explains better why no other fits.
        Err(failure @ ReadFailure::KeyDoesNotFit { .. }) => {
            let rejected = take_rejected(&mut pile, |kind| kind == Rejected::PrivateKey);
            return Err(rejected.unwrap_or_else(|| failure.in_all()));
        }
        Err(failure) => return Err(failure.in_all()),
    };
    let certificates: Vec<&X509> = pile.certificates.iter().map(|given| &given.thing).collect();
    let ordered = order(leaf, &certificates);
    let facts = leaf_facts(&pile.certificates[leaf])?;

    let mut left_over = std::mem::take(&mut pile.left_over);
    for (position, given) in pile.certificates.iter().enumerate() {
        if !ordered.used.contains(&position) {
            let what = format!("the certificate {} is no part of the chain", given.thing.title());
            left_over.push(LeftOver { file: given.file.clone(), what });
        }
    }
    for (position, given) in pile.keys.iter().enumerate() {
        if position != key {
            let what = format!("a private key ({}) that is not the key of the certificate", given.thing.key_type());
            left_over.push(LeftOver { file: given.file.clone(), what });
        }
    }
    let key = pile.keys.swap_remove(key).thing;
    Ok(Bundle { chain: ordered.chain, key, facts, left_over })
}

/// Is what belongs together, as far as that can be said.
pub(super) struct Look {
    /// The key, and whether it is the leaf's; none if there is none.
    pub(super) key: Option<(usize, bool)>,
    /// The chain, leaf first, as positions; empty if there is no certificate.
    pub(super) chain: Vec<usize>,
}

/// Looks at what belongs together without taking it; a likely leaf stands in where no key says which it is.
pub(super) fn look(pile: &Pile) -> Look {
    if pile.certificates.is_empty() {
        return Look { key: (!pile.keys.is_empty()).then_some((0, false)), chain: Vec::new() };
    }
    let pair = if pile.keys.is_empty() { None } else { pair(pile).ok() };
    let leaf = pair.map_or_else(|| likely_leaf(pile), |(_, leaf)| leaf);
    let certificates: Vec<&X509> = pile.certificates.iter().map(|given| &given.thing).collect();
    let key = match pair {
        Some((key, _)) => Some((key, true)),
        None => (!pile.keys.is_empty()).then_some((0, false)),
    };
    Look { key, chain: order(leaf, &certificates).used }
}

/// Finds the one key and the one certificate that fit each other, by position.
///
/// A certificate of an authority counts only where there is no other pair.
fn pair(pile: &Pile) -> Result<(usize, usize), ReadFailure> {
    let mut servers = Vec::new();
    let mut authorities = Vec::new();
    for (k, key) in pile.keys.iter().enumerate() {
        for (c, certificate) in pile.certificates.iter().enumerate() {
            if key.thing.is_of(&certificate.thing) {
                if certificate.thing.is_ca() { &mut authorities } else { &mut servers }.push((k, c));
            }
        }
    }
    let end_entity = pile.certificates.iter().find(|given| !given.thing.is_ca());
    let pairs = match (servers.as_slice(), end_entity) {
        // An authority's own key beside a certificate that it issued: the wrong key was given.
        ([], Some(leaf)) => return Err(does_not_fit(pile, &leaf.thing, authorities.first())),
        ([], None) => authorities,
        _ => servers,
    };
    match pairs.as_slice() {
        [] => Err(does_not_fit(pile, &pile.certificates[likely_leaf(pile)].thing, None)),
        [pair] => Ok(*pair),
        _ => {
            let subjects = pairs.iter().map(|(_, c)| describe(&pile.certificates[*c].thing)).collect();
            Err(ReadFailure::SeveralPairs { subjects })
        }
    }
}

/// The certificate that was most likely meant to be served: one that issued no other.
fn likely_leaf(pile: &Pile) -> usize {
    let all = &pile.certificates;
    let issued_none = |given: &Given<X509>| {
        !all.iter().any(|other| other.thing.der != given.thing.der && is_issuer(&given.thing, &other.thing))
    };
    all.iter().position(issued_none).unwrap_or(0)
}

fn does_not_fit(pile: &Pile, leaf: &X509, fitting: Option<&(usize, usize)>) -> ReadFailure {
    let explanation = match fitting {
        Some((_, c)) => format!("it belongs to {}, an issuer", describe(&pile.certificates[*c].thing)),
        None if pile.certificates.len() == 1 => "their public keys differ".to_owned(),
        None => format!("it belongs to none of the {} certificates given", pile.certificates.len()),
    };
    let key: &PrivateKey = &pile.keys[fitting.map_or(0, |(k, _)| *k)].thing;
    ReadFailure::KeyDoesNotFit {
        key: key.key_type().to_string(),
        certificate: format!("the certificate {}", describe(leaf)),
        explanation,
    }
}

fn describe(certificate: &X509) -> String {
    let thumbprint: String = certificate.thumbprint().to_string().chars().take(16).collect();
    format!("{} (until {}, thumbprint {thumbprint}...)", certificate.title(), certificate.validity.not_after.date())
}

/// Says what is missing, by the likeliest reason.
fn missing(mut pile: Pile) -> ReadError {
    let (no_key, no_certificate) = (pile.keys.is_empty(), pile.certificates.is_empty());
    let explains = |kind| if kind == Rejected::Request { no_certificate } else { no_key };
    if let Some(rejected) = take_rejected(&mut pile, explains) {
        return rejected;
    }
    let found = found(&pile);
    if pile.keys.is_empty() {
        let remedy = if pile.has_trust_store {
            "it is a Java trust store; give the key store that has the entry with the key (keytool -list shows PrivateKeyEntry)"
        } else {
            "give the file with the key too (often .key or privkey.pem), or export the PFX with its private key"
        };
        return ReadFailure::NoPrivateKey { found, remedy: remedy.to_owned() }.in_all();
    }
    ReadFailure::NoCertificate { found }.in_all()
}

fn take_rejected(pile: &mut Pile, wanted: impl Fn(Rejected) -> bool) -> Option<ReadError> {
    let position = pile.rejected.iter().position(|(kind, _)| wanted(*kind))?;
    Some(pile.rejected.swap_remove(position).1)
}

fn found(pile: &Pile) -> String {
    let count = |number: usize, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("one {one}")),
        more => Some(format!("{more} {many}")),
    };
    let parts: Vec<String> = [
        count(pile.certificates.len(), "certificate", "certificates"),
        count(pile.keys.len(), "private key", "private keys"),
    ]
    .into_iter()
    .flatten()
    .chain(pile.left_over.iter().take(MAX_NAMED).map(|left_over| left_over.what.clone()))
    .collect();
    if parts.is_empty() { "neither certificates nor keys".to_owned() } else { parts.join(", ") }
}

fn leaf_facts(leaf: &Given<X509>) -> Result<LeafFacts, ReadError> {
    facts::of(&leaf.thing).map_err(|error| {
        let failure = match error {
            FactsError::UnsupportedKey { algorithm, .. } => {
                ReadFailure::UnsupportedKey { what: "certificate".to_owned(), algorithm }
            }
            FactsError::Broken(reason) => ReadFailure::Broken { what: "certificate", reason },
        };
        failure.in_file(&leaf.file)
    })
}

/// What a message can hold; the rest does not help.
const MAX_NAMED: usize = 5;
