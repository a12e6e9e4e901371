//! Operations about ACME.

use super::*;
use crate::{
    ForeignFile, ForeignImport,
    acme::{
        AcmeCheck, CertificateRenew, CertificateRequestCreate, CertificateRevoke, DnsProviderCreate, EabInput,
        IssuerCreate, LetsEncryptConfigure, SimulateRequest,
    },
};
use portward_core::{AttemptId, DnsProviderId, IssuerId};

fn renewal() -> Value {
    json!({
        "certificate": "c1",
        "managed": {
            "names": ["shop.test"], "issuers": ["i1"], "challenge": null, "profile": null, "dns": null,
            "key": "ecdsa-p256", "reuse_key": false, "renew_days_before": null,
        },
        "last_renewed": null, "expires": null, "next_check": null, "next_renewal": null, "why": "it is new",
        "failures": 0, "stage": "planned", "attempt": attempt(),
    })
}

fn attempt() -> Value {
    json!({
        "id": "a1", "certificate": "c1", "issuer": "i1", "names": ["shop.test"], "why": "it is new",
        "began": "2026-11-20T00:00:00Z", "stage": "planned", "order": null, "timeline": [], "outcome": null,
    })
}

fn issuer() -> Value {
    json!({
        "id": "i1", "directory": "https://ca.test/dir", "trust": "system", "contacts": [], "terms_agreed": true,
        "account": null, "eab_key_id": null, "profile": null, "challenge": null, "preferred_chain": null,
        "http_port": 80, "tls_port": 443, "resolvers": [], "certificates": [],
    })
}

