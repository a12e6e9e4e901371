//! Why a message is refused: one closed list for requests, one for responses.

use super::chunked::ChunkError;
use super::headers::InvalidConnection;
use super::length::LengthFault;
use super::lines::LineFault;

/// Tells why a request is refused. It is always the client's fault, and the connection ends with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum Refusal {
    #[error("the first line of the request is not `METHOD target HTTP/1.1`")]
    InvalidRequestLine,
    #[error("the request's method is not a token")]
    InvalidMethod,
    #[error("the request's target is neither a path nor an http URL of visible ASCII characters")]
    InvalidTarget,
    #[error("the request's target is longer than the limit")]
    TargetTooLong,
    #[error("the request's path can be read in two ways that lead to different applications")]
    AmbiguousPath,
    #[error("the request's version of HTTP is not 1.0 or 1.1")]
    UnsupportedVersion,
    #[error("CONNECT is not supported: Portward is not a forward proxy")]
    ConnectNotSupported,
    #[error("TRACE is not supported: it would show headers that clients do not know of")]
    TraceNotSupported,
    #[error("a line of the request's head ends with LF only")]
    BareLf,
    #[error("a line of the request's head has a CR that no LF follows")]
    BareCr,
    #[error("the request's head has a NUL byte")]
    Nul,
    #[error("a header of the request goes on in a second line")]
    FoldedLine,
    #[error("a header of the request has a space between its name and the colon")]
    SpaceBeforeColon,
    #[error("a header name of the request is not a token")]
    InvalidHeaderName,
    #[error("a header value of the request has a control character")]
    InvalidHeaderValue,
    #[error("the request has more headers than the limit")]
    TooManyHeaders,
    #[error("the request's head is larger than the limit")]
    HeadTooLarge,
    #[error("the request has no Host")]
    MissingHost,
    #[error("the request has more than one Host")]
    DuplicateHost,
    #[error("the request's Host is not a host name or address with an optional port")]
    InvalidHost,
    #[error("the request's Host and the host of its URL or :authority differ")]
    HostMismatch,
    #[error("the request has more than one Content-Length")]
    RepeatedContentLength,
    #[error("the request's Content-Length is not a decimal number below 2^64")]
    InvalidContentLength,
    #[error("the request has both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    #[error("the request has more than one Transfer-Encoding")]
    RepeatedTransferEncoding,
    #[error("the request's Transfer-Encoding does not end with its only `chunked`")]
    InvalidTransferEncoding,
    #[error("the request's Transfer-Encoding is another than `chunked`")]
    UnknownTransferCoding,
    #[error("an HTTP/1.0 request has a Transfer-Encoding")]
    TransferEncodingInHttp10,
    #[error("the request has a Content_Length or Transfer_Encoding, which applications take for the real header")]
    FramingLookAlike,
    #[error("the request's Connection header is not a short list of tokens")]
    InvalidConnection,
    #[error("the request's Upgrade header is repeated or not a list of protocols")]
    InvalidUpgrade,
    #[error("the request's Expect is another than `100-continue`")]
    UnknownExpectation,
    #[error("a header name of the HTTP/2 request has an upper-case letter")]
    UpperCaseName,
    #[error("the HTTP/2 request's :scheme is neither http nor https")]
    InvalidScheme,
    #[error("the HTTP/2 request has a header that belongs to HTTP/1 connections")]
    ConnectionHeaderInHttp2,
    #[error("the HTTP/2 request's TE is another than `trailers`")]
    InvalidTe,
    #[error("the HTTP/2 request announces a body and ends without one")]
    BodyMismatch,
    #[error("the request's body cannot be read: {0}")]
    InvalidBody(ChunkError),
}

