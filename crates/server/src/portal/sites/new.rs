//! A new site: which application, what it is called, where it is. Also the third step of the first run.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{PresetView, SiteCreate};
use portward_core::parse_duration;
use serde_json::Value;

use super::super::{
    answer,
    equivalents::{
        DifferenceLine, Equivalents,
        certificates::{Command, body, yaml},
        curl, word,
    },
    form::Form,
    frame::{Frame, Nav},
    standing::Standing,
    view::span,
    visit::Visit,
};
use super::tab::find;
use crate::app::{AppError, Apply, Right, right, slug};

#[derive(Template)]
#[template(path = "sites/new.html")]
struct NewPage {
    frame: Frame,
    form: FormPart,
    equivalents: Equivalents,
}

/// The same within the first run.
#[derive(Template)]
#[template(path = "sites/setup.html")]
struct SetupPage {
    form: FormPart,
}

/// The step after it.
#[derive(Template)]
#[template(path = "sites/setup-certificate.html")]
struct CertificatePage {
    name: String,
    id: String,
    /// Whether browsers believe what is presented already.
    is_believed: bool,
}

/// Is what both have.
#[derive(Template)]
#[template(path = "sites/new-form.html")]
struct FormPart {
    is_setup: bool,
    presets: Vec<(String, String, bool)>,
    /// What the chosen one brings.
    preset: Option<PresetView>,
    /// Its time-outs in words.
    waits: [String; 2],
    given: Given,
    names_error: Option<String>,
    upstreams_error: Option<String>,
    refused: Option<String>,
}

/// Is what the form has in it.
#[derive(Clone, Default)]
struct Given {
    names: String,
    upstreams: String,
    force_https: String,
    preset: String,
}

/// Shows the form, or the next step of the first run.
pub(in crate::portal) async fn show(visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    if visit.query.text("setup") == "certificate" {
        let served = visit.app.served();
        let site = find(&served.desired, visit.query.text("site"))?;
        let name = site.names.first().map(ToString::to_string).unwrap_or_default();
        let is_believed = Standing::of(&visit.app, &served, site).is_believed();
        return answer::html(&CertificatePage { name, id: site.id.to_string(), is_believed });
    }
    let given = Given::filled(&visit.query, &visit.app.list_presets(&visit.may()?));
    page(&visit, given, None, visit.query.is_ticked("setup"), StatusCode::OK)
}

/// Adds it.
pub(in crate::portal) async fn add(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let given = Given::read(&form);
    let is_setup = form.is_ticked("setup");
    match visit.app.add_site(&visit.by, &given.input(), Apply::Now).await {
        Ok(added) => {
            let id = &added.view.id;
            let said = format!("{} is served.", added.view.names.first().unwrap_or(id));
            let place = match is_setup {
                true => format!("/sites/new?setup=certificate&site={id}"),
                false => format!("/sites/{id}"),
            };
            Ok(visit.done(&place, said))
        }
        Err(error) if error.status().is_client_error() => {
            page(&visit, given, Some(&error), is_setup, StatusCode::UNPROCESSABLE_ENTITY)
        }
        Err(error) => Err(error),
    }
}

fn page<R: Right>(
    visit: &Visit<R>,
    given: Given,
    refused: Option<&AppError>,
    is_setup: bool,
    status: StatusCode,
) -> Result<Response, AppError> {
    let presets = visit.app.list_presets(&visit.may()?);
    let preset = presets.iter().find(|preset| preset.id == given.preset).cloned();
    let (mut names_error, mut upstreams_error, mut other) = (None, None, None);
    if let Some(error) = refused {
        let text = error.to_string();
        match (text.strip_prefix("names: "), text.strip_prefix("upstreams: ")) {
            (Some(text), _) => names_error = Some(answer::as_sentence(text)),
            (_, Some(text)) => upstreams_error = Some(answer::as_sentence(text)),
            _ if error.code() == "site-name-taken" => names_error = Some(answer::sentence(error)),
            _ => other = Some(answer::sentence(error)),
        }
    }
    let equivalents = given.equivalents(preset.as_ref());
    let words = |wait: &str| parse_duration(wait).map_or_else(|| wait.to_owned(), |wait| span(wait.as_secs()));
    let waits = match &preset {
        Some(preset) => [words(&preset.response_timeout), words(&preset.idle_timeout)],
        None => Default::default(),
    };
    let form = FormPart {
        waits,
        is_setup,
        presets: presets
            .into_iter()
            .map(|preset| {
                let is_chosen = preset.id == given.preset;
                (preset.id, preset.name, is_chosen)
            })
            .collect(),
        preset,
        given,
        names_error,
        upstreams_error,
        refused: other,
    };
    if is_setup {
        return answer::with_status(status, &SetupPage { form });
    }
    answer::with_status(status, &NewPage { frame: visit.frame(Nav::Sites, "Add a site"), form, equivalents })
}

