//! One call: its requests, what the last of them came to, and the nonces.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use portward_core::acme::CaError;
use serde::de::DeserializeOwned;

use super::{
    failed,
    jws::{Known, Signer},
};
use crate::acme::http::{Answer, Failure, HttpsClient};

/// Is one call of a CA. It remembers the answer to its last request, so that errors can tell what the library drops.
///
/// Calls of one directory run beside each other and share connections and nonces, nothing else.
pub(super) struct Call {
    doing: &'static str,
    https: Arc<HttpsClient>,
    nonces: Arc<Nonces>,
    /// Where nonces are; empty as long as there is no directory.
    new_nonce: String,
    last: Mutex<Option<Exchange>>,
    refused_nonces: AtomicUsize,
}

/// Holds the nonces that came with answers and have not been used.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<Vec<String>>);

/// Is a request and what came of it. Request bodies are never kept.
struct Exchange {
    url: String,
    outcome: Result<Answer, Failure>,
}

/// Lets the library speak through a call.
struct Recorder(Arc<Call>);

impl Call {
    pub(super) fn new(
        doing: &'static str,
        https: &Arc<HttpsClient>,
        nonces: &Arc<Nonces>,
        new_nonce: &str,
    ) -> Arc<Self> {
        Arc::new(Self {
            doing,
            https: Arc::clone(https),
            nonces: Arc::clone(nonces),
            new_nonce: new_nonce.to_owned(),
            last: Mutex::default(),
            refused_nonces: AtomicUsize::new(0),
        })
    }

    /// What the library sends its requests with.
    pub(super) fn http_client(self: &Arc<Self>) -> Box<dyn HttpClient> {
        Box::new(Recorder(Arc::clone(self)))
    }

    /// Makes a request that nobody signs.
    pub(super) async fn get(&self, url: &str) -> Result<Answer, CaError> {
        let request = Request::get(url).body(Bytes::new());
        self.success(self.send(url, request).await)
    }

    /// Makes a signed request; without a payload it reads (RFC 8555 section 6.3).
    pub(super) async fn post(
        &self,
        signer: &Signer,
        known: Known<'_>,
        url: &str,
        payload: &[u8],
    ) -> Result<Answer, CaError> {
        loop {
            let Ok(nonce) = self.nonce().await else {
                return Err(self.error(None));
            };
            let body = signer
                .sign(known, Some(&nonce), url, payload)
                .map_err(|error| failed::unsupported(self.doing, url, error.to_string()))?;
            let request = Request::post(url).header(header::CONTENT_TYPE, JOSE).body(body.to_string().into());
            let outcome = self.send(url, request).await;
            if self.repeats(&outcome) {
                continue;
            }
            return self.success(outcome);
        }
    }

    /// Asks by the library, again and again as long as the CA refuses nonces.
    pub(super) async fn ask<T, F>(&self, ask: impl Fn() -> F) -> Result<T, instant_acme::Error>
    where
        F: Future<Output = Result<T, instant_acme::Error>>,
    {
        loop {
            let asked = ask().await;
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let repeats = last.as_ref().is_some_and(|last| self.repeats(&last.outcome));
            drop(last);
            if asked.is_ok() || !repeats {
                return asked;
            }
        }
    }

