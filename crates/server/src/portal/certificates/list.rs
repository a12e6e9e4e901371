//! The list of certificates: filtered, sorted and cut into pages by the address.

use std::{cmp::Reverse, collections::BTreeSet};

use askama::Template;
use axum::response::Response;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    super::{
        answer,
        form::Form,
        frame::{Frame, Nav},
        view::{Mark, counted, grouped},
        visit::Visit,
    },
    row::{Row, issued_by},
    state::{Standing, standings},
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "certificates/list.html")]
struct ListPage {
    frame: Frame,
    lead: String,
    segments: Vec<Segment>,
    wanted: Wanted,
    issuers: Vec<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    tally: String,
    is_empty: bool,
    may_change: bool,
    pager: Pager,
}

/// Is one view of the list.
struct Segment {
    word: &'static str,
    count: String,
    path: String,
    is_current: bool,
}

/// Is the head of a column.
struct Column {
    word: &'static str,
    /// Where it leads: to the list sorted by it.
    path: Option<String>,
    /// As in `aria-sort`; empty if the list is not sorted by it.
    sorted: &'static str,
    class: &'static str,
}

/// Is where to go on from this page.
struct Pager {
    text: String,
    previous: Option<String>,
    next: Option<String>,
}

/// Is what the address asks for.
#[derive(Clone, Default)]
struct Wanted {
    show: String,
    q: String,
    issuer: String,
    managed: String,
    sort: String,
    page: usize,
}

/// Shows the list.
pub(in crate::portal) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    let (served, now) = (visit.app.served(), visit.app.now());
    let usage = visit.app.certificate_usage(&visit.by);
    let all = standings(&visit.app, &visit.by, &served, &usage, now).await?;
    let wanted = Wanted::read(&visit.query);
    let issuers: BTreeSet<String> = all.iter().filter_map(issuer_of).collect();
    let segments = segments(&all, &wanted);
    let lead = lead(&all);
    let (total, is_empty) = (all.len(), all.is_empty());
    let mut shown: Vec<Standing<'_>> = all.into_iter().filter(|standing| wanted.takes(standing)).collect();
    wanted.sort(&mut shown);
    let pages = shown.len().div_ceil(ROWS).max(1);
    let page = wanted.page.clamp(1, pages);
    let rows: Vec<Row> =
        shown.iter().skip((page - 1) * ROWS).take(ROWS).map(|standing| Row::of(standing, now)).collect();
    let order = match wanted.sort.as_str() {
        "" | "status" => ", most urgent first",
        _ => "",
    };
    let pager = Pager {
        text: match pages {
            1 => format!("{} on 1 page.", counted(shown.len(), "certificate")),
            pages => format!("{}, page {page} of {pages}.", counted(shown.len(), "certificate")),
        },
        previous: (page > 1).then(|| wanted.path(|wanted| wanted.page = page - 1)),
        next: (page < pages).then(|| wanted.path(|wanted| wanted.page = page + 1)),
    };
    answer::html(&ListPage {
        frame: visit.frame(Nav::Certificates, "Certificates"),
        lead,
        segments,
        issuers: issuers.into_iter().collect(),
        columns: columns(&wanted),
        tally: format!("{} of {}{order}", grouped(shown.len() as u64), grouped(total as u64)),
        rows,
        is_empty,
        may_change: visit.may::<right::CertificateChange>().is_ok(),
        pager,
        wanted,
    })
}

impl Wanted {
    fn read(query: &Form) -> Self {
        let word = |name: &str| query.filled(name).unwrap_or_default().to_owned();
        Self {
            show: word("show"),
            q: word("q"),
            issuer: word("issuer"),
            managed: word("managed"),
            sort: word("sort"),
            page: word("page").parse().unwrap_or(1),
        }
    }

