#![allow(clippy::unwrap_used, reason = "tests")]

use portward_store::memory::TxnFault;

use crate::{
    app::Apply,
    fixture::{Fixture, binding, by, site},
};

#[tokio::test]
async fn what_is_served_stays_while_the_store_is_away() {
    let fixture = Fixture::start().await;
    fixture.app.add_site(&by(), &site(&["shop.test"]), Apply::Now).await.unwrap();
    fixture.store.faults().go_away();
    let away = fixture.served.until(|state| !state.problems.is_empty()).await;
    assert_eq!((away.problems[0].code, away.desired.sites.len()), ("store-unavailable", 1));
    assert!(away.unready()[0].contains("the store cannot be read"), "{:?}", away.unready());
    assert_eq!(fixture.app.list_sites(&by()).len(), 1);
    let error = fixture.app.add_site(&by(), &site(&["b.test"]), Apply::Now).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (503, "store-unavailable"));

    fixture.store.faults().come_back();
    let back = fixture.served.until(|state| state.problems.is_empty()).await;
    assert_eq!(back.unready(), Vec::<String>::new());
    fixture.app.add_site(&by(), &site(&["b.test"]), Apply::Now).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_of_the_store_does_not_lose_the_change() {
    for fault in [TxnFault::IndeterminateDone, TxnFault::IndeterminateNotDone] {
        let fixture = Fixture::start().await;
        fixture.store.faults().fail_next_txn(fault);
        let added = fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
        assert!(added.view.bound, "{fault:?}");
        assert_eq!(fixture.audited().await, 1, "{fault:?}");
    }
}
