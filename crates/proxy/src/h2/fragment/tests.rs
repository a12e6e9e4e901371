#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

/// A string as it is, or in the Huffman code.
fn plain(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

#[test]
fn a_fragment_is_found_however_its_path_is_written() {
    // RFC 7541 appendix C.4.1: `www.example.com`. A number sign has the twelve bits 1111 1111 1010.
    let sign = [0x82, 0xff, 0xaf];
    for (what, block, expected) in [
        ("the static path", vec![0x84], false),
        ("a path", [&[0x04][..], &plain("/a")].concat(), false),
        ("a path with a sign", [&[0x04][..], &plain("/a#b")].concat(), true),
        ("never indexed", [&[0x14][..], &plain("#")].concat(), true),
        ("indexed", [&[0x44][..], &plain("#")].concat(), true),
        ("by the other static entry", [&[0x05][..], &plain("#")].concat(), true),
        ("with its name written out", [&[0x00][..], &plain(":path"), &plain("/#")].concat(), true),
        ("Huffman", [&[0x04][..], &sign].concat(), true),
        ("another header", [&[0x00][..], &plain("x"), &plain("#")].concat(), false),
        ("a longer name", [&[0x00][..], &plain(":pathx"), &plain("#")].concat(), false),
        (
            "Huffman without one",
            vec![0x04, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
            false,
        ),
    ] {
        assert_eq!(Table::default().follow(&block), Ok(expected), "{what}");
        for end in 1..block.len() {
            // A block that is cut is no block, or ends between two fields.
            let _ = Table::default().follow(&block[..end]);
        }
    }
}

#[test]
fn what_a_table_remembers_is_found_again_until_it_is_evicted() {
    let mut table = Table::default();
    assert_eq!(table.follow(&[&[0x44][..], &plain("/#")].concat()), Ok(true));
    assert_eq!(table.follow(&[0xbe]), Ok(true), "by its index");
    assert_eq!(table.follow(&[&[0x40][..], &plain("a"), &plain("b")].concat()), Ok(false));
    assert_eq!(table.follow(&[0xbe]), Ok(false), "the newest is another");
    assert_eq!(table.follow(&[0xbf]), Ok(true));
    assert_eq!(table.follow(&[&[0x7f, 0x00][..], &plain("/")].concat()), Ok(false), "its name, with another value");
    // 34 + 32 + 2 bytes of the first, 34 of the second, 38 of the third: room for the newest alone.
    assert_eq!(table.follow(&[0x3f, 0x09]), Ok(false));
    assert_eq!(table.entries.len(), 1);
    assert_eq!(table.follow(&[0xbf]), Err(Malformed));
    assert_eq!(table.follow(&[0x20]), Ok(false));
    assert_eq!((table.entries.len(), table.size), (0, 0));
}

#[test]
fn what_is_no_block_is_malformed() {
    for block in [
        &[0x80][..],
        &[0xbe],
        &[0x04],
        &[0x04, 5, b'/'],
        &[0x3f, 0xe2, 0x1f],
        &[0xff, 0x80, 0x80, 0x80, 0x80, 0x80],
        &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
        &[0x04, 0x81, 0x00],
    ] {
        assert_eq!(Table::default().follow(block), Err(Malformed), "{block:?}");
    }
}

#[test]
fn padding_and_priority_are_no_part_of_a_block() {
    let (mut blocks, found) = (Blocks::default(), Fragments::default());
    let payload = [&[3, 0, 0, 0, 0, 9, 0x04][..], &plain("/#"), &[0, 0, 0]].concat();
    for (stream, pieces) in [(1, 1), (3, payload.len())] {
        blocks.begin(Frame { kind: HEADERS, flags: PADDED | PRIORITY | END_HEADERS, stream });
        payload.chunks(payload.len() / pieces).for_each(|piece| blocks.payload(piece, &found));
        blocks.end(&found);
        assert!(found.take(stream) && !found.take(stream));
    }
    // Over two frames, cut within the value.
    blocks.begin(Frame { kind: HEADERS, flags: 0, stream: 5 });
    blocks.payload(&[0x04, 2, b'/'], &found);
    blocks.end(&found);
    blocks.begin(Frame { kind: CONTINUATION, flags: END_HEADERS, stream: 5 });
    blocks.payload(b"#", &found);
    blocks.end(&found);
    assert!(found.take(5) && !found.take(7));
}

#[test]
fn what_cannot_be_followed_refuses_everything() {
    let (mut blocks, found) = (Blocks::default(), Fragments::default());
    blocks.begin(Frame { kind: HEADERS, flags: END_HEADERS, stream: 1 });
    blocks.payload(&[0x80], &found);
    blocks.end(&found);
    assert!(found.take(1) && found.take(3));
}

/// A head of 80 KiB is refused by itself; it once had every later request of its connection refused as well.
#[test]
fn a_block_that_is_too_large_for_a_head_is_followed_all_the_same() {
    let (mut blocks, found) = (Blocks::default(), Fragments::default());
    let field = [&[0x00][..], &plain("x"), &plain(&"v".repeat(125))].concat();
    let frames = 6;
    for frame in 1..=frames {
        let end = if frame == frames { END_HEADERS } else { 0 };
        blocks.begin(Frame { kind: if frame == 1 { HEADERS } else { CONTINUATION }, flags: end, stream: 1 });
        blocks.payload(&field.repeat(16 * 1024 / field.len()), &found);
        blocks.end(&found);
    }
    assert!(!found.take(1) && !found.take(3));
}
