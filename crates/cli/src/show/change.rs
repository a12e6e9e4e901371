//! Changes that could shut somebody out, for people.

use portward_api::{
    Answered, ConfirmationView, HttpsSettingsView, Impact, ImpactSeverity, Recovered, TrialOutcome, TrialStep,
};

use super::date;
use crate::table::{Cell, Colour, Table, Tone};

/// One line for each change that waits.
pub(crate) fn confirmations(waiting: &[ConfirmationView], colour: Colour) -> String {
    if waiting.is_empty() {
        return "No change waits to be confirmed.\n".to_owned();
    }
    let mut table = Table::new(&["ID", "CHANGE", "WHO", "GOES BACK IN", "CONFIRM BY"]);
    for view in waiting {
        let left = format!("{} s", view.seconds_left);
        let way = view.url.clone().unwrap_or_else(|| view.way.clone());
        table.row([(&view.id).into(), (&view.what).into(), (&view.who).into(), left.into(), way.into()]);
    }
    table.render(colour)
}

/// Tells that a change waits, what was tried, and how to answer.
pub(crate) fn waiting(view: &ConfirmationView) -> String {
    let mut text = String::new();
    for step in &view.trial {
        text.push_str(&trial(step));
        text.push('\n');
    }
    text.push_str(&format!(
        "The change is in effect. It goes back by itself at {} ({} seconds) unless you keep it:\n  portward confirm {}          keep it\n  portward confirm {} --back   go back now",
        view.deadline, view.seconds_left, view.id, view.id
    ));
    if let Some(url) = &view.url {
        text.push_str(&format!("\nOr in the portal, by the new way in: {url}"));
    }
    text
}

/// Tells how a change was answered.
pub(crate) fn answered(answered: &Answered) -> String {
    let Answered { change, what, kept, message, .. } = answered;
    let verb = if *kept { "stays" } else { "went back" };
    format!("Revision {change} ({what}) {verb}: {message}.")
}

/// What was done to get back in, or would be.
pub(crate) fn recovered(recovered: &Recovered, is_dry: bool) -> String {
    let mut text = match (recovered.steps.is_empty(), is_dry) {
        (true, _) => "Nothing keeps you out that could be put right here.\n".to_owned(),
        (false, true) => "Nothing was changed. This would be done:\n".to_owned(),
        (false, false) => String::new(),
    };
    for step in &recovered.steps {
        text.push_str(&format!("- {step}.\n"));
    }
    for note in &recovered.notes {
        text.push_str(&format!("{note}.\n"));
    }
    if let Some(url) = &recovered.url {
        text.push_str(&format!("The portal: {url}\n"));
    }
    text.push_str(if recovered.has_owner {
        "To sign in: portward user list shows who may; a new password: portward recover --owner NAME --password-stdin\n"
    } else {
        "There is no owner yet: portward setup-link gives a link that makes one, or portward recover --owner NAME --password-stdin\n"
    });
    text
}

/// What would break, and what would not.
pub(crate) fn impacts(impacts: &[Impact]) -> String {
    let line = |impact: &Impact| {
        let word = match impact.severity {
            ImpactSeverity::Breaks => "breaks",
            ImpactSeverity::Degrades => "degrades",
            ImpactSeverity::Stays => "stays",
        };
        format!("{word:9} {}: {}\n", impact.what, impact.why)
    };
    impacts.iter().map(line).collect()
}

/// How the portal is reached.
pub(crate) fn https_settings(view: &HttpsSettingsView, colour: Colour) -> String {
    let mut table = Table::new(&["SETTING", "VALUE"]);
    let none = || "none".to_owned();
    let mut row = |name: &str, value: Cell| table.row([name.into(), value]);
    row("portal", view.url.clone().unwrap_or_else(none).into());
    row("port", view.port.map_or_else(none, |port| port.to_string()).into());
    row("redirect", view.force_https.clone().unwrap_or_else(|| "no site leads to the portal".to_owned()).into());
    if let Some(certificate) = &view.certificate {
        row("certificate", format!("{}, version {}", certificate.id, certificate.version).into());
        row("names", certificate.names.join(", ").into());
        row("issuer", certificate.issuer.clone().into());
        let tone = if certificate.status == "valid" { Tone::Good } else { Tone::Bad };
        row("valid until", Cell::toned(&format!("{} ({})", date(&certificate.not_after), certificate.status), tone));
        row("private key", certificate.key_type.clone().into());
        row("SHA-256", certificate.thumbprint.clone().into());
        row("SHA-1", certificate.sha1.clone().into());
    } else {
        row("certificate", none().into());
    }
    table.render(colour)
}

fn trial(step: &TrialStep) -> String {
    let word = match step.outcome {
        TrialOutcome::Passed => "passed",
        TrialOutcome::Warned => "warning",
        TrialOutcome::Failed => "failed",
    };
    format!("{word:8} {}: {}", step.step, step.message)
}
