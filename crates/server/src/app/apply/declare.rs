//! What is there, as it would be declared.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use portward_api::{
    BindingDeclared, CertificateDeclared, DesiredState, DnsProviderDeclared, EabDeclared, HeaderSet, IssuerDeclared,
    ManagedDeclared, SecretDeclared, SettingsUpdate, SettingsView, SiteDeclared, UpstreamTrustDeclared,
};
use portward_core::{
    Binding, Certificate, Forwarding, Hsts, Settings, Site, SiteCertificate, UpstreamTrust,
    acme::{DirectoryTrust, Issuer, IssuerPorts, KeyReuse, Managed},
};
use portward_store::desired::{Desired, StoredDnsProvider};

use super::super::{settings::view, sites::route};

/// The whole desired state.
pub(super) fn desired_state(desired: &Desired) -> DesiredState {
    DesiredState {
        settings: Some(settings(&desired.settings)),
        issuers: Some(desired.issuers.iter().map(|stored| issuer(&stored.value.issuer)).collect()),
        dns_providers: Some(desired.dns_providers.iter().map(|stored| dns_provider(&stored.value)).collect()),
        certificates: Some(desired.certificates.iter().map(|stored| certificate(&stored.value)).collect()),
        bindings: Some(desired.bindings.iter().map(|stored| binding(&stored.value)).collect()),
        sites: Some(desired.sites.iter().map(|stored| site(&stored.value)).collect()),
    }
}

// Each of these names every field, so that a new one is not forgotten here.

pub(super) fn settings(settings: &Settings) -> SettingsUpdate {
    // The certificate for the server's own name is there by itself once it is asked for.
    let Settings { force_https: _, warning: _, agents: _, trusted_proxies: _, letsencrypt: _ } = settings;
    let SettingsView {
        force_https,
        warning_days,
        agent_identity_days,
        server_identity_days,
        agent_check_minutes,
        trusted_proxies,
    } = view(settings);
    SettingsUpdate {
        force_https: Some(force_https),
        warning_days: Some(warning_days),
        agent_identity_days: Some(agent_identity_days),
        server_identity_days: Some(server_identity_days),
        agent_check_minutes: Some(agent_check_minutes),
        trusted_proxies: Some(trusted_proxies),
    }
}

pub(super) fn binding(binding: &Binding) -> BindingDeclared {
    let Binding { id, protocol: _, address: _, default_certificate, accept_proxy_from, to } = binding;
    BindingDeclared {
        id: id.to_string(),
        url: binding.url(),
        default_certificate: default_certificate.as_ref().map(ToString::to_string),
        accept_proxy_from: accept_proxy_from.iter().map(ToString::to_string).collect(),
        to: to.iter().map(ToString::to_string).collect(),
    }
}

/// A site as a file declares it.
pub(crate) fn site(site: &Site) -> SiteDeclared {
    let Site {
        id,
        names,
        upstreams,
        upstream_trust,
        forwarding,
        force_https,
        hsts,
        certificate,
        limits,
        headers,
        preset,
    } = site;
    let Forwarding { balance, health, proxy_protocol, http, routes } = &**forwarding;
    let usual = Forwarding::default();
    SiteDeclared {
        id: id.to_string(),
        names: names.iter().map(ToString::to_string).collect(),
        upstreams: upstreams.iter().map(ToString::to_string).collect(),
        upstream_trust: trust(upstream_trust),
        force_https: force_https.map(|mode| mode.to_string()),
        hsts: (*hsts != Hsts::default()).then(|| hsts.to_string()),
        certificate: match certificate {
            SiteCertificate::Auto => None,
            SiteCertificate::Fixed(id) => Some(id.to_string()),
        },
        max_body: limits.body.map(|limit| limit.to_string()),
        response_timeout: limits.response.map(|limit| limit.to_string()),
        idle_timeout: limits.idle.map(|limit| limit.to_string()),
        set_headers: headers.set().iter().map(header).collect(),
        remove_headers: headers.remove().to_vec(),
        balance: (*balance != usual.balance).then(|| balance.to_string()),
        health_path: health.as_ref().map(ToString::to_string),
        proxy_protocol: (*proxy_protocol != usual.proxy_protocol).then(|| proxy_protocol.to_string()),
        upstream_http: (*http != usual.http).then(|| http.to_string()),
        routes: routes.iter().map(route).collect(),
        preset: preset.as_ref().map(ToString::to_string),
    }
}

