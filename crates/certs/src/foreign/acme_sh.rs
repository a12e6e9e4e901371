//! The directory of acme.sh: one directory for each certificate, `ca` with the accounts, and `account.conf`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use portward_core::acme::ChallengeKind;
use serde::Deserialize;

use super::{
    AccountKeyRefusal, account_key,
    collect::{Collector, Origin, Renewal},
    directory::{self, directory_url},
    files::Files,
    provider,
    settings::{Settings, shown},
};
use crate::Input;

pub(super) fn wanted(parts: &[&str]) -> bool {
    match parts {
        ["account.conf"] => true,
        ["ca", .., file] => matches!(*file, "account.key" | "account.json" | "ca.conf"),
        ["deploy" | "dnsapi" | "notify", _] => false,
        [_, file] => {
            let is_certificate = file.ends_with(".conf") || file.ends_with(".key") || file.ends_with(".cer");
            is_certificate && !file.ends_with(".csr.conf")
        }
        _ => false,
    }
}

pub(super) fn read(files: &Files, collector: &mut Collector) {
    let general = files.text(GENERAL).map(|text| Settings::parse(&text));
    if let Some(general) = &general {
        if let Some(complaint) = general.complaint() {
            collector.look_at(GENERAL, complaint);
        }
        tell_of_credentials(GENERAL, general, collector);
    }
    let default = general.as_ref().and_then(|general| general.value("DEFAULT_ACME_SERVER")).and_then(directory_url);
    let mut seen: Vec<String> = default.iter().cloned().collect();
    for directory in files.directories(|parts| parts.first() != Some(&"ca")) {
        certificate(files, directory, default.as_ref(), &mut seen, collector);
    }
    for directory in files.directories(|parts| parts.first() == Some(&"ca")) {
        account(files, directory, &seen, collector);
    }
}

fn certificate(
    files: &Files,
    directory: &str,
    default: Option<&String>,
    seen: &mut Vec<String>,
    collector: &mut Collector,
) {
    let name = directory.strip_suffix("_ecc").unwrap_or(directory);
    let file = |name: &str| format!("{directory}/{name}");
    let conf = file(&format!("{name}.conf"));
    let (leaf, key) = (file(&format!("{name}.cer")), file(&format!("{name}.key")));
    let (fullchain, issuers) = (file("fullchain.cer"), file("ca.cer"));

    let mut origin = Origin::default();
    match files.text(&conf).map(|text| Settings::parse(&text)) {
        Some(settings) => {
            if let Some(complaint) = settings.complaint() {
                collector.look_at(&conf, complaint);
            }
            tell_of_settings(&conf, &settings, collector);
            tell_of_credentials(&conf, &settings, collector);
            origin = self::origin(&conf, &settings, default, collector);
            if let Some(url) = origin.directory.as_ref().filter(|url| !seen.contains(url)) {
                seen.push(url.clone());
            }
        }
        None => {
            let message = format!("acme.sh does not renew it: there is no {name}.conf; where it came from is unknown");
            collector.look_at(directory, message);
        }
    }

    let given = [(&leaf, files.bytes(&leaf)), (&issuers, files.bytes(&issuers)), (&key, files.bytes(&key))];
    let complete = files.bytes(&fullchain);
    if complete.is_none() && given[0].1.is_none() {
        return collector.left_out(directory, "it has no certificate: acme.sh never got one".to_owned());
    }
    if given[2].1.is_none() {
        return collector.left_out(directory, format!("the private key is missing: {key}"));
    }
    let given = match complete {
        Some(bytes) => vec![(&fullchain, Some(bytes)), given[2]],
        None => given.to_vec(),
    };
    let inputs: Vec<Input<'_>> =
        given.into_iter().filter_map(|(name, bytes)| bytes.map(|bytes| Input { name, bytes })).collect();
    collector.certificate(directory, &inputs, origin);
}

fn origin(path: &str, settings: &Settings, default: Option<&String>, collector: &mut Collector) -> Origin {
    let directory = match settings.value("Le_API") {
        Some(url) => directory_url(url),
        None => default.cloned(),
    };
    if directory.is_none() {
        let message = match settings.value("Le_API") {
            None => "it does not say which CA the certificate came from (Le_API): choose an issuer".to_owned(),
            Some(url) => format!("the server {} is no https URL: choose an issuer", shown(url)),
        };
        collector.look_at(path, message);
    }
    let (challenge, how) = challenge(settings.value("Le_Webroot").unwrap_or_default());
    if how.is_none() {
        collector.look_at(path, "it does not say how control of the names was shown (Le_Webroot)".to_owned());
    }
    let days = settings.value("Le_RenewalDays").and_then(|days| days.parse::<u32>().ok()).filter(|days| *days > 0);
    let renewal = days.map(|days| Renewal::After(Duration::from_secs(u64::from(days) * 24 * 3600)));
    Origin { directory, challenge, how, renewal }
}

/// The challenge if it is the same for all names, and what is to be said of each.
fn challenge(list: &str) -> (Option<ChallengeKind>, Option<String>) {
    let mut kinds = BTreeSet::new();
    let mut ways = Vec::new();
    for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let (kind, way) = one_way(word);
        kinds.insert(kind);
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    let mut kinds = kinds.into_iter();
    let kind = kinds.next().flatten().filter(|_| kinds.next().is_none());
    (kind, (!ways.is_empty()).then(|| ways.join("; and ")))
}

