#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;

/// The data, what follows the body, and the trailers if the body ended.
type Decoded = (Vec<u8>, Vec<u8>, Option<Trailers>);

/// Decodes input that comes in the given pieces.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Decoded, ChunkError> {
    let mut decoder = Decoder::new();
    let (mut data, mut rest, mut trailers) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        let mut at = 0;
        while trailers.is_none() {
            match decoder.step(&piece[at..])? {
                Step::More => break,
                Step::Data { skip, len } => {
                    assert!(len > 0);
                    data.extend_from_slice(&piece[at + skip..at + skip + len]);
                    at += skip + len;
                }
                Step::End { used } => {
                    at += used;
                    assert!(decoder.is_ended());
                    trailers = Some(decoder.trailers());
                }
            }
        }
        if trailers.is_some() {
            rest.extend_from_slice(&piece[at..]);
        }
    }
    Ok((data, rest, trailers))
}

const BODIES: [(&[u8], &[u8]); 5] = [
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"00a\r\n0\r\n\r\nGET /\r\n2;a=\"b;c\";d\r\n\r\n\r\n000\r\n\r\n", b"0\r\n\r\nGET /\r\n"),
    (b"1\r\na\r\n1;x\r\nb\r\nA\r\n0123456789\r\n0;end\r\n\r\n", b"ab0123456789"),
    (b"3\r\nabc\r\n0\r\nGrpc-Status: 0\r\nX-Sum:  7 \r\n\r\n", b"abc"),
];

#[test]
fn a_body_decodes_alike_however_it_is_cut() {
    for (body, expected) in BODIES {
        let input = [body, b"NEXT"].concat();
        let whole = decode([&input[..]]).unwrap();
        assert_eq!((&whole.0[..], &whole.1[..]), (expected, &b"NEXT"[..]));
        assert!(whole.2.is_some());
        for cut in 0..=input.len() {
            assert_eq!(decode([&input[..cut], &input[cut..]]).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(decode(input.chunks(1)).unwrap(), whole);
        assert_eq!(decode(input.chunks(3)).unwrap(), whole);
    }
}

#[test]
fn no_prefix_of_a_body_ends_it() {
    for (body, _) in BODIES {
        for end in 0..body.len() {
            assert!(decode([&body[..end]]).unwrap().2.is_none(), "{end} of {body:?}");
        }
    }
}

#[test]
fn each_fault_has_its_error() {
    use ChunkError::*;
    let table: &[(&[u8], ChunkError)] = &[
        (b"\r\n", InvalidSize),
        (b";a\r\n", InvalidSize),
        (b"x\r\n", InvalidSize),
        (b"-1\r\n", InvalidSize),
        (b"+1\r\n", InvalidSize),
        (b" 1\r\n", InvalidSize),
        (b"1 \r\n", InvalidSize),
        (b"1\t;a\r\n", InvalidSize),
        (b"0x1\r\n", InvalidSize),
        (b"1_0\r\n", InvalidSize),
        (b"1g\r\n", InvalidSize),
        (b"1,2\r\n", InvalidSize),
        (b"1\n", InvalidSize),
        (b"\n", InvalidSize),
        (b"1\0\r\n", InvalidSize),
        (b"1\xe9\r\n", InvalidSize),
        (b"00000000000000001\r\n", SizeTooLarge),
        (b"10000000000000000\r\n", SizeTooLarge),
        (b"ffffffffffffffff5\r\n", SizeTooLarge),
        (b"1;a\n", InvalidLineEnd),
        (b"1;a\rb", InvalidLineEnd),
        (b"1;a\r\r\n", InvalidLineEnd),
        (b"1\r\r\n", InvalidLineEnd),
        (b"1\rX", InvalidLineEnd),
        (b"1;a\0\r\n", InvalidExtension),
        (b"1;a\x7f\r\n", InvalidExtension),
        (b"1;\xe9\r\n", InvalidExtension),
        (b"1\r\nab", MissingDataEnd),
        (b"1\r\na\n", MissingDataEnd),
        (b"1\r\na\r0", MissingDataEnd),
        (b"1\r\na0\r\n", MissingDataEnd),
        (b"0\r\n\n", InvalidLineEnd),
        (b"0\r\n\rX", InvalidLineEnd),
        (b"0\r\nX: a\n", InvalidLineEnd),
        (b"0\r\nX: a\rY: b\r\n", InvalidLineEnd),
        (b"0\r\nGET / HTTP/1.1\r\n", InvalidTrailer),
        (b"0\r\nX : a\r\n", InvalidTrailer),
        (b"0\r\n X: a\r\n", InvalidTrailer),
        (b"0\r\nX: a\r\n b\r\n", InvalidTrailer),
        (b"0\r\n: a\r\n", InvalidTrailer),
        (b"0\r\nX: \0\r\n", InvalidTrailer),
        (b"0\r\nX\xe9: a\r\n", InvalidTrailer),
    ];
    for (input, expected) in table {
        let shown = String::from_utf8_lossy(input);
        assert_eq!(decode([*input]), Err(*expected), "{shown:?}");
        assert_eq!(decode(input.chunks(1)), Err(*expected), "{shown:?} byte by byte");
    }
}

#[test]
fn extensions_and_trailers_are_limited() {
    let extension = |bytes: usize| format!("1;{}\r\na\r\n", "x".repeat(bytes));
    let judge = |input: String| decode([input.as_bytes()]).err();
    assert_eq!(judge(extension(CHUNK_EXTENSION_BYTES)), None);
    assert_eq!(judge(extension(CHUNK_EXTENSION_BYTES + 1)), Some(ChunkError::ExtensionTooLong));
    let chunks = CHUNK_EXTENSIONS_BYTES / 64;
    assert_eq!(judge(extension(64).repeat(chunks)), None);
    assert_eq!(judge(extension(64).repeat(chunks) + &extension(1)), Some(ChunkError::ExtensionTooLong));
    let trailer = |bytes: usize| format!("0\r\nX:{}", "x".repeat(bytes - 2));
    assert_eq!(judge(trailer(TRAILER_BYTES)), None);
    assert_eq!(judge(trailer(TRAILER_BYTES + 1)), Some(ChunkError::TrailersTooLarge));
    assert_eq!(judge(format!("0\r\n{}", "X: y\r\n".repeat(TRAILERS_MAX))), None);
    assert_eq!(judge(format!("0\r\n{}", "X: y\r\n".repeat(TRAILERS_MAX + 1))), Some(ChunkError::TrailersTooLarge));
}

#[test]
fn the_largest_size_is_read_without_overflow() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.step(b"FFFFFFFFFFFFFFFF\r\nabc"), Ok(Step::Data { skip: 18, len: 3 }));
    assert_eq!(decoder.step(b"abc"), Ok(Step::Data { skip: 0, len: 3 }));
}

