//! Explain: why a host name answers as it does, step by step.

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{ExplainRequest, ExplainStep, ExplainView};
use portward_core::explain::Mark as Found;
use serde_json::json;

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    frame::{Frame, Nav},
    view::Mark,
    visit::Visit,
};
use crate::app::{AppError, right};

#[derive(Template)]
#[template(path = "explain.html")]
struct ExplainTemplate {
    frame: Frame,
    lead: String,
    host: String,
    refused: Option<String>,
    way: Option<Way>,
    names: Vec<String>,
    equivalents: Equivalents,
}

/// Is the way of a request as it is shown.
struct Way {
    message: String,
    /// From the browser to us, and from us to the application.
    hops: [Hop; 2],
    site: Option<String>,
    certificate: Option<String>,
    groups: Vec<Group>,
}

/// Is a part of the handshake's drawing.
struct Hop {
    class: &'static str,
    is_encrypted: bool,
    word: String,
    say: String,
}

/// Is one step of the way, with all that was found of it.
struct Group {
    name: &'static str,
    mark: Mark,
    findings: Vec<Row>,
}

/// Is one finding.
struct Row {
    mark: Mark,
    word: String,
    from: &'static str,
    message: String,
    remedy: Option<String>,
    details: Vec<(String, String)>,
}

/// Shows the form, and with `?host=` what was found; a link from elsewhere fills the form in, and no more.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let host = visit.query.filled("host").unwrap_or_default().to_owned();
    let served = visit.app.served();
    let names = served.desired.sites.iter().flat_map(|stored| &stored.value.names).map(ToString::to_string);
    let names: Vec<String> = names.filter(|name| !name.contains('*')).take(MOST_NAMES).collect();
    // What is asked of names and upstreams is asked for by somebody who is here, not by a page of somebody else.
    let (way, refused) = if host.is_empty() || !visit.comes_from_here() {
        (None, None)
    } else {
        match visit.app.explain(&visit.by, &ExplainRequest { host: host.clone() }).await {
            Ok(view) => (Some(Way::of(view)), None),
            Err(error) if error.status().is_client_error() => (None, Some(answer::sentence(&error))),
            Err(error) => return Err(error),
        }
    };
    let lead = match &way {
        Some(way) => way.message.clone(),
        None if refused.is_none() && !host.is_empty() => {
            format!("A link from elsewhere asks about {host}. Press Explain to have Portward look.")
        }
        None => "What happens to a request, from DNS to the answer, compared with what you asked for.".to_owned(),
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let equivalents = Equivalents {
        cli: format!("portward explain {}", word(if host.is_empty() { "HOST" } else { &host })),
        curl: curl(&Method::POST, "/api/v1/explain", Some(&json!({ "host": host }))),
        ..Equivalents::default()
    };
    let frame = visit.frame(Nav::Explain, "Explain");
    answer::with_status(status, &ExplainTemplate { frame, lead, host, refused, way, names, equivalents })
}

impl Way {
    fn of(view: ExplainView) -> Self {
        let hops = [
            hop(&view, &["dns", "binding", "connection", "tls", "certificate"], "tls"),
            hop(&view, &["upstream"], "upstream"),
        ];
        let mut groups: Vec<Group> = Vec::new();
        for step in view.steps {
            let name = name(&step.step);
            let row = row(step);
            match groups.last_mut().filter(|group| group.name == name) {
                Some(group) => {
                    if rank(row.mark) > rank(group.mark) {
                        group.mark = row.mark;
                    }
                    group.findings.push(row);
                }
                None => groups.push(Group { name, mark: row.mark, findings: vec![row] }),
            }
        }
        let (site, certificate) = (view.site, view.certificate);
        Self { message: view.message, hops, site, certificate, groups }
    }
}

/// The worst of the steps of a hop, and what its link is.
fn hop(view: &ExplainView, steps: &[&str], link: &str) -> Hop {
    let of_hop = || view.steps.iter().filter(|step| steps.contains(&step.step.as_str()));
    let worst = of_hop().max_by_key(|step| rank(mark(&step.mark)));
    let link: Option<&ExplainStep> = view.steps.iter().find(|step| step.step == link);
    let version = link.and_then(|step| step.message.split(',').next()).filter(|word| word.starts_with("TLS "));
    let is_encrypted = version.is_some() || link.is_some_and(|step| step.message.starts_with("https://"));
    let class = match worst.map(|step| mark(&step.mark)) {
        Some(Mark::Bad) => "bad",
        Some(Mark::Warn) => "warn",
        _ => "",
    };
    let say = match worst.filter(|step| rank(mark(&step.mark)) >= rank(Mark::Warn)).or(link) {
        Some(step) => step.message.clone(),
        None => "Nothing to look at.".to_owned(),
    };
    let word = match (version, is_encrypted) {
        (Some(version), _) => version.to_owned(),
        (None, true) => "TLS".to_owned(),
        (None, false) => "plain".to_owned(),
    };
    Hop { class, is_encrypted, word, say }
}

fn row(step: ExplainStep) -> Row {
    let details = step.details.into_iter().map(|detail| (detail.name, detail.value)).collect();
    Row {
        mark: mark(&step.mark),
        word: match step.mark.as_str() {
            "good" => "Good".to_owned(),
            "off" => "Not looked at".to_owned(),
            "warning" => "Look at it".to_owned(),
            "bad" => "Wrong".to_owned(),
            _ => "Unknown".to_owned(),
        },
        from: match step.vantage.as_deref() {
            Some("inside") => "From inside",
            Some(_) => "As DNS says",
            None => "",
        },
        message: step.message,
        remedy: step.remedy,
        details,
    }
}

fn mark(word: &str) -> Mark {
    match Found::parse(word) {
        Some(Found::Good) => Mark::Ok,
        Some(Found::Off) => Mark::Off,
        Some(Found::Warning) => Mark::Warn,
        Some(Found::Bad) => Mark::Bad,
        Some(Found::Unknown) | None => Mark::Unknown,
    }
}

fn rank(mark: Mark) -> u8 {
    match mark {
        Mark::Off => 0,
        Mark::Ok | Mark::Run => 1,
        Mark::Unknown => 2,
        Mark::Warn => 3,
        Mark::Bad => 4,
    }
}

fn name(step: &str) -> &'static str {
    match step {
        "dns" => "DNS",
        "binding" => "Binding",
        "connection" => "Connection",
        "tls" => "TLS",
        "certificate" => "Certificate",
        "site" => "Site",
        "force-https" => "Force HTTPS",
        "hsts" => "HSTS",
        "upstream" => "Application",
        _ => "Answer",
    }
}

/// More would not be chosen from.
const MOST_NAMES: usize = 200;
