//! One's own account: password, second factor, sessions, tokens.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use portward_api::{PasswordChange, SecondFactorBegin, SecondFactorEnd, SecretText, TokenView};
use qrcode::{QrCode, render::svg};

use super::{
    answer,
    frame::{Frame, Nav},
    view::When,
    visit::{Visit, cookie_answer},
};
use crate::app::{
    AppError,
    access::{account::Me, second_factor::grouped, sign_in::NewSession},
    right,
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    name: String,
    lead: String,
    /// Where they sign in, if not here.
    issuer: Option<String>,
    has_second_factor: bool,
    recovery_left: usize,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
    /// What was wrong with which form.
    password_refused: Option<String>,
    factor_refused: Option<String>,
    makes_tokens: bool,
}

#[derive(Template)]
#[template(path = "second-factor.html")]
struct SecondFactorPage {
    frame: Frame,
    /// The QR code, as an image in the page.
    qr: String,
    secret: String,
    refused: Option<String>,
}

#[derive(Template)]
#[template(path = "recovery-codes.html")]
struct RecoveryCodesPage {
    frame: Frame,
    codes: Vec<String>,
}

struct SessionRow {
    id: String,
    agent: String,
    address: String,
    since: When,
    seen: When,
    is_this: bool,
}

/// Is a token as it is shown.
pub(super) struct TokenRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) permissions: String,
    pub(super) expires: Option<When>,
    pub(super) expired: bool,
    pub(super) last_used: Option<When>,
}

/// Shows the account.
pub(super) async fn show(visit: Visit<right::View>) -> Result<Response, AppError> {
    let me = visit.app.me(visit.by.actor()).await?;
    answer::html(&page(&visit, &me).await?)
}

/// Changes the password.
pub(super) async fn change_password(mut visit: Visit<right::View>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let me = visit.app.me(visit.by.actor()).await?;
    let secret = |name: &str| SecretText::new(form.text(name).to_owned());
    let input = PasswordChange { current: secret("current"), new: secret("new") };
    let changed = visit.app.change_own_password(&me, &input, &visit.origin()).await;
    match changed {
        Ok(session) => done(&visit, &session, "Your password is changed. All other sessions have ended."),
        Err(error) => {
            let refused = refusal(error)?;
            answer::with_status(
                StatusCode::UNPROCESSABLE_ENTITY,
                &AccountPage { password_refused: Some(refused), ..page(&visit, &me).await? },
            )
        }
    }
}

/// Begins to set up a second factor.
pub(super) async fn begin_second_factor(mut visit: Visit<right::View>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let me = visit.app.me(visit.by.actor()).await?;
    let input = SecondFactorBegin { password: SecretText::new(form.text("password").to_owned()) };
    match visit.app.begin_second_factor(&me, &input, &visit.origin()).await {
        Ok(_) => Ok(answer::see_other("/account/second-factor")),
        Err(error) => factor_refused(&visit, &me, error).await,
    }
}

/// Shows what an authenticator is given.
pub(super) async fn show_second_factor(visit: Visit<right::View>) -> Result<Response, AppError> {
    let me = visit.app.me(visit.by.actor()).await?;
    match second_factor(&visit, &me, None).await? {
        Some(page) => answer::html(&page),
        None => Ok(answer::see_other("/account")),
    }
}

/// Turns it on, and shows the recovery codes, this once.
pub(super) async fn finish_second_factor(mut visit: Visit<right::View>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let me = visit.app.me(visit.by.actor()).await?;
    let code = SecretText::new(form.text("code").to_owned());
    match visit.app.finish_second_factor(&me, &code, &visit.origin()).await {
        Ok((codes, session)) => {
            let codes = codes.iter().map(|code| grouped(code).expose().to_owned()).collect();
            let page = RecoveryCodesPage { frame: visit.frame(Nav::None, "Recovery codes"), codes };
            Ok(cookie_answer(answer::html(&page)?, visit.browser_way()?, &session))
        }
        Err(error) => {
            let refused = refusal(error)?;
            match second_factor(&visit, &me, Some(refused)).await? {
                Some(page) => answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page),
                None => Ok(answer::see_other("/account")),
            }
        }
    }
}

/// Turns it off.
pub(super) async fn end_second_factor(mut visit: Visit<right::View>) -> Result<Response, AppError> {
    let form = visit.form().await?;
    let me = visit.app.me(visit.by.actor()).await?;
    let input = SecondFactorEnd { password: SecretText::new(form.text("password").to_owned()) };
    match visit.app.end_second_factor(&me, &input, &visit.origin()).await {
        Ok(session) => done(&visit, &session, "The second factor is off. All other sessions have ended."),
        Err(error) => factor_refused(&visit, &me, error).await,
    }
}

