//! What every request from outside goes through before it reaches a route: whose name it calls us by, whether somebody
//! between can read along, whether anybody owns this server yet, who asks, and whose page made it.
//!
//! The admin socket has no entrance: the operating system has said who asks.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use tower_service::Service;

use super::{
    Way,
    cookie::session_of,
    host::{self, MachineNames},
    origin::{self, Made},
    path, protect, refuse,
};
use crate::{
    app::{Actor, App, AppError, access::Credential},
    doors, portal,
};

/// Lets requests in, or refuses them.
pub(crate) struct Entrance {
    app: Arc<App>,
    router: Router,
    machine: MachineNames,
}

/// Is why nobody is known who asks; routes that need somebody answer with it.
#[derive(Clone, Debug)]
struct Unidentified(Arc<AppError>);

/// Says for whom something is answered.
enum ForWhom {
    Everybody,
    /// Somebody who may have to say who they are.
    Somebody,
}

/// Says why a request comes no further.
enum Refusal {
    /// It is answered with an error.
    Error(AppError),
    /// The browser is to ask elsewhere.
    Elsewhere(StatusCode, String),
}

impl Entrance {
    /// Makes the entrance to a router, on a machine of that name.
    pub(crate) fn new(app: Arc<App>, router: Router, host_name: &str) -> Self {
        Self { app, router, machine: MachineNames::of(host_name) }
    }

    /// Answers a request that came a way; none if it names no host, or several.
    pub(crate) async fn answer(&self, way: Option<Way>, mut request: Request<Body>) -> Response {
        let Some(way) = way else {
            let error = AppError::malformed("host-missing", "the request does not say which host it is for");
            return protected(refuse(&request, &error));
        };
        let admitted = match self.at_the_door(&way, &request) {
            Ok(ForWhom::Everybody) => Ok(None),
            Ok(ForWhom::Somebody) => match self.app.has_owner().await {
                Ok(is_owned) => shown(&way, &request, is_owned),
                Err(error) => Err(error.into()),
            },
            Err(refusal) => Err(refusal),
        };
        let asker = match admitted {
            Ok(Some(credential)) => Ok(Some(self.app.identify(credential).await.map(|actor| actor.at(way.client)))),
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        let response = match asker {
            Ok(asker) => {
                let extensions = request.extensions_mut();
                extensions.insert(way);
                match asker {
                    Some(Ok(actor)) => drop(extensions.insert(actor)),
                    Some(Err(error)) => drop(extensions.insert(Unidentified(Arc::new(error)))),
                    None => {}
                }
                match self.router.clone().call(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                }
            }
            Err(Refusal::Error(error)) => refuse(&request, &error),
            Err(Refusal::Elsewhere(status, location)) => elsewhere(status, &location),
        };
        protected(response)
    }

    /// Looks at what is the same whoever asks.
    fn at_the_door(&self, way: &Way, request: &Request) -> Result<ForWhom, Refusal> {
        host::check(way, &self.machine, &self.app)?;
        let path = request.uri().path();
        if !path::is_plain(path) {
            let message = "the path can be read in two ways; leave out . and .. segments, doubled slashes, backslashes, semicolons and what is encoded of them";
            return Err(AppError::malformed("ambiguous-path", message).into());
        }
        if is_for_everybody(path) {
            return Ok(ForWhom::Everybody);
        }
        if !way.is_private() {
            return Err(self.in_the_clear(way, request, bearer(request.headers(), path).is_some()));
        }
        Ok(ForWhom::Somebody)
    }

    /// Over plain HTTP nobody signs in and no token is taken: whoever is between reads it.
    fn in_the_clear(&self, way: &Way, request: &Request, has_token: bool) -> Refusal {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let https = way.host.as_ref().and_then(|host| self.app.https_url(host, way.port, target));
        let instead = match &https {
            Some(url) => format!("use {url}"),
            None => "no https binding leads here; add one: portward binding add https://[::]:443".to_owned(),
        };
        if has_token {
            return AppError::new(
                StatusCode::FORBIDDEN,
                "token-over-http",
                format!(
                    "the token came over plain http, where others can have read it: revoke it (portward token revoke ID) and make another one; then {instead}"
                ),
            )
            .into();
        }
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        match https {
            Some(url) if is_read && portal::is_for_people(request) => {
                Refusal::Elsewhere(StatusCode::PERMANENT_REDIRECT, url)
            }
            _ => AppError::new(
                StatusCode::FORBIDDEN,
                "https-required",
                format!(
                    "over plain http others can read along, so nobody signs in and no token is taken here; {instead}"
                ),
            )
            .into(),
        }
    }
}

/// Who asks, as was found out before; or why nobody is known.
pub(crate) fn actor_of(request: &Request) -> Result<Actor, AppError> {
    if let Some(actor) = request.extensions().get::<Actor>() {
        return Ok(actor.clone());
    }
    if let Some(Unidentified(error)) = request.extensions().get::<Unidentified>() {
        return Err(AppError::new(error.status(), error.code(), error.to_string()));
    }
    let message = "it is not known who asks; send a token as Authorization: Bearer, or use the admin socket in the data directory";
    Err(AppError::new(StatusCode::UNAUTHORIZED, "not-authenticated", message))
}

/// What a request shows to say who asks; none if it shows nothing.
fn shown<'r>(way: &Way, request: &'r Request, is_owned: bool) -> Result<Option<Credential<'r>>, Refusal> {
    let (uri, headers) = (request.uri(), request.headers());
    if !is_owned && !is_setup(uri.path()) {
        return Err(not_set_up(request));
    }
    if let Some(name) = token_in_query(uri.query().unwrap_or_default()) {
        let message = format!(
            "the query has \"{name}\"; a token in an address ends up in logs and histories. Revoke that one, and send another one as Authorization: Bearer"
        );
        return Err(AppError::malformed("token-in-query", message).into());
    }
    // A program that shows a token means the token, whatever cookies its browser adds.
    if let Some(token) = bearer(headers, uri.path()) {
        let token = token.map_err(|text| AppError::new(StatusCode::UNAUTHORIZED, "not-authenticated", text))?;
        return Ok(Some(Credential::Token(token)));
    }
    let session = session_of(headers, way);
    check_origin(request, way, session.is_some())?;
    Ok(session.map(if asks_by_itself(request) { Credential::OpenPage } else { Credential::Session }))
}

