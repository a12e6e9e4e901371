#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

const BLOCK: &str = "-----BEGIN THING-----\nAQIDBAUG\n-----END THING-----\n";

fn labels(text: &str) -> Result<Vec<(String, Vec<u8>)>, PemError> {
    Ok(blocks(text)?.into_iter().map(|block| (block.label.to_owned(), block.der.to_vec())).collect())
}

#[test]
fn a_block_is_found_however_it_is_pasted() {
    let one = vec![("THING".to_owned(), vec![1, 2, 3, 4, 5, 6])];
    for (name, text) in [
        ("plain", BLOCK.to_owned()),
        ("carriage returns", BLOCK.replace('\n', "\r\n")),
        ("old Mac line ends", BLOCK.replace('\n', "\r")),
        ("no line end at the end", BLOCK.trim_end().to_owned()),
        ("indented", format!("  {}", BLOCK.replace('\n', "\n    "))),
        ("one line", BLOCK.replace('\n', " ")),
        ("text around", format!("Bag Attributes\n    friendlyName: x\nkey=----\n{BLOCK}the end -----\n")),
        ("short lines", "-----BEGIN THING-----\nAQ\nIDB\nAUG\n-----END THING-----".to_owned()),
        ("empty lines", "-----BEGIN THING-----\n\nAQIDBAUG\n\n-----END THING-----".to_owned()),
        ("headers", "-----BEGIN THING-----\nComment: odd\n\nAQIDBAUG\n-----END THING-----".to_owned()),
    ] {
        assert_eq!(labels(&text).unwrap(), one, "{name}");
    }
    assert_eq!(labels(&BLOCK.repeat(3)).unwrap().len(), 3);
    let unpadded = "-----BEGIN THING-----\nAQ\n-----END THING-----";
    assert_eq!(labels(unpadded).unwrap()[0].1, [1]);
    assert_eq!(labels("no blocks").unwrap(), []);
}

#[test]
fn a_block_that_is_cut_off_or_mixed_up_is_refused() {
    for text in [
        "-----BEGIN THING-----\nAQID",
        "-----BEGIN THING-----\nAQID\n-----END THING",
        "-----BEGIN THING-----\nAQID\n-----END OTHER-----\n",
        "-----BEGIN THING\nAQID\n-----END THING-----\n",
        "-----BEGIN THING-----\nAQ!D\n-----END THING-----\n",
        "-----BEGIN THING-----\n-----END THING-----\n",
        "-----BEGIN THING-----\nAQID\n-----BEGIN THING-----\nAQID\n-----END THING-----\n",
        "-----BEGIN ",
    ] {
        assert!(labels(text).is_err(), "{text:?}");
    }
    for length in "-----BEGIN ".len()..BLOCK.trim_end().len() {
        assert!(labels(&BLOCK[..length]).is_err(), "the first {length} characters were read");
    }
}

#[test]
fn encryption_headers_are_found() {
    let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0011\n\nAQID\n-----END RSA PRIVATE KEY-----";
    assert_eq!(blocks(text).unwrap()[0].encryption, Some("AES-256-CBC,0011"));
}

#[test]
fn text_of_windows_editors_is_read() {
    let utf16 = |mark: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        format!("{mark}{BLOCK}").encode_utf16().flat_map(bytes).collect()
    };
    for bytes in [
        utf16("\u{feff}", u16::to_le_bytes),
        utf16("\u{feff}", u16::to_be_bytes),
        utf16("", u16::to_le_bytes),
        utf16("", u16::to_be_bytes),
        format!("\u{feff}{BLOCK}").into_bytes(),
        [b"\xe4\xf6 in Latin-1\n", BLOCK.as_bytes()].concat(),
    ] {
        assert_eq!(labels(&text::decode(&bytes)).unwrap().len(), 1, "{bytes:x?}");
    }
}

#[test]
fn what_is_written_is_read() {
    for length in [1, 47, 48, 49, 500] {
        let der: Vec<u8> = (0..length).map(|number: u32| number as u8).collect();
        let mut out = String::new();
        write("THING", &der, &mut out);
        assert!(out.lines().all(|line| line.len() <= 64));
        assert_eq!(labels(&out).unwrap(), [("THING".to_owned(), der)]);
    }
}
