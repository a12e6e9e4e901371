//! Users and tokens: who may sign in, and what lets programs in.

mod remove;

use askama::Template;
use axum::response::Response;
use http::{Method, StatusCode};
use portward_api::{SecretText, TokenCreate, UserCreate, UserUpdate, UserView};
use portward_core::{Permission, Role, Timestamp};
use serde_json::json;

pub(super) use remove::{ask as ask_remove, remove};

use super::{
    account::TokenRow,
    answer,
    equivalents::{DifferenceLine, Equivalents, curl, word},
    form::Form,
    frame::{Frame, Nav},
    view::{Mark, When, counted},
    visit::Visit,
};
use crate::app::{Actor, AppError, Apply, Precondition, right};

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    frame: Frame,
    lead: String,
    users: Vec<UserRow>,
    tokens: Vec<TokenRow>,
    changes_users: bool,
    makes_tokens: bool,
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    frame: Frame,
    user: UserRow,
    /// The address in the form.
    email: String,
    roles: Vec<RoleChoice>,
    is_self: bool,
    /// Whether who looks may change this one.
    may_change: bool,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "user-new.html")]
struct NewUserPage {
    frame: Frame,
    name: String,
    email: String,
    roles: Vec<RoleChoice>,
    refused: Option<String>,
    equivalents: Equivalents,
}

#[derive(Template)]
#[template(path = "token-new.html")]
struct NewTokenPage {
    frame: Frame,
    name: String,
    expires: String,
    permissions: Vec<PermissionChoice>,
    refused: Option<String>,
    equivalents: Equivalents,
}

#[derive(Template)]
#[template(path = "token-made.html")]
struct TokenMadePage {
    frame: Frame,
    name: String,
    secret: String,
    permissions: String,
    expires: Option<When>,
}

struct UserRow {
    name: String,
    role: String,
    mark: Mark,
    state: &'static str,
    is_disabled: bool,
    has_second_factor: bool,
    email: String,
    created: When,
    last_sign_in: Option<When>,
    /// Where they sign in, if not here, and who they are there.
    identity: Option<(String, String)>,
}

struct RoleChoice {
    word: &'static str,
    about: &'static str,
    is_chosen: bool,
}

struct PermissionChoice {
    word: &'static str,
    purpose: String,
    is_chosen: bool,
}

/// Shows users and tokens.
pub(super) async fn show(visit: Visit<right::UserView>) -> Result<Response, AppError> {
    let now = visit.app.now();
    let users: Vec<UserRow> = visit.app.list_users(&visit.by).await?.iter().map(|user| row(user, now)).collect();
    let tokens: Vec<TokenRow> =
        visit.app.list_tokens(&visit.by).await?.iter().map(|token| TokenRow::of(token, now)).collect();
    let enabled = users.iter().filter(|user| !user.is_disabled).count();
    let people = if enabled == 1 { "1 person may sign in".to_owned() } else { format!("{enabled} people may sign in") };
    let lead = format!("{people}; {} let programs in.", counted(tokens.len(), "token"));
    let lead = if tokens.len() == 1 { lead.replace(" let programs", " lets programs") } else { lead };
    answer::html(&UsersPage {
        frame: visit.frame(Nav::Users, "Users and tokens"),
        lead,
        users,
        tokens,
        changes_users: visit.may::<right::UserChange>().is_ok(),
        makes_tokens: visit.may::<right::TokenChange>().is_ok(),
    })
}

/// Shows the form that adds a user.
pub(super) async fn new_user(visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    answer::html(&new_user_page(&visit, &Form::default(), None))
}

