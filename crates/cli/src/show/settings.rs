//! What applies to the whole server, for people.

use portward_api::SettingsView;

use super::counted;
use crate::table::{Colour, Table};

/// One line for each setting.
pub(crate) fn settings(settings: &SettingsView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["force HTTPS".into(), (&settings.force_https).into()]);
    let count = |count: u32, noun: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), noun);
    let days = count(settings.warning_days, "day");
    table.row(["warning".into(), format!("{days} before the end of a certificate").into()]);
    let age = |days: u32| match days {
        0 => "kept until somebody rotates it".to_owned(),
        days => format!("rotated by itself when it is {} old", count(days, "day")),
    };
    table.row(["agents' identities".into(), age(settings.agent_identity_days).into()]);
    table.row(["server's identity".into(), age(settings.server_identity_days).into()]);
    let every = count(settings.agent_check_minutes, "minute");
    table.row(["health of agents".into(), format!("asked for every {every}").into()]);
    let proxies = match settings.trusted_proxies.as_slice() {
        [] => "nobody".to_owned(),
        networks => networks.join(", "),
    };
    table.row(["trusted proxies".into(), proxies.into()]);
    table.render(colour)
}
