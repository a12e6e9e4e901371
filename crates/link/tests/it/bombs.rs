//! JSON that is made to cost: deep, long, large, and of the wrong kind.

use std::{sync::Arc, time::Duration};

use portward_link::{
    CallError, Guest, LinkError, Session, Wire,
    message::{Line, method},
    opening::Opening,
};
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::{Key, pin},
    frames::{self, DATA, END_HEADERS, END_STREAM, HEADERS, OK, frame},
    peers::{
        Does, agent_of_false_server, caller_of_false_agent, connect, dialled, false_client, false_server, hear,
        hear_anything, hello, say_bytes, tcp,
    },
};

fn bombs(size: usize) -> Vec<Vec<u8>> {
    let mut bombs = vec![
        "[".repeat(size),
        "{\"hello\":".repeat(size / 9),
        format!("{{\"hello\":{}", "{\"version\":".repeat(size / 12)),
        "9".repeat(size),
        format!("{{\"hello\":{{\"protocols\":[{},1]}}}}", "9".repeat(size / 2)),
        "{\"hello\":{\"protocols\":[1e999999999,1]}}".to_owned(),
        "{\"hello\":{\"protocols\":[-1,1]}}".to_owned(),
        format!("{{\"hello\":{{\"version\":\"{}", "\\u0000".repeat(size / 8)),
        "\"\\ud800\"".to_owned(),
        "null".to_owned(),
        String::new(),
        "{}".to_owned(),
        "{\"hello\":{},\"hello\":{}}".to_owned(),
    ];
    bombs.iter_mut().for_each(|bomb| bomb.truncate(size));
    let mut bombs: Vec<Vec<u8>> = bombs.into_iter().map(String::into_bytes).collect();
    bombs.push(vec![0xff; size]);
    bombs
}

#[tokio::test]
async fn bombs_in_the_opening_are_refused_by_both() {
    for bomb in bombs(8000) {
        let server = Key::new().identity();
        let (ours, theirs) = tcp().await;
        let (config, said) = (false_server(server.certified_key()), bomb.clone());
        let speaking = tokio::spawn(async move {
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(theirs).await.unwrap();
            say_bytes(&mut stream, &said).await;
            let _: Opening = hear(&mut stream).await;
        });
        let dialler = Session::dial(ours, &Key::new().identity(), &pin(&server), hello(), None).await.unwrap_err();
        speaking.await.unwrap();
        let (theirs, ours) = tcp().await;
        let config = false_client(Key::new().identity().certified_key());
        let speaking = tokio::spawn(async move {
            let mut stream = connect(config, "peer.invalid", theirs).await.unwrap();
            say_bytes(&mut stream, &bomb).await;
            hear_anything(&mut stream).await;
        });
        let guest = Guest::welcome(Wire::new(ours), &dialled(&server)).await.unwrap();
        let dialled = guest.open(hello(), None).await.unwrap_err();
        speaking.await.unwrap();
        for error in [dialler, dialled] {
            assert!(matches!(error, LinkError::Garbled(_)), "{error}");
            assert!(error.to_string().len() < 300, "{} bytes of error", error.to_string().len());
        }
    }
}

