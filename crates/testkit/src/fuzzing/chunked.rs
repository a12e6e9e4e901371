//! Chunked bodies.

use portward_proxy::h1::chunked::{ChunkError, Decoder, Recoded, Step, recode};

/// Reads a body whole, in pieces of one byte, and once more after it was written anew: each time it is the same body.
pub fn chunked(bytes: &[u8]) {
    let whole = decode(bytes, bytes.len().max(1));
    let pieces = decode(bytes, 1);
    match (&whole, &pieces) {
        (Ok(whole), Ok(pieces)) => assert_eq!(whole, pieces),
        (Err(whole), Err(pieces)) => assert_eq!(whole, pieces),
        _ => panic!("whole: {whole:?}\nin pieces: {pieces:?}"),
    }
    let Ok(Body { data, trailers, used: Some(used) }) = whole else { return };
    let mut out = Vec::new();
    assert_eq!(recode(&mut Decoder::new(), bytes, &mut out), Ok(Recoded::End { used }));
    let again = decode(&out, out.len()).unwrap();
    assert_eq!(again.used, Some(out.len()), "more than one body was written");
    assert_eq!(again.data, data);
    assert!(again.trailers.len() <= trailers.len());
}

#[derive(Debug, Default, PartialEq)]
struct Body {
    data: Vec<u8>,
    trailers: Vec<(String, Vec<u8>)>,
    /// None while it has not ended.
    used: Option<usize>,
}

fn decode(bytes: &[u8], piece: usize) -> Result<Body, ChunkError> {
    let (mut decoder, mut body, mut at) = (Decoder::new(), Body::default(), 0);
    while at < bytes.len() {
        let end = bytes.len().min(at + piece);
        let input = &bytes[at..end];
        match decoder.step(input)? {
            Step::More => at = end,
            Step::Data { skip, len } => {
                assert!(len > 0, "data of no bytes");
                body.data.extend_from_slice(&input[skip..skip + len]);
                at += skip + len;
            }
            Step::End { used } => {
                assert!(decoder.is_ended());
                body.used = Some(at + used);
                break;
            }
        }
    }
    // The end may have been in the last byte of a piece.
    if body.used.is_none() && decoder.is_ended() {
        body.used = Some(at);
    }
    body.trailers = decoder.trailers().walk().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    Ok(body)
}
