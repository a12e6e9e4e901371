//! What a server asks for, read into types: nothing of it is used as a text from here on.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use portward_certs::{Password, PrivateKey, facts, is_in_order};
use portward_core::{
    Chain, DeliveryFormat, DeliveryId, DeliveryPath, DialAddress, FileMode, FileOwner, Host, LeafFacts, ProfileName,
    Thumbprint, Timestamp,
};
use portward_link::{
    SecretBytes,
    message::{Deliver, Fault, Install},
};
use zeroize::Zeroizing;

use super::{
    directory::Access,
    keys::{Keys, MadeHere},
    refused,
};
use crate::render::render;

/// Is where and how a certificate is installed.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) format: DeliveryFormat,
    pub(super) paths: Vec<DeliveryPath>,
    pub(super) owner: FileOwner,
    pub(super) mode: FileMode,
    pub(super) reload: Option<ProfileName>,
    pub(super) verify: Option<Look>,
}

/// Is where it is looked what is served.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) address: DialAddress,
    pub(super) name: Host,
}

/// Is what a server asks for.
pub(super) struct Wanted {
    pub(super) delivery: DeliveryId,
    pub(super) generation: u64,
    pub(super) install: Install,
    pub(super) target: Target,
    pub(super) facts: LeafFacts,
    /// SHA-256 of all that is asked.
    pub(super) digest: String,
    /// Its key, if that was made here.
    pub(super) made_here: Option<MadeHere>,
    chain: Chain,
    key: PrivateKey,
    password: Option<Password>,
}

