//! Private keys that were made here for certificates, and that no server has seen.
//!
//! Each is a file `keys/<certificate>/<number>.key` of the agent's own directory: PKCS #8 in DER, for its owner alone.
//! A new one has a higher number. When a certificate is installed, keys that are older than its own are of no use any more.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_certs::{PrivateKey, acme};
use portward_core::{CertificateId, HostPattern, acme::KeyAlgorithm};
use portward_link::message::{Fault, MakeRequest, MakeRequestReply};
use zeroize::Zeroizing;

use super::{durable, refused};

/// Names a key that was made here.
#[derive(Clone, Debug)]
pub(super) struct MadeHere {
    certificate: CertificateId,
    number: u64,
}

/// Has the keys that were made here.
#[derive(Debug)]
pub(super) struct Keys {
    directory: PathBuf,
}

impl Keys {
    /// Those in a directory, which is made with the first one.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Makes a key, or takes the one in use, and signs a request with it; the key is on the disk before that.
    pub(super) fn make_request(&self, call: &MakeRequest) -> Result<MakeRequestReply, Fault> {
        let unreadable = |error: &dyn std::error::Error| refused("unreadable", error.to_string());
        let id = CertificateId::parse(&call.certificate).map_err(|error| unreadable(&error))?;
        let algorithm = KeyAlgorithm::parse(&call.algorithm).ok_or_else(|| {
            refused("unreadable", "the kind of the key is not known here; update this agent".to_owned())
        })?;
        let names = call.names.iter().take(MAX_NAMES + 1).map(|name| HostPattern::parse(name));
        let names = names.collect::<Result<Vec<_>, _>>().map_err(|error| unreadable(&error))?;
        if names.is_empty() || names.len() > MAX_NAMES {
            return Err(refused("unreadable", format!("a certificate has from 1 to {MAX_NAMES} names")));
        }
        let failed = |error: &dyn std::error::Error| refused("key-failed", error.to_string());
        let written = |error: io::Error| refused("write-failed", format!("the private key could not be kept: {error}"));
        let (directory, known) = self.of(&id).map_err(written)?;
        // The oldest is the one in use: those before it are removed when a certificate is installed.
        let kept = if call.keep { known.first() } else { None };
        let key = match kept {
            Some(number) => self.read(&directory, *number).map_err(written)?,
            None => {
                if known.is_empty() && self.certificates().map_err(written)? >= MAX_CERTIFICATES {
                    let what = format!("keys for {MAX_CERTIFICATES} certificates were made here, which is the most");
                    return Err(refused("too-many-keys", what));
                }
                let key = acme::new_private_key(algorithm).map_err(|error| failed(&error))?;
                let number = known.last().map_or(1, |last| last + 1);
                self.write(&directory, number, &key).map_err(written)?;
                // The one in use, and the newest: an order for one of these may be under way.
                for number in known.iter().skip(1).rev().skip(MAX_KEYS) {
                    let _ = fs::remove_file(directory.join(name(*number)));
                }
                key
            }
        };
        let request = acme::csr(&names, &key).map_err(|error| failed(&error))?;
        Ok(MakeRequestReply { request: BASE64_STANDARD.encode(request) })
    }

    /// The key of a certificate that was made here, if it is the one of this leaf.
    pub(super) fn find(&self, certificate: &str, leaf: &[u8]) -> Result<(PrivateKey, MadeHere), Fault> {
        let id = CertificateId::parse(certificate).map_err(|error| refused("unreadable", error.to_string()))?;
        let unreadable =
            |error: io::Error| refused("key-missing", format!("the keys made here cannot be read: {error}"));
        let (directory, known) = self.of(&id).map_err(unreadable)?;
        for number in known.into_iter().rev() {
            let key = self.read(&directory, number).map_err(unreadable)?;
            if key.fits(leaf) {
                return Ok((key, MadeHere { certificate: id, number }));
            }
        }
        let what = format!(
            "the private key of this certificate was made on this machine, and is not in {} any more; ask for a new certificate: portward certificate renew {id}",
            directory.display()
        );
        Err(refused("key-missing", what))
    }

    /// Forgets the keys before one whose certificate is installed.
    pub(super) fn forget_before(&self, used: &MadeHere) {
        let Ok((directory, known)) = self.of(&used.certificate) else { return };
        for number in known.into_iter().filter(|number| *number < used.number) {
            if let Err(error) = fs::remove_file(directory.join(name(number))) {
                tracing::warn!(%error, certificate = %used.certificate, "a private key that is used no more could not be removed");
            }
        }
    }

