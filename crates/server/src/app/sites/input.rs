//! Reading what is said of a site; each error names the field.

use std::sync::Arc;

use portward_api::{HeaderSet, SiteRoute, UpstreamTrustInput};
use portward_core::{
    Balance, BodyLimit, ForceHttps, Forwarding, ForwardingError, HeaderRules, HealthPath, HostPattern, HostPatterns,
    Hsts, PathRoute, PresetId, ProxyProtocol, SiteCertificate, SiteLimits, Thumbprint, Upstream, UpstreamHttp,
    UpstreamTrust, Upstreams, WaitLimit,
};
use portward_store::desired::Desired;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::app::{AppError, certificates::find_presentable};

/// Host names: at least one, and none twice.
pub(in crate::app) fn names(texts: &[String]) -> Result<HostPatterns, AppError> {
    let mut names = HostPatterns::with_capacity(texts.len());
    for text in texts {
        let name = HostPattern::parse(text).map_err(|error| AppError::invalid("names", &error))?;
        if names.contains(&name) {
            return Err(AppError::refused("invalid-value", format!("names: {name} is there twice")));
        }
        names.push(name);
    }
    if names.is_empty() {
        return Err(AppError::refused("invalid-value", "names: a site needs at least one host name, or * for any"));
    }
    Ok(names)
}

/// URLs of the application, at least one; or the portal.
pub(in crate::app) fn upstreams(texts: &[String]) -> Result<Upstreams, AppError> {
    let parse = |text: &String| Upstream::parse(text).map_err(|error| AppError::invalid("upstreams", &error));
    let upstreams = texts.iter().map(parse).collect::<Result<Upstreams, _>>()?;
    if upstreams.is_empty() {
        let message =
            "upstreams: a site needs at least one URL of the application, as in http://127.0.0.1:3000, or portal";
        return Err(AppError::refused("invalid-value", message));
    }
    if upstreams.len() > 1 && upstreams.contains(&Upstream::Portal) {
        let message = "upstreams: the portal shares no load with others; give portal alone, or the application alone";
        return Err(AppError::refused("invalid-value", message));
    }
    Ok(upstreams)
}

pub(in crate::app) fn force_https(text: &str) -> Result<ForceHttps, AppError> {
    let message = || format!("force_https: \"{text}\" is none of off, browsers, all");
    ForceHttps::parse(text).ok_or_else(|| AppError::refused("invalid-value", message()))
}

pub(in crate::app) fn hsts(text: &str) -> Result<Hsts, AppError> {
    Hsts::parse(text).map_err(|error| AppError::invalid("hsts", &error))
}

/// The largest body, and the times for a response and between pieces; what is not said stays as it is.
pub(in crate::app) fn limits(
    limits: &mut SiteLimits,
    [body, response, idle]: [Option<&str>; 3],
) -> Result<(), AppError> {
    if let Some(text) = body {
        limits.body = BodyLimit::parse(text).map_err(|error| AppError::invalid("max_body", &error))?;
    }
    if let Some(text) = response {
        limits.response = WaitLimit::parse(text).map_err(|error| AppError::invalid("response_timeout", &error))?;
    }
    if let Some(text) = idle {
        limits.idle = WaitLimit::parse(text).map_err(|error| AppError::invalid("idle_timeout", &error))?;
    }
    Ok(())
}

/// How requests reach the upstreams: balance, health path, PROXY protocol and HTTP, and routes; what is not said stays
/// as it is.
pub(in crate::app) fn forwarding(
    forwarding: &mut Forwarding,
    [balance, health_path, proxy_protocol, http]: [Option<&str>; 4],
    routes: Option<&[SiteRoute]>,
) -> Result<(), AppError> {
    if let Some(text) = balance {
        forwarding.balance = Balance::parse(text).map_err(|error| AppError::invalid("balance", &error))?;
    }
    if let Some(text) = health_path {
        forwarding.health = HealthPath::parse_choice(text).map_err(|error| AppError::invalid("health_path", &error))?;
    }
    if let Some(text) = proxy_protocol {
        forwarding.proxy_protocol =
            ProxyProtocol::parse(text).map_err(|error| AppError::invalid("proxy_protocol", &error))?;
    }
    if let Some(text) = http {
        forwarding.http = UpstreamHttp::parse(text).map_err(|error| AppError::invalid("upstream_http", &error))?;
    }
    if let Some(routes) = routes {
        let invalid = |error: ForwardingError| AppError::invalid("routes", &error);
        let read = |route: &SiteRoute| PathRoute::parse(&route.prefix, route.upstreams.iter().map(String::as_str));
        forwarding.routes = routes.iter().map(read).collect::<Result<_, _>>().map_err(invalid)?;
        PathRoute::check_all(&forwarding.routes).map_err(invalid)?;
    }
    Ok(())
}

/// Headers to set and to remove; what is not said stays as in `before`.
pub(in crate::app) fn headers(
    set: Option<&[HeaderSet]>,
    remove: Option<&[String]>,
    before: &HeaderRules,
) -> Result<HeaderRules, AppError> {
    let set = match set {
        Some(set) => set.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
        None => before.set().to_vec(),
    };
    let remove = remove.map_or_else(|| before.remove().to_vec(), <[String]>::to_vec);
    HeaderRules::new(set, remove).map_err(|error| AppError::invalid("headers", &error))
}

/// The name of a preset, be it known here or not.
pub(in crate::app) fn preset_name(text: &str) -> Result<PresetId, AppError> {
    PresetId::parse(text).map_err(|error| AppError::invalid("preset", &error))
}

/// `auto`, or the id of a certificate that there is.
pub(in crate::app) fn certificate(text: &str, desired: &Desired) -> Result<SiteCertificate, AppError> {
    if text == "auto" {
        return Ok(SiteCertificate::Auto);
    }
    Ok(SiteCertificate::Fixed(find_presentable(desired, text)?.value.id.clone()))
}

pub(in crate::app) fn trust(input: &UpstreamTrustInput) -> Result<UpstreamTrust, AppError> {
    match input {
        UpstreamTrustInput::System => Ok(UpstreamTrust::System),
        UpstreamTrustInput::Authorities(pem) => {
            Ok(UpstreamTrust::Authorities(authorities("upstream_trust.authorities", pem)?.into()))
        }
        UpstreamTrustInput::Pin(text) => {
            let pin = Thumbprint::parse(text).map_err(|error| AppError::invalid("upstream_trust.pin", &error))?;
            Ok(UpstreamTrust::Pin(Arc::new(pin)))
        }
        UpstreamTrustInput::DangerInsecure => Ok(UpstreamTrust::DangerInsecure),
    }
}

/// Certificates of authorities in PEM, each usable as a root.
pub(in crate::app) fn authorities(field: &str, pem: &str) -> Result<Vec<Arc<[u8]>>, AppError> {
    let mut authorities: Vec<Arc<[u8]>> = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der =
            der.map_err(|_| AppError::refused("invalid-value", format!("{field}: it is not PEM, or it is damaged")))?;
        RootCertStore::empty().add(der.clone()).map_err(|error| AppError::invalid(field, &error))?;
        authorities.push(der.as_ref().into());
    }
    if authorities.is_empty() {
        let message = format!(
            "{field}: there is no certificate in it; give the authority's certificate in PEM (-----BEGIN CERTIFICATE-----)"
        );
        return Err(AppError::refused("invalid-value", message));
    }
    Ok(authorities)
}
