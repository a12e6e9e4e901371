#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use portward_core::Permission;
use tokio::net::TcpListener;

use super::*;
use crate::fixture::{Fixture, by, site};

fn configure(name: &str) -> LetsEncryptConfigure {
    LetsEncryptConfigure {
        dns_name: name.to_owned(),
        directory: Some("https://127.0.0.1:1/directory".to_owned()),
        accept_terms: true,
        https_port: Some(0),
        ip_address: Some("127.0.0.1".to_owned()),
        ..LetsEncryptConfigure::default()
    }
}

/// A token for certificates must not add a listener, or a CA of its own.
#[tokio::test]
async fn issuer_and_binding_need_their_own_rights_where_they_are_written() {
    let fixture = Fixture::start().await;
    let mut permissions = vec![Permission::View, Permission::CertificateChange];
    for missing in [Permission::IssuerChange, Permission::BindingChange] {
        let by = Actor::with(&permissions).may().unwrap();
        let refused = fixture.app.configure_letsencrypt(&by, &configure("door.test"), Apply::Now).await.unwrap_err();
        assert!(refused.code() == "not-permitted" && refused.to_string().contains(missing.as_str()), "{refused}");
        permissions.push(missing);
    }
    let stored = fixture.stored().await;
    assert!(stored.issuers.is_empty() && stored.bindings.is_empty() && stored.certificates.is_empty());
    let by = Actor::with(&permissions).may().unwrap();
    fixture.app.configure_letsencrypt(&by, &configure("door.test"), Apply::Now).await.unwrap();
    // Both are there: the next name is a matter of certificates alone.
    let by = Actor::with(&permissions[..2]).may().unwrap();
    fixture.app.configure_letsencrypt(&by, &configure("next.test"), Apply::Now).await.unwrap();
    let stored = fixture.stored().await;
    assert_eq!((stored.issuers.len(), stored.bindings.len()), (1, 1));
    assert_eq!(stored.bindings[0].value.default_certificate, stored.settings.letsencrypt);
}

/// A binding that presented nothing is changed by who may change bindings.
#[tokio::test]
async fn a_binding_without_a_certificate_gets_one_by_the_right_to_change_bindings() {
    let fixture = Fixture::start().await;
    fixture.app.add_binding(&by(), &crate::fixture::binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let issuer = portward_api::acme::IssuerCreate {
        directory: "https://127.0.0.1:1/directory".to_owned(),
        accept_terms: true,
        ..Default::default()
    };
    fixture.app.add_issuer(&by(), &issuer, Apply::Now).await.unwrap();
    let certificates = Actor::with(&[Permission::View, Permission::CertificateChange]).may().unwrap();
    let input = configure("door.test");
    let refused = fixture.app.configure_letsencrypt(&certificates, &input, Apply::Now).await.unwrap_err();
    assert!(refused.to_string().contains("binding:change"), "{refused}");
}

/// Nobody could change anything for as long as the CA took.
#[tokio::test]
async fn others_decide_while_a_ca_is_asked_for_its_terms() {
    let fixture = Fixture::start().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = format!("https://{}/directory", silent.local_addr().unwrap());
    let input = LetsEncryptConfigure { directory: Some(directory), accept_terms: false, ..configure("door.test") };
    let app = Arc::clone(&fixture.app);
    let asking = tokio::spawn(async move { app.configure_letsencrypt(&by(), &input, Apply::Now).await.map(drop) });
    let (held, _) = silent.accept().await.unwrap();
    let site = site(&["shop.test"]);
    let added = async { fixture.app.add_site(&by(), &site, Apply::Now).await };
    let added = tokio::time::timeout(Duration::from_secs(5), added);
    added.await.expect("a site is added meanwhile").unwrap();
    drop(held);
    drop(silent);
    let refused = asking.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), "terms-not-agreed");
}
