//! Those who came and are not trusted: compared, trusted, refused.

use axum::response::Response;
use http::StatusCode;
use portward_api::{StrangerApprove, StrangerView};
use portward_core::{AgentName, Timestamp};

use super::{
    super::{
        answer,
        form::Form,
        view::{When, absolute, counted, in_fours},
        visit::Visit,
    },
    list,
};
use crate::app::{AppError, Apply, right};

/// Is what is shown of those who came last.
pub(super) struct ShownStrangers {
    pub(super) shown: Vec<Stranger>,
    /// How many others there are.
    pub(super) others: Option<String>,
}

/// Is one of them.
pub(super) struct Stranger {
    pub(super) id: String,
    /// What it calls itself.
    pub(super) subject: String,
    pub(super) address: String,
    pub(super) since: When,
    pub(super) tries: String,
    /// The agent that had the thumbprint before.
    pub(super) former: Option<String>,
    pub(super) sha256: String,
    pub(super) sha1: String,
    /// What it would be called.
    pub(super) name: String,
    /// Why it was not trusted.
    pub(super) refused: Option<String>,
    /// Whether it can take the place of another agent.
    pub(super) replaces: bool,
}

/// Is why somebody was not trusted.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    id: String,
    name: String,
    text: String,
    replaces: bool,
}

impl ShownStrangers {
    /// Writes them.
    pub(super) fn of(all: &[StrangerView], refused: Option<Refused>, now: Timestamp) -> Self {
        let is_meant = |stranger: &&StrangerView| refused.as_ref().is_some_and(|refused| refused.id == stranger.id);
        let meant = all.iter().filter(is_meant);
        let others = all.iter().filter(|stranger| !is_meant(stranger));
        let shown: Vec<Stranger> =
            meant.chain(others).take(SHOWN).map(|stranger| write(stranger, refused.as_ref(), now)).collect();
        let left = all.len() - shown.len();
        let others =
            (left > 0).then(|| format!("{} more; they stand here once these are answered.", counted(left, "machine")));
        Self { shown, others }
    }

    /// Whether nobody came.
    pub(super) fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }
}

fn write(stranger: &StrangerView, refused: Option<&Refused>, now: Timestamp) -> Stranger {
    let refused = refused.filter(|refused| refused.id == stranger.id);
    let subject = stranger.subject.strip_prefix("CN=").unwrap_or(&stranger.subject).to_owned();
    let said = AgentName::parse(&subject).map(|name| name.to_string()).unwrap_or_default();
    let first = Timestamp::parse(&stranger.first_seen).unwrap_or(now);
    // Only the port is another one each time.
    let address = stranger.address.rsplit_once(':').map_or(stranger.address.as_str(), |(host, _)| host);
    Stranger {
        id: stranger.id.clone(),
        address: address.trim_matches(['[', ']']).to_owned(),
        // A relative time would be another text each time that one looks, and take away what is typed.
        since: When { relative: absolute(first), ..When::new(first, now) },
        tries: match stranger.tries {
            1 => "once".to_owned(),
            2..10 => format!("{} times", stranger.tries),
            _ => "again and again".to_owned(),
        },
        former: stranger.former.clone(),
        sha256: in_fours(&stranger.thumbprint),
        sha1: in_fours(&stranger.sha1),
        name: refused.map(|refused| refused.name.clone()).or_else(|| stranger.former.clone()).unwrap_or(said),
        subject,
        refused: refused.map(|refused| refused.text.clone()),
        replaces: refused.is_some_and(|refused| refused.replaces),
    }
}

/// Trusts one, under the name that was typed.
pub(in crate::portal) async fn trust(mut visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let id = visit.param("id").to_owned();
    match approve(&visit, &id, &form).await {
        Ok(name) => Ok(visit.done(
            &format!("/agents/{name}"),
            format!("{name} is trusted. It is connected as soon as it comes again, within a minute."),
        )),
        Err((error, _)) if error.status() == StatusCode::NOT_FOUND || error.status().is_server_error() => Err(error),
        Err((error, replaces)) => {
            let refused = Refused {
                status: error.status(),
                id,
                name: form.text("name").trim().to_owned(),
                text: answer::sentence(&error),
                replaces,
            };
            list::refuse(&visit, refused).await
        }
    }
}

/// Approves one; with an error it says whether it may take the place of the agent of that name.
async fn approve(visit: &Visit<right::AgentChange>, id: &str, form: &Form) -> Result<String, (AppError, bool)> {
    let name = form.text("name").trim().to_owned();
    let input = StrangerApprove { name: Some(name), replace: form.is_ticked("replace") };
    let approved = visit.app.approve_stranger(&visit.by, id, &input, Apply::Now).await;
    approved.map(|approved| approved.view.name).map_err(|error| match error.code() {
        "already-there" => (AppError::conflict("already-there", TAKEN), true),
        _ => (error, false),
    })
}

/// Refuses one.
pub(in crate::portal) async fn refuse(visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    visit.app.refuse_stranger(&visit.by, visit.param("id"), Apply::Now).await?;
    Ok(visit.told("/agents", "Refused. If it comes again, it stands here again; stop its service there."))
}

/// Each has its thumbprints: more are not compared at once.
const SHOWN: usize = 5;

/// The way out is on the page itself.
const TAKEN: &str = "There is an agent of that name already, with another thumbprint. Give another name, or tick the box to have this machine take its place";
