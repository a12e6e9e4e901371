use super::harness::*;
use super::secure::secured;
use crate::tls::fixture::certificate;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak() {
    let door = Door::open().await;
    let mut client = secured(&door, site(&[door.app.address]), &certificate("c", &["shop.test"])).await;
    client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let mut app = door.app.accept().await;
    let start = std::time::Instant::now();
    let mut round = 0u32;
    while start.elapsed().as_secs() < 60 {
        round += 1;
        let size = ((round as usize).wrapping_mul(2654435761) >> 8) % 9_000_000 + 1;
        app.head().await;
        let chunked = round % 2 == 0; let size = if chunked { size % 100_000 + 1 } else { size };
        let responding = tokio::spawn(async move {
            let body = vec![b'x'; size];
            if chunked {
                app.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                for piece in body.chunks(70_001) { app.write(format!("{:x}\r\n", piece.len()).as_bytes()).await; app.write(piece).await; app.write(b"\r\n").await; }
                app.write(b"0\r\n\r\n").await;
            } else {
                app.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await;
                app.write(&body).await;
            }
            app
        });
        client.head().await;
        if chunked { client.until("0\r\n\r\n").await; } else { client.take(size).await; }
        app = responding.await.unwrap();
        // and up
        let size = size / 2 + 1;
        let up = tokio::spawn(async move {
            let body = vec![b'y'; size];
            if chunked {
                client.write(b"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                for piece in body.chunks(33_333) { client.write(format!("{:x}\r\n", piece.len()).as_bytes()).await; client.write(piece).await; client.write(b"\r\n").await; }
                client.write(b"0\r\n\r\n").await;
            } else {
                client.write(format!("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {size}\r\n\r\n").as_bytes()).await;
                client.write(&body).await;
            }
            client
        });
        app.head().await;
        if chunked { app.until("0\r\n\r\n").await; } else { app.take(size).await; }
        app.write(b"HTTP/1.1 204 No Content\r\n\r\n").await;
        client = up.await.unwrap();
        client.head().await;
        client.write(b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    }
    eprintln!("{round} rounds");
}
