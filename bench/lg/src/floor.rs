//! The floor below every proxy: what a client sends goes to an upstream, and back, in the clear and unread.
//!
//! It reads and writes as a proxy must, by the same four system calls for a request, and does nothing else: no TLS, no
//! HTTP, no limits. So its work per CPU-second is what the kernel leaves to anybody on this machine.
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

/// The token of the listener; those of sockets follow, two for each client: its own, and the one of its upstream.
const LISTENER: Token = Token(0);

/// Listens on `at` and forwards to `upstream`, until the process is ended.
pub fn serve(at: SocketAddr, upstream: SocketAddr) -> std::io::Result<()> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1024));
    let mut listener = TcpListener::bind(at)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut sockets: Vec<Option<TcpStream>> = vec![];
    let mut buf = vec![0; 64 << 10];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    // Connected before it is watched, so that a request that is there already can be written.
                    let to = std::net::TcpStream::connect(upstream)?;
                    to.set_nonblocking(true)?;
                    for mut socket in [client, TcpStream::from_std(to)] {
                        socket.set_nodelay(true)?;
                        poll.registry().register(&mut socket, Token(sockets.len() + 1), Interest::READABLE)?;
                        sockets.push(Some(socket));
                    }
                }
                continue;
            }
            let from = event.token().0 - 1;
            if !forward(&mut sockets, from, &mut buf) {
                sockets[from] = None;
                sockets[from ^ 1] = None;
            }
        }
    }
}

/// Takes what one socket has to the other of its pair; false once either is at its end.
fn forward(sockets: &mut [Option<TcpStream>], from: usize, buf: &mut [u8]) -> bool {
    let Some(source) = &mut sockets[from] else { return true };
    match source.read(buf) {
        Ok(0) => false,
        // Requests and answers of the bench are far smaller than a socket's buffer.
        Ok(n) => sockets[from ^ 1].as_mut().is_some_and(|to| to.write_all(&buf[..n]).is_ok()),
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}
