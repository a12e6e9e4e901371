//! HTTP/2 by hand (RFC 9113 section 4), so that it can be done badly.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// `:status: 200` (RFC 7541 appendix A).
pub(crate) const OK: &[u8] = &[0x88];

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

pub(crate) fn window_update(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// The head of a call, without what frames it.
pub(crate) fn call(name: &str) -> Vec<u8> {
    let text = |prefix: u8, value: &str| [&[prefix, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [vec![0x83, 0x87], text(0x04, &format!("/v1/{name}")), text(0x01, "agent.invalid")].concat()
}

/// A header that is not indexed.
pub(crate) fn header(name: &str, value: &str) -> Vec<u8> {
    let length = value.len();
    let mut bytes = [&[0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).unwrap());
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes
}

/// Begins as a client does; as a server it is the same without the preface.
pub(crate) async fn begin_as_client(stream: &mut (impl AsyncWrite + Unpin)) {
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(SETTINGS, ACK, 0, &[])].concat()).await.unwrap();
    stream.flush().await.unwrap();
}

pub(crate) async fn begin_as_server(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(preface, PREFACE);
    stream.write_all(&[frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])].concat()).await.unwrap();
    stream.flush().await.unwrap();
}

/// The next frame: its kind, flags, stream and payload; none if the other side has closed.
pub(crate) async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

/// The stream of the next call that comes in.
pub(crate) async fn next_call(stream: &mut (impl AsyncRead + Unpin)) -> u32 {
    loop {
        let (kind, _, id, _) = next(stream).await.unwrap();
        if kind == HEADERS {
            return id;
        }
    }
}
