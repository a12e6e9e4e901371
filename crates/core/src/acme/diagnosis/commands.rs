//! The commands that remedies name: with all that is set already, so that they can be run as they stand.

use std::fmt::Write as _;

use super::{Failure, typed};
use crate::{
    Host, HostPattern, IssuerId,
    acme::{ChallengeKind, DirectoryTrust, Issuer, IssuerPorts, KeyAlgorithm, KeyReuse},
};

impl Failure<'_> {
    /// The command that has the certificate asked for again.
    pub(super) fn renew(&self) -> String {
        format!("`portward certificate renew {}`", self.certificate)
    }

    /// The command that looks at what the CA would see of a name.
    pub(super) fn check(&self, name: &HostPattern) -> String {
        format!("`portward acme check {} --issuer {}`", typed(name), self.issuer.id)
    }

    /// The command that asks for the same certificate by DNS; none where an address is among the names.
    pub(super) fn by_dns(&self) -> Option<String> {
        let is_address = |name: &HostPattern| matches!(name, HostPattern::Exact(Host::Ip(_)));
        (!self.managed.names.iter().any(is_address)).then(|| self.by_dns_of("PROVIDER"))
    }

    /// The command that asks for the same certificate by DNS of that provider.
    pub(super) fn by_dns_of(&self, provider: &str) -> String {
        self.request(&With { challenge: Some(format!("dns-01 --dns {provider}")), ..With::default() })
    }

    /// The command that asks for the same certificate by http-01.
    pub(super) fn by_http(&self) -> String {
        self.request(&With { challenge: Some("http-01".to_owned()), ..With::default() })
    }

    /// The command that asks for other names in the same certificate.
    pub(super) fn with_names(&self) -> String {
        self.request(&With { names: Some("NAME..."), ..With::default() })
    }

    /// The command that asks for the same certificate in another profile.
    pub(super) fn with_profile(&self, profile: &str) -> String {
        self.request(&With { profile: Some(profile), ..With::default() })
    }

    /// The command that has another CA asked where this one fails.
    pub(super) fn with_another_ca(&self) -> String {
        let issuers = self.managed.issuers.iter().map(ToString::to_string);
        self.request(&With { issuers: Some(issuers.chain(["OTHER".to_owned()]).collect()), ..With::default() })
    }

    /// The commands that set the issuer up anew, under another name as this one is in use, and have that one asked.
    pub(super) fn set_up_again(&self, options: &str) -> String {
        let Issuer { id, directory, trust, contacts, ports, .. } = self.issuer;
        let directory = match directory.as_str() {
            Issuer::LETS_ENCRYPT => "letsencrypt",
            Issuer::LETS_ENCRYPT_STAGING => "letsencrypt-staging",
            other => other,
        };
        let mut add = format!("`portward acme issuer add {directory} --id {id}-2 --accept-terms");
        let mut put = |option: &str, value: &str| {
            if !options.contains(option) {
                // A String takes all that is written.
                let _ = write!(add, " {option} {value}");
            }
        };
        if let DirectoryTrust::Authorities(_) = trust {
            put("--directory-ca", "FILE");
        }
        for contact in contacts {
            put("--contact", contact.strip_prefix("mailto:").unwrap_or(contact));
        }
        let usual = IssuerPorts::default();
        if ports.http != usual.http {
            put("--http-port", &ports.http.to_string());
        }
        if ports.tls != usual.tls {
            put("--tls-port", &ports.tls.to_string());
        }
        for resolver in &self.issuer.resolvers {
            put("--resolver", &resolver.to_string());
        }
        if let Some(key_id) = &self.issuer.eab_key_id {
            put("--eab-key-id", &format!("{key_id} --eab-mac-key-file FILE"));
        }
        let issuers = self.managed.issuers.iter().map(|asked| self.renamed(asked)).collect();
        let request = self.request(&With { issuers: Some(issuers), ..With::default() });
        format!("{add}{options}`, then {request}")
    }

    fn renamed(&self, asked: &IssuerId) -> String {
        if *asked == self.issuer.id { format!("{asked}-2") } else { asked.to_string() }
    }

    fn request(&self, with: &With<'_>) -> String {
        let managed = self.managed;
        let mut command = String::from("`portward certificate request");
        let names = managed.names.iter().map(typed).collect::<Vec<_>>().join(" ");
        let issuers = || managed.issuers.iter().map(ToString::to_string).collect();
        let mut put = |word: &str| {
            command.push(' ');
            command.push_str(word);
        };
        put(with.names.unwrap_or(&names));
        for issuer in with.issuers.clone().unwrap_or_else(issuers) {
            put(&format!("--issuer {issuer}"));
        }
        let dns = managed.dns.as_ref().filter(|_| with.challenge.is_none());
        let challenge = with.challenge.clone().or_else(|| managed.challenge.map(|kind| kind.to_string()));
        let challenge = challenge.filter(|kind| dns.is_none() || kind != ChallengeKind::Dns01.as_str());
        if let Some(challenge) = challenge {
            put(&format!("--challenge {challenge}"));
        }
        if let Some(dns) = dns {
            put(&format!("--dns {dns}"));
        }
        if let Some(profile) = with.profile.or(managed.profile.as_deref()) {
            put(&format!("--profile {profile}"));
        }
        if managed.key != KeyAlgorithm::default() {
            put(&format!("--key {}", managed.key));
        }
        if managed.reuse == KeyReuse::Keep {
            put("--reuse-key");
        }
        if let Some(agent) = &managed.key_on {
            put(&format!("--key-on {agent}"));
        }
        if let Some(before) = managed.renew_before {
            put(&format!("--renew-days-before {}", before.as_secs() / (24 * 3600)));
        }
        put(&format!("--replace {}", self.certificate));
        command.push('`');
        command
    }
}

/// Says what is asked for otherwise than now.
#[derive(Default)]
struct With<'a> {
    names: Option<&'a str>,
    issuers: Option<Vec<String>>,
    challenge: Option<String>,
    profile: Option<&'a str>,
}
