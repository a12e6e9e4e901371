//! The server's identity: what agents know it by, and how far a rotation is.

use askama::Template;
use axum::{extract::Multipart, response::Response};
use http::{Method, StatusCode};
use portward_api::{IdentityImport, IdentityRotate, IdentityView, RotationView, SecretBytes, SecretText};
use portward_core::Timestamp;
use serde_json::json;

use super::{
    super::{
        answer,
        equivalents::{DifferenceLine, Equivalents, curl},
        frame::{Frame, Nav},
        view::{Mark, When, counted, grouped, in_fours},
        visit::Visit,
    },
    moment,
};
use crate::app::{AppError, Right, right};

#[derive(Template)]
#[template(path = "agents/trust.html")]
struct TrustPage {
    frame: Frame,
    part: Option<Part>,
    /// How many agents there are.
    agents: usize,
    refused: Option<(&'static str, String)>,
    may_change: bool,
    equivalents: Equivalents,
}

/// Is what of the page changes while agents follow.
#[derive(Template)]
#[template(path = "agents/trust-live.html")]
struct Part {
    sha256: String,
    sha1: String,
    subject: String,
    since: Option<When>,
    addresses: Vec<String>,
    identities: Vec<Identity>,
    rotation: Option<Rotation>,
    is_on: bool,
}

struct Identity {
    mark: Mark,
    word: &'static str,
    about: &'static str,
    thumbprint: String,
    created: Option<When>,
}

struct Rotation {
    stations: Vec<Station>,
    says: String,
    since: Option<When>,
    acknowledged: String,
    per_mille: usize,
    laggards: Vec<Laggard>,
    others: Option<String>,
}

struct Station {
    name: &'static str,
    class: &'static str,
    mark: Mark,
    label: &'static str,
    sub: String,
}

struct Laggard {
    name: String,
    heard: Option<When>,
}

/// Shows it.
pub(in crate::portal) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    answer::html(&page(&visit, None).await?)
}

/// Shows what of it changes, for the page that is open.
pub(in crate::portal) async fn show_live(visit: Visit<right::View>) -> Result<Response, AppError> {
    match part(&visit).await? {
        Some(part) => answer::html(&part),
        None => Err(AppError::not_found("identity", "for agents")),
    }
}

/// Makes the first one, so that its thumbprint can be given away.
pub(in crate::portal) async fn make(visit: Visit<right::IdentityChange>) -> Result<Response, AppError> {
    visit.app.show_identity(&visit.may()?).await?;
    Ok(visit.told("/agents/trust", "There is an identity now; agents know Portward by its thumbprint."))
}

/// Has a new one follow it, with overlap.
pub(in crate::portal) async fn rotate(visit: Visit<right::IdentityChange>) -> Result<Response, AppError> {
    match visit.app.rotate_identity(&visit.by, &IdentityRotate { compromised: false }).await {
        Ok(changed) => {
            let says = match changed.rotation {
                Some(_) => "The next identity is announced; agents follow by themselves.",
                None => "There is a new identity.",
            };
            Ok(visit.told("/agents/trust", says))
        }
        Err(error) => refuse(&visit, "rotate", error).await,
    }
}

/// Replaces it at once, as its key is in other hands.
pub(in crate::portal) async fn replace(mut visit: Visit<right::IdentityChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    if !form.text("typed").trim().eq_ignore_ascii_case(TYPED) {
        let message = format!("type {TYPED}, so that it is not done by accident");
        return refuse(&visit, "replace", AppError::refused("invalid-value", message)).await;
    }
    match visit.app.rotate_identity(&visit.by, &IdentityRotate { compromised: true }).await {
        // The form leads back to its own place on the page.
        Ok(_) => Ok(visit.told(
            "/agents/trust#main",
            "The identity is replaced. Agents that are connected follow; those that are away have to join anew.",
        )),
        Err(error) => refuse(&visit, "replace", error).await,
    }
}

/// Takes one out of a file in its place.
pub(in crate::portal) async fn import(mut visit: Visit<right::IdentityChange>) -> Result<Response, AppError> {
    let given = read(visit.multipart().await?).await?;
    if given.file.expose().is_empty() {
        let error = AppError::refused("invalid-value", "choose a file: a PFX, or PEM with certificate and key");
        return refuse(&visit, "import", error).await;
    }
    match visit.app.import_identity(&visit.by, &given).await {
        Ok(changed) => Ok(visit.told(
            "/agents/trust#main",
            format!("Agents know Portward by {} from now on.", in_fours(&changed.new_thumbprint)),
        )),
        Err(error) => refuse(&visit, "import", error).await,
    }
}

async fn read(mut multipart: Multipart) -> Result<IdentityImport, AppError> {
    let malformed = |error: axum::extract::multipart::MultipartError| AppError::malformed("form", error.to_string());
    let mut given = IdentityImport { file: SecretBytes::new(Vec::new()), file_name: String::new(), password: None };
    while let Some(field) = multipart.next_field().await.map_err(malformed)? {
        match field.name() {
            Some("file") => {
                given.file_name = field.file_name().unwrap_or_default().to_owned();
                given.file = SecretBytes::new(field.bytes().await.map_err(malformed)?.to_vec());
            }
            Some("password") => {
                let password = field.text().await.map_err(malformed)?;
                given.password = Some(password).filter(|text| !text.is_empty()).map(SecretText::new);
            }
            _ => {}
        }
    }
    Ok(given)
}

