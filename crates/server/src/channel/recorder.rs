//! For tests: an HTTP server that writes down what it is sent, and answers as it is told.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// Is a server on loopback.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

/// Is a request that came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

#[derive(Default)]
struct State {
    recorded: Mutex<Vec<Recorded>>,
    answers: Mutex<VecDeque<Response<Full<Bytes>>>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                connections.spawn(async move {
                    let answer = service_fn(|request| answer(Arc::clone(&state), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        Self { port, state, _serving: serving }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next request is answered so, and not with 200 `ok`.
    pub(crate) fn answer(&self, answer: http::response::Builder, body: &str) {
        let answer = answer.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        self.state.answers.lock().unwrap().push_back(answer);
    }

    /// All that came, once it is that much.
    pub(crate) async fn recorded(&self, count: usize) -> Vec<Recorded> {
        for _ in 0..20_000 {
            if self.state.recorded.lock().unwrap().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let recorded = self.state.recorded.lock().unwrap().clone();
        assert!(recorded.len() >= count, "{recorded:?}");
        recorded
    }
}

impl Recorded {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path_and_query().unwrap().to_string();
    state.recorded.lock().unwrap().push(Recorded { path, headers: parts.headers, bytes });
    let answer = state.answers.lock().unwrap().pop_front();
    Ok(answer.unwrap_or_else(|| Response::new(Full::new(Bytes::from_static(b"ok")))))
}
