//! The OpenID provider at which users sign in: its settings, and what it says of itself.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{OidcSet, OidcTested, OidcView, SecretText};
use portward_core::Role;
use serde_json::json;

use super::{
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, difference, word},
    form::Form,
    frame::{Frame, Nav},
    visit::Visit,
};
use crate::app::{AppError, Apply, Precondition, Right, access::oidc::CALLBACK, right};

#[derive(Template)]
#[template(path = "oidc.html")]
struct OidcPage {
    frame: Frame,
    /// Whether there is a provider.
    is_set: bool,
    form: Edit,
    /// Whether a secret is there, which stays if the field is left empty.
    has_secret: bool,
    /// What the provider must know, as this browser sees the portal.
    redirect_uri: String,
    may_change: bool,
    tested: Option<OidcTested>,
    /// Why the provider could not be asked.
    test_failed: Option<String>,
    refused: Option<String>,
    equivalents: Equivalents,
}

/// Is what the form has in it, but for the secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Edit {
    issuer: String,
    client_id: String,
    scopes: String,
    groups_claim: String,
    name_claim: String,
    /// `group = role`, a line for each.
    roles: String,
    authority: String,
    label: String,
}

/// Shows the provider, and the form that changes it.
pub(super) async fn show(visit: Visit<right::UserView>) -> Result<Response, AppError> {
    let before = visit.app.oidc_settings().await?;
    let form = before.as_ref().map(Edit::of).unwrap_or_else(Edit::fresh);
    answer::html(&page(&visit, before.as_ref(), form, None))
}