/// Adds a user.
pub(super) async fn add_user(mut visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let input = UserCreate {
        name: form.text("name").trim().to_owned(),
        role: form.text("role").to_owned(),
        password: SecretText::new(form.text("password").to_owned()),
        email: form.filled("email").map(str::to_owned),
    };
    match visit.app.add_user(&visit.by, &input, Apply::Now).await {
        Ok(added) => {
            let role = Role::parse(&added.view.role).map_or_else(|| added.view.role.clone(), a_role);
            Ok(visit.told("/users", format!("{} may sign in now, as {role}.", added.view.name)))
        }
        Err(error) if error.status().is_client_error() => {
            let page = new_user_page(&visit, &form, Some(answer::sentence(&error)));
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// Shows one user, with what can be changed.
pub(super) async fn show_user(visit: Visit<right::UserView>) -> Result<Response, AppError> {
    let view = visit.app.show_user(&visit.by, visit.param("id")).await?.view;
    let frame = visit.frame(Nav::Users, view.name.clone());
    answer::html(&user_page(frame, visit.by.actor(), &view, visit.app.now(), None, None))
}

/// Changes a user: the form says which of it.
pub(super) async fn edit_user(mut visit: Visit<right::UserChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let name = visit.param("id").to_owned();
    let (update, toast) = match form.text("what") {
        "disable" => {
            (UserUpdate { disabled: Some(true), ..UserUpdate::default() }, format!("{name} may not sign in any more."))
        }
        "enable" => {
            (UserUpdate { disabled: Some(false), ..UserUpdate::default() }, format!("{name} may sign in again."))
        }
        "second-factor" => (
            UserUpdate { second_factor: Some(false), ..UserUpdate::default() },
            format!("The second factor of {name} is off."),
        ),
        "password" => (
            UserUpdate { password: Some(SecretText::new(form.text("password").to_owned())), ..UserUpdate::default() },
            format!("{name} has another password; all their sessions have ended."),
        ),
        _ => (
            UserUpdate {
                role: form.filled("role").map(str::to_owned),
                email: form.given("email").map(str::to_owned),
                ..UserUpdate::default()
            },
            format!("{name} is changed."),
        ),
    };
    match visit.app.edit_user(&visit.by, &name, &update, Precondition::None, Apply::Now).await {
        Ok(_) => Ok(visit.told(&format!("/users/{name}/change"), toast)),
        Err(error) if error.status().is_client_error() && error.status() != StatusCode::NOT_FOUND => {
            refused(&visit, &name, &form, &error).await
        }
        Err(error) => Err(error),
    }
}

/// Shows the form that makes a token.
pub(super) async fn new_token(visit: Visit<right::TokenChange>) -> Result<Response, AppError> {
    let mut form = Form::default();
    form.push("permission", Permission::View.as_str());
    form.push("expires", "90d");
    answer::html(&new_token_page(&visit, &form, None))
}

/// Makes a token, and shows it this once.
pub(super) async fn create_token(mut visit: Visit<right::TokenChange>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let input = TokenCreate {
        name: form.text("name").trim().to_owned(),
        permissions: form.all("permission"),
        expires: form.filled("expires").map(str::to_owned),
    };
    match visit.app.create_token(&visit.by, &input, Apply::Now).await {
        Ok(created) => {
            let row = TokenRow::of(&created.token, visit.app.now());
            answer::html(&TokenMadePage {
                frame: visit.frame(Nav::Users, "Token made"),
                name: row.name,
                secret: created.secret.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default(),
                permissions: row.permissions,
                expires: row.expires,
            })
        }
        Err(error) if error.status().is_client_error() => {
            let page = new_token_page(&visit, &form, Some(answer::sentence(&error)));
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error),
    }
}

/// Revokes a token.
pub(super) async fn revoke_token(visit: Visit<right::TokenChange>) -> Result<Response, AppError> {
    visit.app.revoke_token(&visit.by, visit.param("id"), Apply::Now).await?;
    Ok(visit.told("/users#tokens", "The token is revoked; the next request with it is refused."))
}

async fn refused(
    visit: &Visit<right::UserChange>,
    name: &str,
    typed: &Form,
    error: &AppError,
) -> Result<Response, AppError> {
    let view = visit.app.show_user(&visit.may()?, name).await?.view;
    let frame = visit.frame(Nav::Users, view.name.clone());
    let page = user_page(frame, visit.by.actor(), &view, visit.app.now(), Some(typed), Some(answer::sentence(error)));
    answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// The page of a user; its form has what was typed, else what is stored.
fn user_page(
    frame: Frame,
    actor: &Actor,
    view: &UserView,
    now: Timestamp,
    typed: Option<&Form>,
    refused: Option<String>,
) -> UserPage {
    let role = Role::parse(&view.role);
    let chosen = typed.and_then(|form| Role::parse(form.text("role"))).or(role);
    let email = typed.and_then(|form| form.given("email")).or(view.email.as_deref()).unwrap_or_default().to_owned();
    let is_self = actor.person().is_some_and(|person| person.name.as_str() == view.name);
    let may_change = actor.may::<right::UserChange>().is_ok() && role.is_some_and(|role| actor.may_all_of(role));
    UserPage { frame, user: row(view, now), email, roles: roles(actor, chosen), is_self, may_change, refused }
}

fn row(user: &UserView, now: Timestamp) -> UserRow {
    let when = |text: &str| Timestamp::parse(text).map(|at| When::new(at, now)).ok();
    let (mark, state) = if user.disabled { (Mark::Off, "Disabled") } else { (Mark::Ok, "Enabled") };
    UserRow {
        name: user.name.clone(),
        role: user.role.clone(),
        mark,
        state,
        is_disabled: user.disabled,
        has_second_factor: user.second_factor,
        email: user.email.clone().unwrap_or_default(),
        created: when(&user.created).unwrap_or_else(|| When::new(now, now)),
        last_sign_in: user.last_sign_in.as_deref().and_then(when),
        identity: user.issuer.clone().zip(user.subject.clone()),
    }
}

/// The roles that somebody can give.
fn roles(actor: &Actor, chosen: Option<Role>) -> Vec<RoleChoice> {
    let all = Role::ALL.into_iter().filter(|role| actor.may_all_of(*role) || Some(*role) == chosen);
    all.map(|role| RoleChoice { word: role.as_str(), about: about(role), is_chosen: Some(role) == chosen }).collect()
}

fn new_user_page(visit: &Visit<right::UserChange>, form: &Form, refused: Option<String>) -> NewUserPage {
    let chosen = Role::parse(form.text("role")).unwrap_or(Role::Operator);
    let (name, email) = (form.text("name").trim().to_owned(), form.text("email").trim().to_owned());
    let shown = if name.is_empty() { "NAME" } else { &name };
    let mut cli = format!("portward user add {} --role {chosen} --password-stdin", word(shown));
    let mut body = json!({ "name": shown, "role": chosen.as_str(), "password": "…" });
    if !email.is_empty() {
        cli.push_str(&format!(" \\\n  --email {}", word(&email)));
        body["email"] = json!(email);
    }
    let curl = curl(&Method::POST, "/api/v1/users", Some(&body));
    NewUserPage {
        frame: visit.frame(Nav::Users, "Add a user"),
        name,
        email,
        roles: roles(visit.by.actor(), Some(chosen)),
        refused,
        equivalents: Equivalents { cli, curl, ..Equivalents::default() },
    }
}

fn new_token_page(visit: &Visit<right::TokenChange>, form: &Form, refused: Option<String>) -> NewTokenPage {
    let chosen = form.all("permission");
    let (name, expires) = (form.text("name").trim().to_owned(), form.text("expires").trim().to_owned());
    let permissions = visit.by.actor().permissions().map(|permission| PermissionChoice {
        word: permission.as_str(),
        purpose: capitalised(permission.purpose()),
        is_chosen: chosen.iter().any(|word| word == permission.as_str()),
    });
    let shown = if name.is_empty() { "NAME" } else { &name };
    let listed = if chosen.is_empty() { vec!["PERMISSION".to_owned()] } else { chosen.clone() };
    let mut cli = format!("portward token create {} \\\n  --permission {}", word(shown), listed.join(" "));
    let mut body = json!({ "name": shown, "permissions": listed });
    if !expires.is_empty() {
        cli.push_str(&format!(" \\\n  --expires {}", word(&expires)));
        body["expires"] = json!(expires);
    }
    let curl = curl(&Method::POST, "/api/v1/tokens", Some(&body));
    NewTokenPage {
        frame: visit.frame(Nav::Users, "Make a token"),
        permissions: permissions.collect(),
        name,
        expires,
        refused,
        equivalents: Equivalents { cli, curl, ..Equivalents::default() },
    }
}

/// A role with its article.
pub(super) fn a_role(role: Role) -> String {
    match role {
        Role::Viewer => "a viewer".to_owned(),
        role => format!("an {role}"),
    }
}

fn about(role: Role) -> &'static str {
    match role {
        Role::Viewer => "Looks at what is configured and served.",
        Role::Operator => "Changes bindings, sites, certificates and issuers. No users, no keys out.",
        Role::Administrator => "Everything but making, changing and removing owners, and restoring a backup.",
        Role::Owner => "Everything.",
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    first + letters.as_str()
}

#[cfg(test)]
mod tests;
