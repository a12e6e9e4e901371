//! The first words of a connection.

use portward_proxy::{
    client_hello::{FirstWords, look},
    proxy_header::{Parsed, parse},
};

/// What is found in a beginning stays found, whatever comes behind it.
pub fn client_hello(bytes: &[u8]) {
    let whole = look(bytes);
    for end in ends(bytes.len()) {
        let begun = look(&bytes[..end]);
        assert!(begun == FirstWords::Partial || begun == whole, "{end} of {}: {begun:?}, {whole:?}", bytes.len());
    }
    if let FirstWords::Hello { server_name: Some(name) } = whole {
        assert!(name.is_ascii() && !name.is_empty(), "{name:?}");
    }
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
