//! Clients of HTTP/2.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::JoinSet;

use super::{Going, Missed, PAUSE, in_time};
use crate::{
    client::tls_stream,
    soak::{HOST, application::page, tally::Kind},
};

/// Keeps so many streams open on one connection, and takes another connection when it is told to go away.
pub(super) async fn streams(https: SocketAddr, kind: Kind, going: Going) {
    let mut number = 0;
    'connections: while going.on() {
        let mut sender = match in_time("an HTTP/2 connection", connect(https)).await {
            Ok(sender) => sender,
            Err(missed) => {
                missed.count(&kind);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let mut open = JoinSet::new();
        loop {
            while open.len() < STREAMS && going.on() {
                number += 1;
                open.spawn(one(sender.clone(), format!("/h2/{number}")));
            }
            match open.join_next().await {
                Some(Ok(Ok(()))) => kind.answered(),
                Some(Ok(Err(missed))) => {
                    let is_over = matches!(missed, Missed::Again);
                    missed.count(&kind);
                    if is_over {
                        // Those that are under way still have their answers to come.
                        while let Some(ended) = open.join_next().await {
                            match ended {
                                Ok(Ok(())) => kind.answered(),
                                Ok(Err(missed)) => missed.count(&kind),
                                Err(panicked) => kind.failed(panicked.to_string()),
                            }
                        }
                        continue 'connections;
                    }
                }
                Some(Err(panicked)) => kind.failed(panicked.to_string()),
                None => break 'connections,
            }
            // A connection that is used by nobody any more ends here.
            sender = sender.clone();
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn connect(https: SocketAddr) -> Result<SendRequest<Bytes>, Missed> {
    let failed = |error: String| Missed::Failed(format!("an HTTP/2 connection: {error}"));
    let stream = tls_stream(https, HOST, b"h2").await.map_err(|error| failed(error.to_string()))?;
    let (sender, connection) = h2::client::handshake(stream).await.map_err(|error| failed(error.to_string()))?;
    tokio::spawn(async move {
        // Why it ended is told to its streams.
        let _ = connection.await;
    });
    Ok(sender)
}

async fn one(sender: SendRequest<Bytes>, path: String) -> Result<(), Missed> {
    in_time(&path, async {
        let judged = |error: h2::Error| match was_not_begun(&error) {
            true => Missed::Again,
            false => Missed::Failed(format!("{path}: {error}")),
        };
        let mut sender = sender.ready().await.map_err(judged)?;
        let request = http::Request::get(format!("https://{HOST}{path}")).body(()).unwrap();
        let (response, _) = sender.send_request(request, true).map_err(judged)?;
        let response = response.await.map_err(judged)?;
        let status = response.status();
        let mut body = response.into_body();
        let mut data = Vec::new();
        while let Some(piece) = body.data().await {
            let piece = piece.map_err(judged)?;
            let _ = body.flow_control().release_capacity(piece.len());
            data.extend_from_slice(&piece);
        }
        match status == 200 && data == page(&path).as_bytes() {
            true => Ok(()),
            false => Err(Missed::Failed(format!("{path}: {status} {:.200}", String::from_utf8_lossy(&data)))),
        }
    })
    .await
}

/// Whether the server says that it has not begun with the request: it went away before, or refused the stream.
fn was_not_begun(error: &h2::Error) -> bool {
    (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR))
        || (error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM))
}

const STREAMS: usize = 8;
