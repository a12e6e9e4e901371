//! Deliveries for people.

use portward_api::{DeliveryView, Effect};

use super::or_none;
use crate::{
    rail::cut,
    table::{Cell, Colour, Table, Tone},
};

/// One line for each delivery.
pub(crate) fn deliveries(deliveries: &[DeliveryView], colour: Colour) -> String {
    if deliveries.is_empty() {
        return NO_DELIVERY.to_owned();
    }
    let mut table = Table::new(&["ID", "AGENT", "CERTIFICATE", "STATE", "WANTED", "STORED", "SERVED", "WHY"]);
    for delivery in deliveries {
        let why = delivery.message.as_deref().map(|message| cut(message, REASON)).unwrap_or_default();
        table.row([
            (&delivery.id).into(),
            (&delivery.agent).into(),
            (&delivery.certificate).into(),
            state(delivery),
            version(delivery.wanted).into(),
            version(delivery.stored).into(),
            version(delivery.served).into(),
            why.into(),
        ]);
    }
    table.render(colour)
}

/// One line for each thing that is known of a delivery.
pub(crate) fn delivery(delivery: &DeliveryView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["id".into(), (&delivery.id).into()]);
    table.row(["state".into(), state(delivery)]);
    if let Some(message) = &delivery.message {
        table.row(["why".into(), message.into()]);
    }
    for line in delivery.output.iter().flat_map(|output| output.lines()) {
        table.row(["it said".into(), line.into()]);
    }
    table.row(["agent".into(), (&delivery.agent).into()]);
    table.row(["certificate".into(), (&delivery.certificate).into()]);
    table.row(["format".into(), (&delivery.format).into()]);
    table.row(["to".into(), or_none(&delivery.to).into()]);
    let owner = if delivery.owner.is_empty() { "the agent's user" } else { &delivery.owner };
    table.row(["owner".into(), format!("{owner}, mode {}", delivery.mode).into()]);
    table.row(["reload".into(), delivery.reload.as_deref().unwrap_or("none: the program looks by itself").into()]);
    table.row(["verify".into(), delivery.verify.as_deref().unwrap_or("nowhere").into()]);
    let versions = [("wanted", delivery.wanted), ("stored", delivery.stored), ("served", delivery.served)];
    for (name, number) in versions {
        table.row([name.into(), version(number).into()]);
    }
    if let Some(thumbprint) = &delivery.served_thumbprint {
        table.row(["serves".into(), thumbprint.into()]);
    }
    for (name, value) in [("last ended", &delivery.at), ("next try", &delivery.next_try)] {
        if let Some(value) = value {
            table.row([name.into(), value.into()]);
        }
    }
    table.render(colour)
}

/// Tells what becomes of a new delivery.
pub(crate) fn delivery_added(delivery: &DeliveryView, effect: Effect) -> String {
    let (id, agent) = (&delivery.id, &delivery.agent);
    match effect {
        Effect::Apply => {
            format!(
                "The delivery {id} is saved, and {agent} installs it. See how far it is: portward delivery show {id}"
            )
        }
        Effect::DryRun => format!("The delivery {id} would be saved. Nothing was changed."),
    }
}

/// Tells that a delivery is tried again.
pub(crate) fn delivery_retried(delivery: &DeliveryView) -> String {
    format!("The delivery {0} is tried again. See how far it is: portward delivery show {0}", delivery.id)
}

fn state(delivery: &DeliveryView) -> Cell {
    let tone = match delivery.state.as_str() {
        "installed" => Tone::Good,
        "failed" | "drifted" => Tone::Bad,
        "paused" | "unreachable" => Tone::Warning,
        _ => Tone::Plain,
    };
    match &delivery.stage {
        Some(stage) => Cell::toned(&format!("{} at {stage}", delivery.state), tone),
        None => Cell::toned(&delivery.state, tone),
    }
}

fn version(number: Option<u32>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// Where a message is cut in a list; `portward delivery show` has all of it.
const REASON: usize = 60;
const NO_DELIVERY: &str = "No delivery yet. A delivery has an agent install a certificate and each of its renewals. See: portward delivery add --help\n";
