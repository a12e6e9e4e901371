//! A file as the body of an answer.

use std::{
    fs::File,
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::Frame;

/// Sends a file in pieces. It was just written, so that reading it hardly waits.
pub(crate) struct FileBody(File);

impl FileBody {
    /// Takes the file; it is read from where it stands.
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }
}

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