    /// The answer to the last request, if it was a success.
    pub(super) fn last_success(&self) -> Option<Answer> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = last.as_ref()?.outcome.as_ref().ok()?;
        answer.status.is_success().then(|| answer.clone())
    }

    /// Tells how the last request failed, or, if it was a success, why nothing can be done with its answer.
    pub(super) fn error(&self, library: Option<&instant_acme::Error>) -> CaError {
        use instant_acme::Error as E;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match (last.as_ref(), library) {
            (_, Some(E::KeyRejected | E::Crypto)) => {
                failed::unsupported(self.doing, "", "the account key cannot be used: it is not an ECDSA key on P-256")
            }
            (None, library) => {
                failed::unsupported(self.doing, "", library.map_or_else(String::new, ToString::to_string))
            }
            (Some(Exchange { url, outcome: Err(failure) }), _) => failed::unanswered(self.doing, url, failure),
            (Some(Exchange { outcome: Ok(answer), .. }), library) => {
                let why = answer
                    .status
                    .is_success()
                    .then(|| library.map_or_else(|| "it has no Replay-Nonce".to_owned(), ToString::to_string));
                failed::answered(self.doing, answer, why)
            }
        }
    }

    /// Reads an answer.
    pub(super) fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CaError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.malformed(answer, error.to_string()))
    }

    /// Tells that an answer says something that it must not.
    pub(super) fn malformed(&self, answer: &Answer, why: impl Into<String>) -> CaError {
        failed::answered(self.doing, answer, Some(why.into()))
    }

    /// Tells that the CA offers no such thing.
    pub(super) fn unsupported(&self, url: &str, why: impl Into<String>) -> CaError {
        failed::unsupported(self.doing, url, why)
    }

    fn success(&self, outcome: Result<Answer, Failure>) -> Result<Answer, CaError> {
        match outcome {
            Ok(answer) if answer.status.is_success() => Ok(answer),
            _ => Err(self.error(None)),
        }
    }

    /// Whether the CA refused the nonce, and not yet too often.
    fn repeats(&self, outcome: &Result<Answer, Failure>) -> bool {
        outcome.as_ref().is_ok_and(refuses_nonce) && self.refused_nonces.load(Relaxed) < NONCES
    }

    /// A nonce that was not used before.
    async fn nonce(&self) -> Result<String, Failure> {
        if let Some(nonce) = self.nonces.take() {
            return Ok(nonce);
        }
        let request = Request::head(&self.new_nonce).body(Bytes::new());
        let answer = self.send(&self.new_nonce, request).await?;
        let nonce = answer.header(&REPLAY_NONCE).map(str::to_owned);
        nonce.ok_or_else(|| Failure::Unreadable("the answer has no nonce".to_owned()))
    }

    async fn send(&self, url: &str, request: Result<Request<Bytes>, http::Error>) -> Result<Answer, Failure> {
        let outcome = match request {
            Ok(request) => self.https.send(request).await,
            Err(_) => Err(Failure::BadUrl),
        };
        if let Ok(answer) = &outcome {
            if refuses_nonce(answer) {
                self.refused_nonces.fetch_add(1, Relaxed);
                // Where one is too old, so are the others.
                self.nonces.clear();
            }
            // That of an answer to HEAD is used by who asked for it.
            if answer.method != Method::HEAD {
                self.nonces.keep(answer);
            }
        }
        let exchange = Exchange { url: url.to_owned(), outcome: outcome.clone() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(exchange);
        outcome
    }
}

impl HttpClient for Recorder {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let call = Arc::clone(&self.0);
        Box::pin(async move {
            let failed = |failure: Failure| instant_acme::Error::Other(Box::new(failure));
            if request.method() == Method::HEAD {
                // The library asks for a nonce, and is given one of those that are there.
                let nonce = call.nonce().await.map_err(failed)?;
                let nonce = HeaderValue::try_from(nonce).map_err(http::Error::from)?;
                return Ok(response(StatusCode::OK, Some((REPLAY_NONCE, nonce)), Bytes::new(), None));
            }
            let (parts, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let url = parts.uri.to_string();
            let request = Request::from_parts(parts, body.to_bytes());
            let answer = call.send(&url, Ok(request)).await.map_err(failed)?;
            Ok(response(answer.status, None, answer.body, Some(answer.headers)))
        })
    }
}

/// What the library sees of an answer: without the nonce, which is kept for whoever needs one next.
fn response(
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
    body: Bytes,
    headers: Option<http::HeaderMap>,
) -> BytesResponse {
    let mut response = http::Response::new(());
    *response.status_mut() = status;
    *response.headers_mut() = headers.unwrap_or_default();
    response.headers_mut().remove(REPLAY_NONCE);
    response.headers_mut().extend(header);
    let (parts, ()) = response.into_parts();
    BytesResponse { parts, body: Box::new(body) }
}

fn refuses_nonce(answer: &Answer) -> bool {
    failed::problem_of(answer).is_some_and(|problem| problem.word() == "badNonce")
}

impl Nonces {
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, answer: &Answer) {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(nonce) = answer.header(&REPLAY_NONCE)
            && nonces.len() < KEPT_NONCES
        {
            nonces.push(nonce.to_owned());
        }
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

const JOSE: &str = "application/jose+json";
const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");
/// How many nonces of a call may be refused; of a CA that refuses every other one, one call in a million fails.
const NONCES: usize = 20;
/// As many calls as run at once; more would only grow old.
const KEPT_NONCES: usize = 8;
