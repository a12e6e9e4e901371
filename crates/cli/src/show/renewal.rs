//! Renewals of managed certificates for people.

use portward_api::{
    CertificateView, Effect,
    acme::{LetsEncryptStatus, OutcomeView, RenewalView, Requested, Revoked, RolledOver},
};

use super::{attempt, certificate::date, shortened};
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each managed certificate.
pub(crate) fn renewals(renewals: &[RenewalView], colour: Colour) -> String {
    if renewals.is_empty() {
        return NONE_MANAGED.to_owned();
    }
    let mut table = Table::new(&["CERTIFICATE", "NAMES", "ISSUERS", "EXPIRES", "NEXT RENEWAL", "WHY", "STATE"]);
    for renewal in renewals {
        table.row([
            (&renewal.certificate).into(),
            shortened(&renewal.managed.names).into(),
            shortened(&renewal.managed.issuers).into(),
            renewal.expires.as_deref().map_or("", date).into(),
            renewal.next_renewal.as_deref().unwrap_or_default().into(),
            (&renewal.why).into(),
            state(renewal),
        ]);
    }
    table.render(colour)
}

/// One line for each thing that is known of a renewal.
pub(crate) fn renewal(renewal: &RenewalView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    let managed = &renewal.managed;
    table.row(["certificate".into(), (&renewal.certificate).into()]);
    table.row(["names".into(), managed.names.join(", ").into()]);
    table.row(["issuers".into(), managed.issuers.join(", then ").into()]);
    for (name, value) in [("challenge", &managed.challenge), ("profile", &managed.profile), ("DNS", &managed.dns)] {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    let reuse = if managed.reuse_key { ", kept at renewals" } else { "" };
    let on = managed.key_on.as_ref().map(|agent| format!(", made on {agent}, where it stays")).unwrap_or_default();
    table.row(["private key".into(), format!("{}{reuse}{on}", managed.key).into()]);
    if let Some(days) = managed.renew_days_before {
        table.row(["renewed at".into(), format!("{days} days before its end").into()]);
    }
    fields(&mut table, renewal);
    table.render(colour)
}

/// What is configured for the server's own name.
pub(crate) fn lets_encrypt(status: &LetsEncryptStatus, colour: Colour) -> String {
    if !status.enabled {
        return NOT_CONFIGURED.to_owned();
    }
    let mut table = Table::of_fields();
    for (name, value) in
        [("host name", &status.dns_name), ("issuer", &status.issuer), ("thumbprint", &status.thumbprint)]
    {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    if let Some(renewal) = &status.renewal {
        table.row(["certificate".into(), (&renewal.certificate).into()]);
        fields(&mut table, renewal);
    }
    table.render(colour)
}

/// Tells that a certificate is being ordered, or would be.
pub(crate) fn requested(requested: &Requested, effect: Effect) -> String {
    let id = &requested.certificate.id;
    match effect {
        Effect::Apply => being_ordered(id),
        Effect::DryRun => format!(
            "The certificate {id} would be asked of {}. Nothing was changed.",
            requested.renewal.managed.issuers.join(", then of ")
        ),
    }
}

/// Tells how an order can be followed.
pub(crate) fn being_ordered(id: &str) -> String {
    format!("The certificate {id} is being ordered. What comes of it: portward acme attempts {id}")
}

/// What is served in the end, one line for each thing.
pub(crate) fn issued(certificate: &CertificateView, renewal: &RenewalView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["certificate".into(), (&certificate.id).into()]);
    table.row(["names".into(), certificate.names.join(", ").into()]);
    table.row(["issued by".into(), (&certificate.issuer).into()]);
    table.row(["valid until".into(), (&certificate.not_after).into()]);
    table.row(["thumbprint".into(), (&certificate.thumbprint).into()]);
    if let Some(OutcomeView::Served { at }) = renewal.attempt.as_ref().and_then(|attempt| attempt.outcome.as_ref()) {
        table.row(["served".into(), Cell::toned(&format!("since {at}"), Tone::Good)]);
    }
    if let Some(next) = &renewal.next_renewal {
        table.row(["next renewal".into(), next.into()]);
    }
    table.render(colour)
}

/// Tells that a version is revoked.
pub(crate) fn revoked(revoked: &Revoked) -> String {
    format!(
        "Version {} of the certificate {} is revoked; its thumbprint is {}. {}",
        revoked.version, revoked.certificate, revoked.thumbprint, revoked.message
    )
}

/// Tells that an account has another key.
pub(crate) fn rolled_over(view: &RolledOver) -> String {
    format!("The account {} with the issuer {} has a new key.", view.account, view.issuer)
}

/// Tells that a certificate is renewed no more.
pub(crate) fn unmanaged(certificate: &CertificateView) -> String {
    format!(
        "The certificate {} is renewed no more; it is valid until {}. To have it renewed again: portward certificate request {} --replace {}",
        certificate.id,
        certificate.not_after,
        certificate.names.join(" "),
        certificate.id
    )
}

/// What is going on, in a few words.
fn state(renewal: &RenewalView) -> Cell {
    if !renewal.to_place.is_empty() {
        return Cell::toned("waits for TXT records", Tone::Warning);
    }
    match (&renewal.stage, renewal.failures) {
        (Some(stage), _) => format!("under way: {stage}").into(),
        (None, 0) if renewal.last_renewed.is_none() => "not issued yet".into(),
        (None, 0) => Cell::toned("renewed", Tone::Good),
        (None, 1) => Cell::toned("failed once", Tone::Bad),
        (None, failures) => Cell::toned(&format!("failed {failures} times"), Tone::Bad),
    }
}

/// When it is renewed, why then, and what came of the newest attempt.
fn fields(table: &mut Table, renewal: &RenewalView) {
    table.row(["last renewed".into(), renewal.last_renewed.as_deref().unwrap_or("never").into()]);
    for (name, value) in [("expires", &renewal.expires), ("next check", &renewal.next_check)] {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    let next = renewal.next_renewal.as_deref().unwrap_or("not planned");
    let why = if renewal.why.is_empty() { String::new() } else { format!(" ({})", renewal.why) };
    table.row(["next renewal".into(), format!("{next}{why}").into()]);
    table.row(["state".into(), state(renewal)]);
    for (index, line) in renewal.to_place.iter().enumerate() {
        table.row([if index == 0 { "to place" } else { "" }.into(), line.into()]);
    }
    let Some(attempt) = &renewal.attempt else { return };
    let outcome = attempt::outcome(attempt.outcome.as_ref());
    table.row(["attempt".into(), (&attempt.id).into()]);
    table.row(["outcome".into(), outcome]);
    if let Some(OutcomeView::Failed { cause, remedy, .. }) = &attempt.outcome {
        table.row(["cause".into(), cause.into()]);
        table.row(["remedy".into(), remedy.into()]);
    }
}

const NONE_MANAGED: &str =
    "No managed certificate yet. Portward gets and renews one: portward certificate request NAME --wait\n";
const NOT_CONFIGURED: &str = "No certificate is got for this server's own name. Get one: portward letsencrypt configure --dns-name HOST --email ADDR --accept-terms --wait\n";
