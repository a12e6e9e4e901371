//! Reading what is asked for.

use std::time::Duration;

use portward_api::acme::CertificateRequestCreate;
use portward_core::{
    AgentName, Host, HostPattern, IssuerId, Management,
    acme::{ChallengeKind, KeyAlgorithm, KeyReuse, Managed},
};
use portward_store::desired::Desired;

use super::{super::issuers, usual_profile};
use crate::app::{AppError, dns_providers};

/// Reads a request; everything that it names must be there.
pub(in crate::app) fn managed(input: &CertificateRequestCreate, desired: &Desired) -> Result<Managed, AppError> {
    let names = names(&input.names)?;
    let issuers = issuers(&input.issuers, desired)?;
    let challenge = input.challenge.as_deref().map(issuers::challenge).transpose()?;
    let dns = input.dns.as_deref().map(|id| dns_providers::find(desired, id)).transpose()?;
    check_challenge(&names, challenge, dns.is_some())?;
    let profile = match &input.profile {
        Some(profile) => Some(profile.clone()),
        None => {
            let first = issuers.first().and_then(|id| desired.issuer(id));
            first.and_then(|stored| usual_profile(&names, &stored.value.issuer))
        }
    };
    let key = match input.key.as_deref() {
        None => KeyAlgorithm::default(),
        Some(text) => KeyAlgorithm::parse(text).ok_or_else(|| {
            let message = format!("key: \"{text}\" is not ecdsa-p256, ecdsa-p384, rsa-2048 or rsa-4096");
            AppError::refused("invalid-value", message)
        })?,
    };
    let key_on = input.key_on.as_deref().map(AgentName::parse).transpose();
    Ok(Managed {
        names,
        issuers,
        challenge,
        profile,
        dns: dns.map(|stored| stored.value.id.clone()),
        key,
        reuse: if input.reuse_key { KeyReuse::Keep } else { KeyReuse::New },
        key_on: key_on.map_err(|error| AppError::invalid("key_on", &error))?,
        renew_before: input.renew_days_before.map(renew_before).transpose()?,
    })
}

/// Refuses to take the key of a certificate away that may be served here.
pub(in crate::app) fn check_key_on(before: &Management, wanted: &Managed) -> Result<(), AppError> {
    let was_on = before.managed().and_then(|managed| managed.key_on.as_ref());
    if let (None, Some(agent)) = (was_on, &wanted.key_on) {
        let message = format!(
            "key_on: the private key of this certificate is here, and Portward may serve it; request another certificate whose key is on {agent}, without --replace"
        );
        return Err(AppError::refused("key-is-here", message));
    }
    Ok(())
}

/// Days before the end, as a span.
pub(in crate::app) fn renew_before(days: u32) -> Result<Duration, AppError> {
    if !(1..=MOST_DAYS).contains(&days) {
        let message = format!("renew_days_before: {days} is not between 1 and {MOST_DAYS}");
        return Err(AppError::refused("invalid-value", message));
    }
    Ok(Duration::from_secs(u64::from(days) * 24 * 3600))
}

fn names(texts: &[String]) -> Result<Vec<HostPattern>, AppError> {
    let mut names = Vec::new();
    for text in texts {
        let name = HostPattern::parse(text).map_err(|error| AppError::invalid("names", &error))?;
        if name == HostPattern::Any {
            let message = "names: no CA issues for every host (*); name the hosts, or *.NAME for those below a name";
            return Err(AppError::refused("invalid-value", message));
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return Err(AppError::refused("invalid-value", "names: give at least one name or IP address"));
    }
    if names.len() > MOST_NAMES {
        let message = format!("names: {} are too many for one certificate; CAs take at most {MOST_NAMES}", names.len());
        return Err(AppError::refused("invalid-value", message));
    }
    Ok(names)
}

fn issuers(texts: &[String], desired: &Desired) -> Result<Vec<IssuerId>, AppError> {
    if texts.is_empty() {
        return match desired.issuers.as_slice() {
            [only] => Ok(vec![only.value.issuer.id.clone()]),
            [] => Err(AppError::refused(
                "no-issuer",
                "issuers: there is no issuer yet; portward acme issuer add letsencrypt --contact ADDR --accept-terms",
            )),
            several => {
                let ids: Vec<String> = several.iter().map(|stored| stored.value.issuer.id.to_string()).collect();
                let message = format!("issuers: there are several, so say which: --issuer {}", ids.join(" or "));
                Err(AppError::refused("issuer-needed", message))
            }
        };
    }
    let mut ids: Vec<IssuerId> = Vec::new();
    for text in texts {
        let id = issuers::find(desired, text)?.value.issuer.id.clone();
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// Refuses what no CA can do, before it is asked.
fn check_challenge(names: &[HostPattern], challenge: Option<ChallengeKind>, has_dns: bool) -> Result<(), AppError> {
    let wildcard = names.iter().find(|name| matches!(name, HostPattern::Wildcard(_)));
    if let Some(name) = wildcard {
        match challenge {
            Some(ChallengeKind::Dns01) => {}
            None if has_dns => {}
            None => {
                let message = format!(
                    "names: {name} is a wildcard, which a CA issues for dns-01 only. Say who writes the TXT records: portward acme dns add KIND, then --dns PROVIDER; or place them by hand: --challenge dns-01"
                );
                return Err(AppError::refused("wildcard-needs-dns", message));
            }
            Some(other) => {
                let message =
                    format!("challenge: {name} is a wildcard, which a CA issues for dns-01 only, not for {other}");
                return Err(AppError::refused("wildcard-needs-dns", message));
            }
        }
    }
    let address = names.iter().find(|name| matches!(name, HostPattern::Exact(Host::Ip(_))));
    if let (Some(name), Some(ChallengeKind::Dns01)) = (address, challenge) {
        let message =
            format!("challenge: {name} is an IP address, for which there is no dns-01; leave --challenge out");
        return Err(AppError::refused("address-needs-port", message));
    }
    Ok(())
}

/// Let's Encrypt's profile `classic`; others take fewer.
const MOST_NAMES: usize = 100;
/// No public certificate lives longer than 200 days, and a private one is not renewed a year ahead.
const MOST_DAYS: u32 = 365;
