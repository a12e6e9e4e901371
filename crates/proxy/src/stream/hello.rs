//! Looking at a ClientHello before there is a session, for what must be known to make one.

use memchr::memmem;
use rustls::{
    AlertDescription,
    server::{Accepted, Acceptor, ClientHello},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{
    buffer,
    handshake::{BeginError, Caller, read},
    records::INPUT_BYTES,
};
use crate::client_hello::is_in_one_record;

/// Is a client that was listened to and not answered.
pub(crate) struct Heard<T> {
    pub(crate) tcp: TcpStream,
    /// All that it has sent.
    pub(crate) input: Vec<u8>,
    /// What was seen in its ClientHello; none if it has sent none that can be read, or one with none of the words.
    pub(crate) seen: Option<T>,
}

/// Listens until a ClientHello is there, and has `look` look at it if it has one of `words`. The caller limits the time.
///
/// Reading it in full costs a thirtieth of a handshake, and almost no client has a word that anybody looks for. It finds no fault with a client: what is wrong with its hello, or missing, the session finds out that gets the input.
pub(crate) async fn hear<'w, T>(
    Caller { mut tcp, mut input }: Caller,
    mut words: impl Iterator<Item = &'w [u8]>,
    look: impl FnOnce(&ClientHello<'_>) -> T,
) -> Result<Heard<T>, BeginError> {
    let mut acceptor = Acceptor::default();
    let mut before = 0;
    let hello = loop {
        if before == 0 && is_in_one_record(&input) && !words.any(|word| memmem::find(&input, word).is_some()) {
            break None;
        }
        match offer(&mut acceptor, &input[before..]) {
            Offered::Incomplete if input.len() < INPUT_BYTES => {}
            Offered::Incomplete | Offered::Unreadable => break None,
            Offered::Hello(hello) => break Some(hello),
        }
        before = input.len();
        match read(&mut tcp, &mut input).await {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => {
                buffer::give(input);
                return Err(BeginError::Io(error));
            }
        }
    };
    let seen = hello.map(|hello| look(&hello.client_hello()));
    Ok(Heard { tcp, input, seen })
}

/// Says what a part of a client's first words has brought.
enum Offered {
    Incomplete,
    Unreadable,
    Hello(Box<Accepted>),
}

fn offer(acceptor: &mut Acceptor, mut part: &[u8]) -> Offered {
    while !part.is_empty() {
        if acceptor.read_tls(&mut part).is_err() {
            return Offered::Unreadable;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(hello)) => return Offered::Hello(Box::new(hello)),
            Err(_) => return Offered::Unreadable,
        }
    }
    Offered::Incomplete
}

impl<T> Heard<T> {
    /// Answers with an alert, and closes.
    pub(crate) async fn refuse(mut self, alert: AlertDescription) {
        // A record of one fatal alert (RFC 8446 sections 5.1 and 6); before any key is agreed on it is in the clear.
        let record = [21, 3, 3, 0, 2, 2, u8::from(alert)];
        // The alert is a courtesy: whether it arrives changes nothing.
        if self.tcp.write_all(&record).await.is_ok() {
            let _ = self.tcp.shutdown().await;
        }
        buffer::give(self.input);
    }
}
