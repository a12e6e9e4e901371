#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use portward_api::{CertificateImport, SecretText};
use portward_certs::{Input, read};

use super::*;
use crate::fixture::{Fixture, binding, bundle, bundle_at, by, import, now, site};

async fn take(fixture: &Fixture, input: CertificateImport) -> Result<Changed<Revised<CertificateTaken>>, AppError> {
    fixture.app.import_certificate(&by(), input, Precondition::None, Apply::Now).await
}

#[tokio::test]
async fn an_import_is_served_when_it_returns() {
    let fixture = Fixture::start().await;
    let bundle = bundle(&["shop.test", "*.shop.test"], 90);
    let taken = take(&fixture, import(&bundle, None)).await.unwrap();
    let view = &taken.view.certificate;
    assert_eq!((view.id.as_str(), view.name.as_str(), view.version), ("shop-test", "shop.test", 1));
    assert_eq!(view.thumbprint, bundle.facts.thumbprint.to_string());
    assert_eq!(view.chain.len(), 1);
    assert_eq!((view.source.as_str(), view.status.as_str(), view.managed), ("imported", "valid", false));
    assert_eq!(fixture.app.show_certificate(&by(), "shop-test").unwrap().view, *view);
    assert!(fixture.served.now().problems.is_empty(), "{:?}", fixture.served.now().problems);
}

#[tokio::test]
async fn versions_come_and_go_and_the_id_stays() {
    let fixture = Fixture::start().await;
    let (first, second) = (bundle(&["shop.test"], 90), bundle(&["shop.test"], 100));
    take(&fixture, import(&first, None)).await.unwrap();
    let error = roll_back(&fixture).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "no-older-version"));
    let replaced = take(&fixture, import(&second, Some("shop-test"))).await.unwrap();
    assert_eq!((replaced.view.outcome, replaced.view.certificate.version), (CertificateOutcome::NewVersion, 2));

    let again = take(&fixture, import(&second, Some("shop-test"))).await.unwrap();
    assert_eq!((again.view.outcome, again.view.certificate.version), (CertificateOutcome::Unchanged, 2));
    assert_eq!(again.revision, replaced.revision);
    let again = take(&fixture, import(&second, None)).await.unwrap();
    assert_eq!(again.view.findings[0].code, "already-there");
    let error = take(&fixture, import(&first, None)).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "already-there"));

    let back = roll_back(&fixture).await.unwrap();
    assert_eq!(back.view.certificate.version, 1);
    assert_eq!(back.view.certificate.thumbprint, first.facts.thumbprint.to_string());
    let versions = fixture.app.list_certificate_versions(&by(), "shop-test").unwrap();
    assert_eq!(versions.iter().map(|v| (v.version, v.current)).collect::<Vec<_>>(), [(1, true), (2, false)]);
    assert_eq!(fixture.audited().await, 3);
}

async fn roll_back(fixture: &Fixture) -> Result<Changed<Revised<CertificateTaken>>, AppError> {
    let input = CertificateRollback::default();
    fixture.app.roll_back_certificate(&by(), "shop-test", &input, Precondition::None, Apply::Now).await
}

