//! A server that answers as it is told, on a socket in a data directory.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime};

/// Answers every request with the next of its answers, and remembers what it was asked.
pub(crate) struct Fake {
    directory: TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: Runtime,
}

/// Is a request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) body: Value,
}

impl Fake {
    /// Answers with these statuses and bodies, in that order; the last one again and again.
    pub(crate) fn answering(answers: Vec<(u16, impl Into<Vec<u8>>)>) -> Self {
        let answers: Vec<(u16, Vec<u8>)> = answers.into_iter().map(|(status, body)| (status, body.into())).collect();
        Self::with(move |index, _| answers[index.min(answers.len() - 1)].clone())
    }

    /// Answers with what is made of the number of requests before, and the path.
    fn with(answers: impl Fn(usize, &str) -> (u16, Vec<u8>) + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(directory.path().join("admin.sock")).unwrap()
        };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        let seen = Arc::clone(&asked);
        let router =
            Router::new().fallback(move |request: Request| answer(request, Arc::clone(&seen), Arc::clone(&answers)));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { directory, asked, _runtime: runtime }
    }

    /// Answers each path that begins so with that; the first that fits counts.
    pub(crate) fn routed(routes: Vec<(&'static str, Value)>) -> Self {
        Self::with(move |_, path| {
            let route = routes.iter().find(|(begin, _)| path.strip_prefix("/api/v1/").unwrap().starts_with(begin));
            (200, route.unwrap().1.to_string().into_bytes())
        })
    }

    /// Answers every request with that.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::answering(vec![(status, body.to_string())])
    }

    /// Refuses every request with that status.
    pub(crate) fn refusing(status: u16, code: &str, detail: &str) -> Self {
        let problem = json!({
            "type": format!("urn:portward:problem:{code}"), "title": "No", "status": status, "detail": detail, "code": code,
        });
        Self::json(status, &problem)
    }

    /// The data directory, for the program and for files of the test.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What was asked until now.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The methods and paths of what was asked.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// Makes an answer of the number of requests before, and the path.
type Answers = dyn Fn(usize, &str) -> (u16, Vec<u8>) + Send + Sync;

async fn answer(request: Request, seen: Arc<Mutex<Vec<Asked>>>, answers: Arc<Answers>) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let may_be_a_list = request.method() == "GET";
    let path = request.uri().path().to_owned();
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, answer) = {
        let mut seen = seen.lock().unwrap();
        seen.push(Asked { line, body });
        answers(seen.len() - 1, &path)
    };
    // A list comes as its only page.
    let answer = match serde_json::from_slice::<Value>(&answer) {
        Ok(list @ Value::Array(_)) if may_be_a_list => {
            json!({ "items": list, "next_cursor": null }).to_string().into_bytes()
        }
        _ => answer,
    };
    Response::builder().status(status).body(Body::from(answer)).unwrap()
}

/// A certificate as the API shows it.
pub(crate) fn certificate(id: &str) -> Value {
    json!({
        "id": id, "name": id, "source": "imported", "managed": false, "names": ["shop.test"],
        "thumbprint": "ab".repeat(32), "sha1": "CD".repeat(20), "serial": "01", "issuer": "CN=CA",
        "subject": "CN=shop.test", "not_before": "2026-01-01T00:00:00Z", "not_after": "2027-01-01T00:00:00Z",
        "key_type": "ECDSA P-256", "chain": [], "version": 1, "status": "valid", "sites": [], "bindings": [],
    })
}

/// What the API answers to an import.
pub(crate) fn taken(id: &str) -> Value {
    let finding = json!({ "code": "incomplete-chain", "weight": "warns", "message": "the chain is incomplete" });
    json!({ "certificate": certificate(id), "outcome": "created", "findings": [finding] })
}

/// An issuer as the API shows it.
pub(crate) fn issuer(id: &str) -> Value {
    json!({
        "id": id, "directory": "https://ca.test/dir", "trust": "system", "contacts": [], "terms_agreed": true,
        "account": null, "eab_key_id": null, "profile": null, "challenge": null, "preferred_chain": null,
        "http_port": 80, "tls_port": 443, "resolvers": [], "certificates": [],
    })
}

/// An attempt that is under way at that stage.
pub(crate) fn attempt(id: &str, stage: &str) -> Value {
    json!({
        "id": id, "certificate": "shop", "issuer": "i1", "names": ["shop.test"], "why": "it is new",
        "began": "2026-11-20T10:00:00Z", "stage": stage, "order": null,
        "timeline": [{ "at": "2026-11-20T10:00:00Z", "stage": stage, "what": "The CA looks." }], "outcome": null,
    })
}

/// An attempt that ended with a certificate.
pub(crate) fn served(id: &str) -> Value {
    let mut view = attempt(id, "published");
    view["outcome"] = json!({ "result": "served", "at": "2026-11-20T10:00:09Z" });
    view
}

/// An attempt that ended without one.
pub(crate) fn failed(id: &str) -> Value {
    let mut view = attempt(id, "ready");
    view["outcome"] = json!({
        "result": "failed", "at": "2026-11-20T10:00:09Z", "code": "challenge-unreachable",
        "cause": "Port 80 is closed.", "remedy": "Open it.",
        "problem": {
            "type": "urn:ietf:params:acme:error:connection", "detail": "Timeout during connect", "status": 400,
        },
    });
    view
}

/// How the certificate of that id is renewed, with its newest attempt.
pub(crate) fn renewal(id: &str, attempt: Option<Value>) -> Value {
    let stage = attempt.as_ref().filter(|attempt| attempt["outcome"].is_null()).map(|attempt| attempt["stage"].clone());
    json!({
        "certificate": id,
        "managed": {
            "names": ["shop.test"], "issuers": ["i1"], "challenge": null, "profile": null, "dns": null,
            "key": "ecdsa-p256", "reuse_key": false, "key_on": null, "renew_days_before": null,
        },
        "last_renewed": null, "expires": null, "next_check": null, "next_renewal": "2099-01-01T00:00:00Z",
        "why": "the CA suggests it", "failures": 0, "stage": stage, "attempt": attempt,
    })
}

/// What is configured for the server's own name.
pub(crate) fn lets_encrypt(renewal: &Value) -> Value {
    json!({ "enabled": true, "dns_name": "shop.test", "issuer": "letsencrypt", "thumbprint": null, "renewal": renewal })
}
