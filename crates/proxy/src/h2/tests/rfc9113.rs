//! What RFC 9113 asks of a server, section by section, frame by frame, of a binding that is really served.
//!
//! | Sections | Where |
//! |---|---|
//! | 3.4 preface | `a_connection_begins_with_the_preface` |
//! | 4.1 to 4.3 frames, sizes, field blocks; 5.5 extensions | `frames_and_field_blocks` |
//! | 5.1 states, 5.1.1 identifiers, 5.1.2 concurrency | `states_and_identifiers_of_streams` |
//! | 5.4 errors | all: each expects a stream error or a connection error by its code; `an_error_of_the_connection_ends_it` |
//! | 6.1 to 6.4 DATA, HEADERS, PRIORITY, RST_STREAM | `frames_of_streams` |
//! | 6.5 to 6.10 SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION | `frames_of_the_connection` |
//! | 6.5.3, 6.7, 6.9 what is to be answered and obeyed | `settings_pings_and_windows_are_obeyed` |
//! | 8.1 messages, 8.1.1 length, trailers | `messages_end_as_they_were_announced` |
//! | 8.2, 8.3 fields and pseudo-fields | `super::downgrade`, with nothing of it upstream |

use super::{
    frames::{END_HEADERS, END_STREAM, PREFACE, Raw, Said, block, frame},
    harness::Door,
};

/// Is what a server has to do about a case.
///
/// Where a code says more than PROTOCOL_ERROR, that one does too: the h2 crate often says no more, and nothing hangs on it.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// End the connection with this code, and close it.
    Connection(u32),
    /// End the stream with this code, or the connection, as section 5.4.2 permits.
    Stream(u32),
    /// Take no notice: a request behind it is answered.
    Nothing,
}
use Want::{Connection, Nothing, Stream};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;

/// A request that Portward answers by itself, with 421.
fn fields() -> Vec<u8> {
    block(&[(":method", b"GET"), (":scheme", b"https"), (":authority", b"nobody.test"), (":path", b"/")])
}

/// A request with a body, to an application that does not answer.
fn upload() -> Vec<u8> {
    block(&[(":method", b"POST"), (":scheme", b"https"), (":authority", b"shop.test"), (":path", b"/case")])
}

fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields())
}

