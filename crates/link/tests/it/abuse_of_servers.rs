//! HTTP/2 as a false agent does it to Portward.

use std::{sync::Arc, time::Duration};

use portward_link::{
    CallError, Caller,
    message::{ProgressLine, Reply, RotateReply, method},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    frames::{
        self, CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, OK, PING, PUSH_PROMISE, RST_STREAM, SETTINGS, frame,
        setting, window_update,
    },
    memory::resident,
    peers::{Does, RawAgent, caller_of_false_agent, link},
};

async fn quiet() -> (Caller, JoinHandle<String>, RawAgent) {
    let (caller, run, mut raw) = caller_of_false_agent().await;
    frames::begin_as_server(&mut raw).await;
    (caller, run, raw)
}

fn rotate(caller: &Caller, limit: Duration) -> JoinHandle<Result<RotateReply, CallError>> {
    let caller = caller.clone();
    tokio::spawn(async move { caller.call::<method::Rotate>(&Default::default(), limit).await })
}

/// Answers one call with `first`, and then with `more`, as much as is taken; what the caller says of it.
async fn answered_with(
    reads: bool,
    first: fn(u32) -> Vec<u8>,
    more: fn(u32) -> Vec<u8>,
) -> (Result<RotateReply, CallError>, bool) {
    let (caller, run, mut raw) = quiet().await;
    let _alone = crate::peers::MEASURING.lock().await;
    let before = resident();
    let call = rotate(&caller, Duration::from_millis(600));
    let id = frames::next_call(&mut raw).await;
    raw.write_all(&first(id)).await.unwrap();
    let _ = raw.flush().await;
    let (mut reading, mut writing) = tokio::io::split(raw);
    let drain = tokio::spawn(async move {
        let mut into = vec![0; 64 * 1024];
        while reads && matches!(reading.read(&mut into).await, Ok(1..)) {}
        reading
    });
    let more = more(id).repeat(16);
    let flooding = tokio::spawn(async move { while writing.write_all(&more).await.is_ok() {} });
    let came = timeout(Duration::from_secs(6), call).await.expect("the call has no end").unwrap();
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "it holds {grown} bytes more");
    let is_ended = timeout(Duration::from_millis(200), run).await.is_ok();
    flooding.abort();
    drain.abort();
    (came, is_ended)
}

fn head(id: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id, OK)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_anything_leaves_the_call_with_an_error_and_the_memory_as_it_was() {
    type Frames = fn(u32) -> Vec<u8>;
    let nothing: Frames = |_| Vec::new();
    let floods: [(&str, Frames, Frames); 10] = [
        ("settings", nothing, |_| frame(SETTINGS, 0, 0, &[])),
        ("pings", nothing, |_| frame(PING, 0, 0, &[7; 8])),
        ("interim answers", nothing, |id| {
            let hints = [vec![0x08, 3], b"103".to_vec(), frames::header("link", &"a".repeat(1000))].concat();
            frame(HEADERS, END_HEADERS, id, &hints)
        }),
        (
            "headers without end",
            |id| frame(HEADERS, 0, id, OK),
            |id| frame(CONTINUATION, 0, id, &frames::header("x", &"a".repeat(1000))),
        ),
        ("empty headers without end", |id| frame(HEADERS, 0, id, OK), |id| frame(CONTINUATION, 0, id, &[])),
        ("data beyond the window", head, |id| frame(DATA, 0, id, &[b' '; 16 * 1024])),
        ("empty data", head, |id| frame(DATA, 0, id, &[])),
        ("padding", head, |id| frame(DATA, 8, id, &[&[255_u8][..], &[0; 255]].concat())),
        ("resets", nothing, |id| frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())),
        ("windows", nothing, |id| window_update(id, 1)),
    ];
    for (what, first, more) in floods {
        for reads in [true, false] {
            let began = Instant::now();
            let (came, is_ended) = answered_with(reads, first, more).await;
            assert!(came.is_err(), "{what}");
            assert!(began.elapsed() < Duration::from_secs(6));
            println!("{what}, read: {reads}: {}; link ended: {is_ended}", came.unwrap_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_rules_ends_the_link_and_the_call_says_so() {
    for (what, bytes) in [
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82, 0x87, 0x84])),
        ("a window that overflows", [window_update(0, 0x7fff_ffff), window_update(0, 0x7fff_ffff)].concat()),
        ("a window that is too large", setting(4, 0xffff_ffff)),
        ("frames too short", setting(5, 100)),
        ("a frame that is too long", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("a table that is larger than allowed", frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xe1, 0xff, 0x03])),
        ("goodbye", frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])),
        ("no HTTP/2", b"HTTP/1.1 200 OK\r\n\r\n".repeat(1000)),
    ] {
        let (caller, run, mut raw) = quiet().await;
        let call = rotate(&caller, Duration::from_secs(5));
        frames::next_call(&mut raw).await;
        raw.write_all(&bytes).await.unwrap();
        let _ = raw.flush().await;
        let came = timeout(Duration::from_secs(6), call).await.unwrap().unwrap();
        assert!(matches!(came, Err(CallError::Lost(_))), "{what}: {came:?}");
        timeout(Duration::from_secs(5), run).await.unwrap_or_else(|_| panic!("{what}: the link goes on")).unwrap();
        let after = caller.call::<method::Rotate>(&Default::default(), Duration::from_secs(5)).await;
        assert!(matches!(after, Err(CallError::Lost(_))), "{what}: {after:?}");
        println!("{what}: {}", came.unwrap_err());
    }
}

