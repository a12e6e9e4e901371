//! The lines of a head, as strictly as RFC 9112 has them: what httparse lets through is closed here.
//!
//! httparse takes a lone LF for the end of a line, and any number of empty lines in front of a message.

use super::text::{is_token, is_value};

/// What can be wrong with a line of a head, in a request or a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineFault {
    BareLf,
    BareCr,
    Nul,
    Folded,
    SpaceBeforeColon,
    InvalidName,
    InvalidValue,
}

/// Checks that each line of a head that httparse read ends with CR LF.
///
/// Values have no control characters, so the only line ends are those in front of each name and at the end; looking
/// there costs a few comparisons for each header and none for each byte.
#[inline]
pub(super) fn check_line_ends(head: &[u8], headers: &[httparse::Header<'_>]) -> Result<(), LineFault> {
    let start = head.as_ptr() as usize;
    let strict = head.ends_with(b"\r\n\r\n")
        && headers.iter().all(|header| {
            let at = header.name.as_ptr() as usize - start;
            head[..at].ends_with(b"\r\n")
        });
    if strict { Ok(()) } else { Err(LineFault::BareLf) }
}

/// Looks for the first fault in a head that httparse gave up on; `start_line` judges the first line.
///
/// This is the slow way, for refusals only.
pub(super) fn diagnose<F: From<LineFault>>(buf: &[u8], start_line: impl Fn(&[u8]) -> Option<F>) -> Option<F> {
    let mut rest = buf;
    let mut first = true;
    while !rest.is_empty() {
        let (line, ended) = match rest.iter().position(|&byte| byte == b'\n') {
            Some(at) => (&rest[..at], true),
            None => (rest, false),
        };
        rest = &rest[(line.len() + usize::from(ended)).min(rest.len())..];
        let line = match line.strip_suffix(b"\r") {
            Some(line) => line,
            None if ended => return Some(LineFault::BareLf.into()),
            None => line,
        };
        if line.is_empty() {
            return None;
        }
        if line.contains(&b'\r') {
            return Some(LineFault::BareCr.into());
        }
        if line.contains(&0) {
            return Some(LineFault::Nul.into());
        }
        if first {
            first = false;
            if let Some(fault) = start_line(line) {
                return Some(fault);
            }
        } else if let Some(fault) = header_fault(line, ended) {
            return Some(fault.into());
        }
    }
    None
}

/// Tells what is wrong with one header line without its end.
pub(super) fn header_fault(line: &[u8], ended: bool) -> Option<LineFault> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Some(LineFault::Folded);
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return (ended || !is_token(line)).then_some(LineFault::InvalidName);
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if name.ends_with(b" ") || name.ends_with(b"\t") {
        return Some(LineFault::SpaceBeforeColon);
    }
    if !is_token(name) {
        return Some(LineFault::InvalidName);
    }
    (!is_value(value)).then_some(LineFault::InvalidValue)
}
