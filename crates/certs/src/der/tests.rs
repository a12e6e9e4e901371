#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

#[test]
fn lengths_of_every_form_are_read() {
    for (bytes, body) in [
        (&[0x04, 0x00][..], &[][..]),
        (&[0x04, 0x01, 7], &[7]),
        (&[0x04, 0x81, 0x01, 7], &[7]),
        (&[0x04, 0x84, 0, 0, 0, 1, 7], &[7]),
        (&[0x1f, 0x85, 0x01, 0x01, 7], &[7]),
        (&[0x24, 0x80, 0x04, 0x01, 7, 0, 0], &[0x04, 0x01, 7]),
        (&[0x30, 0x80, 0x30, 0x80, 0, 0, 0, 0], &[0x30, 0x80, 0, 0]),
    ] {
        let element = whole(bytes).unwrap();
        assert_eq!(element.body, body, "{bytes:x?}");
        assert_eq!(element.raw, bytes);
    }
}

#[test]
fn what_is_no_element_is_refused() {
    let deep = [[0x30, 0x80]; 40].concat();
    let huge_length = [0x04, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    for bytes in [
        &[][..],
        &[0x04],
        &[0x04, 0x01],
        &[0x04, 0x80, 0, 0],
        &[0x04, 0xff],
        &huge_length,
        &[0x04, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x30, 0x80],
        &[0x30, 0x80, 0, 0, 0],
        &[0x1f, 0x80],
        &[0x04, 0x00, 0x04],
        &deep,
    ] {
        assert!(whole(bytes).is_err(), "{bytes:x?}");
    }
}

#[test]
fn strings_in_segments_are_joined() {
    let nested = [0x24, 0x80, 0x24, 0x04, 0x04, 0x02, 1, 2, 0x04, 0x01, 3, 0, 0];
    assert_eq!(*whole(&nested).unwrap().octets().unwrap(), [1, 2, 3]);
    let implicit = [0xa0, 0x80, 0x04, 0x01, 1, 0x04, 0x01, 2, 0, 0];
    assert_eq!(*whole(&implicit).unwrap().octets().unwrap(), [1, 2]);
    let other_kind = [0x24, 0x03, 0x02, 0x01, 1];
    assert!(whole(&other_kind).unwrap().octets().is_err());
    let mut deep = vec![0x04, 0x00];
    for _ in 0..6 {
        deep = [vec![0x24, u8::try_from(deep.len()).unwrap()], deep].concat();
    }
    assert!(whole(&deep).unwrap().octets().is_err());
}

#[test]
fn numbers_are_read_up_to_64_bits() {
    for (bytes, expected) in [
        (&[0x02, 1, 0][..], Some(0)),
        (&[0x02, 2, 0, 0x80], Some(128)),
        (&[0x02, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Some(u64::MAX)),
        (&[0x02, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], None),
        (&[0x02, 1, 0x80], None),
        (&[0x02, 0], None),
        (&[0x04, 1, 1], None),
    ] {
        assert_eq!(whole(bytes).unwrap().unsigned().ok(), expected, "{bytes:x?}");
    }
}

#[test]
fn numbers_and_lengths_are_written_as_they_are_read() {
    for value in [0, 1, 127, 128, 255, 256, 65_535, 250_000, u64::MAX] {
        assert_eq!(whole(&writer::unsigned(value)).unwrap().unsigned(), Ok(value));
    }
    for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
        let content = vec![7; length];
        let written = writer::octet_string(&content);
        assert_eq!(whole(&written).unwrap().body, content);
    }
}

#[test]
fn malformed_identifiers_are_refused() {
    for body in [&[][..], &[0x80], &[0x2a, 0x86], &[0xff; 12]] {
        let bytes = [&[OID, u8::try_from(body.len()).unwrap()], body].concat();
        assert!(whole(&bytes).unwrap().oid().is_err(), "{body:x?}");
    }
    assert_eq!(whole(&[OID, 3, 0x88, 0x37, 0x03]).unwrap().oid().unwrap(), "2.999.3");
}

#[test]
fn nested_indefinite_lengths_cost_no_more_than_their_depth() {
    // 32 levels around half a megabyte: read level by level, this is the most that a file can cost.
    let mut bytes = [0x30, 0x80].repeat(31);
    bytes.extend([4, 0].repeat(250_000));
    bytes.extend([0, 0].repeat(31));
    let mut levels = 0;
    let mut element = whole(&bytes).unwrap();
    while let Ok(inner) = element.inside().any()
        && inner.tag == SEQUENCE
    {
        element = inner;
        levels += 1;
    }
    assert_eq!(levels, 30);
}