    /// Where the keys of a certificate are, and their numbers in order.
    fn of(&self, id: &CertificateId) -> io::Result<(PathBuf, Vec<u64>)> {
        let directory = self.directory.join(id.as_str());
        let mut numbers = Vec::new();
        match fs::read_dir(&directory) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry?.file_name();
                    numbers.extend(name.to_str().and_then(|name| name.strip_suffix(SUFFIX)?.parse::<u64>().ok()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        numbers.sort_unstable();
        Ok((directory, numbers))
    }

    fn certificates(&self) -> io::Result<usize> {
        match fs::read_dir(&self.directory) {
            Ok(entries) => Ok(entries.count()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn read(&self, directory: &Path, number: u64) -> io::Result<PrivateKey> {
        let der = Zeroizing::new(fs::read(directory.join(name(number)))?);
        PrivateKey::from_pkcs8_der(&der).map_err(io::Error::other)
    }

    /// Writes a key so that it is whole, or not there.
    fn write(&self, directory: &Path, number: u64, key: &PrivateKey) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        durable::write(directory, &name(number), key.as_pkcs8_der())?;
        // The directory may be new too.
        File::open(&self.directory)?.sync_all()
    }
}

fn name(number: u64) -> String {
    format!("{number}{SUFFIX}")
}

const SUFFIX: &str = ".key";
/// The most that a CA takes.
const MAX_NAMES: usize = 100;
/// Of orders that came to nothing, beside the one in use.
const MAX_KEYS: usize = 4;
/// More than any machine has; a server cannot fill the disk.
const MAX_CERTIFICATES: usize = 256;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn call(keep: bool) -> MakeRequest {
        let names = ["shop.test", "*.shop.test"].map(str::to_owned).into();
        MakeRequest { certificate: "shop".to_owned(), names, algorithm: "ecdsa-p256".to_owned(), keep }
    }

    fn request(keys: &Keys, keep: bool) -> Vec<u8> {
        BASE64_STANDARD.decode(keys.make_request(&call(keep)).unwrap().request).unwrap()
    }

    #[test]
    fn a_key_is_made_kept_for_its_owner_and_found_by_its_certificate() {
        let root = tempfile::tempdir().unwrap();
        let keys = Keys::new(root.path().join("keys"));
        let (first, second) = (request(&keys, false), request(&keys, false));
        for one in [&first, &second] {
            assert_eq!(acme::check_request(one), Ok(()));
        }
        let directory = root.path().join("keys/shop");
        let mode = |name: &str| fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("1.key"), mode("2.key"), mode("")), (0o600, 0o600, 0o700));
        let validity = portward_certs::self_signed_validity(portward_core::Timestamp::EPOCH, 10);
        let stranger = portward_certs::self_signed(&[HostPattern::parse("shop.test").unwrap()], validity).unwrap();
        let missing = keys.find("shop", &stranger.chain.leaf).unwrap_err();
        assert_eq!(missing.code, "key-missing");
        assert!(missing.message.contains("portward certificate renew shop"), "{missing}");
        // As if the CA had signed the second one.
        let as_signed = PrivateKey::from_pkcs8_der(&fs::read(directory.join("2.key")).unwrap()).unwrap();
        assert!(!as_signed.fits(&stranger.chain.leaf));
        fs::write(directory.join("3.key"), stranger.key.as_pkcs8_der()).unwrap();
        let (key, made) = keys.find("shop", &stranger.chain.leaf).unwrap();
        assert!(key.fits(&stranger.chain.leaf));
        request(&keys, false);
        keys.forget_before(&made);
        let (_, left) = keys.of(&CertificateId::parse("shop").unwrap()).unwrap();
        assert_eq!(left, [3, 4], "the one in use and the one of an order under way");
        // Kept at a renewal: the one in use.
        let pem = portward_certs::export_pem(&stranger.chain, &stranger.key).to_string();
        assert!(acme::issued_for(&pem, &request(&keys, true)).is_ok());
        assert!(acme::issued_for(&pem, &request(&keys, false)).is_err());
    }

    #[test]
    fn orders_that_come_to_nothing_do_not_fill_the_disk_and_no_name_leads_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let keys = Keys::new(root.path().join("keys"));
        for _ in 0..12 {
            request(&keys, false);
        }
        let (_, left) = keys.of(&CertificateId::parse("shop").unwrap()).unwrap();
        assert!(left.len() <= MAX_KEYS + 2 && left.contains(&1) && left.contains(&12), "{left:?}");
        for bad in ["../shop", "/etc", "a/b", "", ".", "shop\n"] {
            let refused = keys.make_request(&MakeRequest { certificate: bad.to_owned(), ..call(false) }).unwrap_err();
            assert_eq!(refused.code, "unreadable", "{bad:?}");
        }
        for (names, algorithm) in
            [(vec![], "ecdsa-p256"), (vec!["shop.test".to_owned()], "dsa"), (vec!["a b".to_owned()], "rsa-2048")]
        {
            let bad = MakeRequest { names, algorithm: algorithm.to_owned(), ..call(false) };
            assert_eq!(keys.make_request(&bad).unwrap_err().code, "unreadable", "{bad:?}");
        }
    }
}
