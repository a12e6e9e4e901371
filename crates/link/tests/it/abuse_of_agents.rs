//! HTTP/2 as a false server does it to an agent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portward_link::{
    PING_EVERY, PING_PATIENCE,
    message::{Fault, Reply, RotateReply},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, pause, timeout},
};

use crate::{
    frames::{
        self, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PUSH_PROMISE, RST_STREAM, SETTINGS,
        frame, setting, window_update,
    },
    memory::resident,
    peers::{Does, RawServer, agent_of_false_server},
};

/// What became of an agent to whom somebody sent more and more of the same.
#[derive(Debug)]
enum Outcome {
    /// It ended the link.
    Ended(String),
    /// It takes no more until what it has said is read.
    Waits,
    /// It took all of it, and the link goes on.
    Took,
}

async fn quiet() -> (JoinHandle<String>, RawServer) {
    let handler = Does(|_, _| async { Ok(Reply::Rotate(RotateReply { thumbprint: String::new() })) });
    let (served, mut raw) = agent_of_false_server(Arc::new(handler)).await;
    frames::begin_as_client(&mut raw).await;
    (served, raw)
}

/// Sends `more(0)`, `more(1)` and so on, until 64 MiB are sent, or nobody takes them.
async fn flood(reads: bool, mut more: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> Outcome {
    let (mut served, raw) = quiet().await;
    let _alone = crate::peers::MEASURING.lock().await;
    let before = resident();
    let (mut reading, mut writing) = tokio::io::split(raw);
    let drain = tokio::spawn(async move {
        let mut into = vec![0; 64 * 1024];
        while reads && matches!(reading.read(&mut into).await, Ok(1..)) {}
        reading
    });
    let write = async {
        let mut sent = 0;
        for turn in 0.. {
            let bytes: Vec<u8> = (16 * turn..16 * turn + 16).flat_map(&mut more).collect();
            sent += bytes.len();
            if writing.write_all(&bytes).await.is_err() || sent > 64 * 1024 * 1024 {
                break;
            }
        }
        let _ = writing.flush().await;
    };
    let limited = timeout(Duration::from_millis(1500), write);
    let outcome = tokio::select! {
        reason = &mut served => Outcome::Ended(reason.unwrap()),
        written = limited => match timeout(Duration::from_millis(500), &mut served).await {
            Ok(reason) => Outcome::Ended(reason.unwrap()),
            Err(_) if written.is_err() && !reads => Outcome::Waits,
            Err(_) => Outcome::Took,
        },
    };
    drain.abort();
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "it holds {grown} bytes more ({outcome:?})");
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_settings_or_pings_is_answered_or_waits_to_be() {
    for more in [frame(SETTINGS, 0, 0, &[]), setting(3, 7), frame(PING, 0, 0, &[7; 8])] {
        let (one, other) = (more.clone(), more);
        let read = flood(true, move |_| one.clone()).await;
        assert!(matches!(read, Outcome::Took | Outcome::Ended(_)), "{read:?}");
        let unread = flood(false, move |_| other.clone()).await;
        assert!(matches!(unread, Outcome::Waits | Outcome::Ended(_)), "{unread:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_end_end_the_link() {
    let opening = [
        ("one block in many frames", frame(HEADERS, 0, 1, &frames::call("health"))),
        (
            "a large one first",
            frame(HEADERS, 0, 1, &[frames::call("health"), frames::header("x", &"a".repeat(8000))].concat()),
        ),
    ];
    for (what, first) in opening {
        let part = frame(CONTINUATION, 0, 1, &frames::header("x", &"a".repeat(1000)));
        let came = flood(true, move |turn| if turn == 0 { first.clone() } else { part.clone() }).await;
        assert!(matches!(came, Outcome::Ended(_)), "{what}: {came:?}");
    }
    // Empty ones cost nothing but the time to read them.
    let (first, part) = (frame(HEADERS, 0, 1, &frames::call("health")), frame(CONTINUATION, 0, 1, &[]));
    let came = flood(true, move |turn| if turn == 0 { first.clone() } else { part.clone() }).await;
    assert!(matches!(came, Outcome::Ended(_)), "{came:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_breaks_the_rules_ends_the_link() {
    let call = frames::call("health");
    for (what, bytes) in [
        ("a window that overflows", [window_update(0, 0x7fff_ffff), window_update(0, 0x7fff_ffff)].concat()),
        ("a window by nothing", window_update(0, 0)),
        ("settings of a bad length", frame(SETTINGS, 0, 0, &[1, 2, 3])),
        ("a window that is too large", setting(4, 0xffff_ffff)),
        ("a push by a client", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &call)),
        ("data of no stream", frame(DATA, 0, 0, b"?")),
        ("a frame that is too long", frame(DATA, 0, 1, &vec![0; 20_000])),
        ("a table that is larger than allowed", frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xe1, 0xff, 0x03])),
        ("what is no HPACK", frame(HEADERS, END_HEADERS, 1, &[0xff; 64])),
        ("no HTTP/2", b"GET / HTTP/1.1\r\nHost: agent.invalid\r\n\r\n".repeat(500)),
    ] {
        let (served, mut raw) = quiet().await;
        raw.write_all(&bytes).await.unwrap();
        let _ = raw.flush().await;
        let reason = timeout(Duration::from_secs(5), served).await;
        let reason = reason.unwrap_or_else(|_| panic!("{what}: the link goes on")).unwrap();
        assert!(!reason.is_empty() && reason.len() < 200, "{what}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_reset_at_once_do_not_all_run() {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let gate = Arc::new(Semaphore::new(0));
    let shut = Arc::clone(&gate);
    let handler = Does(move |_, _| {
        let shut = Arc::clone(&shut);
        async move {
            MOST.fetch_max(RUNNING.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _ = shut.acquire().await;
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            Err(Fault::new("done", "done"))
        }
    });
    let (served, mut raw) = agent_of_false_server(Arc::new(handler)).await;
    frames::begin_as_client(&mut raw).await;
    for turn in 0..1000_u32 {
        let id = 2 * turn + 1;
        let head = frame(HEADERS, END_HEADERS, id, &frames::call("rotate"));
        raw.write_all(&[head, frame(DATA, END_STREAM, id, b"{}")].concat()).await.unwrap();
        raw.flush().await.unwrap();
        // Once its answer has begun, the call runs or never will.
        assert_eq!(timeout(Duration::from_secs(5), frames::next_call(&mut raw)).await.unwrap(), id);
        raw.write_all(&frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())).await.unwrap();
    }
    raw.flush().await.unwrap();
    crate::liveness::eventually(|| RUNNING.load(Ordering::SeqCst) == 64).await;
    assert_eq!(MOST.load(Ordering::SeqCst), 64);
    gate.add_permits(1000);
    crate::liveness::eventually(|| RUNNING.load(Ordering::SeqCst) == 0).await;
    drop(raw);
    timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_calls_that_are_reset_ends_the_link() {
    let came = flood(true, move |turn| {
        let id = 2 * turn + 1;
        let head = frame(HEADERS, END_HEADERS | END_STREAM, id, &frames::call("rotate"));
        [head, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
    });
    let came = came.await;
    assert!(matches!(&came, Outcome::Ended(reason) if reason == "the server sent more than a link takes"), "{came:?}");
}

#[tokio::test]
async fn a_call_beyond_those_that_run_is_told_so_and_none_is_lost_before() {
    use portward_link::{CallError, message::method};
    let gate = Arc::new(Semaphore::new(0));
    let shut = Arc::clone(&gate);
    let handler = Arc::new(Does(move |_, _| {
        let shut = Arc::clone(&shut);
        async move {
            let _ = shut.acquire().await;
            Ok(Reply::Rotate(RotateReply { thumbprint: "new".to_owned() }))
        }
    }));
    let (caller, _run, _served) = crate::peers::link(handler).await;
    // Two rounds are given up, and run on.
    for _ in 0..2 {
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let caller = caller.clone();
            waiting.spawn(async move {
                caller.call::<method::Rotate>(&Default::default(), Duration::from_millis(500)).await
            });
        }
        while let Some(came) = waiting.join_next().await {
            assert!(matches!(came.unwrap(), Err(CallError::TimedOut(_))));
        }
    }
    let busy = caller.call::<method::Rotate>(&Default::default(), Duration::from_secs(5)).await;
    assert!(matches!(&busy, Err(CallError::Fault(fault)) if fault.code == "busy"), "{busy:?}");
    gate.add_permits(64);
    crate::liveness::eventually(|| gate.available_permits() == 64).await;
    caller.call::<method::Rotate>(&Default::default(), Duration::from_secs(5)).await.unwrap();
}

#[tokio::test]
async fn a_body_without_end_is_a_fault() {
    let (_served, mut raw) = quiet().await;
    raw.write_all(&frame(HEADERS, END_HEADERS, 1, &frames::call("health"))).await.unwrap();
    let mut room = 64 * 1024_usize - 1;
    let answer = timeout(Duration::from_secs(10), async {
        loop {
            while room >= 16 * 1024 {
                room -= 16 * 1024;
                raw.write_all(&frame(DATA, 0, 1, &[b' '; 16 * 1024])).await.unwrap();
            }
            raw.flush().await.unwrap();
            let (kind, _, stream, payload) = frames::next(&mut raw).await.unwrap();
            match (kind, stream) {
                (frames::WINDOW_UPDATE, 1) => {
                    room += usize::try_from(u32::from_be_bytes(payload.try_into().unwrap())).unwrap();
                }
                (DATA, 1) => return String::from_utf8(payload).unwrap(),
                (RST_STREAM | GOAWAY, _) => panic!("it was not answered"),
                _ => {}
            }
        }
    });
    assert!(answer.await.unwrap().contains("\"code\":\"too-large\""));
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let (_served, mut raw) = quiet().await;
    for id in [1, 3, 5] {
        raw.write_all(&frame(HEADERS, END_HEADERS, id, &frames::call("health"))).await.unwrap();
    }
    raw.flush().await.unwrap();
    pause();
    let began = Instant::now();
    loop {
        let (kind, _, _, payload) = frames::next(&mut raw).await.expect("the link goes on");
        if kind == DATA {
            let text = String::from_utf8(payload).unwrap();
            assert!(text.contains("did not come to its end"), "{text}");
            break;
        }
    }
    assert!(began.elapsed() < PING_EVERY + PING_PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn no_more_calls_than_allowed_are_open_at_once() {
    let (served, mut raw) = quiet().await;
    for turn in 0..40_u32 {
        raw.write_all(&frame(HEADERS, END_HEADERS, 2 * turn + 1, &frames::call("health"))).await.unwrap();
    }
    raw.flush().await.unwrap();
    let mut refused = Vec::new();
    while refused.len() < 8 {
        let (kind, _, id, payload) = timeout(Duration::from_secs(5), frames::next(&mut raw)).await.unwrap().unwrap();
        if kind == RST_STREAM {
            assert_eq!(payload, 7_u32.to_be_bytes(), "not REFUSED_STREAM");
            refused.push(id);
        }
    }
    assert_eq!(refused, (32..40).map(|turn| 2 * turn + 1).collect::<Vec<_>>());
    assert!(!served.is_finished());
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_held_and_the_others_go_on() {
    let (_served, mut raw) = quiet().await;
    // No window for answers, then one byte at a time.
    raw.write_all(&setting(4, 0)).await.unwrap();
    for id in [1, 3] {
        raw.write_all(&frame(HEADERS, END_HEADERS, id, &frames::call("rotate"))).await.unwrap();
        raw.write_all(&frame(DATA, END_STREAM, id, b"{}")).await.unwrap();
    }
    raw.flush().await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n") {
        raw.write_all(&window_update(3, 1)).await.unwrap();
        raw.flush().await.unwrap();
        loop {
            let (kind, _, id, payload) =
                timeout(Duration::from_secs(5), frames::next(&mut raw)).await.unwrap().unwrap();
            if kind == DATA {
                assert_eq!(id, 3);
                answer.extend_from_slice(&payload);
                break;
            }
        }
    }
    assert_eq!(answer, b"{\"done\":{\"thumbprint\":\"\"}}\n");
}

#[tokio::test]
async fn what_is_no_call_is_answered_and_nothing_is_done() {
    let nobody = Arc::new(Does(|_, _| async { panic!("it was handled") }));
    let (served, mut raw) = agent_of_false_server(nobody).await;
    frames::begin_as_client(&mut raw).await;
    let get = [vec![0x82, 0x87, 0x84], frames::header("x", "y")].concat();
    raw.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &get)).await.unwrap();
    raw.write_all(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &frames::call("../../etc/passwd"))).await.unwrap();
    raw.flush().await.unwrap();
    let (mut is_404, mut is_unknown) = (false, false);
    while !(is_404 && is_unknown) {
        let (kind, _, id, payload) = timeout(Duration::from_secs(5), frames::next(&mut raw)).await.unwrap().unwrap();
        is_404 |= (kind, id) == (HEADERS, 1) && payload == [0x8d];
        is_unknown |= (kind, id) == (DATA, 3) && String::from_utf8_lossy(&payload).contains("unknown-call");
    }
    assert!(!served.is_finished());
}