#[tokio::test]
async fn an_agent_that_resets_takes_nothing_or_says_nothing_costs_the_call_only() {
    let (caller, run, mut raw) = quiet().await;
    for _ in 0..200 {
        let call = rotate(&caller, Duration::from_secs(5));
        let id = frames::next_call(&mut raw).await;
        raw.write_all(&frame(RST_STREAM, 0, id, &2_u32.to_be_bytes())).await.unwrap();
        raw.flush().await.unwrap();
        let came = call.await.unwrap();
        let came = came.unwrap_err().to_string();
        assert_eq!(
            came,
            "the answer of the agent cannot be read: the agent broke it off: unexpected internal error encountered"
        );
    }
    let limit = Duration::from_millis(300);
    let unanswered = rotate(&caller, limit).await.unwrap();
    assert!(matches!(unanswered, Err(CallError::TimedOut(_))), "{unanswered:?}");
    // No window for the call, then no room for another one.
    for rule in [setting(4, 0), setting(3, 0)] {
        raw.write_all(&rule).await.unwrap();
        raw.flush().await.unwrap();
        let untaken = rotate(&caller, limit).await.unwrap();
        assert!(matches!(untaken, Err(CallError::TimedOut(_))), "{untaken:?}");
    }
    assert!(!run.is_finished());
}

/// A call that is answered with as much as the windows take of `line`, again and again.
async fn endless(line: &'static [u8]) -> Result<RotateReply, CallError> {
    let (caller, run, mut raw) = quiet().await;
    let call = rotate(&caller, Duration::from_secs(20));
    let id = frames::next_call(&mut raw).await;
    raw.write_all(&head(id)).await.unwrap();
    let agent = tokio::spawn(async move {
        let mut room = 64 * 1024_usize;
        let bytes: Vec<u8> = line.iter().copied().cycle().take(line.len() * (16 * 1024 / line.len())).collect();
        loop {
            while room >= bytes.len() {
                room -= bytes.len();
                raw.write_all(&frame(DATA, 0, id, &bytes)).await.unwrap();
            }
            raw.flush().await.unwrap();
            let Some((kind, _, stream, payload)) = frames::next(&mut raw).await else { return };
            match (kind, stream) {
                (frames::WINDOW_UPDATE, stream) if stream == id => {
                    room += usize::try_from(u32::from_be_bytes(payload.try_into().unwrap())).unwrap();
                }
                (RST_STREAM, _) => return,
                _ => {}
            }
        }
    });
    let came = call.await.unwrap();
    timeout(Duration::from_secs(5), agent).await.expect("it is not told to stop").unwrap();
    assert!(!run.is_finished());
    came
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let unbroken = endless(b"a").await;
    assert!(
        matches!(&unbroken, Err(CallError::Garbled(why)) if why.contains("more than 1048576 bytes")),
        "{unbroken:?}"
    );
    let progress = endless(b"{\"progress\":{\"stage\":\"test\",\"message\":\"still at it\"}}\n").await;
    assert!(matches!(&progress, Err(CallError::Garbled(why)) if why.contains("how it goes")), "{progress:?}");
    let empty = endless(b"\n").await;
    assert!(matches!(&empty, Err(CallError::Garbled(_))), "{empty:?}");
}

