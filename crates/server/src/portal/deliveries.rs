//! The pages of deliveries: certificates that agents install on their machines.

mod detail;
mod new;
mod remove;
#[cfg(test)]
mod tests;

use portward_api::DeliveryView;
use portward_core::Timestamp;

use super::view::{Mark, When};

pub(super) use detail::{retry, show, show_live};
pub(super) use new::{add, show as show_new};
pub(super) use remove::{ask as ask_remove, remove};

/// Is a delivery as a row of a table, on the page of its agent or of its certificate.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) agent: String,
    pub(super) certificate: String,
    pub(super) mark: Mark,
    pub(super) word: &'static str,
    /// As in "v4, wanted v5".
    pub(super) version: String,
    pub(super) format: &'static str,
    pub(super) places: String,
    pub(super) at: Option<When>,
}

/// Rows of deliveries, the worst first.
pub(super) fn rows(deliveries: &[DeliveryView], now: Timestamp) -> Vec<Row> {
    let mut sorted: Vec<&DeliveryView> = deliveries.iter().collect();
    sorted.sort_by_key(|delivery| rank(delivery));
    let row = |delivery: &&DeliveryView| {
        let (mark, word) = mark_and_word(delivery);
        Row {
            id: delivery.id.clone(),
            agent: delivery.agent.clone(),
            certificate: delivery.certificate.clone(),
            mark,
            word,
            version: versions(delivery),
            format: format_name(&delivery.format),
            places: delivery.to.join(", "),
            at: delivery.at.as_deref().and_then(|at| Timestamp::parse(at).ok()).map(|at| When::new(at, now)),
        }
    };
    sorted.iter().map(row).collect()
}

/// How a delivery is, as a mark and in a few words.
pub(super) fn mark_and_word(delivery: &DeliveryView) -> (Mark, &'static str) {
    match delivery.state.as_str() {
        "installed" => (Mark::Ok, "As wanted"),
        "running" => (Mark::Run, "Being installed"),
        "failed" => (Mark::Bad, "Failed"),
        "drifted" => (Mark::Bad, "Another version is served"),
        "paused" => (Mark::Warn, "Waits for another machine"),
        "unreachable" => (Mark::Unknown, "Machine out of reach"),
        _ if delivery.wanted.is_none() => (Mark::Unknown, "Waits for the CA"),
        _ => (Mark::Run, "Comes next"),
    }
}

/// Where it stands among those that need a hand; less is worse.
pub(super) fn rank(delivery: &DeliveryView) -> u8 {
    match delivery.state.as_str() {
        "failed" => 0,
        "drifted" => 1,
        "paused" => 2,
        "unreachable" => 3,
        "running" => 4,
        "pending" => 5,
        _ => 6,
    }
}

/// Whether it is not as wanted, and not on its way.
pub(super) fn is_trouble(delivery: &DeliveryView) -> bool {
    rank(delivery) < 4
}

/// What is there, and what is wanted.
fn versions(delivery: &DeliveryView) -> String {
    let there = delivery.served.or(delivery.stored);
    match (there, delivery.wanted) {
        (Some(there), Some(wanted)) if there == wanted => format!("v{there}"),
        (Some(there), Some(wanted)) => format!("v{there}, wanted v{wanted}"),
        (Some(there), None) => format!("v{there}"),
        (None, Some(wanted)) => format!("wanted v{wanted}"),
        (None, None) => "none yet".to_owned(),
    }
}

/// What people call a format.
pub(super) fn format_name(format: &str) -> &'static str {
    FORMATS.iter().find(|(word, ..)| *word == format).map_or("another format", |(_, name, _)| name)
}

/// The formats: word, name, and who reads them.
const FORMATS: &[(&str, &str, &str)] = &[
    ("pem", "PEM, two files", "The chain in one file, the private key in another: nginx, Apache, most others."),
    ("pem-combined", "PEM, one file", "Private key and chain in one file: HAProxy."),
    ("pfx", "PFX", "One file with a password, as Windows and .NET read it."),
    ("pkcs12-java", "PKCS #12 for Java", "One file with a password, as Java reads it as a key store."),
    ("der", "DER, two files", "The leaf and the private key as they are, without issuers."),
];
