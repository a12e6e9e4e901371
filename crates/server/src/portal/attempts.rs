//! Attempts to get certificates, and one of them while it runs: its rail, its timeline, the cause and the remedy.

use std::collections::BTreeSet;

use askama::Template;
use axum::response::Response;
use portward_api::acme::{AttemptView, OutcomeView};
use portward_core::{CertificateId, Timestamp};

use super::{
    answer,
    frame::{Frame, Nav},
    rail::{self, Entry, Going, Station, standing},
    view::{Mark, Spoken, When, absolute, day, sentence_case, span, spoken, upcoming},
    visit::Visit,
};
use crate::{
    app::{AppError, Right, right},
    served::ServedState,
};

#[derive(Template)]
#[template(path = "attempts.html")]
struct AttemptsPage {
    frame: Frame,
    orders: Vec<Order>,
    ended: Vec<Ended>,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "attempt.html")]
struct AttemptPage {
    frame: Frame,
    order: Order,
    may_change: bool,
}

/// Is the part of the page that changes while the order runs.
#[derive(Template)]
#[template(path = "order.html")]
struct OrderPart {
    order: Order,
    may_change: bool,
}

/// Is an attempt with all that is shown of it.
pub(super) struct Order {
    pub(super) attempt: AttemptView,
    pub(super) mark: Mark,
    pub(super) word: String,
    /// Who is asked, and since when.
    pub(super) about: String,
    pub(super) is_on: bool,
    pub(super) stations: Vec<Station>,
    pub(super) timeline: Vec<Entry>,
    /// The day of the timeline.
    pub(super) day: String,
    pub(super) failure: Option<Failure>,
    /// What is to be placed by hand.
    pub(super) to_place: Vec<String>,
    /// What is served meanwhile.
    pub(super) in_force: String,
    pub(super) began: When,
    pub(super) why: String,
    /// Whether the certificate is still there.
    pub(super) has_certificate: bool,
}

/// Is why an attempt failed, and what to do.
pub(super) struct Failure {
    pub(super) cause: String,
    pub(super) remedy: Vec<Spoken>,
    pub(super) code: String,
    /// When it is tried again; none if a later attempt was begun, or nobody will.
    pub(super) next: Option<String>,
}

struct Ended {
    path: String,
    certificate: String,
    began: When,
    mark: Mark,
    word: String,
    why: String,
    issuer: String,
}

/// Shows what is under way, what failed last, and the attempts before.
pub(super) async fn list(visit: Visit<right::View>) -> Result<Response, AppError> {
    let attempts = visit.app.list_attempts(&visit.by).await?;
    let now = visit.app.now();
    let (mut orders, mut ended, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for attempt in attempts {
        let is_newest = seen.insert(attempt.certificate.clone());
        let going = Going::of(&attempt);
        let is_open = going == Going::On || going == Going::Failed;
        if is_newest && is_open && orders.len() < MOST_OPEN {
            orders.push(order(&visit, attempt, is_newest).await?);
        } else {
            ended.push(ended_row(&attempt, now));
        }
    }
    // What runs stands above what failed.
    orders.sort_by_key(|order| !order.is_on);
    let may_change = visit.may::<right::CertificateChange>().is_ok();
    answer::html(&AttemptsPage { frame: visit.frame(Nav::LetsEncrypt, "Requests"), orders, ended, may_change })
}

/// Shows one attempt.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let order = find(&visit).await?;
    let title = format!("{}, {}", order.attempt.certificate, order.word);
    let may_change = visit.may::<right::CertificateChange>().is_ok();
    answer::html(&AttemptPage { frame: visit.frame(Nav::LetsEncrypt, title), order, may_change })
}

/// Shows the part of it that changes, for the page that is open.
pub(super) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    let order = find(&visit).await?;
    let may_change = visit.may::<right::CertificateChange>().is_ok();
    answer::html(&OrderPart { order, may_change })
}

