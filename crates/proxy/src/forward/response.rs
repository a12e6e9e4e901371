//! A response on its way to the client: how much of its body is still to come.

use crate::h1::{
    chunked::{ChunkError, Decoder, Step},
    length::BodyLength,
    trailers::Trailers,
};

/// Is what is known of a response's body while it comes.
#[derive(Debug)]
pub(super) enum ResponseBody {
    /// So many bytes more.
    Exact(u64),
    /// Chunks; of the one that was begun, so many bytes lie at the start of the buffer.
    Chunked { decoder: Decoder, ready: usize },
    /// Whatever comes until the upstream closes.
    UntilClose,
}

/// Says what comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes of framing, then so many of data, which must be taken with [`ResponseBody::took`].
    Data { skip: usize, len: usize },
    /// So many bytes were framing and are used; more must be read.
    More { used: usize },
    /// So many bytes were framing; then the body ended.
    End { used: usize, trailers: Trailers },
}

impl ResponseBody {
    pub(super) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::None => Self::Exact(0),
            BodyLength::Exact(bytes) => Self::Exact(bytes),
            BodyLength::Chunked => Self::Chunked { decoder: Decoder::new(), ready: 0 },
            BodyLength::UntilClose => Self::UntilClose,
        }
    }

    /// Looks at what was read and not yet taken.
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Next, ChunkError> {
        match self {
            Self::Exact(0) => Ok(Next::End { used: 0, trailers: Trailers::default() }),
            Self::UntilClose | Self::Exact(_) if input.is_empty() => Ok(Next::More { used: 0 }),
            Self::Exact(left) => {
                Ok(Next::Data { skip: 0, len: input.len().min(usize::try_from(*left).unwrap_or(usize::MAX)) })
            }
            Self::UntilClose => Ok(Next::Data { skip: 0, len: input.len() }),
            Self::Chunked { ready, .. } if *ready > 0 => Ok(Next::Data { skip: 0, len: *ready }),
            Self::Chunked { decoder, ready } => match decoder.step(input)? {
                Step::More => Ok(Next::More { used: input.len() }),
                Step::Data { skip, len } => {
                    *ready = len;
                    Ok(Next::Data { skip, len })
                }
                Step::End { used } => Ok(Next::End { used, trailers: decoder.trailers() }),
            },
        }
    }

    /// Counts data that the client's side took.
    pub(super) fn took(&mut self, bytes: usize) {
        match self {
            Self::Exact(left) => *left -= bytes as u64,
            Self::Chunked { ready, .. } => *ready -= bytes,
            Self::UntilClose => {}
        }
    }

    /// How much to read at once.
    ///
    /// Of a body of known length it is one byte more than that: a read that is not filled tells that the socket is empty,
    /// which saves the next request a look, and a byte too many is found out.
    pub(super) fn read_size(&self, window: usize) -> usize {
        match self {
            Self::Exact(left) => usize::try_from(*left).unwrap_or(usize::MAX).saturating_add(1).min(window),
            Self::Chunked { .. } | Self::UntilClose => window,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Feeds a body in pieces, takes at most `bite` bytes at once, and gives what came out and whether it ended.
    fn read(length: BodyLength, pieces: &[&[u8]], bite: usize) -> (Vec<u8>, bool) {
        let (mut body, mut out) = (ResponseBody::new(length), Vec::new());
        for piece in pieces {
            let mut input = *piece;
            loop {
                match body.next(input).unwrap() {
                    Next::Data { skip, len } => {
                        let taken = len.min(bite);
                        out.extend_from_slice(&input[skip..skip + taken]);
                        input = &input[skip + taken..];
                        body.took(taken);
                    }
                    Next::More { .. } => break,
                    Next::End { .. } => return (out, true),
                }
            }
        }
        (out, false)
    }

    #[test]
    fn a_body_is_read_to_its_end_and_no_further() {
        let chunked: &[u8] = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\nNEXT";
        for bite in [1, 2, 100] {
            for (length, input, expected) in [
                (BodyLength::None, &b"xyz"[..], (&b""[..], true)),
                (BodyLength::Exact(0), b"xyz", (b"", true)),
                (BodyLength::Exact(2), b"xyz", (b"xy", true)),
                (BodyLength::Exact(4), b"xyz", (b"xyz", false)),
                (BodyLength::UntilClose, b"xyz", (b"xyz", false)),
                (BodyLength::Chunked, chunked, (b"abcdefg", true)),
            ] {
                let (bytes, ended) = read(length, &[input], bite);
                assert_eq!((&bytes[..], ended), expected, "{length:?} in bites of {bite}");
                for cut in 0..=input.len() {
                    let (bytes, ended) = read(length, &[&input[..cut], &input[cut..]], bite);
                    assert_eq!((&bytes[..], ended), expected, "{length:?} cut at {cut} in bites of {bite}");
                }
            }
        }
    }
}
