//! `/api/v1/events`: server-sent events (WHATWG HTML, section 9.2).

use std::{convert::Infallible, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use portward_api::{AttemptEvent, EVENT_STREAM, NoticeEvent, ProblemEvent, RevisionEvent, ServedEvent};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use super::{answer, call::Call, doc::Doc, table::Table};
use crate::{
    app::{AppError, right},
    events::{Audience, Heard, Listener, MOST_LISTENERS},
};

pub(super) fn routes(table: Table) -> Table {
    table.get(
        "/api/v1/events",
        stream,
        Doc::act("stream_events", "Tells what happens, as it happens; Last-Event-ID goes on after an event.")
            .names::<RevisionEvent>()
            .names::<ServedEvent>()
            .names::<ProblemEvent>()
            .names::<AttemptEvent>()
            .names::<NoticeEvent>()
            .answers_file(&[EVENT_STREAM]),
    )
}

async fn stream(call: Call<right::View>) -> Result<Response, AppError> {
    let listener = call.app.events().listen(last_event(&call)?).ok_or_else(|| {
        let message = format!("{MOST_LISTENERS} listen to events already; close one, or look at what is there");
        AppError::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-listeners", message)
    })?;
    let audience = match call.by.actor().may::<right::AuditView>() {
        Ok(_) => Audience::Auditors,
        Err(_) => Audience::Others,
    };
    let (send, written) = mpsc::channel(1);
    tokio::spawn(write(listener, audience, send));
    let body = Body::from_stream(ReceiverStream::new(written).map(Ok::<_, Infallible>));
    let mut response = answer::file(EVENT_STREAM, body);
    // What stands between must not keep pieces back until there are enough of them.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The number in `Last-Event-ID`, which a browser sends when it comes again.
fn last_event(call: &Call<right::View>) -> Result<Option<u64>, AppError> {
    let Some(value) = call.header(header::HeaderName::from_static("last-event-id")) else { return Ok(None) };
    if value.is_empty() {
        return Ok(None);
    }
    let id = value.parse().map_err(|_| {
        AppError::malformed("last-event-id", "Last-Event-ID is no number of an event that this server gave")
    })?;
    Ok(Some(id))
}

/// Writes until the client leaves, the server ends, or it is time to ask again who listens.
async fn write(mut listener: Listener, audience: Audience, send: mpsc::Sender<Bytes>) {
    let end = Instant::now() + LONGEST;
    let mut piece = Bytes::from(format!("retry: {}\nid: {}\n\n", RETRY.as_millis(), listener.heard()));
    // Whoever does not read keeps no seat for longer either.
    while let Ok(Ok(())) = timeout_at(end, send.send(piece)).await {
        let next = tokio::select! {
            // Who is gone gives the seat to somebody else at once.
            () = send.closed() => return,
            next = timeout_at(end, timeout(HEARTBEAT, listener.next())) => next,
        };
        let next = match next {
            Err(_) | Ok(Ok(None)) => return,
            Ok(Err(_)) => {
                piece = Bytes::from_static(b": alive\n\n");
                continue;
            }
            Ok(Ok(Some(next))) => next,
        };
        piece = text(&next, audience).into();
    }
}

/// What is heard, as it is written.
fn text(heard: &Heard, audience: Audience) -> String {
    match heard {
        Heard::Reset(id) => format!("id: {id}\nevent: reset\ndata: {{}}\n\n"),
        Heard::Events(events) => events.iter().fold(String::new(), |text, event| {
            let (name, data) = (event.happened.name(), event.happened.data(audience));
            text + &format!("id: {}\nevent: {name}\ndata: {data}\n\n", event.id)
        }),
    }
}

/// Connections that nobody uses are closed by what stands between after half a minute or more.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After that a browser asks again, and with that whether it still may.
const LONGEST: Duration = Duration::from_secs(600);
/// How long a browser waits before it asks again.
const RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use http::Request;
    use http_body_util::BodyExt;
    use portward_core::Permission;
    use tower_service::Service;

    use super::*;
    use crate::{
        app::{Actor, Apply},
        fixture::{Fixture, by, site},
    };

    async fn open(fixture: &Fixture, last: Option<&str>) -> Response {
        let mut request = Request::builder().uri("/api/v1/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Actor::with(&[Permission::View]));
        fixture.api().call(request).await.unwrap()
    }

    /// Reads until a text is there, or the end.
    async fn until(response: &mut Response, wanted: &str) -> String {
        let mut text = String::new();
        let reading = async {
            while !text.contains(wanted) {
                let Some(frame) = response.body_mut().frame().await else { return };
                text.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
            }
        };
        timeout(Duration::from_secs(20), reading).await.unwrap();
        text
    }

    #[tokio::test]
    async fn events_are_streamed_and_replayed_until_the_end() {
        let fixture = Fixture::start().await;
        let mut stream = open(&fixture, None).await;
        assert_eq!(stream.headers()["content-type"], EVENT_STREAM);
        let first = until(&mut stream, "id: ").await;
        let start = first.trim_end().rsplit("id: ").next().unwrap().to_owned();
        let added = fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
        let wanted = format!("event: served\ndata: {{\"revision\":{}", added.revision.unwrap());
        until(&mut stream, &wanted).await;

        let mut again = open(&fixture, Some(&start)).await;
        assert!(until(&mut again, &wanted).await.contains(&wanted));
        let mut stranger = open(&fixture, Some("7")).await;
        assert!(until(&mut stranger, "event: reset").await.contains("event: reset\ndata: {}\n\n"));
        assert_eq!(open(&fixture, Some("x")).await.status(), StatusCode::BAD_REQUEST);

        fixture.events.end();
        until(&mut stream, "never").await;
        assert!(stream.body_mut().frame().await.is_none());
    }

    #[tokio::test]
    async fn who_leaves_gives_the_seat_away_at_once() {
        let fixture = Fixture::start().await;
        for _ in 0..2 {
            let mut seats = Vec::new();
            for _ in 0..MOST_LISTENERS {
                let mut stream = open(&fixture, None).await;
                assert_eq!(stream.status(), StatusCode::OK);
                until(&mut stream, "id: ").await;
                seats.push(stream);
            }
            assert_eq!(open(&fixture, None).await.status(), StatusCode::SERVICE_UNAVAILABLE);
            drop(seats);
            // The tasks see it when they are next polled.
            tokio::task::yield_now().await;
        }
    }
}
