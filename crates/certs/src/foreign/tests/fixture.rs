//! Makes certificates, keys, and the files of each program around them.

use base64::{Engine, engine::general_purpose::STANDARD};
use portward_core::acme::KeyAlgorithm;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::{ForeignFile, PrivateKey, acme::new_private_key, der, pem};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::Zeroizing;

/// Is a certificate with what belongs to it.
pub(super) struct Made {
    pub(super) leaf: String,
    pub(super) issuer: String,
    pub(super) key: PrivateKey,
}

/// Makes a certificate that is valid from the first of a month for 90 days.
pub(super) fn made(names: &[&str], algorithm: KeyAlgorithm, year: i32, month: u8) -> Made {
    made_by("Test CA E7", names, algorithm, year, month)
}

pub(super) fn made_by(ca: &str, names: &[&str], algorithm: KeyAlgorithm, year: i32, month: u8) -> Made {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, ca);
    let authority_key = KeyPair::generate().unwrap();
    let issuer = authority.self_signed(&authority_key).unwrap();
    // What CAs hand out is an intermediate; that this one is self-signed makes it the root of the chain.
    let signing = Issuer::new(authority, authority_key);
    let mut leaf = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    leaf.not_before = rcgen::date_time_ymd(year, month, 1);
    leaf.not_after = leaf.not_before + time::Duration::days(90);
    let key = new_private_key(algorithm).unwrap();
    let pair = KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.as_pkcs8_der())).unwrap();
    let leaf = leaf.signed_by(&pair, &signing).unwrap();
    Made { leaf: block("CERTIFICATE", leaf.der()), issuer: block("CERTIFICATE", issuer.der()), key }
}

impl Made {
    pub(super) fn chain(&self) -> String {
        format!("{}\n{}", self.leaf, self.issuer)
    }

    /// As OpenSSL 3 and certbot write it.
    pub(super) fn key_pkcs8(&self) -> String {
        block("PRIVATE KEY", self.key.as_pkcs8_der())
    }
}

pub(super) fn block(label: &str, der: &[u8]) -> String {
    let mut text = String::new();
    pem::write(label, der, &mut text);
    text
}

/// What is inside PKCS #8: the `ECPrivateKey` with its curve, or the `RSAPrivateKey`.
pub(super) fn inner(key: &PrivateKey) -> Vec<u8> {
    let mut fields = der::whole(key.as_pkcs8_der()).unwrap().inside();
    fields.any().unwrap();
    fields.any().unwrap();
    let inner = fields.expect_octets("").unwrap().to_vec();
    if matches!(key.key_type(), portward_core::KeyType::Rsa(_)) {
        return inner;
    }
    let mut fields = der::whole(&inner).unwrap().inside();
    fields.any().unwrap();
    let secret = fields.expect_octets("").unwrap();
    let curve = der::writer::element(der::context(0), &[&der::writer::oid(crate::oid::P256)]);
    der::writer::sequence(&[&der::writer::unsigned(1), &der::writer::octet_string(&secret), &curve]).to_vec()
}

/// As Go and older OpenSSL write it.
pub(super) fn sec1(key: &PrivateKey) -> String {
    block("EC PRIVATE KEY", &inner(key))
}

pub(super) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn file(path: &str, text: &str) -> ForeignFile {
    ForeignFile { path: path.to_owned(), data: Zeroizing::new(text.as_bytes().to_vec()) }
}

/// Is a directory, with the secrets that are in it.
pub(super) struct Tree {
    pub(super) files: Vec<(String, String)>,
    pub(super) secrets: Vec<String>,
}

impl Tree {
    pub(super) fn given(&self) -> Vec<ForeignFile> {
        self.files.iter().map(|(path, text)| file(path, text)).collect()
    }
}

/// An account key of RSA as certbot keeps it; nothing but its kind is looked at.
const JWK: &str = r#"{"n": "NNN", "e": "AQAB", "d": "c2VjcmV0LWV4cG9uZW50LW9mLXRoZS1hY2NvdW50", "p": "AQAB", "q": "AQAB", "dp": "AQAB", "dq": "AQAB", "qi": "AQAB", "kty": "RSA"}"#;

