#![allow(clippy::unwrap_used, reason = "tests")]
use std::net::TcpListener;

use portward_api::{BindingCreate, BindingUpdate, Recover, TrialOutcome};
use portward_certs::Bundle;
use portward_core::Binding;

use super::*;
use crate::{
    app::{Apply, Precondition},
    fixture::{Fixture, binding, bundle, by, free_port, import, portal, site, within_a_minute},
};

async fn front() -> Fixture {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["front.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    fixture.app.add_site(&by(), &portal(&["front.test"]), Apply::Now).await.unwrap();
    fixture
}

fn files(bundle: &Bundle) -> Option<CertificateFiles> {
    let CertificateImport { files, password, .. } = import(bundle, None);
    Some(CertificateFiles { files, password })
}

/// Ports at which nobody listens, the lowest first.
fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let mut ports = [(); COUNT].map(|()| free_port());
    ports.sort_unstable();
    ports
}

fn to_port(port: u16) -> HttpsSettingsInput {
    HttpsSettingsInput { port: Some(port), ..HttpsSettingsInput::default() }
}

/// A portal for all hosts at two https bindings, which present certificates of their own.
async fn two_doors(one: BindingCreate, other: BindingCreate) -> Fixture {
    let fixture = Fixture::start().await;
    for (name, input) in [("one", one), ("other", other)] {
        let import = import(&bundle(&[&format!("*.{name}.test")], 90), None);
        let imported = fixture.app.import_certificate(&by(), import, Precondition::None, Apply::Now).await.unwrap();
        let input = BindingCreate { default_certificate: Some(imported.view.certificate.id.clone()), ..input };
        fixture.app.add_binding(&by(), &input, Apply::Now).await.unwrap();
    }
    fixture.app.add_site(&by(), &portal(&["*"]), Apply::Now).await.unwrap();
    fixture
}

fn local(port: u16) -> BindingCreate {
    binding(&format!("https://127.0.0.1:{port}"))
}

fn ports(fixture: &Fixture) -> Vec<u16> {
    let served = fixture.served.now();
    served.desired.bindings.iter().map(|stored| stored.value.address.port()).collect()
}

#[tokio::test]
async fn an_uploaded_certificate_takes_the_place_of_the_one_that_is_presented() {
    let fixture = front().await;
    let other = bundle(&["front.test", "other.test"], 80);
    let input = HttpsSettingsInput { certificate: files(&other), ..HttpsSettingsInput::default() };
    let changed = fixture.app.change_https_settings(&by(), input, Apply::Now).await.unwrap();
    let presented = changed.certificate.as_ref().unwrap();
    assert_eq!((presented.id.as_str(), presented.version), ("front-test", 2));
    assert_eq!(presented.thumbprint, other.facts.thumbprint.to_string());
    assert_eq!((changed.host.as_str(), changed.force_https.as_deref()), ("front.test", Some("off")));
}

#[tokio::test]
async fn certificate_port_and_redirect_are_one_change_that_is_kept_or_goes_back() {
    let fixture = front().await;
    let port = free_port();
    let input = || HttpsSettingsInput {
        certificate: files(&bundle(&["front.test"], 80)),
        port: Some(port),
        force_https: Some(ForceHttps::Browsers),
    };
    let before = fixture.stored().await;
    let changed = fixture.app.change_https_settings(&by(), input(), within_a_minute()).await.unwrap();
    let waiting = changed.confirmation.clone().unwrap();
    assert_eq!(waiting.way, format!("https:{port}"));
    assert_eq!(ports(&fixture), [0, port], "the old port goes on answering until it is confirmed");
    fixture.app.go_back(&by(), &waiting.id).await.unwrap();
    let back = fixture.stored().await;
    assert_eq!(
        (back.bindings.len(), &back.sites[0].value, &back.certificates[0].value),
        (1, &before.sites[0].value, &before.certificates[0].value)
    );

    let changed = fixture.app.change_https_settings(&by(), input(), within_a_minute()).await.unwrap();
    fixture.app.keep(&by(), &changed.confirmation.as_ref().unwrap().id, None).await.unwrap();
    assert_eq!(ports(&fixture), [port]);
    let shown = fixture.app.show_https_settings(&by());
    assert_eq!((shown.port, shown.force_https.as_deref()), (Some(port), Some("browsers")));
}

