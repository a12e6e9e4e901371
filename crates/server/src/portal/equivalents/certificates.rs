//! The equivalents of the forms about certificates.
//!
//! No secret is in any of them: files stand where one would be.

use http::Method;
use portward_api::acme::{CertificateRequestCreate, IssuerCreate, LetsEncryptConfigure};
use serde_json::{Map, Value, json};

use super::{Equivalents, curl, curl_of_file, word};
use crate::app::slug;

/// Is a command that grows by its flags, one on each line once there are some.
pub(in crate::portal) struct Command {
    text: String,
}

/// Asking for a certificate.
pub(in crate::portal) fn request(input: &CertificateRequestCreate) -> Equivalents {
    let names: Vec<String> = input.names.iter().map(|name| word(name)).collect();
    let names = if names.is_empty() { "NAME".to_owned() } else { names.join(" ") };
    let mut command = Command::new(format!("portward certificate request {names}"));
    for issuer in &input.issuers {
        command.option("--issuer", Some(issuer));
    }
    command.option("--name", input.name.as_ref());
    command.option("--challenge", input.challenge.as_ref());
    command.option("--dns", input.dns.as_ref());
    command.option("--profile", input.profile.as_ref());
    command.option("--key", input.key.as_ref());
    command.flag("--reuse-key", input.reuse_key);
    command.option("--key-on", input.key_on.as_ref());
    command.option("--renew-days-before", input.renew_days_before.as_ref());
    command.option("--replace", input.replace.as_ref());
    command.flag("--wait", true);
    let mut managed = body(input);
    if let Value::Object(fields) = &mut managed {
        fields.remove("replace");
        fields.remove("name");
        fields.retain(|_, value| *value != Value::Bool(false));
    }
    let first = input.name.as_ref().or_else(|| input.names.first());
    let id = input.replace.clone().or_else(|| first.map(|name| slug(name, "certificate", |_| false)));
    let mut declared = json!({ "id": id.unwrap_or_else(|| "NAME".to_owned()) });
    if let Some(name) = first.filter(|_| input.replace.is_none()) {
        declared["name"] = json!(name);
    }
    declared["managed"] = managed;
    Equivalents {
        cli: command.text,
        curl: curl(&Method::POST, "/api/v1/certificates/request", Some(&body(input))),
        yaml: yaml("certificates", declared),
        difference: Vec::new(),
    }
}

/// Octopus's page.
pub(in crate::portal) fn configure(input: &LetsEncryptConfigure) -> Equivalents {
    let mut command = Command::new("portward letsencrypt configure".to_owned());
    let name = if input.dns_name.is_empty() { "NAME".to_owned() } else { input.dns_name.clone() };
    command.option("--dns-name", Some(&name));
    command.option("--email", input.email.as_ref());
    command.flag("--accept-terms", input.accept_terms);
    command.option("--https-port", input.https_port.as_ref());
    command.option("--ip-address", input.ip_address.as_ref());
    command.flag("--staging", input.staging);
    command.option("--directory", input.directory.as_ref());
    command.option("--directory-ca", input.directory_ca.as_ref().map(|_| "ca.pem".to_owned()).as_ref());
    command.option("--renew-days-before", input.renew_days_before.as_ref());
    command.flag("--wait", true);
    Equivalents {
        cli: command.text,
        curl: curl(&Method::POST, "/api/v1/acme/letsencrypt", Some(&body(input))),
        yaml: String::new(),
        difference: Vec::new(),
    }
}

