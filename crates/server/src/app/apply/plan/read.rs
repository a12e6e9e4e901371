//! Reading what is declared.

use portward_api::{
    DnsProviderDeclared, IssuerDeclared, SecretDeclared, SiteDeclared, UpstreamTrustInput,
    acme::{EabInput, IssuerCreate},
};
use portward_core::{Forwarding, HeaderRules, IssuerId, Site, SiteCertificate, SiteId, SiteLimits, acme::Issuer};
use portward_store::{desired::Desired, sealing::Secret};
use zeroize::Zeroizing;

use crate::{
    app::{AppError, issuers, sites},
    kind_settings::{KindSettings, Values},
};

/// Reads what is declared of an issuer, with the MAC key of its account binding if that is given.
pub(in crate::app::apply) fn issuer(declared: &IssuerDeclared) -> Result<(Issuer, Option<Secret>), AppError> {
    let read = || {
        let given = declared.eab.as_ref().and_then(|eab| eab.mac_key.value.clone().map(|key| (eab, key)));
        let input = IssuerCreate {
            id: Some(declared.id.clone()),
            directory: declared.directory.clone(),
            directory_ca: declared.directory_ca.clone(),
            contacts: declared.contacts.clone(),
            accept_terms: declared.accept_terms,
            eab: given.map(|(eab, mac_key)| EabInput { key_id: eab.key_id.clone(), mac_key }),
            profile: declared.profile.clone(),
            challenge: declared.challenge.clone(),
            preferred_chain: declared.preferred_chain.clone(),
            http_port: declared.http_port,
            tls_port: declared.tls_port,
            resolvers: declared.resolvers.clone(),
        };
        let (mut issuer, secret) = issuers::parse(&input)?;
        issuer.id = IssuerId::parse(&declared.id).map_err(|error| AppError::invalid("id", &error))?;
        issuer.eab_key_id = declared.eab.as_ref().map(|eab| eab.key_id.clone());
        Ok((issuer, secret))
    };
    read().map_err(|error: AppError| error.within(&format!("issuer {}", declared.id)))
}

pub(super) fn site(declared: &SiteDeclared, after: &Desired) -> Result<Site, AppError> {
    let SiteDeclared { id, names, upstreams, upstream_trust, force_https, hsts, certificate, .. } = declared;
    let SiteDeclared { max_body, response_timeout, idle_timeout, set_headers, remove_headers, preset, .. } = declared;
    let SiteDeclared { balance, health_path, proxy_protocol, upstream_http, routes, .. } = declared;
    let trust = match upstream_trust {
        None => UpstreamTrustInput::System,
        Some(trust) => match (&trust.authorities, &trust.pin, trust.danger_insecure) {
            (Some(pem), None, false) => UpstreamTrustInput::Authorities(pem.clone()),
            (None, Some(pin), false) => UpstreamTrustInput::Pin(pin.clone()),
            (None, None, true) => UpstreamTrustInput::DangerInsecure,
            _ => {
                let message = "upstream_trust: it has one of authorities, pin, and danger_insecure: true";
                return Err(AppError::refused("invalid-value", message));
            }
        },
    };
    let mut limits = SiteLimits::default();
    sites::input::limits(&mut limits, [max_body, response_timeout, idle_timeout].map(Option::as_deref))?;
    let mut forwarding = Forwarding::default();
    let given = [balance, health_path, proxy_protocol, upstream_http].map(Option::as_deref);
    sites::input::forwarding(&mut forwarding, given, Some(routes))?;
    Ok(Site {
        id: SiteId::parse(id).map_err(|error| AppError::invalid("id", &error))?,
        names: sites::input::names(names)?,
        upstreams: sites::input::upstreams(upstreams)?,
        upstream_trust: sites::input::trust(&trust)?,
        force_https: force_https.as_deref().map(sites::input::force_https).transpose()?,
        hsts: hsts.as_deref().map(sites::input::hsts).transpose()?.unwrap_or_default(),
        certificate: match certificate {
            None => SiteCertificate::Auto,
            Some(text) => sites::input::certificate(text, after)?,
        },
        forwarding: forwarding.into(),
        limits,
        headers: sites::input::headers(Some(set_headers), Some(remove_headers), &HeaderRules::default())?,
        preset: preset.as_deref().map(sites::input::preset_name).transpose()?,
    })
}

/// The secrets of a DNS provider, those that it has where none is given; and the names of those that differ.
pub(super) fn secrets_of(
    declared: &DnsProviderDeclared,
    known: Option<&KindSettings>,
    what: &str,
) -> Result<(Values, Vec<String>), AppError> {
    let (mut secrets, mut other) = (Values::new(), Vec::new());
    for (name, declared) in &declared.secrets {
        let value = match (&declared.value, known.and_then(|known| known.secret.get(name))) {
            (Some(value), known) => {
                if known.is_some_and(|known| known.as_str() != value.expose()) {
                    other.push(name.clone());
                }
                Zeroizing::new(value.expose().to_owned())
            }
            (None, Some(known)) => known.clone(),
            (None, None) => return Err(secret_missing(what, name, Some(declared))),
        };
        secrets.insert(name.clone(), value);
    }
    Ok((secrets, other))
}

pub(super) fn secret_missing(what: &str, name: &str, declared: Option<&SecretDeclared>) -> AppError {
    AppError::refused(
        "secret-missing",
        format!("{what}: the secret {name} is not known here; {}, then apply again", source(declared)),
    )
}

/// What is to be done so that a secret is given.
pub(super) fn source(declared: Option<&SecretDeclared>) -> String {
    match declared {
        Some(SecretDeclared { env: Some(env), .. }) => format!("set the environment variable {env}"),
        Some(SecretDeclared { file: Some(file), .. }) => format!("write it to the file {file}"),
        _ => "say where it is, with env or file".to_owned(),
    }
}
