//! Notifications: where operators are told what, how that goes, and adding a channel.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{ChannelCreate, ChannelUpdate, ChannelView, SecretText};
use portward_core::{NoticeKind, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, curl_of_file, word},
    form::Form,
    frame::{Frame, Nav},
    view::{Mark, When, counted},
    visit::Visit,
};
use crate::{
    app::{AppError, Apply, Precondition, right},
    channel::{self, ChannelKind, Choice, Need},
};

#[derive(Template)]
#[template(path = "notifications.html")]
struct NotificationsPage {
    frame: Frame,
    lead: String,
    channels: Vec<Row>,
    /// Whether who looks may change something.
    may_change: bool,
    kinds: Vec<KindOption>,
    chosen: &'static ChannelKind,
    id: String,
    fields: Vec<Field>,
    events: Vec<Event>,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// The page of one channel: its settings and events.
#[derive(Template)]
#[template(path = "notification.html")]
struct ChannelPage {
    frame: Frame,
    id: String,
    kind: &'static str,
    row: Row,
    fields: Vec<Field>,
    events: Vec<Event>,
    enabled: bool,
    may_change: bool,
    refused: Option<String>,
}

/// Is one channel as it is shown.
struct Row {
    id: String,
    kind: &'static str,
    target: String,
    events: String,
    mark: Mark,
    state: String,
    said: Option<String>,
    at: Option<When>,
}

struct KindOption {
    word: &'static str,
    name: &'static str,
    is_chosen: bool,
}

/// Is one field of a form.
struct Field {
    name: &'static str,
    label: &'static str,
    sentence: &'static str,
    value: String,
    required: bool,
    /// Whether it is never shown again.
    secret: bool,
    /// Whether a secret is there, which stays if the field is left empty.
    is_kept: bool,
    lines: bool,
    /// The words that it may be; empty for any text.
    words: Vec<(&'static str, bool)>,
}

struct Event {
    word: &'static str,
    sentence: &'static str,
    is_chosen: bool,
}

/// Shows all channels, and the form that adds one; `?kind=` says of which kind.
pub(super) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    let kind = visit.query.filled("kind").unwrap_or("email");
    let chosen = channel::find(kind).map_err(|error| AppError::invalid("kind", &error))?;
    let form = Form::default();
    let shown = page(&visit, chosen, &form, None)?;
    answer::html(&shown)
}

/// Adds a channel.
pub(super) async fn add(mut visit: Visit<right::NotificationChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let kind = channel::find(form.text("kind")).map_err(|error| AppError::invalid("kind", &error))?;
    // The fields that were shown are those of another kind; what is secret there is not sent back here.
    let shown = form.filled("shown").unwrap_or(kind.word);
    if form.text("step") == "choose" || shown != kind.word {
        let settings = channel::find(shown).map(|shown| shown.settings).unwrap_or_default();
        let form = form.without(|name| settings.iter().any(|setting| setting.secret && setting.name == name));
        return answer::html(&page(&visit, kind, &form, None)?);
    }
    let create = create(kind, &form);
    match visit.app.add_channel(&visit.by, &create, Apply::Now).await {
        Ok(added) => {
            let text = format!("The channel {} is saved. Send a test message to see whether it works.", added.view.id);
            Ok(visit.done("/notifications", text))
        }
        Err(error) if error.status().is_client_error() => {
            let page = page(&visit, kind, &form, Some(answer::sentence(&error)))?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// Shows one channel, with the form that changes it.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let view = visit.app.show_channel(&visit.by, visit.param("id"))?.view;
    let shown = channel_page(&visit, &view, None, None)?;
    answer::html(&shown)
}

/// Changes a channel.
pub(super) async fn edit(mut visit: Visit<right::NotificationChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    let form = visit.form().await?;
    let view = visit.app.show_channel(&visit.may()?, &id)?.view;
    let kind = channel::find(&view.kind).map_err(|error| AppError::invalid("kind", &error))?;
    let mut settings = BTreeMap::new();
    for setting in kind.settings {
        let Some(given) = form.given(setting.name) else { continue };
        match given.trim() {
            // What is secret is not in the form, so that an empty field means that it stays.
            "" if setting.secret => {}
            "" => {
                settings.insert(setting.name.to_owned(), None);
            }
            text => {
                settings.insert(setting.name.to_owned(), Some(SecretText::new(text.to_owned())));
            }
        }
    }
    let update =
        ChannelUpdate { settings, events: Some(chosen_events(&form)), enabled: Some(form.is_ticked("enabled")) };
    match visit.app.edit_channel(&visit.by, &id, &update, Precondition::None, Apply::Now).await {
        Ok(_) => Ok(visit.done("/notifications", format!("The channel {id} is changed."))),
        Err(error) if error.status().is_client_error() => {
            let page = channel_page(&visit, &view, Some(&form), Some(answer::sentence(&error)))?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// Sends a test message.
pub(super) async fn test(visit: Visit<right::NotificationChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    let told = visit.app.test_channel(&visit.by, &id).await?;
    let text = if told.sent {
        format!("{id} took the test message: {}", told.said)
    } else {
        format!("{id} did not take the test message: {}", told.said)
    };
    Ok(visit.done("/notifications", text))
}

/// Removes a channel.
pub(super) async fn remove(visit: Visit<right::NotificationChange>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    visit.app.remove_channel(&visit.by, &id, Precondition::None, Apply::Now).await?;
    Ok(visit.done("/notifications", format!("The channel {id} is removed.")))
}

fn page<R: crate::app::Right>(
    visit: &Visit<R>,
    chosen: &'static ChannelKind,
    form: &Form,
    refused: Option<String>,
) -> Result<NotificationsPage, AppError> {
    let channels = visit.app.list_channels(&visit.may()?);
    let now = visit.app.now();
    let failing = channels.iter().filter(|channel| channel.enabled && channel.sending.failures > 0).count();
    let lead = match (channels.len(), failing) {
        (0, _) => "Nobody is told of anything; it is in the log alone.".to_owned(),
        (all, 0) => format!("You are told by {}.", counted(all, "channel")),
        (all, failing) => format!("{failing} of {} cannot deliver.", counted(all, "channel")),
    };
    let kinds = channel::kinds().iter().map(|kind| KindOption {
        word: kind.word,
        name: kind.name,
        is_chosen: kind.word == chosen.word,
    });
    let wanted = if form.given("kind").is_some() { chosen_events(form) } else { vec!["all".to_owned()] };
    Ok(NotificationsPage {
        lead,
        channels: channels.iter().map(|channel| row(channel, now)).collect(),
        may_change: visit.may::<right::NotificationChange>().is_ok(),
        kinds: kinds.collect(),
        chosen,
        id: form.text("id").to_owned(),
        fields: fields(chosen, |name| form.given(name).map(str::to_owned), |_| false),
        events: events(&wanted),
        refused,
        equivalents: equivalents(chosen, form),
        frame: visit.frame(Nav::Notifications, "Notifications"),
    })
}

fn channel_page<R: crate::app::Right>(
    visit: &Visit<R>,
    view: &ChannelView,
    typed: Option<&Form>,
    refused: Option<String>,
) -> Result<ChannelPage, AppError> {
    let kind = channel::find(&view.kind).map_err(|error| AppError::invalid("kind", &error))?;
    let typed_or = |name: &str| typed.and_then(|form| form.given(name)).map(str::to_owned);
    let plain = |name: &str| typed_or(name).or_else(|| view.settings.get(name).cloned().flatten());
    let is_kept = |name: &str| view.settings.get(name).is_some_and(Option::is_none);
    Ok(ChannelPage {
        id: view.id.clone(),
        kind: kind.name,
        row: row(view, visit.app.now()),
        fields: fields(kind, plain, is_kept),
        events: events(&typed.map_or_else(|| view.events.clone(), chosen_events)),
        enabled: typed.map_or(view.enabled, |form| form.is_ticked("enabled")),
        may_change: visit.may::<right::NotificationChange>().is_ok(),
        refused,
        frame: visit.frame(Nav::Notifications, format!("{}, notifications", view.id)),
    })
}

fn row(view: &ChannelView, now: Timestamp) -> Row {
    let sending = &view.sending;
    let waiting = match sending.waiting {
        0 => String::new(),
        count => format!(", {count} waiting"),
    };
    let last = sending.last.as_ref();
    let (mark, state) = match (last, sending.failures) {
        _ if !view.enabled => (Mark::Off, format!("Disabled{waiting}")),
        (_, failures) if failures > 0 => {
            (Mark::Bad, format!("Not delivered, {} in a row{waiting}", counted(failures as usize, "failure")))
        }
        (Some(last), _) if last.sent => (Mark::Ok, format!("Delivered{waiting}")),
        (Some(_), _) => (Mark::Warn, format!("The test was not delivered{waiting}")),
        (None, _) => (Mark::Unknown, format!("Nothing sent yet{waiting}")),
    };
    Row {
        id: view.id.clone(),
        kind: channel::find(&view.kind).map_or("unknown", |kind| kind.name),
        target: view.target.clone(),
        events: if view.events == ["all"] { "all events".to_owned() } else { view.events.join(", ") },
        mark,
        state,
        said: last.map(|last| last.said.clone()),
        at: last.and_then(|last| Timestamp::parse(&last.at).ok()).map(|at| When::new(at, now)),
    }
}

fn fields(
    kind: &'static ChannelKind,
    value: impl Fn(&str) -> Option<String>,
    is_kept: impl Fn(&str) -> bool,
) -> Vec<Field> {
    let field = |setting: &'static channel::ChannelSetting| {
        let default = match setting.need {
            Need::Default(default) => default,
            Need::Required | Need::Optional => "",
        };
        // A secret that was typed is not sent back.
        let given = if setting.secret { None } else { value(setting.name) };
        let value = given.unwrap_or_else(|| default.to_owned());
        let words = match setting.choice {
            Choice::Of(words) => words.iter().map(|word| (*word, *word == value)).collect(),
            Choice::Line | Choice::Lines => Vec::new(),
        };
        let is_kept = is_kept(setting.name);
        Field {
            name: setting.name,
            label: setting.label,
            sentence: setting.sentence,
            required: setting.need == Need::Required && !is_kept,
            secret: setting.secret,
            is_kept,
            lines: setting.choice == Choice::Lines,
            value,
            words,
        }
    };
    kind.settings.iter().map(field).collect()
}

fn events(wanted: &[String]) -> Vec<Event> {
    let all = wanted.iter().any(|word| word == "all");
    let event = |kind: NoticeKind| Event {
        word: kind.as_str(),
        sentence: kind.purpose(),
        is_chosen: all || wanted.iter().any(|word| word == kind.as_str()),
    };
    NoticeKind::ALL.map(event).into()
}

/// The events that are ticked; all of them are `all`, so that later ones come along.
fn chosen_events(form: &Form) -> Vec<String> {
    let ticked = form.all("event");
    if NoticeKind::ALL.iter().all(|kind| ticked.iter().any(|word| word == kind.as_str())) {
        return vec!["all".to_owned()];
    }
    ticked
}

fn create(kind: &ChannelKind, form: &Form) -> ChannelCreate {
    let settings = kind.settings.iter().filter_map(|setting| {
        let text = form.filled(setting.name)?;
        Some((setting.name.to_owned(), SecretText::new(text.to_owned())))
    });
    ChannelCreate {
        id: form.filled("id").map(str::to_owned),
        kind: kind.word.to_owned(),
        settings: settings.collect(),
        events: Some(chosen_events(form)),
        enabled: None,
    }
}

/// What does the same as the form; where it has a secret, a file stands for it.
fn equivalents(kind: &'static ChannelKind, form: &Form) -> Equivalents {
    let mut cli = format!("portward notification add {}", kind.word);
    let mut settings = Map::new();
    let mut has_secret = false;
    if let Some(id) = form.filled("id") {
        cli.push_str(&format!(" \\\n  --id {}", word(id)));
    }
    for setting in kind.settings {
        let default = match setting.need {
            Need::Default(default) => Some(default),
            Need::Required | Need::Optional => None,
        };
        let given = form.filled(setting.name).filter(|text| Some(*text) != default);
        if given.is_none() && setting.need != Need::Required {
            continue;
        }
        if setting.secret || setting.choice == Choice::Lines {
            cli.push_str(&format!(" \\\n  --secret {}={}-file", setting.name, setting.name));
            has_secret |= setting.secret;
            if !setting.secret {
                settings.insert(setting.name.to_owned(), given.unwrap_or_default().into());
            }
        } else {
            let placeholder = setting.name.to_uppercase();
            let value = given.unwrap_or(&placeholder);
            cli.push_str(&format!(" \\\n  --set {}", word(&format!("{}={value}", setting.name))));
            settings.insert(setting.name.to_owned(), value.into());
        }
    }
    let mut body: Value = json!({ "kind": kind.word, "settings": settings });
    if let Some(id) = form.filled("id") {
        body["id"] = json!(id);
    }
    let events = if form.given("kind").is_some() { chosen_events(form) } else { vec!["all".to_owned()] };
    if events != ["all"] {
        for event in &events {
            cli.push_str(&format!(" \\\n  --event {}", word(event)));
        }
        body["events"] = json!(events);
    }
    // A secret is in no command: it is in a file beside the rest.
    let curl = if has_secret {
        curl_of_file(&Method::POST, "/api/v1/notifications", "channel.json")
    } else {
        curl(&Method::POST, "/api/v1/notifications", Some(&body))
    };
    Equivalents {
        cli,
        curl,
        yaml: String::new(),
        difference: vec![DifferenceLine::Added(format!("channel: {}", kind.word))],
    }
}

#[cfg(test)]
mod tests;