/// What one word of `Le_Webroot` stands for.
fn one_way(word: &str) -> (Option<ChallengeKind>, String) {
    let http = |how: &str| {
        let how = format!(
            "http-01 through acme.sh's {how}; Portward answers http-01 itself, on an http binding with port 80"
        );
        (Some(ChallengeKind::Http01), how)
    };
    match word {
        "no" => http("standalone mode"),
        "stateless" => http("stateless mode"),
        "apache" => http("apache mode"),
        word if word.starts_with("nginx:") => http("nginx mode"),
        "alpn" | "tls" => {
            let how = "tls-alpn-01 by acme.sh; Portward answers tls-alpn-01 itself, on an https binding with port 443";
            (Some(ChallengeKind::TlsAlpn01), how.to_owned())
        }
        "dns" => {
            let how = "dns-01 by hand; add a DNS provider with portward acme dns add";
            (Some(ChallengeKind::Dns01), how.to_owned())
        }
        "dns_persist" => {
            let how = "a TXT record that stays (dns-persist-01), which is not known here; choose another challenge";
            (None, how.to_owned())
        }
        word => match word.strip_prefix("dns_") {
            Some(plugin) => {
                let advice = provider::advice(provider::of_acme_sh(plugin));
                (Some(ChallengeKind::Dns01), format!("dns-01 through acme.sh's {} plug-in; {advice}", shown(word)))
            }
            None => http("webroot mode"),
        },
    }
}

/// Tells of settings that have no counterpart, or one that must be set by hand.
fn tell_of_settings(path: &str, settings: &Settings, collector: &mut Collector) {
    let mut programs = Vec::new();
    let mut copies = Vec::new();
    for setting in settings.all().iter().filter(|setting| !setting.value.is_empty() && *setting.value != "no") {
        match setting.key.as_str() {
            "Le_PreHook" | "Le_PostHook" | "Le_RenewHook" | "Le_ReloadCmd" | "Le_DeployHook" => {
                programs.push(setting.key.as_str());
            }
            "Le_RealCertPath" | "Le_RealCACertPath" | "Le_RealKeyPath" | "Le_RealFullChainPath" => {
                copies.push(shown(&setting.value));
            }
            "Le_ChallengeAlias" | "Le_DomainAlias" => {
                let message = format!(
                    "TXT records were written at another name ({} = {}); keep its CNAME records, and add the provider that has that name",
                    setting.key,
                    shown(&setting.value)
                );
                collector.look_at(path, message);
            }
            "Le_Preferred_Chain" | "Le_Certificate_Profile" => {
                collector.look_at(path, format!("{} is not taken: set it at the issuer", setting.key));
            }
            "Le_PFXPassword" => {
                let message = "acme.sh wrote a PFX as well (Le_PFXPassword); Portward exports one when asked";
                collector.look_at(path, message.to_owned());
            }
            _ => {}
        }
    }
    if !programs.is_empty() {
        let message = format!(
            "acme.sh ran programs around renewals ({}); Portward does not, and needs no reload",
            programs.join(", ")
        );
        collector.look_at(path, message);
    }
    if !copies.is_empty() {
        let message = format!(
            "acme.sh copied it to {}; programs that read these files get no new certificate from there any more",
            copies.join(", ")
        );
        collector.look_at(path, message);
    }
}

/// Tells that there are credentials, by the names of the settings and never by their values.
fn tell_of_credentials(path: &str, settings: &Settings, collector: &mut Collector) {
    let mut by_provider = BTreeMap::<Option<&str>, Vec<&str>>::new();
    for setting in settings.all() {
        let key = setting.key.as_str();
        let saved = key.strip_prefix("SAVED_");
        let provider = provider::of_setting(saved.unwrap_or(key));
        if (saved.is_some() || provider.is_some()) && !setting.value.is_empty() {
            by_provider.entry(provider).or_default().push(key);
        }
    }
    for (provider, keys) in by_provider {
        let keys = keys.join(", ");
        let message = match provider {
            Some(name) => format!(
                "it has settings and credentials for the DNS provider {name} ({keys}), which are not taken: {}",
                provider::advice(Some(name))
            ),
            None => format!("it has settings of plug-ins ({keys}), which are not taken"),
        };
        collector.look_at(path, message);
    }
}

fn account(files: &Files, directory: &str, seen: &[String], collector: &mut Collector) {
    let conf = files.text(&format!("{directory}/ca.conf")).map(|text| Settings::parse(&text));
    let json = files.bytes(&format!("{directory}/account.json"));
    let key = files.bytes(&format!("{directory}/account.key"));
    if key.is_none() && json.is_none() && conf.as_ref().is_none_or(|conf| conf.value("ACCOUNT_URL").is_none()) {
        return collector.left_out(directory, "acme.sh made no account there".to_owned());
    }
    let setting = |key: &str| conf.as_ref().and_then(|conf| conf.value(key));
    let server = directory.strip_prefix("ca/").unwrap_or_default();
    let url = directory::of_path(server, seen).unwrap_or_else(|| format!("https://{server}"));
    let mut contacts = match json.map(serde_json::from_slice::<Registration>) {
        Some(Ok(registration)) => registration.contact.unwrap_or_default(),
        Some(Err(_)) => {
            collector.look_at(directory, "account.json is damaged; contacts may be missing".to_owned());
            Vec::new()
        }
        None => Vec::new(),
    };
    if contacts.is_empty()
        && let Some(address) = setting("CA_EMAIL")
    {
        contacts.push(format!("mailto:{address}"));
    }
    if setting("CA_EAB_KEY_ID").is_some() || setting("CA_EAB_HMAC_KEY").is_some() {
        let message = "the account was made with an external account binding (CA_EAB_KEY_ID), which is not taken; a new account needs one again";
        collector.look_at(directory, message.to_owned());
    }
    let key = key.map_or(Err(AccountKeyRefusal::Missing), account_key::read);
    collector.account(directory, &url, setting("ACCOUNT_URL"), contacts, key);
}

#[derive(Deserialize)]
struct Registration {
    contact: Option<Vec<String>>,
}

const GENERAL: &str = "account.conf";
