//! HTTP/2 clients in front of an application that speaks HTTP/2, as gRPC needs it.

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::{HeaderMap, Request};
use portward_core::UpstreamHttp;

use super::harness::Door;
use crate::{
    Limits,
    forward::http2_fixture::{App, Exchange, PATIENCE, Talk, response},
};

async fn begun() -> (Door, App, SendRequest<Bytes>) {
    let app = App::listen().await;
    let door = Door::open_to(Limits::default(), app.address, UpstreamHttp::Two).await;
    let client = door.client().await;
    (door, app, client)
}

fn call(path: &str) -> Request<()> {
    Request::post(format!("https://shop.test{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "1S")
        .body(())
        .unwrap()
}

async fn next(talk: &mut Option<Talk>, app: &App) -> Exchange {
    if talk.is_none() {
        *talk = Some(app.accept().await);
    }
    talk.as_mut().unwrap().next().await
}

fn trailers(status: &str) -> HeaderMap {
    response(200, &[("grpc-status", status), ("grpc-message", "m")]).headers().clone()
}

#[tokio::test]
async fn a_stream_goes_both_ways_and_ends_with_trailers() {
    let (_door, app, mut client) = begun().await;
    let mut talk = None;
    let (answer, mut send) = client.send_request(call("/echo"), false).unwrap();
    let mut asked = next(&mut talk, &app).await;
    assert_eq!(asked.request.headers()["te"], "trailers");
    assert_eq!(asked.request.headers()["grpc-timeout"], "1S");
    // The response begins before anything of the request has come.
    let mut reply = asked.head(200, &[("content-type", "application/grpc")], false);
    let mut body = answer.await.unwrap().into_body();
    for word in ["one", "two", "three"] {
        send.send_data(word.into(), false).unwrap();
        assert_eq!(asked.some().await.unwrap(), word);
        reply.send_data(word.into(), false).unwrap();
        let data = body.data().await.unwrap().unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        assert_eq!(data, word);
    }
    send.send_trailers(response(200, &[("x-sum", "11")]).headers().clone()).unwrap();
    let (rest, sum) = asked.body().await;
    assert!(rest.is_empty() && sum["x-sum"] == "11");
    reply.send_trailers(trailers("0")).unwrap();
    assert!(body.data().await.is_none());
    assert_eq!(body.trailers().await.unwrap().unwrap(), trailers("0"));
}

#[tokio::test]
async fn a_response_of_trailers_alone_is_one_and_an_announced_length_hides_none() {
    let (_door, app, mut client) = begun().await;
    let mut talk = None;
    let (answer, _send) = client.send_request(call("/only"), true).unwrap();
    next(&mut talk, &app).await.answer(200, &[("grpc-status", "12")], "");
    let answer = answer.await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "12");
    assert!(!answer.headers().contains_key("content-length"));
    assert!(answer.body().is_end_stream());

    let (answer, _send) = client.send_request(call("/length"), true).unwrap();
    let mut reply = next(&mut talk, &app).await.head(200, &[("content-length", "2")], false);
    reply.send_data("ok".into(), false).unwrap();
    reply.send_trailers(trailers("3")).unwrap();
    let mut body = answer.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), "ok");
    assert!(body.data().await.is_none());
    assert_eq!(body.trailers().await.unwrap().unwrap(), trailers("3"));
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_to_its_end() {
    let (_door, app, mut client) = begun().await;
    let mut talk = None;
    for (moment, answered) in [("before the response", false), ("in the middle of it", true)] {
        let (answer, mut send) = client.send_request(call("/cancel"), false).unwrap();
        let mut asked = next(&mut talk, &app).await;
        let reply = answered.then(|| asked.head(200, &[], false));
        if answered {
            answer.await.unwrap();
        }
        send.send_reset(Reason::CANCEL);
        if let Some(mut reply) = reply {
            let reset = tokio::time::timeout(PATIENCE, std::future::poll_fn(|cx| reply.poll_reset(cx)));
            assert_eq!(reset.await.expect(moment).unwrap(), Reason::CANCEL, "{moment}");
        } else {
            assert_eq!(asked.reset().await, Reason::CANCEL, "{moment}");
        }
    }
}

#[tokio::test]
async fn the_reason_of_a_reset_reaches_the_client() {
    let (_door, app, mut client) = begun().await;
    let mut talk = None;
    for reason in [Reason::CANCEL, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR] {
        let (answer, _send) = client.send_request(call("/reset"), true).unwrap();
        let mut reply = next(&mut talk, &app).await.head(200, &[], false);
        reply.send_data("part".into(), false).unwrap();
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "part");
        reply.send_reset(reason);
        assert_eq!(body.data().await.unwrap().unwrap_err().reason(), Some(reason));
    }
}

#[tokio::test]
async fn two_clients_calls_are_streams_of_one_connection() {
    let (door, app, mut client) = begun().await;
    let mut other = door.client().await;
    let mut talk = None;
    let (first, _) = client.send_request(call("/first"), true).unwrap();
    let one = next(&mut talk, &app).await;
    let (second, _) = other.send_request(call("/second"), true).unwrap();
    next(&mut talk, &app).await.answer(200, &[], "");
    second.await.unwrap();
    one.answer(200, &[], "");
    first.await.unwrap();
}

#[tokio::test]
async fn early_hints_come_before_the_response() {
    let (_door, app, mut client) = begun().await;
    let mut talk = None;
    let (mut answer, _send) = client.send_request(call("/hints"), true).unwrap();
    let mut asked = next(&mut talk, &app).await;
    asked.respond.send_informational(response(103, &[("link", "</a.css>; rel=preload")])).unwrap();
    let hint = tokio::time::timeout(PATIENCE, std::future::poll_fn(|cx| answer.poll_informational(cx)));
    let hint = hint.await.expect("no hint comes").unwrap().unwrap();
    assert_eq!((hint.status().as_u16(), hint.headers()["link"].as_bytes()), (103, &b"</a.css>; rel=preload"[..]));
    asked.answer(200, &[], "");
    assert_eq!(answer.await.unwrap().status(), 200);
}