fn post(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &upload())
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// Is what is wrong, what is sent, and what is wanted.
type Case = (&'static str, Vec<Vec<u8>>, Want);

async fn check(door: &Door, cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for (what, frames, want) in cases {
        let mut raw = Raw::open(door).await;
        raw.write(&frames.concat()).await;
        if matches!(want, Nothing) {
            raw.write(&get(101)).await;
        }
        let said = raw.said().await;
        match (want, &said) {
            (Connection(wanted), Said::GoAway(code)) if [wanted, PROTOCOL_ERROR].contains(code) => {
                raw.is_closed(what).await
            }
            (Stream(wanted), Said::Reset(code) | Said::GoAway(code)) if [wanted, PROTOCOL_ERROR].contains(code) => {}
            (Nothing, Said::Headers(_)) => {}
            _ => wrong.push(format!("{what}: {said:?} instead of {want:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_connection_begins_with_the_preface() {
    let door = Door::open().await;
    let settings = frame(SETTINGS, 0, 0, &[]);
    for (what, bytes) in [
        ("another word", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n".to_vec()),
        ("frames at once", [settings.clone(), get(1)].concat()),
        ("no SETTINGS first", [PREFACE, &get(1)].concat()),
        ("an acknowledgement first", [PREFACE, &frame(SETTINGS, ACK, 0, &[])].concat()),
        ("the preface twice", [PREFACE, &settings, PREFACE].concat()),
    ] {
        let mut raw = Raw::silent(&door).await;
        raw.write(&bytes).await;
        match raw.said().await {
            Said::Closed => {}
            Said::GoAway(code) => {
                assert!([PROTOCOL_ERROR, FRAME_SIZE_ERROR].contains(&code), "{what}: {code}");
                raw.is_closed(what).await;
            }
            said => panic!("{what}: {said:?}"),
        }
    }
    door.nothing_else_reached_the_app("prefaces").await;
}

#[tokio::test]
async fn frames_and_field_blocks() {
    let door = Door::open().await;
    let part = |flags, stream, bytes: &[u8]| frame(HEADERS, flags, stream, bytes);
    let with = |prefix: &[u8]| [prefix, &fields()].concat();
    let half = fields().len() / 2;
    let cases: Vec<Case> = vec![
        ("4.1 an unknown frame", vec![frame(0xbe, 0xff, 0, b"what")], Nothing),
        ("4.1 an unknown frame of a stream", vec![frame(0xbe, 0, 3, b"what")], Nothing),
        ("4.1 the reserved bit", vec![frame(PING, ACK, 1 << 31, &[0; 8])], Nothing),
        ("4.1 flags without meaning", vec![frame(PING, 0xfe | ACK, 0, &[0; 8])], Nothing),
        ("4.2 a frame larger than the limit", vec![frame(DATA, 0, 1, &[0; 16_385])], Connection(FRAME_SIZE_ERROR)),
        ("4.2 an unknown frame, too large", vec![frame(0xbe, 0, 0, &[0; 16_385])], Connection(FRAME_SIZE_ERROR)),
        ("4.3 an index of zero", vec![part(5, 1, &with(&[0x80]))], Connection(COMPRESSION_ERROR)),
        ("4.3 an index behind the table", vec![part(5, 1, &with(&[0xff, 0x20]))], Connection(COMPRESSION_ERROR)),
        ("4.3 a table beyond the limit", vec![part(5, 1, &with(&[0x3f, 0xe2, 0x1f]))], Connection(COMPRESSION_ERROR)),
        (
            "4.3 a table that changes too late",
            vec![part(5, 1, &[fields(), vec![0x20]].concat())],
            Connection(COMPRESSION_ERROR),
        ),
        ("4.3 a block that ends in a field", vec![part(5, 1, &fields()[..half])], Connection(COMPRESSION_ERROR)),
        (
            "4.3 a Huffman code with a false end",
            vec![part(5, 1, &with(&[0, 0x81, 0, 0]))],
            Connection(COMPRESSION_ERROR),
        ),
        (
            "4.3 another frame in a block",
            vec![part(END_STREAM, 1, &fields()[..half]), frame(PING, 0, 0, &[0; 8])],
            Connection(PROTOCOL_ERROR),
        ),
        (
            "5.5 an unknown frame in a block",
            vec![part(END_STREAM, 1, &fields()[..half]), frame(0xbe, 0, 1, &[])],
            Connection(PROTOCOL_ERROR),
        ),
        (
            "4.3 another stream in a block",
            vec![part(END_STREAM, 1, &fields()[..half]), get(3)],
            Connection(PROTOCOL_ERROR),
        ),
        (
            "6.10 another stream goes on",
            vec![part(END_STREAM, 1, &fields()[..half]), frame(CONTINUATION, END_HEADERS, 3, &fields()[half..])],
            Connection(PROTOCOL_ERROR),
        ),
        (
            "4.3 a block in three parts",
            vec![
                part(END_STREAM, 1, &fields()[..half]),
                frame(CONTINUATION, 0, 1, &fields()[half..half + 1]),
                frame(CONTINUATION, END_HEADERS, 1, &fields()[half + 1..]),
            ],
            Nothing,
        ),
    ];
    check(&door, cases).await;
    door.nothing_else_reached_the_app("field blocks").await;
}

#[tokio::test]
async fn states_and_identifiers_of_streams() {
    let door = Door::open().await;
    let ended = || frame(HEADERS, END_HEADERS | END_STREAM, 1, &upload());
    let cancel = || frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    let one = &[0, 0, 0, 1];
    let cases: Vec<Case> = vec![
        ("5.1 idle: DATA", vec![frame(DATA, 0, 1, b"x")], Connection(PROTOCOL_ERROR)),
        ("5.1 idle: RST_STREAM", vec![cancel()], Connection(PROTOCOL_ERROR)),
        ("5.1 idle: WINDOW_UPDATE", vec![frame(WINDOW_UPDATE, 0, 1, one)], Connection(PROTOCOL_ERROR)),
        ("5.1 idle: CONTINUATION", vec![frame(CONTINUATION, END_HEADERS, 1, &fields())], Connection(PROTOCOL_ERROR)),
        ("5.1 half-closed: DATA", vec![ended(), frame(DATA, 0, 1, b"x")], Stream(STREAM_CLOSED)),
        ("5.1 half-closed: HEADERS", vec![ended(), get(1)], Stream(STREAM_CLOSED)),
        (
            "5.1 half-closed: CONTINUATION",
            vec![ended(), frame(CONTINUATION, END_HEADERS, 1, &[])],
            Connection(PROTOCOL_ERROR),
        ),
        ("5.1 half-closed: WINDOW_UPDATE is fine", vec![ended(), frame(WINDOW_UPDATE, 0, 1, one)], Nothing),
        ("5.1 closed: PRIORITY is fine", vec![post(1), cancel(), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])], Nothing),
        ("5.1 closed: RST_STREAM again is fine", vec![post(1), cancel(), cancel()], Nothing),
        ("5.1 closed: HEADERS", vec![post(1), cancel(), get(1)], Stream(STREAM_CLOSED)),
        ("5.1 closed: DATA", vec![post(1), cancel(), frame(DATA, 0, 1, b"x")], Stream(STREAM_CLOSED)),
        ("5.1.1 an even number", vec![get(2)], Connection(PROTOCOL_ERROR)),
        ("5.1.1 a number that goes back", vec![post(5), post(3)], Connection(PROTOCOL_ERROR)),
        ("5.1.1 no number", vec![get(0)], Connection(PROTOCOL_ERROR)),
        ("5.1.2 more than are allowed", (0..129).map(|at| post(2 * at + 1)).collect(), Stream(REFUSED_STREAM)),
    ];
    check(&door, cases).await;
}

#[tokio::test]
async fn frames_of_streams() {
    let door = Door::open().await;
    let cases: Vec<Case> = vec![
        ("6.1 DATA of no stream", vec![frame(DATA, 0, 0, b"x")], Connection(PROTOCOL_ERROR)),
        ("6.1 more padding than DATA", vec![post(1), frame(DATA, PADDED, 1, &[5, b'x'])], Connection(PROTOCOL_ERROR)),
        ("6.1 padding of no length", vec![post(1), frame(DATA, PADDED, 1, &[])], Connection(PROTOCOL_ERROR)),
        (
            "6.2 more padding than HEADERS",
            vec![frame(HEADERS, 5 | PADDED, 1, &[200, 0x82])],
            Connection(PROTOCOL_ERROR),
        ),
        (
            "6.2 HEADERS too short for a priority",
            vec![frame(HEADERS, 5 | WITH_PRIORITY, 1, &[0, 0])],
            Connection(PROTOCOL_ERROR),
        ),
        (
            "6.2 padding and priority are taken off",
            vec![frame(
                HEADERS,
                5 | PADDED | WITH_PRIORITY,
                1,
                &[&[2, 0, 0, 0, 0, 9][..], &fields(), &[0, 0]].concat(),
            )],
            Nothing,
        ),
        ("6.3 PRIORITY of no stream", vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 1])], Connection(PROTOCOL_ERROR)),
        (
            "6.3 PRIORITY of a wrong length",
            vec![post(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 0])],
            Stream(FRAME_SIZE_ERROR),
        ),
        ("6.3 PRIORITY before its stream", vec![frame(PRIORITY, 0, 7, &[0, 0, 0, 5, 1])], Nothing),
        ("6.4 RST_STREAM of no stream", vec![frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])], Connection(PROTOCOL_ERROR)),
        (
            "6.4 RST_STREAM of a wrong length",
            vec![post(1), frame(RST_STREAM, 0, 1, &[0, 0, 8])],
            Connection(FRAME_SIZE_ERROR),
        ),
    ];
    check(&door, cases).await;
}

