//! One request and its answer.

use std::{
    error::Error,
    fs::File,
    io,
    io::Read,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{ANSWER_TIMEOUT, Client, ClientError, IDLE_TIMEOUT, connect, endpoint::Endpoint};
use crate::{BACKUP_MEDIA_TYPE, PAGE_MOST, Page, Problem};

/// Is what a request carries.
pub(super) enum Sent {
    Nothing,
    Json(Zeroizing<Vec<u8>>),
    File(File),
}

/// Is an answer that is no refusal; its content is still to come.
pub(super) struct Answer<'a> {
    endpoint: &'a Endpoint,
    status: StatusCode,
    body: Incoming,
}

impl Client {
    /// Asks, and reads the answer as JSON.
    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        sent: Sent,
    ) -> Result<A, ClientError> {
        let answer = self.exchange(method, path, sent).await?;
        let (endpoint, status) = (answer.endpoint, answer.status);
        let bytes = answer.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|error| unknown(endpoint, status, Some(error)))
    }

    /// Asks for a whole list, page by page.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut asked = format!("{path}?limit={PAGE_MOST}");
        loop {
            let page: Page<T> = self.ask(Method::GET, &asked, Sent::Nothing).await?;
            items.extend(page.items);
            let Some(cursor) = page.next_cursor else { return Ok(items) };
            let cursor = utf8_percent_encode(&cursor, NON_ALPHANUMERIC);
            asked = format!("{path}?limit={PAGE_MOST}&cursor={cursor}");
        }
    }

    /// Asks; a refusal becomes an error.
    pub(super) async fn exchange(&self, method: Method, path: &str, sent: Sent) -> Result<Answer<'_>, ClientError> {
        let endpoint = &*self.endpoint;
        let request = request(endpoint, method, path, sent)?;
        let connection = connect::connect(endpoint).await?;
        let asking = async {
            let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await?;
            // It ends by itself with the answer.
            tokio::spawn(driver);
            sender.send_request(request).await
        };
        let response = match timeout(ANSWER_TIMEOUT, asking).await {
            Ok(response) => response.map_err(|error| broken(endpoint, error))?,
            Err(_) => return Err(ClientError::TimedOut { server: endpoint.to_string(), limit: ANSWER_TIMEOUT }),
        };
        let answer = Answer { endpoint, status: response.status(), body: response.into_body() };
        if answer.status.is_success() { Ok(answer) } else { Err(answer.refusal().await) }
    }
}

impl Answer<'_> {
    /// The whole content.
    pub(super) async fn bytes(self) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        self.pieces(&mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    /// Hands the content over as it comes.
    pub(super) async fn pieces(
        mut self,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<(), ClientError> {
        loop {
            let Ok(frame) = timeout(IDLE_TIMEOUT, self.body.frame()).await else {
                return Err(ClientError::TimedOut { server: self.endpoint.to_string(), limit: IDLE_TIMEOUT });
            };
            let Some(frame) = frame else { return Ok(()) };
            let frame = frame.map_err(|error| broken(self.endpoint, error))?;
            if let Some(piece) = frame.data_ref() {
                take(piece).map_err(|source| ClientError::Keep { server: self.endpoint.to_string(), source })?;
            }
        }
    }

    async fn refusal(self) -> ClientError {
        let (endpoint, status) = (self.endpoint, self.status);
        match self.bytes().await {
            Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => ClientError::Problem(Box::new(problem)),
                Err(_) => unknown(endpoint, status, None),
            },
            Err(error) => error,
        }
    }
}

impl Sent {
    pub(super) fn json(input: &impl Serialize) -> Result<Self, ClientError> {
        serde_json::to_vec(input).map(|bytes| Self::Json(Zeroizing::new(bytes))).map_err(ClientError::Write)
    }

    fn media_type(&self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Json(_) => Some("application/json"),
            Self::File(_) => Some(BACKUP_MEDIA_TYPE),
        }
    }
}

fn request(endpoint: &Endpoint, method: Method, path: &str, sent: Sent) -> Result<Request<SentBody>, ClientError> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/{path}"))
        .header(header::HOST, endpoint.authority())
        .header(header::USER_AGENT, concat!("portward/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/json, application/problem+json, */*;q=0.1");
    if let Some(media_type) = sent.media_type() {
        request = request.header(header::CONTENT_TYPE, media_type);
    }
    if let Endpoint::Remote { token, .. } = endpoint {
        let text = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut value = HeaderValue::from_str(&text).map_err(|error| broken(endpoint, error))?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let body = match sent {
        Sent::Nothing => SentBody::Whole(None),
        Sent::Json(bytes) => SentBody::Whole(Some(Bytes::from_owner(bytes))),
        Sent::File(file) => SentBody::File(file),
    };
    request.body(body).map_err(|error| broken(endpoint, error))
}

fn broken(endpoint: &Endpoint, source: impl Error + Send + Sync + 'static) -> ClientError {
    ClientError::Broken { server: endpoint.to_string(), source: Box::new(source) }
}

fn unknown(endpoint: &Endpoint, status: StatusCode, source: Option<serde_json::Error>) -> ClientError {
    ClientError::Unknown { server: endpoint.to_string(), status: status.as_u16(), source }
}

/// Is the content of a request, as hyper takes it.
enum SentBody {
    Whole(Option<Bytes>),
    File(File),
}

impl Body for SentBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            // A file on disk is read in place: the program has nothing else to do meanwhile.
            Self::File(file) => {
                let mut piece = vec![0; FILE_PIECE];
                Poll::Ready(match file.read(&mut piece) {
                    Ok(0) => None,
                    Ok(length) => {
                        piece.truncate(length);
                        Some(Ok(Frame::data(piece.into())))
                    }
                    Err(error) => Some(Err(error)),
                })
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::File(_) => SizeHint::default(),
        }
    }
}

/// Large enough that the number of system calls does not matter, small enough to hold.
const FILE_PIECE: usize = 64 * 1024;
