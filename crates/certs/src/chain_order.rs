//! Puts a chain in order, from whatever certificates were given.

use std::sync::Arc;

use portward_core::Chain;

use crate::x509::X509;

/// Is a chain with the certificates it was made of, as positions in what was given.
pub(crate) struct Ordered {
    pub(crate) chain: Chain,
    pub(crate) used: Vec<usize>,
}

/// Goes from the leaf to the root as far as the given certificates lead.
///
/// An issuer has the right name and, wherever that can be verified, made the signature.
/// Of several such (cross-signed ones) the self-signed one ends the chain; else the one that lives longest is taken.
pub(crate) fn order(leaf: usize, given: &[&X509]) -> Ordered {
    let mut used = vec![leaf];
    let mut intermediates: Vec<Arc<[u8]>> = Vec::new();
    let mut root = None;
    let mut last = given[leaf];
    while !last.is_self_signed() {
        let issuer = given
            .iter()
            .enumerate()
            .filter(|(position, candidate)| !used.contains(position) && is_issuer(candidate, last))
            .max_by_key(|(_, candidate)| (candidate.is_self_signed(), candidate.validity.not_after));
        let Some((position, issuer)) = issuer else {
            break;
        };
        used.push(position);
        if issuer.is_self_signed() {
            root = Some(Arc::clone(&issuer.der));
        } else {
            intermediates.push(Arc::clone(&issuer.der));
        }
        last = issuer;
    }
    let chain = Chain { leaf: Arc::clone(&given[leaf].der), intermediates: intermediates.into(), root };
    Ordered { chain, used }
}

/// Whether each certificate of a chain in DER, the leaf first, is signed by the one after it.
pub fn is_in_order(chain: &[impl AsRef<[u8]>]) -> bool {
    let read: Result<Vec<X509>, _> = chain.iter().map(|der| X509::read(der.as_ref())).collect();
    read.is_ok_and(|read| read.windows(2).all(|pair| is_issuer(&pair[1], &pair[0])))
}

/// Whether `candidate` issued `certificate`.
pub(crate) fn is_issuer(candidate: &X509, certificate: &X509) -> bool {
    if candidate.subject != certificate.issuer {
        return false;
    }
    certificate.signature.is_by(&candidate.public_key).unwrap_or_else(|| {
        // The algorithm is not known here; the key identifiers tell, if both are there.
        match (&candidate.extensions.key_id, &certificate.extensions.issuer_key_id) {
            (Some(own), Some(named)) => own == named,
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    fn params(name: &str, until: i32) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_after = date_time_ymd(until, 1, 1);
        params
    }

    /// A certificate for a name with its key, until a year, by an issuer.
    fn issue(name: &str, key: &KeyPair, until: i32, issuer: &str, issuer_key: &KeyPair) -> X509 {
        let issuer = Issuer::new(params(issuer, 2090), issuer_key);
        X509::read(params(name, until).signed_by(key, &issuer).unwrap().der()).unwrap()
    }

    fn chain(given: &[&X509]) -> (Vec<usize>, bool) {
        let ordered = order(0, given);
        assert_eq!(ordered.chain.length(), ordered.used.len());
        (ordered.used, ordered.chain.root.is_some())
    }

    #[test]
    fn issuers_are_found_by_name_and_signature() {
        let keys: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
        let leaf = issue("leaf", &keys[0], 2040, "middle", &keys[1]);
        let middle = issue("middle", &keys[1], 2040, "root", &keys[2]);
        let root = issue("root", &keys[2], 2040, "root", &keys[2]);
        let namesake = issue("middle", &keys[3], 2090, "root", &keys[2]);
        assert_eq!(chain(&[&leaf, &root, &namesake, &middle]), (vec![0, 3, 1], true));
        assert_eq!(chain(&[&leaf, &namesake, &root]), (vec![0], false));
        assert_eq!(chain(&[&leaf, &middle]), (vec![0, 1], false));
        assert_eq!(chain(&[&root, &middle]), (vec![0], false));
    }

    #[test]
    fn of_cross_signed_issuers_the_root_ends_the_chain_else_the_longest_lived_goes_on() {
        let keys: Vec<KeyPair> = (0..4).map(|_| KeyPair::generate().unwrap()).collect();
        let leaf = issue("leaf", &keys[0], 2040, "new", &keys[1]);
        let new_root = issue("new", &keys[1], 2040, "new", &keys[1]);
        let by_old = issue("new", &keys[1], 2050, "old", &keys[2]);
        let by_older = issue("new", &keys[1], 2030, "older", &keys[3]);
        let old_root = issue("old", &keys[2], 2050, "old", &keys[2]);
        assert_eq!(chain(&[&leaf, &by_old, &old_root, &new_root]), (vec![0, 3], true));
        assert_eq!(chain(&[&leaf, &by_older, &by_old, &old_root]), (vec![0, 2, 3], true));
    }

    #[test]
    fn authorities_that_certify_one_another_make_no_endless_chain() {
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let leaf = issue("leaf", &keys[0], 2040, "a", &keys[1]);
        let a = issue("a", &keys[1], 2040, "b", &keys[2]);
        let b = issue("b", &keys[2], 2040, "a", &keys[1]);
        assert_eq!(chain(&[&leaf, &b, &a]), (vec![0, 2, 1], false));
    }
}