#[tokio::test]
async fn frames_of_the_connection() {
    let door = Door::open().await;
    let settings = |payload: &[u8]| vec![frame(SETTINGS, 0, 0, payload)];
    let max = &0x7fff_ffff_u32.to_be_bytes();
    let cases: Vec<Case> = vec![
        ("6.5 SETTINGS of a stream", vec![frame(SETTINGS, 0, 1, &[])], Connection(PROTOCOL_ERROR)),
        ("6.5 SETTINGS of a wrong length", settings(&[0; 5]), Connection(FRAME_SIZE_ERROR)),
        (
            "6.5 an acknowledgement with settings",
            vec![frame(SETTINGS, ACK, 0, &setting(4, 1))],
            Connection(FRAME_SIZE_ERROR),
        ),
        ("6.5.2 ENABLE_PUSH of 2", settings(&setting(2, 2)), Connection(PROTOCOL_ERROR)),
        ("6.5.2 a window that is too large", settings(&setting(4, 1 << 31)), Connection(FLOW_CONTROL_ERROR)),
        ("6.5.2 frames that are too small", settings(&setting(5, 16_383)), Connection(PROTOCOL_ERROR)),
        ("6.5.2 frames that are too large", settings(&setting(5, 1 << 24)), Connection(PROTOCOL_ERROR)),
        ("6.5.2 a setting that nobody knows", settings(&setting(0xbeef, 1)), Nothing),
        (
            "6.6 PUSH_PROMISE",
            vec![post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &fields()].concat())],
            Connection(PROTOCOL_ERROR),
        ),
        ("6.7 PING of a stream", vec![frame(PING, 0, 1, &[0; 8])], Connection(PROTOCOL_ERROR)),
        ("6.7 PING of a wrong length", vec![frame(PING, 0, 0, &[0; 7])], Connection(FRAME_SIZE_ERROR)),
        ("6.8 GOAWAY of a stream", vec![frame(GOAWAY, 0, 1, &[0; 8])], Connection(PROTOCOL_ERROR)),
        ("6.8 GOAWAY that is too short", vec![frame(GOAWAY, 0, 0, &[0; 7])], Connection(FRAME_SIZE_ERROR)),
        ("6.9 no room for the connection", vec![frame(WINDOW_UPDATE, 0, 0, &[0; 4])], Connection(PROTOCOL_ERROR)),
        ("6.9 no room for a stream", vec![post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])], Stream(PROTOCOL_ERROR)),
        (
            "6.9 WINDOW_UPDATE of a wrong length",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            Connection(FRAME_SIZE_ERROR),
        ),
        (
            "6.9.1 too much room for the connection",
            vec![frame(WINDOW_UPDATE, 0, 0, max)],
            Connection(FLOW_CONTROL_ERROR),
        ),
        (
            "6.9.1 too much room for a stream",
            vec![post(1), frame(WINDOW_UPDATE, 0, 1, max)],
            Stream(FLOW_CONTROL_ERROR),
        ),
        (
            "6.9.2 too much room by a setting",
            vec![
                post(1),
                frame(WINDOW_UPDATE, 0, 1, &0x7fff_0000_u32.to_be_bytes()),
                frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff)),
            ],
            Connection(FLOW_CONTROL_ERROR),
        ),
        (
            "6.9.1 more DATA than there is room for",
            [vec![post(1)], (0..40).map(|_| frame(DATA, 0, 1, &[0; 16_384])).collect()].concat(),
            Stream(FLOW_CONTROL_ERROR),
        ),
        ("6.10 CONTINUATION of nothing", vec![frame(CONTINUATION, END_HEADERS, 1, &[])], Connection(PROTOCOL_ERROR)),
        (
            "6.10 CONTINUATION of no stream",
            vec![frame(HEADERS, END_STREAM, 1, &fields()), frame(CONTINUATION, END_HEADERS, 0, &[])],
            Connection(PROTOCOL_ERROR),
        ),
    ];
    check(&door, cases).await;
}