pub(super) fn certbot() -> Tree {
    let shop = made(&["shop.test", "www.shop.test"], KeyAlgorithm::EcdsaP256, 2026, 11);
    let old = made(&["*.old.test"], KeyAlgorithm::EcdsaP256, 2026, 3);
    let lost = made(&["lost.test"], KeyAlgorithm::EcdsaP256, 2026, 10);
    let conf = |name: &str, first: &str, more: &str| {
        let live = format!("/etc/letsencrypt/live/{name}");
        let text = format!(
            "{first}\nversion = 2.9.0\narchive_dir = /etc/letsencrypt/archive/{name}\ncert = {live}/cert.pem\nprivkey = {live}/privkey.pem\nchain = {live}/chain.pem\nfullchain = {live}/fullchain.pem\n\n# Options used in the renewal process\n[renewalparams]\naccount = 0123456789abcdef0123456789abcdef\n{more}"
        );
        (format!("renewal/{name}.conf"), text)
    };
    let server = "server = https://acme-v02.api.letsencrypt.org/directory\nkey_type = ecdsa\n";
    let mut files = vec![
        conf(
            "shop.test",
            "# renew_before_expiry = 30 days",
            &format!(
                "authenticator = webroot\nwebroot_path = /srv/www,\n{server}pre_hook = None\nrenew_hook = /usr/local/bin/tell --token hook-token-that-nobody-may-see\n[[webroot_map]]\nshop.test = /srv/www\nwww.shop.test = /srv/www\n[acme_renewal_info]\nari_retry_after = 2026-11-25T03:00:00\n"
            ),
        ),
        conf(
            "old.test",
            "renew_before_expiry = 21 days",
            &format!(
                "authenticator = dns-cloudflare\ndns_cloudflare_credentials = /root/.secrets/cloudflare.ini\ndns_cloudflare_propagation_seconds = 30\n{server}reuse_key = True\n"
            ),
        ),
        conf("gone.test", "# renew_before_expiry = 30 days", &format!("authenticator = standalone\n{server}")),
    ];
    for (name, made) in [("shop.test", &shop), ("old.test", &old), ("lost.test", &lost)] {
        for (file, text) in [
            ("cert", made.leaf.clone()),
            ("chain", made.issuer.clone()),
            ("fullchain", made.chain()),
            ("privkey", made.key_pkcs8()),
        ] {
            files.push((format!("live/{name}/{file}.pem"), text));
        }
    }
    files.push(("live/README".to_owned(), "This directory contains your keys and certificates.".to_owned()));
    files.push(("renewal-hooks/deploy/reload.sh".to_owned(), "#!/bin/sh\nnginx -s reload\n".to_owned()));
    for server in ["acme-v01.api.letsencrypt.org", "acme-v02.api.letsencrypt.org"] {
        let directory = format!("accounts/{server}/directory/0123456789abcdef0123456789abcdef");
        files.push((format!("{directory}/private_key.json"), JWK.replace("NNN", &format!("{}xQ", "xcXF".repeat(85)))));
        files.push((
            format!("{directory}/regr.json"),
            r#"{"body": {}, "uri": "https://acme-v02.api.letsencrypt.org/acme/acct/123456789"}"#.to_owned(),
        ));
        files.push((
            format!("{directory}/meta.json"),
            r#"{"creation_dt": "2024-01-05T10:00:00Z", "creation_host": "shop", "register_to_eff": null}"#.to_owned(),
        ));
    }
    let mut secrets =
        vec!["c2VjcmV0LWV4cG9uZW50LW9mLXRoZS1hY2NvdW50".to_owned(), "hook-token-that-nobody-may-see".to_owned()];
    secrets.extend([&shop, &old, &lost].map(|made| made.key_pkcs8()));
    Tree { files, secrets }
}

