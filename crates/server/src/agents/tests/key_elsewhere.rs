//! A certificate whose private key is on an agent's machine, and not here.

use std::sync::Arc;

use portward_api::{BindingCreate, CertificateExport, ExportFormat, SiteCreate};
use portward_core::{AgentName, CertificateId, Host, Management, Source};
use portward_store::change::{Change, NewKey, NewVersion, commit};

use super::{
    deliveries::{certificate, delivery, linked},
    fake::{server, until},
};
use crate::{
    app::{Apply, Precondition, new_key_id, ways_in},
    fixture::{Fixture, binding, bundle, by, now, site},
};

/// Stores a certificate with a key on `web-03`, better than any other for its names.
async fn elsewhere(fixture: &Fixture, names: &[&str]) -> CertificateId {
    let (bundle, id) = (bundle(names, 300), CertificateId::parse("db").unwrap());
    let version = NewVersion {
        source: Source::Acme,
        added: now(),
        chain: bundle.chain,
        facts: Arc::new(bundle.facts),
        key: new_key_id().unwrap(),
        private_key: NewKey::On(AgentName::parse("web-03").unwrap()),
    };
    let mut change = Change::new("test", "store a certificate".to_owned(), now());
    change.add_certificate(&id, "db", Management::Unmanaged, version, &fixture.sealer().await);
    commit(&fixture.store, change).await.unwrap();
    until("it is read", || fixture.served.now().desired.certificate(&id).is_some()).await;
    id
}

#[tokio::test]
async fn is_presented_to_nobody_and_chosen_by_nobody() {
    let (fixture, _) = server().await;
    let here = certificate(&fixture, None).await;
    let id = elsewhere(&fixture, &["shop.test", "db.test"]).await;
    let served = fixture.served.now();
    let told: Vec<String> = served.problems.iter().map(|problem| problem.message.clone()).collect();
    assert!(told.iter().all(|told| !told.contains("db")), "nothing is wrong with it: {told:?}");

    // For a name that both have it is the other one; what may lock somebody out is judged by that one too.
    let host = Host::parse("shop.test").unwrap();
    let presented: Vec<String> =
        ways_in::presented(&served.desired, &host, now()).map(|stored| stored.value.id.to_string()).collect();
    assert_eq!(presented, [here.as_str()]);
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let bindings = fixture.stored().await.bindings;
    assert!(bindings.iter().all(|stored| stored.value.default_certificate.as_ref() != Some(&id)));

    // Whoever asks for it is told why not.
    let wanted = BindingCreate { default_certificate: Some(id.to_string()), ..binding("https://127.0.0.1:0") };
    let refused = fixture.app.add_binding(&by(), &wanted, Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "key-elsewhere");
    let wanted = SiteCreate { certificate: Some(id.to_string()), ..site(&["db.test"]) };
    let refused = fixture.app.add_site(&by(), &wanted, Apply::Now).await.unwrap_err();
    assert!(refused.to_string().contains("on the machine of agent \"web-03\" and never leaves it"), "{refused}");
    let export = CertificateExport { format: ExportFormat::Pem, password: None };
    let refused = fixture.app.export_certificate(&by(), id.as_str(), &export).await.err().unwrap();
    assert_eq!(refused.code(), "key-elsewhere");
}

#[tokio::test]
async fn is_delivered_to_its_own_machine_alone() {
    let (fixture, at) = server().await;
    let _web = linked(&fixture, at, "web-03").await;
    let _db = linked(&fixture, at, "db-01").await;
    let id = elsewhere(&fixture, &["db.test"]).await;
    let refused = fixture.app.add_delivery(&by(), &delivery("db-01", id.as_str()), Apply::Now).await.unwrap_err();
    assert_eq!(refused.code(), "key-elsewhere");
    fixture.app.add_delivery(&by(), &delivery("web-03", id.as_str()), Apply::Now).await.unwrap();
    assert_eq!(fixture.app.show_agent(&by(), "web-03").await.unwrap().view.deliveries, 1);
    let removed = fixture.app.remove_agent(&by(), "web-03", Precondition::None, Apply::DryRun).await.unwrap();
    assert!(removed.warnings.iter().any(|text| text.contains("certificate db")), "{removed:?}");
}