fn header((name, value): &(String, String)) -> HeaderSet {
    HeaderSet { name: name.clone(), value: value.clone() }
}

fn trust(trust: &UpstreamTrust) -> Option<UpstreamTrustDeclared> {
    let declared = UpstreamTrustDeclared::default();
    match trust {
        UpstreamTrust::System => None,
        UpstreamTrust::Authorities(ders) => Some(UpstreamTrustDeclared { authorities: Some(pem(ders)), ..declared }),
        UpstreamTrust::Pin(pin) => Some(UpstreamTrustDeclared { pin: Some(pin.to_string()), ..declared }),
        UpstreamTrust::DangerInsecure => Some(UpstreamTrustDeclared { danger_insecure: true, ..declared }),
    }
}

pub(super) fn certificate(certificate: &Certificate) -> CertificateDeclared {
    let Certificate { id, name, management, current: _, versions: _ } = certificate;
    let managed = management.managed().map(|managed| self::managed(managed));
    let version = certificate.current_version().filter(|_| managed.is_none());
    CertificateDeclared {
        id: id.to_string(),
        name: (**name != *id.as_str()).then(|| name.to_string()),
        managed,
        thumbprint: version.map(|version| version.facts.thumbprint.to_string()),
    }
}

fn managed(managed: &Managed) -> ManagedDeclared {
    let Managed { names, issuers, challenge, profile, dns, key, reuse, key_on, renew_before } = managed;
    ManagedDeclared {
        names: names.iter().map(ToString::to_string).collect(),
        issuers: issuers.iter().map(ToString::to_string).collect(),
        challenge: challenge.map(|kind| kind.to_string()),
        profile: profile.clone(),
        dns: dns.as_ref().map(ToString::to_string),
        key: Some(key.to_string()),
        reuse_key: *reuse == KeyReuse::Keep,
        key_on: key_on.as_ref().map(ToString::to_string),
        renew_days_before: renew_before.map(|before| u32::try_from(before.as_secs() / DAY).unwrap_or(u32::MAX)),
    }
}

pub(super) fn issuer(issuer: &Issuer) -> IssuerDeclared {
    let Issuer {
        id,
        directory,
        trust,
        contacts,
        terms_agreed,
        eab_key_id,
        profile,
        challenge,
        preferred_chain,
        ports,
        resolvers,
    } = issuer;
    let usual = IssuerPorts::default();
    IssuerDeclared {
        id: id.to_string(),
        directory: directory.clone(),
        directory_ca: match trust {
            DirectoryTrust::System => None,
            DirectoryTrust::Authorities(ders) => Some(pem(ders)),
        },
        contacts: contacts.clone(),
        accept_terms: *terms_agreed,
        eab: eab_key_id.as_ref().map(|key_id| EabDeclared {
            key_id: key_id.clone(),
            mac_key: placeholder(&["issuer", id.as_str(), "mac-key"]),
        }),
        profile: profile.clone(),
        challenge: challenge.map(|kind| kind.to_string()),
        preferred_chain: preferred_chain.clone(),
        http_port: (ports.http != usual.http).then_some(ports.http),
        tls_port: (ports.tls != usual.tls).then_some(ports.tls),
        resolvers: resolvers.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn dns_provider(provider: &StoredDnsProvider) -> DnsProviderDeclared {
    let StoredDnsProvider { id, kind, settings, secret_names, secrets: _ } = provider;
    let secret = |name: &String| (name.clone(), placeholder(&["dns", id.as_str(), name]));
    DnsProviderDeclared {
        id: id.to_string(),
        kind: kind.clone(),
        settings: settings.clone(),
        secrets: secret_names.iter().map(secret).collect::<BTreeMap<_, _>>(),
    }
}

/// Where a secret is looked for that is not shown: in an environment variable of that name.
fn placeholder(words: &[&str]) -> SecretDeclared {
    let name = words.join("_").to_ascii_uppercase().replace('-', "_");
    SecretDeclared { env: Some(format!("PORTWARD_{name}")), ..SecretDeclared::default() }
}

fn pem(ders: &[Arc<[u8]>]) -> String {
    let mut text = String::new();
    for der in ders {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let body = BASE64_STANDARD.encode(der);
        // Base64 is ASCII, and RFC 7468 wants lines of 64 characters.
        for line in body.as_bytes().chunks(64) {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

const DAY: u64 = 24 * 3600;
