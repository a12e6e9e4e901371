//! Use cases of issuers.

use std::{net::SocketAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use portward_api::{
    Removed,
    acme::{IssuerCreate, IssuerView, RolledOver},
};
use portward_certs::acme::RollOverError;
use portward_core::{
    IssuerId, Scheme,
    acme::{ChallengeKind, DirectoryTrust, Issuer, IssuerPorts},
};
use portward_store::{
    change::Expected,
    desired::{Desired, Stored, StoredIssuer},
    sealing::Secret,
    work::StoredAccount,
};
use zeroize::Zeroizing;

use super::{Allowed, App, AppError, Apply, Precondition, Revised, right, slug};
use crate::renewals::Asked;

impl App {
    /// Lists the issuers.
    pub(crate) async fn list_issuers(&self, _by: &Allowed<right::View>) -> Result<Vec<IssuerView>, AppError> {
        let desired = Arc::clone(&self.served().desired);
        let mut views = Vec::with_capacity(desired.issuers.len());
        for stored in &desired.issuers {
            views.push(self.issuer_view(&stored.value.issuer, &desired).await?);
        }
        Ok(views)
    }

    /// Shows one issuer.
    pub(crate) async fn show_issuer(
        &self,
        _by: &Allowed<right::View>,
        id: &str,
    ) -> Result<Revised<IssuerView>, AppError> {
        let desired = Arc::clone(&self.served().desired);
        let stored = find(&desired, id)?;
        let view = self.issuer_view(&stored.value.issuer, &desired).await?;
        Ok(Revised { view, revision: Some(stored.revision) })
    }

    /// Adds an issuer. Its account is made with the first order.
    pub(crate) async fn add_issuer(
        &self,
        by: &Allowed<right::IssuerChange>,
        input: &IssuerCreate,
        apply: Apply,
    ) -> Result<Revised<IssuerView>, AppError> {
        let (mut issuer, eab) = parse(input)?;
        // The CA may take its time, in which others decide.
        self.check_trust(&issuer)?;
        self.demand_terms(&issuer, input.accept_terms).await?;
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        issuer.id = match &input.id {
            Some(id) => {
                let id = IssuerId::parse(id).map_err(|error| AppError::invalid("id", &error))?;
                if desired.issuer(&id).is_some() {
                    let message = format!(
                        "there is an issuer \"{id}\" already; choose another id, or remove it first: portward acme issuer remove {id}"
                    );
                    return Err(AppError::conflict("already-there", message));
                }
                id
            }
            None => new_id(&desired, &issuer.directory)?,
        };
        let view = self.issuer_view(&issuer, &desired).await?;
        if apply == Apply::DryRun {
            return Ok(Revised { view, revision: None });
        }
        let mut change = self.change(by, format!("add issuer {} {}", issuer.id, issuer.directory));
        change.put_issuer(&issuer, eab.as_ref(), &self.sealer(&desired)?, Expected::Absent);
        let revision = self.commit(change).await?;
        drop(deciding);
        self.in_effect(revision).await?;
        Ok(Revised { view, revision: Some(revision) })
    }

    /// Removes an issuer that no certificate is asked of, and forgets its account.
    pub(crate) async fn remove_issuer(
        &self,
        by: &Allowed<right::IssuerChange>,
        id: &str,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Removed, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let stored = find(&desired, id)?;
        precondition.check("issuer", id, stored.revision)?;
        let users = users(&desired, &stored.value.issuer.id);
        if !users.is_empty() {
            let message = format!(
                "the issuer \"{id}\" is asked for {}; ask another one for them, or stop managing them: portward certificate unmanage ID",
                users.join(", ")
            );
            return Err(AppError::conflict("issuer-in-use", message));
        }
        if apply == Apply::Now {
            let mut change = self.change(by, format!("remove issuer {id}"));
            change.remove_issuer(&stored.value.issuer.id, Expected::At(stored.revision));
            change.remove_account(&stored.value.issuer.id);
            let revision = self.commit(change).await?;
            drop(deciding);
            self.in_effect(revision).await?;
        }
        Ok(Removed { id: id.to_owned(), warnings: Vec::new() })
    }

    /// Gives the account with an issuer a new key.
    pub(crate) async fn roll_over_account(
        &self,
        by: &Allowed<right::IssuerChange>,
        id: &str,
    ) -> Result<RolledOver, AppError> {
        self.refuse_at_the_end()?;
        let desired = self.desired().await?;
        let asked = self.asked(&find(&desired, id)?.value)?;
        let rolled = self.parts.engine.roll_over(&asked).await;
        let rolled = rolled.map_err(|text| AppError::conflict("no-account", text))?;
        let account = rolled.map_err(|error| {
            let text = match &error {
                RollOverError::Refused(_) => format!("the account has its old key still: {error}"),
                RollOverError::Unsure(_) => format!(
                    "the CA did not say whether it took the new key: {error}; the next order asks again, or portward acme account rollover {id}"
                ),
            };
            AppError::refused("refused-by-ca", text)
        })?;
        // The key is another one by now, so that the record comes after it.
        self.commit(self.change_of(by.actor(), format!("give the account with issuer {id} a new key"))).await?;
        Ok(RolledOver { issuer: id.to_owned(), account: account.url })
    }

    /// Who answers for an issuer.
    pub(super) fn asked(&self, stored: &StoredIssuer) -> Result<Asked, AppError> {
        let ca = self.parts.engine.authority(&stored.issuer);
        let ca = ca.map_err(|text| AppError::refused("directory-unusable", text))?;
        Ok(Asked { issuer: stored.issuer.clone(), stored: stored.clone(), ca })
    }

    /// Refuses an issuer that could never be asked.
    pub(super) fn check_trust(&self, issuer: &Issuer) -> Result<(), AppError> {
        let checked = self.parts.engine.authority(issuer).map(drop);
        checked.map_err(|text| AppError::refused("directory-unusable", format!("directory: {text}")))
    }

    pub(super) async fn issuer_view(&self, issuer: &Issuer, desired: &Desired) -> Result<IssuerView, AppError> {
        let account = StoredAccount::read_url(&*self.parts.store, &issuer.id).await;
        let account = account.map_err(|error| AppError::internal("the account of the issuer cannot be read", error))?;
        Ok(IssuerView {
            id: issuer.id.to_string(),
            directory: issuer.directory.clone(),
            trust: match &issuer.trust {
                DirectoryTrust::System => "system".to_owned(),
                DirectoryTrust::Authorities(ders) if ders.len() == 1 => "1 authority of its own".to_owned(),
                DirectoryTrust::Authorities(ders) => format!("{} authorities of its own", ders.len()),
            },
            contacts: issuer.contacts.clone(),
            terms_agreed: issuer.terms_agreed,
            account,
            eab_key_id: issuer.eab_key_id.clone(),
            profile: issuer.profile.clone(),
            challenge: issuer.challenge.map(|kind| kind.to_string()),
            preferred_chain: issuer.preferred_chain.clone(),
            http_port: issuer.ports.http,
            tls_port: issuer.ports.tls,
            resolvers: issuer.resolvers.iter().map(ToString::to_string).collect(),
            certificates: users(desired, &issuer.id),
        })
    }
}

/// The issuer of that id.
pub(super) fn find<'a>(desired: &'a Desired, id: &str) -> Result<&'a Stored<StoredIssuer>, AppError> {
    let found = IssuerId::parse(id).ok().and_then(|id| desired.issuer(&id));
    found.ok_or_else(|| {
        let message = format!("there is no issuer \"{id}\"; portward acme issuer list shows those there are");
        AppError::new(http::StatusCode::NOT_FOUND, "not-found", message)
    })
}