pub(super) fn acme_sh() -> Tree {
    let ecc = made(&["shop.test", "*.shop.test"], KeyAlgorithm::EcdsaP256, 2026, 11);
    let rsa = made(&["shop.test", "*.shop.test"], KeyAlgorithm::Rsa2048, 2026, 11);
    let conf = |webroot: &str, length: &str, more: &str| {
        format!(
            "Le_Domain='shop.test'\nLe_Alt='*.shop.test'\nLe_Webroot='{webroot}'\nLe_PreHook=''\nLe_PostHook=''\nLe_RenewHook=''\nLe_API='https://acme-v02.api.letsencrypt.org/directory'\nLe_Keylength='{length}'\nLe_OrderFinalize='https://acme-v02.api.letsencrypt.org/acme/finalize/1/2'\nLe_LinkOrder='https://acme-v02.api.letsencrypt.org/acme/order/1/2'\nLe_LinkCert='https://acme-v02.api.letsencrypt.org/acme/cert/3'\nLe_CertCreateTime='1793491200'\nLe_NextRenewTimeStr='2026-12-30T00:00:00Z'\n{more}"
        )
    };
    let account = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let command = base64(b"systemctl reload nginx");
    let files = vec![
        (
            "account.conf".to_owned(),
            "\n#LOG_FILE=\"/root/.acme.sh/acme.sh.log\"\n#LOG_LEVEL=1\n\nUPGRADE_HASH='0123'\nSAVED_CF_Token='cf-token-that-nobody-may-see'\nSAVED_CF_Account_ID='cf-account'\nSAVED_SLACK_WEBHOOK_URL='https://hooks.slack.test/of-slack-that-nobody-may-see'\nNOTIFY_HOOK='slack'\n".to_owned(),
        ),
        (
            "shop.test_ecc/shop.test.conf".to_owned(),
            conf("dns_cf", "ec-256", &format!("Le_RenewalDays='60'\nLe_RealKeyPath='/etc/nginx/shop.key'\nLe_RealFullChainPath='/etc/nginx/shop.pem'\nLe_ReloadCmd='__ACME_BASE64__START_{command}__ACME_BASE64__END_'\nLe_PFXPassword='pfx-password-that-nobody-may-see'\n")),
        ),
        ("shop.test_ecc/shop.test.cer".to_owned(), ecc.leaf.clone()),
        ("shop.test_ecc/ca.cer".to_owned(), ecc.issuer.clone()),
        ("shop.test_ecc/fullchain.cer".to_owned(), ecc.chain()),
        ("shop.test_ecc/shop.test.key".to_owned(), sec1(&ecc.key)),
        ("shop.test_ecc/shop.test.csr".to_owned(), "not looked at".to_owned()),
        ("shop.test/shop.test.conf".to_owned(), conf("dns_cf,dns_myapi", "2048", "Le_ChallengeAlias='alias.test,'\n")),
        ("shop.test/shop.test.cer".to_owned(), rsa.leaf.clone()),
        ("shop.test/ca.cer".to_owned(), rsa.issuer.clone()),
        ("shop.test/shop.test.key".to_owned(), block("RSA PRIVATE KEY", &inner(&rsa.key))),
        ("new.test_ecc/new.test.conf".to_owned(), "Le_Domain='new.test'\nLe_Webroot='no'\nLe_API='https://acme.zerossl.com/v2/DV90'\n".to_owned()),
        ("new.test_ecc/new.test.key".to_owned(), sec1(&account)),
        ("ca/acme-v02.api.letsencrypt.org/directory/account.key".to_owned(), sec1(&account)),
        (
            "ca/acme-v02.api.letsencrypt.org/directory/account.json".to_owned(),
            r#"{"key": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "contact": [], "status": "valid"}"#.to_owned(),
        ),
        (
            "ca/acme-v02.api.letsencrypt.org/directory/ca.conf".to_owned(),
            "CA_EMAIL='ops@shop.test'\nACCOUNT_URL='https://acme-v02.api.letsencrypt.org/acme/acct/42'\nCA_KEY_HASH='abc='\n".to_owned(),
        ),
        ("ca/acme.zerossl.com/v2/DV90/account.key".to_owned(), block("RSA PRIVATE KEY", &inner(&rsa.key))),
        (
            "ca/acme.zerossl.com/v2/DV90/ca.conf".to_owned(),
            "CA_EAB_KEY_ID='eab-key-id'\nCA_EAB_HMAC_KEY='eab-mac-key-that-nobody-may-see'\nACCOUNT_URL='https://acme.zerossl.com/v2/DV90/account/xyz'\n".to_owned(),
        ),
        ("ca/acme-staging-v02.api.letsencrypt.org/directory/ca.conf".to_owned(), "CA_EMAIL=''\n".to_owned()),
    ];
    let marked = ["cf-token", "of-slack", "pfx-password", "eab-mac-key"];
    let mut secrets: Vec<String> = marked.map(|what| format!("{what}-that-nobody-may-see")).to_vec();
    secrets.extend([sec1(&ecc.key), sec1(&account), block("RSA PRIVATE KEY", &inner(&rsa.key))]);
    Tree { files, secrets }
}

