//! The first seconds of what `make soak` does for half an hour.

use std::time::Duration;

use portward_testkit::soak::{Changes, SoakOptions, soak};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_under_load_while_everything_is_changed() {
    let changes = Changes { certificates: 10, sites: 10, bindings: 4, upgrades: 1 };
    let options = SoakOptions { lasts: Duration::from_secs(8), requests: 1000, changes };
    let soaked = soak(options, |line| println!("{line}")).await;
    assert_eq!(soaked.failed(), 0, "{soaked:#?}");
    assert_eq!(soaked.changed, changes);
    assert!(soaked.counted.iter().all(|kind| kind.answered > 0), "{soaked:#?}");
}