    /// The address of this view with something changed.
    fn path(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut wanted = self.clone();
        wanted.page = 1;
        change(&mut wanted);
        let page = if wanted.page > 1 { wanted.page.to_string() } else { String::new() };
        let fields = [
            ("show", &wanted.show),
            ("q", &wanted.q),
            ("issuer", &wanted.issuer),
            ("managed", &wanted.managed),
            ("sort", &wanted.sort),
            ("page", &page),
        ];
        let written: Vec<String> = fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, KEPT)))
            .collect();
        if written.is_empty() { "/certificates".to_owned() } else { format!("/certificates?{}", written.join("&")) }
    }

    fn takes(&self, standing: &Standing<'_>) -> bool {
        let certificate = &standing.stored.value;
        let is_managed = certificate.management.managed().is_some();
        let is_shown = match self.show.as_str() {
            "attention" => standing.state.needs_attention(),
            "renewing" => standing.state.is_under_way(),
            "unused" => standing.state.is_unused(),
            _ => true,
        };
        let is_managed_so = match self.managed.as_str() {
            "yes" => is_managed,
            "no" => !is_managed,
            _ => true,
        };
        is_shown
            && is_managed_so
            && (self.issuer.is_empty() || issuer_of(standing).as_deref() == Some(&*self.issuer))
            && self.finds(standing)
    }

    /// Whether all words that were typed are in the name, the names, the issuer, or at the start of a thumbprint.
    fn finds(&self, standing: &Standing<'_>) -> bool {
        if self.q.is_empty() {
            return true;
        }
        let certificate = &standing.stored.value;
        let typed = self.q.to_lowercase();
        let hex: String = typed.chars().filter(char::is_ascii_hexdigit).collect();
        let is_hex = typed.chars().all(|c| c.is_ascii_hexdigit() || c == ' ' || c == ':');
        let facts = certificate.current_version().map(|version| &version.facts);
        if let Some(facts) = facts
            && is_hex
            && hex.len() >= 4
            && (facts.thumbprint.to_string().to_lowercase().starts_with(&hex)
                || facts.sha1.to_string().to_lowercase().starts_with(&hex))
        {
            return true;
        }
        let mut text = format!("{} {}", certificate.id, certificate.name.to_lowercase());
        if let Some(facts) = facts {
            for name in &facts.names {
                text.push(' ');
                text.push_str(&name.to_string());
            }
            text.push(' ');
            text.push_str(&issued_by(facts).to_lowercase());
        }
        typed.replace('\'', "’").split_whitespace().all(|word| text.contains(word))
    }

    fn sort(&self, shown: &mut [Standing<'_>]) {
        let end = |standing: &Standing<'_>| {
            standing.stored.value.current_version().map(|version| version.facts.validity.not_after)
        };
        let rank = |standing: &Standing<'_>| {
            // What runs by itself is as calm as what is served: there the end decides.
            let urgency = match standing.state {
                state if state.needs_attention() => (0, Some(state)),
                state if state.is_unused() => (2, Some(state)),
                _ => (1, None),
            };
            (urgency, end(standing))
        };
        let (word, is_backwards) = match self.sort.strip_prefix('-') {
            Some(word) => (word, true),
            None => (self.sort.as_str(), false),
        };
        match word {
            "name" => shown.sort_by(|a, b| a.stored.value.name.cmp(&b.stored.value.name)),
            "issuer" => shown.sort_by_cached_key(issuer_of),
            "expires" => shown.sort_by_key(end),
            "renewal" => {
                let next = |standing: &Standing<'_>| {
                    standing.renewal.map_or(Reverse(None), |renewal| Reverse(Some(Reverse(renewal.next))))
                };
                shown.sort_by_key(next);
            }
            _ => shown.sort_by_key(rank),
        }
        if is_backwards {
            shown.reverse();
        }
    }
}

fn issuer_of(standing: &Standing<'_>) -> Option<String> {
    standing.stored.value.current_version().map(|version| issued_by(&version.facts))
}

/// What is true of all of them, in a sentence.
fn lead(all: &[Standing<'_>]) -> String {
    let managed = all.iter().filter(|standing| standing.renewal.is_some()).count();
    let attention = all.iter().filter(|standing| standing.state.needs_attention()).count();
    let renew = match (all.len(), managed) {
        (0, _) => {
            return "What a server shows to prove its names. Portward gets them, renews them, and serves them."
                .to_owned();
        }
        (_, 0) => "None renews by itself".to_owned(),
        (_, 1) => "1 renews by itself".to_owned(),
        (_, count) => format!("{} renew by themselves", grouped(count as u64)),
    };
    match attention {
        0 => format!("{renew}, none needs a hand."),
        1 => format!("{renew}, 1 needs a hand now."),
        count => format!("{renew}, {} need a hand now.", grouped(count as u64)),
    }
}

fn segments(all: &[Standing<'_>], wanted: &Wanted) -> Vec<Segment> {
    let count = |takes: fn(&Standing<'_>) -> bool| all.iter().filter(|standing| takes(standing)).count();
    let counts = [
        ("", "All", all.len()),
        ("attention", "Attention", count(|standing| standing.state.needs_attention())),
        ("renewing", "Renewing", count(|standing| standing.state.is_under_way())),
        ("unused", "Not used", count(|standing| standing.state.is_unused())),
    ];
    let segment = |(show, word, count): (&str, &'static str, usize)| Segment {
        word,
        count: grouped(count as u64),
        path: wanted.path(|wanted| show.clone_into(&mut wanted.show)),
        is_current: wanted.show == show,
    };
    counts.into_iter().map(segment).collect()
}

fn columns(wanted: &Wanted) -> Vec<Column> {
    let sorted_by = if wanted.sort.is_empty() { "status" } else { wanted.sort.as_str() };
    let column = |word, sort: &str, class| {
        let sorted = match sorted_by.strip_prefix('-') {
            Some(word) if word == sort => "descending",
            None if sorted_by == sort => "ascending",
            _ => "",
        };
        let next = if sorted == "ascending" { format!("-{sort}") } else { sort.to_owned() };
        let path = (!sort.is_empty()).then(|| wanted.path(|wanted| wanted.sort = next));
        Column { word, path, sorted, class }
    };
    vec![
        column("Status", "status", ""),
        column("Certificate", "name", ""),
        column("Issuer", "issuer", "w w3"),
        column("Expires", "expires", ""),
        column("On", "", "w w3"),
        column("Lifetime", "", "w"),
        column("Renewal", "renewal", "w"),
        column("Sites", "", "w w2"),
        column("Thumbprint", "", "w w2"),
    ]
}

/// A page of the list: with more it would not be there at once on a slow line.
const ROWS: usize = 50;
/// What stays as it is in an address.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');
