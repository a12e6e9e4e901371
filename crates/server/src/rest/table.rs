//! The table of routes.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::{RawPathParams, Request},
    response::Response,
    routing::{MethodFilter, on},
};
use http::Method;
use portward_core::Permission;

use super::{
    answer::problem_response,
    call::{Call, OpenCall},
    doc::Doc,
    replay::Replays,
};
use crate::app::{App, AppError, Right};

/// Collects routes.
pub(super) struct Table {
    app: Arc<App>,
    replays: Arc<Replays>,
    router: Router,
    routes: Vec<Route>,
}

/// Is one row of the table.
#[derive(Clone)]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// None for what is open to everybody, signed in or not; each such handler says itself whom it lets in.
    pub(super) permission: Option<Permission>,
    pub(super) doc: Arc<Doc>,
}

impl Table {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, replays: Arc::default(), router: Router::new(), routes: Vec::new() }
    }

    /// Adds a route of GET; the type of the handler says which right it needs, and `doc` what it takes and answers.
    pub(super) fn get<R, H, F>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        R: Right,
        H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send + 'static,
    {
        self.route(Method::GET, path, handler, doc)
    }

    /// Adds a route of POST; the type of the handler says which right it needs, and `doc` what it takes and answers.
    pub(super) fn post<R, H, F>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        R: Right,
        H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send + 'static,
    {
        self.route(Method::POST, path, handler, doc)
    }

    /// Adds a route of PUT; the type of the handler says which right it needs, and `doc` what it takes and answers.
    pub(super) fn put<R, H, F>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        R: Right,
        H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send + 'static,
    {
        self.route(Method::PUT, path, handler, doc)
    }

    /// Adds a route of PATCH; the type of the handler says which right it needs, and `doc` what it takes and answers.
    pub(super) fn patch<R, H, F>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        R: Right,
        H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send + 'static,
    {
        self.route(Method::PATCH, path, handler, doc)
    }

    /// Adds a route of DELETE; the type of the handler says which right it needs, and `doc` what it takes and answers.
    pub(super) fn delete<R, H, F>(self, path: &'static str, handler: H, doc: Doc) -> Self
    where
        R: Right,
        H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send + 'static,
    {
        self.route(Method::DELETE, path, handler, doc)
    }

    fn route<R, H, F>(mut self, method: Method, path: &'static str, handler: H, doc: Doc) -> Self
    where
        R: Right,
        H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send + 'static,
    {
        let (app, doc) = (Arc::clone(&self.app), Arc::new(doc));
        let (described, replays) = (Arc::clone(&doc), Arc::clone(&self.replays));
        let serve = move |params: RawPathParams, request: Request| {
            let (app, handler, doc) = (Arc::clone(&app), handler.clone(), Arc::clone(&described));
            let replays = Arc::clone(&replays);
            async move {
                let instance = request.uri().path().to_owned();
                let answered = async {
                    let mut call = Call::read(app, doc, &params, request)?;
                    let Some((claim, fingerprint)) = call.claim().await? else { return handler(call).await };
                    let (now, path) = (call.app.now(), call.path.clone());
                    let make =
                        async move { handler(call).await.unwrap_or_else(|error| problem_response(&error, Some(path))) };
                    replays.answer(claim, fingerprint, now, make).await
                };
                answered.await.unwrap_or_else(|error| problem_response(&error, Some(instance)))
            }
        };
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            tracing::error!(%method, path, "a route has a method that cannot be routed");
            return self;
        };
        self.router = self.router.route(path, on(filter, serve));
        self.routes.push(Route { method, path, permission: Some(R::PERMISSION), doc });
        self
    }

    /// Adds a route for everybody, signed in or not.
    pub(super) fn open<H, F>(mut self, method: Method, path: &'static str, handler: H, doc: Doc) -> Self
    where
        H: Fn(OpenCall) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send,
    {
        let (app, doc) = (Arc::clone(&self.app), Arc::new(doc));
        let described = Arc::clone(&doc);
        let serve = move |request: Request| {
            let (app, handler, doc) = (Arc::clone(&app), handler.clone(), Arc::clone(&described));
            async move {
                let instance = request.uri().path().to_owned();
                let answered = async { handler(OpenCall::read(app, doc, request)?).await };
                answered.await.unwrap_or_else(|error| problem_response(&error, Some(instance)))
            }
        };
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            tracing::error!(%method, path, "a route has a method that cannot be routed");
            return self;
        };
        self.router = self.router.route(path, on(filter, serve));
        self.routes.push(Route { method, path, permission: None, doc });
        self
    }

    /// All rows.
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The finished router.
    pub(super) fn into_router(self) -> Router {
        self.router
    }
}
