//! The list of certificates: filtered, sorted and cut into pages by the address.

use std::{cmp::Reverse, collections::BTreeSet, fmt::Display};

use askama::Template;
use axum::response::Response;

use super::{
    super::{
        answer,
        frame::{Frame, Nav},
        listing::{Column, Listing, Pager, Segment},
        view::{Mark, grouped},
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
    wanted: Listing,
    issuers: Vec<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    tally: String,
    is_empty: bool,
    may_change: bool,
    pager: Pager,
}

/// Shows the list.
pub(in crate::portal) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    let (served, now) = (visit.app.served(), visit.app.now());
    let usage = visit.app.certificate_usage(&visit.by);
    let all = standings(&visit.app, &visit.by, &served, &usage, now).await?;
    let wanted = Listing::read("/certificates", &visit.query, &["issuer", "managed"]);
    let issuers: BTreeSet<String> = all.iter().filter_map(issuer_of).collect();
    let segments = segments(&all, &wanted);
    let lead = lead(&all);
    let (total, is_empty) = (all.len(), all.is_empty());
    let mut shown: Vec<Standing<'_>> = all.into_iter().filter(|standing| takes(&wanted, standing)).collect();
    sort(&wanted, &mut shown);
    let pager = wanted.pager(shown.len(), "certificate");
    answer::html(&ListPage {
        frame: visit.frame(Nav::Certificates, "Certificates"),
        lead,
        segments,
        issuers: issuers.into_iter().collect(),
        columns: wanted.columns([
            ("Status", "status", ""),
            ("Certificate", "name", ""),
            ("Issuer", "issuer", "w w3"),
            ("Expires", "expires", ""),
            ("On", "", "w w3"),
            ("Lifetime", "", "w"),
            ("Renewal", "renewal", "w"),
            ("Sites", "", "w w2"),
            ("Thumbprint", "", "w w2"),
        ]),
        tally: wanted.tally(shown.len(), total),
        rows: shown.drain(pager.rows.clone()).map(|standing| Row::of(&standing, now)).collect(),
        is_empty,
        may_change: visit.may::<right::CertificateChange>().is_ok(),
        pager,
        wanted,
    })
}

fn takes(wanted: &Listing, standing: &Standing<'_>) -> bool {
    let certificate = &standing.stored.value;
    let is_managed = certificate.management.managed().is_some();
    let is_shown = match wanted.show.as_str() {
        "attention" => standing.state.needs_attention(),
        "renewing" => standing.state.is_under_way(),
        "unused" => standing.state.is_unused(),
        _ => true,
    };
    let is_managed_so = match wanted.word("managed") {
        "yes" => is_managed,
        "no" => !is_managed,
        _ => true,
    };
    let issuer = wanted.word("issuer");
    is_shown
        && is_managed_so
        && (issuer.is_empty() || issuer_of(standing).as_deref() == Some(issuer))
        && finds(wanted, standing)
}

/// Whether all words that were typed are in the name, the names, the issuer, or at the start of a thumbprint.
fn finds(wanted: &Listing, standing: &Standing<'_>) -> bool {
    let certificate = &standing.stored.value;
    let facts = certificate.current_version().map(|version| &version.facts);
    let thumbprints = facts.into_iter().flat_map(|facts| [&facts.thumbprint as &dyn Display, &facts.sha1]);
    wanted.finds(thumbprints, || {
        let names = facts.into_iter().flat_map(|facts| &facts.names).map(ToString::to_string);
        let issuer = facts.map(|facts| issued_by(facts));
        let words = [certificate.id.to_string(), certificate.name.to_string()].into_iter().chain(names).chain(issuer);
        words.collect::<Vec<_>>().join(" ")
    })
}

fn sort(wanted: &Listing, shown: &mut [Standing<'_>]) {
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
    let (word, is_backwards) = wanted.order();
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

fn segments(all: &[Standing<'_>], wanted: &Listing) -> Vec<Segment> {
    let count = |takes: fn(&Standing<'_>) -> bool| all.iter().filter(|standing| takes(standing)).count();
    wanted.segments([
        ("", "All", all.len()),
        ("attention", "Attention", count(|standing| standing.state.needs_attention())),
        ("renewing", "Renewing", count(|standing| standing.state.is_under_way())),
        ("unused", "Not used", count(|standing| standing.state.is_unused())),
    ])
}
