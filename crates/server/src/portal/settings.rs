//! Settings: what applies to the whole server.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{SettingsUpdate, SettingsView};
use serde_json::json;

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, difference},
    form::Form,
    frame::{Frame, Nav},
    view::counted,
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, Right, right};

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    frame: Frame,
    form: Edit,
    modes: [(&'static str, &'static str, &'static str); 3],
    followers: String,
    may_change: bool,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is what the form has in it.
struct Edit {
    force_https: String,
    warning_days: String,
}

/// Shows the settings, and the form that changes them.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let before = visit.app.show_settings(&visit.by).view;
    answer::html(&page(&visit, &before, Edit::of(&before), None))
}

/// Changes them.
pub(super) async fn edit(mut visit: Visit<right::SettingsChange>) -> Result<Response, AppError> {
    let form = Edit::read(&visit.form().await?);
    let before = visit.app.show_settings(&visit.may::<right::View>()?).view;
    let edited = match form.input() {
        Ok(input) => visit.app.edit_settings(&visit.by, &input, Precondition::None, Apply::Now).await,
        Err(error) => Err(error),
    };
    match edited {
        Ok(_) => Ok(visit.done("/settings", "The settings are saved and served.")),
        Err(error) if error.status().is_client_error() => {
            let page = page(&visit, &before, form, Some(answer::sentence(&error)));
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

fn page<R: Right>(visit: &Visit<R>, before: &SettingsView, form: Edit, refused: Option<String>) -> SettingsPage {
    let served = visit.app.served();
    let sites = served.desired.sites.iter().filter(|stored| stored.value.force_https.is_none()).count();
    let followers = match sites {
        0 => "Every site says for itself.".to_owned(),
        1 => "1 site does not say for itself, and follows this.".to_owned(),
        sites => format!("{} do not say for themselves, and follow this.", counted(sites, "site")),
    };
    let equivalents = form.equivalents(before);
    let may_change = visit.may::<right::SettingsChange>().is_ok();
    let frame = visit.frame(Nav::Settings, "Settings");
    SettingsPage { frame, form, modes: MODES, followers, may_change, refused, equivalents }
}

impl Edit {
    fn of(view: &SettingsView) -> Self {
        Self { force_https: view.force_https.clone(), warning_days: view.warning_days.to_string() }
    }

    fn read(form: &Form) -> Self {
        Self {
            force_https: form.text("force_https").trim().to_owned(),
            warning_days: form.text("warning_days").trim().to_owned(),
        }
    }

    fn input(&self) -> Result<SettingsUpdate, AppError> {
        let days = self.warning_days.parse().map_err(|_| {
            let message = format!("\"{}\" is not a number of days; give one from 1 to 365", self.warning_days);
            AppError::refused("invalid-value", message)
        })?;
        Ok(SettingsUpdate { force_https: Some(self.force_https.clone()), warning_days: Some(days) })
    }

    fn equivalents(&self, before: &SettingsView) -> Equivalents {
        let Self { force_https, warning_days } = self;
        let days_before = before.warning_days.to_string();
        let lines: Vec<DifferenceLine> = difference(
            "settings",
            &[("force_https", &before.force_https, force_https), ("warning_days", &days_before, warning_days)],
        );
        let body =
            json!({ "force_https": force_https, "warning_days": warning_days.parse::<u32>().unwrap_or_default() });
        Equivalents {
            cli: format!(
                "portward settings edit \\\n  --force-https {force_https} \\\n  --warning-days {warning_days}"
            ),
            curl: curl(&Method::PATCH, "/api/v1/settings", Some(&body)),
            yaml: format!("settings:\n  force_https: {force_https}\n  warning_days: {warning_days}\n"),
            difference: lines,
        }
    }
}

/// Word, name, and what follows from it.
const MODES: [(&str, &str, &str); 3] = [
    ("off", "Disabled", "Everybody may use both. The least safe."),
    ("browsers", "Only browser requests", "Browsers go to HTTPS. Agents and scripts may go on over HTTP."),
    ("all", "All requests", "Everybody goes to HTTPS. Clients that do not follow a redirect will fail."),
];