impl Given {
    fn read(form: &Form) -> Self {
        Self {
            names: form.words("names").join("\n"),
            upstreams: form.words("upstreams").join("\n"),
            force_https: form.text("force_https").to_owned(),
            preset: form.text("preset").to_owned(),
        }
    }

    /// What was typed before another preset was chosen; what nobody touched comes from the preset.
    fn filled(query: &Form, presets: &[PresetView]) -> Self {
        let brings = |id: &str| {
            let preset = presets.iter().find(|preset| preset.id == id);
            let upstream = preset.map(|preset| preset.upstream.clone()).unwrap_or_default();
            (upstream, preset.map_or("browsers", |preset| preset.force_https.as_str()).to_owned())
        };
        let mut given = Self::read(query);
        let (before, now) = (brings(query.text("was")), brings(&given.preset));
        if given.upstreams.is_empty() || given.upstreams == before.0 {
            given.upstreams = now.0;
        }
        if given.force_https.is_empty() || given.force_https == before.1 {
            given.force_https = now.1;
        }
        given
    }

    fn input(&self) -> SiteCreate {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        SiteCreate {
            names: lines(&self.names),
            upstreams: lines(&self.upstreams),
            force_https: Some(self.force_https.clone()).filter(|mode| !mode.is_empty()),
            preset: Some(self.preset.clone()).filter(|preset| !preset.is_empty()),
            ..SiteCreate::default()
        }
    }

    /// What does the same; a file has all that the preset brings, as in a file its name changes nothing.
    fn equivalents(&self, preset: Option<&PresetView>) -> Equivalents {
        let mut input = self.input();
        if input.names.is_empty() {
            input.names = vec!["NAME".to_owned()];
        }
        if input.upstreams.is_empty() {
            input.upstreams = vec!["http://127.0.0.1:3000".to_owned()];
        }
        let names: Vec<String> = input.names.iter().map(|name| word(name)).collect();
        let mut command = Command::new(format!("portward site add {}", names.join(" ")));
        command.option("--preset", input.preset.as_ref());
        for upstream in &input.upstreams {
            command.option("--upstream", Some(upstream));
        }
        command.option("--force-https", input.force_https.as_ref());
        let first = input.names.first().cloned().unwrap_or_default();
        let mut declared = serde_json::json!({ "id": slug(&first, "site", |_| false) });
        if let (Value::Object(fields), Value::Object(said)) = (&mut declared, body(&input)) {
            fields.extend(said);
            if let Some(preset) = preset {
                fields.insert("max_body".to_owned(), preset.max_body.clone().into());
                fields.insert("response_timeout".to_owned(), preset.response_timeout.clone().into());
                fields.insert("idle_timeout".to_owned(), preset.idle_timeout.clone().into());
                if !preset.set_headers.is_empty() {
                    fields.insert("set_headers".to_owned(), serde_json::json!(preset.set_headers));
                }
                if !preset.remove_headers.is_empty() {
                    fields.insert("remove_headers".to_owned(), serde_json::json!(preset.remove_headers));
                }
            }
        }
        Equivalents {
            cli: command.text(),
            curl: curl(&Method::POST, "/api/v1/sites", Some(&body(&input))),
            yaml: yaml("sites", declared),
            difference: vec![DifferenceLine::Added(format!("site: {first}"))],
        }
    }
}