impl Target {
    /// Reads the texts of a delivery.
    pub(super) fn parse(install: &Install) -> Result<Self, Fault> {
        let unreadable = |error: &dyn std::error::Error| refused("unreadable", error.to_string());
        let format = DeliveryFormat::parse(&install.format).map_err(|error| unreadable(&error))?;
        // No message repeats a path that is longer than any path.
        let paths: Result<Vec<_>, _> = install.to.iter().take(8).map(|path| DeliveryPath::parse(path)).collect();
        let paths = paths.map_err(|error| unreadable(&error))?;
        format.check_paths(&paths).map_err(|error| unreadable(&error))?;
        if let Some(path) = paths.iter().find(|path| path.as_str().split('/').any(|part| part.starts_with(OWN))) {
            return Err(refused("path-refused", format!("{path} is in what the agent keeps for itself ({OWN})")));
        }
        let is_below = |one: &DeliveryPath, other: &DeliveryPath| {
            one.as_str().strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if let [one, other] = paths.as_slice()
            && (is_below(one, other) || is_below(other, one))
        {
            return Err(refused(
                "path-refused",
                format!("of {one} and {other} one is below the other; both are files"),
            ));
        }
        let owner = if install.owner.is_empty() {
            FileOwner::default()
        } else {
            FileOwner::parse(&install.owner).map_err(|error| unreadable(&error))?
        };
        let mode = FileMode::parse(&install.mode).map_err(|error| unreadable(&error))?;
        let reload = install.reload.as_deref().map(ProfileName::parse).transpose();
        let reload = reload.map_err(|error| unreadable(&error))?;
        let verify = match &install.verify {
            None => None,
            Some(verify) => Some(Look {
                address: DialAddress::parse(&verify.address, None).map_err(|error| unreadable(&error))?,
                name: Host::parse(&verify.name).map_err(|error| unreadable(&error))?,
            }),
        };
        let is_name = |name: &str| name.len() <= MAX_NAME && !name.chars().any(char::is_control);
        if !is_name(&install.friendly_name) {
            let expected = format!("at most {MAX_NAME} bytes without control characters");
            return Err(refused("unreadable", format!("the friendly name is not {expected}")));
        }
        Ok(Self { format, paths, owner, mode, reload, verify })
    }

    /// Who will own the files, by number.
    pub(super) fn access(&self) -> Result<Access, Fault> {
        let number = |name: &Arc<str>, named: &dyn Fn(&str) -> Option<u32>, what: &str| {
            let is_number = name.bytes().all(|b| b.is_ascii_digit());
            // The last number means "as it is" to the system.
            let found = if is_number { name.parse().ok().filter(|id| *id != u32::MAX) } else { named(name) };
            found.ok_or_else(|| {
                refused(
                    "owner-unknown",
                    format!("the {what} {name} of the owner \"{}\" does not exist here", self.owner),
                )
            })
        };
        let user = |name: &str| uzers::get_user_by_name(name).map(|user| user.uid());
        let group = |name: &str| uzers::get_group_by_name(name).map(|group| group.gid());
        Ok(Access {
            user: self.owner.user.as_ref().map(|name| number(name, &user, "user")).transpose()?,
            group: self.owner.group.as_ref().map(|name| number(name, &group, "group")).transpose()?,
            mode: self.mode.bits(),
        })
    }
}

impl Wanted {
    /// Reads a call.
    pub(super) fn parse(call: &Deliver, keys: &Keys) -> Result<Self, Fault> {
        let delivery = DeliveryId::parse(&call.delivery).map_err(|error| refused("unreadable", error.to_string()))?;
        let target = Target::parse(&call.install)?;
        let broken = |what: String| refused("certificate-refused", what);
        if call.chain.is_empty() || call.chain.len() > MAX_CHAIN {
            let came = call.chain.len();
            return Err(broken(format!("the chain has {came} certificates; it has from 1 to {MAX_CHAIN}")));
        }
        let decode = |text: &String| BASE64_STANDARD.decode(text).map(Arc::<[u8]>::from);
        let mut chain: Vec<Arc<[u8]>> = call
            .chain
            .iter()
            .map(decode)
            .collect::<Result<_, _>>()
            .map_err(|_| broken("the chain has a certificate that is not base64".to_owned()))?;
        let facts = facts(&chain[0]).map_err(|error| broken(error.to_string()))?;
        let (key, made_here) = match (&call.key, &call.key_of) {
            (Some(key), _) => {
                (PrivateKey::from_pkcs8_der(key.expose()).map_err(|error| broken(error.to_string()))?, None)
            }
            (None, Some(certificate)) => {
                let (key, made_here) = keys.find(certificate, &chain[0])?;
                (key, Some(made_here))
            }
            (None, None) => return Err(broken("there is no private key with it".to_owned())),
        };
        if !key.fits(&chain[0]) {
            let whose = format!("{} ({})", facts.subject, facts.thumbprint);
            return Err(refused("key-does-not-fit", format!("the private key is not that of the certificate {whose}")));
        }
        if !is_in_order(&chain) {
            let what = format!(
                "the chain of {} is not in order: each certificate is signed by the one after it, and one of them is not",
                facts.subject
            );
            return Err(refused("chain-order", what));
        }
        let is_root = |der: &Arc<[u8]>| portward_certs::facts(der).is_ok_and(|facts| facts.self_signed);
        let root = if chain.len() > 1 { chain.pop_if(|last| is_root(last)) } else { None };
        let leaf = chain.remove(0);
        let password = call.password.as_ref().map(|password| password.expose()).filter(|text| !text.is_empty());
        if target.format.has_password() && password.is_none() {
            let what = format!("a file of the format {} has a password, and none came", target.format);
            return Err(refused("password-missing", what));
        }
        let password = password.map(|text| Password::new(text.to_owned()));
        Ok(Self {
            delivery,
            generation: call.generation,
            install: call.install.clone(),
            target,
            facts,
            digest: digest(call, &key),
            chain: Chain { leaf, intermediates: chain.into(), root },
            key,
            made_here,
            password,
        })
    }

    /// Refuses what is of no use any more.
    pub(super) fn check_dates(&self, now: Timestamp) -> Result<(), Fault> {
        let until = self.facts.validity.not_after;
        if now > until {
            let what = format!("the certificate {} expired at {until}; it is {now} here", self.facts.subject);
            return Err(refused("expired", what));
        }
        Ok(())
    }

    /// Its files, in the order of the paths.
    pub(super) fn files(&self) -> Result<Vec<Zeroizing<Vec<u8>>>, Fault> {
        let name = &self.install.friendly_name;
        render(self.target.format, &self.chain, &self.key, self.password.as_ref(), name)
            .map_err(|error| refused("format-failed", error.to_string()))
    }
}

/// The key is in it, which makes it no help for guessing the password.
fn digest(call: &Deliver, key: &PrivateKey) -> String {
    let asked = (&call.install, &call.chain, SecretBytes::new(key.as_pkcs8_der().to_vec()), &call.password);
    let json = Zeroizing::new(serde_json::to_vec(&asked).unwrap_or_default());
    sha256(&json)
}

/// SHA-256 in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Thumbprint::of(bytes).to_string()
}

/// What the agent keeps beside the files that it installs begins with this.
pub(super) const OWN: &str = ".portward";
const MAX_CHAIN: usize = 20;
const MAX_NAME: usize = 128;
