//! The first words of a client, looked at without a session: which name it asks for (RFC 8446 sections 4.1.2 and 5.1,
//! RFC 6066 section 3).
//!
//! It knows of the ClientHello what is the same in every version of TLS since 1.0, so that whatever the target behind a
//! passage can talk to is passed on. A hello may be cut into any records, and come in any pieces.

/// Is what the beginning of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstWords {
    /// The beginning of a ClientHello, and no more.
    Partial,
    /// A whole ClientHello.
    Hello {
        /// The name that it asks for, as it is written there; none if it asks for none.
        server_name: Option<String>,
    },
    /// No ClientHello, whatever may follow.
    Other,
}

/// Looks at the beginning of a connection.
pub fn look(bytes: &[u8]) -> FirstWords {
    match assemble(bytes) {
        Assembled::Partial => FirstWords::Partial,
        Assembled::Other => FirstWords::Other,
        Assembled::Hello(hello) => match server_name(&hello) {
            Some(server_name) => FirstWords::Hello { server_name },
            None => FirstWords::Other,
        },
    }
}

/// Whether a connection begins with a whole ClientHello in one record: whatever word it has is then in one piece.
pub fn is_in_one_record(bytes: &[u8]) -> bool {
    let Some(&[HANDSHAKE, _, _, high, low, CLIENT_HELLO, upper, middle, lower]) = bytes.first_chunk() else {
        return false;
    };
    let record = usize::from(u16::from_be_bytes([high, low]));
    let message = MESSAGE_HEAD_BYTES + u32::from_be_bytes([0, upper, middle, lower]) as usize;
    record == message && bytes.len() >= HEAD_BYTES + record
}

enum Assembled {
    Partial,
    Hello(Vec<u8>),
    Other,
}

/// Takes the body of the first handshake message out of its records.
fn assemble(bytes: &[u8]) -> Assembled {
    let mut pieces: Vec<&[u8]> = Vec::new();
    let (mut have, mut rest) = (0, bytes);
    loop {
        // What is known of a head must be right; then the rest of it may come.
        let is_head = rest.iter().zip([HANDSHAKE, MAJOR_VERSION]).all(|(byte, expected)| *byte == expected);
        if !is_head {
            return Assembled::Other;
        }
        let Some(&[high, low]) = rest.get(3..HEAD_BYTES) else { return Assembled::Partial };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > RECORD_BYTES {
            return Assembled::Other;
        }
        let end = (HEAD_BYTES + length).min(rest.len());
        pieces.push(&rest[HEAD_BYTES..end]);
        have += end - HEAD_BYTES;
        // The message has a type and a length of three bytes, which may be spread over several records, too.
        let start: Vec<u8> = pieces.iter().flat_map(|piece| piece.iter().copied()).take(MESSAGE_HEAD_BYTES).collect();
        if start.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Assembled::Other;
        }
        if let [_, high, middle, low] = *start {
            let wanted = usize::try_from(u32::from_be_bytes([0, high, middle, low])).unwrap_or(usize::MAX);
            if wanted > HELLO_BYTES {
                return Assembled::Other;
            }
            if have >= MESSAGE_HEAD_BYTES + wanted {
                let message = pieces.concat();
                return Assembled::Hello(message[MESSAGE_HEAD_BYTES..MESSAGE_HEAD_BYTES + wanted].to_vec());
            }
        }
        rest = &rest[end..];
        // Records of a byte each would be a hello of six times its length.
        if bytes.len() - rest.len() > MOST_BYTES {
            return Assembled::Other;
        }
        if rest.is_empty() {
            return Assembled::Partial;
        }
    }
}

/// The name in a ClientHello, which may have none; none at all if it is not in one piece.
fn server_name(hello: &[u8]) -> Option<Option<String>> {
    let mut hello = Cursor(hello);
    hello.take(VERSION_AND_RANDOM_BYTES)?;
    let _session_id = hello.vector(1)?;
    let _cipher_suites = hello.vector(2)?;
    let _compression_methods = hello.vector(1)?;
    if hello.0.is_empty() {
        // Before there were extensions.
        return Some(None);
    }
    let mut extensions = Cursor(hello.vector(2)?);
    if !hello.0.is_empty() {
        return None;
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let extension = extensions.vector(2)?;
        if kind != SERVER_NAME {
            continue;
        }
        // Two readers could disagree which of two counts.
        if found.is_some() {
            return None;
        }
        found = Some(host_name(extension)?);
    }
    Some(found)
}

/// The one name in a list of names (RFC 6066 section 3: there must not be two of a type, and no other type was defined).
fn host_name(extension: &[u8]) -> Option<String> {
    let mut extension = Cursor(extension);
    let mut names = Cursor(extension.vector(2)?);
    let kind = names.number(1)?;
    let name = names.vector(2)?;
    let is_all = extension.0.is_empty() && names.0.is_empty();
    let is_name = kind == HOST_NAME && !name.is_empty() && name.is_ascii();
    String::from_utf8(name.to_vec()).ok().filter(|_| is_all && is_name)
}

/// Is what is still to be read of a structure of TLS (RFC 8446 section 3).
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// A vector, after its length of so many bytes.
    fn vector(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let length = self.number(length_bytes)?;
        self.take(length)
    }
}

const HANDSHAKE: u8 = 22;
const MAJOR_VERSION: u8 = 3;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: usize = 0;
const HOST_NAME: usize = 0;
/// Type, version and length of a record.
const HEAD_BYTES: usize = 5;
/// Type and length of a handshake message.
const MESSAGE_HEAD_BYTES: usize = 4;
const VERSION_AND_RANDOM_BYTES: usize = 34;
/// The most that a record has before there are keys (RFC 8446 section 5.1).
const RECORD_BYTES: usize = 1 << 14;
/// Browsers with post-quantum keys send about 2 KiB, and clients with many tickets some more; nobody sends this.
const HELLO_BYTES: usize = 16 * 1024;
/// The longest hello in records that are not absurdly short.
const MOST_BYTES: usize = 2 * HELLO_BYTES;

#[cfg(test)]
mod tests;
