//! For tests: somebody with a browser, who asks for pages and sends forms.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::{Router, body::Body, response::Response};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use portward_core::{Host, Permission};
use tower_service::Service;

use crate::{
    app::Actor,
    fixture::Fixture,
    web::{Entrance, Listener, Way, router},
};

/// Is somebody who is signed in.
pub(super) struct Browser {
    router: Router,
    actor: Actor,
    way: Option<Way>,
}

/// Is somebody who comes through the entrance, over TLS, and keeps the cookie that they get.
pub(super) struct Guest {
    entrance: Entrance,
    cookie: Option<String>,
}

/// Is what came back.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Browser {
    /// Somebody who may everything.
    pub(super) fn of(fixture: &Fixture) -> Self {
        Self::with(fixture, Permission::ALL)
    }

    /// Somebody who may only that.
    pub(super) fn with(fixture: &Fixture, permissions: &[Permission]) -> Self {
        Self { router: fixture.api(), actor: Actor::with(permissions), way: None }
    }

    /// The same, over TLS through a binding at that port.
    pub(super) fn through(self, port: u16) -> Self {
        Self { way: Some(through(port)), ..self }
    }

    /// Asks for a page.
    pub(super) async fn get(&self, path: &str) -> Page {
        self.send(&Method::GET, path, None, Vec::new()).await
    }

    /// Sends a form.
    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(&Method::POST, path, Some(URL_ENCODED), encoded(fields)).await
    }

    /// Sends a form with files: name of the file, and its content.
    pub(super) async fn upload(&self, path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Page {
        let mut body = Vec::new();
        let mut part = |disposition: &str, content: &[u8]| {
            body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").into_bytes());
            body.extend(content);
            body.extend(b"\r\n");
        };
        for (name, value) in fields {
            part(&format!("name=\"{name}\""), value.as_bytes());
        }
        for (name, content) in files {
            part(&format!("name=\"files\"; filename=\"{name}\""), content);
        }
        body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
        self.send(&Method::POST, path, Some(&format!("multipart/form-data; boundary={BOUNDARY}")), body).await
    }

    async fn send(&self, method: &Method, path: &str, content_type: Option<&str>, body: Vec<u8>) -> Page {
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "text/html");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let mut request = request.body(Body::from(body)).unwrap();
        request.extensions_mut().insert(self.actor.clone());
        if let Some(way) = &self.way {
            request.extensions_mut().insert(way.clone());
        }
        Page::of(self.router.clone().call(request).await.unwrap()).await
    }
}

impl Guest {
    /// Somebody who has not signed in.
    pub(super) fn of(fixture: &Fixture) -> Self {
        let app = &fixture.app;
        Self { entrance: Entrance::new(app.clone(), router(app.clone()), "front.test"), cookie: None }
    }

    /// Asks for a page.
    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send(Method::GET, path, Vec::new()).await
    }

    /// Sends a form of a page of ours.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(Method::POST, path, encoded(fields)).await
    }

    async fn send(&mut self, method: Method, path: &str, body: Vec<u8>) -> Page {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::ACCEPT, "text/html").header(header::CONTENT_TYPE, URL_ENCODED);
        let mut request = request.header("sec-fetch-site", "same-origin");
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        let page =
            Page::of(self.entrance.answer(Some(through(443)), request.body(Body::from(body)).unwrap()).await).await;
        if let Some(set) = page.cookie() {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        page
    }
}

/// The way over TLS through a binding at that port.
fn through(port: u16) -> Way {
    Way {
        listener: Listener::Binding,
        is_tls: true,
        client: "192.0.2.7".parse().ok(),
        host: Some(Host::parse("front.test").unwrap()),
        port: Some(port),
        bound: Some(port),
        is_outdated: false,
    }
}

impl Page {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let page =
            Self { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() };
        page.has_nothing_inline();
        page
    }

    /// The cookie that it sets.
    pub(super) fn cookie(&self) -> Option<&str> {
        self.headers.get(header::SET_COOKIE).map(|value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.text);
        self.headers[header::LOCATION].to_str().unwrap()
    }

    /// Whether a text is in it.
    #[track_caller]
    pub(super) fn shows(&self, text: &str) {
        assert!(self.text.contains(text), "\"{text}\" is not in:\n{}", self.text);
    }

    /// Whether a text is not in it.
    #[track_caller]
    pub(super) fn hides(&self, text: &str) {
        assert!(!self.text.contains(text), "\"{text}\" is in:\n{}", self.text);
    }

    /// No style and no script inside, which the content policy would not run anyway.
    fn has_nothing_inline(&self) {
        for inline in ["style=\"", "<style", "<script>", " onclick=", " onchange=", " onsubmit=", "javascript:"] {
            assert!(!self.text.contains(inline), "{inline} in:\n{}", self.text);
        }
    }
}

fn encoded(fields: &[(&str, &str)]) -> Vec<u8> {
    let encode =
        |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    fields.join("&").into_bytes()
}

const URL_ENCODED: &str = "application/x-www-form-urlencoded";
const BOUNDARY: &str = "------a-boundary";
