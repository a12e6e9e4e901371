//! Frames before HTTP/2: `PWA1`, a length of two bytes (big endian), and JSON of at most [`MAX_BYTES`].

use std::{io, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{LinkError, error::Stage};

/// Writes one frame.
pub(crate) async fn write<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), value: &T) -> Result<(), LinkError> {
    let json = serde_json::to_vec(value).map_err(|error| LinkError::io(Stage::Opening, io::Error::other(error)))?;
    let length = u16::try_from(json.len()).ok().filter(|_| json.len() <= MAX_BYTES);
    let length = length.ok_or_else(|| LinkError::io(Stage::Opening, io::Error::other("the opening is too long")))?;
    let mut bytes = Vec::with_capacity(json.len() + 6);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&json);
    let sent = async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    };
    match timeout(PATIENCE, sent).await {
        Ok(sent) => sent.map_err(|error| LinkError::io(Stage::Opening, error)),
        Err(_) => Err(LinkError::TimedOut(Stage::Opening)),
    }
}

/// Reads one frame.
pub(crate) async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> Result<T, LinkError> {
    match timeout(PATIENCE, read_bytes(stream)).await {
        Ok(Ok(json)) => serde_json::from_slice(&json).map_err(|error| LinkError::Garbled(error.to_string())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(LinkError::TimedOut(Stage::Opening)),
    }
}

async fn read_bytes(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, LinkError> {
    let io = |error| LinkError::io(Stage::Opening, error);
    let mut head = [0_u8; 6];
    stream.read_exact(&mut head).await.map_err(io)?;
    let [m0, m1, m2, m3, high, low] = head;
    if [m0, m1, m2, m3] != *MAGIC {
        let shown: String = head.iter().map(|byte| char::from(*byte).escape_default().to_string()).collect();
        return Err(LinkError::NotALink(shown));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_BYTES {
        return Err(LinkError::Garbled(format!("it announces {length} bytes; at most {MAX_BYTES} are read")));
    }
    let mut json = vec![0; length];
    stream.read_exact(&mut json).await.map_err(io)?;
    Ok(json)
}

const MAGIC: &[u8; 4] = b"PWA1";
/// A certificate of an RSA key with its signature fits in; nothing that anybody needs is longer.
const MAX_BYTES: usize = 8 * 1024;
/// Who has done a handshake says what it wants at once.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_frame_is_read_as_it_was_written() {
        let (mut one, mut other) = tokio::io::duplex(64 * 1024);
        write(&mut one, &"hello").await.unwrap();
        assert_eq!(read::<String>(&mut other).await.unwrap(), "hello");
    }

    #[tokio::test]
    async fn what_is_no_frame_is_said_to_be_none() {
        for (bytes, expected) in [
            (&b"HTTP/1.0 400 Bad Request\r\n\r\n"[..], "HTTP/1"),
            (b"PWA1\xff\xff", "at most"),
            (b"PWA1\x00\x02{]", "key must be a string"),
            (b"PWA1\x00\x05{}", "closed"),
            (b"", "closed"),
        ] {
            let mut stream = bytes;
            let error = read::<serde_json::Map<String, serde_json::Value>>(&mut stream).await.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let long = "a".repeat(MAX_BYTES);
        assert!(write(&mut Vec::new(), &long).await.is_err());
    }
}