/// An id for an issuer, out of its directory.
pub(super) fn new_id(desired: &Desired, directory: &str) -> Result<IssuerId, AppError> {
    let text = match directory {
        Issuer::LETS_ENCRYPT => "letsencrypt",
        Issuer::LETS_ENCRYPT_STAGING => "letsencrypt-staging",
        other => other.strip_prefix("https://").unwrap_or(other).split(['/', ':']).next().unwrap_or_default(),
    };
    let is_taken = |id: &str| IssuerId::parse(id).is_ok_and(|id| desired.issuer(&id).is_some());
    IssuerId::parse(&slug(text, "issuer", is_taken)).map_err(|error| AppError::invalid("directory", &error))
}

/// The URL of a directory, by its word or as it is.
pub(super) fn directory(text: &str) -> Result<String, AppError> {
    match text {
        "letsencrypt" => Ok(Issuer::LETS_ENCRYPT.to_owned()),
        "letsencrypt-staging" => Ok(Issuer::LETS_ENCRYPT_STAGING.to_owned()),
        url if url.starts_with("https://") => Ok(url.to_owned()),
        other => Err(AppError::refused(
            "invalid-value",
            format!(
                "directory: \"{other}\" is not letsencrypt, letsencrypt-staging, or a URL that begins with https://"
            ),
        )),
    }
}

