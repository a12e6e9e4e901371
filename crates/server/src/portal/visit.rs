//! One request of a browser, read and permitted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest, Multipart, RawPathParams, Request},
    response::Response,
};
use http::{HeaderName, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::{
    answer,
    confirming::{Confirming, local},
    form::Form,
    frame::{Frame, Nav},
};
use crate::{
    app::{
        Actor, Allowed, App, AppError, Right,
        access::sign_in::{NewSession, Origin},
    },
    web::{Listener, Way, cookie},
};

/// Is a request whose actor has the right that its page needs.
pub(super) struct Visit<R> {
    /// What answers it.
    pub(super) app: Arc<App>,
    /// Who asks, with the proof that they may.
    pub(super) by: Allowed<R>,
    /// What the address has after the question mark.
    pub(super) query: Form,
    /// Where one can come again: the address of what is only looked at; none for a form.
    address: Option<String>,
    /// By which way it came; none where that was not said.
    pub(super) way: Option<Way>,
    referer: Option<String>,
    agent: Option<String>,
    fetch_site: Option<String>,
    params: BTreeMap<String, String>,
    /// Locked by nobody: a body alone cannot be looked at from two threads, and a page may be.
    request: Mutex<Option<Request>>,
}

/// Is a request of somebody who may not have signed in.
pub(super) struct OpenVisit {
    /// What answers it.
    pub(super) app: Arc<App>,
    /// Who asks, if that is known.
    pub(super) actor: Option<Actor>,
    /// What the address has after the question mark.
    pub(super) query: Form,
    /// By which way it came; none where that was not said.
    pub(super) way: Option<Way>,
    agent: Option<String>,
    params: BTreeMap<String, String>,
    request: Option<Request>,
}

impl<R: Right> Visit<R> {
    /// Asks for the right first, and reads the rest after that.
    pub(super) fn read(
        app: Arc<App>,
        actor: &Actor,
        params: &RawPathParams,
        request: Request,
    ) -> Result<Self, AppError> {
        let by = actor.may::<R>()?;
        let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
        let address = request.uri().path_and_query().filter(|_| request.method().is_safe());
        let address = address.map(|address| address.as_str().to_owned());
        let way = request.extensions().get::<Way>().cloned();
        let (referer, agent) = (said(&request, &header::REFERER), said(&request, &header::USER_AGENT));
        let fetch_site = said(&request, &HeaderName::from_static("sec-fetch-site"));
        let params = collect(params);
        Ok(Self {
            app,
            by,
            query,
            address,
            way,
            referer,
            agent,
            fetch_site,
            params,
            request: Mutex::new(Some(request)),
        })
    }

    /// What the address has at `{name}`.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Reads the body as a form.
    pub(super) async fn form(&mut self) -> Result<Form, AppError> {
        read_form(self.take()).await
    }

    /// Reads the body as a form with files (RFC 7578).
    pub(super) async fn multipart(&mut self) -> Result<Multipart, AppError> {
        self.multipart_up_to(FILES_LIMIT).await
    }

    /// Reads the body as a form with files of at most that many bytes.
    pub(super) async fn multipart_up_to(&mut self, most: usize) -> Result<Multipart, AppError> {
        let mut request = self.take().unwrap_or_default();
        DefaultBodyLimit::max(most).apply(&mut request);
        Multipart::from_request(request, &()).await.map_err(|error| AppError::malformed("form", error.to_string()))
    }

    fn take(&mut self) -> Option<Request> {
        self.request.get_mut().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What was laid into the request for all pages.
    pub(super) fn extension<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        let request = self.request.lock().unwrap_or_else(PoisonError::into_inner);
        request.as_ref().and_then(|request| request.extensions().get::<T>().cloned())
    }

    /// Asks for another right, for a part of a page that needs more than the page.
    pub(super) fn may<Other: Right>(&self) -> Result<Allowed<Other>, AppError> {
        self.by.actor().may()
    }

    /// What stands around the page.
    pub(super) fn frame(&self, nav: Nav, title: impl Into<String>) -> Frame {
        let mut frame = Frame::new(&self.app, self.by.actor(), nav, title);
        let next = || self.address.clone().unwrap_or_else(|| self.referer());
        frame.confirming = Confirming::of(&self.app, self.by.actor(), self.way.as_ref(), next);
        frame
    }

    /// The page of the portal from which a form was sent; its start if that is not said.
    pub(super) fn referer(&self) -> String {
        let referer = self.referer.as_deref().and_then(|text| text.parse::<http::Uri>().ok());
        local(referer.as_ref().and_then(|uri| uri.path_and_query()).map_or("/", |path| path.as_str()))
    }

    /// Whether the page was asked for by a page of ours, or by hand (Fetch Metadata, section 2.4); programs and old
    /// browsers do not say.
    pub(super) fn comes_from_here(&self) -> bool {
        self.fetch_site.as_deref().is_none_or(|site| ["same-origin", "none"].contains(&site))
    }

    /// Goes to a page, which says something there; nothing is offered to be undone.
    pub(super) fn told(&self, location: &str, toast: impl Into<String>) -> Response {
        self.app.toasts().leave(self.by.actor(), toast, None);
        answer::see_other(location)
    }

    /// Goes to a page after a change, which says there what is true now.
    pub(super) fn done(&self, location: &str, toast: impl Into<String>) -> Response {
        let undo = self.app.offer_undo(self.by.actor());
        self.app.toasts().leave(self.by.actor(), toast, undo);
        answer::see_other(location)
    }

    /// The way of the request, where a browser can keep a session on it.
    pub(super) fn browser_way(&self) -> Result<&Way, AppError> {
        demand_browser(self.way.as_ref())
    }

    /// From where the request came.
    pub(super) fn origin(&self) -> Origin {
        origin(self.way.as_ref(), self.agent.as_deref())
    }
}

impl OpenVisit {
    /// Reads a request.
    pub(super) fn read(app: Arc<App>, params: &RawPathParams, request: Request) -> Self {
        let query = Form::parse(request.uri().query().unwrap_or_default().as_bytes());
        let actor = request.extensions().get::<Actor>().cloned();
        let (way, agent) = (request.extensions().get::<Way>().cloned(), said(&request, &header::USER_AGENT));
        Self { app, actor, query, way, agent, params: collect(params), request: Some(request) }
    }

    /// What the address has at `{name}`.
    pub(super) fn param(&self, name: &str) -> &str {
        self.params.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A header, if it is there and can be read.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.request.as_ref()?.headers().get(name)?.to_str().ok()
    }

    /// What the browser shows of a sign-in that is under way elsewhere.
    pub(super) fn oidc_cookie(&self) -> Option<&str> {
        cookie::oidc_of(self.request.as_ref()?.headers(), self.way.as_ref()?)
    }

    /// Reads the body as a form.
    pub(super) async fn form(&mut self) -> Result<Form, AppError> {
        read_form(self.request.take()).await
    }

    /// The way of the request, where a browser can keep a session on it.
    pub(super) fn browser_way(&self) -> Result<&Way, AppError> {
        demand_browser(self.way.as_ref())
    }

    /// From where the request came.
    pub(super) fn origin(&self) -> Origin {
        origin(self.way.as_ref(), self.agent.as_deref())
    }
}

/// Has a browser show the session that has begun.
pub(super) fn cookie_answer(mut response: Response, way: &Way, session: &NewSession) -> Response {
    if let Some(value) = cookie::begin(way, session.secret.expose()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

fn demand_browser(way: Option<&Way>) -> Result<&Way, AppError> {
    let way = way.filter(|way| way.listener != Listener::Socket).ok_or_else(|| {
        let message = "there are no sessions on the admin socket, where the operating system says who asks";
        AppError::refused("no-session", message)
    })?;
    if way.is_private() {
        return Ok(way);
    }
    let message = "over plain http others can read along, so no secret is taken here; use the https address";
    Err(AppError::new(StatusCode::FORBIDDEN, "https-required", message))
}

fn origin(way: Option<&Way>, agent: Option<&str>) -> Origin {
    Origin { address: way.and_then(|way| way.client), agent: agent.map(str::to_owned) }
}

fn said(request: &Request, name: &header::HeaderName) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(str::to_owned)
}

fn collect(params: &RawPathParams) -> BTreeMap<String, String> {
    params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn read_form(request: Option<Request>) -> Result<Form, AppError> {
    let body = request.map(Request::into_body).unwrap_or_else(Body::empty);
    let bytes = Limited::new(body, FORM_LIMIT).collect().await.map_err(|_| {
        AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the form has more than {FORM_LIMIT} bytes"))
    })?;
    Ok(Form::parse(&bytes.to_bytes()))
}

/// Pasted PEM files are the longest fields there are.
const FORM_LIMIT: usize = 1024 * 1024;
/// A handful of the largest certificate files.
const FILES_LIMIT: usize = 4 * portward_certs::MAX_PFX_BYTES;
