//! Who is gone is noticed, and what was begun is finished.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portward_link::{
    CallError, Caller,
    message::{Call, Reply, RotateReply, method},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    time::{Instant, pause, timeout},
};

use crate::{
    frames,
    peers::{Does, agent_of_false_server, caller_of_false_agent, link},
};

/// Waits until that holds.
pub(crate) async fn eventually(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), waiting).await.expect("it never held");
}

fn quiet() -> Arc<impl portward_link::Handler> {
    Arc::new(Does(|_, _| async { Ok(Reply::Rotate(RotateReply { thumbprint: String::new() })) }))
}

fn rotate(caller: &Caller) -> tokio::task::JoinHandle<Result<RotateReply, CallError>> {
    let caller = caller.clone();
    tokio::spawn(async move { caller.call::<method::Rotate>(&Default::default(), Duration::from_secs(300)).await })
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_noticed_within_31_seconds() {
    let (caller, run, mut raw) = caller_of_false_agent().await;
    frames::begin_as_server(&mut raw).await;
    let waiting = rotate(&caller);
    frames::next_call(&mut raw).await;
    pause();
    let began = Instant::now();
    assert_eq!(run.await.unwrap(), "the agent does not answer pings");
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
    let waited = waiting.await.unwrap().unwrap_err();
    assert_eq!(waited.to_string(), "the link to the agent was lost: the agent does not answer pings");
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
    let next = rotate(&caller).await.unwrap().unwrap_err();
    assert_eq!(next.to_string(), "the link to the agent was lost: the agent does not answer pings");
}

#[tokio::test]
async fn an_agent_that_never_speaks_http2_is_noticed_too() {
    let (_caller, run, _raw) = caller_of_false_agent().await;
    pause();
    let began = Instant::now();
    assert_eq!(run.await.unwrap(), "the agent does not answer pings");
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed_within_31_seconds() {
    let (served, mut raw) = agent_of_false_server(quiet()).await;
    frames::begin_as_client(&mut raw).await;
    frames::next(&mut raw).await.unwrap();
    pause();
    let began = Instant::now();
    assert_eq!(served.await.unwrap(), "the server does not answer pings");
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_server_that_never_speaks_http2_is_noticed_too() {
    let (served, _raw) = agent_of_false_server(quiet()).await;
    pause();
    let began = Instant::now();
    assert_eq!(served.await.unwrap(), "the server does not speak HTTP/2");
    assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_answers_pings_is_not_given_up() {
    let (caller, run, served) = link(quiet()).await;
    rotate(&caller).await.unwrap().unwrap();
    pause();
    // Ten minutes, in steps that let both send theirs and answer the other's.
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!run.is_finished() && !served.is_finished());
    }
    tokio::time::resume();
    rotate(&caller).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_that_is_closed_one_way_only_is_noticed_at_once() {
    // TCP is closed for writing, with and without a goodbye of TLS.
    for says_goodbye in [true, false] {
        let (_caller, run, mut raw) = caller_of_false_agent().await;
        frames::begin_as_server(&mut raw).await;
        if says_goodbye {
            raw.shutdown().await.unwrap();
        } else {
            raw.get_mut().0.shutdown().await.unwrap();
        }
        let reason = timeout(Duration::from_secs(5), run).await.unwrap().unwrap();
        assert!(reason.starts_with("the connection was cut") || reason == "the agent closed it", "{reason}");
        let (served, mut raw) = agent_of_false_server(quiet()).await;
        frames::begin_as_client(&mut raw).await;
        if says_goodbye {
            raw.shutdown().await.unwrap();
        } else {
            raw.get_mut().0.shutdown().await.unwrap();
        }
        let reason = timeout(Duration::from_secs(5), served).await.unwrap().unwrap();
        assert!(reason.starts_with("the connection was cut") || reason == "the server closed it", "{reason}");
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(5), raw.read_to_end(&mut rest)).await.expect("it is not closed from here");
    }
}

/// How often something was finished.
static FINISHED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn what_was_begun_is_finished_when_the_link_is_lost_and_the_caller_hears_of_it() {
    for (way, expected) in [
        ("closed here", "the link to the agent was lost: it was closed here"),
        ("the run is dropped", "the link to the agent was lost: "),
        ("the agent is gone", "the link to the agent was lost: "),
        ("nobody waits", ""),
    ] {
        let before = FINISHED.load(Ordering::SeqCst);
        let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (begins, waits) = (Arc::clone(&begun), Arc::clone(&gate));
        let handler = Arc::new(Does(move |call, progress: portward_link::Progress| {
            let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
            async move {
                assert!(matches!(call, Call::Rotate(_)));
                begins.add_permits(1);
                let _ = waits.acquire().await;
                // Nobody hears it, and that is no reason to stop.
                progress.tell("last", "it goes on");
                tokio::task::yield_now().await;
                FINISHED.fetch_add(1, Ordering::SeqCst);
                Ok(Reply::Rotate(RotateReply { thumbprint: String::new() }))
            }
        }));
        let (caller, run, served) = link(handler).await;
        let waiting = rotate(&caller);
        let _ = begun.acquire().await;
        match way {
            "closed here" => caller.close(),
            "the run is dropped" => run.abort(),
            "the agent is gone" => served.abort(),
            _ => waiting.abort(),
        }
        if way != "nobody waits" {
            let came = timeout(Duration::from_secs(5), waiting).await.expect("the call waits on").unwrap();
            let Err(error @ CallError::Lost(_)) = came else { panic!("{way}: {came:?}") };
            assert!(error.to_string().starts_with(expected), "{way}: {error}");
            println!("{way}: {error}");
            let _ = timeout(Duration::from_secs(5), served)
                .await
                .expect("the agent stays")
                .map(|reason| println!("{way}: agent: {reason}"));
        }
        assert_eq!(FINISHED.load(Ordering::SeqCst), before, "{way}");
        gate.add_permits(1);
        eventually(|| FINISHED.load(Ordering::SeqCst) == before + 1).await;
    }
}

#[tokio::test]
async fn an_agent_that_ends_finishes_what_runs_and_answers_it() {
    use crate::{
        certificates::{Key, pin},
        peers::{dialled, hello, tcp},
    };
    use portward_link::{Guest, Session, Wire, serve};
    let (ours, theirs) = tcp().await;
    let agent = Key::new().identity();
    let us = dialled(&agent);
    let (begun, gate, ends) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, waits, until) = (Arc::clone(&begun), Arc::clone(&gate), Arc::clone(&ends));
    let handler = Arc::new(Does(move |_, _| {
        let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
        async move {
            begins.add_permits(1);
            let _ = waits.acquire().await;
            Ok(Reply::Rotate(RotateReply { thumbprint: "new".to_owned() }))
        }
    }));
    let served = tokio::spawn(async move {
        let session = Guest::welcome(Wire::new(theirs), &us).await.unwrap().open(hello(), None).await.unwrap();
        serve(session, handler, async move { drop(until.acquire().await) }).await
    });
    let session = Session::dial(ours, &Key::new().identity(), &pin(&agent), hello(), None).await.unwrap();
    let (caller, run) = Caller::begin(session).await.unwrap();
    let run = tokio::spawn(run);
    let waiting = rotate(&caller);
    let _ = begun.acquire().await;
    ends.add_permits(1);
    let refused = timeout(Duration::from_secs(5), async {
        // New calls are refused from some moment on, without being begun.
        loop {
            let came = caller.call::<method::Rotate>(&Default::default(), Duration::from_millis(50)).await;
            if !matches!(came, Err(CallError::TimedOut(_))) {
                return came;
            }
        }
    });
    let refused = refused.await.unwrap();
    assert!(refused.is_err(), "{refused:?}");
    gate.add_permits(1000);
    assert_eq!(waiting.await.unwrap().unwrap().thumbprint, "new");
    assert_eq!(timeout(Duration::from_secs(5), served).await.unwrap().unwrap(), "it was closed here");
    let reason = timeout(Duration::from_secs(5), run).await.unwrap().unwrap();
    // Something may still have been on its way to the agent.
    assert!(reason == "the agent closed it" || reason.starts_with("the connection was cut"), "{reason}");
}

#[tokio::test]
async fn closing_is_noticed_by_the_agent_within_a_second() {
    let (caller, run, served) = link(quiet()).await;
    rotate(&caller).await.unwrap().unwrap();
    caller.close();
    assert_eq!(timeout(Duration::from_secs(1), run).await.unwrap().unwrap(), "it was closed here");
    let reason = timeout(Duration::from_secs(1), served).await.unwrap().unwrap();
    println!("the agent says: {reason}");
    let (_caller, run, served) = link(quiet()).await;
    served.abort();
    let reason = timeout(Duration::from_secs(1), run).await.unwrap().unwrap();
    println!("the server says: {reason}");
}
