//! Where a message ends: the one place that decides it, for requests and responses (RFC 9112, section 6).

use super::Version;
use super::downgrade::Stream;
use super::request::Asked;
use super::response;
use super::text::{list, trim};

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body and nothing announces one.
    None,
    /// Exactly so many bytes, as `Content-Length` said; zero is a body that was announced and is empty.
    Exact(u64),
    /// Chunks up to the last chunk and the trailers.
    Chunked,
    /// All bytes until the upstream closes: responses only.
    UntilClose,
}

/// What can be wrong with the framing of a message, in a request or a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LengthFault {
    RepeatedContentLength,
    InvalidContentLength,
    Both,
    RepeatedTransferEncoding,
    InvalidTransferEncoding,
    UnknownTransferCoding,
    TransferEncodingInHttp10,
    /// A body is announced where there is none.
    BodyNotAllowed,
}

/// The framing headers of one message, gathered while its headers are walked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing<'a> {
    content_length: Option<&'a [u8]>,
    transfer_encoding: Option<&'a [u8]>,
}

impl<'a> Framing<'a> {
    /// Takes a `Content-Length` header in. A second one is refused even if it says the same (RFC 9112, section 6.3,
    /// would let us take it; a front door that does is one half of an attack).
    pub(super) fn content_length(&mut self, value: &'a [u8]) -> Result<(), LengthFault> {
        match self.content_length.replace(value) {
            None => Ok(()),
            Some(_) => Err(LengthFault::RepeatedContentLength),
        }
    }

    /// Takes a `Transfer-Encoding` header in.
    pub(super) fn transfer_encoding(&mut self, value: &'a [u8]) -> Result<(), LengthFault> {
        match self.transfer_encoding.replace(value) {
            None => Ok(()),
            Some(_) => Err(LengthFault::RepeatedTransferEncoding),
        }
    }

    /// Decides the length of a request's body.
    pub(super) fn of_request(&self, version: Version) -> Result<BodyLength, LengthFault> {
        match self.announced(version)? {
            Announced::Nothing => Ok(BodyLength::None),
            Announced::Length(bytes) => Ok(BodyLength::Exact(bytes)),
            Announced::Chunks => Ok(BodyLength::Chunked),
        }
    }

    /// Decides the length of an HTTP/2 request's body: `Content-Length` if there is one, else until the stream ends.
    pub(super) fn of_http2_request(&self, stream: Stream) -> Result<BodyLength, LengthFault> {
        match (self.announced(Version::Http2)?, stream) {
            (Announced::Length(0), Stream::Ended) => Ok(BodyLength::Exact(0)),
            (Announced::Length(_), Stream::Ended) => Err(LengthFault::BodyNotAllowed),
            (_, Stream::Ended) => Ok(BodyLength::None),
            (Announced::Length(bytes), Stream::Open) => Ok(BodyLength::Exact(bytes)),
            (_, Stream::Open) => Ok(BodyLength::Chunked),
        }
    }

    /// Decides the length of a response's body, and what its `Content-Length` said.
    ///
    /// The framing is checked also where it means nothing, because who got it wrong there gets it wrong elsewhere.
    pub(super) fn of_response(
        &self,
        version: Version,
        status: u16,
        asked: Asked,
    ) -> Result<(BodyLength, Option<u64>, Announced), LengthFault> {
        let announced = self.announced(version)?;
        let said = match announced {
            Announced::Length(bytes) => Some(bytes),
            _ => None,
        };
        let body = match (status, announced) {
            (100..=199, Announced::Nothing | Announced::Length(0)) => BodyLength::None,
            (100..=199, _) => return Err(LengthFault::BodyNotAllowed),
            (204 | 304, _) => BodyLength::None,
            _ if asked.head => BodyLength::None,
            (_, Announced::Length(bytes)) => BodyLength::Exact(bytes),
            (_, Announced::Chunks) => BodyLength::Chunked,
            (_, Announced::Nothing) => BodyLength::UntilClose,
        };
        Ok((body, said, announced))
    }

    /// Decides the length of an HTTP/2 response's body likewise: `Content-Length` if there is one, else until the stream
    /// ends. One that has ended with its head has nothing, and HTTP/1.1 clients are told so.
    pub(super) fn of_http2_response(
        &self,
        status: u16,
        asked: Asked,
        stream: response::Stream,
    ) -> Result<(BodyLength, Option<u64>), LengthFault> {
        let (body, said, _) = self.of_response(Version::Http2, status, asked)?;
        let body = match (body, stream) {
            (BodyLength::Exact(1..), response::Stream::Ended) => return Err(LengthFault::BodyNotAllowed),
            (BodyLength::UntilClose, response::Stream::Ended) => BodyLength::Exact(0),
            // To its end, whatever becomes of the connection.
            (BodyLength::UntilClose, response::Stream::Open) => BodyLength::Chunked,
            (body, _) => body,
        };
        Ok((body, said))
    }

    fn announced(&self, version: Version) -> Result<Announced, LengthFault> {
        match (self.transfer_encoding, self.content_length) {
            (None, None) => Ok(Announced::Nothing),
            (None, Some(value)) => parse_content_length(value).map(Announced::Length),
            (Some(_), _) if version == Version::Http10 => Err(LengthFault::TransferEncodingInHttp10),
            (Some(_), Some(_)) => Err(LengthFault::Both),
            (Some(value), None) => {
                if value.eq_ignore_ascii_case(b"chunked") {
                    return Ok(Announced::Chunks);
                }
                Err(coding_fault(value))
            }
        }
    }
}

/// What a message says of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    Nothing,
    Length(u64),
    Chunks,
}

/// Reads a `Content-Length`: decimal digits and nothing else, within 64 bits.
pub(super) fn parse_content_length(value: &[u8]) -> Result<u64, LengthFault> {
    if value.is_empty() {
        return Err(LengthFault::InvalidContentLength);
    }
    let mut bytes: u64 = 0;
    for digit in value {
        if !digit.is_ascii_digit() {
            return Err(LengthFault::InvalidContentLength);
        }
        bytes = bytes
            .checked_mul(10)
            .and_then(|bytes| bytes.checked_add(u64::from(digit - b'0')))
            .ok_or(LengthFault::InvalidContentLength)?;
    }
    Ok(bytes)
}

/// Tells unknown codings (RFC 9112, section 6.1: 501) from a chunked coding that is not the only and last one.
fn coding_fault(value: &[u8]) -> LengthFault {
    let known = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let well_formed = value.split(|&byte| byte == b',').all(|coding| super::text::is_token(trim(coding)));
    let chunked = list(value).filter(|coding| known(coding)).count();
    let last = list(value).last().is_some_and(known);
    if !well_formed || chunked > 1 || (chunked == 1 && !last) {
        return LengthFault::InvalidTransferEncoding;
    }
    LengthFault::UnknownTransferCoding
}
