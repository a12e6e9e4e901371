//! The portal behind the bindings: connections that the data plane hands over.

use std::sync::Arc;

use http::Request;
use portward_proxy::Proxy;
use tokio::{net::UnixStream, task::JoinSet};

use super::{
    Entrance, Way,
    connection::{self, Patience},
};
use crate::tasks::Shutdown;

/// Serves the portal to the data plane until shutdown.
///
/// How many connections there are is limited where clients connect.
pub(crate) async fn serve(proxy: Arc<Proxy>, entrance: Arc<Entrance>, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        let pair = tokio::select! {
            pair = proxy.accept_portal() => pair,
            () = shutdown.pulled() => break,
        };
        while connections.try_join_next().is_some() {}
        let Some(pair) = pair else { break };
        match UnixStream::from_std(pair) {
            Ok(stream) => {
                connections.spawn(serve_peer(stream, Arc::clone(&proxy), Arc::clone(&entrance), shutdown.clone()));
            }
            Err(error) => tracing::warn!(%error, "a connection to the portal cannot be served"),
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn serve_peer(stream: UnixStream, proxy: Arc<Proxy>, entrance: Arc<Entrance>, shutdown: Shutdown) {
    let answer = move |request: Request<axum::body::Body>| {
        let (proxy, entrance) = (Arc::clone(&proxy), Arc::clone(&entrance));
        async move {
            let way = {
                let snapshot = proxy.snapshot();
                Way::binding(request.headers(), |address| snapshot.trusts(address))
            };
            entrance.answer(way, request).await
        }
    };
    connection::serve(stream, Patience::Endless, answer, shutdown).await;
}
