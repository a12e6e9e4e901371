//! What people see who open the agent's port in a browser.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Answers one request of plain HTTP, whatever it asks.
pub(crate) async fn answer(mut tcp: TcpStream) -> io::Result<()> {
    let exchange = async {
        let mut head = Vec::new();
        let mut bytes = [0; 1024];
        while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MOST {
            match tcp.read(&mut bytes).await? {
                0 => return Ok(()),
                length => head.extend_from_slice(&bytes[..length]),
            }
        }
        let body = if head.starts_with(b"HEAD ") { "" } else { PAGE };
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{HEADERS}\r\n{body}", PAGE.len());
        tcp.write_all(answer.as_bytes()).await?;
        tcp.shutdown().await
    };
    timeout(PATIENCE, exchange).await.unwrap_or(Ok(()))
}

const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Portward agent</title>
<h1>Portward agent</h1>
<p>This is the port of a Portward agent, and it is reached.</p>
<p>Only a Portward server whose thumbprint the agent trusts can speak with it, over TLS with a certificate on both sides.
A browser has none, and sees this page.</p>
<p>On the machine of the agent, <code>portward-agent status</code> says whom it trusts.</p>
</html>
";
const HEADERS: &str = "Content-Type: text/html; charset=utf-8\r
Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r
X-Content-Type-Options: nosniff\r
X-Frame-Options: DENY\r
Referrer-Policy: no-referrer\r
Cache-Control: no-store\r
Connection: close\r
";
const MOST: usize = 8 * 1024;
const PATIENCE: Duration = Duration::from_secs(5);
