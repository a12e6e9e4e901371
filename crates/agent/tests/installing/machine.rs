//! A machine with an agent: directories, a policy, an authority, and what a server sends.

use std::{
    collections::BTreeMap,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_agent::install::{AtStep, Installer, InstallerOptions};
use portward_certs::Input;
use portward_core::{Thumbprint, Timestamp};
use portward_link::{
    Progress, SecretBytes, SecretText,
    message::{Deliver, DeliverReply, Fault, Install, VerifyAt},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Is a directory that stands for a machine.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
    pub(crate) at_step: Option<AtStep>,
    pub(crate) patience: Duration,
}

/// Is a certificate as a server sends it.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) key: Vec<u8>,
}

impl Machine {
    /// With an empty directory `tls` that the policy allows.
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same with profiles.
    pub(crate) fn with(profiles: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params.clone(), KeyPair::generate().unwrap()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Test Intermediate");
        let authority = CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &root).unwrap();
        let directory = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
        let machine = Self { directory, authority, at_step: None, patience: Duration::from_secs(20) };
        for name in ["tls", "etc", "outside"] {
            std::fs::create_dir(machine.path(name)).unwrap();
        }
        machine.write_policy(profiles);
        machine
    }

    /// Writes the policy: `tls` is allowed, and these profiles.
    pub(crate) fn write_policy(&self, profiles: &str) {
        self.write_whole_policy(&format!("directories = [{:?}]\n{profiles}", self.text("tls")));
    }

    /// Writes the policy as it is given.
    pub(crate) fn write_whole_policy(&self, text: &str) {
        std::fs::write(self.path("etc/policy.toml"), text).unwrap();
        std::fs::set_permissions(self.path("etc/policy.toml"), PermissionsExt::from_mode(0o644)).unwrap();
    }

    /// A path on it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same as a text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The whole of it.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn options(&self) -> InstallerOptions {
        InstallerOptions {
            state: self.path("state"),
            policy: self.path("etc/policy.toml"),
            clock: std::sync::Arc::new(now),
            patience: self.patience,
            at_step: self.at_step.clone(),
        }
    }

    /// Its agent.
    pub(crate) async fn installer(&self) -> Installer {
        Installer::open(self.options()).await.unwrap()
    }

    /// A certificate for `shop.test`, valid for 90 days.
    pub(crate) fn issue(&self) -> Issued {
        self.issue_until(now().plus(Duration::from_secs(90 * 24 * 3600)))
    }

    /// The same with another end.
    pub(crate) fn issue_until(&self, until: Timestamp) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["shop.test".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "shop.test");
        params.not_before = date(until.minus(Duration::from_secs(91 * 24 * 3600)));
        params.not_after = date(until);
        let leaf = params.signed_by(&key, &self.authority).unwrap();
        let chain = vec![leaf.der().to_vec(), self.authority.der().to_vec()];
        Issued { chain, key: key.serialize_der() }
    }

    /// A call with a certificate.
    pub(crate) fn deliver(&self, generation: u64, issued: &Issued, install: Install) -> Deliver {
        Deliver {
            delivery: DELIVERY.to_owned(),
            generation,
            install,
            chain: issued.chain.iter().map(|der| BASE64_STANDARD.encode(der)).collect(),
            key: Some(SecretBytes::new(issued.key.clone())),
            key_of: None,
            password: Some(SecretText::new(PASSWORD.to_owned())),
        }
    }

    /// Two files, `tls/site.pem` and `tls/site.key`.
    pub(crate) fn pem(&self) -> Install {
        self.install("pem", &["tls/site.pem", "tls/site.key"])
    }

    /// Files on it.
    pub(crate) fn install(&self, format: &str, to: &[&str]) -> Install {
        Install {
            format: format.to_owned(),
            to: to.iter().map(|path| self.text(path)).collect(),
            owner: String::new(),
            mode: "600".to_owned(),
            reload: None,
            verify: None,
            friendly_name: String::new(),
        }
    }

    /// Writes a certificate and its key as plain files, as an operator had them before.
    pub(crate) fn write_pem(&self, issued: &Issued, certificate: &str, key: &str) {
        std::fs::write(self.path(certificate), issued.certificates_pem()).unwrap();
        std::fs::write(self.path(key), issued.key_pem()).unwrap();
        std::fs::set_permissions(self.path(key), PermissionsExt::from_mode(0o640)).unwrap();
    }

    /// The certificate in files that belong together; none if none of them is there. Anything else fails the test.
    pub(crate) fn set(&self, files: &[&str]) -> Option<Thumbprint> {
        let contents: Vec<_> = files.iter().map(|file| std::fs::read(self.path(file))).collect();
        if contents
            .iter()
            .all(|content| content.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound))
        {
            return None;
        }
        let contents: Vec<Vec<u8>> = contents.into_iter().map(|content| content.unwrap()).collect();
        let inputs: Vec<Input<'_>> = contents.iter().map(|bytes| Input { name: "", bytes }).collect();
        // It is an error if the key is not that of the leaf.
        let bundle = portward_certs::read(&inputs, Some(&portward_certs::Password::new(PASSWORD.to_owned()))).unwrap();
        Some(bundle.facts.thumbprint)
    }

    /// Everything on it but the state of the agent: kind, mode, owner, and content.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let stat = std::fs::symlink_metadata(&path).unwrap();
                let content = if stat.is_dir() {
                    folders.push(path.clone());
                    String::new()
                } else if stat.is_symlink() {
                    std::fs::read_link(&path).unwrap().display().to_string()
                } else if stat.is_file() {
                    String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
                } else {
                    String::new()
                };
                let shown = format!("{:o} {}:{} {content}", stat.mode(), stat.uid(), stat.gid());
                found.insert(path, shown);
            }
        }
        found.retain(|path, _| !path.starts_with(self.path("state")));
        found
    }
}

impl Issued {
    pub(crate) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of(&self.chain[0])
    }

    pub(crate) fn certificates_pem(&self) -> String {
        self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect()
    }

    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}

/// Delivers, and tells nobody how it goes.
pub(crate) async fn deliver(installer: &Installer, call: Deliver) -> Result<DeliverReply, Fault> {
    installer.deliver(call, &Progress::to_nobody()).await
}

/// Looks at loopback.
pub(crate) fn verify_at(port: u16) -> Option<VerifyAt> {
    Some(VerifyAt { address: format!("127.0.0.1:{port}"), name: "shop.test".to_owned() })
}

pub(crate) fn now() -> Timestamp {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Timestamp::from_unix(i64::try_from(seconds).unwrap()).unwrap()
}

/// Whether the test runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn date(time: Timestamp) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(time.unix()).unwrap()
}

pub(crate) const DELIVERY: &str = "d-1";
pub(crate) const PASSWORD: &str = "the password of a key store";
