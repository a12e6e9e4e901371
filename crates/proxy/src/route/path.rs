//! Which route of a site a path belongs to, when applications and proxies read paths in different ways.
//!
//! A path goes to the upstream as the client sent it, so whoever answers may read it otherwise than we do. That is no
//! harm as long as every reading leads to the same route; a path for which it does not is refused, because one route's
//! path could be reached by the spelling of another's.

use std::borrow::Cow;

use crate::{h1::refusal::Refusal, upstream::Groups};

#[cfg(test)]
mod tests;

/// The index of the group that a path belongs to.
///
/// Read are: the path as it is; with percent signs resolved, once and twice; with backslashes as slashes; with empty
/// segments and `.` left out; with `;` and what is behind it in a segment left out, before and after percent signs are
/// resolved. Every mixture of these agrees when these do, because a prefix has nothing that any of them would change.
/// Only `..` cannot be treated so, and is refused in every spelling; no browser sends it.
pub(super) fn group_of(groups: &Groups, path_and_query: &str) -> Result<usize, Refusal> {
    if !groups.has_routes() {
        return Ok(0);
    }
    let path = path_and_query.split('?').next().unwrap_or_default();
    let as_it_is = groups.find(path);
    if !is_unusual(path) {
        return Ok(as_it_is);
    }
    let once = decode(path, Malformed::Refused)?;
    if hides_more(&once) {
        return Err(Refusal::AmbiguousPath);
    }
    let twice = decode(&once, Malformed::Kept)?;
    let stripped = strip(path);
    let stripped_first = decode(&stripped, Malformed::Refused)?;
    for reading in [&*once, &*strip(&once), &*twice, &*strip(&twice), &*stripped_first] {
        if groups.find(&tidy(reading)?) != as_it_is {
            return Err(Refusal::AmbiguousPath);
        }
    }
    Ok(as_it_is)
}

/// Whether two readers could see different things in a path.
fn is_unusual(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.iter().any(|byte| matches!(byte, b'%' | b'\\' | b';'))
        || bytes.windows(2).any(|two| matches!(two, b"//" | b"/."))
}

/// Whether a path whose percent signs were resolved has more of them that stand for what divides paths.
fn hides_more(once: &str) -> bool {
    let mut rest = once;
    while let Some((_, escaped)) = rest.split_once('%') {
        if let Some(byte) = escaped.get(..2).and_then(hex)
            && matches!(byte, b'/' | b'\\' | b';' | b'.' | b'%' | 0)
        {
            return true;
        }
        rest = escaped;
    }
    false
}

#[derive(Clone, Copy, PartialEq)]
enum Malformed {
    Refused,
    Kept,
}

/// Resolves percent signs; what is not ASCII becomes something that no prefix has.
fn decode(path: &str, malformed: Malformed) -> Result<Cow<'_, str>, Refusal> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((plain, escaped)) = rest.split_once('%') {
        decoded.push_str(plain);
        match escaped.get(..2).and_then(hex) {
            Some(0) => return Err(Refusal::AmbiguousPath),
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &escaped[2..];
            }
            None if malformed == Malformed::Refused => return Err(Refusal::AmbiguousPath),
            None => {
                decoded.push('%');
                rest = escaped;
            }
        }
    }
    decoded.push_str(rest);
    Ok(Cow::Owned(decoded))
}

/// The byte of two hexadecimal digits; `u8::from_str_radix` takes a sign as well.
fn hex(digits: &str) -> Option<u8> {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Leaves out `;` and what is behind it in each segment.
fn strip(path: &str) -> Cow<'_, str> {
    if !path.contains(';') {
        return Cow::Borrowed(path);
    }
    let mut stripped = String::with_capacity(path.len());
    let mut is_kept = true;
    for letter in path.chars() {
        match letter {
            '/' | '\\' => is_kept = true,
            ';' => is_kept = false,
            _ => {}
        }
        if is_kept {
            stripped.push(letter);
        }
    }
    Cow::Owned(stripped)
}

/// Leaves out empty segments and `.`, with backslashes as slashes.
fn tidy(path: &str) -> Result<String, Refusal> {
    let mut tidy = String::with_capacity(path.len());
    for segment in path.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => return Err(Refusal::AmbiguousPath),
            segment => {
                tidy.push('/');
                tidy.push_str(segment);
            }
        }
    }
    Ok(tidy)
}