/// Whether a script of an open page asks, and nobody clicked (Fetch Metadata, section 2.1): a page that is left open must not
/// keep a session from ending.
fn asks_by_itself(request: &Request) -> bool {
    request.method() == http::Method::GET && request.headers().get("sec-fetch-dest").is_some_and(|dest| dest == "empty")
}

/// What is answered whoever asks, in the clear too.
fn is_for_everybody(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz") || path.starts_with("/assets/")
}

/// What is answered before anybody owns the server.
fn is_setup(path: &str) -> bool {
    matches!(path, "/setup" | "/api/v1/setup")
}

fn not_set_up(request: &Request) -> Refusal {
    if portal::is_for_people(request) {
        return Refusal::Elsewhere(StatusCode::SEE_OTHER, "/setup".to_owned());
    }
    AppError::new(
        StatusCode::FORBIDDEN,
        "setup-required",
        "nobody owns this server yet; make the link for the first sign-in on its machine: portward setup-link",
    )
    .into()
}

/// Refuses what a page of somebody else made a browser send.
fn check_origin(request: &Request, way: &Way, has_session: bool) -> Result<(), AppError> {
    if origin::is_safe(request.method()) {
        return Ok(());
    }
    match origin::made(request.headers(), way) {
        Made::Here => return Ok(()),
        // Nobody's rights come along with it.
        Made::Unknown if !has_session => return Ok(()),
        Made::Unknown | Made::Elsewhere => {}
    }
    let message = "the browser does not say that a page of this portal made the request; open the portal itself, or use a token from programs";
    Err(AppError::new(StatusCode::FORBIDDEN, "cross-origin", message))
}

/// The token that a request shows (RFC 6750 section 2.1), or what is wrong with how it does.
fn bearer<'a>(headers: &'a HeaderMap, path: &str) -> Option<Result<&'a str, &'static str>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let key = headers.get(doors::OCTOPUS_API_KEY).filter(|_| doors::takes_octopus_key(path))?;
        return Some(key.to_str().map_err(|_| "the API key cannot be read"));
    };
    if values.next().is_some() {
        return Some(Err("Authorization is there twice"));
    }
    let text = value.to_str().unwrap_or_default();
    let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(match token.map(|(_, token)| token.trim()) {
        Some(token) if !token.is_empty() => Ok(token),
        _ => Err("Authorization is no bearer token; send Authorization: Bearer TOKEN"),
    })
}

/// The name under which a query carries a token (RFC 6750 section 2.3, and what others take).
fn token_in_query(query: &str) -> Option<&'static str> {
    query.split('&').find_map(|pair| {
        let name = percent_decode_str(pair.split('=').next().unwrap_or_default()).decode_utf8_lossy();
        QUERY_TOKENS.iter().find(|known| known.eq_ignore_ascii_case(&name)).copied()
    })
}

fn elsewhere(status: StatusCode, location: &str) -> Response {
    let mut response = status.into_response();
    if let Ok(value) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

fn protected(mut response: Response) -> Response {
    protect(response.headers_mut());
    if response.status() == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2 wants it; browsers ask nobody for it.
        response.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(HeaderValue::from_static("Bearer"));
    }
    response
}

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self::Error(error)
    }
}

const QUERY_TOKENS: [&str; 5] = ["token", "access_token", "api_key", "apikey", "authorization"];

#[cfg(test)]
mod tests;