async fn refuse<R: Right>(visit: &Visit<R>, at: &'static str, error: AppError) -> Result<Response, AppError> {
    if error.status().is_server_error() || error.status() == StatusCode::FORBIDDEN {
        return Err(error);
    }
    answer::with_status(error.status(), &page(visit, Some((at, answer::sentence(&error)))).await?)
}

async fn page<R: Right>(visit: &Visit<R>, refused: Option<(&'static str, String)>) -> Result<TrustPage, AppError> {
    Ok(TrustPage {
        frame: visit.frame(Nav::Agents, "Trust"),
        part: part(visit).await?,
        agents: visit.app.agents().roster().len(),
        refused,
        may_change: visit.may::<right::IdentityChange>().is_ok(),
        equivalents: Equivalents {
            cli: "portward identity show\nportward identity rotate\nportward identity import --from-file=FILE"
                .to_owned(),
            curl: curl(&Method::POST, "/api/v1/identity/rotate", Some(&json!({ "compromised": false }))),
            ..Equivalents::default()
        },
    })
}

impl TrustPage {
    /// Why the form at a place was not taken.
    fn refusal(&self, at: &str) -> Option<&str> {
        self.refused.as_ref().filter(|(refused, _)| *refused == at).map(|(_, text)| text.as_str())
    }

    /// Whether a rotation is under way.
    fn is_rotating(&self) -> bool {
        self.part.as_ref().is_some_and(|part| part.rotation.is_some())
    }

    fn machines(&self) -> String {
        counted(self.agents, "agent")
    }
}

/// None as long as there is no identity: looking makes none.
async fn part<R: Right>(visit: &Visit<R>) -> Result<Option<Part>, AppError> {
    if visit.app.agents().identities().is_none() {
        return Ok(None);
    }
    let view: IdentityView = visit.app.show_identity(&visit.may()?).await?;
    let now = visit.app.now();
    let identity = |one: &portward_api::IdentityStateView| {
        let (mark, word, about) = match one.state.as_str() {
            "next" => (Mark::Run, "Next", "Announced; shown once agents know it."),
            "current" => (Mark::Ok, "In use", "Shown to agents."),
            "old" => (Mark::Off, "Before", "Shown to agents that know no other one yet."),
            _ => (Mark::Bad, "Compromised", "Shown for as long as connected agents need to leave it."),
        };
        Identity { mark, word, about, thumbprint: in_fours(&one.thumbprint), created: moment(Some(&one.created), now) }
    };
    Ok(Some(Part {
        sha256: in_fours(&view.thumbprint),
        sha1: in_fours(&view.sha1),
        subject: view.subject,
        since: moment(Some(&view.since), now),
        addresses: view.addresses,
        identities: view.identities.iter().map(identity).collect(),
        is_on: view.rotation.is_some(),
        rotation: view.rotation.map(|rotation| shown(&rotation, now)),
    }))
}

fn shown(rotation: &RotationView, now: Timestamp) -> Rotation {
    let at = match rotation.phase.as_str() {
        "announce" => 0,
        "switch" => 1,
        _ => 2,
    };
    let station = |(index, (name, doing)): (usize, &(&'static str, &'static str))| {
        let (class, mark, label) = match index.cmp(&at) {
            std::cmp::Ordering::Less => ("done", Mark::Ok, "done"),
            std::cmp::Ordering::Equal => ("now", Mark::Run, "running"),
            std::cmp::Ordering::Greater => ("next", Mark::Off, "to come"),
        };
        Station { name, class, mark, label, sub: (*doing).to_owned() }
    };
    let missing = rotation.agents - rotation.acknowledged.min(rotation.agents);
    let says = match (at, missing) {
        (0, 0) => "All agents know the next identity; it is taken into use.".to_owned(),
        (0, _) => "Agents that are connected are told of the next identity; then it is taken into use.".to_owned(),
        (_, 0) => "All agents have followed; the one before is destroyed.".to_owned(),
        (_, _) => "The new identity is in use. The one before is kept for those that have not followed yet.".to_owned(),
    };
    let laggards: Vec<Laggard> = rotation
        .laggards
        .iter()
        .take(LAGGARDS)
        .map(|laggard| Laggard { name: laggard.name.clone(), heard: moment(laggard.last_heard.as_deref(), now) })
        .collect();
    let others = missing.saturating_sub(laggards.len());
    Rotation {
        stations: STATIONS.iter().enumerate().map(station).collect(),
        says,
        since: moment(Some(&rotation.since), now),
        acknowledged: format!(
            "{} of {} acknowledged",
            grouped(rotation.acknowledged as u64),
            grouped(rotation.agents as u64)
        ),
        per_mille: (rotation.acknowledged * 1000).checked_div(rotation.agents).unwrap_or(1000),
        laggards,
        others: (others > 0).then(|| format!("and {} more", grouped(others as u64))),
    }
}

/// The stations of a rotation, and what is done at each.
const STATIONS: [(&str, &str); 4] = [
    ("Announce", "agents learn the next one"),
    ("Switch", "it is taken into use"),
    ("Retire", "agents forget the old one"),
    ("Done", "the old key is destroyed"),
];
/// What is typed to replace an identity at once.
const TYPED: &str = "compromised";
const LAGGARDS: usize = 20;
