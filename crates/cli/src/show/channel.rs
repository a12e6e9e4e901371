//! Notification channels for people.

use portward_api::{ChannelKindView, ChannelView, Effect, SentView};
use portward_core::ChannelId;

use super::shortened;
use crate::table::{Cell, Colour, Table, Tone};

/// Each kind of channel with its settings.
pub(crate) fn channel_kinds(kinds: &[ChannelKindView], colour: Colour) -> String {
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

/// One line for each channel.
pub(crate) fn channels(channels: &[ChannelView], colour: Colour) -> String {
    if channels.is_empty() {
        return NO_CHANNEL.to_owned();
    }
    let mut table = Table::new(&["ID", "KIND", "GOES TO", "EVENTS", "DELIVERY"]);
    for channel in channels {
        table.row([
            (&channel.id).into(),
            (&channel.kind).into(),
            (&channel.target).into(),
            shortened(&channel.events).into(),
            delivery(channel),
        ]);
    }
    table.render(colour)
}

/// One line for each thing that is known of a channel.
pub(crate) fn channel(channel: &ChannelView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["id".into(), (&channel.id).into()]);
    table.row(["kind".into(), (&channel.kind).into()]);
    table.row(["goes to".into(), (&channel.target).into()]);
    table.row(["events".into(), channel.events.join(", ").into()]);
    table.row(["enabled".into(), if channel.enabled { "yes" } else { "no" }.into()]);
    for (name, value) in &channel.settings {
        table.row([name.into(), value.as_deref().map_or("(secret)", first_line).into()]);
    }
    table.row(["delivery".into(), delivery(channel)]);
    if let Some(last) = &channel.sending.last {
        table.row(["last said".into(), format!("{} ({})", last.said, last.at).into()]);
    }
    if let Some(retry_at) = &channel.sending.retry_at {
        table.row(["tried again".into(), retry_at.into()]);
    }
    table.render(colour)
}

/// Tells what became of a new channel.
pub(crate) fn channel_added(id: &str, effect: Effect) -> String {
    match effect {
        Effect::Apply => format!("The channel {id} is saved. See whether it works: portward notification test {id}"),
        Effect::DryRun => format!("The channel {id} would be saved. Nothing was changed."),
    }
}

/// Tells what came of a test message.
pub(crate) fn channel_tested(id: &ChannelId, told: &SentView) -> String {
    let did = if told.sent { "The other side took the test message" } else { "The test message was not delivered" };
    format!("{did} of {id}. It said: {}", told.said)
}

fn delivery(channel: &ChannelView) -> Cell {
    let view = &channel.sending;
    let waiting = match view.waiting {
        0 => String::new(),
        count => format!(", {count} waiting"),
    };
    let (text, tone) = match (&view.last, view.failures) {
        _ if !channel.enabled => ("disabled".to_owned(), Tone::Plain),
        (_, 1) => ("failed once".to_owned(), Tone::Bad),
        (_, failures) if failures > 0 => (format!("failed {failures} times"), Tone::Bad),
        (None, _) => ("nothing sent yet".to_owned(), Tone::Plain),
        (Some(last), _) if last.sent => (format!("delivered {}", last.at), Tone::Plain),
        (Some(_), _) => ("the test failed".to_owned(), Tone::Warning),
    };
    Cell::toned(&format!("{text}{waiting}"), tone)
}

/// A certificate in PEM has many.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

const NO_CHANNEL: &str = "No channel yet. A channel is where you are told of certificates that expire, renewals that fail, and problems. The kinds: portward notification kinds\n";
