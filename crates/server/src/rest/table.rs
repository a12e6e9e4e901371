//! The table of routes.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::{RawPathParams, Request},
    handler::Handler,
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

/// A row of each method: the type of the handler says which right it needs, and `doc` what it takes and answers.
macro_rules! verbs {
    ($($verb:ident = $method:ident,)*) => {
        $(
            #[doc = concat!("Adds a route of ", stringify!($method), ".")]
            pub(super) fn $verb<R, H, F>(self, path: &'static str, handler: H, doc: Doc) -> Self
            where
                R: Right,
                H: Fn(Call<R>) -> F + Clone + Send + Sync + 'static,
                F: Future<Output = Result<Response, AppError>> + Send + 'static,
            {
                self.route(Method::$method, path, handler, doc)
            }
        )*
    };
}

impl Table {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app, replays: Arc::default(), router: Router::new(), routes: Vec::new() }
    }

    verbs! {
        get = GET,
        post = POST,
        put = PUT,
        patch = PATCH,
        delete = DELETE,
    }

    fn route<R, H, F>(self, method: Method, path: &'static str, handler: H, doc: Doc) -> Self
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
        self.add(Route { method, path, permission: Some(R::PERMISSION), doc }, serve)
    }

    /// Adds a route for everybody, signed in or not.
    pub(super) fn open<H, F>(self, method: Method, path: &'static str, handler: H, doc: Doc) -> Self
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
        self.add(Route { method, path, permission: None, doc }, serve)
    }

    fn add<S, T>(mut self, route: Route, serve: S) -> Self
    where
        S: Handler<T, ()>,
        T: 'static,
    {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else {
            tracing::error!(method = %route.method, path = route.path, "a route has a method that cannot be routed");
            return self;
        };
        self.router = self.router.route(route.path, on(filter, serve));
        self.routes.push(route);
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
