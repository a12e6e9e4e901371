//! Use cases of what applies to the whole server.

use std::{ops::RangeInclusive, time::Duration};

use http::StatusCode;
use portward_api::{Changed, SettingsUpdate, SettingsView};
use portward_core::{NewWay, Settings, WarningPolicy};

use super::{
    Allowed, App, AppError, Apply, Precondition, Revised, bindings::input::networks_of, right, safely::Safety, sites,
    trial::trials_of_portal,
};

impl App {
    /// Shows what applies to the whole server.
    pub(crate) fn show_settings(&self, _by: &Allowed<right::View>) -> Revised<SettingsView> {
        let desired = &self.served().desired;
        Revised { view: view(&desired.settings), revision: Some(desired.settings_revision) }
    }

    /// Changes what applies to the whole server; what the input leaves out stays.
    pub(crate) async fn edit_settings(
        &self,
        by: &Allowed<right::SettingsChange>,
        input: &SettingsUpdate,
        precondition: Precondition,
        apply: Apply,
    ) -> Result<Changed<Revised<SettingsView>>, AppError> {
        let deciding = self.decide().await;
        let desired = self.desired().await?;
        let now = desired.settings_revision;
        if let Precondition::Revision(wanted) = precondition
            && wanted != now
        {
            let message = format!(
                "the settings were changed meanwhile (they are at revision {now}); look at them again, then repeat the change"
            );
            return Err(AppError::new(StatusCode::PRECONDITION_FAILED, "changed-meanwhile", message));
        }
        let settings = edited(&desired.settings, input)?;
        if settings == desired.settings || apply == Apply::DryRun {
            return Ok(Revised { view: view(&settings), revision: Some(now) }.into());
        }
        let mut change = self.change(by, "edit settings");
        change.put_settings(&settings);
        let demand = sites::lock_out_by_settings(&settings, &desired)?;
        let way = if demand.is_some() { NewWay::Https } else { NewWay::Any };
        let made = self
            .make_safely(change, deciding, apply, Safety::by(way), |served| {
                Ok(demand.map(|demand| trials_of_portal(served, None, demand)).unwrap_or_default())
            })
            .await?;
        let revised = Revised { view: view(&settings), revision: Some(made.revision) };
        Ok(Changed { result: revised, impacts: Vec::new(), confirmation: made.confirmation })
    }
}

/// The view of the settings.
pub(crate) fn view(settings: &Settings) -> SettingsView {
    let of = |span: Duration, unit: u64| u32::try_from(span.as_secs() / unit).unwrap_or(u32::MAX);
    let days = |age: Option<Duration>| age.map_or(0, |age| of(age, DAY));
    SettingsView {
        force_https: settings.force_https.to_string(),
        warning_days: of(settings.warning.before_end, DAY),
        agent_identity_days: days(settings.agents.identity_age),
        server_identity_days: days(settings.agents.server_identity_age),
        agent_check_minutes: of(settings.agents.check_every, MINUTE),
        trusted_proxies: settings.trusted_proxies.iter().map(ToString::to_string).collect(),
    }
}

/// The settings with what the input says.
pub(super) fn edited(before: &Settings, input: &SettingsUpdate) -> Result<Settings, AppError> {
    let mut settings = before.clone();
    if let Some(mode) = &input.force_https {
        settings.force_https = sites::input::force_https(mode)?;
    }
    if let Some(days) = within("warning_days", input.warning_days, "days", 1..=365)? {
        settings.warning = WarningPolicy { before_end: Duration::from_secs(days * DAY) };
    }
    let age = |days: u64| (days > 0).then(|| Duration::from_secs(days * DAY));
    if let Some(days) = within("agent_identity_days", input.agent_identity_days, "days", 0..=3650)? {
        settings.agents.identity_age = age(days);
    }
    if let Some(days) = within("server_identity_days", input.server_identity_days, "days", 0..=3650)? {
        settings.agents.server_identity_age = age(days);
    }
    if let Some(minutes) = within("agent_check_minutes", input.agent_check_minutes, "minutes", 1..=1440)? {
        settings.agents.check_every = Duration::from_secs(minutes * MINUTE);
    }
    if let Some(networks) = &input.trusted_proxies {
        settings.trusted_proxies = networks_of("trusted_proxies", networks)?;
    }
    Ok(settings)
}

