//! Audit: who changed what, and whether the record of it was touched.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_api::{AuditQuery, AuditVerification, AuditView};
use portward_core::Timestamp;

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    form::Form,
    frame::{Frame, Nav},
    view::{Mark, When, counted, grouped},
    visit::Visit,
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditTemplate {
    frame: Frame,
    lead: String,
    who: String,
    what: String,
    day: String,
    is_filtered: bool,
    refused: Option<String>,
    verified: Option<Verified>,
    records: Vec<Row>,
    older: Option<String>,
    newest: Option<String>,
    equivalents: Equivalents,
}

/// Is one record as it is shown.
struct Row {
    id: String,
    when: When,
    who: String,
    actor: Option<String>,
    address: Option<String>,
    what: String,
    changes: Vec<Changed>,
    /// How many keys were written.
    keys: usize,
    number: Option<String>,
    sha256: String,
    /// The revision with which it can be undone.
    undo: Option<u64>,
}

/// Is one key that was written.
struct Changed {
    key: String,
    word: &'static str,
    before: String,
    after: String,
}

/// Is what was found of the chain.
struct Verified {
    mark: Mark,
    title: String,
    text: String,
    remedy: Option<String>,
    hash: Option<String>,
}

/// Shows the records, the newest first, and with `?verify` what was found of their chain.
pub(super) async fn show(visit: Visit<right::AuditView>) -> Result<Response, AppError> {
    let asked = query(&visit.query);
    let now = visit.app.now();
    let (page, refused) = match visit.app.list_audit(&visit.by, &asked).await {
        Ok(page) => (Some(page), None),
        Err(error) if error.status().is_client_error() => (None, Some(answer::sentence(&error))),
        Err(error) => return Err(error),
    };
    let verified = match visit.query.is_ticked("verify") {
        true => Some(verified(&visit.app.verify_audit(&visit.by, None).await?)),
        false => None,
    };
    let (items, next) = page.map(|page| (page.items, page.next_cursor)).unwrap_or_default();
    let lead = match items.first().filter(|_| asked.cursor.is_none()) {
        Some(newest) => {
            let at = Timestamp::parse(&newest.at).map(|at| When::new(at, now).relative).unwrap_or_default();
            format!("Every change has its record; the newest here is of {at}.")
        }
        None => "Every change has its record.".to_owned(),
    };
    let is_refused = refused.is_some();
    let template = AuditTemplate {
        frame: visit.frame(Nav::Audit, "Audit"),
        lead,
        who: asked.who.clone().unwrap_or_default(),
        what: asked.what.clone().unwrap_or_default(),
        day: asked.day.clone().unwrap_or_default(),
        is_filtered: asked.who.is_some() || asked.what.is_some() || asked.day.is_some(),
        refused,
        verified,
        records: items.into_iter().map(|view| row(view, now)).collect(),
        older: next.map(|next| address(&asked, Some(&next))),
        newest: asked.cursor.as_ref().map(|_| address(&asked, None)),
        equivalents: equivalents(&asked),
    };
    let status = if is_refused { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    answer::with_status(status, &template)
}

fn query(form: &Form) -> AuditQuery {
    let given = |name| form.filled(name).map(str::to_owned);
    AuditQuery {
        who: given("who"),
        what: given("what"),
        day: given("day"),
        limit: Some(ON_A_PAGE),
        cursor: given("before"),
    }
}

/// The address of a part of the list.
fn address(asked: &AuditQuery, before: Option<&str>) -> String {
    let fields = [
        ("who", asked.who.as_deref()),
        ("what", asked.what.as_deref()),
        ("day", asked.day.as_deref()),
        ("before", before),
    ];
    let given = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let parts: Vec<String> =
        given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))).collect();
    if parts.is_empty() { "/audit".to_owned() } else { format!("/audit?{}", parts.join("&")) }
}

fn row(view: AuditView, now: Timestamp) -> Row {
    let at = Timestamp::parse(&view.at).unwrap_or(now);
    let keys = view.changes.len();
    let changes = view.changes.into_iter().take(MOST_KEYS).map(|change| Changed {
        word: match (&change.before, &change.after) {
            (None, _) => "made",
            (_, None) => "removed",
            _ => "changed",
        },
        key: change.key,
        before: change.before.unwrap_or_default(),
        after: change.after.unwrap_or_default(),
    });
    Row {
        id: view.id,
        when: When::new(at, now),
        who: view.who,
        actor: view.actor.filter(|actor| actor == "token"),
        address: view.address,
        what: view.what,
        changes: changes.collect(),
        keys,
        number: view.number.map(grouped),
        sha256: view.sha256,
        undo: view.undo,
    }
}

fn verified(found: &AuditVerification) -> Verified {
    let older = match found.older {
        0 => String::new(),
        1 => " 1 is older than the chain; it says which it was.".to_owned(),
        older => format!(" {} are older than the chain; it says which they were.", grouped(older)),
    };
    let Some(broken) = &found.broken else {
        let (title, hash) = match &found.end {
            Some(end) => (
                format!(
                    "The audit is whole: {}",
                    counted(usize::try_from(found.records).unwrap_or(usize::MAX), "record")
                ),
                Some(end.sha256.clone()),
            ),
            None => ("There is no record yet".to_owned(), None),
        };
        let text = format!("Each record follows the one before it, and the last one is the last.{older}");
        return Verified { mark: Mark::Ok, title, text, remedy: None, hash };
    };
    let number = broken.number.map(|number| format!(", number {}", grouped(number))).unwrap_or_default();
    let more = match found.breaks {
        0 | 1 => String::new(),
        breaks => format!(" It is the first of {breaks} such places."),
    };
    Verified {
        mark: Mark::Bad,
        title: format!("The audit is broken at {}{number}", broken.key),
        text: format!("{}.{more}", answer_case(&broken.message)),
        remedy: Some(
            "Compare with a backup from before. Somebody, or a damaged disk, wrote to the store past Portward."
                .to_owned(),
        ),
        hash: None,
    }
}

fn answer_case(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    first + letters.as_str()
}

fn equivalents(asked: &AuditQuery) -> Equivalents {
    let mut cli = "portward audit list".to_owned();
    for (flag, value) in [("--who", &asked.who), ("--what", &asked.what), ("--day", &asked.day)] {
        if let Some(value) = value {
            cli.push_str(&format!(" {flag} {}", word(value)));
        }
    }
    cli.push_str("\nportward audit verify");
    let path = address(asked, None).replacen("/audit", "/api/v1/audit", 1);
    Equivalents { cli, curl: curl(&Method::GET, &path, None), ..Equivalents::default() }
}

/// As many as fit on a few screens.
const ON_A_PAGE: usize = 40;
/// A change of one thing writes no more; one of many would make a page that does not end.
const MOST_KEYS: usize = 5;
