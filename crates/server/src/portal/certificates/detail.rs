//! One certificate: its chain, where it is used, its versions, its renewal, and what can be done to it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{
    CertificateVersionView,
    acme::{AttemptView, OutcomeView, RenewalView},
};
use portward_core::Timestamp;

use super::{
    super::{
        answer,
        chain::{self, Piece},
        deliveries::{self, Row as DeliveryRow},
        equivalents::{self, DifferenceLine, Equivalents},
        frame::{Frame, Nav},
        rail::standing,
        view::{Mark, Spoken, When, absolute, counted, in_fours, sentence_case, spoken, upcoming},
        visit::Visit,
    },
    row::issued_by,
    state::{State, standings},
};
use crate::app::{AppError, Right, right};

#[derive(Template)]
#[template(path = "certificates/detail.html")]
struct DetailPage {
    frame: Frame,
    id: String,
    name: String,
    state: State,
    facts: Vec<String>,
    chain: Vec<Piece>,
    chain_class: &'static str,
    chain_says: &'static str,
    sha256: String,
    sha1: String,
    sites: Vec<String>,
    bindings: Vec<String>,
    /// Machines on which agents install it.
    deliveries: Vec<DeliveryRow>,
    may_deliver: bool,
    versions: Vec<Version>,
    renewal: Option<Renewal>,
    attempts: Vec<Tried>,
    failure: Option<Failure>,
    /// What was not done, and at which form.
    refused: Option<Refused>,
    may_change: bool,
    may_export: bool,
    /// Whether a CA that was asked issued the version that is served.
    is_issued: bool,
    equivalents: Equivalents,
}

/// Is what was not done.
pub(super) struct Refused {
    /// At which form: `renewal`, `versions`, `export`, `revoke` or `unmanage`.
    pub(super) at: &'static str,
    /// Why.
    pub(super) error: AppError,
}

struct Version {
    number: u32,
    is_current: bool,
    /// Whether it is the one that going back leads to.
    is_before: bool,
    source: String,
    added: When,
    expires: When,
    mark: Mark,
    word: &'static str,
    thumbprint: String,
}

struct Renewal {
    next: Option<(String, String)>,
    why: String,
    last: Option<When>,
    issuers: Vec<String>,
    names: String,
    challenge: String,
    key: String,
    profile: Option<String>,
    failures: u32,
    under_way: Option<String>,
    to_place: Vec<String>,
}

struct Tried {
    path: String,
    began: When,
    mark: Mark,
    word: String,
    why: String,
    issuer: String,
}

struct Failure {
    cause: String,
    remedy: Vec<Spoken>,
    attempt: String,
    next: Option<String>,
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let id = visit.param("id").to_owned();
    answer::html(&page(&visit, &id, None).await?)
}

/// Shows it again, as something was not done; what cannot be shown at a form is a page of its own.
pub(super) async fn refuse<R: Right>(
    visit: &Visit<R>,
    at: &'static str,
    error: AppError,
) -> Result<Response, AppError> {
    if [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN].contains(&error.status()) || error.status().is_server_error() {
        return Err(error);
    }
    let status = error.status();
    answer::with_status(status, &page(visit, visit.param("id"), Some(Refused { at, error })).await?)
}

async fn page<R: Right>(visit: &Visit<R>, id: &str, refused: Option<Refused>) -> Result<DetailPage, AppError> {
    let (app, by) = (&visit.app, visit.may::<right::View>()?);
    let (served, now) = (app.served(), app.now());
    let shown = app.show_certificate(&by, id)?.view;
    let versions = app.list_certificate_versions(&by, id)?;
    let usage = app.certificate_usage(&by);
    let all = standings(app, &by, &served, &usage, now).await?;
    let found = all.iter().find(|standing| standing.stored.value.id.as_str() == id);
    let found = found.ok_or_else(|| AppError::not_found("certificate", id))?;
    let certificate = &found.stored.value;
    let version = certificate.current_version().ok_or_else(|| AppError::not_found("certificate", id))?;
    let renewal = if shown.managed { Some(app.show_renewal(&by, id).await?) } else { None };
    let attempts = app.list_certificate_attempts(&by, id).await?;
    let mut facts = vec![counted(shown.names.len(), "name"), format!("version {}", shown.version)];
    facts.push(issued_by(&version.facts));
    facts.push(if shown.managed { "managed" } else { "unmanaged" }.to_owned());
    let chain = chain::of_version(version, now);
    let is_whole = version.facts.self_signed || !version.chain.intermediates.is_empty() || version.chain.root.is_some();
    let delivered = app.list_deliveries(&by).await?.into_iter();
    let of_it: Vec<_> = delivered.filter(|delivery| delivery.certificate == shown.id).take(MOST_MACHINES).collect();
    let uses = found.uses.cloned().unwrap_or_default();
    Ok(DetailPage {
        equivalents: equivalents::certificates::certificate(&shown.id, shown.managed),
        frame: visit.frame(Nav::Certificates, shown.name.clone()),
        id: shown.id,
        name: shown.name,
        state: found.state,
        facts,
        chain_class: chain::class(&chain),
        chain_says: if is_whole { "complete" } else { "an issuer is missing" },
        chain,
        sha256: in_fours(&shown.thumbprint),
        sha1: in_fours(&shown.sha1),
        sites: uses.sites.iter().map(ToString::to_string).collect(),
        bindings: uses.bindings.iter().map(ToString::to_string).collect(),
        deliveries: deliveries::rows(&of_it, now),
        may_deliver: visit.may::<right::DeliveryChange>().is_ok(),
        versions: versions_shown(&versions, now),
        is_issued: renewal.as_ref().is_some_and(|renewal| renewal.last_renewed.is_some()),
        failure: renewal.as_ref().and_then(|renewal| failure(renewal, now)),
        renewal: renewal.map(|renewal| renewal_shown(renewal, now)),
        attempts: attempts.iter().map(|attempt| tried(attempt, now)).collect(),
        refused,
        may_change: visit.may::<right::CertificateChange>().is_ok(),
        may_export: visit.may::<right::CertificateExportPrivateKey>().is_ok(),
    })
}