#[tokio::test]
async fn one_does_not_go_back_to_an_expired_version_by_accident() {
    let fixture = Fixture::start().await;
    let old = bundle_at(&["shop.test"], 30, now().minus(Duration::from_secs(60 * 24 * 3600)));
    take(&fixture, CertificateImport { allow_expired: true, ..import(&old, None) }).await.unwrap();
    take(&fixture, import(&bundle(&["shop.test"], 90), Some("shop-test"))).await.unwrap();
    let error = roll_back(&fixture).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (422, "expired"));
    let input = CertificateRollback { allow_expired: true };
    let back = fixture.app.roll_back_certificate(&by(), "shop-test", &input, Precondition::None, Apply::Now).await;
    assert_eq!(back.unwrap().view.certificate.status, "expired");
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_stored() {
    let fixture = Fixture::start().await;
    let old = bundle_at(&["shop.test"], 30, now().minus(Duration::from_secs(60 * 24 * 3600)));
    let good = bundle(&["shop.test"], 90);
    let part = |input: CertificateImport, keep: &str| {
        let mut input = input;
        let pem = String::from_utf8(input.files[0].data.expose().to_vec()).unwrap();
        let begin = pem.find(&format!("-----BEGIN {keep}")).unwrap();
        let end = pem[begin..].find("-----END").unwrap() + begin;
        let end = pem[end..].find('\n').map_or(pem.len(), |line| end + line + 1);
        input.files[0].data = portward_api::SecretBytes::new(pem.as_bytes()[begin..end].to_vec());
        input
    };
    for (input, code) in [
        (CertificateImport { files: vec![], ..import(&good, None) }, "invalid-value"),
        (import(&old, None), "expired"),
        (part(import(&good, None), "CERTIFICATE"), "no-private-key"),
        (part(import(&good, None), "PRIVATE KEY"), "no-certificate"),
        (import(&good, Some("none")), "not-found"),
        (CertificateImport { name: Some(" ".to_owned()), ..import(&good, None) }, "invalid-value"),
    ] {
        let error = take(&fixture, input).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
    let error = take(&fixture, import(&old, None)).await.unwrap_err();
    assert_eq!(error.to_problem(None).findings[0].code, "expired");
    assert!(fixture.stored().await.certificates.is_empty());
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be() {
    let fixture = Fixture::start().await;
    let input = import(&bundle(&["shop.test"], 90), None);
    let taken = fixture.app.import_certificate(&by(), input, Precondition::None, Apply::DryRun).await.unwrap();
    assert_eq!((taken.view.outcome, taken.revision), (CertificateOutcome::Created, None));
    let made = SelfSignedCreate { names: vec!["shop.test".to_owned()], days: Some(10) };
    let made = fixture.app.make_self_signed(&by(), &made, Apply::DryRun).await.unwrap();
    assert_eq!(made.view.certificate.id, "shop-test");
    assert!(fixture.stored().await.certificates.is_empty());
}

#[tokio::test]
async fn a_certificate_in_use_stays() {
    let fixture = Fixture::start().await;
    take(&fixture, import(&bundle(&["shop.test"], 90), None)).await.unwrap();
    fixture.app.add_binding(&by(), &binding("https://127.0.0.1:0"), Apply::Now).await.unwrap();
    let fixed = portward_api::SiteCreate { certificate: Some("shop-test".to_owned()), ..site(&["shop.test"]) };
    fixture.app.add_site(&by(), &fixed, Apply::Now).await.unwrap();
    let error = remove(&fixture).await.unwrap_err();
    assert_eq!((error.status().as_u16(), error.code()), (409, "certificate-in-use"));
    assert!(error.to_string().contains("site \"shop-test\", binding \"https-0\""), "{error}");

    // A version that the site cannot use would lock its users out.
    let error = take(&fixture, import(&bundle(&["other.test"], 90), Some("shop-test"))).await.unwrap_err();
    assert_eq!(error.code(), "name-not-covered");

    let auto = portward_api::SiteUpdate { certificate: Some("auto".to_owned()), ..Default::default() };
    fixture.app.edit_site(&by(), "shop-test", &auto, Precondition::None, Apply::Now).await.unwrap();
    let taken = take(&fixture, import(&bundle(&["other.test"], 90), Some("shop-test"))).await.unwrap();
    assert!(taken.view.findings.iter().any(|finding| finding.code == "name-lost"), "{:?}", taken.view.findings);
    fixture.app.remove_binding(&by(), "https-0", Precondition::None, Apply::Now).await.unwrap();
    remove(&fixture).await.unwrap();
    assert!(fixture.stored().await.certificates.is_empty());
    assert!(fixture.stored().await.keys.is_empty());
    assert_eq!(remove(&fixture).await.unwrap_err().status(), 404);
}

async fn remove(fixture: &Fixture) -> Result<Changed<Removed>, AppError> {
    fixture.app.remove_certificate(&by(), "shop-test", Precondition::None, Apply::Now).await
}

#[tokio::test]
async fn an_export_has_the_key_and_is_recorded() {
    let fixture = Fixture::start().await;
    let bundle = bundle(&["shop.test"], 90);
    take(&fixture, import(&bundle, None)).await.unwrap();
    let password = || SecretText::new("a password".to_owned());
    for (format, password) in [(ExportFormat::Pem, None), (ExportFormat::Pfx, Some(password()))] {
        let input = CertificateExport { format, password: password.clone() };
        let file = fixture.app.export_certificate(&by(), "shop-test", &input).await.unwrap();
        let opened = read(
            &[Input { name: "exported", bytes: &file.content }],
            password.map(|password| Password::new(password.expose().to_owned())).as_ref(),
        )
        .unwrap();
        assert_eq!(opened.facts.thumbprint, bundle.facts.thumbprint);
        assert_eq!(opened.key.as_pkcs8_der(), bundle.key.as_pkcs8_der());
    }
    assert_eq!(fixture.audited().await, 3);
    let open = CertificateExport { format: ExportFormat::Pfx, password: None };
    let error = fixture.app.export_certificate(&by(), "shop-test", &open).await.err().unwrap();
    assert_eq!((error.status().as_u16(), error.code()), (422, "password-needed"));
}

#[tokio::test]
async fn self_signed_certificates_are_made_for_names_and_days() {
    let fixture = Fixture::start().await;
    let create =
        |names: &[&str], days| SelfSignedCreate { names: names.iter().map(|n| (*n).to_owned()).collect(), days };
    let made = fixture.app.make_self_signed(&by(), &create(&["a.test", "127.0.0.1"], None), Apply::Now).await.unwrap();
    let view = made.view.certificate;
    assert_eq!((view.source.as_str(), view.key_type.as_str()), ("self-signed", "ECDSA P-256"));
    assert_eq!(view.names, ["a.test", "127.0.0.1"]);
    for (input, part) in [
        (create(&[], None), "names"),
        (create(&["*"], None), "names: *"),
        (create(&["a b"], None), "names"),
        (create(&["a.test"], Some(0)), "days"),
        (create(&["a.test"], Some(40_000)), "days"),
    ] {
        let error = fixture.app.make_self_signed(&by(), &input, Apply::Now).await.unwrap_err();
        assert_eq!(error.code(), "invalid-value");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn what_was_taken_although_it_expired_is_not_told_how_to_be_taken() {
    let fixture = Fixture::start().await;
    let old = bundle_at(&["old.test"], 10, now().minus(std::time::Duration::from_secs(90 * 24 * 3600)));
    let refused =
        fixture.app.import_certificate(&by(), import(&old, None), Precondition::None, Apply::Now).await.unwrap_err();
    assert!(refused.to_string().contains("--allow-expired"), "{refused}");
    let nevertheless = portward_api::CertificateImport { allow_expired: true, ..import(&old, None) };
    let taken = fixture.app.import_certificate(&by(), nevertheless, Precondition::None, Apply::Now).await.unwrap();
    let warnings: Vec<_> = taken.view.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(warnings[0].ends_with("days ago); renew it"), "{warnings:?}");
}