async fn find(visit: &Visit<right::View>) -> Result<Order, AppError> {
    let id = visit.param("id");
    // A page that is open says of which certificate it is: then few are looked through.
    let mut of_certificate = match visit.query.filled("of") {
        Some(certificate) => visit.app.list_certificate_attempts(&visit.by, certificate).await.unwrap_or_default(),
        None => Vec::new(),
    };
    if let Some(at) = of_certificate.iter().position(|attempt| attempt.id == id) {
        return order(visit, of_certificate.swap_remove(at), at == 0).await;
    }
    let attempt = visit.app.show_attempt(&visit.by, id).await?;
    let of_certificate = visit.app.list_certificate_attempts(&visit.by, &attempt.certificate).await.unwrap_or_default();
    let is_newest = of_certificate.first().is_none_or(|newest| newest.id == attempt.id);
    order(visit, attempt, is_newest).await
}

/// Gathers what is shown of an attempt.
pub(super) async fn order<R: Right>(
    visit: &Visit<R>,
    attempt: AttemptView,
    is_newest: bool,
) -> Result<Order, AppError> {
    let (served, now) = (visit.app.served(), visit.app.now());
    let renewal = visit.app.show_renewal(&visit.may()?, &attempt.certificate).await.ok().filter(|_| is_newest);
    let going = Going::of(&attempt);
    let (mark, word) = standing(&attempt);
    let began = Timestamp::parse(&attempt.began).unwrap_or(Timestamp::EPOCH);
    let next = renewal.as_ref().and_then(|renewal| Timestamp::parse(renewal.next_renewal.as_deref()?).ok());
    let failure = match &attempt.outcome {
        Some(OutcomeView::Failed { code, cause, remedy, .. }) => Some(Failure {
            cause: cause.clone(),
            remedy: spoken(remedy),
            code: code.clone(),
            next: next.map(|next| upcoming(next, now)),
        }),
        _ => None,
    };
    let about = match going {
        Going::On => format!("asked of {}, begun {}", attempt.issuer, absolute(began)),
        Going::Served => format!("by {}, begun {}", attempt.issuer, absolute(began)),
        Going::Failed => match &failure {
            Some(Failure { next: Some(next), .. }) => format!("asked of {}, next try {next}", attempt.issuer),
            _ => format!("asked of {}, begun {}", attempt.issuer, absolute(began)),
        },
    };
    let is_on = going == Going::On;
    Ok(Order {
        mark,
        word,
        about,
        is_on,
        stations: rail::stations(&attempt),
        timeline: rail::timeline(&attempt),
        day: day(began),
        failure,
        to_place: renewal.filter(|_| is_on).map(|renewal| renewal.to_place).unwrap_or_default(),
        in_force: in_force(&served, &attempt.certificate, going, now),
        began: When::new(began, now),
        why: sentence_case(&attempt.why),
        has_certificate: certificate(&served, &attempt.certificate).is_some(),
        attempt,
    })
}

fn certificate<'a>(served: &'a ServedState, id: &str) -> Option<&'a portward_core::Certificate> {
    let stored = served.desired.certificate(&CertificateId::parse(id).ok()?)?;
    Some(&stored.value)
}

/// What clients see meanwhile.
fn in_force(served: &ServedState, id: &str, going: Going, now: Timestamp) -> String {
    let Some(version) = certificate(served, id).and_then(|certificate| certificate.current_version()) else {
        return "The certificate was removed.".to_owned();
    };
    let end = version.facts.validity.not_after;
    match (version.facts.self_signed, now > end) {
        (true, _) => "Until the CA has issued, a self-signed certificate is served.".to_owned(),
        (false, true) => format!("The certificate in force expired {} ago.", span(now.since(end).as_secs())),
        (false, false) if going == Going::Served => {
            format!("The certificate in force has {} left.", span(end.since(now).as_secs()))
        }
        (false, false) => {
            format!("The certificate in force stays in force: {} left.", span(end.since(now).as_secs()))
        }
    }
}

fn ended_row(attempt: &AttemptView, now: Timestamp) -> Ended {
    let (mark, word) = standing(attempt);
    Ended {
        path: format!("/attempts/{}", attempt.id),
        certificate: attempt.certificate.clone(),
        began: When::new(Timestamp::parse(&attempt.began).unwrap_or(Timestamp::EPOCH), now),
        mark,
        word,
        why: sentence_case(&attempt.why),
        issuer: attempt.issuer.clone(),
    }
}

/// More rails than that are no help on one page.
const MOST_OPEN: usize = 20;

#[cfg(test)]
mod tests;