impl Refusal {
    /// Tells the HTTP status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::TargetTooLong => 414,
            Self::UnknownExpectation => 417,
            Self::TooManyHeaders | Self::HeadTooLarge => 431,
            Self::ConnectNotSupported | Self::TraceNotSupported | Self::UnknownTransferCoding => 501,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }

    /// Tells the stable name of the refusal, for logs, metrics and answers.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequestLine => "invalid-request-line",
            Self::InvalidMethod => "invalid-method",
            Self::InvalidTarget => "invalid-target",
            Self::TargetTooLong => "target-too-long",
            Self::AmbiguousPath => "ambiguous-path",
            Self::UnsupportedVersion => "unsupported-version",
            Self::ConnectNotSupported => "connect-not-supported",
            Self::TraceNotSupported => "trace-not-supported",
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::Nul => "nul",
            Self::FoldedLine => "folded-line",
            Self::SpaceBeforeColon => "space-before-colon",
            Self::InvalidHeaderName => "invalid-header-name",
            Self::InvalidHeaderValue => "invalid-header-value",
            Self::TooManyHeaders => "too-many-headers",
            Self::HeadTooLarge => "head-too-large",
            Self::MissingHost => "missing-host",
            Self::DuplicateHost => "duplicate-host",
            Self::InvalidHost => "invalid-host",
            Self::HostMismatch => "host-mismatch",
            Self::RepeatedContentLength => "repeated-content-length",
            Self::InvalidContentLength => "invalid-content-length",
            Self::LengthAndEncoding => "length-and-encoding",
            Self::RepeatedTransferEncoding => "repeated-transfer-encoding",
            Self::InvalidTransferEncoding => "invalid-transfer-encoding",
            Self::UnknownTransferCoding => "unknown-transfer-coding",
            Self::TransferEncodingInHttp10 => "transfer-encoding-in-http-1-0",
            Self::FramingLookAlike => "framing-look-alike",
            Self::InvalidConnection => "invalid-connection",
            Self::InvalidUpgrade => "invalid-upgrade",
            Self::UnknownExpectation => "unknown-expectation",
            Self::UpperCaseName => "upper-case-name",
            Self::InvalidScheme => "invalid-scheme",
            Self::ConnectionHeaderInHttp2 => "connection-header-in-http-2",
            Self::InvalidTe => "invalid-te",
            Self::BodyMismatch => "body-mismatch",
            Self::InvalidBody(fault) => fault.code(),
        }
    }
}

/// Tells why a response of an upstream is not passed on. It is always the upstream's fault; the client gets a 502 and
/// the upstream connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what it is")]
pub enum BadResponse {
    #[error("the first line of the response is not `HTTP/1.1 status reason`")]
    InvalidStatusLine,
    #[error("a line of the response's head ends with LF only")]
    BareLf,
    #[error("a line of the response's head has a CR that no LF follows")]
    BareCr,
    #[error("the response's head has a NUL byte")]
    Nul,
    #[error("a header of the response goes on in a second line")]
    FoldedLine,
    #[error("a header of the response has a space between its name and the colon")]
    SpaceBeforeColon,
    #[error("a header name of the response is not a token")]
    InvalidHeaderName,
    #[error("a header value of the response has a control character")]
    InvalidHeaderValue,
    #[error("the response has more headers than the limit")]
    TooManyHeaders,
    #[error("the response's head is larger than the limit")]
    HeadTooLarge,
    #[error("the response has more than one Content-Length")]
    RepeatedContentLength,
    #[error("the response's Content-Length is not a decimal number below 2^64")]
    InvalidContentLength,
    #[error("the response has both Content-Length and Transfer-Encoding")]
    LengthAndEncoding,
    #[error("the response has more than one Transfer-Encoding")]
    RepeatedTransferEncoding,
    #[error("the response's Transfer-Encoding does not end with its only `chunked`")]
    InvalidTransferEncoding,
    #[error("the response's Transfer-Encoding is another than `chunked`")]
    UnknownTransferCoding,
    #[error("an HTTP/1.0 response has a Transfer-Encoding")]
    TransferEncodingInHttp10,
    #[error("an interim response announces a body")]
    BodyNotAllowed,
    #[error("the response's Connection header is not a short list of tokens")]
    InvalidConnection,
    #[error("the response switches protocols and the request did not ask for it")]
    UnaskedUpgrade,
    #[error("the response switches protocols without one Upgrade header that names the protocol")]
    InvalidUpgrade,
    #[error("the HTTP/2 response has a header that belongs to HTTP/1 connections")]
    ConnectionHeaderInHttp2,
    #[error("the HTTP/2 response announces a body and ends without one")]
    BodyMismatch,
}

