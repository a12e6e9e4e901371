//! rustls without buffers of its own: a session looks at bytes that came in, and says what to do.

use std::io;

use rustls::{
    CommonState,
    client::{ClientConnectionData, UnbufferedClientConnection},
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedConnectionCommon, UnbufferedStatus},
};

use super::buffer;

/// Is the TLS state machine of one connection: keys, sequence numbers, and no bytes.
// A session is always inside the one box of its connection.
#[allow(clippy::large_enum_variant, reason = "it is boxed where it is kept")]
pub(crate) enum Session {
    /// We are the server.
    Server(UnbufferedServerConnection),
    /// We are the client.
    Client(UnbufferedClientConnection),
}

/// Says where a session stands after it looked at what came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Bytes of the input that are done with, from its start.
    pub(super) consumed: usize,
    /// Whether the handshake needs more bytes.
    pub(super) handshaking: bool,
    /// Whether the peer has said that nothing more comes.
    pub(super) peer_closed: bool,
}

impl Session {
    /// What was negotiated.
    pub(crate) fn facts(&self) -> &CommonState {
        match self {
            Self::Server(session) => session,
            Self::Client(session) => session,
        }
    }

    /// Reads every complete record of `input`: what applications sent goes to `opened`, what TLS itself has to say to `sealed`.
    ///
    /// After an error `sealed` holds the alert for the peer, and the session is of no more use.
    /// Neither buffer is given memory unless there is something for it.
    pub(super) fn advance(
        &mut self,
        input: &mut [u8],
        opened: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Progress, rustls::Error> {
        match self {
            Self::Server(session) => advance(session, ServerSide::process_tls_records, input, opened, sealed),
            Self::Client(session) => advance(session, ClientSide::process_tls_records, input, opened, sealed),
        }
    }

    /// Seals `bytes` into `out` at `at` and gives the end of the records; `out` grows where it must.
    ///
    /// `input` is the part of a record that has come in so far.
    pub(super) fn seal(
        &mut self,
        input: &mut [u8],
        bytes: &[u8],
        out: &mut Vec<u8>,
        at: usize,
    ) -> Result<usize, SealError> {
        match self {
            Self::Server(session) => encrypt(session, ServerSide::process_tls_records, input, Some(bytes), out, at),
            Self::Client(session) => encrypt(session, ClientSide::process_tls_records, input, Some(bytes), out, at),
        }
    }

    /// Seals a `close_notify` likewise.
    pub(super) fn seal_goodbye(&mut self, input: &mut [u8], out: &mut Vec<u8>, at: usize) -> Result<usize, SealError> {
        match self {
            Self::Server(session) => encrypt(session, ServerSide::process_tls_records, input, None, out, at),
            Self::Client(session) => encrypt(session, ClientSide::process_tls_records, input, None, out, at),
        }
    }
}

/// Says why nothing more can be sent on a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("the TLS session is not in a state to send")]
    NotOpen,
    #[error("the keys of the TLS session have been used as often as is safe")]
    Exhausted,
    #[error("the TLS session is broken")]
    Broken(#[source] rustls::Error),
}

impl From<SealError> for io::Error {
    fn from(error: SealError) -> Self {
        Self::new(io::ErrorKind::BrokenPipe, error)
    }
}

type ServerSide = UnbufferedConnectionCommon<ServerConnectionData>;
type ClientSide = UnbufferedConnectionCommon<ClientConnectionData>;

fn advance<D>(
    session: &mut UnbufferedConnectionCommon<D>,
    process: impl for<'c, 'i> Fn(&'c mut UnbufferedConnectionCommon<D>, &'i mut [u8]) -> UnbufferedStatus<'c, 'i, D>,
    input: &mut [u8],
    opened: &mut Vec<u8>,
    sealed: &mut Vec<u8>,
) -> Result<Progress, rustls::Error> {
    let mut progress = Progress::default();
    let mut failed = None;
    loop {
        // After an error only the alert is fetched; rustls must not look at the input again.
        if !session.wants_write()
            && let Some(error) = failed
        {
            return Err(error);
        }
        let rest = input.get_mut(progress.consumed..).unwrap_or_default();
        let UnbufferedStatus { mut discard, state } = process(session, rest);
        match state {
            Err(error) if failed.is_none() => failed = Some(error),
            Err(error) => return Err(failed.unwrap_or(error)),
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                // Asked with no room, it says how much it needs.
                if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                    let at = sealed.len();
                    if sealed.capacity() == 0 {
                        *sealed = buffer::take();
                    }
                    sealed.resize(at + size.required_size, 0);
                    let written = data.encode(&mut sealed[at..]).unwrap_or(0);
                    sealed.truncate(at + written);
                }
            }
            Ok(ConnectionState::TransmitTlsData(transmitted)) => transmitted.done(),
            _ if failed.is_some() => return Err(failed.unwrap_or(rustls::Error::HandshakeNotComplete)),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    if opened.capacity() == 0 {
                        *opened = buffer::take();
                    }
                    opened.extend_from_slice(record.payload);
                    discard += record.discard;
                }
            }
            Ok(ConnectionState::PeerClosed) => progress.peer_closed = true,
            Ok(ConnectionState::BlockedHandshake) => progress.handshaking = true,
            Ok(ConnectionState::WriteTraffic(_) | ConnectionState::Closed) => {
                progress.consumed += discard;
                return Ok(progress);
            }
            // Early data is off on both sides, and there is no other state.
            Ok(_) => return Err(rustls::Error::General("a TLS state that Portward does not know of".into())),
        }
        progress.consumed += discard;
        if progress.handshaking {
            return Ok(progress);
        }
    }
}

fn encrypt<D>(
    session: &mut UnbufferedConnectionCommon<D>,
    process: impl for<'c, 'i> Fn(&'c mut UnbufferedConnectionCommon<D>, &'i mut [u8]) -> UnbufferedStatus<'c, 'i, D>,
    input: &mut [u8],
    bytes: Option<&[u8]>,
    out: &mut Vec<u8>,
    mut at: usize,
) -> Result<usize, SealError> {
    // Each turn either ends, or has rustls say one more thing of its own first.
    loop {
        match process(session, input).state.map_err(SealError::Broken)? {
            ConnectionState::WriteTraffic(mut traffic) => loop {
                let room = out.get_mut(at..).unwrap_or_default();
                let written = match bytes {
                    Some(bytes) => traffic.encrypt(bytes, room),
                    None => traffic.queue_close_notify(room),
                };
                match written {
                    Ok(written) => return Ok(at + written),
                    Err(EncryptError::InsufficientSize(size)) if out.len() < at + size.required_size => {
                        out.resize(at + size.required_size, 0);
                    }
                    Err(EncryptError::InsufficientSize(_)) => return Err(SealError::NotOpen),
                    Err(EncryptError::EncryptExhausted) => return Err(SealError::Exhausted),
                }
            },
            ConnectionState::EncodeTlsData(mut data) => {
                if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
                    if out.len() < at + size.required_size {
                        out.resize(at + size.required_size, 0);
                    }
                    at += data.encode(&mut out[at..]).unwrap_or(0);
                }
            }
            ConnectionState::TransmitTlsData(transmitted) => transmitted.done(),
            _ => return Err(SealError::NotOpen),
        }
    }
}
