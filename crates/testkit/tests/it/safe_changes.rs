//! Changes that could shut somebody out, with a whole server: they go back, are confirmed by the new way in, and recovered.

use std::{net::SocketAddr, time::Duration};

use portward_api::{BindingCreate, Effect, HttpsSettingsUpdate, Recover, SiteUpdate};
use portward_core::{ConfirmWithin, SiteId};
use portward_testkit::{Connection, Response, TestServer, eventually, free_port};

async fn ask(address: SocketAddr, method: &str, path: &str, token: &str) -> Response {
    let mut connection = Connection::tls(address, "localhost").await.unwrap();
    let host = format!("localhost:{}", address.port());
    connection.request(method, &host, path, &format!("Authorization: Bearer {token}\r\n")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_that_nobody_confirms_is_gone_at_its_deadline() {
    let server = TestServer::start().await;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let create = BindingCreate { url: format!("http://{address}"), ..BindingCreate::default() };
    let added = server.client.safely(ConfirmWithin::USUAL).add_binding(&create).await.unwrap();
    let waiting = added.confirmation.clone().unwrap();
    assert_eq!(waiting.way, format!("http:{}", address.port()));
    assert!(waiting.trial.iter().any(|step| step.step == "answer"), "{waiting:?}");
    Connection::plain(address).await.unwrap();

    server.set_now(server.now().plus(Duration::from_secs(61)));
    eventually("the binding is gone", async || Connection::plain(address).await.is_err().then_some(())).await;
    assert!(server.client.list_confirmations().await.unwrap().is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_port_is_confirmed_there_and_nowhere_else() {
    let server = TestServer::start().await;
    server.own().await;
    let token = server.token(&["view", "https-settings:change"]).await;
    let update = HttpsSettingsUpdate { port: Some(free_port()), ..HttpsSettingsUpdate::default() };
    let changed = server.client.safely(ConfirmWithin::USUAL).change_https_settings(&update).await.unwrap();
    let waiting = changed.confirmation.clone().unwrap();
    let new = SocketAddr::from((server.https.ip(), update.port.unwrap()));
    let path = format!("/api/v1/confirmations/{}", waiting.id);

    let old_way = ask(server.https, "POST", &path, &token).await;
    assert!(old_way.status == 409 && old_way.text().contains("confirm-by-new-way"), "{}", old_way.text());
    let new_way = ask(new, "POST", &path, &token).await;
    assert!(new_way.status == 200 && new_way.text().contains("by the new way in"), "{}", new_way.text());
    eventually("the old port is closed", async || Connection::plain(server.https).await.is_err().then_some(())).await;
    assert_eq!(ask(new, "GET", "/api/v1/https-settings", &token).await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovering_goes_back_and_switches_the_redirect_off() {
    let server = TestServer::start().await;
    let portal = SiteId::parse("portal").unwrap();
    let update = SiteUpdate { force_https: Some("all".to_owned()), ..SiteUpdate::default() };
    let edited = server.client.safely(ConfirmWithin::USUAL).edit_site(&portal, &update).await.unwrap();
    assert!(edited.confirmation.is_some());
    let recovered = server.client.recover(&Recover::default(), Effect::Apply).await.unwrap();
    assert!(recovered.steps[0].starts_with("Went back"), "{recovered:?}");
    assert_eq!(server.client.show_site(&portal).await.unwrap().force_https, "off");
    assert!(server.client.recover(&Recover::default(), Effect::Apply).await.unwrap().steps.is_empty());
    server.stop().await;
}
