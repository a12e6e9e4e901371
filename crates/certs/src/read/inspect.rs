//! Looks at files one by one, and at what they make together, before anybody decides.

use std::{collections::HashSet, sync::Arc};

use portward_core::{KeyType, Validity};

use super::{
    Input,
    assemble::{Look, assemble, look},
    pile::{Given, Pile},
    read_file,
};
use crate::{Bundle, Password, PrivateKey, ReadError, pbe::Budget, x509::X509};

/// Is what was found in files.
#[derive(Debug)]
pub struct Inspection {
    /// The files, in the order in which they were given.
    pub files: Vec<InspectedFile>,
    /// The private key; none if there is none.
    pub key: Option<InspectedKey>,
    /// The chain as far as it goes, leaf first; empty if there is no certificate.
    pub chain: Vec<InspectedCertificate>,
    /// The issuer that is missing at its end; none if it is whole as far as clients need it.
    pub missing: Option<MissingIssuer>,
    /// What [`crate::read()`] makes of the files.
    pub bundle: Result<Bundle, ReadError>,
}

/// Is what was found in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedFile {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub pieces: Vec<InspectedPiece>,
    /// What else is in it, and of no use.
    pub left_over: Vec<String>,
    /// Whether a password opened something in it.
    pub opened: bool,
    /// Ciphers in it that protect nothing any more, as in `RC2-40`.
    pub old_ciphers: Vec<&'static str>,
    /// Why it cannot be read.
    pub error: Option<ReadError>,
}

/// Is one thing in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InspectedPiece {
    /// What it is.
    pub kind: PieceKind,
    /// What becomes of it.
    pub fate: Fate,
}

/// Says what a thing in a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// A private key.
    PrivateKey,
    /// A certificate that signs no others.
    Certificate,
    /// The certificate of an authority that another one signed.
    Intermediate,
    /// The certificate of an authority that is signed by its own key.
    Root,
}

/// Says what becomes of a thing in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is part of the chain, or the key.
    Used,
    /// A file before it had it.
    Repeated,
    /// It belongs to something else.
    Unused,
}

/// Is the private key that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedKey {
    /// The file it was in.
    pub file: String,
    /// Its algorithm and size.
    pub key_type: KeyType,
    /// Whether it is the leaf's.
    pub fits: bool,
}

/// Is one certificate of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InspectedCertificate {
    /// The file it was in.
    pub file: String,
    /// The certificate.
    pub der: Arc<[u8]>,
    /// Distinguished name.
    pub subject: String,
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// When it is valid.
    pub validity: Validity,
    /// Algorithm of its key, as in `RSA 3072`.
    pub key: String,
    /// Algorithm of the signature on it.
    pub signature: String,
    /// Whether it is signed by its own key.
    pub self_signed: bool,
    /// Whether it says that it signs others.
    pub authority: bool,
}

/// Is the issuer that nobody gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingIssuer {
    /// Distinguished name.
    pub subject: String,
    /// Where the authority publishes it, as the certificate says.
    pub url: Option<String>,
}

