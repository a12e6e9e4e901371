//! `/api/v1/session`: who asks, signing in and out, and what everybody does with their own account.

use axum::response::Response;
use http::{Method, StatusCode, header};
use portward_api::{
    PasswordChange, SecondFactorBegin, SecondFactorBegun, SecondFactorCode, SecondFactorEnd, SecondFactorOn,
    SessionView, SignIn,
};

use super::{answer, body::SMALL, call::OpenCall, doc::Doc, table::Table};
use crate::{
    app::{
        AppError,
        access::{
            second_factor::grouped,
            sign_in::{NewSession, SignedIn},
        },
    },
    web::{Way, cookie},
};

pub(super) fn routes(table: Table) -> Table {
    table
        .open(
            Method::GET,
            "/api/v1/session",
            show,
            Doc::act("show_session", "Shows who asks, and what they may.").answers::<SessionView>(),
        )
        .open(
            Method::POST,
            "/api/v1/session",
            sign_in,
            Doc::act("sign_in", "Signs in: the answer has the cookie of the session.")
                .takes::<SignIn>()
                .answers::<SessionView>(),
        )
        .open(
            Method::DELETE,
            "/api/v1/session",
            sign_out,
            Doc::act("sign_out", "Ends the session that asks.").answers::<SessionView>(),
        )
        .open(
            Method::POST,
            "/api/v1/session/password",
            change_password,
            Doc::act("change_own_password", "Changes one's own password; all other sessions end.")
                .takes::<PasswordChange>()
                .answers::<SessionView>(),
        )
        .open(
            Method::POST,
            "/api/v1/session/second-factor",
            begin_second_factor,
            Doc::act("begin_second_factor", "Begins to set up a second factor; it counts when a code of it was sent.")
                .takes::<SecondFactorBegin>()
                .answers::<SecondFactorBegun>(),
        )
        .open(
            Method::PUT,
            "/api/v1/session/second-factor",
            finish_second_factor,
            Doc::act("finish_second_factor", "Turns on the second factor that was begun; all other sessions end.")
                .takes::<SecondFactorCode>()
                .answers::<SecondFactorOn>(),
        )
        .open(
            Method::DELETE,
            "/api/v1/session/second-factor",
            end_second_factor,
            Doc::act("end_second_factor", "Turns off one's own second factor; all other sessions end.")
                .takes::<SecondFactorEnd>()
                .answers::<SessionView>(),
        )
}

async fn show(mut call: OpenCall) -> Result<Response, AppError> {
    call.no_body().await?;
    let actor = call.take_actor()?;
    answer::json(&call.app.show_session(&actor))
}

async fn sign_in(mut call: OpenCall) -> Result<Response, AppError> {
    let way = call.browser_way()?;
    let input: SignIn = call.json(SMALL).await?;
    match call.app.sign_in(&input, &call.origin()).await? {
        SignedIn::Done(session) => begun(answer::json(&call.app.show_session(&session.actor))?, &way, &session),
        SignedIn::NeedsCode(_) => Err(AppError::new(
            StatusCode::UNAUTHORIZED,
            "second-factor-required",
            "the password is right, and this user has a second factor; send its code as \"code\" too",
        )),
    }
}

async fn sign_out(mut call: OpenCall) -> Result<Response, AppError> {
    call.no_body().await?;
    let (way, actor) = (call.browser_way()?, call.take_actor()?);
    call.app.sign_out(&actor).await?;
    let mut response = answer::json(&call.app.show_session(&actor))?;
    if let Some(value) = cookie::end(&way) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}

async fn change_password(mut call: OpenCall) -> Result<Response, AppError> {
    let (way, me) = (call.browser_way()?, call.me().await?);
    let input: PasswordChange = call.json(SMALL).await?;
    let session = call.app.change_own_password(&me, &input, &call.origin()).await?;
    begun(answer::json(&call.app.show_session(&session.actor))?, &way, &session)
}

async fn begin_second_factor(mut call: OpenCall) -> Result<Response, AppError> {
    call.browser_way()?;
    let me = call.me().await?;
    let input: SecondFactorBegin = call.json(SMALL).await?;
    answer::json(&call.app.begin_second_factor(&me, &input, &call.origin()).await?)
}

async fn finish_second_factor(mut call: OpenCall) -> Result<Response, AppError> {
    let (way, me) = (call.browser_way()?, call.me().await?);
    let input: SecondFactorCode = call.json(SMALL).await?;
    let (codes, session) = call.app.finish_second_factor(&me, &input.code, &call.origin()).await?;
    let view = SecondFactorOn { recovery_codes: codes.iter().map(grouped).collect() };
    begun(answer::json(&view)?, &way, &session)
}

async fn end_second_factor(mut call: OpenCall) -> Result<Response, AppError> {
    let (way, me) = (call.browser_way()?, call.me().await?);
    let input: SecondFactorEnd = call.json(SMALL).await?;
    let session = call.app.end_second_factor(&me, &input, &call.origin()).await?;
    begun(answer::json(&call.app.show_session(&session.actor))?, &way, &session)
}

/// Has a browser show the session that has begun.
fn begun(mut response: Response, way: &Way, session: &NewSession) -> Result<Response, AppError> {
    if let Some(value) = cookie::begin(way, session.secret.expose()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    Ok(response)
}