/// A number that is within its bounds; none if it is not given.
fn within(name: &str, given: Option<u32>, unit: &str, bounds: RangeInclusive<u32>) -> Result<Option<u64>, AppError> {
    match given {
        Some(number) if !bounds.contains(&number) => {
            let (least, most) = bounds.into_inner();
            let message = format!("{name} is {number}; it is a number of {unit} from {least} to {most}");
            Err(AppError::refused("invalid-value", message))
        }
        given => Ok(given.map(u64::from)),
    }
}

const DAY: u64 = 24 * 3600;
const MINUTE: u64 = 60;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::fixture::{Fixture, by, site};

    #[tokio::test]
    async fn settings_are_changed_one_by_one_and_sites_follow() {
        let fixture = Fixture::start().await;
        let app = &fixture.app;
        app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
        let before = app.show_settings(&by());
        assert_eq!((before.view.force_https.as_str(), before.view.warning_days), ("off", 30));

        let force = SettingsUpdate { force_https: Some("browsers".to_owned()), ..SettingsUpdate::default() };
        let tried = app.edit_settings(&by(), &force, Precondition::None, Apply::DryRun).await.unwrap();
        assert_eq!(tried.result.view.force_https, "browsers");
        assert_eq!(app.show_settings(&by()), before);

        let edited = app.edit_settings(&by(), &force, Precondition::None, Apply::Now).await.unwrap();
        let edited = edited.result;
        assert_eq!((edited.view.force_https.as_str(), edited.view.warning_days), ("browsers", 30));
        assert_eq!(app.list_sites(&by())[0].force_https, "browsers");
        assert_eq!(app.show_settings(&by()), edited);

        let agents = SettingsUpdate {
            agent_identity_days: Some(0),
            server_identity_days: Some(730),
            agent_check_minutes: Some(1),
            ..SettingsUpdate::default()
        };
        assert_eq!((edited.view.agent_identity_days, edited.view.server_identity_days), (365, 0));
        let view = app.edit_settings(&by(), &agents, Precondition::None, Apply::Now).await.unwrap().result.view;
        assert_eq!((view.agent_identity_days, view.server_identity_days, view.agent_check_minutes), (0, 730, 1));
        assert_eq!(view.warning_days, 30);
        for (given, shown) in [(&["10.0.0.0/8", "::1", "10.0.0.0/8"][..], &["10.0.0.0/8", "::1/128"][..]), (&[], &[])] {
            let given = given.iter().map(|text| (*text).to_owned()).collect();
            let proxies = SettingsUpdate { trusted_proxies: Some(given), ..SettingsUpdate::default() };
            let edited = app.edit_settings(&by(), &proxies, Precondition::None, Apply::Now).await.unwrap();
            assert_eq!(edited.result.view.trusted_proxies, shown);
            assert_eq!(app.parts.proxy.snapshot().trusted_proxies.len(), shown.len());
        }

        let stale = Precondition::Revision(before.revision.unwrap());
        let refused = app.edit_settings(&by(), &force, stale, Apply::Now).await.unwrap_err();
        assert_eq!(refused.code(), "changed-meanwhile");
    }

    #[tokio::test]
    async fn settings_that_make_no_sense_are_refused() {
        let fixture = Fixture::start().await;
        let none = SettingsUpdate::default;
        for update in [
            SettingsUpdate { force_https: Some("sometimes".to_owned()), ..none() },
            SettingsUpdate { warning_days: Some(0), ..none() },
            SettingsUpdate { warning_days: Some(366), ..none() },
            SettingsUpdate { agent_identity_days: Some(3651), ..none() },
            SettingsUpdate { server_identity_days: Some(u32::MAX), ..none() },
            SettingsUpdate { agent_check_minutes: Some(0), ..none() },
            SettingsUpdate { agent_check_minutes: Some(1441), ..none() },
            SettingsUpdate { trusted_proxies: Some(vec!["everybody".to_owned()]), ..none() },
            SettingsUpdate { trusted_proxies: Some(vec!["10.0.0.1/8".to_owned()]), ..none() },
        ] {
            let refused = fixture.app.edit_settings(&by(), &update, Precondition::None, Apply::Now).await;
            let code = refused.unwrap_err().code();
            assert!(code.starts_with("invalid"), "{code}: {update:?}");
        }
        assert_eq!(fixture.audited().await, 0);
    }
}