#[tokio::test]
async fn without_a_confirmation_the_new_port_takes_the_place_of_the_old_one_once_it_was_tried() {
    let fixture = front().await;
    let port = free_port();
    fixture.app.change_https_settings(&by(), to_port(port), Apply::Now).await.unwrap();
    assert_eq!(ports(&fixture), [port]);
}

#[tokio::test]
async fn what_a_binding_has_goes_with_it_to_another_port() {
    let fixture = front().await;
    let input = BindingUpdate {
        accept_proxy_from: Some(vec!["127.0.0.0/8".to_owned()]),
        to: Some(vec!["polling.test=127.0.0.1:10943".to_owned()]),
        ..BindingUpdate::default()
    };
    fixture.app.edit_binding(&by(), "https-0", &input, Precondition::None, Apply::Now).await.unwrap();
    let before = fixture.stored().await.bindings[0].value.clone();
    let port = free_port();
    fixture.app.change_https_settings(&by(), to_port(port), Apply::Now).await.unwrap();
    let after = fixture.stored().await.bindings[0].value.clone();
    assert_eq!((after.id.to_string(), after.address.port()), (format!("https-{port}"), port));
    assert_eq!(Binding { id: before.id.clone(), address: before.address, ..after }, before);
}

#[tokio::test]
async fn the_answer_is_about_the_binding_that_was_made() {
    let [one, other, new] = free_ports();
    let fixture = two_doors(local(one), local(other)).await;
    let changed = fixture.app.change_https_settings(&by(), to_port(new), Apply::Now).await.unwrap();
    let mut left = ports(&fixture);
    left.sort_unstable();
    assert_eq!(left, [other, new]);
    assert_eq!((changed.port, changed.binding.clone()), (Some(new), Some(format!("https-{new}"))));
    assert_eq!(changed.url.as_deref(), Some(&*format!("https://front.test:{new}/")));
    assert_eq!(changed.certificate.as_ref().unwrap().names, ["*.one.test"]);
}

#[tokio::test]
async fn a_binding_that_is_there_takes_the_place_of_the_one_before() {
    let [one, other] = free_ports();
    let fixture = two_doors(local(one), local(other)).await;
    let changed = fixture.app.change_https_settings(&by(), to_port(other), within_a_minute()).await.unwrap();
    let waiting = changed.confirmation.clone().unwrap();
    assert_eq!((changed.port, waiting.way.as_str()), (Some(other), &*format!("https:{other}")));
    assert_eq!(fixture.stored().await.bindings.len(), 2, "the old port goes on answering until it is confirmed");
    fixture.app.go_back(&by(), &waiting.id).await.unwrap();
    assert_eq!(fixture.stored().await.bindings.len(), 2);

    let new = bundle(&["front.test"], 80);
    let input = HttpsSettingsInput { certificate: files(&new), ..to_port(other) };
    let changed = fixture.app.change_https_settings(&by(), input, Apply::Now).await.unwrap();
    assert_eq!(ports(&fixture), [other]);
    assert_eq!(changed.certificate.as_ref().unwrap().thumbprint, new.facts.thumbprint.to_string());
    let again = fixture.app.change_https_settings(&by(), to_port(other), Apply::Now).await.unwrap();
    assert_eq!((again.port, ports(&fixture)), (Some(other), vec![other]));
}

