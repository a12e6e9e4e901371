//! The file `acme.json` of Traefik, of version 2 and later, and of version 1.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    AccountKeyRefusal, ForeignKind, ReadForeignError,
    account_key::{self, Secret},
    collect::{Collector, Origin},
    directory,
    files::Files,
    settings::shown,
};
use crate::Input;

pub(super) fn wanted(parts: &[&str]) -> bool {
    matches!(parts, [file] if !file.is_empty())
}

pub(super) fn read(files: &Files, collector: &mut Collector) -> Result<(), ReadForeignError> {
    // The file may have any name; in a directory there are others beside it.
    let is_alone = files.paths().count() == 1;
    for path in files.paths().filter(|path| is_alone || path.ends_with(".json")) {
        let bytes = files.bytes(path).unwrap_or_default();
        if bytes.iter().all(u8::is_ascii_whitespace) {
            collector.look_at(path, "it is empty: Traefik has got no certificate yet".to_owned());
            continue;
        }
        for (name, resolver) in parse(path, bytes)? {
            read_resolver(path, &name, resolver, collector);
        }
    }
    Ok(())
}

/// Reads the resolvers by name; version 1 had one, without a name.
fn parse(path: &str, bytes: &[u8]) -> Result<BTreeMap<String, Option<Resolver>>, ReadForeignError> {
    // The words of the library quote what they found, which may be a key.
    let broken = |error: serde_json::Error| ReadForeignError::Broken {
        kind: ForeignKind::Traefik,
        path: path.to_owned(),
        reason: match error.classify() {
            serde_json::error::Category::Eof => "its end is missing".to_owned(),
            serde_json::error::Category::Syntax => {
                format!("it is no JSON in line {}, column {}", error.line(), error.column())
            }
            _ => format!("it is not laid out as an acme.json in line {}, column {}", error.line(), error.column()),
        },
    };
    let keys: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(bytes).map_err(broken)?;
    if keys.contains_key("Account") && keys.contains_key("Certificates") {
        let resolver = serde_json::from_slice(bytes).map_err(broken)?;
        return Ok(BTreeMap::from([("acme".to_owned(), Some(resolver))]));
    }
    serde_json::from_slice(bytes).map_err(broken)
}

fn read_resolver(path: &str, name: &str, resolver: Option<Resolver>, collector: &mut Collector) {
    let place = format!("{path}: {}", shown(name));
    let Some(resolver) = resolver else {
        return collector.look_at(&place, "the resolver has got nothing yet".to_owned());
    };
    let url = resolver.account.as_ref().and_then(|account| account.registration.as_ref()?.uri.clone());
    let directory = url.as_deref().and_then(directory::of_resource);
    let certificates = resolver.certificates.unwrap_or_default();
    if directory.is_none() && !certificates.is_empty() {
        let message = format!(
            "it does not say which CA its certificates came from: choose an issuer with the URL of certificatesResolvers.{}.acme.caServer",
            shown(name)
        );
        collector.look_at(&place, message);
    }
    for certificate in certificates {
        let main = certificate.domain.main.unwrap_or_default();
        let place = format!("{place}: {}", shown(&main));
        let (Some(chain), Some(key)) = (decode(certificate.certificate), decode(certificate.key)) else {
            collector.left_out(&place, "its certificate or its key is missing or no base64".to_owned());
            continue;
        };
        let how = format!(
            "through Traefik's resolver {}, whose file does not say by which challenge (see certificatesResolvers.{0}.acme in Traefik's own configuration); Portward answers http-01 and tls-alpn-01 itself, and for dns-01 a provider is added with portward acme dns add",
            shown(name)
        );
        let origin = Origin { directory: directory.clone(), how: Some(how), ..Origin::default() };
        let inputs = [Input { name: "certificate", bytes: &chain }, Input { name: "key", bytes: &key }];
        collector.certificate(&place, &inputs, origin);
    }
    let Some(account) = resolver.account else {
        return;
    };
    let Some(directory) = directory else {
        let message = "which CA the account is with cannot be told: a new account is made with the issuer";
        return collector.left_out(&place, message.to_owned());
    };
    let key = match decode(account.private_key) {
        Some(der) => account_key::read(&der),
        None => Err(AccountKeyRefusal::Missing),
    };
    let contacts = match (account.registration.and_then(|it| it.body?.contact), account.email) {
        (Some(contacts), _) if !contacts.is_empty() => contacts,
        (_, Some(address)) if !address.is_empty() => vec![format!("mailto:{address}")],
        _ => Vec::new(),
    };
    collector.account(&place, &directory, url.as_deref(), contacts, key);
}

fn decode(text: Option<Secret>) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.filter(|text| !text.0.is_empty())?;
    STANDARD.decode(text.0.as_bytes()).ok().map(Zeroizing::new)
}

#[derive(Deserialize)]
struct Resolver {
    #[serde(rename = "Account")]
    account: Option<Account>,
    #[serde(rename = "Certificates")]
    certificates: Option<Vec<Certificate>>,
}

#[derive(Deserialize)]
struct Account {
    #[serde(rename = "Email")]
    email: Option<String>,
    #[serde(rename = "Registration")]
    registration: Option<Registration>,
    #[serde(rename = "PrivateKey")]
    private_key: Option<Secret>,
}

#[derive(Deserialize)]
struct Registration {
    body: Option<Body>,
    uri: Option<String>,
}

#[derive(Deserialize)]
struct Body {
    contact: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Certificate {
    #[serde(alias = "Domain")]
    domain: Domain,
    #[serde(alias = "Certificate")]
    certificate: Option<Secret>,
    #[serde(alias = "Key")]
    key: Option<Secret>,
}

#[derive(Deserialize)]
struct Domain {
    #[serde(alias = "Main")]
    main: Option<String>,
}