#[tokio::test]
async fn an_error_of_the_connection_ends_it() {
    let door = Door::open().await;
    let mut raw = Raw::open(&door).await;
    // The answer to what came before the error may come, what came behind it is not looked at.
    raw.write(&[frame(PING, 0, 1, &[0; 8]), get(1)].concat()).await;
    assert_eq!(raw.said().await, Said::GoAway(PROTOCOL_ERROR));
    raw.is_closed("a request behind an error").await;
}

#[tokio::test]
async fn settings_pings_and_windows_are_obeyed() {
    let door = Door::open().await;
    let mut raw = Raw::open(&door).await;
    raw.write(&[frame(PING, 0, 0, b"whatever"), frame(PING, ACK, 0, b"unasked!")].concat()).await;
    raw.write(&frame(SETTINGS, 0, 0, &setting(4, 1))).await;
    let mut acknowledged = 0;
    while acknowledged < 2 {
        match raw.frame().await.expect("6.5.3: each SETTINGS is acknowledged") {
            (SETTINGS, ACK, 0, payload) if payload.is_empty() => acknowledged += 1,
            (SETTINGS, _, 0, _) | (WINDOW_UPDATE, ..) => {}
            (PING, ACK, 0, payload) => assert_eq!(payload, b"whatever", "6.7: the same again, and once"),
            other => panic!("{other:?}"),
        }
    }
    // 6.9.2: streams begin with room for one byte.
    raw.write(&get(1)).await;
    let mut taken = Vec::new();
    loop {
        match raw.frame().await.expect("the answer is there to its end") {
            (HEADERS, flags, 1, _) => assert_eq!(flags & END_STREAM, 0),
            (DATA, flags, 1, payload) => {
                assert!(payload.len() <= 1, "6.9.1: {} bytes for one", payload.len());
                taken.extend(payload);
                if flags & END_STREAM != 0 {
                    break;
                }
                raw.write(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).await;
            }
            (WINDOW_UPDATE, ..) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(taken.starts_with(b"421 misdirected"), "{}", String::from_utf8_lossy(&taken));
}

#[tokio::test]
async fn messages_end_as_they_were_announced() {
    let door = Door::open().await;
    let trailers = |flags, fields: &[(&str, &[u8])]| frame(HEADERS, flags, 1, &block(fields));
    let of = |length: &'static [u8]| {
        let fields: &[(&str, &[u8])] = &[
            (":method", b"POST"),
            (":scheme", b"https"),
            (":authority", b"shop.test"),
            (":path", b"/case"),
            ("content-length", length),
        ];
        frame(HEADERS, END_HEADERS, 1, &block(fields))
    };
    let cases: Vec<Case> = vec![
        (
            "8.1 trailers that do not end the stream",
            vec![post(1), trailers(END_HEADERS, &[("x-a", b"b")])],
            Stream(PROTOCOL_ERROR),
        ),
        (
            "8.1 fields behind trailers",
            vec![post(1), trailers(5, &[("x-a", b"b")]), trailers(5, &[("x-a", b"b")])],
            Stream(STREAM_CLOSED),
        ),
        (
            "8.1 DATA behind trailers",
            vec![post(1), trailers(5, &[("x-a", b"b")]), frame(DATA, 0, 1, b"x")],
            Stream(STREAM_CLOSED),
        ),
        ("8.1.1 more than announced", vec![of(b"1"), frame(DATA, END_STREAM, 1, b"xy")], Stream(PROTOCOL_ERROR)),
        ("8.1.1 less than announced", vec![of(b"3"), frame(DATA, END_STREAM, 1, b"xy")], Stream(PROTOCOL_ERROR)),
        (
            "8.1.1 less than announced, then trailers",
            vec![of(b"3"), trailers(5, &[("x-a", b"b")])],
            Stream(PROTOCOL_ERROR),
        ),
        ("8.2.1 an upper-case trailer", vec![post(1), trailers(5, &[("X-A", b"b")])], Stream(PROTOCOL_ERROR)),
        (
            "8.2.2 a trailer of connections",
            vec![post(1), trailers(5, &[("connection", b"close")])],
            Stream(PROTOCOL_ERROR),
        ),
    ];
    check(&door, cases).await;
}