#[test]
fn recoding_drops_extensions_and_forbidden_trailers_and_stops_at_the_end() {
    let input = b"05;x=y\r\nhello\r\n0;z\r\nContent-Length: 5\r\nX-Sum:  7\r\nTransfer-Encoding: chunked\r\n\
        Host: evil\r\nAuthorization: x\r\nX-Forwarded-For: 1.1.1.1\r\nGrpc-Status: 0\r\n\r\nGET / HTTP/1.1\r\n";
    let used = input.len() - b"GET / HTTP/1.1\r\n".len();
    let mut out = Vec::new();
    assert_eq!(recode(&mut Decoder::new(), input, &mut out), Ok(Recoded::End { used }));
    assert_eq!(out, b"5\r\nhello\r\n0\r\nX-Sum: 7\r\nGrpc-Status: 0\r\n\r\n");
}

#[test]
fn recoding_gives_the_same_data_however_the_input_is_cut() {
    for (body, expected) in BODIES {
        for cut in 0..body.len() {
            let (mut decoder, mut out) = (Decoder::new(), Vec::new());
            assert_eq!(recode(&mut decoder, &body[..cut], &mut out), Ok(Recoded::More));
            let used = body.len() - cut;
            assert_eq!(recode(&mut decoder, &body[cut..], &mut out), Ok(Recoded::End { used }));
            assert_eq!(decode([&out[..]]).unwrap().0, expected);
        }
    }
}

#[test]
fn encoded_sizes_are_hexadecimal_and_an_empty_chunk_is_never_written() {
    for (bytes, line) in
        [(1, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (0xabcd, "abcd\r\n"), (usize::MAX, "ffffffffffffffff\r\n")]
    {
        let mut out = Vec::new();
        write_size(bytes, &mut out);
        assert_eq!(out, line.as_bytes());
    }
    let mut out = Vec::new();
    write_chunk(b"", &mut out);
    assert!(out.is_empty());
}