pub(super) fn caddy() -> Tree {
    const LE: &str = "acme-v02.api.letsencrypt.org-directory";
    let shop = made(&["shop.test"], KeyAlgorithm::EcdsaP256, 2026, 11);
    let before = made(&["shop.test"], KeyAlgorithm::EcdsaP256, 2026, 6);
    let wild = made(&["*.shop.test"], KeyAlgorithm::EcdsaP256, 2026, 10);
    let inside =
        made_by("Caddy Local Authority - ECC Intermediate", &["inside.test"], KeyAlgorithm::EcdsaP256, 2026, 11);
    let account = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let mut files = Vec::new();
    let own = r#"{"url": "https://ca.test:14000/certZ/1", "ca": "https://ca.test:14000/dir", "account": "https://ca.test:14000/my-account/1"}"#;
    let le = r#"{"url": "https://acme-v02.api.letsencrypt.org/acme/cert/04", "ca": "https://acme-v02.api.letsencrypt.org/directory"}"#;
    for (issuer, name, made, data) in [
        (LE, "shop.test", &shop, le),
        ("ca.test-14000-dir", "wildcard_.shop.test", &wild, own),
        ("acme.zerossl.com-v2-dv90", "shop.test", &before, "null"),
        ("local", "localhost", &inside, "null"),
        ("house-ca", "inside.test", &inside, "null"),
    ] {
        let directory = format!("certificates/{issuer}/{name}");
        files.push((format!("{directory}/{name}.crt"), made.chain()));
        files.push((format!("{directory}/{name}.key"), sec1(&made.key)));
        files.push((
            format!("{directory}/{name}.json"),
            format!("{{\n\t\"sans\": [\n\t\t\"{name}\"\n\t],\n\t\"issuer_data\": {data}\n}}"),
        ));
    }
    for (issuer, user, name, location) in [
        (LE, "ops@shop.test", "ops", "https://acme-v02.api.letsencrypt.org/acme/acct/42"),
        ("ca.test-14000-dir", "default", "default", "https://ca.test:14000/my-account/1"),
        ("other.test-dir", "default", "default", "https://other.test/account/1"),
    ] {
        let directory = format!("acme/{issuer}/users/{user}");
        let contact = if user == "default" { "null".to_owned() } else { format!("[\n\t\t\"mailto:{user}\"\n\t]") };
        files.push((
            format!("{directory}/{name}.json"),
            format!("{{\n\t\"status\": \"valid\",\n\t\"contact\": {contact},\n\t\"termsOfServiceAgreed\": true,\n\t\"orders\": \"\",\n\t\"location\": \"{location}\"\n}}"),
        ));
        files.push((format!("{directory}/{name}.key"), sec1(&account)));
    }
    let secrets = [&shop.key, &before.key, &wild.key, &inside.key, &account].map(sec1).to_vec();
    Tree { files, secrets }
}

pub(super) fn traefik() -> Tree {
    let shop = made(&["shop.test", "www.shop.test"], KeyAlgorithm::Rsa2048, 2026, 11);
    let wild = made(&["*.shop.test"], KeyAlgorithm::EcdsaP256, 2026, 10);
    let account = new_private_key(KeyAlgorithm::Rsa2048).unwrap();
    let rsa_pem = block("RSA PRIVATE KEY", &inner(&shop.key));
    let certificate = |made: &Made, key: &str, main: &str| {
        format!(
            r#"{{"domain": {{"main": "{main}"}}, "certificate": "{}", "key": "{}", "Store": "default"}}"#,
            base64(made.chain().as_bytes()),
            base64(key.as_bytes())
        )
    };
    let account = base64(&inner(&account));
    let registration = |host: &str| {
        format!(
            r#"{{"body": {{"status": "valid", "contact": ["mailto:ops@shop.test"]}}, "uri": "https://{host}/acme/acct/7"}}"#
        )
    };
    let text = format!(
        r#"{{
  "letsencrypt": {{
    "Account": {{"Email": "ops@shop.test", "Registration": {}, "PrivateKey": "{account}", "KeyType": "4096"}},
    "Certificates": [{}, {{"domain": {{"main": "broken.test"}}, "certificate": "", "key": null}}]
  }},
  "house": {{
    "Account": {{"Email": "", "Registration": {}, "PrivateKey": "{account}", "KeyType": "4096"}},
    "Certificates": [{}]
  }},
  "unused": {{"Account": null, "Certificates": null}}
}}"#,
        registration("acme-v02.api.letsencrypt.org"),
        certificate(&shop, &rsa_pem, "shop.test"),
        registration("ca.test"),
        certificate(&wild, &sec1(&wild.key), "*.shop.test"),
    );
    let secrets = vec![account, rsa_pem.clone(), base64(rsa_pem.as_bytes()), sec1(&wild.key)];
    Tree { files: vec![("acme.json".to_owned(), text)], secrets }
}
