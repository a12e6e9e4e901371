//! Setup: who comes by the setup link becomes the owner.
//!
//! The secret is in the fragment of the link, which no server sees; a script puts it into the form, and without
//! script there is a field to paste it into.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{SecretText, SetupInput};

use super::{
    answer,
    form::Form,
    view::in_fours,
    visit::{OpenVisit, cookie_answer},
};
use crate::app::{AppError, access::certificate::SeenCertificate};

#[derive(Template, Default)]
#[template(path = "setup.html")]
struct SetupPage {
    /// What the browser warns of, if it does.
    warned: Option<String>,
    name: String,
    email: String,
    name_refused: Option<String>,
    password_refused: Option<String>,
    email_refused: Option<String>,
    refused: Option<String>,
}

/// Shows the form.
pub(super) async fn show(visit: OpenVisit) -> Result<Response, AppError> {
    if visit.app.has_owner().await? {
        return Ok(answer::see_other("/"));
    }
    answer::html(&SetupPage { warned: warned(&visit), ..SetupPage::default() })
}

/// Creates the owner, and signs them in.
pub(super) async fn create(mut visit: OpenVisit) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let way = visit.browser_way()?;
    let text = |name: &str| form.text(name).trim().to_owned();
    let input = SetupInput {
        token: Some(SecretText::new(text("token"))),
        name: text("name"),
        password: SecretText::new(form.text("password").to_owned()),
        email: form.filled("email").map(str::to_owned),
    };
    let origin = visit.origin();
    match visit.app.create_owner(None, &input, &origin).await {
        Ok(owner) => {
            let session = visit.app.begin_session(&owner, None, &origin).await?;
            Ok(cookie_answer(answer::see_other("/sites/new?setup=1"), way, &session))
        }
        Err(error) if error.code() == "owner-exists" => Ok(answer::see_other("/sign-in")),
        Err(error) if error.status().is_client_error() => {
            answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &refused(&visit, &form, &error))
        }
        Err(error) => Err(error),
    }
}

fn refused(visit: &OpenVisit, form: &Form, error: &AppError) -> SetupPage {
    let mut page = SetupPage {
        warned: warned(visit),
        name: form.text("name").to_owned(),
        email: form.text("email").to_owned(),
        ..SetupPage::default()
    };
    let text = answer::sentence(error);
    let at = |field: &str| text.get(field.len()..).and_then(|rest| rest.strip_prefix(": ")).map(answer::as_sentence);
    // Each stands below its field; what is about none of them stands above all.
    match text.split(':').next().unwrap_or_default() {
        "Password" => page.password_refused = at("password"),
        "Name" => page.name_refused = at("name"),
        "Email" => page.email_refused = at("email"),
        _ => page.refused = Some(text),
    }
    page
}

/// The thumbprint of a certificate that a browser has warned of, as the console printed it.
fn warned(visit: &OpenVisit) -> Option<String> {
    let seen = visit.way.as_ref().and_then(|way| visit.app.seen_certificate(way))?;
    matches!(seen, SeenCertificate { is_self_signed: true, .. }).then(|| in_fours(&seen.thumbprint.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{app::Actor, fixture::Fixture, portal::browser::Guest};

    const GOOD: &str = "a lime tree by the door";

    async fn token(fixture: &Fixture) -> String {
        let link = fixture.app.make_setup_link(&Actor::local(0, None)).await.unwrap().loopback_link;
        link.expose().split_once('#').unwrap().1.to_owned()
    }

    #[tokio::test]
    async fn a_setup_link_makes_one_owner_who_is_signed_in() {
        let fixture = Fixture::start().await;
        let token = token(&fixture).await;
        let mut guest = Guest::of(&fixture);
        assert_eq!(guest.get("/").await.location(), "/setup");
        let page = guest.get("/setup").await;
        page.shows("name=\"token\"");
        page.shows("src=\"/assets/setup.js\"");
        page.hides("Where warnings go");
        let fields = [("token", token.as_str()), ("name", "mara"), ("password", GOOD), ("compared", "on")];
        let made = guest.post("/setup", &fields).await;
        assert_eq!(made.location(), "/sites/new?setup=1");
        assert!(made.cookie().unwrap().starts_with("__Host-portward="), "{:?}", made.headers);
        guest.get("/account").await.shows("an owner of this server");

        let mut late = Guest::of(&fixture);
        let again = late.post("/setup", &fields).await;
        assert_eq!((again.location(), again.cookie()), ("/sign-in", None));
        assert_eq!(late.get("/setup").await.location(), "/");
    }

    #[tokio::test]
    async fn what_is_wrong_stands_at_its_field_and_nobody_becomes_owner() {
        let fixture = Fixture::start().await;
        let (used, token) = (token(&fixture).await, token(&fixture).await);
        let mut guest = Guest::of(&fixture);
        for (token, password, text) in [
            (used.as_str(), GOOD, "This setup link counts no more"),
            ("st_made-up", GOOD, "This setup link counts no more"),
            ("", GOOD, "This setup link counts no more"),
            (&token, "short", "id=\"pw-e\""),
        ] {
            let page = guest.post("/setup", &[("token", token), ("name", "mara"), ("password", password)]).await;
            assert_eq!((page.status, page.cookie()), (StatusCode::UNPROCESSABLE_ENTITY, None), "{token}");
            page.shows(text);
            page.shows("value=\"mara\"");
            page.hides(GOOD);
            assert!(token.is_empty() || !page.text.contains(token), "the token is in the page");
        }
        assert!(!fixture.app.has_owner().await.unwrap());
    }
}
