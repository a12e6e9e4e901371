//! What two processes say to each other while one takes over: messages in JSON, each with its length before it, and
//! sockets.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The variable that tells a process to take over, and where the other one is.
pub(super) const VARIABLE: &str = "PORTWARD_HANDOVER";
/// The other one is at the other end of standard input, which programs inherit without further ado.
pub(super) const ON_STDIN: &str = "stdin";

/// Is what the new process says first, before it opens anything.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    /// The newest form of the store that it knows.
    pub(super) store_form: i32,
}

/// Is what the old one gives; the lock of the store, the loopback listener, the admin socket and the sockets of
/// `listeners` follow it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) listeners: Vec<GivenListener>,
}

/// Is a socket of a binding.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GivenListener {
    /// The binding.
    pub(super) binding: Option<String>,
    /// Whether systemd keeps it open, too.
    pub(super) is_shared: bool,
}

/// Says that everything is served by the new process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {}

/// Sends a message.
pub(super) fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&text)
}

/// Receives a message.
pub(super) fn receive<T: DeserializeOwned>(stream: &mut UnixStream) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Sends sockets, some with each byte (unix(7), `SCM_RIGHTS`).
pub(super) fn send_sockets(stream: &UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    for some in sockets.chunks(AT_ONCE) {
        let some: Vec<_> = some.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&some)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(stream, &[IoSlice::new(b"s")], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Receives that many sockets.
pub(super) fn receive_sockets(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let received = recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let before = sockets.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                sockets.extend(some);
            }
        }
        if received.bytes == 0 || sockets.len() == before {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "sockets are missing"));
        }
    }
    Ok(sockets)
}

/// Sockets that travel with one byte; the kernel takes 253.
const AT_ONCE: usize = 64;
/// Names of bindings are short; there is no machine with as many as this has room for.
const LONGEST: u32 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn messages_and_many_sockets_arrive_in_order() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        let sockets: Vec<_> = (0..AT_ONCE * 2 + 3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        send(&mut one, &Hello { store_form: 7 }).unwrap();
        send_sockets(&one, &sockets.into_iter().map(OwnedFd::from).collect::<Vec<_>>()).unwrap();
        send(&mut one, &Ready {}).unwrap();
        assert_eq!(receive::<Hello>(&mut other).unwrap().store_form, 7);
        let received = receive_sockets(&other, addresses.len()).unwrap();
        let received: Vec<_> =
            received.into_iter().map(|socket| TcpListener::from(socket).local_addr().unwrap()).collect();
        assert_eq!(received, addresses);
        receive::<Ready>(&mut other).unwrap();
        drop(one);
        assert!(receive::<Ready>(&mut other).is_err());
        assert!(receive_sockets(&other, 1).is_err());
    }

    #[test]
    fn a_message_that_has_no_end_is_not_waited_for() {
        let (mut one, mut other) = UnixStream::pair().unwrap();
        one.write_all(&u32::MAX.to_be_bytes()).unwrap();
        assert_eq!(receive::<Ready>(&mut other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
