#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};

use portward_api::{ForeignCertificateView, SecretBytes};
use portward_core::{
    CertificateId, DnsProviderId, IssuerId, Permission,
    acme::{ChallengeKind, Issuer, Managed},
};
use portward_store::{change::Expected, work::StoredAccount};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};

use super::*;
use crate::{
    app::{Actor, Precondition},
    fixture::{Fixture, bundle, by, import, now},
    renewals::outlook,
};

/// Makes a chain with its key in PEM, valid from the first of a month of 2026 to the end of January 2027.
fn made(names: &[&str], month: u8) -> (String, String, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "Test CA E7");
    let authority_key = KeyPair::generate().unwrap();
    let issuer = authority.self_signed(&authority_key).unwrap().pem();
    let signing = rcgen::Issuer::new(authority, authority_key);
    let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    leaf.not_before = rcgen::date_time_ymd(2026, month, 1);
    leaf.not_after = if month > 8 { rcgen::date_time_ymd(2027, 1, month) } else { rcgen::date_time_ymd(2026, 10, 1) };
    let key = KeyPair::generate().unwrap();
    (leaf.signed_by(&key, &signing).unwrap().pem(), issuer, key.serialize_pem())
}

type Files = Vec<(String, String)>;

/// A directory of certbot with one certificate, and an account whose key is RSA.
fn certbot(names: &[&str], month: u8, more: &str) -> Files {
    let (leaf, issuer, key) = made(names, month);
    let name = names[0].trim_start_matches("*.");
    let live = format!("/etc/letsencrypt/live/{name}");
    let conf = format!(
        "version = 2.9.0\ncert = {live}/cert.pem\nprivkey = {live}/privkey.pem\nchain = {live}/chain.pem\nfullchain = {live}/fullchain.pem\n[renewalparams]\nserver = https://acme-v02.api.letsencrypt.org/directory\n{more}"
    );
    let account = "accounts/acme-v02.api.letsencrypt.org/directory/0123456789abcdef0123456789abcdef";
    vec![
        (format!("renewal/{name}.conf"), conf),
        (format!("live/{name}/cert.pem"), leaf.clone()),
        (format!("live/{name}/chain.pem"), issuer.clone()),
        (format!("live/{name}/fullchain.pem"), leaf + &issuer),
        (format!("live/{name}/privkey.pem"), key),
        (
            format!("{account}/private_key.json"),
            format!(r#"{{"n": "{}xQ", "e": "AQAB", "kty": "RSA"}}"#, "xcXF".repeat(85)),
        ),
        (
            format!("{account}/regr.json"),
            r#"{"body": {"contact": ["mailto:ops@shop.test"]}, "uri": "https://acme-v02.api.letsencrypt.org/acme/acct/7"}"#
                .to_owned(),
        ),
    ]
}

/// The data directory of a Caddy with certificates of Let's Encrypt, and an account whose key can be used.
fn caddy(names: &[String]) -> Files {
    const LE: &str = "acme-v02.api.letsencrypt.org-directory";
    let mut files = vec![
        (
            format!("acme/{LE}/users/ops/ops.json"),
            r#"{"status": "valid", "contact": ["mailto:ops@shop.test"], "location": "https://acme-v02.api.letsencrypt.org/acme/acct/42"}"#
                .to_owned(),
        ),
        (format!("acme/{LE}/users/ops/ops.key"), KeyPair::generate().unwrap().serialize_pem()),
    ];
    for name in names {
        let (leaf, issuer, key) = made(&[name.as_str()], 11);
        let path = format!("certificates/{LE}/{name}/{name}");
        files.push((format!("{path}.crt"), leaf + &issuer));
        files.push((format!("{path}.key"), key));
    }
    files
}

fn input(kind: &str, files: &Files) -> ForeignImport {
    let file = |(path, text): &(String, String)| portward_api::ForeignFile {
        path: path.clone(),
        data: SecretBytes::new(text.clone().into_bytes()),
    };
    ForeignImport { kind: kind.to_owned(), files: files.iter().map(file).collect() }
}

async fn take(fixture: &Fixture, kind: &str, files: &Files) -> ForeignImported {
    fixture.app.import_foreign(&by(), input(kind, files), Apply::Now).await.unwrap()
}

fn seen(view: &ForeignCertificateView) -> (&str, &str, Option<&str>) {
    (&view.id, &view.outcome, view.issuer.as_deref())
}

fn id(text: &str) -> CertificateId {
    CertificateId::parse(text).unwrap()
}

fn managed(desired: &Desired, certificate: &str) -> Managed {
    let stored = desired.certificate(&id(certificate)).unwrap();
    (**stored.value.management.managed().unwrap()).clone()
}

const HTTP: &str = "authenticator = webroot\nrenew_before_expiry = 21 days\n";
const DNS: &str = "authenticator = dns-cloudflare\ndns_cloudflare_credentials = /root/.secrets/cf.ini\n";

#[tokio::test]
async fn a_certificate_goes_on_with_its_ca_and_is_renewed_when_it_is_due() {
    let fixture = Fixture::start().await;
    let files = certbot(&["shop.test", "www.shop.test"], 11, HTTP);
    let planned = fixture.app.import_foreign(&by(), input("certbot", &files), Apply::DryRun).await.unwrap();
    let before = fixture.stored().await;
    assert!(before.certificates.is_empty() && before.issuers.is_empty(), "a dry run changes nothing");
    let taken = take(&fixture, "certbot", &files).await;
    assert_eq!(taken, planned);
    assert_eq!(seen(&taken.certificates[0]), ("shop-test", "created", Some("letsencrypt")));
    assert!(
        taken.certificates[0].notes.iter().any(|note| note.contains("Portward answers http-01 itself")),
        "{taken:?}"
    );
    assert!(taken.accounts[0].outcome.contains("RSA"), "{taken:?}");

    let desired = fixture.stored().await;
    let issuer = &desired.issuers[0].value.issuer;
    assert_eq!(issuer.directory, Issuer::LETS_ENCRYPT);
    assert_eq!((issuer.terms_agreed, issuer.contacts.as_slice()), (true, &["mailto:ops@shop.test".to_owned()][..]));
    let managed = managed(&desired, "shop-test");
    assert_eq!(managed.challenge, Some(ChallengeKind::Http01));
    assert_eq!(managed.renew_before, Some(Duration::from_secs(21 * 24 * 3600)));
    let stored = desired.certificate(&id("shop-test")).unwrap();
    let version = stored.value.current_version().unwrap();
    assert_eq!(version.source, Source::Imported);
    let renewal = Renewal::read(&fixture.store, &id("shop-test")).await.unwrap().unwrap();
    assert_eq!(renewal.issued_by, Some(issuer.id.clone()));
    let due = outlook(stored, &managed, &renewal, "cluster");
    assert!(due.at > now() && due.at < version.facts.validity.not_after, "{due:?}");
    // Of one that somebody imported, nobody knows that the CA issued it: a CA that is asked for it is asked at once.
    assert_eq!(outlook(stored, &managed, &Renewal::default(), "cluster").at, Timestamp::EPOCH);

    let again = take(&fixture, "certbot", &files).await;
    assert_eq!(seen(&again.certificates[0]), ("shop-test", "unchanged", Some("letsencrypt")));
    assert_eq!(fixture.stored().await.revision, desired.revision);
}

#[tokio::test]
async fn what_needs_a_dns_provider_waits_for_one_unmanaged() {
    let fixture = Fixture::start().await;
    let files = certbot(&["*.shop.test"], 11, DNS);
    let taken = take(&fixture, "certbot", &files).await;
    assert_eq!(seen(&taken.certificates[0]), ("shop-test", "created", None));
    let notes = taken.certificates[0].notes.join("\n");
    for part in [
        "portward acme dns add cloudflare",
        "portward certificate request '*.shop.test' --replace shop-test --issuer letsencrypt --dns PROVIDER",
    ] {
        assert!(notes.contains(part), "{notes}");
    }
    let desired = fixture.stored().await;
    assert_eq!(desired.certificates[0].value.management, Management::Unmanaged);
    assert!(Renewal::read(&fixture.store, &id("shop-test")).await.unwrap().is_none());

    let fixture = Fixture::start().await;
    let provider = DnsProviderId::parse("cf").unwrap();
    let app = &fixture.app;
    let sealer = app.sealer(&app.desired().await.unwrap()).unwrap();
    let mut change = app.change(&by::<right::CertificateChange>(), "add a provider");
    let none = BTreeMap::new();
    change.put_dns_provider(&provider, "cloudflare", BTreeMap::new(), &none, &sealer, Expected::Absent);
    app.commit(change).await.unwrap();
    let taken = take(&fixture, "certbot", &files).await;
    assert_eq!(seen(&taken.certificates[0]), ("shop-test", "created", Some("letsencrypt")));
    let managed = managed(&fixture.stored().await, "shop-test");
    assert_eq!((managed.challenge, managed.dns), (Some(ChallengeKind::Dns01), Some(provider)));
}

#[tokio::test]
async fn an_account_with_a_usable_key_goes_on() {
    let fixture = Fixture::start().await;
    let taken = take(&fixture, "caddy", &caddy(&["shop.test".to_owned()])).await;
    assert!(taken.accounts[0].outcome.starts_with("taken"), "{taken:?}");
    let desired = fixture.stored().await;
    let issuer = IssuerId::parse("letsencrypt").unwrap();
    let sealer = fixture.app.sealer(&desired).unwrap();
    let stored = StoredAccount::read(&fixture.store, &sealer, &issuer).await.unwrap().unwrap();
    assert_eq!(stored.url.as_deref(), Some("https://acme-v02.api.letsencrypt.org/acme/acct/42"));
    assert_eq!(stored.directory, Issuer::LETS_ENCRYPT);

    let other = take(&fixture, "caddy", &caddy(&["other.test".to_owned()])).await;
    assert_eq!(seen(&other.certificates[0]), ("other-test", "created", Some("letsencrypt")));
    assert!(other.accounts[0].outcome.contains("already"), "{other:?}");
    let same = StoredAccount::read(&fixture.store, &sealer, &issuer).await.unwrap().unwrap();
    assert_eq!(same.key.expose(), stored.key.expose());
    assert_eq!(fixture.stored().await.issuers.len(), 1);
}

#[tokio::test]
async fn the_certificate_that_is_valid_longer_is_served() {
    let fixture = Fixture::start().await;
    let own = import(&bundle(&["shop.test"], 365), None);
    fixture.app.import_certificate(&by(), own, Precondition::None, Apply::Now).await.unwrap();
    // One that is signed by its own key is worth less, however long it is valid.
    let (old, new) = (certbot(&["shop.test"], 10, HTTP), certbot(&["shop.test"], 11, HTTP));
    let taken = take(&fixture, "certbot", &new).await;
    assert_eq!(seen(&taken.certificates[0]), ("shop-test", "new-version", Some("letsencrypt")));
    let stored = fixture.stored().await;
    assert_eq!(stored.certificate(&id("shop-test")).unwrap().value.current.0, 2);
    let taken = take(&fixture, "certbot", &old).await;
    assert_eq!(seen(&taken.certificates[0]), ("shop-test", "unchanged", Some("letsencrypt")));
    assert!(taken.certificates[0].notes.iter().any(|note| note.contains("longer")), "{taken:?}");
    assert_eq!(fixture.stored().await.revision, stored.revision);
}

#[tokio::test]
async fn one_that_expired_is_taken_to_be_renewed_and_one_that_no_client_takes_is_not() {
    let fixture = Fixture::start().await;
    let mut files = certbot(&["old.test"], 7, HTTP);
    let mut alone = certbot(&["alone.test"], 11, HTTP);
    for (path, text) in &mut alone {
        if path.ends_with("fullchain.pem") {
            *text = text.split_inclusive("-----END CERTIFICATE-----").next().unwrap().to_owned();
        }
    }
    files.extend(alone.into_iter().filter(|(path, _)| !path.contains("chain.pem") || path.contains("fullchain")));
    let taken = take(&fixture, "certbot", &files).await;
    let of = |id: &str| taken.certificates.iter().find(|view| view.id == id).map(seen);
    assert_eq!(of("old-test"), Some(("old-test", "created", Some("letsencrypt"))), "{taken:?}");
    assert_eq!(of("alone-test"), Some(("alone-test", "left-out", None)), "{taken:?}");
    assert_eq!(fixture.stored().await.certificates.len(), 1);
}

#[tokio::test]
async fn many_are_taken_in_few_changes_and_one_that_fails_stops_no_other() {
    let fixture = Fixture::start().await;
    let names: Vec<String> = (10..40).map(|number| format!("shop{number}.test")).collect();
    let files = caddy(&names);
    let app = &fixture.app;
    let before = app.desired().await.unwrap();
    // Somebody takes an id between looking and changing.
    let other = portward_api::CertificateImport {
        name: Some("shop25.test".to_owned()),
        ..import(&bundle(&["other.test"], 90), None)
    };
    app.import_certificate(&by(), other, Precondition::None, Apply::Now).await.unwrap();
    let audited = fixture.audited().await;

    let found = read_files(ForeignKind::Caddy, input("caddy", &files), now()).await.unwrap();
    let sealer = app.sealer(&before).unwrap();
    let moving = moving(&fixture.store, &sealer, &before, &found.certificates, found.accounts).await.unwrap();
    let (mut planned, _) = plan(&before, found.certificates, &[], &moving, now());
    assert_eq!(batches(&planned, moving.weight()).len(), 3);
    app.take_over(&by(), ForeignKind::Caddy, &before, &moving, &mut planned, &sealer).await.unwrap();
    let failed: Vec<_> = planned.iter().filter(|planned| planned.view.outcome != "created").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(seen(&failed[0].view), ("shop25-test", "left-out", None));
    assert!(failed[0].view.notes.last().unwrap().contains("somebody else"), "{:?}", failed[0].view);
    assert_eq!(fixture.stored().await.certificates.len(), names.len());
    assert!(fixture.audited().await > audited + 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let fixture = Fixture::start().await;
    for (kind, files, code) in [
        ("nginx", certbot(&["shop.test"], 11, HTTP), "invalid-value"),
        ("certbot", Vec::new(), "nothing-to-import"),
        ("certbot", vec![("passwd".to_owned(), "root".to_owned())], "nothing-to-import"),
    ] {
        let error = fixture.app.import_foreign(&by(), input(kind, &files), Apply::Now).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (422, code), "{error}");
    }
}

/// A token for certificates must not bring in the CA that signs them.
#[tokio::test]
async fn issuers_and_accounts_move_in_by_their_own_right() {
    let fixture = Fixture::start().await;
    let files = caddy(&["shop.test".to_owned()]);
    let actor = Actor::with(&[Permission::View, Permission::CertificateChange]);
    let certificates = actor.may().unwrap();
    for apply in [Apply::DryRun, Apply::Now] {
        let refused = fixture.app.import_foreign(&certificates, input("caddy", &files), apply).await.unwrap_err();
        assert!(refused.code() == "not-permitted" && refused.to_string().contains("issuer:change"), "{refused}");
    }
    assert!(fixture.stored().await.issuers.is_empty());
    take(&fixture, "caddy", &files).await;
    // Where all of them are here, certificates alone move in.
    let more = caddy(&["other.test".to_owned()]);
    let more = more.into_iter().filter(|(path, _)| path.starts_with("certificates/")).collect();
    fixture.app.import_foreign(&certificates, input("caddy", &more), Apply::Now).await.unwrap();
    assert_eq!(fixture.stored().await.certificates.len(), 2);
}
