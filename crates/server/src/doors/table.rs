//! The table of doors, each with the right that it needs.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::{RawPathParams, Request},
    response::Response,
    routing::{MethodFilter, on},
};
use http::Method;
use portward_core::Permission;

use super::{knock::Knock, manner::Manner};
use crate::{
    app::{App, AppError, Right},
    web::actor_of,
};

/// Collects doors.
pub(super) struct Doors {
    app: Arc<App>,
    router: Router,
    routes: Vec<Route>,
}

/// Is one row of the table.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "the authorization tests go through all routes"))]
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) permission: Permission,
}

impl Doors {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, router: Router::new(), routes: Vec::new() }
    }

    /// Adds a door; the type of the handler says which right it needs.
    pub(super) fn door<R, H, F>(mut self, manner: Manner, method: Method, path: &'static str, handler: H) -> Self
    where
        R: Right,
        H: Fn(Knock<R>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response, AppError>> + Send,
    {
        let app = Arc::clone(&self.app);
        let serve = move |params: RawPathParams, request: Request| {
            let (app, handler) = (Arc::clone(&app), handler.clone());
            async move {
                let answered = async {
                    let actor = actor_of(&request)?;
                    handler(Knock::read(app, &actor, &params, request)?).await
                };
                answered.await.unwrap_or_else(|error| manner.refusal(&error))
            }
        };
        let Ok(filter) = MethodFilter::try_from(method.clone()) else {
            tracing::error!(%method, path, "a door has a method that cannot be routed");
            return self;
        };
        self.router = self.router.route(path, on(filter, serve));
        self.routes.push(Route { method, path, permission: R::PERMISSION });
        self
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