#[tokio::test]
async fn a_binding_that_does_less_takes_no_place() {
    let [one, other] = free_ports();
    let passing = BindingCreate {
        accept_proxy_from: vec!["192.0.2.0/24".to_owned()],
        to: vec!["polling.test=127.0.0.1:10943".to_owned()],
        ..local(one)
    };
    let own = BindingCreate { to: vec!["git.test=127.0.0.1:9443".to_owned()], ..local(other) };
    let everywhere = binding(&format!("https://0.0.0.0:{one}"));
    for (first, second, command) in [
        (
            passing,
            own,
            format!(
                "portward binding edit https-{other} --accept-proxy-from 192.0.2.0/24 --to git.test=127.0.0.1:9443 polling.test=127.0.0.1:10943;"
            ),
        ),
        (everywhere, local(other), format!("portward binding remove https-{other};")),
    ] {
        let fixture = two_doors(first, second).await;
        let before = fixture.stored().await.revision;
        let error = fixture.app.change_https_settings(&by(), to_port(other), Apply::Now).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (409, "binding-does-less"), "{error}");
        assert!(error.to_string().contains(&command), "{error}");
        assert_eq!(fixture.stored().await.revision, before);
    }
}

#[tokio::test]
async fn what_cannot_be_done_changes_nothing() {
    let fixture = front().await;
    let before = fixture.stored().await.revision;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port();
    let expired = crate::fixture::bundle_at(&["front.test"], 10, portward_core::Timestamp::EPOCH);
    let with_files = HttpsSettingsInput { certificate: files(&expired), ..HttpsSettingsInput::default() };
    for (input, code) in [(to_port(taken), "port-taken"), (to_port(0), "invalid-value"), (with_files, "expired")] {
        let error = fixture.app.change_https_settings(&by(), input, Apply::Now).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (422, code), "{error}");
    }
    assert_eq!(fixture.stored().await.revision, before);
}

#[tokio::test]
async fn a_first_certificate_and_port_open_the_door() {
    let fixture = Fixture::start().await;
    let input = HttpsSettingsInput {
        certificate: files(&bundle(&["front.test"], 90)),
        port: Some(free_port()),
        ..HttpsSettingsInput::default()
    };
    let changed = fixture.app.change_https_settings(&by(), input, Apply::Now).await.unwrap();
    assert_eq!(changed.certificate.as_ref().map(|shown| shown.id.as_str()), Some("front-test"));
    let input = HttpsSettingsInput { force_https: Some(ForceHttps::All), ..HttpsSettingsInput::default() };
    let error = fixture.app.change_https_settings(&by(), input, Apply::Now).await.unwrap_err();
    assert_eq!(error.code(), "no-portal-site");
}

#[tokio::test]
async fn the_portal_is_not_said_to_be_at_the_name_of_an_application() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["shop.test"], 90), None);
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    for input in [portal(&["*"]), site(&["shop.test"])] {
        fixture.app.add_site(&by(), &input, Apply::Now).await.unwrap();
    }
    let host = || fixture.app.show_https_settings(&by()).host;
    assert_eq!(host(), "front.test", "the name of this machine");

    let port = free_port();
    let changed = fixture.app.change_https_settings(&by(), to_port(port), within_a_minute()).await.unwrap();
    let waiting = changed.confirmation.clone().unwrap();
    let url = format!("https://front.test:{port}/");
    assert_eq!(waiting.url.as_deref(), Some(&*url));
    let answer = waiting.trial.iter().find(|step| step.step == "answer").unwrap();
    assert_eq!(answer.outcome, TrialOutcome::Passed, "the portal answers, and no application: {answer:?}");
    fixture.app.keep(&by(), &waiting.id, None).await.unwrap();
    let recovered = fixture.app.recover(&by(), &Recover::default(), Apply::DryRun).await.unwrap();
    assert_eq!(recovered.url.as_deref(), Some(&*url));

    fixture.app.add_site(&by(), &site(&["front.test"]), Apply::Now).await.unwrap();
    assert_eq!(host(), "localhost");
}