#[test]
fn what_is_passed_over_may_be_deep() {
    let deep = [b"[".repeat(500_000), b"]".repeat(500_000)].concat();
    let json = [br#"{"progress":{"stage":"","message":"","x":"#, &deep[..], b"}}"].concat();
    serde_json::from_slice::<Line<()>>(&json).unwrap();
}

#[tokio::test]
async fn a_greeting_with_what_no_program_says_is_refused() {
    for (field, value) in
        [("version", "1\\u001b[2J".to_owned()), ("instance", "a".repeat(65)), ("boot_id", "\\u202e".to_owned())]
    {
        let mut hello = serde_json::to_value(Opening::Hello(hello())).unwrap();
        hello["hello"][field] = serde_json::from_str(&format!("\"{value}\"")).unwrap();
        let (theirs, ours) = tcp().await;
        let config = false_client(Key::new().identity().certified_key());
        let speaking = tokio::spawn(async move {
            let mut stream = connect(config, "peer.invalid", theirs).await.unwrap();
            say_bytes(&mut stream, &serde_json::to_vec(&hello).unwrap()).await;
            hear_anything(&mut stream).await;
        });
        let guest = Guest::welcome(Wire::new(ours), &dialled(&Key::new().identity())).await.unwrap();
        let error = guest.open(crate::peers::hello(), None).await.unwrap_err();
        speaking.await.unwrap();
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[tokio::test]
async fn bombs_in_answers_end_the_call_and_not_the_link() {
    let (caller, run, mut raw) = caller_of_false_agent().await;
    let bombs: Vec<_> = bombs(1024 * 1024 - 2).into_iter().map(|bomb| [bomb, b"\n".to_vec()].concat()).collect();
    let count = bombs.len();
    let agent = tokio::spawn(async move {
        frames::begin_as_server(&mut raw).await;
        for bomb in bombs {
            let id = frames::next_call(&mut raw).await;
            raw.write_all(&frame(HEADERS, END_HEADERS, id, OK)).await.unwrap();
            // As much as the windows take: both are given anew as they are used.
            let (mut left, mut room) = (&bomb[..], 64 * 1024_usize);
            while !left.is_empty() {
                while room < 16 * 1024 {
                    let Some((kind, _, stream, payload)) = frames::next(&mut raw).await else { return };
                    match kind {
                        frames::WINDOW_UPDATE if stream == id => {
                            room += usize::try_from(u32::from_be_bytes(payload.try_into().unwrap())).unwrap();
                        }
                        frames::RST_STREAM => break,
                        _ => {}
                    }
                }
                let (now, later) = left.split_at(left.len().min(16 * 1024));
                if room < now.len() {
                    break;
                }
                room -= now.len();
                left = later;
                raw.write_all(&frame(DATA, if left.is_empty() { END_STREAM } else { 0 }, id, now)).await.unwrap();
                raw.flush().await.unwrap();
            }
        }
        while frames::next(&mut raw).await.is_some() {}
    });
    let began = Instant::now();
    for at in 0..count {
        let called = caller.call::<method::Health>(&Default::default(), Duration::from_secs(20)).await;
        let Err(CallError::Garbled(why)) = called else { panic!("{at}: {called:?}") };
        assert!(why.len() < 300, "{why}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(!run.is_finished());
    drop(caller);
    timeout(Duration::from_secs(5), run).await.unwrap().unwrap();
    timeout(Duration::from_secs(5), agent).await.unwrap().unwrap();
}

#[tokio::test]
async fn bombs_in_calls_are_faults_and_the_link_goes_on() {
    let nobody = Arc::new(Does(|_, _| async { panic!("a bomb was handled") }));
    let (served, mut raw) = agent_of_false_server(nobody).await;
    frames::begin_as_client(&mut raw).await;
    for (turn, bomb) in (0_u32..).zip(bombs(60_000)) {
        // An empty object is a fine call of health; this one wants more.
        let id = 2 * turn + 1;
        raw.write_all(&frame(HEADERS, END_HEADERS, id, &frames::call("deliver"))).await.unwrap();
        for part in bomb.chunks(16 * 1024) {
            raw.write_all(&frame(DATA, 0, id, part)).await.unwrap();
        }
        raw.write_all(&frame(DATA, END_STREAM, id, &[])).await.unwrap();
        raw.flush().await.unwrap();
        let answer = timeout(Duration::from_secs(5), async {
            loop {
                let (kind, _, stream, payload) = frames::next(&mut raw).await.unwrap();
                if kind == DATA && stream == id {
                    return String::from_utf8(payload).unwrap();
                }
            }
        });
        let answer = answer.await.unwrap();
        assert!(answer.contains("\"code\":\"unreadable\"") && answer.len() < 400, "{answer}");
    }
    assert!(!served.is_finished());
    drop(raw);
    timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
}
