#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::oneshot;

use super::*;
use crate::fixture::now;

fn claim(key: &str) -> Claim {
    Claim { actor: "ada".to_owned(), route: "POST /api/v1/sites".to_owned(), key: key.to_owned() }
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Answers with the number of times that it was asked.
async fn counted(count: Arc<AtomicU32>, status: u16) -> Response {
    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
    Response::builder().status(status).body(Body::from(number.to_string())).unwrap()
}

#[tokio::test]
async fn the_same_request_has_the_same_answer_for_a_day() {
    let (replays, count) = (Arc::new(Replays::default()), Arc::new(AtomicU32::new(0)));
    let ask = async |key: &str, body: &[u8], at| {
        replays.answer(claim(key), fingerprint(&[body]), at, counted(Arc::clone(&count), 201)).await
    };
    let first = ask("a", b"x", now()).await.unwrap();
    assert_eq!((first.status(), first.headers().contains_key("idempotency-replayed")), (StatusCode::CREATED, false));
    assert_eq!(text(first).await, "1");
    let again = ask("a", b"x", now()).await.unwrap();
    assert_eq!((again.status(), again.headers().contains_key("idempotency-replayed")), (StatusCode::CREATED, true));
    assert_eq!(text(again).await, "1");
    assert_eq!(ask("a", b"y", now()).await.unwrap_err().code(), "idempotency-key-reused");
    assert_eq!(text(ask("b", b"x", now()).await.unwrap()).await, "2");
    let tomorrow = Timestamp::from_unix(now().unix() + 24 * 3600).unwrap();
    assert_eq!(text(ask("a", b"y", tomorrow).await.unwrap()).await, "3");
}

#[tokio::test]
async fn a_request_that_is_being_done_is_not_done_twice_even_if_its_client_leaves() {
    let replays = Arc::new(Replays::default());
    let (go, gone) = oneshot::channel::<()>();
    let (begun, begins) = oneshot::channel::<()>();
    let first = {
        let replays = Arc::clone(&replays);
        tokio::spawn(async move {
            let make = async move {
                begun.send(()).unwrap();
                gone.await.unwrap();
                Response::new(Body::from("done"))
            };
            replays.answer(claim("a"), [0; 32], now(), make).await
        })
    };
    begins.await.unwrap();
    let second = || replays.answer(claim("a"), [0; 32], now(), async { Response::new(Body::from("twice")) });
    assert_eq!(second().await.unwrap_err().code(), "idempotency-key-in-progress");
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    let answer = loop {
        match second().await {
            Ok(answer) => break answer,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(text(answer).await, "done");
}

#[tokio::test]
async fn what_failed_for_a_reason_of_ours_is_tried_again() {
    let (replays, count) = (Arc::new(Replays::default()), Arc::new(AtomicU32::new(0)));
    for expected in ["1", "2"] {
        let answer = replays.answer(claim("a"), [0; 32], now(), counted(Arc::clone(&count), 503)).await.unwrap();
        assert_eq!(text(answer).await, expected);
    }
    for expected in ["3", "3"] {
        let answer = replays.answer(claim("a"), [0; 32], now(), counted(Arc::clone(&count), 409)).await.unwrap();
        assert_eq!(text(answer).await, expected);
    }
}

#[tokio::test]
async fn the_oldest_answers_make_room() {
    let (replays, count) = (Arc::new(Replays::default()), Arc::new(AtomicU32::new(0)));
    for number in 0..=MOST_ANSWERS {
        let at = Timestamp::from_unix(now().unix() + i64::try_from(number).unwrap()).unwrap();
        let make = counted(Arc::clone(&count), 200);
        replays.answer(claim(&format!("{number:05}")), [0; 32], at, make).await.unwrap();
    }
    assert_eq!(replays.lock().len(), MOST_ANSWERS);
    assert!(!replays.lock().contains_key(&claim("00000")));
}