/// Adding an issuer; the key of an external account comes out of a file.
pub(in crate::portal) fn issuer(input: &IssuerCreate) -> Equivalents {
    let directory = if input.directory.is_empty() { "https://ca.example/acme/directory" } else { &input.directory };
    let mut command = Command::new(format!("portward acme issuer add {}", word(directory)));
    command.option("--id", input.id.as_ref());
    command.option("--directory-ca", input.directory_ca.as_ref().map(|_| "ca.pem".to_owned()).as_ref());
    for contact in &input.contacts {
        command.option("--contact", Some(contact));
    }
    command.flag("--accept-terms", input.accept_terms);
    if let Some(eab) = &input.eab {
        command.option("--eab-key-id", Some(&eab.key_id));
        command.option("--eab-mac-key-file", Some(&"eab.key".to_owned()));
    }
    command.option("--profile", input.profile.as_ref());
    command.option("--challenge", input.challenge.as_ref());
    command.option("--preferred-chain", input.preferred_chain.as_ref());
    command.option("--http-port", input.http_port.as_ref());
    command.option("--tls-port", input.tls_port.as_ref());
    for resolver in &input.resolvers {
        command.option("--resolver", Some(resolver));
    }
    let mut declared = body(&IssuerCreate { eab: None, ..input.clone() });
    if let Value::Object(fields) = &mut declared {
        fields.retain(|_, value| *value != Value::Bool(false));
    }
    let sent = declared.clone();
    let id = input.id.clone().unwrap_or_else(|| match input.directory.as_str() {
        known @ ("letsencrypt" | "letsencrypt-staging") => known.to_owned(),
        url => {
            let host = url.strip_prefix("https://").unwrap_or(url).split(['/', ':']).next().unwrap_or_default();
            slug(host, "issuer", |_| false)
        }
    });
    declared["id"] = json!(id);
    if let Some(eab) = &input.eab {
        declared["eab"] = json!({ "key_id": eab.key_id, "mac_key": { "file": "eab.key" } });
    }
    let curl = if input.eab.is_some() {
        curl_of_file(&Method::POST, "/api/v1/acme/issuers", "issuer.json")
    } else {
        curl(&Method::POST, "/api/v1/acme/issuers", Some(&sent))
    };
    Equivalents { cli: command.text, curl, yaml: yaml("issuers", declared), difference: Vec::new() }
}

/// Adding a DNS provider: settings that everybody may see, and the names of those that are secret.
pub(in crate::portal) fn dns_provider(
    kind: &str,
    id: Option<&str>,
    plain: &[(String, String)],
    secret: &[String],
) -> Equivalents {
    let mut command = Command::new(format!("portward acme dns add {}", word(kind)));
    command.option("--id", id.map(str::to_owned).as_ref());
    for (name, value) in plain {
        command.option("--set", Some(&format!("{name}={value}")));
    }
    for name in secret {
        command.option("--secret", Some(&format!("{name}={name}.secret")));
    }
    let mut declared = json!({ "id": id.unwrap_or(kind), "kind": kind });
    if !plain.is_empty() {
        declared["settings"] =
            plain.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>().into();
    }
    if !secret.is_empty() {
        let file = |name: &String| (name.clone(), json!({ "file": format!("{name}.secret") }));
        declared["secrets"] = secret.iter().map(file).collect::<Map<_, _>>().into();
    }
    let curl = curl_of_file(&Method::POST, "/api/v1/acme/dns-providers", "provider.json");
    Equivalents { cli: command.text, curl, yaml: yaml("dns_providers", declared), difference: Vec::new() }
}

/// Importing files, as a version of a certificate or as a new one.
pub(in crate::portal) fn import(
    files: &[&str],
    replace: Option<&str>,
    is_locked: bool,
    allow_expired: bool,
) -> Equivalents {
    let files: Vec<String> = files.iter().map(|file| word(file)).collect();
    let files = if files.is_empty() { "FILE".to_owned() } else { files.join(" ") };
    let mut command = Command::new(format!("portward certificate import {files}"));
    command.option("--replace", replace.map(str::to_owned).as_ref());
    command.option("--password-file", is_locked.then(|| "password.secret".to_owned()).as_ref());
    command.flag("--allow-expired", allow_expired);
    Equivalents {
        cli: command.text,
        curl: curl_of_file(&Method::POST, "/api/v1/certificates", "import.json"),
        yaml: String::new(),
        difference: Vec::new(),
    }
}

/// What can be done to one certificate.
pub(in crate::portal) fn certificate(id: &str, is_managed: bool) -> Equivalents {
    let id = word(id);
    let mut cli = vec![format!("portward certificate show {id}")];
    if is_managed {
        cli.push(format!("portward certificate renew {id} --force --wait"));
        cli.push(format!("portward acme attempts {id}"));
        cli.push(format!("portward certificate revoke {id} --reason superseded"));
        cli.push(format!("portward certificate unmanage {id}"));
    }
    cli.push(format!("portward certificate import FILE --replace {id}"));
    cli.push(format!("portward certificate rollback {id}"));
    cli.push(format!("portward certificate export {id} --format pfx --out {id}.pfx"));
    cli.push(format!("portward certificate remove {id}"));
    Equivalents {
        cli: cli.join("\n"),
        curl: curl(&Method::GET, &format!("/api/v1/certificates/{id}"), None),
        yaml: String::new(),
        difference: Vec::new(),
    }
}

