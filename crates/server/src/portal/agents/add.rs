//! Adding an agent: by a join string, by its thumbprint, or by having it come and approving it.

use askama::Template;
use axum::response::Response;
use http::Method;
use portward_api::{AgentJoinCreate, AgentTrust};
use portward_core::Timestamp;
use serde_json::json;

use super::{
    super::{
        answer,
        equivalents::{DifferenceLine, Equivalents, curl, word},
        form::Form,
        frame::{Frame, Nav},
        slip::Slip,
        view::{When, in_fours},
        visit::Visit,
    },
    script,
};
use crate::app::{AppError, Apply, right};

#[derive(Template)]
#[template(path = "agents/add.html")]
struct AddPage {
    frame: Frame,
    join: JoinForm,
    trust: TrustForm,
    /// By what an agent knows Portward; none as long as there is no identity.
    ours: Option<String>,
    /// Where agents dial where nothing is said.
    addresses: String,
    equivalents: Equivalents,
}

#[derive(Default)]
struct JoinForm {
    name: String,
    ttl: String,
    addresses: String,
    binary: String,
    slip: Option<Slip>,
}

#[derive(Default)]
struct TrustForm {
    name: String,
    thumbprint: String,
    is_listening: bool,
    listening: String,
    slip: Option<Slip>,
}

#[derive(Template)]
#[template(path = "agents/joined.html")]
struct JoinedPage {
    frame: Frame,
    name: String,
    string: String,
    expires: Option<When>,
    addresses: String,
    script: String,
}

/// Shows the forms.
pub(in crate::portal) async fn show(visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let name = visit.query.text("name").to_owned();
    let join = JoinForm { name, ttl: "30m".to_owned(), ..JoinForm::default() };
    answer::html(&page(&visit, join, TrustForm::default()))
}

/// Makes a join string, and shows it this once.
pub(in crate::portal) async fn join(mut visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let input = AgentJoinCreate {
        name: form.text("name").trim().to_owned(),
        ttl: form.filled("ttl").map(str::to_owned),
        addresses: form.words("addresses"),
    };
    let made = async {
        let binary = script::Binary::parse(form.text("binary"))?;
        Ok::<_, AppError>((binary, visit.app.add_agent(&visit.by, &input, Apply::Now).await?))
    };
    let (binary, made) = match made.await {
        Ok(made) => made,
        Err(error) if error.status().is_client_error() => {
            let codes = [("already-there", "name"), ("no-way-in", "addresses")];
            let slip = Slip::of(&error, &["name", "ttl", "addresses", "binary"], &codes);
            let join = JoinForm { slip: Some(slip), ..JoinForm::read(&form) };
            return answer::with_status(error.status(), &page(&visit, join, TrustForm::default()));
        }
        Err(error) => return Err(error),
    };
    let string = made.join_string.as_ref().map(|string| string.expose().to_owned()).unwrap_or_default();
    let expires = Timestamp::parse(&made.join.expires).ok();
    answer::html(&JoinedPage {
        frame: visit.frame(Nav::Agents, format!("{} may join", made.join.name)),
        script: script::write(&made.join.name, &string, expires, &binary),
        expires: expires.map(|at| When::new(at, visit.app.now())),
        addresses: made.join.addresses.join(", "),
        name: made.join.name,
        string,
    })
}

/// Trusts an agent by its thumbprint.
pub(in crate::portal) async fn trust(mut visit: Visit<right::AgentChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let name = form.text("name").trim().to_owned();
    let is_listening = form.text("dialling") == "listening";
    let listening = form.filled("listening").map(str::to_owned).filter(|_| is_listening);
    let input = AgentTrust { name: name.clone(), thumbprint: form.text("thumbprint").trim().to_owned(), listening };
    let trusted = async {
        if is_listening && input.listening.is_none() {
            return Err(AppError::refused("invalid-value", "listening: say where it listens, HOST:PORT"));
        }
        // Whoever adds one does not mean to change another.
        if let Ok(there) = visit.app.show_agent(&visit.may()?, &name).await {
            let message = format!(
                "There is an agent {} already. Give another name, or change its thumbprint on its own page",
                there.view.name
            );
            return Err(AppError::conflict("already-there", message));
        }
        visit.app.trust_agent(&visit.by, &input, Apply::Now).await
    };
    match trusted.await {
        Ok(trusted) => {
            let name = trusted.view.name;
            Ok(visit.done(&format!("/agents/{name}"), format!("{name} is trusted. Now have it trust Portward.")))
        }
        Err(error) if error.status().is_client_error() => {
            let codes = [("already-there", "name"), ("thumbprint-in-use", "thumbprint")];
            let slip = Slip::of(&error, &["name", "thumbprint", "listening"], &codes);
            let trust = TrustForm { slip: Some(slip), ..TrustForm::read(&form) };
            let join = JoinForm { ttl: "30m".to_owned(), ..JoinForm::default() };
            answer::with_status(error.status(), &page(&visit, join, trust))
        }
        Err(error) => Err(error),
    }
}

impl JoinForm {
    fn read(form: &Form) -> Self {
        let said = |name: &str| form.text(name).trim().to_owned();
        Self { name: said("name"), ttl: said("ttl"), addresses: said("addresses"), binary: said("binary"), slip: None }
    }

    fn at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref()?.at(field)
    }
}

impl TrustForm {
    fn read(form: &Form) -> Self {
        let said = |name: &str| form.text(name).trim().to_owned();
        Self {
            name: said("name"),
            thumbprint: said("thumbprint"),
            is_listening: form.text("dialling") == "listening",
            listening: said("listening"),
            slip: None,
        }
    }

    fn at(&self, field: &str) -> Option<&str> {
        self.slip.as_ref()?.at(field)
    }
}

fn page(visit: &Visit<right::AgentChange>, join: JoinForm, trust: TrustForm) -> AddPage {
    let shown = if join.name.is_empty() { "NAME" } else { &join.name };
    let mut cli = format!("portward agent add {}", word(shown));
    let mut body = json!({ "name": shown });
    if !join.ttl.is_empty() {
        cli.push_str(&format!(" --ttl {}", word(&join.ttl)));
        body["ttl"] = json!(join.ttl);
    }
    cli.push_str("\nportward agent trust NAME --thumbprint SHA256");
    AddPage {
        frame: visit.frame(Nav::Agents, "Add an agent"),
        ours: visit.app.agents().identities().map(|ours| in_fours(&ours.current.thumbprint().to_string())),
        addresses: visit.app.agents().addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        equivalents: Equivalents {
            cli,
            curl: curl(&Method::POST, "/api/v1/agent-joins", Some(&body)),
            ..Equivalents::default()
        },
        join,
        trust,
    }
}
