//! Settings: what applies to the whole server.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{SettingsUpdate, SettingsView};
use serde_json::{Value, json};

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, difference, word},
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
    agent_identity_days: String,
    server_identity_days: String,
    agent_check_minutes: String,
    /// One in a line.
    trusted_proxies: String,
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
        Self {
            force_https: view.force_https.clone(),
            warning_days: view.warning_days.to_string(),
            agent_identity_days: view.agent_identity_days.to_string(),
            server_identity_days: view.server_identity_days.to_string(),
            agent_check_minutes: view.agent_check_minutes.to_string(),
            trusted_proxies: view.trusted_proxies.join("\n"),
        }
    }

    fn read(form: &Form) -> Self {
        let text = |name: &str| form.text(name).trim().to_owned();
        Self {
            force_https: text("force_https"),
            warning_days: text("warning_days"),
            agent_identity_days: text("agent_identity_days"),
            server_identity_days: text("server_identity_days"),
            agent_check_minutes: text("agent_check_minutes"),
            trusted_proxies: text("trusted_proxies"),
        }
    }

    fn input(&self) -> Result<SettingsUpdate, AppError> {
        let number = |text: &str, wanted: &str| {
            text.parse()
                .map(Some)
                .map_err(|_| AppError::refused("invalid-value", format!("\"{text}\" is not a number of {wanted}")))
        };
        Ok(SettingsUpdate {
            force_https: Some(self.force_https.clone()),
            warning_days: number(&self.warning_days, "days; give one from 1 to 365")?,
            agent_identity_days: number(&self.agent_identity_days, "days; give one from 0 to 3650")?,
            server_identity_days: number(&self.server_identity_days, "days; give one from 0 to 3650")?,
            agent_check_minutes: number(&self.agent_check_minutes, "minutes; give one from 1 to 1440")?,
            trusted_proxies: Some(self.proxies().map(str::to_owned).collect()),
        })
    }

    fn proxies(&self) -> impl Iterator<Item = &str> {
        self.trusted_proxies.split([',', '\n', ' ', '\r']).filter(|network| !network.is_empty())
    }

    fn equivalents(&self, before: &SettingsView) -> Equivalents {
        let before = Self::of(before);
        let (old, new) = (before.fields(), self.fields());
        let changes: Vec<(&str, &str, &str)> =
            old.iter().zip(new).map(|((name, old), (_, new))| (*name, *old, new)).collect();
        let number = |text: &str| text.parse::<u32>().map_or_else(|_| json!(text), |number| json!(number));
        let proxies: Vec<&str> = self.proxies().collect();
        let (old_proxies, new_proxies) = (before.proxies().collect::<Vec<_>>().join(", "), proxies.join(", "));
        let mut changes = changes;
        changes.push(("trusted_proxies", &old_proxies, &new_proxies));
        let mut body: Value = new.iter().map(|(name, value)| ((*name).to_owned(), number(value))).collect();
        body["trusted_proxies"] = json!(proxies);
        let mut options: Vec<String> =
            new.iter().map(|(name, value)| format!("--{} {value}", name.replace('_', "-"))).collect();
        match proxies.as_slice() {
            [] => options.push("--trusted-proxy none".to_owned()),
            networks => options.extend(networks.iter().map(|network| format!("--trusted-proxy {}", word(network)))),
        }
        let mut lines: Vec<String> = new.iter().map(|(name, value)| format!("  {name}: {value}\n")).collect();
        lines.push(format!("  trusted_proxies: {}\n", json!(proxies)));
        Equivalents {
            cli: format!("portward settings edit \\\n  {}", options.join(" \\\n  ")),
            curl: curl(&Method::PATCH, "/api/v1/settings", Some(&body)),
            yaml: format!("settings:\n{}", lines.concat()),
            difference: difference("settings", &changes),
        }
    }

    /// Each as the API calls it.
    fn fields(&self) -> [(&'static str, &str); 5] {
        [
            ("force_https", &self.force_https),
            ("warning_days", &self.warning_days),
            ("agent_identity_days", &self.agent_identity_days),
            ("server_identity_days", &self.server_identity_days),
            ("agent_check_minutes", &self.agent_check_minutes),
        ]
    }
}

/// Word, name, and what follows from it.
const MODES: [(&str, &str, &str); 3] = [
    ("off", "Disabled", "Everybody may use both. The least safe."),
    ("browsers", "Only browser requests", "Browsers go to HTTPS. Agents and scripts may go on over HTTP."),
    ("all", "All requests", "Everybody goes to HTTPS. Clients that do not follow a redirect will fail."),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::browser::Browser;
    use crate::fixture::{Fixture, by};

    #[tokio::test]
    async fn settings_are_shown_changed_and_kept_when_a_number_is_none() {
        let fixture = Fixture::start().await;
        let browser = Browser::of(&fixture);
        let page = browser.get("/settings").await;
        page.shows("name=\"agent_identity_days\" inputmode=\"numeric\" value=\"365\"");
        page.shows("name=\"server_identity_days\" inputmode=\"numeric\" value=\"0\"");
        let fields = |minutes| {
            [
                ("force_https", "off"),
                ("warning_days", "30"),
                ("agent_identity_days", "180"),
                ("server_identity_days", "0"),
                ("agent_check_minutes", minutes),
                ("trusted_proxies", "10.0.0.0/8\r\n192.0.2.7"),
            ]
        };
        for wrong in ["soon", "0"] {
            let refused = browser.post("/settings", &fields(wrong)).await;
            assert_eq!(refused.status, 422);
            refused.shows("from 1 to 1440");
            refused.shows("value=\"180\"");
        }
        assert_eq!(browser.post("/settings", &fields("5")).await.location(), "/settings");
        let view = fixture.app.show_settings(&by()).view;
        assert_eq!((view.agent_identity_days, view.agent_check_minutes, view.warning_days), (180, 5, 30));
        assert_eq!(view.trusted_proxies, ["10.0.0.0/8", "192.0.2.7/32"]);
        browser.get("/settings").await.shows("--trusted-proxy 192.0.2.7/32");
    }
}
