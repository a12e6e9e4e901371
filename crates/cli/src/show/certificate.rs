//! Certificates for people.

use portward_api::{CertificateOutcome, CertificateTaken, CertificateView, Effect, FindingWeight};

use super::shortened;
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each certificate.
pub(crate) fn certificates(certificates: &[CertificateView], colour: Colour) -> String {
    if certificates.is_empty() {
        return EMPTY.to_owned();
    }
    let mut table = Table::new(&["ID", "NAME", "NAMES", "STATUS", "NOT AFTER", "SOURCE", "MANAGED", "VERSION"]);
    for certificate in certificates {
        table.row([
            (&certificate.id).into(),
            (&certificate.name).into(),
            shortened(&certificate.names).into(),
            status(&certificate.status),
            date(&certificate.not_after).into(),
            (&certificate.source).into(),
            managed(certificate).into(),
            certificate.version.to_string().into(),
        ]);
    }
    table.render(colour)
}

/// One line for each thing that a certificate says.
pub(crate) fn certificate(certificate: &CertificateView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["id".into(), (&certificate.id).into()]);
    table.row(["name".into(), (&certificate.name).into()]);
    table.row(["names".into(), certificate.names.join(", ").into()]);
    table.row(["status".into(), status(&certificate.status)]);
    table.row(["not before".into(), (&certificate.not_before).into()]);
    table.row(["not after".into(), (&certificate.not_after).into()]);
    table.row(["subject".into(), (&certificate.subject).into()]);
    table.row(["issuer".into(), (&certificate.issuer).into()]);
    table.row(["serial".into(), (&certificate.serial).into()]);
    table.row(["key type".into(), (&certificate.key_type).into()]);
    table.row(["thumbprint".into(), (&certificate.thumbprint).into()]);
    table.row(["SHA-1".into(), (&certificate.sha1).into()]);
    table.row(["version".into(), certificate.version.to_string().into()]);
    table.row(["source".into(), (&certificate.source).into()]);
    table.row(["managed".into(), managed(certificate).into()]);
    for (who, ids) in [("sites", &certificate.sites), ("bindings", &certificate.bindings)] {
        if !ids.is_empty() {
            table.row([who.into(), ids.join(", ").into()]);
        }
    }
    for (index, link) in certificate.chain.iter().enumerate() {
        let name = if index == 0 { "chain" } else { "" };
        let until = link.not_after.as_deref().map(|end| format!(" (until {})", date(end))).unwrap_or_default();
        table.row([name.into(), format!("{}{until}", link.subject).into()]);
    }
    table.render(colour)
}

/// Tells what became of an import, and what was found.
pub(crate) fn taken(taken: &CertificateTaken, effect: Effect) -> String {
    let CertificateView { id, version, .. } = &taken.certificate;
    let mut text = match (taken.outcome, effect) {
        (CertificateOutcome::Created, Effect::Apply) => format!("The certificate {id} is in the library."),
        (CertificateOutcome::Created, Effect::DryRun) => "A new certificate would come to the library.".to_owned(),
        (CertificateOutcome::NewVersion, Effect::Apply) => {
            format!("The certificate {id} is served with version {version}.")
        }
        (CertificateOutcome::NewVersion, Effect::DryRun) => {
            format!("The certificate {id} would be served with version {version}.")
        }
        (CertificateOutcome::Unchanged, _) => {
            format!("The certificate {id} is this one already, as version {version}; nothing changes.")
        }
    };
    if effect == Effect::DryRun {
        text.push_str(" Nothing was changed.");
    }
    for finding in &taken.findings {
        let weight = match finding.weight {
            FindingWeight::Refuses => "Error",
            FindingWeight::Warns => "Warning",
        };
        text.push_str(&format!("\n{weight}: {}", finding.message));
    }
    text
}

fn managed(certificate: &CertificateView) -> &'static str {
    if certificate.managed { "yes" } else { "no" }
}

pub(super) fn status(word: &str) -> Cell {
    let tone = match word {
        "valid" => Tone::Good,
        "expires-soon" => Tone::Warning,
        _ => Tone::Bad,
    };
    Cell::toned(word, tone)
}

/// The day of an RFC 3339 time.
pub(super) fn date(time: &str) -> &str {
    time.split_once('T').map_or(time, |(date, _)| date)
}

const EMPTY: &str = "No certificate yet. Import one: portward certificate import FILE...\n";
