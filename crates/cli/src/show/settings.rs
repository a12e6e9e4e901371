//! What applies to the whole server, for people.

use portward_api::SettingsView;

use super::counted;
use crate::table::{Colour, Table};

/// One line for each setting.
pub(crate) fn settings(settings: &SettingsView, colour: Colour) -> String {
    let mut table = Table::of_fields();
    table.row(["force HTTPS".into(), (&settings.force_https).into()]);
    let days = usize::try_from(settings.warning_days).unwrap_or(usize::MAX);
    table.row(["warning".into(), format!("{} before the end of a certificate", counted(days, "day")).into()]);
    table.render(colour)
}
