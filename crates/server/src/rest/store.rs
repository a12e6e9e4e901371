//! `/api/v1/store`.

use std::{
    fs::File,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Frame;
use portward_api::BACKUP_MEDIA_TYPE;

use super::{answer, call::Call};
use crate::app::{AppError, right};

pub(super) async fn backup(mut call: Call<right::StoreBackup>) -> Result<Response, AppError> {
    call.no_body().await?;
    let file = call.app.back_up(&call.by).await?;
    Ok(answer::file(BACKUP_MEDIA_TYPE, Body::new(FileBody(file))))
}

pub(super) async fn restore(mut call: Call<right::StoreRestore>) -> Result<Response, AppError> {
    let mut body = call.stream(BACKUP_MEDIA_TYPE)?;
    let passing = call.app.passing_file()?;
    let mut file = passing.create()?;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| AppError::malformed("incomplete-body", "the backup broke off").caused_by(error))?;
        if let Some(piece) = frame.data_ref() {
            length += piece.len() as u64;
            if length > MAX_BACKUP_BYTES {
                let message = format!("the backup has more than {MAX_BACKUP_BYTES} bytes");
                return Err(AppError::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message));
            }
            passing.write(&mut file, piece)?;
        }
    }
    drop(file);
    answer::json(&call.app.restore(&call.by, &passing, call.apply).await?)
}

/// Sends a file in pieces. It was just written, so that reading it hardly waits.
struct FileBody(File);

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut piece = vec![0; PIECE_BYTES];
        Poll::Ready(match self.0.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some(Ok(Frame::data(piece.into())))
            }
            Err(error) => Some(Err(error)),
        })
    }
}

/// As much as a socket takes at once.
const PIECE_BYTES: usize = 64 * 1024;
/// A million certificates have about 4 GB.
const MAX_BACKUP_BYTES: u64 = 8 * 1024 * 1024 * 1024;