#[tokio::test]
async fn every_operation_of_acme_asks_at_its_route() {
    use Effect::{Apply, DryRun};
    let (id, issuer_id) = (CertificateId::parse("c1").unwrap(), IssuerId::parse("i1").unwrap());
    let (dns_id, attempt_id) = (DnsProviderId::parse("d1").unwrap(), AttemptId::parse("a1").unwrap());
    let create = IssuerCreate::default();
    let dns_create = DnsProviderCreate { id: None, kind: "exec".to_owned(), settings: Default::default() };
    let check = AcmeCheck { name: "shop.test".to_owned(), issuer: None, challenge: None };
    let until = SimulateRequest { until: "2027-01-01".to_owned() };
    let (wanted, renew) = (CertificateRequestCreate::default(), CertificateRenew::default());
    let (revoke, configure) = (CertificateRevoke::default(), LetsEncryptConfigure::default());
    let foreign = ForeignImport { kind: "certbot".to_owned(), files: Vec::new() };

    let dns =
        json!({ "id": "d1", "kind": "exec", "settings": { "command": "/bin/x", "key": null }, "certificates": [] });
    let kind = json!({ "kind": "exec", "about": "a program", "settings": [] });
    let removed = json!({ "id": "i1", "warnings": [] });
    let rolled_over = json!({ "issuer": "i1", "account": "https://ca.test/acct/1" });
    let checked = json!({ "name": "shop.test", "challenge": "http-01", "advice": [] });
    let simulated = json!({ "from": "a", "until": "b", "renewals": [], "budgets": [], "announced": [] });
    let requested = json!({ "certificate": certificate(), "renewal": renewal() });
    let revoked = json!({ "certificate": "c1", "version": 2, "thumbprint": "ab", "message": "It is renewed." });
    let status =
        json!({ "enabled": true, "dns_name": "shop.test", "issuer": "i1", "thumbprint": null, "renewal": renewal() });
    let imported = json!({ "certificates": [], "accounts": [], "notes": [] });

    let routes = [
        (asked!(json!([issuer()]), |client| client.list_issuers()), "GET /api/v1/acme/issuers?limit=1000"),
        (asked!(issuer(), |client| client.show_issuer(&issuer_id)), "GET /api/v1/acme/issuers/i1"),
        (asked!(issuer(), |client| client.add_issuer(&create, Apply)), "POST /api/v1/acme/issuers"),
        (asked!(issuer(), |client| client.add_issuer(&create, DryRun)), "POST /api/v1/acme/issuers?dry_run=true"),
        (asked!(removed, |client| client.remove_issuer(&issuer_id, Apply)), "DELETE /api/v1/acme/issuers/i1"),
        (
            asked!(removed, |client| client.remove_issuer(&issuer_id, DryRun)),
            "DELETE /api/v1/acme/issuers/i1?dry_run=true",
        ),
        (asked!(rolled_over, |client| client.roll_over_account(&issuer_id)), "POST /api/v1/acme/issuers/i1/rollover"),
        (asked!(json!([kind]), |client| client.list_dns_provider_kinds()), "GET /api/v1/acme/dns-kinds?limit=1000"),
        (asked!(json!([dns]), |client| client.list_dns_providers()), "GET /api/v1/acme/dns-providers?limit=1000"),
        (asked!(dns, |client| client.show_dns_provider(&dns_id)), "GET /api/v1/acme/dns-providers/d1"),
        (asked!(dns, |client| client.add_dns_provider(&dns_create, Apply)), "POST /api/v1/acme/dns-providers"),
        (
            asked!(dns, |client| client.add_dns_provider(&dns_create, DryRun)),
            "POST /api/v1/acme/dns-providers?dry_run=true",
        ),
        (asked!(removed, |client| client.remove_dns_provider(&dns_id, Apply)), "DELETE /api/v1/acme/dns-providers/d1"),
        (asked!(json!([attempt()]), |client| client.list_attempts()), "GET /api/v1/acme/attempts"),
        (asked!(attempt(), |client| client.show_attempt(&attempt_id)), "GET /api/v1/acme/attempts/a1"),
        (
            asked!(json!([attempt()]), |client| client.list_certificate_attempts(&id)),
            "GET /api/v1/certificates/c1/attempts?limit=1000",
        ),
        (asked!(checked, |client| client.check_name(&check)), "POST /api/v1/acme/check"),
        (asked!(simulated, |client| client.simulate_renewals(&until)), "POST /api/v1/acme/simulate"),
        (asked!(json!([renewal()]), |client| client.list_renewals()), "GET /api/v1/acme/renewals?limit=1000"),
        (asked!(renewal(), |client| client.show_renewal(&id)), "GET /api/v1/certificates/c1/renewal"),
        (asked!(requested, |client| client.request_certificate(&wanted, Apply)), "POST /api/v1/certificates/request"),
        (
            asked!(requested, |client| client.request_certificate(&wanted, DryRun)),
            "POST /api/v1/certificates/request?dry_run=true",
        ),
        (asked!(renewal(), |client| client.renew_certificate(&id, &renew)), "POST /api/v1/certificates/c1/renew"),
        (asked!(revoked, |client| client.revoke_certificate(&id, &revoke)), "POST /api/v1/certificates/c1/revoke"),
        (asked!(certificate(), |client| client.unmanage_certificate(&id)), "POST /api/v1/certificates/c1/unmanage"),
        (asked!(status, |client| client.configure_lets_encrypt(&configure, Apply)), "POST /api/v1/acme/letsencrypt"),
        (
            asked!(status, |client| client.configure_lets_encrypt(&configure, DryRun)),
            "POST /api/v1/acme/letsencrypt?dry_run=true",
        ),
        (asked!(status, |client| client.show_lets_encrypt()), "GET /api/v1/acme/letsencrypt"),
        (asked!(status, |client| client.renew_lets_encrypt(&renew)), "POST /api/v1/acme/letsencrypt/renew"),
        (asked!(status, |client| client.disable_lets_encrypt()), "DELETE /api/v1/acme/letsencrypt"),
        (asked!(imported, |client| client.import_foreign(&foreign, Apply)), "POST /api/v1/import"),
        (asked!(imported, |client| client.import_foreign(&foreign, DryRun)), "POST /api/v1/import?dry_run=true"),
    ];
    for (asked, expected) in routes {
        assert_eq!(asked, expected);
    }
}

#[tokio::test]
async fn what_is_left_out_is_not_sent_and_secrets_are() {
    let directory = tempfile::tempdir().unwrap();
    let server = OneAnswer::new(200, issuer().to_string());
    let client = server.listen(directory.path());
    let eab = EabInput { key_id: "k1".to_owned(), mac_key: SecretText::new("bWFj".to_owned()) };
    let create = IssuerCreate { directory: "letsencrypt".to_owned(), eab: Some(eab), ..IssuerCreate::default() };
    client.add_issuer(&create, Effect::Apply).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&server.last().body).unwrap(),
        json!({ "directory": "letsencrypt", "accept_terms": false, "eab": { "key_id": "k1", "mac_key": "bWFj" } })
    );
}

#[tokio::test]
async fn files_of_another_program_go_out_in_base64() {
    let directory = tempfile::tempdir().unwrap();
    let server = OneAnswer::new(200, json!({ "certificates": [], "accounts": [], "notes": [] }).to_string());
    let client = server.listen(directory.path());
    let file = ForeignFile { path: "live/a/cert.pem".to_owned(), data: SecretBytes::new(vec![0xff, 0]) };
    let import = ForeignImport { kind: "certbot".to_owned(), files: vec![file] };
    client.import_foreign(&import, Effect::Apply).await.unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&server.last().body).unwrap(),
        json!({ "kind": "certbot", "files": [{ "path": "live/a/cert.pem", "data": "/wA=" }] })
    );
}
