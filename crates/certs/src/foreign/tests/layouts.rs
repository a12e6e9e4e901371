//! What becomes of a whole directory of each program, as a snapshot.

use super::{fixture, fixture::Tree, now};
use crate::{Foreign, ForeignKind, read_foreign};
use portward_core::acme::KeyAlgorithm;

fn rendered(foreign: &Foreign) -> String {
    let mut out = String::new();
    for certificate in &foreign.certificates {
        let names: Vec<String> = certificate.names.iter().map(ToString::to_string).collect();
        out.push_str(&format!("certificate {}\n  names: {}\n", certificate.path, names.join(" ")));
        out.push_str(&format!(
            "  {}, {} certificates\n",
            certificate.bundle.key.key_type(),
            certificate.bundle.chain.length()
        ));
        out.push_str(&format!("  directory: {}\n", certificate.directory.as_deref().unwrap_or("unknown")));
        out.push_str(&format!("  challenge: {}\n", certificate.challenge.map_or("unknown", |kind| kind.as_str())));
        out.push_str(&format!("  how: {}\n", certificate.how.as_deref().unwrap_or("unknown")));
        if let Some(span) = certificate.renew_before {
            out.push_str(&format!("  renewed {} days before its end\n", span.as_secs() / 86400));
        }
    }
    for account in &foreign.accounts {
        out.push_str(&format!("account {}\n  directory: {}\n", account.path, account.directory));
        out.push_str(&format!("  url: {}\n", account.url.as_deref().unwrap_or("unknown")));
        out.push_str(&format!("  contacts: {}\n", account.contacts.join(" ")));
        match &account.key {
            Ok(_) => out.push_str("  its key is taken\n"),
            Err(refusal) => out.push_str(&format!("  {refusal}\n")),
        }
    }
    for note in &foreign.notes {
        out.push_str(&format!("{} {note}\n", note.weight.as_str()));
    }
    out
}

fn read(kind: ForeignKind, tree: &Tree) -> Foreign {
    read_foreign(kind, tree.given(), now()).unwrap()
}

#[test]
fn a_directory_of_certbot_is_read() {
    insta::assert_snapshot!(rendered(&read(ForeignKind::Certbot, &fixture::certbot())));
}

#[test]
fn a_directory_of_acme_sh_is_read() {
    insta::assert_snapshot!(rendered(&read(ForeignKind::AcmeSh, &fixture::acme_sh())));
}

#[test]
fn a_directory_of_caddy_is_read() {
    insta::assert_snapshot!(rendered(&read(ForeignKind::Caddy, &fixture::caddy())));
}

#[test]
fn a_file_of_traefik_is_read() {
    insta::assert_snapshot!(rendered(&read(ForeignKind::Traefik, &fixture::traefik())));
}

#[test]
fn a_file_of_traefik_1_is_read() {
    let made = fixture::made(&["shop.test"], KeyAlgorithm::EcdsaP256, 2026, 11);
    let text = format!(
        r#"{{"Account": {{"Email": "ops@shop.test", "Registration": null, "PrivateKey": ""}}, "Certificates": [{{"Domain": {{"Main": "shop.test", "SANs": null}}, "Certificate": "{}", "Key": "{}"}}], "HTTPChallenges": {{}}}}"#,
        fixture::base64(made.chain().as_bytes()),
        fixture::base64(fixture::sec1(&made.key).as_bytes()),
    );
    let foreign = read_foreign(ForeignKind::Traefik, vec![fixture::file("acme.json", &text)], now()).unwrap();
    assert_eq!(foreign.certificates.len(), 1);
    assert_eq!(foreign.certificates[0].names[0].to_string(), "shop.test");
}

#[test]
fn of_certificates_for_the_same_names_the_best_is_taken_wherever_it_stands() {
    let tree = |first: (&str, u8), second: (&str, u8)| {
        let mut files = Vec::new();
        for (name, (server, month)) in [("a", first), ("b", second)] {
            let made = fixture::made(&["shop.test"], KeyAlgorithm::EcdsaP256, 2026, month);
            let conf = format!("Le_Webroot='no'\nLe_API='https://{server}/directory'\n");
            files.push(fixture::file(&format!("{name}/{name}.conf"), &conf));
            files.push(fixture::file(&format!("{name}/fullchain.cer"), &made.chain()));
            files.push(fixture::file(&format!("{name}/{name}.key"), &fixture::sec1(&made.key)));
        }
        let foreign = read_foreign(ForeignKind::AcmeSh, files, now()).unwrap();
        assert_eq!(foreign.certificates.len(), 1);
        // What is said of the one that was left out is why, and nothing else.
        let of_other: Vec<_> = foreign.notes.iter().filter(|note| note.path != foreign.certificates[0].path).collect();
        assert_eq!(of_other.len(), 1, "{of_other:?}");
        foreign.certificates[0].path.clone()
    };
    let (real, staging) = ("acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org");
    assert_eq!(tree((real, 10), (real, 11)), "b");
    assert_eq!(tree((real, 11), (real, 10)), "a");
    assert_eq!(tree((staging, 11), (real, 10)), "b");
    assert_eq!(tree((real, 3), (staging, 11)), "a");
}
