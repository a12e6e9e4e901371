#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{SocketAddr, TcpListener};

use portward_core::Revision;

use super::*;
use crate::fixture::{Fixture, binding, bundle, by, free_port, import};

#[tokio::test]
async fn a_binding_is_bound_when_it_is_added_and_gone_when_it_is_removed() {
    let fixture = Fixture::start().await;
    let added = fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
    assert!(added.view.bound, "{added:?}");
    assert_eq!(fixture.app.list_bindings(&by()), std::slice::from_ref(&added.view));
    assert_eq!(fixture.app.show_binding(&by(), "http-0").unwrap(), *added);
    let address = fixture.served.now().bindings[0].result.clone().unwrap();
    std::net::TcpStream::connect(address).unwrap();

    let removed = fixture.app.remove_binding(&by(), "http-0", Precondition::None, Apply::Now).await.unwrap();
    assert!(removed.warnings[0].contains("last http binding"), "{removed:?}");
    assert_eq!(fixture.app.list_bindings(&by()), []);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert_eq!(fixture.audited().await, 2);
}

#[tokio::test]
async fn a_binding_that_cannot_be_had_is_not_saved() {
    let fixture = Fixture::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("https://{}", taken_address(&taken));
    for (url, code) in [
        (taken.as_str(), "port-taken"),
        ("http://203.0.113.1:8080", "address-not-here"),
        ("http://localhost:80", "invalid-value"),
        ("ftp://127.0.0.1:80", "invalid-value"),
    ] {
        for apply in [Apply::DryRun, Apply::Now] {
            let error = fixture.app.add_binding(&by(), &binding(url), apply).await.unwrap_err();
            assert_eq!(error.code(), code, "{url}: {error}");
            assert_eq!(error.status(), 422, "{url}");
        }
    }
    let error = fixture.app.add_binding(&by(), &binding(&taken), Apply::Now).await.unwrap_err();
    assert!(error.to_string().ends_with("Nothing was saved."), "{error}");
    assert!(fixture.stored().await.bindings.is_empty());
    assert_eq!(fixture.audited().await, 0);
}

fn taken_address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn a_binding_that_overlaps_another_is_refused() {
    let fixture = Fixture::start().await;
    fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
    let address = fixture.served.now().bindings[0].result.clone().unwrap();
    let error = fixture.app.add_binding(&by(), &binding(&format!("https://{address}")), Apply::Now).await.unwrap_err();
    assert_eq!(error.code(), "binding-exists", "{error}");
    assert!(error.to_string().contains("http-0"), "{error}");
}

#[tokio::test]
async fn an_https_binding_gets_a_default_certificate() {
    let fixture = Fixture::start().await;
    let error = fixture
        .app
        .add_binding(
            &by(),
            &BindingCreate { default_certificate: Some("x".to_owned()), ..binding("https://127.0.0.1:0") },
            Apply::Now,
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "not-found");
    let taken = fixture
        .app
        .import_certificate(&by(), import(&bundle(&["shop.test"], 90), None), Precondition::None, Apply::Now)
        .await
        .unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let stored = fixture.stored().await;
    let default = stored.bindings[0].value.default_certificate.as_ref().unwrap();
    assert_eq!(default.as_str(), taken.view.certificate.id);
    let error = fixture
        .app
        .add_binding(
            &by(),
            &BindingCreate { default_certificate: Some("shop-test".to_owned()), ..binding("http://127.0.0.1:0") },
            Apply::Now,
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "certificate-without-https");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let fixture = Fixture::start().await;
    let added = fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::DryRun).await.unwrap();
    assert_eq!((added.view.bound, added.revision), (false, None));
    assert!(fixture.stored().await.bindings.is_empty());
    fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.remove_binding(&by(), "http-0", Precondition::None, Apply::DryRun).await.unwrap();
    assert_eq!(fixture.stored().await.bindings.len(), 1);
}

#[tokio::test]
async fn what_is_not_there_or_was_changed_is_not_removed() {
    let fixture = Fixture::start().await;
    let error = fixture.app.remove_binding(&by(), "none", Precondition::None, Apply::Now).await.unwrap_err();
    assert_eq!(error.status(), 404);
    let added = fixture.app.add_binding(&by(), &binding("http://127.0.0.1:0"), Apply::Now).await.unwrap();
    let other = Precondition::Revision(Revision(added.revision.unwrap().0 + 1));
    let error = fixture.app.remove_binding(&by(), "http-0", other, Apply::Now).await.unwrap_err();
    assert_eq!(error.status(), 412);
    let same = Precondition::Revision(added.revision.unwrap());
    fixture.app.remove_binding(&by(), "http-0", same, Apply::Now).await.unwrap();
}

#[tokio::test]
async fn a_binding_whose_port_is_taken_between_try_and_bind_is_taken_back() {
    let fixture = Fixture::start().await;
    let free = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let (kept, held) = std::sync::mpsc::channel();
    fixture.store.faults().before_next_txn(move || kept.send(TcpListener::bind(free).unwrap()).unwrap());
    let error = fixture.app.add_binding(&by(), &binding(&format!("http://{free}")), Apply::Now).await.unwrap_err();
    let _thief = held.try_recv().unwrap();
    assert_eq!((error.status().as_u16(), error.code()), (422, "port-taken"), "{error}");
    assert!(error.to_string().ends_with("Nothing was saved."), "{error}");
    assert_eq!(fixture.audited().await, 2, "it was saved, and taken back");
    assert!(fixture.stored().await.bindings.is_empty());
    let served = fixture.served.now();
    assert!(served.bindings.is_empty() && served.problems.is_empty(), "{served:?}");
}
