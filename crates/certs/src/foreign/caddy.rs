//! The data directory of Caddy: `certificates` and `acme`, as certmagic lays them out.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    AccountKeyRefusal, account_key,
    collect::{Collector, Origin},
    directory::{self, directory_url},
    files::Files,
    settings::shown,
};
use crate::{Input, facts};

pub(super) fn wanted(parts: &[&str]) -> bool {
    match parts {
        ["certificates", _, _, file] => file.ends_with(".crt") || file.ends_with(".key") || file.ends_with(".json"),
        ["acme", _, "users", _, file] => file.ends_with(".json") || file.ends_with(".key"),
        _ => false,
    }
}

pub(super) fn read(files: &Files, collector: &mut Collector) {
    // What the metadata of certificates say of a CA helps with its accounts.
    let mut seen = BTreeMap::<String, String>::new();
    for directory in files.directories(|parts| parts.first() == Some(&"certificates")) {
        certificate(files, directory, &mut seen, collector);
    }
    for directory in files.directories(|parts| parts.first() == Some(&"acme")) {
        account(files, directory, &seen, collector);
    }
}

fn certificate(files: &Files, directory: &str, seen: &mut BTreeMap<String, String>, collector: &mut Collector) {
    let mut parts = directory.split('/').skip(1);
    let (issuer, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let file = |ending: &str| format!("{directory}/{name}.{ending}");
    let (chain, key, meta) = (file("crt"), file("key"), file("json"));
    let (chain_bytes, key_bytes, meta_bytes) = (files.bytes(&chain), files.bytes(&key), files.bytes(&meta));
    let (Some(chain_bytes), Some(key_bytes)) = (chain_bytes, key_bytes) else {
        let missing = if chain_bytes.is_none() { chain } else { key };
        return collector.left_out(directory, format!("it is incomplete: there is no {missing}"));
    };
    let inputs = [Input { name: &chain, bytes: chain_bytes }, Input { name: &key, bytes: key_bytes }];
    if issuer == "local" || is_internal(&inputs[0]) {
        let message = "it comes from Caddy's internal CA, whose root only clients of this Caddy trust; make a certificate for it with Portward";
        return collector.left_out(directory, message.to_owned());
    }
    let data = match meta_bytes.map(serde_json::from_slice::<Meta>) {
        Some(Ok(meta)) => meta.issuer_data.unwrap_or_default(),
        Some(Err(_)) => {
            collector.look_at(directory, format!("{name}.json is damaged, and was passed over"));
            IssuerData::default()
        }
        None => IssuerData::default(),
    };
    let url = data
        .ca
        .as_deref()
        .and_then(directory_url)
        .or_else(|| directory::of_caddy_key(issuer, &[]))
        .or_else(|| data.url.as_deref().and_then(directory::of_resource));
    match &url {
        Some(url) => {
            seen.entry(issuer.to_owned()).or_insert_with(|| url.clone());
        }
        None if issuer == "zerossl" => {
            let message = "it comes from ZeroSSL's own API, which is not ACME: choose an issuer";
            collector.look_at(directory, message.to_owned());
        }
        None => {
            let message = format!("which CA \"{}\" is cannot be told: choose an issuer", shown(issuer));
            collector.look_at(directory, message);
        }
    }
    let how = "through Caddy, whose storage does not say by which challenge; Portward answers http-01 and tls-alpn-01 itself, and for dns-01 a provider is added with portward acme dns add";
    let origin = Origin { directory: url, how: Some(how.to_owned()), ..Origin::default() };
    collector.certificate(directory, &inputs, origin);
}

/// Whether Caddy itself issued it, also by a CA that somebody gave another id than `local`.
fn is_internal(chain: &Input<'_>) -> bool {
    let text = crate::pem::text::decode(chain.bytes);
    let leaf = crate::pem::blocks(&text).ok().and_then(|blocks| blocks.into_iter().next());
    leaf.and_then(|leaf| facts(&leaf.der).ok()).is_some_and(|facts| facts.issuer.contains("Caddy Local Authority"))
}

fn account(files: &Files, directory: &str, seen: &BTreeMap<String, String>, collector: &mut Collector) {
    let issuer = directory.split('/').nth(1).unwrap_or_default();
    let in_directory =
        |ending: &str| files.below(directory).find(|path| path.ends_with(ending)).and_then(|path| files.bytes(path));
    let registration = match in_directory(".json").map(serde_json::from_slice::<Registration>) {
        Some(Ok(registration)) => registration,
        Some(Err(_)) => {
            collector.look_at(directory, "the JSON of the account is damaged; its URL is not known".to_owned());
            Registration::default()
        }
        None => Registration::default(),
    };
    let url = seen
        .get(issuer)
        .cloned()
        .or_else(|| directory::of_caddy_key(issuer, &[]))
        .or_else(|| registration.location.as_deref().and_then(directory::of_resource));
    let key = in_directory(".key").map_or(Err(AccountKeyRefusal::Missing), account_key::read);
    let Some(url) = url else {
        let message =
            format!("which CA \"{}\" is cannot be told: a new account is made with the issuer", shown(issuer));
        return collector.left_out(directory, message);
    };
    if registration.status.as_deref().is_some_and(|status| status != "valid") {
        return collector.left_out(directory, "the CA does not have the account as valid any more".to_owned());
    }
    collector.account(directory, &url, registration.location.as_deref(), registration.contact.unwrap_or_default(), key);
}

#[derive(Deserialize)]
struct Meta {
    issuer_data: Option<IssuerData>,
}

#[derive(Default, Deserialize)]
struct IssuerData {
    url: Option<String>,
    ca: Option<String>,
}

#[derive(Default, Deserialize)]
struct Registration {
    status: Option<String>,
    contact: Option<Vec<String>>,
    location: Option<String>,
}
