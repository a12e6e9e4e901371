//! Chunked bodies: a strict incremental decoder and the encoder (RFC 9112, section 7.1).
//!
//! The decoder takes hexadecimal digits, an optional extension, CR LF, the data, CR LF, and nothing else: no spaces
//! around a size, no LF alone, no folded trailers.

use super::limits::{CHUNK_EXTENSION_BYTES, CHUNK_EXTENSIONS_BYTES, TRAILER_BYTES, TRAILERS_MAX};
use super::lines::header_fault;
use super::text::trim;
use super::trailers::Trailers;

#[cfg(test)]
mod tests;

/// A decoder of one chunked body, fed with bytes as they come.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    /// The extension bytes of this chunk and of all chunks so far.
    extension_bytes: usize,
    extensions_bytes: usize,
    /// The trailer line that is being read.
    line: Vec<u8>,
    trailer_bytes: usize,
    trailer_lines: usize,
    trailers: Trailers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u8, bytes: u64 },
    Extension { bytes: u64 },
    SizeLf { bytes: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    Ended,
}

/// What a [`Decoder`] found at the start of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The whole input was framing; more bytes are needed.
    More,
    /// Body bytes: `input[skip..skip + len]`. Go on after them.
    Data {
        /// The bytes of framing in front of the data.
        skip: usize,
        /// The bytes of data, at least one.
        len: usize,
    },
    /// The body ended: `input[used..]` belongs to the next message.
    End {
        /// The bytes of framing that were left.
        used: usize,
    },
}

/// Tells why a chunked body cannot be read. The connection that it came on must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum ChunkError {
    #[error("the size of a chunk is not a hexadecimal number")]
    InvalidSize,
    #[error("the size of a chunk has more than 16 digits")]
    SizeTooLarge,
    #[error("a chunk extension has a control character")]
    InvalidExtension,
    #[error("the chunk extensions are longer than the limit")]
    ExtensionTooLong,
    #[error("a line of the chunked body does not end with CR LF")]
    InvalidLineEnd,
    #[error("the data of a chunk is not followed by CR LF")]
    MissingDataEnd,
    #[error("a trailer is not a header line")]
    InvalidTrailer,
    #[error("the trailers are larger than the limit")]
    TrailersTooLarge,
}

impl ChunkError {
    /// Tells the stable name of the fault, for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidSize => "chunk-invalid-size",
            Self::SizeTooLarge => "chunk-size-too-large",
            Self::InvalidExtension => "chunk-invalid-extension",
            Self::ExtensionTooLong => "chunk-extension-too-long",
            Self::InvalidLineEnd => "chunk-invalid-line-end",
            Self::MissingDataEnd => "chunk-missing-data-end",
            Self::InvalidTrailer => "chunk-invalid-trailer",
            Self::TrailersTooLarge => "chunk-trailers-too-large",
        }
    }
}

impl Decoder {
    /// Makes a decoder at the start of a body.
    pub fn new() -> Self {
        Self {
            state: State::Size { digits: 0, bytes: 0 },
            extension_bytes: 0,
            extensions_bytes: 0,
            line: Vec::new(),
            trailer_bytes: 0,
            trailer_lines: 0,
            trailers: Trailers::default(),
        }
    }

