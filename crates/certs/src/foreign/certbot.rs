//! The directory of certbot: `renewal`, `live`, `accounts`.

use std::{collections::BTreeSet, time::Duration};

use portward_core::acme::ChallengeKind;
use serde::Deserialize;

use super::{
    AccountKeyRefusal, account_key,
    collect::{Collector, Origin, Renewal},
    directory::directory_url,
    files::Files,
    provider,
    settings::{Settings, shown},
};
use crate::Input;

pub(super) fn wanted(parts: &[&str]) -> bool {
    match parts {
        ["renewal", file] => file.ends_with(".conf"),
        ["live", _, file] => matches!(*file, "cert.pem" | "privkey.pem" | "chain.pem" | "fullchain.pem"),
        ["accounts", .., file] => matches!(*file, "private_key.json" | "regr.json" | "meta.json"),
        ["renewal-hooks", _, file] => !file.is_empty(),
        _ => false,
    }
}

pub(super) fn read(files: &Files, collector: &mut Collector) {
    let mut read_lineages = BTreeSet::new();
    for path in files.paths().filter(|path| path.starts_with("renewal/")) {
        let name = path.trim_start_matches("renewal/").trim_end_matches(".conf");
        let text = files.text(path).unwrap_or_default();
        let settings = Settings::parse(&text);
        if let Some(complaint) = settings.complaint() {
            collector.look_at(path, complaint);
        }
        tell_of_settings(path, &settings, collector);
        let origin = origin(path, &settings, collector);
        let lineage = lineage(files, name, &settings);
        read_lineages.insert(lineage.directory.clone());
        take(files, path, &lineage, origin, collector);
    }
    for directory in files.directories(|parts| parts.first() == Some(&"live")) {
        if !read_lineages.contains(directory) {
            let lineage = Lineage::usual(directory.to_owned());
            let message =
                "certbot does not renew it: there is no file for it in renewal; where it came from is unknown";
            collector.look_at(directory, message.to_owned());
            take(files, directory, &lineage, Origin::default(), collector);
        }
    }
    for directory in files.directories(|parts| parts.first() == Some(&"accounts")) {
        account(files, directory, collector);
    }
    for path in files.paths().filter(|path| path.starts_with("renewal-hooks/")) {
        let _ = files.bytes(path);
        collector.look_at(path, "certbot ran it around renewals; Portward does not, and needs no reload".to_owned());
    }
}

/// Names the four files of a certificate, below the directory that is read.
struct Lineage {
    directory: String,
    cert: String,
    chain: String,
    fullchain: String,
    privkey: String,
}

impl Lineage {
    fn usual(directory: String) -> Self {
        let file = |name: &str| format!("{directory}/{name}.pem");
        Self {
            cert: file("cert"),
            chain: file("chain"),
            fullchain: file("fullchain"),
            privkey: file("privkey"),
            directory,
        }
    }
}

/// Where the files are: as the settings say, whatever directory certbot itself lived in.
fn lineage(files: &Files, name: &str, settings: &Settings) -> Lineage {
    let usual = Lineage::usual(format!("live/{name}"));
    let named = settings.value("privkey").and_then(|path| {
        let (_, below) = path.rsplit_once("/live/")?;
        let (directory, _) = below.split_once('/')?;
        Some(Lineage::usual(format!("live/{directory}")))
    });
    named.filter(|lineage| files.has(&lineage.privkey)).unwrap_or(usual)
}

fn take(files: &Files, path: &str, lineage: &Lineage, origin: Origin, collector: &mut Collector) {
    let (cert, chain) = (files.bytes(&lineage.cert), files.bytes(&lineage.chain));
    let (fullchain, privkey) = (files.bytes(&lineage.fullchain), files.bytes(&lineage.privkey));
    let missing = match (fullchain.or(cert), privkey) {
        (None, None) => Some(format!("{} and {}", lineage.fullchain, lineage.privkey)),
        (None, _) => Some(lineage.fullchain.clone()),
        (_, None) => Some(lineage.privkey.clone()),
        _ => None,
    };
    if let Some(missing) = missing {
        let message = format!(
            "there is no {missing}: symbolic links into archive that lead nowhere, as after an incomplete copy; copy the whole directory of certbot"
        );
        return collector.left_out(path, message);
    }
    let given = match fullchain {
        Some(bytes) => vec![(&lineage.fullchain, Some(bytes))],
        None => vec![(&lineage.cert, cert), (&lineage.chain, chain)],
    };
    let inputs: Vec<Input<'_>> = given
        .into_iter()
        .chain([(&lineage.privkey, privkey)])
        .filter_map(|(name, bytes)| bytes.map(|bytes| Input { name, bytes }))
        .collect();
    collector.certificate(path, &inputs, origin);
}

fn origin(path: &str, settings: &Settings, collector: &mut Collector) -> Origin {
    let directory = settings.value("server").and_then(directory_url);
    if directory.is_none() {
        let message = match settings.value("server") {
            None => "it does not say which CA the certificate came from: choose an issuer".to_owned(),
            Some(url) => format!("the server {} is no https URL: choose an issuer", shown(url)),
        };
        collector.look_at(path, message);
    }
    let (challenge, how) = challenge(settings);
    if how.is_none() {
        collector.look_at(path, "it does not say how control of the names was shown (authenticator)".to_owned());
    }
    let renewal = match settings.value("renew_before_expiry") {
        None => None,
        Some(text) => match span(text) {
            Some(span) => Some(Renewal::Before(span)),
            None => {
                let message = format!("renew_before_expiry = {} is not understood, and not taken", shown(text));
                collector.look_at(path, message);
                None
            }
        },
    };
    Origin { directory, challenge, how, renewal }
}

