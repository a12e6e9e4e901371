//! Signing in and out.

use askama::Template;
use axum::response::Response;
use http::{StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portward_api::{SecretText, SignIn};
use portward_core::Scheme;

mod oidc;

pub(super) use oidc::{begin as begin_oidc, finish as finish_oidc};

use super::{
    answer,
    confirming::local,
    view::in_fours,
    visit::{OpenVisit, Visit, cookie_answer},
};
use crate::{
    app::{AppError, Who, access::sign_in::SignedIn, right},
    web::{Way, cookie},
};

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    /// The host that the browser shows.
    host: String,
    user: String,
    /// Where to go on.
    next: String,
    refused: Option<String>,
    /// What saves the password while the code is asked for.
    ticket: Option<String>,
    /// The certificate that the browser sees; none without TLS.
    thumbprint: Option<String>,
    /// Where one can sign in as well; none if nowhere.
    elsewhere: Option<Elsewhere>,
}

/// Is the other way to sign in: an OpenID provider.
struct Elsewhere {
    label: String,
    /// What leads there, with where to go on after it.
    href: String,
    /// Why that was refused.
    refused: Option<String>,
}

/// Shows the form.
pub(super) async fn show(visit: OpenVisit) -> Result<Response, AppError> {
    let next = next(visit.query.text("next"));
    if matches!(visit.actor.as_ref().map(|actor| actor.who()), Some(Who::User { .. })) {
        return Ok(answer::see_other(&next));
    }
    let way = visit.browser_way()?;
    let label = visit.app.oidc_label().await;
    answer::html(&page(&visit, way, String::new(), next, label))
}

/// Takes the password, or the code after it.
pub(super) async fn submit(mut visit: OpenVisit) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let (way, origin) = (visit.browser_way()?, visit.origin());
    let next = next(form.text("next"));
    let user = form.text("user").trim().to_owned();
    let ticket = form.filled("ticket").map(|ticket| SecretText::new(ticket.to_owned()));
    let signed_in = match &ticket {
        Some(ticket) => {
            let code = SecretText::new(form.text("code").to_owned());
            visit.app.finish_sign_in(ticket, &code, &origin).await.map(SignedIn::Done)
        }
        None => {
            let password = SecretText::new(form.text("password").to_owned());
            visit.app.sign_in(&SignIn { user: user.clone(), password, code: None }, &origin).await
        }
    };
    match signed_in {
        Ok(SignedIn::Done(session)) => Ok(cookie_answer(answer::see_other(&next), way, &session)),
        Ok(SignedIn::NeedsCode(ticket)) => {
            let ticket = Some(ticket.expose().to_owned());
            answer::html(&SignInPage { ticket, ..page(&visit, way, user, next, None) })
        }
        Err(error) if error.status().is_client_error() => {
            // A ticket that is over is not asked about again.
            let ticket = ticket.filter(|_| error.code() != "ticket-expired").map(|text| text.expose().to_owned());
            let refused = Some(answer::sentence(&error));
            let status = if error.status() == StatusCode::UNAUTHORIZED {
                // 401 would have browsers ask for a password by themselves.
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                error.status()
            };
            let label = if ticket.is_none() { visit.app.oidc_label().await } else { None };
            answer::with_status(status, &SignInPage { refused, ticket, ..page(&visit, way, user, next, label) })
        }
        Err(error) => Err(error),
    }
}