/// The page again, with what was wrong with a form of the second factor.
async fn factor_refused(visit: &Visit<right::View>, me: &Me, error: AppError) -> Result<Response, AppError> {
    let page = AccountPage { factor_refused: Some(refusal(error)?), ..page(visit, me).await? };
    answer::with_status(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// Ends another session.
pub(super) async fn end_session(visit: Visit<right::View>) -> Result<Response, AppError> {
    let me = visit.app.me(visit.by.actor()).await?;
    visit.app.end_own_session(&me, visit.param("id")).await?;
    Ok(visit.told("/account#sessions", "The session has ended."))
}

/// Revokes a token of one's own.
pub(super) async fn revoke_token(visit: Visit<right::View>) -> Result<Response, AppError> {
    let me = visit.app.me(visit.by.actor()).await?;
    visit.app.revoke_own_token(&me, visit.param("id")).await?;
    Ok(visit.told("/account#tokens", "The token is revoked."))
}

async fn page(visit: &Visit<right::View>, me: &Me) -> Result<AccountPage, AppError> {
    let (app, now) = (&visit.app, visit.app.now());
    let sessions = app.list_own_sessions(me).await?.into_iter().map(|own| SessionRow {
        id: own.id,
        agent: own.session.agent.as_deref().map_or_else(|| "Unknown browser".to_owned(), browser),
        address: own.session.address.unwrap_or_else(|| "this machine".to_owned()),
        since: When::new(own.session.started, now),
        seen: When::new(own.session.seen, now),
        is_this: own.is_this,
    });
    let user = me.user();
    Ok(AccountPage {
        frame: visit.frame(Nav::None, "Your account"),
        name: user.user.name.to_string(),
        lead: format!("You are {} of this server.", super::users::a_role(user.user.role)),
        issuer: user.identity.as_ref().map(|identity| identity.issuer.clone()),
        has_second_factor: user.second_factor.is_some(),
        recovery_left: user.second_factor.as_ref().map_or(0, |factor| factor.recovery.len()),
        sessions: sessions.collect(),
        tokens: app.list_own_tokens(me).await?.iter().map(|token| TokenRow::of(token, now)).collect(),
        password_refused: None,
        factor_refused: None,
        makes_tokens: visit.may::<right::TokenChange>().is_ok(),
    })
}

async fn second_factor(
    visit: &Visit<right::View>,
    me: &Me,
    refused: Option<String>,
) -> Result<Option<SecondFactorPage>, AppError> {
    let Some(begun) = visit.app.begun_second_factor(me).await? else { return Ok(None) };
    let code = QrCode::new(begun.url.expose().as_bytes())
        .map_err(|error| AppError::internal("the QR code could not be drawn", error.to_string()))?;
    // Black on white in both themes: cameras want it so.
    let qr = code.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
    let svg = qr.split_once("?>").map_or(qr.as_str(), |(_, svg)| svg).to_owned();
    let secret = begun.secret.expose().as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group).into_owned());
    let secret = secret.collect::<Vec<_>>().join(" ");
    Ok(Some(SecondFactorPage { frame: visit.frame(Nav::None, "Second factor"), qr: svg, secret, refused }))
}

/// What was wrong, if it was the form; any other error is one.
fn refusal(error: AppError) -> Result<String, AppError> {
    if !error.status().is_client_error() || error.code() == "session-ended" {
        return Err(error);
    }
    let text = answer::sentence(&error);
    Ok(text.strip_prefix("Password: ").map_or_else(|| text.clone(), str::to_owned))
}

fn done(visit: &Visit<right::View>, session: &NewSession, toast: &str) -> Result<Response, AppError> {
    Ok(cookie_answer(visit.told("/account", toast), visit.browser_way()?, session))
}

impl TokenRow {
    /// A token, seen now.
    pub(super) fn of(token: &TokenView, now: portward_core::Timestamp) -> Self {
        let when = |text: &Option<String>| {
            let at = portward_core::Timestamp::parse(text.as_deref()?).ok()?;
            Some(When::new(at, now))
        };
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            owner: token.owner.clone(),
            permissions: if token.permissions.is_empty() {
                "none any more".to_owned()
            } else {
                token.permissions.join(", ")
            },
            expires: when(&token.expires),
            expired: token.expired,
            last_used: when(&token.last_used),
        }
    }
}

/// What people call a browser, of what it says of itself.
fn browser(agent: &str) -> String {
    let names = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let find =
        |known: &[(&str, &'static str)]| known.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| *name);
    match (find(&names), find(&systems)) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        _ => agent.chars().take(60).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_as_people_call_it() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.14.1", "curl"),
            ("deploy robot", "deploy robot"),
        ] {
            assert_eq!(browser(agent), expected);
        }
    }
}