/// The challenge, and what is to be said of it.
fn challenge(settings: &Settings) -> (Option<ChallengeKind>, Option<String>) {
    let Some(authenticator) = settings.value("authenticator") else {
        return (None, None);
    };
    let preferred = settings.value("pref_challs").and_then(|list| {
        list.split(',').find_map(|word| match word.trim() {
            "http" => Some(ChallengeKind::Http01),
            "dns" => Some(ChallengeKind::Dns01),
            word => ChallengeKind::parse(word),
        })
    });
    // Plug-ins that others wrote had their package before their name once.
    let plugin = authenticator.rsplit(':').next().unwrap_or(authenticator);
    let (challenge, how) = match plugin {
        "webroot" | "standalone" | "nginx" | "apache" => {
            let how = format!(
                "http-01 through certbot's {plugin} plug-in; Portward answers http-01 itself, on an http binding with port 80"
            );
            (Some(ChallengeKind::Http01), how)
        }
        "manual" => {
            let hook = match settings.value("manual_auth_hook") {
                // Not which: its arguments may be secrets.
                Some(_) => "a program (manual_auth_hook)",
                None => "hand",
            };
            let kind = preferred.unwrap_or(ChallengeKind::Http01);
            let advice = match kind {
                ChallengeKind::Dns01 => "add a DNS provider with portward acme dns add; exec runs a program of yours",
                _ => "Portward answers it itself",
            };
            (Some(kind), format!("{kind} by {hook} through certbot's manual plug-in; {advice}"))
        }
        plugin => match plugin.strip_prefix("dns-").or_else(|| plugin.strip_prefix("certbot-dns-")) {
            Some(name) => {
                let advice = provider::advice(provider::of_certbot(name));
                let mut how = format!("dns-01 through certbot's {} plug-in; {advice}", shown(name));
                let is_path = |key: &str| key.starts_with("dns_") && key.ends_with("_credentials");
                if let Some(setting) = settings.all().iter().find(|setting| is_path(&setting.key)) {
                    how.push_str(&format!("; its credentials are in {}", shown(&setting.value)));
                }
                (Some(ChallengeKind::Dns01), how)
            }
            None => (preferred, format!("through the plug-in {} of certbot, which is not known here", shown(plugin))),
        },
    };
    (challenge, Some(how))
}

/// Tells of settings that have no counterpart, or one that must be set by hand.
fn tell_of_settings(path: &str, settings: &Settings, collector: &mut Collector) {
    for setting in settings.all() {
        let value = shown(&setting.value);
        let is_empty = value.is_empty() || value == "None";
        let message = match setting.key.as_str() {
            _ if is_empty => continue,
            "pre_hook" | "post_hook" | "renew_hook" | "deploy_hook" => {
                format!(
                    "certbot ran a program around renewals ({}); Portward does not, and needs no reload",
                    setting.key
                )
            }
            "reuse_key" if value == "True" => {
                "the key was kept at renewals (reuse_key); Portward makes a new one each time unless told to keep it"
                    .to_owned()
            }
            "autorenew" if value == "False" => "certbot did not renew it (autorenew = False)".to_owned(),
            "preferred_chain" | "preferred_profile" | "required_profile" => {
                format!("{} = {value} is not taken: set it at the issuer", setting.key)
            }
            "must_staple" if value == "True" => {
                "the certificate demands OCSP stapling (must_staple), which CAs have given up; the next one does not"
                    .to_owned()
            }
            _ => continue,
        };
        collector.look_at(path, message);
    }
}

fn account(files: &Files, directory: &str, collector: &mut Collector) {
    let registration = files.bytes(&format!("{directory}/regr.json"));
    let key = files.bytes(&format!("{directory}/private_key.json"));
    let _ = files.bytes(&format!("{directory}/meta.json"));
    let server = directory.strip_prefix("accounts/").and_then(|path| path.rsplit_once('/'));
    let Some((server, _)) = server else {
        return collector.left_out(directory, "its path does not say which server the account is for".to_owned());
    };
    let registration = match registration.map(serde_json::from_slice::<Registration>) {
        Some(Ok(registration)) => registration,
        Some(Err(_)) => {
            collector.look_at(directory, "regr.json is damaged; the URL of the account is not known".to_owned());
            Registration::default()
        }
        None => Registration::default(),
    };
    let key = key.map_or(Err(AccountKeyRefusal::Missing), account_key::read_jwk);
    let url = format!("https://{server}");
    collector.account(
        directory,
        &url,
        registration.uri.as_deref(),
        registration.body.and_then(|body| body.contact).unwrap_or_default(),
        key,
    );
}

#[derive(Default, Deserialize)]
struct Registration {
    uri: Option<String>,
    body: Option<Body>,
}

#[derive(Deserialize)]
struct Body {
    contact: Option<Vec<String>>,
}

/// Reads `30 days` and its like; a number alone is days.
fn span(text: &str) -> Option<Duration> {
    let mut words = text.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next().unwrap_or("days").trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3600,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 30 * DAY,
        _ => return None,
    };
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds <= MAX_DAYS * DAY)?;
    words.next().is_none().then(|| Duration::from_secs(seconds))
}

const DAY: u64 = 24 * 3600;
/// Longer than any certificate of a CA is valid.
const MAX_DAYS: u64 = 1000;