/// Ends the session.
pub(super) async fn sign_out(visit: Visit<right::View>) -> Result<Response, AppError> {
    visit.app.sign_out(visit.by.actor()).await?;
    let mut response = answer::see_other("/sign-in");
    if let Some(value) = visit.way.as_ref().and_then(cookie::end) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

fn page(visit: &OpenVisit, way: &Way, user: String, next: String, label: Option<String>) -> SignInPage {
    let host = way.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let scheme = if way.is_tls { Scheme::Https } else { Scheme::Http };
    let host = match way.port.filter(|port| *port != scheme.default_port()) {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let thumbprint = visit.app.seen_certificate(way).map(|seen| in_fours(&seen.thumbprint.to_string()));
    let elsewhere = label.map(|label| Elsewhere {
        label,
        href: format!("/sign-in/oidc?next={}", utf8_percent_encode(&next, NON_ALPHANUMERIC)),
        refused: None,
    });
    SignInPage { host, user, next, refused: None, ticket: None, thumbprint, elsewhere }
}

/// Where to go on: a path of ours, whatever somebody else put into the address.
fn next(text: &str) -> String {
    if text.starts_with("/sign-") { "/".to_owned() } else { local(text) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{fixture::Fixture, portal::browser::Guest};

    const RIGHT: [(&str, &str); 2] = [("user", "olga"), ("password", "a lime tree by the door")];

    #[tokio::test]
    async fn a_password_begins_a_session_that_signing_out_ends() {
        let fixture = Fixture::start().await;
        fixture.own().await;
        let mut guest = Guest::of(&fixture);
        let asked = guest.get("/users?x=1").await;
        assert_eq!(asked.location(), "/sign-in?next=%2Fusers%3Fx%3D1");
        guest.get("/sign-in?next=%2Fusers%3Fx%3D1").await.shows("value=\"/users?x=1\"");
        let [user, password] = RIGHT;
        let page = guest.post("/sign-in", &[user, password, ("next", "/users?x=1")]).await;
        assert_eq!(page.location(), "/users?x=1");
        let cookie = page.cookie().unwrap();
        assert!(cookie.starts_with("__Host-portward="), "{cookie}");
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=604800"), "{cookie}");
        guest.get("/users").await.shows("olga");
        assert_eq!(guest.get("/sign-in?next=/bindings").await.location(), "/bindings");

        let out = guest.post("/sign-out", &[]).await;
        assert_eq!(out.location(), "/sign-in");
        assert!(out.cookie().unwrap().starts_with("__Host-portward=; "), "{:?}", out.headers);
        assert_eq!(guest.get("/users").await.location(), "/sign-in?next=%2Fusers");
    }

    #[tokio::test]
    async fn a_wrong_password_is_told_with_the_seconds_until_the_next_try() {
        let fixture = Fixture::start().await;
        fixture.own().await;
        let mut guest = Guest::of(&fixture);
        for user in ["olga", "nobody"] {
            let page = guest.post("/sign-in", &[("user", user), ("password", "wrong wrong wrong")]).await;
            assert_eq!((page.status, page.cookie()), (StatusCode::UNPROCESSABLE_ENTITY, None));
            page.shows("User name or password is wrong. You can try again in ");
            assert!(page.text.contains(" second"), "{}", page.text);
            page.shows(&format!("value=\"{user}\""));
            page.hides("wrong wrong wrong");
        }
    }

    #[tokio::test]
    async fn a_second_factor_is_asked_for_after_the_password() {
        let fixture = Fixture::start().await;
        fixture.own().await;
        let mut guest = Guest::of(&fixture);
        guest.post("/sign-in", &RIGHT).await.location();
        assert_eq!(guest.post("/account/second-factor/begin", &[RIGHT[1]]).await.location(), "/account/second-factor");
        let page = guest.get("/account/second-factor").await;
        page.shows("<svg");
        let secret = page.text.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
        let code = |at: portward_core::Timestamp| {
            let secret = totp_rs::Secret::try_from_base32(&secret).unwrap();
            let totp = totp_rs::Builder::new().with_algorithm(totp_rs::Algorithm::SHA1).with_secret(secret);
            totp.build().unwrap().generate(u64::try_from(at.unix()).unwrap()).to_string()
        };
        let wrong = guest.post("/account/second-factor", &[("code", "000000")]).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let on = guest.post("/account/second-factor", &[("code", &code(fixture.app.now()))]).await;
        on.shows("Recovery codes");
        let recovery = on.text.split("id=\"codes\">").nth(1).unwrap().lines().next().unwrap().to_owned();
        assert_eq!(guest.get("/account/second-factor").await.location(), "/account");

        let mut other = Guest::of(&fixture);
        let asked = other.post("/sign-in", &RIGHT).await;
        assert_eq!((asked.status, asked.cookie()), (StatusCode::OK, None));
        let ticket = asked.text.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let wrong = other.post("/sign-in", &[("ticket", ticket), ("code", "aaaa-aaaa-aaaa-aaaa")]).await;
        wrong.shows("The code is wrong");
        wrong.shows(ticket);
        fixture.set_now(fixture.app.now().plus(std::time::Duration::from_secs(60)));
        let done = other.post("/sign-in", &[("ticket", ticket), ("code", &recovery), ("next", "/account")]).await;
        assert_eq!(done.location(), "/account");
        other.get("/account").await.shows("9 of 10 recovery codes");
    }

    #[test]
    fn one_goes_on_to_a_page_of_ours_and_nowhere_else() {
        for (text, expected) in [
            ("/sites/wiki?tab=hsts", "/sites/wiki?tab=hsts"),
            ("", "/"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("/\t/evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/sign-out", "/"),
        ] {
            assert_eq!(next(text), expected, "{text}");
        }
    }
}
