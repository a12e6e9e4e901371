//! The first words of a connection.

use portward_proxy::{
    client_hello::{FirstWords, is_in_one_record, look},
    proxy_header::{Parsed, parse},
};
use rustls::server::{Accepted, Acceptor};

/// What is found in a beginning stays found, whatever comes behind it, and rustls finds no other name; where a hello is
/// said to be in one record, what rustls finds is there in one piece.
pub fn client_hello(bytes: &[u8]) {
    let whole = look(bytes);
    for end in ends(bytes.len()) {
        let begun = look(&bytes[..end]);
        assert!(begun == FirstWords::Partial || begun == whole, "{end} of {}: {begun:?}, {whole:?}", bytes.len());
    }
    if let FirstWords::Hello { server_name: Some(name) } = &whole {
        assert!(name.is_ascii() && !name.is_empty(), "{name:?}");
    }
    let Some(accepted) = accept(bytes) else { return };
    let hello = accepted.client_hello();
    assert_ne!(whole, FirstWords::Partial, "rustls has enough");
    if let (FirstWords::Hello { server_name }, Some(name)) = (&whole, hello.server_name()) {
        assert!(server_name.as_deref().is_some_and(|found| found.eq_ignore_ascii_case(name)), "{whole:?}, {name}");
    }
    if is_in_one_record(bytes) {
        for word in hello.alpn().into_iter().flatten() {
            assert!(bytes.windows(word.len()).any(|piece| piece == word), "{word:?} is not in one piece");
        }
    }
}

/// A hello as rustls reads it.
fn accept(mut bytes: &[u8]) -> Option<Accepted> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        acceptor.read_tls(&mut bytes).ok()?;
        if let Some(accepted) = acceptor.accept().ok()? {
            return Some(accepted);
        }
    }
    None
}

/// A header is the same whatever is behind it, and each beginning of it is one; what is none becomes none by more.
pub fn proxy_header(bytes: &[u8]) {
    let longer = [bytes, b"\r\nmore\r\n"].concat();
    let header = match parse(bytes) {
        Ok(Parsed::Complete { len, .. }) => {
            assert_eq!(parse(bytes), parse(&bytes[..len]));
            assert_eq!(parse(bytes), parse(&longer));
            &bytes[..len]
        }
        Ok(Parsed::Partial) => bytes,
        Err(_) => {
            assert!(parse(&longer).is_err());
            return;
        }
    };
    for end in ends(header.len()) {
        assert_eq!(parse(&header[..end]), Ok(Parsed::Partial), "{end} of {}", header.len());
    }
}

/// Each length below one, or some of them if it is large.
fn ends(length: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(length / 500 + 1)
}
