//! Answers that are given again: `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
//!
//! They are kept in memory, so a restart forgets them; what is given out once, as a token, is wiped with its answer.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{Context, SHA256};
use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use portward_core::Timestamp;
use zeroize::Zeroizing;

use crate::app::AppError;

/// Remembers answers; one for each server.
#[derive(Default)]
pub(super) struct Replays {
    kept: Mutex<BTreeMap<Claim, Kept>>,
}

/// Says which request an answer belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    /// Who asks: their identity, not their name.
    pub(super) actor: String,
    /// Method and path.
    pub(super) route: String,
    /// What the client calls the request.
    pub(super) key: String,
}

struct Kept {
    fingerprint: [u8; 32],
    since: Timestamp,
    /// None while it is being made.
    answer: Option<Arc<Answer>>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Arc<Zeroizing<Vec<u8>>>,
}

/// Takes a claim back when the request ends without an answer that is kept.
struct Running {
    replays: Arc<Replays>,
    claim: Claim,
}

impl Replays {
    /// Gives the answer that the same request had before, or has it made.
    ///
    /// It is made to its end even if the client goes away meanwhile: that is when it will ask again.
    pub(super) async fn answer<F>(
        self: &Arc<Self>,
        claim: Claim,
        fingerprint: [u8; 32],
        now: Timestamp,
        make: F,
    ) -> Result<Response, AppError>
    where
        F: Future<Output = Response> + Send + 'static,
    {
        if let Some(answer) = self.begin(&claim, fingerprint, now)? {
            return Ok(answer.response(Again::Yes));
        }
        let running = Running { replays: Arc::clone(self), claim };
        let made = tokio::spawn(async move {
            let answer = Answer::read(make.await).await;
            match answer {
                // What failed for a reason of ours may go well the next time.
                Some(answer) if !answer.status.is_server_error() => Some(running.end(answer)),
                other => other.map(Arc::new),
            }
        });
        match made.await {
            Ok(Some(answer)) => Ok(answer.response(Again::No)),
            _ => Err(AppError::internal(
                "the request was not answered; look at what is there, then repeat it",
                "it broke off",
            )),
        }
    }

    /// Claims a key; the answer, if it is there already.
    fn begin(&self, claim: &Claim, fingerprint: [u8; 32], now: Timestamp) -> Result<Option<Arc<Answer>>, AppError> {
        let mut kept = self.lock();
        kept.retain(|_, kept| kept.answer.is_none() || now.since(kept.since) < REMEMBERED);
        if let Some(Kept { fingerprint: before, answer, .. }) = kept.get(claim) {
            if *before != fingerprint {
                let message = "this Idempotency-Key came with another request before; take a new key for a new request";
                return Err(AppError::refused("idempotency-key-reused", message));
            }
            return match answer {
                Some(answer) => Ok(Some(Arc::clone(answer))),
                None => {
                    let message = "the request with this Idempotency-Key is still being done; ask again in a moment";
                    Err(AppError::conflict("idempotency-key-in-progress", message))
                }
            };
        }
        make_room(&mut kept);
        kept.insert(claim.clone(), Kept { fingerprint, since: now, answer: None });
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Claim, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn end(&self, answer: Answer) -> Arc<Answer> {
        let answer = Arc::new(answer);
        if let Some(kept) = self.replays.lock().get_mut(&self.claim) {
            kept.answer = Some(Arc::clone(&answer));
        }
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut kept = self.replays.lock();
        if kept.get(&self.claim).is_some_and(|kept| kept.answer.is_none()) {
            kept.remove(&self.claim);
        }
    }
}

/// Says whether an answer was given before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    Yes,
    No,
}

impl Answer {
    async fn read(response: Response) -> Option<Self> {
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        Some(Self { status: head.status, headers: head.headers, body: Arc::new(Zeroizing::new(bytes.to_vec())) })
    }

    fn response(&self, again: Again) -> Response {
        let mut response = Response::new(Body::from(Bytes::from_owner(Shared(Arc::clone(&self.body)))));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        if again == Again::Yes {
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

/// Is wiped when the last answer with it is gone.
struct Shared(Arc<Zeroizing<Vec<u8>>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Forgets the oldest answers where there are too many.
fn make_room(kept: &mut BTreeMap<Claim, Kept>) {
    let size = |kept: &Kept| kept.answer.as_ref().map_or(0, |answer| answer.body.len());
    while kept.len() >= MOST_ANSWERS || kept.values().map(size).sum::<usize>() > MOST_BYTES {
        let oldest = kept.iter().filter(|(_, kept)| kept.answer.is_some()).min_by_key(|(_, kept)| kept.since);
        let Some(oldest) = oldest.map(|(claim, _)| claim.clone()) else { return };
        kept.remove(&oldest);
    }
}

/// Tells requests apart: query, precondition and body.
pub(super) fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// As long as a script may wait before it tries again.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Far more than operators and their scripts make changes in a day.
const MOST_ANSWERS: usize = 1000;
/// Answers are a few KB.
const MOST_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