/// The authorities that vouch for a directory, out of PEM.
pub(super) fn trust(pem: Option<&str>) -> Result<DirectoryTrust, AppError> {
    let Some(pem) = pem else { return Ok(DirectoryTrust::System) };
    Ok(DirectoryTrust::Authorities(super::sites::input::authorities("directory_ca", pem)?))
}

/// Contact URLs, where an e-mail address is enough.
pub(super) fn contacts(texts: &[String]) -> Result<Vec<String>, AppError> {
    let contact = |text: &String| {
        let address = text.strip_prefix("mailto:").unwrap_or(text);
        let is_address = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
        if !is_address || address.contains([' ', ',', '?']) {
            let message = format!("contacts: \"{text}\" is not an e-mail address like ops@shop.example");
            return Err(AppError::refused("invalid-value", message));
        }
        Ok(format!("mailto:{address}"))
    };
    texts.iter().map(contact).collect()
}

/// A challenge by its word.
pub(super) fn challenge(text: &str) -> Result<ChallengeKind, AppError> {
    ChallengeKind::parse(text).ok_or_else(|| {
        let message = format!("challenge: \"{text}\" is not http-01, tls-alpn-01 or dns-01");
        AppError::refused("invalid-value", message)
    })
}

/// Reads what is asked for; its id is made later.
pub(super) fn parse(input: &IssuerCreate) -> Result<(Issuer, Option<Secret>), AppError> {
    let eab = match &input.eab {
        None => None,
        Some(eab) => {
            let text =
                Zeroizing::new(eab.mac_key.expose().trim().trim_end_matches('=').replace('+', "-").replace('/', "_"));
            let mac_key = BASE64_URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(|_| {
                AppError::refused("invalid-value", "eab.mac_key: it is not base64url, as the CA gives it")
            })?;
            Some((eab.key_id.clone(), Secret::from(mac_key)))
        }
    };
    let port = |field: &str, port: Option<u16>, usual: u16| match port {
        Some(0) => Err(AppError::refused("invalid-value", format!("{field}: 0 is no port that a CA asks at"))),
        port => Ok(port.unwrap_or(usual)),
    };
    let usual = IssuerPorts::default();
    let issuer = Issuer {
        // Made when it is known which are taken.
        id: IssuerId::parse("new").map_err(|error| AppError::invalid("id", &error))?,
        directory: directory(&input.directory)?,
        trust: trust(input.directory_ca.as_deref())?,
        contacts: contacts(&input.contacts)?,
        terms_agreed: input.accept_terms,
        eab_key_id: eab.as_ref().map(|(key_id, _)| key_id.clone()),
        profile: input.profile.clone(),
        challenge: input.challenge.as_deref().map(challenge).transpose()?,
        preferred_chain: input.preferred_chain.clone(),
        ports: IssuerPorts {
            http: port("http_port", input.http_port, usual.http)?,
            tls: port("tls_port", input.tls_port, usual.tls)?,
        },
        resolvers: input.resolvers.iter().map(|text| resolver(text)).collect::<Result<_, _>>()?,
    };
    Ok((issuer, eab.map(|(_, mac_key)| mac_key)))
}

fn resolver(text: &str) -> Result<SocketAddr, AppError> {
    let address = text.parse().ok().or_else(|| text.parse().ok().map(|ip| SocketAddr::new(ip, DNS)));
    address.ok_or_else(|| {
        let message = format!("resolvers: \"{text}\" is not an IP address, with :PORT where it is not 53");
        AppError::refused("invalid-value", message)
    })
}

/// The certificates that are asked of an issuer.
pub(super) fn users(desired: &Desired, id: &IssuerId) -> Vec<String> {
    let uses = |stored: &&portward_store::desired::StoredCertificate| {
        stored.value.management.managed().is_some_and(|managed| managed.issuers.contains(id))
    };
    desired.certificates.iter().filter(uses).map(|stored| stored.value.id.to_string()).collect()
}

/// Where resolvers listen.
const DNS: u16 = 53;
/// The scheme whose bindings present certificates.
pub(super) const HTTPS: Scheme = Scheme::Https;
