//! Hostile clients of HTTP/2 against the program as it runs.
//!
//! How much better than these bounds it is, the program `abuse` of the testkit tells on a release build.

use portward_testkit::{Abuse, Healthy, Program, Raw, StartedProgram, Upstream};

/// What 10,000 frames may cost where they are not cut, on a build that is not optimized; ten times less on one that is.
const CPU_MS: u64 = 10_000;
const MEMORY_KIB: u64 = 32 << 10;
const FRAMES: u32 = 10_000;

async fn started() -> (StartedProgram, Upstream) {
    let upstream = Upstream::start("app").await;
    let server = Program::new().start();
    server.portward(&["site", "add", "shop.test", "--upstream", &upstream.url()]);
    (server, upstream)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_of_abuse_is_cut_or_cheap_and_others_are_served_meanwhile() {
    {
        let (server, _upstream) = started().await;
        for abuse in Abuse::ALL {
            let healthy = Healthy::begin(server.https, "shop.test").await;
            let before = server.cost();
            let outcome = abuse.commit(server.https, "shop.test", FRAMES).await.unwrap();
            let after = server.cost();
            // It fails by itself if anything but 200 comes.
            assert!(!healthy.end().await.is_empty(), "{abuse}");
            let (cpu, memory) = (after.cpu_ms - before.cpu_ms, after.memory_kib.saturating_sub(before.memory_kib));
            println!("{abuse:28} cut {:5} after {:5} frames, {cpu} ms, {memory} KiB", outcome.cut, outcome.frames);
            assert!(outcome.cut || (cpu <= CPU_MS && memory <= MEMORY_KIB), "{abuse}: {cpu} ms, {memory} KiB");
        }
        assert!(!server.has_ended());
    }
}

/// The portal is a site like others where a binding serves it. What is HTTP/1.1 alone has nothing to be flooded with.
#[tokio::test(flavor = "multi_thread")]
async fn listeners_of_the_portal_and_of_agents_take_no_frames() {
    {
        let (server, _upstream) = started().await;
        let portal = Abuse::RapidReset.commit(server.https, "portward.test", FRAMES).await.unwrap();
        assert!(portal.cut, "{portal:?}");
        for clear in [server.http, server.admin] {
            let raw = Raw::open_in_the_clear(clear, 65_535).await;
            let cut = match raw {
                Ok(raw) => Abuse::Ping.commit_on(raw, "shop.test", FRAMES).await.cut,
                Err(_) => true,
            };
            assert!(cut, "{clear} speaks HTTP/2 in the clear");
        }
    }
}
