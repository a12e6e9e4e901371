//! The table of pages, each with the right that it needs.

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
    answer,
    visit::{OpenVisit, Visit},
};
use crate::app::{Actor, App, AppError, Right};

/// Collects pages.
pub(super) struct Pages {
    app: Arc<App>,
    router: Router,
    routes: Vec<Route>,
}

/// Is one row of the table.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the authorization tests go through all routes"))]
pub(crate) struct Route {
    /// How it is asked for.
    pub(crate) method: Method,
    /// Where it is.
    pub(crate) path: &'static str,
    /// What it needs; none for what everybody may see before signing in.
    pub(crate) permission: Option<Permission>,
}

impl Pages {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, router: Router::new(), routes: Vec::new() }
    }

    /// Adds a page; the type of the handler says which right it needs.
    pub(super) fn page<R, H, F>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        R: Right,
        H: Fn(Visit<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send,
    {
        let app = Arc::clone(&self.app);
        let serve = move |params: RawPathParams, request: Request| {
            let (app, handler) = (Arc::clone(&app), handler.clone());
            async move {
                let Some(actor) = request.extensions().get::<Actor>().cloned() else {
                    return answer::sign_in_first(&request);
                };
                let method = request.method().clone();
                let visit = Visit::read(Arc::clone(&app), &actor, &params, request);
                let answered = async { handler(visit?).await };
                answered.await.unwrap_or_else(|error| answer::framed_error(&app, &actor, &method, &error))
            }
        };
        self.add(&method, path, Some(R::PERMISSION));
        if let Ok(filter) = MethodFilter::try_from(method) {
            self.router = self.router.route(path, on(filter, serve));
        }
        self
    }

    /// Adds a page for everybody, signed in or not.
    pub(super) fn open<H, F>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(OpenVisit) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send,
    {
        let app = Arc::clone(&self.app);
        let serve = move |params: RawPathParams, request: Request| {
            let (app, handler) = (Arc::clone(&app), handler.clone());
            async move {
                let visit = OpenVisit::read(app, &params, request);
                handler(visit).await.unwrap_or_else(|error| answer::error_page(&error))
            }
        };
        self.add(&method, path, None);
        if let Ok(filter) = MethodFilter::try_from(method) {
            self.router = self.router.route(path, on(filter, serve));
        }
        self
    }

    fn add(&mut self, method: &Method, path: &'static str, permission: Option<Permission>) {
        self.routes.push(Route { method: method.clone(), path, permission });
    }

    /// All rows.
    #[cfg(test)]
    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The finished router.
    pub(super) fn into_router(self) -> Router {
        self.router
    }
}