/// Saves it.
pub(super) async fn save(mut visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    let given = visit.form().await?;
    let edit = Edit::read(&given);
    let set = match edit.input(&given) {
        Ok(input) => visit.app.set_oidc(&visit.by, &input, Precondition::None, Apply::Now).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(set) => {
            let text = format!("Users sign in at {} from now on. Test whether it answers.", set.view.issuer);
            Ok(visit.told(PATH, text))
        }
        Err(error) if error.status().is_client_error() => {
            let before = visit.app.oidc_settings().await?;
            let page = page(&visit, before.as_ref(), edit, Some(answer::sentence(&error)));
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// Asks the provider what it says of itself.
pub(super) async fn test(visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    let tested = visit.app.test_oidc(&visit.by).await;
    let before = visit.app.oidc_settings().await?;
    let form = before.as_ref().map(Edit::of).unwrap_or_else(Edit::fresh);
    let page = page(&visit, before.as_ref(), form, None);
    match tested {
        Ok(tested) => answer::html(&OidcPage { tested: Some(tested), ..page }),
        Err(error) if error.status() == StatusCode::BAD_GATEWAY => {
            answer::html(&OidcPage { test_failed: Some(answer::sentence(&error)), ..page })
        }
        Err(error) => Err(error),
    }
}

/// Has users sign in with passwords alone.
pub(super) async fn remove(visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    let removed = visit.app.remove_oidc(&visit.by, Precondition::None, Apply::Now).await?;
    let text = format!("Nobody signs in at {} any more.", removed.id);
    let text = removed.warnings.iter().fold(text, |text, warning| format!("{text} {}", answer::as_sentence(warning)));
    Ok(visit.told("/users", text))
}

fn page<R: Right>(visit: &Visit<R>, before: Option<&OidcView>, form: Edit, refused: Option<String>) -> OidcPage {
    let here = visit.way.as_ref().and_then(|way| way.origin());
    let here = here.unwrap_or_else(|| "https://HOST".to_owned());
    OidcPage {
        frame: visit.frame(Nav::Users, "OpenID Connect"),
        is_set: before.is_some(),
        has_secret: before.is_some_and(|before| before.client_secret),
        redirect_uri: format!("{here}{CALLBACK}"),
        may_change: visit.may::<right::UserChange>().is_ok(),
        tested: None,
        test_failed: None,
        refused,
        equivalents: form.equivalents(before),
        form,
    }
}

impl Edit {
    /// What is there before anything was set.
    fn fresh() -> Self {
        let text = |text: &str| text.to_owned();
        Self {
            scopes: text("openid profile"),
            groups_claim: text("groups"),
            name_claim: text("preferred_username"),
            ..Self::default()
        }
    }

    fn of(view: &OidcView) -> Self {
        let roles: Vec<String> = view.roles.iter().map(|(group, role)| format!("{group} = {role}")).collect();
        Self {
            issuer: view.issuer.clone(),
            client_id: view.client_id.clone(),
            scopes: view.scopes.join(" "),
            groups_claim: view.groups_claim.clone(),
            name_claim: view.name_claim.clone(),
            roles: roles.join("\n"),
            authority: view.authority.clone().unwrap_or_default(),
            label: view.label.clone(),
        }
    }

    fn read(form: &Form) -> Self {
        let text = |name: &str| form.text(name).trim().to_owned();
        Self {
            issuer: text("issuer"),
            client_id: text("client_id"),
            scopes: text("scopes"),
            groups_claim: text("groups_claim"),
            name_claim: text("name_claim"),
            roles: text("roles"),
            authority: text("authority"),
            label: text("label"),
        }
    }

    /// Role by group; the error is the line that is none.
    fn pairs(&self) -> Result<BTreeMap<String, String>, String> {
        let lines = self.roles.lines().map(str::trim).filter(|line| !line.is_empty());
        // A group may have a = in it, as the distinguished names of directories do; no role has.
        lines
            .map(|line| {
                let (group, role) = line.rsplit_once('=').ok_or_else(|| line.to_owned())?;
                Ok((group.trim().to_owned(), role.trim().to_owned()))
            })
            .collect()
    }

    fn scopes(&self) -> Vec<String> {
        self.scopes.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    }

    fn input(&self, form: &Form) -> Result<OidcSet, AppError> {
        let roles = self.pairs().map_err(|line| {
            let message = format!("roles: \"{line}\" is no line like admins = administrator");
            AppError::refused("invalid-value", message)
        })?;
        let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let secret = form.filled("client_secret").map(str::to_owned);
        // The box is for a client that has none.
        let secret = if form.is_ticked("no_client_secret") { Some(String::new()) } else { secret };
        Ok(OidcSet {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: secret.map(SecretText::new),
            scopes: Some(self.scopes()).filter(|scopes| !scopes.is_empty()),
            groups_claim: filled(&self.groups_claim),
            name_claim: filled(&self.name_claim),
            roles,
            authority: filled(&self.authority),
            label: filled(&self.label),
        })
    }

    fn equivalents(&self, before: Option<&OidcView>) -> Equivalents {
        let or = |text: &str, instead: &str| if text.is_empty() { instead.to_owned() } else { text.to_owned() };
        let (issuer, client_id) = (or(&self.issuer, "URL"), or(&self.client_id, "ID"));
        let pairs = self.pairs().unwrap_or_default();
        let mut lines = vec![
            format!("--issuer {}", word(&issuer)),
            format!("--client-id {}", word(&client_id)),
            "--client-secret-file secret-file".to_owned(),
        ];
        let scopes = self.scopes();
        lines.extend(scopes.iter().filter(|scope| *scope != "openid").map(|scope| format!("--scope {}", word(scope))));
        lines.push(format!("--groups-claim {}", word(&or(&self.groups_claim, "groups"))));
        lines.push(format!("--name-claim {}", word(&or(&self.name_claim, "preferred_username"))));
        match pairs.is_empty() {
            true => lines.push("--role GROUP=ROLE".to_owned()),
            false => {
                lines.extend(pairs.iter().map(|(group, role)| format!("--role {}", word(&format!("{group}={role}")))))
            }
        }
        let mut body = json!({
            "issuer": issuer, "client_id": client_id, "client_secret": "…", "scopes": scopes,
            "groups_claim": or(&self.groups_claim, "groups"),
            "name_claim": or(&self.name_claim, "preferred_username"), "roles": pairs,
        });
        if !self.authority.is_empty() {
            lines.push("--authority-file ca.pem".to_owned());
            body["authority"] = json!("…");
        }
        if !self.label.is_empty() {
            lines.push(format!("--label {}", word(&self.label)));
            body["label"] = json!(self.label);
        }
        let old = before.map(Self::of).unwrap_or_default();
        let changed: Vec<DifferenceLine> = difference(
            "oidc",
            &[
                ("issuer", &old.issuer, &self.issuer),
                ("client_id", &old.client_id, &self.client_id),
                ("scopes", &old.scopes, &self.scopes),
                ("groups_claim", &old.groups_claim, &self.groups_claim),
                ("name_claim", &old.name_claim, &self.name_claim),
                ("roles", &old.roles.replace('\n', ", "), &self.roles.replace('\n', ", ")),
                ("label", &old.label, &self.label),
            ],
        );
        Equivalents {
            cli: format!("portward oidc set \\\n  {}", lines.join(" \\\n  ")),
            curl: curl(&Method::PUT, "/api/v1/oidc", Some(&body)),
            yaml: String::new(),
            difference: changed,
        }
    }
}

/// The roles, for whoever types them.
fn role_words() -> String {
    Role::ALL.map(Role::as_str).join(", ")
}

const PATH: &str = "/users/openid-connect";

#[cfg(test)]
mod tests;
