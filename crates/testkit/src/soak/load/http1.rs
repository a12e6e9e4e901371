//! Clients of HTTP/1.1.

use std::{net::SocketAddr, time::Duration};

use super::{Going, Missed, PAUSE, in_time};
use crate::{
    Connection,
    soak::{HOST, application::page, tally::Kind},
};

/// Makes one request after the other on one connection, for as long as it is kept.
pub(super) async fn kept(https: SocketAddr, client: usize, kind: Kind, going: Going) {
    let (mut connection, mut number) = (None, 0);
    while going.on() {
        let path = format!("/kept/{client}/{number}");
        match in_time(&path, get(&mut connection, https, &path)).await {
            Ok(()) => {
                kind.answered();
                number += 1;
            }
            Err(missed) => {
                connection = None;
                missed.count(&kind);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Makes each request on a connection of its own.
pub(super) async fn fresh(https: SocketAddr, client: usize, kind: Kind, going: Going) {
    let mut number = 0;
    while going.on() {
        let path = format!("/fresh/{client}/{number}");
        match in_time(&path, get(&mut None, https, &path)).await {
            Ok(()) => kind.answered(),
            Err(missed) => missed.count(&kind),
        }
        number += 1;
        tokio::time::sleep(2 * PAUSE).await;
    }
}

/// The same in the clear.
pub(super) async fn plain(http: SocketAddr, client: usize, kind: Kind, going: Going) {
    let mut number = 0;
    while going.on() {
        let path = format!("/plain/{client}/{number}");
        let answer = async {
            let mut connection = Connection::plain(http).await.map_err(|error| failed(&path, &error))?;
            exchange(&mut connection, &path).await
        };
        match in_time(&path, answer).await {
            Ok(_) => kind.answered(),
            Err(missed) => missed.count(&kind),
        }
        number += 1;
        tokio::time::sleep(2 * PAUSE).await;
    }
}

/// Sends a body for some seconds, over and over.
pub(super) async fn upload(https: SocketAddr, client: usize, kind: Kind, going: Going) {
    let (piece, mut number) = (vec![b'u'; PIECE], 0);
    while going.on() {
        let path = format!("/upload/{client}/{number}");
        let answer = async {
            let mut connection = Connection::tls(https, HOST).await.map_err(|error| failed(&path, &error))?;
            let head = format!("PUT {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES);
            connection.send(head.as_bytes()).await.map_err(|error| failed(&path, &error))?;
            for at in 0..PIECES {
                let sent = connection.send(&piece).await;
                sent.map_err(|error| Missed::Failed(format!("{path}, after {at} of {PIECES} pieces: {error}")))?;
                tokio::time::sleep(BETWEEN).await;
            }
            let answer = connection.response().await.map_err(|error| failed(&path, &error))?;
            match answer.text() == (PIECE * PIECES).to_string() {
                true => Ok(()),
                false => Err(Missed::Failed(format!("{path}: {} {}", answer.status, answer.text()))),
            }
        };
        match in_time(&path, answer).await {
            Ok(()) => kind.answered(),
            Err(missed) => missed.count(&kind),
        }
        number += 1;
    }
}

/// Gets a page, on a connection that is there or a new one.
async fn get(connection: &mut Option<Connection>, https: SocketAddr, path: &str) -> Result<(), Missed> {
    let was_used = connection.is_some();
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::tls(https, HOST).await.map_err(|error| failed(path, &error))?),
    };
    match exchange(open, path).await {
        Ok(Kept::Yes) => Ok(()),
        Ok(Kept::No) => {
            *connection = None;
            Ok(())
        }
        Err(_) if was_used && !open.has_pending() => Err(Missed::Again),
        Err(missed) => Err(missed),
    }
}

#[derive(PartialEq)]
enum Kept {
    Yes,
    No,
}

async fn exchange(connection: &mut Connection, path: &str) -> Result<Kept, Missed> {
    let answer = connection.request("GET", HOST, path, "").await.map_err(|error| failed(path, &error))?;
    if answer.status != 200 || answer.text() != page(path) {
        return Err(Missed::Failed(format!("{path}: {} {:.200}", answer.head, answer.text())));
    }
    let closes = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(if closes { Kept::No } else { Kept::Yes })
}

fn failed(path: &str, error: &std::io::Error) -> Missed {
    Missed::Failed(format!("{path}: {error}"))
}

const PIECE: usize = 64 * 1024;
const PIECES: usize = 40;
const BETWEEN: Duration = Duration::from_millis(100);
