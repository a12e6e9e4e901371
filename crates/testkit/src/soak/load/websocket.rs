//! Clients that stay: an upgraded connection for the whole time.

use std::{net::SocketAddr, time::Duration};

use super::{Going, Missed, in_time};
use crate::{
    Connection,
    soak::{HOST, tally::Kind},
};

/// Sends a message and waits for it to come back, over and over on one connection.
pub(super) async fn messages(https: SocketAddr, client: usize, kind: Kind, going: Going) {
    let mut connection = None;
    let mut number = 0;
    while going.on() {
        let message = format!("<message {number} of client {client}>");
        match in_time(&message, echoed(&mut connection, https, &message)).await {
            Ok(()) => kind.answered(),
            Err(missed) => {
                connection = None;
                missed.count(&kind);
            }
        }
        number += 1;
        tokio::time::sleep(BETWEEN).await;
    }
}

async fn echoed(connection: &mut Option<Connection>, https: SocketAddr, message: &str) -> Result<(), Missed> {
    let failed = |error: std::io::Error| Missed::Failed(format!("{message}: {error}"));
    let open = match connection {
        Some(open) => open,
        None => {
            let mut open = Connection::tls(https, HOST).await.map_err(failed)?;
            let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
            let answer = open.request("GET", HOST, "/socket", headers).await.map_err(failed)?;
            if answer.status != 101 {
                return Err(Missed::Failed(format!("no upgrade: {}", answer.head)));
            }
            connection.insert(open)
        }
    };
    open.send(message.as_bytes()).await.map_err(failed)?;
    open.comes(message).await.map_err(failed)
}

const BETWEEN: Duration = Duration::from_millis(40);
