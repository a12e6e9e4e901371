//! Presets: what well-known applications want of their sites.

use portward_api::{HeaderSet, PresetView, SiteCreate};
use portward_core::{BodyLimit, Preset, WaitLimit};

use super::{Allowed, App, AppError, right};

impl App {
    /// Lists the presets.
    pub(crate) fn list_presets(&self, _by: &Allowed<right::View>) -> Vec<PresetView> {
        Preset::ALL.iter().map(view).collect()
    }
}

/// What is asked for, with what the preset brings where nothing is said.
pub(super) fn filled(input: &SiteCreate) -> Result<(SiteCreate, Option<&'static Preset>), AppError> {
    let mut input = input.clone();
    let Some(id) = input.preset.as_deref() else { return Ok((input, None)) };
    let preset = Preset::find(id).ok_or_else(|| {
        let known: Vec<&str> = Preset::ALL.iter().map(|preset| preset.id).collect();
        AppError::refused(
            "invalid-value",
            format!("preset: there is no preset \"{id}\"; there are {}", known.join(", ")),
        )
    })?;
    let view = view(preset);
    if input.upstreams.is_empty() {
        input.upstreams = vec![view.upstream];
    }
    input.force_https.get_or_insert(view.force_https);
    input.max_body.get_or_insert(view.max_body);
    input.response_timeout.get_or_insert(view.response_timeout);
    input.idle_timeout.get_or_insert(view.idle_timeout);
    input.set_headers.get_or_insert(view.set_headers);
    input.remove_headers.get_or_insert(view.remove_headers);
    Ok((input, Some(preset)))
}

fn view(preset: &Preset) -> PresetView {
    let (limits, headers) = (preset.limits(), preset.headers());
    let header = |(name, value): &(String, String)| HeaderSet { name: name.clone(), value: value.clone() };
    PresetView {
        id: preset.id.to_owned(),
        name: preset.name.to_owned(),
        what: preset.what.to_owned(),
        upstream: preset.upstream(),
        force_https: preset.force_https.to_string(),
        max_body: BodyLimit::write(limits.body),
        response_timeout: WaitLimit::write(limits.response),
        idle_timeout: WaitLimit::write(limits.idle),
        set_headers: headers.set().iter().map(header).collect(),
        remove_headers: headers.remove().to_vec(),
        health_path: preset.health_path.to_owned(),
        notes: preset.notes.iter().map(|note| (*note).to_owned()).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{
        app::Apply,
        fixture::{Fixture, by},
    };

    #[tokio::test]
    async fn a_preset_fills_in_what_is_not_said() {
        let fixture = Fixture::start().await;
        let named = |name: &str| SiteCreate {
            names: vec![name.to_owned()],
            preset: Some("vaultwarden".to_owned()),
            ..SiteCreate::default()
        };
        let plain = fixture.app.add_site(&by(), &named("a.test"), Apply::Now).await.unwrap().view;
        assert_eq!(plain.upstreams, ["http://127.0.0.1:8000"]);
        assert_eq!((plain.force_https.as_str(), plain.max_body.as_deref()), ("all", Some("525MiB")));
        assert_eq!(plain.preset.as_deref(), Some("vaultwarden"));
        let said = SiteCreate {
            upstreams: vec!["http://10.0.0.1:80".to_owned()],
            force_https: Some("off".to_owned()),
            max_body: Some("none".to_owned()),
            ..named("b.test")
        };
        let said = fixture.app.add_site(&by(), &said, Apply::Now).await.unwrap().view;
        assert_eq!(said.upstreams, ["http://10.0.0.1:80"]);
        assert_eq!((said.force_https.as_str(), said.max_body), ("off", None));
        assert_eq!(said.response_timeout.as_deref(), Some("2m"));
        let unknown = SiteCreate { preset: Some("teamtown".to_owned()), ..named("c.test") };
        let error = fixture.app.add_site(&by(), &unknown, Apply::Now).await.unwrap_err();
        assert!(error.to_string().contains("no preset \"teamtown\"; there are gitea, grafana"), "{error}");
    }

    #[test]
    fn the_documentation_has_every_preset_as_it_is() {
        let page = include_str!("../../../../docs/presets.md");
        let code = |text: &str| format!("`{text}`");
        for preset in Preset::ALL.iter().map(view) {
            let headers: Vec<String> = preset
                .set_headers
                .iter()
                .map(|header| format!("`{}: {}`", header.name, header.value))
                .chain(preset.remove_headers.iter().map(|name| format!("without `{name}`")))
                .collect();
            let cells = [
                code(&preset.id),
                preset.name.clone(),
                code(&preset.upstream),
                code(&preset.force_https),
                code(&preset.max_body),
                code(&preset.response_timeout),
                code(&preset.idle_timeout),
                headers.join(", "),
                code(&preset.health_path),
            ];
            let row = format!("| {} |", cells.join(" | ")).replace("|  |", "| |");
            assert!(page.lines().any(|line| line == row), "docs/presets.md lacks the line:\n{row}");
            assert!(page.contains(&format!("\n## {}\n", preset.name)), "no section of {}", preset.name);
            for note in &preset.notes {
                assert!(
                    page.lines().any(|line| line == format!("- {note}")),
                    "docs/presets.md lacks the line:\n- {note}"
                );
            }
        }
        let rows = page.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, Preset::ALL.len(), "docs/presets.md has presets that there are not");
    }
}