impl BadResponse {
    /// Tells the stable name of the fault, for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidStatusLine => "invalid-status-line",
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::Nul => "nul",
            Self::FoldedLine => "folded-line",
            Self::SpaceBeforeColon => "space-before-colon",
            Self::InvalidHeaderName => "invalid-header-name",
            Self::InvalidHeaderValue => "invalid-header-value",
            Self::TooManyHeaders => "too-many-headers",
            Self::HeadTooLarge => "head-too-large",
            Self::RepeatedContentLength => "repeated-content-length",
            Self::InvalidContentLength => "invalid-content-length",
            Self::LengthAndEncoding => "length-and-encoding",
            Self::RepeatedTransferEncoding => "repeated-transfer-encoding",
            Self::InvalidTransferEncoding => "invalid-transfer-encoding",
            Self::UnknownTransferCoding => "unknown-transfer-coding",
            Self::TransferEncodingInHttp10 => "transfer-encoding-in-http-1-0",
            Self::BodyNotAllowed => "body-not-allowed",
            Self::InvalidConnection => "invalid-connection",
            Self::UnaskedUpgrade => "unasked-upgrade",
            Self::InvalidUpgrade => "invalid-upgrade",
            Self::ConnectionHeaderInHttp2 => "connection-header-in-http-2",
            Self::BodyMismatch => "body-mismatch",
        }
    }
}

impl From<LineFault> for Refusal {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::BareLf => Self::BareLf,
            LineFault::BareCr => Self::BareCr,
            LineFault::Nul => Self::Nul,
            LineFault::Folded => Self::FoldedLine,
            LineFault::SpaceBeforeColon => Self::SpaceBeforeColon,
            LineFault::InvalidName => Self::InvalidHeaderName,
            LineFault::InvalidValue => Self::InvalidHeaderValue,
        }
    }
}

impl From<LengthFault> for Refusal {
    fn from(fault: LengthFault) -> Self {
        match fault {
            LengthFault::RepeatedContentLength => Self::RepeatedContentLength,
            LengthFault::InvalidContentLength => Self::InvalidContentLength,
            LengthFault::Both => Self::LengthAndEncoding,
            LengthFault::RepeatedTransferEncoding => Self::RepeatedTransferEncoding,
            LengthFault::InvalidTransferEncoding => Self::InvalidTransferEncoding,
            LengthFault::UnknownTransferCoding => Self::UnknownTransferCoding,
            LengthFault::TransferEncodingInHttp10 => Self::TransferEncodingInHttp10,
            LengthFault::BodyNotAllowed => Self::BodyMismatch,
        }
    }
}

impl From<InvalidConnection> for Refusal {
    fn from(_: InvalidConnection) -> Self {
        Self::InvalidConnection
    }
}

impl From<LineFault> for BadResponse {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::BareLf => Self::BareLf,
            LineFault::BareCr => Self::BareCr,
            LineFault::Nul => Self::Nul,
            LineFault::Folded => Self::FoldedLine,
            LineFault::SpaceBeforeColon => Self::SpaceBeforeColon,
            LineFault::InvalidName => Self::InvalidHeaderName,
            LineFault::InvalidValue => Self::InvalidHeaderValue,
        }
    }
}

impl From<LengthFault> for BadResponse {
    fn from(fault: LengthFault) -> Self {
        match fault {
            LengthFault::RepeatedContentLength => Self::RepeatedContentLength,
            LengthFault::InvalidContentLength => Self::InvalidContentLength,
            LengthFault::Both => Self::LengthAndEncoding,
            LengthFault::RepeatedTransferEncoding => Self::RepeatedTransferEncoding,
            LengthFault::InvalidTransferEncoding => Self::InvalidTransferEncoding,
            LengthFault::UnknownTransferCoding => Self::UnknownTransferCoding,
            LengthFault::TransferEncodingInHttp10 => Self::TransferEncodingInHttp10,
            LengthFault::BodyNotAllowed => Self::BodyNotAllowed,
        }
    }
}

impl From<InvalidConnection> for BadResponse {
    fn from(_: InvalidConnection) -> Self {
        Self::InvalidConnection
    }
}