    /// Reads the start of `input`; see [`Step`] for how much of it was used. After an error it must not be called
    /// again.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, ChunkError> {
        let mut at = 0;
        loop {
            if let State::Data { left } = self.state {
                let here = input.len() - at;
                if here == 0 {
                    return Ok(Step::More);
                }
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(here);
                let left = left - len as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data { left } };
                return Ok(Step::Data { skip: at, len });
            }
            if self.state == State::Ended {
                return Ok(Step::End { used: at });
            }
            let Some(&byte) = input.get(at) else { return Ok(Step::More) };
            at += 1;
            self.state = self.framing_byte(byte)?;
        }
    }

    /// Tells whether the body has ended.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes the trailers out; they are complete after [`Step::End`].
    pub fn trailers(&mut self) -> Trailers {
        std::mem::take(&mut self.trailers)
    }

    fn framing_byte(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size { digits, bytes } => match (byte, char::from(byte).to_digit(16)) {
                (_, Some(_)) if digits == SIZE_DIGITS => Err(ChunkError::SizeTooLarge),
                (_, Some(digit)) => Ok(State::Size { digits: digits + 1, bytes: bytes << 4 | u64::from(digit) }),
                _ if digits == 0 => Err(ChunkError::InvalidSize),
                (b'\r', _) => Ok(State::SizeLf { bytes }),
                (b';', _) => {
                    self.extension_bytes = 0;
                    Ok(State::Extension { bytes })
                }
                _ => Err(ChunkError::InvalidSize),
            },
            State::Extension { bytes } => match byte {
                b'\r' => Ok(State::SizeLf { bytes }),
                b'\n' => Err(ChunkError::InvalidLineEnd),
                b'\t' | b' '..=b'~' => {
                    self.extension_bytes += 1;
                    self.extensions_bytes += 1;
                    if self.extension_bytes > CHUNK_EXTENSION_BYTES || self.extensions_bytes > CHUNK_EXTENSIONS_BYTES {
                        return Err(ChunkError::ExtensionTooLong);
                    }
                    Ok(self.state)
                }
                _ => Err(ChunkError::InvalidExtension),
            },
            State::SizeLf { bytes } => match (byte, bytes) {
                (b'\n', 0) => Ok(State::TrailerStart),
                (b'\n', left) => Ok(State::Data { left }),
                _ => Err(ChunkError::InvalidLineEnd),
            },
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size { digits: 0, bytes: 0 }),
            State::DataCr | State::DataLf => Err(ChunkError::MissingDataEnd),
            State::TrailerStart if byte == b'\r' => Ok(State::EndLf),
            State::TrailerStart | State::Trailer => match byte {
                b'\r' => Ok(State::TrailerLf),
                b'\n' => Err(ChunkError::InvalidLineEnd),
                _ => {
                    self.trailer_bytes += 1;
                    if self.trailer_bytes > TRAILER_BYTES {
                        return Err(ChunkError::TrailersTooLarge);
                    }
                    self.line.push(byte);
                    Ok(State::Trailer)
                }
            },
            State::TrailerLf if byte == b'\n' => {
                self.trailer_line()?;
                Ok(State::TrailerStart)
            }
            State::EndLf if byte == b'\n' => Ok(State::Ended),
            State::TrailerLf | State::EndLf => Err(ChunkError::InvalidLineEnd),
            // `step` does not come here with these.
            State::Data { .. } | State::Ended => Ok(self.state),
        }
    }

    fn trailer_line(&mut self) -> Result<(), ChunkError> {
        self.trailer_lines += 1;
        if self.trailer_lines > TRAILERS_MAX {
            return Err(ChunkError::TrailersTooLarge);
        }
        if header_fault(&self.line, true).is_some() {
            return Err(ChunkError::InvalidTrailer);
        }
        let mut parts = self.line.splitn(2, |&byte| byte == b':');
        let name = parts.next().and_then(|name| std::str::from_utf8(name).ok());
        if let (Some(name), Some(value)) = (name, parts.next()) {
            self.trailers.push(name, trim(value));
        }
        self.line.clear();
        Ok(())
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// How far [`recode`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recoded {
    /// All of the input was used and the body goes on.
    More,
    /// The body ended after so many bytes of the input.
    End {
        /// The bytes used.
        used: usize,
    },
}

/// Checks `input` and appends it to `out` in chunks of our own, without extensions.
///
/// The last chunk and the trailers are written too; trailers that may not be passed on are dropped.
pub fn recode(decoder: &mut Decoder, input: &[u8], out: &mut Vec<u8>) -> Result<Recoded, ChunkError> {
    let mut at = 0;
    loop {
        match decoder.step(&input[at..])? {
            Step::More => return Ok(Recoded::More),
            Step::Data { skip, len } => {
                write_chunk(&input[at + skip..at + skip + len], out);
                at += skip + len;
            }
            Step::End { used } => {
                write_end(&decoder.trailers(), out);
                return Ok(Recoded::End { used: at + used });
            }
        }
    }
}

/// Appends one chunk; nothing for no data, because an empty chunk would end the body.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    write_size(data.len(), out);
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// Appends the line in front of a chunk of so many bytes, at least one, whose data is written separately; CR LF must
/// follow the data.
pub fn write_size(bytes: usize, out: &mut Vec<u8>) {
    let digits = (usize::BITS - bytes.leading_zeros()).div_ceil(4).max(1);
    for at in (0..digits).rev() {
        out.push(HEX[bytes >> (4 * at) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailers.
pub fn write_end(trailers: &Trailers, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    trailers.write(out);
    out.extend_from_slice(b"\r\n");
}

const HEX: [u8; 16] = *b"0123456789abcdef";

/// 16 hexadecimal digits are 64 bits.
const SIZE_DIGITS: u8 = 16;
