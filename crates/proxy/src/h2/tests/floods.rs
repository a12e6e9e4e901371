//! Frames that make work and carry nothing, two thousand of each: the connection is cut and the next one served.

use super::{
    frames::{END_HEADERS, END_STREAM, PREFACE, Raw, Said, block, frame},
    harness::Door,
};

const FRAMES: u32 = 2_000;

fn get() -> Vec<u8> {
    block(&[(":method", b"GET"), (":scheme", b"https"), (":authority", b"down.test"), (":path", b"/")])
}

fn shop(path: &[u8]) -> Vec<u8> {
    block(&[(":method", b"GET"), (":scheme", b"https"), (":authority", b"shop.test"), (":path", path)])
}

fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// Sends a flood in one piece, or frame by frame so that each is looked at on its own, and waits for the cut.
async fn cut(door: &Door, what: &str, flood: Vec<Vec<u8>>, together: bool) {
    let mut raw = Raw::open(door).await;
    if together {
        raw.write(&flood.concat()).await;
    } else {
        for frame in flood {
            raw.write(&frame).await;
        }
    }
    loop {
        match raw.said().await {
            Said::Closed => break,
            Said::GoAway(code) => {
                assert_ne!(code, 0, "{what}");
                break;
            }
            Said::Headers(_) | Said::Reset(_) => {}
        }
    }
    door.nothing_else_reached_the_app(what).await;
}

#[tokio::test]
async fn floods_are_cut() {
    let door = Door::open().await;
    let each = |make: &dyn Fn(u32) -> Vec<u8>| (0..FRAMES).map(make).collect::<Vec<_>>();
    let reset = each(&|n| {
        [frame(1, END_HEADERS | END_STREAM, stream(n), &get()), frame(3, 0, stream(n), &[0, 0, 0, 8])].concat()
    });
    cut(&door, "rapid reset", reset.clone(), true).await;
    cut(&door, "rapid reset, one at a time", reset, false).await;
    let no_window =
        each(&|n| [frame(1, END_HEADERS, stream(n), &get()), frame(8, 0, stream(n), &[0, 0, 0, 0])].concat());
    cut(&door, "reset made by an empty window update", no_window, true).await;
    let too_much = each(&|n| {
        [frame(1, END_HEADERS, stream(n), &get()), frame(8, 0, stream(n), &0x7fff_ffff_u32.to_be_bytes())].concat()
    });
    cut(&door, "reset made by a window that overflows", too_much, true).await;
    let bad_priority = each(&|n| [frame(1, END_HEADERS, stream(n), &get()), frame(2, 0, stream(n), &[0; 4])].concat());
    cut(&door, "reset made by a PRIORITY of a wrong length", bad_priority, true).await;
    let mut continuation = vec![frame(1, END_STREAM, 1, &get())];
    continuation.extend(each(&|_| frame(9, 0, 1, &block(&[("x-a", b"b")]))));
    cut(&door, "CONTINUATION", continuation, true).await;
    let mut empty_continuation = vec![frame(1, END_STREAM, 1, &get())];
    empty_continuation.extend(each(&|_| frame(9, 0, 1, &[])));
    cut(&door, "empty CONTINUATION", empty_continuation, true).await;
    let mut empty_data = vec![frame(1, END_HEADERS, 1, &get())];
    empty_data.extend(each(&|_| frame(0, 0, 1, &[])));
    cut(&door, "empty DATA", empty_data, true).await;
    cut(&door, "PING", each(&|_| frame(6, 0, 0, &[0; 8])), true).await;
    cut(&door, "PING, one at a time", each(&|_| frame(6, 0, 0, &[0; 8])), false).await;
    cut(&door, "SETTINGS", each(&|_| frame(4, 0, 0, &[])), true).await;
    cut(&door, "PRIORITY", each(&|n| frame(2, 0, stream(n), &[0, 0, 0, 0, 16])), true).await;
    cut(&door, "unknown frames", each(&|_| frame(0xbe, 0, 0, &[])), true).await;
}

#[tokio::test]
async fn requests_that_are_reset_before_they_are_begun_make_no_connection_to_the_application() {
    let door = Door::open().await;
    let mut raw = Raw::open(&door).await;
    let shop =
        |path| block(&[(":method", b"GET"), (":scheme", b"https"), (":authority", b"shop.test"), (":path", path)]);
    let too_much = 0x7fff_ffff_u32.to_be_bytes();
    let reset = |n| [frame(1, END_HEADERS, stream(n), &shop(b"/reset")), frame(8, 0, stream(n), &too_much)].concat();
    raw.write(&(0..20).map(reset).collect::<Vec<_>>().concat()).await;
    raw.write(&frame(1, END_HEADERS | END_STREAM, stream(20), &shop(b"/wanted"))).await;
    let mut app = door.app().await;
    let head = app.head().await;
    assert!(head.starts_with("GET /wanted HTTP/1.1\r\n"), "{head}");
}

#[tokio::test]
async fn of_a_client_that_takes_no_response_few_requests_are_forwarded_at_once() {
    let door = Door::open().await;
    let mut raw = Raw::silent(&door).await;
    let no_window = [0, 4, 0, 0, 0, 0];
    let ask = |n| frame(1, END_HEADERS | END_STREAM, stream(n), &shop(b"/"));
    raw.write(&[PREFACE, &frame(4, 0, 0, &no_window), &(0..20).map(ask).collect::<Vec<_>>().concat()].concat()).await;
    let mut apps = Vec::new();
    for _ in 0..8 {
        let mut app = door.app().await;
        app.head().await;
        app.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(raw.said().await, Said::Headers(0x88));
        apps.push(app);
    }
    let another = tokio::time::timeout(std::time::Duration::from_millis(200), door.app.accept());
    assert!(another.await.is_err(), "a ninth request is forwarded");
    // Who takes a response has the next one.
    raw.write(&frame(8, 0, stream(0), &2_u32.to_be_bytes())).await;
    apps[0].head().await;
}

#[tokio::test]
async fn headers_that_unpack_to_more_than_the_limit_are_refused() {
    let door = Door::open().await;
    let mut raw = Raw::open(&door).await;
    // One large value goes into the table; then it is named two hundred times by a single byte each.
    let mut fields = get();
    fields.extend_from_slice(&[0x40, 3]);
    fields.extend_from_slice(b"x-a");
    // 3,800 = 127 + 3,673, in groups of seven bits.
    fields.extend_from_slice(&[0x7f, 0xd9, 0x1c]);
    fields.extend(std::iter::repeat_n(b'v', 3_800));
    fields.extend(std::iter::repeat_n(0x80 | 62, 200));
    raw.write(&frame(1, END_HEADERS | END_STREAM, 1, &fields)).await;
    // ENHANCE_YOUR_CALM
    assert_eq!(raw.said().await, Said::GoAway(11));
    door.nothing_else_reached_the_app("a bomb").await;
}
