//! One site: the way of its requests, its names and upstreams, force HTTPS and HSTS with their rehearsal.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_core::{Balance, PathPrefix, Preset, Site, Timestamp, Upstream};
use portward_proxy::{UpstreamState, UpstreamView};

use super::{
    super::{
        answer,
        choice::CertificateChoice,
        equivalents::{DifferenceLine, Equivalents, certificates::yaml},
        frame::{Frame, Nav},
        standing::Standing,
        view::{Mark, grouped, span},
        visit::Visit,
    },
    given::Given,
    handshake::{Handshake, Link, is_here},
    rehearsal::Rehearsal,
    tab::{Head, Tab, find},
};
use crate::app::{
    AppError, Precondition, Right,
    apply::declared_site,
    right,
    sites::{presented::LastAnswer, view},
};

#[derive(Template)]
#[template(path = "sites/detail.html")]
struct DetailPage {
    frame: Frame,
    head: Head,
    handshake: Handshake,
    names: Vec<super::super::standing::Named>,
    upstreams: Vec<UpstreamRow>,
    /// Which of several takes a request.
    dealing: &'static str,
    health_path: String,
    /// Whether they are asked without anybody saying so.
    is_asked: bool,
    notes: Vec<String>,
    rehearsal: Rehearsal,
    max_ages: Vec<(String, String, bool)>,
    certificates: CertificateChoice,
    authorities: Option<usize>,
    is_portal: bool,
    given: Given,
    open: Open,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Says which parts of the form are open.
struct Open {
    names: bool,
    upstreams: bool,
}

/// Is one upstream as it is shown.
struct UpstreamRow {
    url: String,
    /// The prefix of its route.
    below: Option<String>,
    /// How it does, as requests and checks have found out.
    does: Mark,
    word: &'static str,
    /// Since when, and why.
    since: Option<String>,
    in_flight: String,
    mark: Mark,
    answer: String,
    took: String,
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None, None)?)
}

