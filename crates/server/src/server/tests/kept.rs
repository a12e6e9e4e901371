//! Starts on what was kept of the desired state on the disk.

use portward_api::StatusView;
use portward_store::disk_snapshot;

use super::*;
use crate::fixture::site;

/// Writes down what is to be served, as the server does some seconds after a change.
async fn keep(server: &Server, data_dir: &Path) {
    let master = crate::master_key::open(data_dir).unwrap();
    disk_snapshot::write(&*server.store, data_dir, &master).await.unwrap();
}

/// Waits until the server says that all is well.
async fn well(client: &Client) -> StatusView {
    once(client, |status| status.ok).await
}

/// Waits until the status is such, 30 s at most; gives the last one that was seen.
async fn once(client: &Client, is_such: fn(&StatusView) -> bool) -> StatusView {
    for _ in 0..600 {
        let status = client.status().await.unwrap();
        if is_such(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.status().await.unwrap()
}

/// A start may take what was kept whose data dir is this, with one site beside the first.
async fn with_shop(data_dir: &Path) -> Client {
    let server = Server::start(options(data_dir)).await.unwrap();
    let client = Client::local(data_dir);
    client.add_site(&site(&["shop.test"])).await.unwrap();
    keep(&server, data_dir).await;
    server.drain().await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_open_leaves_what_was_kept_served_until_it_does() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let client = with_shop(&data_dir).await;
    let (file, aside) = (data_dir.join("store.db"), data_dir.join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    for (what, content) in [("damaged", Some(b"nonsense".repeat(1000))), ("gone", None)] {
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let server = Server::start(options(&data_dir)).await.unwrap();
        assert!(server.bound().iter().all(|binding| binding.result.is_ok()), "{what}: {:?}", server.bound());
        let error = client.add_site(&site(&["new.test"])).await.unwrap_err().to_string();
        assert!(error.contains("the store is not available"), "{what}: {error}");
        // The task that publishes hears that the store does not open at the same time as whoever wants to change something.
        let status = once(&client, |status| !status.ok).await;
        assert_eq!((status.ok, status.sites), (false, 2), "{what}: {status:?}");
        assert!(status.problems.iter().any(|problem| problem.code == "store-unavailable"), "{what}: {status:?}");
        server.drain().await;
    }
    let server = Server::start(options(&data_dir)).await.unwrap();
    std::fs::rename(&aside, &file).unwrap();
    let status = well(&client).await;
    assert!(status.ok && status.sites == 2, "{status:?}");
    client.add_site(&site(&["new.test"])).await.unwrap();
    assert_eq!(client.status().await.unwrap().sites, 3);
    server.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_opened_behind_what_was_kept() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let client = with_shop(&data_dir).await;
    let now: Arc<dyn Fn() -> Timestamp + Send + Sync> = Arc::new(now);
    assert!(begin(&data_dir, &now, None).await.unwrap().is_kept());
    let server = Server::start(options(&data_dir)).await.unwrap();
    assert_eq!(client.status().await.unwrap().sites, 2);
    client.add_site(&site(&["new.test"])).await.unwrap();
    let status = well(&client).await;
    assert!(status.ok && status.sites == 3, "{status:?}");

    // What was kept lacks the newest change, so it is not begun with; nor is anything that is not ours.
    server.drain().await;
    assert!(!begin(&data_dir, &now, None).await.unwrap().is_kept());
    let server = Server::start(options(&data_dir)).await.unwrap();
    assert_eq!(client.status().await.unwrap().sites, 3);
    keep(&server, &data_dir).await;
    server.drain().await;
    assert!(begin(&data_dir, &now, None).await.unwrap().is_kept());
    let kept = data_dir.join("desired.snapshot");
    let mut content = std::fs::read(&kept).unwrap();
    let last = content.len() - 1;
    content[last] ^= 1;
    std::fs::write(&kept, content).unwrap();
    assert!(!begin(&data_dir, &now, None).await.unwrap().is_kept());
    let server = Server::start(options(&data_dir)).await.unwrap();
    assert_eq!(client.status().await.unwrap().sites, 3);
    server.drain().await;
}