/// Looks at files, each for itself and all together; a file that cannot be read keeps nobody from the others.
///
/// What is refused here is refused by [`crate::read()`], and for the same reason.
pub fn inspect(files: &[Input<'_>], password: Option<&Password>) -> Inspection {
    let (mut pile, mut budget) = (Pile::default(), Budget::new());
    let (mut found, mut failed) = (Vec::with_capacity(files.len()), None);
    for file in files {
        let mut own = Pile::default();
        own.open(file.name);
        let error = read_file(file.bytes, password, &mut budget, &mut own).err();
        let error = error.map(|failure| failure.in_file(file.name));
        let opened = budget.take_opened();
        let here = Found::of(&own, &pile);
        let read = InspectedFile {
            name: file.name.to_owned(),
            pieces: Vec::new(),
            left_over: own.left_over.iter().map(|left_over| left_over.what.clone()).collect(),
            opened: opened.any,
            old_ciphers: opened.old.into_iter().collect(),
            error: error.clone(),
        };
        found.push((read, here));
        failed = failed.or(error);
        pile.absorb(own);
    }
    let looked = look(&pile);
    let used: HashSet<Arc<[u8]>> =
        looked.chain.iter().map(|position| Arc::clone(&pile.certificates[*position].thing.der)).collect();
    let key = looked.key.map(|(position, fits)| (&pile.keys[position], fits));
    let files =
        found.into_iter().map(|(file, here)| InspectedFile { pieces: here.judged(&used, key), ..file }).collect();
    let key =
        key.map(|(given, fits)| InspectedKey { file: given.file.clone(), key_type: given.thing.key_type(), fits });
    let chain = looked.chain.iter().map(|position| inspected(&pile.certificates[*position])).collect();
    let missing = missing(&pile, &looked);
    let bundle = match failed {
        Some(error) => Err(error),
        None => assemble(pile),
    };
    Inspection { files, key, chain, missing, bundle }
}

/// Is what one file had.
struct Found {
    /// Each with whether a file before had it.
    certificates: Vec<(Arc<[u8]>, PieceKind, bool)>,
    keys: Vec<(PrivateKey, bool)>,
}

impl Found {
    fn of(own: &Pile, before: &Pile) -> Self {
        let certificate = |given: &Given<X509>| {
            let thing = &given.thing;
            let kind = match (thing.is_ca(), thing.is_self_signed()) {
                (false, _) => PieceKind::Certificate,
                (true, false) => PieceKind::Intermediate,
                (true, true) => PieceKind::Root,
            };
            let is_repeated = before.certificates.iter().any(|given| given.thing.der == thing.der);
            (Arc::clone(&thing.der), kind, is_repeated)
        };
        let key = |given: &Given<PrivateKey>| {
            let is_repeated = before.keys.iter().any(|other| other.thing.is_same(&given.thing));
            (given.thing.clone(), is_repeated)
        };
        Self {
            certificates: own.certificates.iter().map(certificate).collect(),
            keys: own.keys.iter().map(key).collect(),
        }
    }

    fn judged(&self, used: &HashSet<Arc<[u8]>>, key: Option<(&Given<PrivateKey>, bool)>) -> Vec<InspectedPiece> {
        let fate = |is_repeated, is_used| match (is_repeated, is_used) {
            (true, _) => Fate::Repeated,
            (false, true) => Fate::Used,
            (false, false) => Fate::Unused,
        };
        let keys = self.keys.iter().map(|(own, is_repeated)| {
            let is_used = key.is_some_and(|(given, fits)| fits && given.thing.is_same(own));
            InspectedPiece { kind: PieceKind::PrivateKey, fate: fate(*is_repeated, is_used) }
        });
        let certificates = self.certificates.iter().map(|(der, kind, is_repeated)| InspectedPiece {
            kind: *kind,
            fate: fate(*is_repeated, used.contains(der)),
        });
        keys.chain(certificates).collect()
    }
}

fn inspected(given: &Given<X509>) -> InspectedCertificate {
    let thing = &given.thing;
    let key = thing.public_key.key_type();
    InspectedCertificate {
        file: given.file.clone(),
        der: Arc::clone(&thing.der),
        subject: thing.title(),
        names: thing.extensions.names.iter().map(ToString::to_string).collect(),
        validity: thing.validity,
        key: key.map_or_else(|algorithm| algorithm, |key| key.to_string()),
        signature: thing.signature.name(),
        self_signed: thing.is_self_signed(),
        authority: thing.is_ca(),
    }
}

/// The issuer of a leaf that stands alone.
fn missing(pile: &Pile, looked: &Look) -> Option<MissingIssuer> {
    let [leaf] = looked.chain.as_slice() else { return None };
    let leaf = &pile.certificates[*leaf].thing;
    let url = leaf.extensions.issuer_url.clone();
    (!leaf.is_self_signed()).then(|| MissingIssuer { subject: leaf.issuer_text.clone(), url })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_core::{HostPattern, Timestamp};
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;
    use crate::{read, self_signed, self_signed_validity};

    /// A leaf with its key, the intermediate that signed it, and the root above that; all in DER.
    fn chain() -> (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>) {
        let ca = |name: &str| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params
        };
        let keys: Vec<KeyPair> = (0..3).map(|_| KeyPair::generate().unwrap()).collect();
        let root = ca("root").self_signed(&keys[0]).unwrap();
        let by_root = Issuer::new(ca("root"), &keys[0]);
        let middle = ca("middle").signed_by(&keys[1], &by_root).unwrap();
        let by_middle = Issuer::new(ca("middle"), &keys[1]);
        let leaf =
            CertificateParams::new(vec!["shop.test".to_owned()]).unwrap().signed_by(&keys[2], &by_middle).unwrap();
        (keys[2].serialize_der(), leaf.der().to_vec(), middle.der().to_vec(), root.der().to_vec())
    }

    fn looked_at(files: &[(&str, &[u8])]) -> Inspection {
        let inputs: Vec<Input<'_>> = files.iter().map(|(name, bytes)| Input { name, bytes }).collect();
        let inspection = inspect(&inputs, None);
        // Both say the same of the same files.
        let read = read(&inputs, None);
        assert_eq!(inspection.bundle.as_ref().err(), read.as_ref().err());
        inspection
    }

    fn fates(inspection: &Inspection) -> Vec<Vec<(PieceKind, Fate)>> {
        let of = |file: &InspectedFile| file.pieces.iter().map(|piece| (piece.kind, piece.fate)).collect();
        inspection.files.iter().map(of).collect()
    }

    #[test]
    fn each_piece_says_what_it_is_and_what_becomes_of_it() {
        let (key, leaf, middle, root) = chain();
        let other =
            self_signed(&[HostPattern::parse("a.test").unwrap()], self_signed_validity(Timestamp::EPOCH, 9)).unwrap();
        let inspection = looked_at(&[
            ("key", &key),
            ("middle", &middle),
            ("leaf", &leaf),
            ("again", &middle),
            ("root", &root),
            ("other", &other.chain.leaf),
        ]);
        assert_eq!(
            fates(&inspection),
            [
                [(PieceKind::PrivateKey, Fate::Used)],
                [(PieceKind::Intermediate, Fate::Used)],
                [(PieceKind::Certificate, Fate::Used)],
                [(PieceKind::Intermediate, Fate::Repeated)],
                [(PieceKind::Root, Fate::Used)],
                [(PieceKind::Certificate, Fate::Unused)],
            ]
        );
        let chain: Vec<_> = inspection.chain.iter().map(|certificate| certificate.file.as_str()).collect();
        assert_eq!(chain, ["leaf", "middle", "root"]);
        assert!(inspection.key.unwrap().fits && inspection.missing.is_none() && inspection.bundle.is_ok());
    }

    #[test]
    fn what_is_missing_is_named_and_a_broken_file_keeps_nobody_from_the_others() {
        let (key, leaf, middle, _) = chain();
        let alone = looked_at(&[("leaf", &leaf), ("key", &key)]);
        assert_eq!(alone.missing.unwrap().subject, "CN=middle");
        let no_key = looked_at(&[("leaf", &leaf), ("middle", &middle)]);
        assert!(no_key.key.is_none());
        assert_eq!(no_key.chain.len(), 2);
        let broken = looked_at(&[("nonsense", b"nonsense"), ("leaf", &leaf), ("key", &key)]);
        assert!(broken.files[0].error.is_some() && broken.key.unwrap().fits);
        let nothing = looked_at(&[]);
        assert!(nothing.chain.is_empty() && nothing.key.is_none());
    }
}