#[tokio::test]
async fn an_answer_in_crumbs_is_looked_at_once() {
    let (caller, _run, mut raw) = quiet().await;
    let call = rotate(&caller, Duration::from_secs(30));
    let id = frames::next_call(&mut raw).await;
    raw.write_all(&head(id)).await.unwrap();
    let began = Instant::now();
    tokio::spawn(async move {
        let mut room = 64 * 1024_usize;
        loop {
            while room >= 256 {
                room -= 256;
                raw.write_all(&frame(DATA, 0, id, &[b'a'; 256])).await.unwrap();
            }
            raw.flush().await.unwrap();
            let Some((kind, _, stream, payload)) = frames::next(&mut raw).await else { return };
            if kind == frames::WINDOW_UPDATE && stream == id {
                room += usize::try_from(u32::from_be_bytes(payload.try_into().unwrap())).unwrap();
            }
        }
    });
    assert!(call.await.unwrap().is_err());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_an_agent_tells_is_bounded_by_itself_and_what_came_of_it_arrives() {
    let handler = Arc::new(Does(|_, progress: portward_link::Progress| async move {
        // Small ones must not look like a flood.
        for _ in 0..3000 {
            progress.tell("small", "x");
            tokio::task::yield_now().await;
        }
        for turn in 0..200 {
            progress.tell("test\u{1b}[2J", format!("{turn}\n{}", "long ".repeat(4000)));
            tokio::task::yield_now().await;
        }
        for _ in 0..3000 {
            progress.tell("test", "\u{1}\"\\".repeat(1000));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..3000 {
            progress.tell("test", "x".repeat(2048));
            tokio::task::yield_now().await;
        }
        Ok(Reply::Rotate(RotateReply { thumbprint: "new".to_owned() }))
    }));
    let (caller, _run, _served) = link(handler).await;
    let mut told: Vec<ProgressLine> = Vec::new();
    let asked = Default::default();
    let answer = caller.call_telling::<method::Rotate>(&asked, Duration::from_secs(30), |line| told.push(line));
    assert_eq!(answer.await.unwrap().thumbprint, "new");
    assert!(told.len() > 200, "{}", told.len());
    assert!(told.iter().all(|line| line.message.len() <= 2048 && line.stage.len() < 64));
    let first = told.iter().find(|line| line.stage != "small").unwrap();
    assert!(first.message.starts_with("0long ") && first.stage == "test[2J", "{first:?}");
}

#[tokio::test]
async fn many_calls_at_once_wait_for_each_other_and_none_is_refused() {
    let handler = Arc::new(Does(|_, _| async {
        tokio::task::yield_now().await;
        Ok(Reply::Rotate(RotateReply { thumbprint: "new".to_owned() }))
    }));
    let (caller, _run, _served) = link(handler).await;
    // The first of them are sent before the agent has said how many it takes.
    let calls: Vec<_> = (0..500).map(|_| rotate(&caller, Duration::from_secs(20))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_call_or_an_answer_that_is_too_large_says_so() {
    use portward_link::message::{Withdraw, WithdrawReply};
    let handler = Arc::new(Does(|call, _| async move {
        match call {
            portward_link::message::Call::Withdraw(Withdraw { .. }) => {
                Ok(Reply::Withdraw(WithdrawReply { was_there: true }))
            }
            _ => Ok(Reply::Rotate(RotateReply { thumbprint: "a".repeat(2 * 1024 * 1024) })),
        }
    }));
    let (caller, _run, _served) = link(handler).await;
    let limit = Duration::from_secs(10);
    let came = caller.call::<method::Rotate>(&Default::default(), limit).await;
    assert!(matches!(&came, Err(CallError::Fault(fault)) if fault.code == "too-large"), "{came:?}");
    let large = Withdraw { delivery: "a".repeat(2 * 1024 * 1024) };
    let came = caller.call::<method::Withdraw>(&large, limit).await;
    assert!(matches!(&came, Err(CallError::Fault(fault)) if fault.code == "too-large"), "{came:?}");
    // Nearly as much as goes, goes.
    let large = Withdraw { delivery: "a".repeat(1024 * 1024 - 64) };
    assert!(caller.call::<method::Withdraw>(&large, limit).await.unwrap().was_there);
}

#[tokio::test]
async fn an_agent_that_has_said_nothing_yet_gets_no_more_calls_than_it_would_take() {
    let (caller, _run, mut raw) = caller_of_false_agent().await;
    let calls: Vec<_> = (0..100).map(|_| rotate(&caller, Duration::from_millis(300))).collect();
    let mut came = Vec::new();
    let reading = async {
        raw.read_exact(&mut [0; 24]).await.unwrap();
        while let Some((kind, _, id, _)) = frames::next(&mut raw).await {
            if kind == HEADERS {
                came.push(id);
            }
        }
    };
    let _ = timeout(Duration::from_millis(200), reading).await;
    assert_eq!(came.len(), 32);
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(CallError::TimedOut(_))));
    }
}