impl DetailPage {
    /// Why the form at a place was not taken.
    fn refusal(&self, at: &str) -> Option<String> {
        let refused = self.refused.as_ref().filter(|refused| refused.at == at)?;
        Some(answer::sentence(&refused.error))
    }

    /// The number of the version that is served.
    fn current(&self) -> u32 {
        self.versions.iter().find(|version| version.is_current).map_or(0, |version| version.number)
    }

    /// Whether going back was refused for the dates of the version alone.
    fn is_out_of_time(&self) -> bool {
        let codes = ["expired", "not-yet-valid"];
        self.refused.as_ref().is_some_and(|refused| refused.at == "versions" && codes.contains(&refused.error.code()))
    }
}

/// The versions, newest first.
fn versions_shown(versions: &[CertificateVersionView], now: Timestamp) -> Vec<Version> {
    let current = versions.iter().find(|version| version.current).map_or(0, |version| version.version);
    let before = versions.iter().map(|version| version.version).filter(|number| *number < current).max();
    let version = |version: &CertificateVersionView| {
        let (mark, word) = match (version.current, version.status.as_str()) {
            (true, _) => (Mark::Ok, "Served"),
            (false, "expired") => (Mark::Off, "Expired"),
            (false, _) => (Mark::Off, "Kept"),
        };
        let digits: String = version.thumbprint.chars().take(8).collect();
        Version {
            number: version.version,
            is_current: version.current,
            is_before: before == Some(version.version),
            source: version.source.clone(),
            added: moment(&version.added, now),
            expires: moment(&version.not_after, now),
            mark,
            word,
            thumbprint: format!("{}…", in_fours(&digits)),
        }
    };
    versions.iter().rev().map(version).collect()
}

fn renewal_shown(renewal: RenewalView, now: Timestamp) -> Renewal {
    let RenewalView { managed, .. } = renewal;
    let next = renewal.next_renewal.and_then(|next| Timestamp::parse(&next).ok());
    let challenge = match (&managed.challenge, &managed.dns) {
        (Some(kind), Some(dns)) => format!("{kind}, written by {dns}"),
        (Some(kind), None) => kind.clone(),
        (None, Some(dns)) => format!("dns-01, written by {dns}"),
        (None, None) => "the first one that can be answered".to_owned(),
    };
    let key = if managed.reuse_key {
        format!("{}, kept", managed.key)
    } else {
        format!("{}, a new one each time", managed.key)
    };
    let key = match &managed.key_on {
        Some(agent) => format!("{key}; made on {agent}, where it stays"),
        None => key,
    };
    Renewal {
        next: next.map(|next| (upcoming(next, now), absolute(next))),
        why: sentence_case(&renewal.why),
        last: renewal.last_renewed.map(|last| moment(&last, now)),
        issuers: managed.issuers,
        names: managed.names.join(", "),
        challenge,
        key,
        profile: managed.profile,
        failures: renewal.failures,
        under_way: renewal.stage.and(renewal.attempt).map(|attempt| attempt.id),
        to_place: renewal.to_place,
    }
}

fn tried(attempt: &AttemptView, now: Timestamp) -> Tried {
    let (mark, word) = standing(attempt);
    Tried {
        path: format!("/attempts/{}", attempt.id),
        began: moment(&attempt.began, now),
        mark,
        word,
        why: sentence_case(&attempt.why),
        issuer: attempt.issuer.clone(),
    }
}

/// Why the newest attempt failed; none if it did not.
fn failure(renewal: &RenewalView, now: Timestamp) -> Option<Failure> {
    let attempt = renewal.attempt.as_ref()?;
    let Some(OutcomeView::Failed { cause, remedy, .. }) = &attempt.outcome else { return None };
    let next = renewal.next_renewal.as_ref().and_then(|next| Timestamp::parse(next).ok());
    Some(Failure {
        cause: cause.clone(),
        remedy: spoken(remedy),
        attempt: attempt.id.clone(),
        next: next.map(|next| upcoming(next, now)),
    })
}

fn moment(text: &str, now: Timestamp) -> When {
    When::new(Timestamp::parse(text).unwrap_or(Timestamp::EPOCH), now)
}

/// More are looked through on the drift board.
const MOST_MACHINES: usize = 50;