/// Changes what was changed in its form.
pub(in crate::portal) async fn save(mut visit: Visit<right::SiteChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let given = Given::read(&form);
    let id = visit.param("id").to_owned();
    let served = visit.app.served();
    let site = find(&served.desired, &id)?;
    let before = Given::of(site, &view(site, &served.desired.settings));
    let update = given.update(&before);
    let edited = async {
        visit.app.edit_site(&visit.by, &id, &update, Precondition::None, given.going_back.apply(false)?).await
    };
    match edited.await {
        Ok(_) => Ok(visit.done(&format!("/sites/{id}"), said(&id, &given, &before))),
        Err(error) if error.status().is_client_error() && error.status() != StatusCode::NOT_FOUND => {
            let page = page(&visit, Some(given), Some(answer::sentence(&error)))?;
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// Asks its upstreams, and shows what they answered.
pub(in crate::portal) async fn ask(visit: Visit<right::View>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    let served = visit.app.served();
    let path = health_path(find(&served.desired, &id)?);
    let answers = visit.app.ask_upstreams(&visit.by, &id, path).await?;
    let is_silent = |answer: &&LastAnswer| !matches!(answer.answer, Ok((..500, ..)));
    let silent = answers.iter().filter(is_silent).count();
    let said = match (answers.len(), silent) {
        (0, _) => "There is no upstream to ask.".to_owned(),
        (1, 0) => "The upstream answers.".to_owned(),
        (1, _) => "The upstream does not answer as it should.".to_owned(),
        (all, 0) => format!("All {all} upstreams answer."),
        (all, silent) => format!("{silent} of {all} upstreams do not answer as they should."),
    };
    Ok(visit.told(&format!("/sites/{id}"), said))
}

fn page<R: Right>(visit: &Visit<R>, given: Option<Given>, refused: Option<String>) -> Result<DetailPage, AppError> {
    let (served, now) = (visit.app.served(), visit.app.now());
    let site = find(&served.desired, visit.param("id"))?;
    let site_view = view(site, &served.desired.settings);
    let standing = Standing::of(&visit.app, &served, site);
    let traffic = visit.app.traffic_of(site);
    let answers = visit.app.last_answer(site);
    let may_change = visit.may::<right::SiteChange>().is_ok();
    let head = Head::new(site, &standing, traffic.as_ref(), &served, Tab::Overview, may_change);
    let handshake = Handshake::of(site, &standing, &served, traffic.as_ref(), &answers, now);
    let rehearsal = Rehearsal::of(site, &standing, &served, traffic.as_ref());
    let of_routes = site
        .forwarding
        .routes
        .iter()
        .flat_map(|route| route.upstreams.iter().map(|upstream| (upstream, Some(route.prefix.to_string()))));
    let all = site.upstreams.iter().map(|upstream| (upstream, None)).chain(of_routes);
    let health = visit.app.upstreams_of(site).unwrap_or_default();
    let upstreams = all.map(|(upstream, below)| {
        let (does, word, since, in_flight) = does(&health, upstream, below.as_deref(), now);
        let url = upstream.to_string();
        let last = answers.iter().find(|answer| answer.url == url);
        let (mark, answer, took) = match last.map(|last| &last.answer) {
            None => (Mark::Unknown, "Not asked".to_owned(), String::new()),
            Some(Ok((status, millis, _))) if *status < 500 => {
                (Mark::Ok, format!("Answered {status}"), format!("{millis} ms"))
            }
            Some(Ok((status, millis, _))) => (Mark::Bad, format!("Answered {status}"), format!("{millis} ms")),
            Some(Err(why)) => (Mark::Bad, answer::as_sentence(why), String::new()),
        };
        UpstreamRow { url, below, does, word, since, in_flight, mark, answer, took }
    });
    let before = Given::of(site, &site_view);
    let open = Open {
        names: given.as_ref().is_some_and(|given| given.names != before.names),
        upstreams: given
            .as_ref()
            .is_some_and(|given| given.upstreams != before.upstreams || given.trust != before.trust),
    };
    let given = given.unwrap_or_else(|| before.clone());
    let declared = serde_json::to_value(declared_site(site)).unwrap_or_default();
    let equivalents = given.equivalents(&head.id, &before, yaml("sites", declared));
    let authorities = match &site.upstream_trust {
        portward_core::UpstreamTrust::Authorities(authorities) => Some(authorities.len()),
        _ => None,
    };
    let name = head.title.clone();
    Ok(DetailPage {
        frame: visit.frame(Nav::Sites, name),
        handshake,
        rehearsal,
        upstreams: upstreams.collect(),
        dealing: dealing(site),
        health_path: health_path(site).to_owned(),
        is_asked: site.forwarding.health.is_some(),
        notes: notes(site),
        max_ages: max_ages(&given.max_age),
        certificates: CertificateChoice::of(
            &served.desired.presentable().collect::<Vec<_>>(),
            &given.certificate,
            &site.names,
        ),
        authorities,
        is_portal: site.is_portal(),
        names: standing.names,
        head,
        given,
        open,
        refused,
        equivalents,
    })
}

/// What is true now, after a change.
fn said(id: &str, given: &Given, before: &Given) -> String {
    let is_other = |one: fn(&Given) -> String| one(given) != one(before);
    let changed = [
        is_other(|given| given.names.clone()),
        is_other(|given| given.upstreams.clone()),
        is_other(|given| given.certificate.clone()),
        is_other(|given| format!("{} {}", given.trust, given.pin)),
    ];
    let others = changed.iter().filter(|changed| **changed).count();
    match (is_other(|given| given.force_https.clone()), is_other(Given::hsts), others) {
        (true, false, 0) => format!("Force HTTPS of {id} is now {}.", given.force_https),
        (false, true, 0) if given.max_age == "off" => format!("HSTS of {id} is now off."),
        (false, true, 0) => {
            format!("HSTS of {id} is now {}.", given.max_age.parse().map_or_else(|_| given.max_age.clone(), span))
        }
        (false, false, 0) => format!("Nothing of {id} was changed."),
        _ => format!("{id} is served as you asked."),
    }
}

/// What its preset says is to be set in the application itself.
fn notes(site: &Site) -> Vec<String> {
    let preset = site.preset.as_ref().and_then(|id| Preset::find(id.as_str()));
    let name = site.names.first().map(ToString::to_string).unwrap_or_default();
    let notes = preset.map_or(&[][..], |preset| preset.notes).iter();
    let from = match site.upstreams.iter().all(is_here) {
        true => "127.0.0.1",
        false => "the address of this machine",
    };
    notes.map(|note| note.replace("NAME", &name).replace("PORTWARD", from)).collect()
}

/// How an upstream does: mark, word, since when and why, and what it has to do now.
fn does(
    health: &[UpstreamView],
    upstream: &Upstream,
    below: Option<&str>,
    now: Timestamp,
) -> (Mark, &'static str, Option<String>, String) {
    let is_it =
        |view: &&UpstreamView| view.upstream == *upstream && view.prefix.as_ref().map(PathPrefix::as_str) == below;
    let Some(UpstreamView { health, .. }) = health.iter().find(is_it) else {
        return (Mark::Unknown, "Not served", None, String::new());
    };
    let since = health.since.map(|since| format!("for {}", span(now.since(since).as_secs())));
    let in_flight = grouped(u64::from(health.in_flight));
    let why = health.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    match health.state {
        UpstreamState::Well => (Mark::Ok, "Well", since, in_flight),
        UpstreamState::Recovering => (Mark::Warn, "Recovering", since, in_flight),
        UpstreamState::Unwell => (Mark::Bad, "Unwell", since.map(|since| format!("{since}{why}")), in_flight),
    }
}

/// Which of several upstreams takes a request, in a sentence.
fn dealing(site: &Site) -> &'static str {
    match site.forwarding.balance {
        Balance::RoundRobin => "Several take turns; one that takes no connection is passed over.",
        Balance::LeastConnections => {
            "Of several the one takes a request that answers the fewest; one that takes no connection is passed over."
        }
        Balance::Sticky => {
            "Of several a client keeps the one that answered it first; one that takes no connection is passed over."
        }
    }
}

/// What its upstreams are asked for.
fn health_path(site: &Site) -> &str {
    if let Some(path) = &site.forwarding.health {
        return path.as_str();
    }
    let preset = site.preset.as_ref().and_then(|id| Preset::find(id.as_str()));
    preset.map_or("/", |preset| preset.health_path)
}

/// How long browsers may be told to remember: value, words, and whether it is chosen.
pub(super) fn max_ages(chosen: &str) -> Vec<(String, String, bool)> {
    let known = [
        ("off", "Off"),
        ("300", "5 minutes, to try it"),
        ("86400", "1 day"),
        ("15552000", "180 days"),
        ("31536000", "1 year"),
        ("63072000", "2 years"),
    ];
    let mut ages: Vec<(String, String, bool)> =
        known.iter().map(|(value, words)| ((*value).to_owned(), (*words).to_owned(), *value == chosen)).collect();
    if !ages.iter().any(|(.., is_chosen)| *is_chosen) {
        let words = chosen.parse().map_or_else(|_| chosen.to_owned(), span);
        ages.push((chosen.to_owned(), words, true));
    }
    ages
}