impl Command {
    pub(in crate::portal) fn new(text: String) -> Self {
        Self { text }
    }

    /// The whole of it.
    pub(in crate::portal) fn text(self) -> String {
        self.text
    }

    pub(in crate::portal) fn flag(&mut self, flag: &str, is_set: bool) {
        if is_set {
            self.text.push_str(" \\\n  ");
            self.text.push_str(flag);
        }
    }

    pub(in crate::portal) fn option<T: ToString>(&mut self, flag: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.flag(&format!("{flag} {}", word(&value.to_string())), true);
        }
    }
}

/// What the API is sent; nothing in an input fails to be JSON.
pub(in crate::portal) fn body(input: &impl serde::Serialize) -> Value {
    let mut body = serde_json::to_value(input).unwrap_or_default();
    if let Value::Object(fields) = &mut body {
        fields.retain(|_, value| !value.is_null());
    }
    body
}

/// A document that declares one thing of a kind.
pub(in crate::portal) fn yaml(kind: &str, declared: Value) -> String {
    yaml_of(kind, vec![declared])
}

/// A document that declares several things of a kind.
pub(in crate::portal) fn yaml_of(kind: &str, declared: Vec<Value>) -> String {
    let mut document = Map::new();
    document.insert(kind.to_owned(), Value::Array(declared));
    yaml_serde::to_string(&Value::Object(document)).unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use portward_api::{SecretText, acme::EabInput};

    use super::*;

    #[test]
    fn a_request_is_a_command_a_request_and_a_file() {
        let input = CertificateRequestCreate {
            names: vec!["*.shop.test".to_owned(), "shop.test".to_owned()],
            issuers: vec!["letsencrypt".to_owned()],
            dns: Some("cloudflare".to_owned()),
            ..CertificateRequestCreate::default()
        };
        let equivalents = request(&input);
        assert_eq!(
            equivalents.cli,
            "portward certificate request '*.shop.test' shop.test \\\n  --issuer letsencrypt \\\n  --dns cloudflare \\\n  --wait"
        );
        assert!(equivalents.curl.contains("/api/v1/certificates/request"), "{}", equivalents.curl);
        for line in ["certificates:", "id: shop-test", "managed:", "dns: cloudflare"] {
            assert!(equivalents.yaml.contains(line), "{line} in {}", equivalents.yaml);
        }
        assert!(!equivalents.yaml.contains("reuse_key"), "{}", equivalents.yaml);
    }

    #[test]
    fn no_secret_is_in_an_equivalent() {
        let eab = EabInput { key_id: "kid".to_owned(), mac_key: SecretText::new("a-mac-key".to_owned()) };
        let input =
            IssuerCreate { directory: "https://ca.test/d".to_owned(), eab: Some(eab), ..IssuerCreate::default() };
        let equivalents = issuer(&input);
        let all = format!("{}{}{}", equivalents.cli, equivalents.curl, equivalents.yaml);
        assert!(!all.contains("a-mac-key"), "{all}");
        assert!(equivalents.cli.contains("--eab-mac-key-file eab.key"), "{all}");
        assert!(equivalents.curl.contains("--json @issuer.json"), "{all}");
    }

    #[test]
    fn commands_are_short_where_little_is_said() {
        let provider = dns_provider("cloudflare", None, &[], &["api_token".to_owned()]);
        assert_eq!(provider.cli, "portward acme dns add cloudflare \\\n  --secret api_token=api_token.secret");
        assert_eq!(
            import(&["a b.pfx"], Some("shop"), true, false).cli,
            "portward certificate import 'a b.pfx' \\\n  --replace shop \\\n  --password-file password.secret"
        );
        assert!(certificate("shop", false).cli.contains("rollback shop"));
        let letsencrypt = configure(&LetsEncryptConfigure {
            dns_name: "a.test".to_owned(),
            accept_terms: true,
            ..Default::default()
        });
        assert!(
            letsencrypt.cli.starts_with("portward letsencrypt configure \\\n  --dns-name a.test \\\n  --accept-terms")
        );
    }
}
