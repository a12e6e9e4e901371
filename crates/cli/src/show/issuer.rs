//! Issuers and DNS providers for people.

use portward_api::{
    Effect,
    acme::{DnsProviderKindView, DnsProviderView, IssuerView},
};

use super::{or_none, shortened};
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each issuer.
pub(crate) fn issuers(issuers: &[IssuerView], colour: Colour) -> String {
    if issuers.is_empty() {
        return NO_ISSUER.to_owned();
    }
    let mut table = Table::new(&["ID", "DIRECTORY", "TERMS", "ACCOUNT", "CERTIFICATES"]);
    for issuer in issuers {
        table.row([
            (&issuer.id).into(),
            (&issuer.directory).into(),
            terms(issuer.terms_agreed),
            if issuer.account.is_some() { "made" } else { "not made yet" }.into(),
            shortened(&issuer.certificates).into(),
        ]);
    }
    table.render(colour)
}

/// One line for each thing that is known of an issuer.
pub(crate) fn issuer(issuer: &IssuerView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["id".into(), (&issuer.id).into()]);
    table.row(["directory".into(), (&issuer.directory).into()]);
    table.row(["directory trust".into(), (&issuer.trust).into()]);
    table.row(["contacts".into(), or_none(&issuer.contacts).into()]);
    table.row(["terms".into(), terms(issuer.terms_agreed)]);
    table.row(["account".into(), issuer.account.as_deref().unwrap_or("not made yet").into()]);
    for (name, value) in [
        ("EAB key id", &issuer.eab_key_id),
        ("profile", &issuer.profile),
        ("challenge", &issuer.challenge),
        ("preferred chain", &issuer.preferred_chain),
    ] {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    table.row(["http-01 port".into(), issuer.http_port.to_string().into()]);
    table.row(["tls-alpn-01 port".into(), issuer.tls_port.to_string().into()]);
    let resolvers =
        if issuer.resolvers.is_empty() { "those of the machine".to_owned() } else { issuer.resolvers.join(", ") };
    table.row(["resolvers".into(), resolvers.into()]);
    table.row(["certificates".into(), or_none(&issuer.certificates).into()]);
    table.render(colour)
}

/// Tells what became of a new issuer or DNS provider.
pub(crate) fn added(noun: &str, id: &str, effect: Effect) -> String {
    match effect {
        Effect::Apply => format!("The {noun} {id} is saved."),
        Effect::DryRun => format!("The {noun} {id} would be saved. Nothing was changed."),
    }
}

/// Each kind of DNS provider with its settings.
pub(crate) fn dns_kinds(kinds: &[DnsProviderKindView], colour: Colour) -> String {
    let mut table = Table::new(&["KIND", "SETTING", "GIVEN BY", "ABOUT"]);
    for kind in kinds {
        table.row([(&kind.kind).into(), "".into(), "".into(), (&kind.about).into()]);
        for setting in &kind.settings {
            let flag = if setting.secret { "--secret" } else { "--set" };
            let given = if setting.required { flag.to_owned() } else { format!("{flag}, optional") };
            table.row(["".into(), (&setting.name).into(), given.into(), (&setting.about).into()]);
        }
    }
    table.render(colour)
}

/// One line for each DNS provider.
pub(crate) fn dns_providers(providers: &[DnsProviderView], colour: Colour) -> String {
    if providers.is_empty() {
        return NO_PROVIDER.to_owned();
    }
    let mut table = Table::new(&["ID", "KIND", "SETTINGS", "CERTIFICATES"]);
    for provider in providers {
        let settings: Vec<String> = provider
            .settings
            .iter()
            .map(|(name, value)| format!("{name}={}", value.as_deref().unwrap_or(SECRET)))
            .collect();
        table.row([
            (&provider.id).into(),
            (&provider.kind).into(),
            shortened(&settings).into(),
            shortened(&provider.certificates).into(),
        ]);
    }
    table.render(colour)
}

/// One line for each setting of a DNS provider.
pub(crate) fn dns_provider(provider: &DnsProviderView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["id".into(), (&provider.id).into()]);
    table.row(["kind".into(), (&provider.kind).into()]);
    for (name, value) in &provider.settings {
        table.row([name.into(), value.as_deref().unwrap_or(SECRET).into()]);
    }
    table.row(["certificates".into(), or_none(&provider.certificates).into()]);
    table.render(colour)
}

fn terms(agreed: bool) -> Cell {
    Cell::toned(if agreed { "agreed" } else { "not agreed" }, if agreed { Tone::Plain } else { Tone::Warning })
}

/// Stands for a value that is never shown.
const SECRET: &str = "(secret)";
const NO_ISSUER: &str = "No issuer yet. An issuer is a CA that certificates are asked of. Add one: portward acme issuer add letsencrypt --accept-terms\n";
const NO_PROVIDER: &str = "No DNS provider yet. It writes the TXT records of dns-01, which wildcards need. The kinds: portward acme dns kinds\n";
