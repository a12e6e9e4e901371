//! The list of sites: filtered and cut into pages by the address.

use askama::Template;
use axum::response::Response;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_core::Site;

use super::super::{
    answer,
    frame::{Frame, Nav},
    standing::{Standing, standings},
    view::{Mark, counted, grouped},
    visit::Visit,
};
use crate::app::{AppError, right, sites::view};

#[derive(Template)]
#[template(path = "sites/list.html")]
struct ListPage {
    frame: Frame,
    lead: String,
    q: String,
    is_empty: bool,
    may_change: bool,
    tally: String,
    rows: Vec<Row>,
    pager: String,
    previous: Option<String>,
    next: Option<String>,
}

/// Is one site as it is shown.
struct Row {
    id: String,
    name: String,
    /// How many other names there are, and which.
    more: Option<(usize, String)>,
    mark: Mark,
    word: &'static str,
    upstream: String,
    more_upstreams: Option<usize>,
    certificate: Option<String>,
    force_https: String,
    hsts: String,
    per_minute: String,
}

/// Shows the list.
pub(in crate::portal) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    let served = visit.app.served();
    let q = visit.query.filled("q").unwrap_or_default().to_owned();
    let all = standings(&visit.app, &served);
    let lead = lead(&all);
    let total = all.len();
    let mut shown: Vec<&(&Site, Standing)> = all.iter().filter(|(site, _)| finds(site, &q)).collect();
    // What needs a hand comes first; the order of the ids stays within.
    shown.sort_by_key(|(_, standing)| std::cmp::Reverse(standing.mark.max(Mark::Unknown)));
    let pages = shown.len().div_ceil(ROWS).max(1);
    let page = visit.query.text("page").parse().unwrap_or(1).clamp(1, pages);
    let rows = shown.iter().skip((page - 1) * ROWS).take(ROWS);
    let rows = rows.map(|(site, standing)| {
        let per_minute = visit.app.traffic_of(site).map_or(0, |traffic| traffic.last_minute());
        row(site, standing, &served.desired.settings, per_minute)
    });
    let path = |page: usize| {
        let q = utf8_percent_encode(&q, NON_ALPHANUMERIC);
        if q.to_string().is_empty() { format!("/sites?page={page}") } else { format!("/sites?q={q}&page={page}") }
    };
    answer::html(&ListPage {
        frame: visit.frame(Nav::Sites, "Sites"),
        lead,
        is_empty: total == 0,
        may_change: visit.may::<right::SiteChange>().is_ok(),
        tally: format!("{} of {}", grouped(shown.len() as u64), grouped(total as u64)),
        rows: rows.collect(),
        pager: match pages {
            1 => format!("{} on 1 page.", counted(shown.len(), "site")),
            pages => format!("{}, page {page} of {pages}.", counted(shown.len(), "site")),
        },
        previous: (page > 1).then(|| path(page - 1)),
        next: (page < pages).then(|| path(page + 1)),
        q,
    })
}

fn row(site: &Site, standing: &Standing, settings: &portward_core::Settings, per_minute: u64) -> Row {
    let view = view(site, settings);
    let others: Vec<String> = view.names.iter().skip(1).cloned().collect();
    Row {
        name: view.names.first().cloned().unwrap_or_default(),
        more: (!others.is_empty()).then(|| (others.len(), others.join(", "))),
        mark: standing.mark,
        word: standing.word,
        upstream: view.upstreams.first().cloned().unwrap_or_default(),
        more_upstreams: site.all_upstreams().count().checked_sub(1).filter(|more| *more > 0),
        certificate: standing.certificate().map(|certificate| certificate.id.to_string()),
        force_https: view.force_https,
        hsts: hsts_word(site.hsts),
        per_minute: grouped(per_minute),
        id: view.id,
    }
}

/// HSTS in a word.
pub(super) fn hsts_word(hsts: portward_core::Hsts) -> String {
    match hsts {
        portward_core::Hsts::Off => "off".to_owned(),
        portward_core::Hsts::On { max_age, .. } => super::super::view::span(max_age.as_secs()),
    }
}

/// Whether all words that were typed are in its id, names or upstreams.
fn finds(site: &Site, q: &str) -> bool {
    let mut text = site.id.to_string();
    for name in &site.names {
        text.push_str(&format!(" {name}"));
    }
    for upstream in site.all_upstreams() {
        text.push_str(&format!(" {upstream}"));
    }
    q.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// What is true of all of them, in a sentence.
fn lead(all: &[(&Site, Standing)]) -> String {
    let bad = all.iter().filter(|(_, standing)| standing.mark == Mark::Bad).count();
    let warned = all.iter().filter(|(_, standing)| standing.mark == Mark::Warn).count();
    match (all.len(), bad, warned) {
        (0, ..) => "Host names, and the application behind them.".to_owned(),
        (1, 0, 0) => "1 site, served over HTTPS.".to_owned(),
        (count, 0, 0) => format!("{}, all served over HTTPS.", counted(count, "site")),
        (count, 0, 1) => format!("{}, 1 needs a look.", counted(count, "site")),
        (count, 0, warned) => format!("{}, {} need a look.", counted(count, "site"), grouped(warned as u64)),
        (count, 1, _) => format!("{}, 1 does not work.", counted(count, "site")),
        (count, bad, _) => format!("{}, {} do not work.", counted(count, "site"), grouped(bad as u64)),
    }
}

/// A page of the list.
const ROWS: usize = 100;
