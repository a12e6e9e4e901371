//! Over HTTPS, byte by byte: what is refused, and how faults look.

use std::time::Duration;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portward_certs::{
    PrivateKey,
    acme::{AccountKey, CertificateAuthority, NewAccount, NewOrder, csr, new_private_key},
};
use portward_core::{
    HostPattern, Timestamp,
    acme::{ChallengeKind, KeyAlgorithm},
};
use portward_testkit::{Connection, Endpoint, Fault, FaultCa, FaultCaServer, Response};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};

/// Signs requests as it is told, be they right or wrong.
struct Client {
    server: FaultCaServer,
    ca: FaultCa,
    key: EcdsaKeyPair,
    kid: Option<String>,
}

impl Client {
    async fn new() -> Self {
        let now = Timestamp::parse("2026-11-20T12:00:00Z").unwrap();
        let ca = FaultCa::new(move || now);
        let server = FaultCaServer::start(ca.clone()).await;
        let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_pkcs8_der()).unwrap();
        let mut client = Self { server, ca, key, kid: None };
        let answer = client.post("/new-account", Some(&json!({ "termsOfServiceAgreed": true }))).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        client.kid = answer.header("location").map(str::to_owned);
        client
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.server.address().port())
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> std::io::Result<Response> {
        let mut connection = Connection::tls(self.server.address(), "localhost").await?;
        let host = format!("localhost:{}", self.server.address().port());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\n{headers}");
        connection.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
        connection.response().await
    }

    async fn nonce(&self) -> String {
        let answer = self.send("GET", "/new-nonce", "", "").await.unwrap();
        answer.header("replay-nonce").unwrap().to_owned()
    }

    fn sign(&self, nonce: &str, url: &str, payload: Option<&Value>) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut protected = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match &self.kid {
            Some(kid) => protected["kid"] = kid.clone().into(),
            None => {
                let point = self.key.public_key().as_ref();
                let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
                protected["jwk"] = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
            }
        }
        let protected = encode(protected.to_string().as_bytes());
        let payload = encode(payload.map(Value::to_string).unwrap_or_default().as_bytes());
        let signed = self.key.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes()).unwrap();
        json!({ "protected": protected, "payload": payload, "signature": encode(signed.as_ref()) })
    }

    async fn post_signed(&self, path: &str, body: &Value) -> Response {
        self.send("POST", path, JOSE, &body.to_string()).await.unwrap()
    }

    async fn post(&self, path: &str, payload: Option<&Value>) -> Response {
        let body = self.sign(&self.nonce().await, &self.url(path), payload);
        self.post_signed(path, &body).await
    }
}

#[tokio::test]
async fn nonce_url_key_and_signature_are_checked() {
    let client = Client::new().await;
    let order = order("shop.test");
    let good = client.sign(&client.nonce().await, &client.url("/new-order"), Some(&order));
    let made = client.post_signed("/new-order", &good).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.head.contains("/directory>;rel=\"index\""), "{}", made.head);

    let again = client.post_signed("/new-order", &good).await;
    assert_eq!((again.status, word(&again)), (400, "badNonce".to_owned()), "a nonce is good once");
    assert_eq!(again.header("content-type"), Some("application/problem+json"));
    assert!(again.header("replay-nonce").is_some());

    let elsewhere = client.sign(&client.nonce().await, &client.url("/new-account"), Some(&order));
    assert_eq!(word(&client.post_signed("/new-order", &elsewhere).await), "unauthorized");

    let mut forged = client.sign(&client.nonce().await, &client.url("/new-order"), Some(&order));
    forged["payload"] = URL_SAFE_NO_PAD.encode(self::order("other.test").to_string()).into();
    assert_eq!(word(&client.post_signed("/new-order", &forged).await), "malformed");

    let body = client.sign(&client.nonce().await, &client.url("/new-order"), Some(&order)).to_string();
    let plain = client.send("POST", "/new-order", "Content-Type: application/json\r\n", &body).await.unwrap();
    assert_eq!(plain.status, 415);

    let stranger = Client { kid: Some(client.url("/account/999")), ..Client::new().await };
    assert_eq!(word(&stranger.post("/new-order", Some(&order)).await), "accountDoesNotExist");
    let path = made.header("location").unwrap().strip_prefix(&client.url("")).unwrap();
    assert_eq!(client.post(path, None).await.status, 200);
    let other = Client { ca: client.ca.clone(), kid: None, ..Client::new().await };
    assert_eq!(word(&other.post(path, None).await), "malformed", "an order is read with kid");
}

#[tokio::test]
async fn faults_look_as_they_do_on_the_wire() {
    let client = Client::new().await;
    let read = async || client.send("GET", "/directory", "", "").await;
    let whole = read().await.unwrap();
    assert_eq!(whole.header("date"), Some("Fri, 20 Nov 2026 12:00:00 GMT"));
    serde_json::from_slice::<Value>(&whole.body).unwrap();

    let fail = |fault| client.ca.fail(Endpoint::Directory, fault);
    fail(Fault::status(503, Some(Duration::ZERO)));
    let busy = read().await.unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("0")));
    client.ca.configure(|config| config.retry_after_dates = true);
    fail(Fault::status(429, Some(Duration::from_secs(90))));
    assert_eq!(read().await.unwrap().header("retry-after"), Some("Fri, 20 Nov 2026 12:01:30 GMT"));
    fail(Fault::Html(502));
    let page = read().await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    fail(Fault::TruncatedJson);
    let half = read().await.unwrap();
    assert_eq!(half.status, 200);
    serde_json::from_slice::<Value>(&half.body).unwrap_err();
    fail(Fault::DropAnswerAfterDoing);
    read().await.map(|answer| answer.head).unwrap_err();
    fail(Fault::Hang);
    // What would come would come at once, and other requests go on meanwhile.
    let mut hanging = Box::pin(read());
    tokio::select! {
        answer = &mut hanging => panic!("{answer:?}"),
        () = async { while client.ca.asked().last().unwrap().outcome != portward_testkit::Outcome::Fault("hang") { tokio::task::yield_now().await } } => {}
    }
    tokio::select! {
        answer = &mut hanging => panic!("{answer:?}"),
        answer = read() => assert_eq!(answer.unwrap().status, 200),
    }
}

#[tokio::test]
async fn who_has_the_key_of_a_certificate_can_revoke_it() {
    let client = Client::new().await;
    let key = new_private_key(KeyAlgorithm::EcdsaP256).unwrap();
    let leaf = issue(&client.ca, &key).await;
    let request = json!({ "certificate": URL_SAFE_NO_PAD.encode(&leaf), "reason": 1 });
    assert_eq!(word(&client.post("/revoke-cert", Some(&request)).await), "unauthorized", "another account's");
    let stranger = Client { kid: None, ..client };
    assert_eq!(word(&stranger.post("/revoke-cert", Some(&request)).await), "unauthorized", "another key");
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_pkcs8_der()).unwrap();
    let owner = Client { key, ..stranger };
    assert_eq!(
        word(&owner.post("/revoke-cert", Some(&json!({ "certificate": "", "reason": 7 }))).await),
        "badRevocationReason"
    );
    let revoked = owner.post("/revoke-cert", Some(&request)).await;
    assert_eq!((revoked.status, revoked.body.len()), (200, 0), "{}", revoked.text());
    assert_eq!(word(&owner.post("/revoke-cert", Some(&request)).await), "alreadyRevoked");
}

/// Gets a certificate without HTTP: both ways lead to the same CA.
async fn issue(ca: &FaultCa, key: &PrivateKey) -> Vec<u8> {
    let account_key =
        AccountKey::from_pkcs8_der(new_private_key(KeyAlgorithm::EcdsaP256).unwrap().as_pkcs8_der().to_vec().into());
    let new = NewAccount { key: account_key, contacts: Vec::new(), terms_agreed: true, eab: None };
    let account = ca.register(&new).await.unwrap();
    let names = vec![HostPattern::parse("shop.test").unwrap()];
    let wish = NewOrder { names: names.clone(), profile: None, replaces: None };
    let order = ca.new_order(&account, &wish).await.unwrap();
    ca.answer(&account, &order.authorizations[0], ChallengeKind::Http01).await.unwrap();
    ca.finalize(&account, &order.url, &csr(&names, key).unwrap()).await.unwrap();
    let chains = ca.certificate(&account, &order.url).await.unwrap();
    CertificateDer::from_pem_slice(chains[0].pem.as_bytes()).unwrap().to_vec()
}

#[tokio::test]
async fn the_orders_of_an_account_are_listed_by_pages() {
    let client = Client::new().await;
    let path = client.kid.clone().unwrap().strip_prefix(&client.url("")).unwrap().to_owned();
    let account: Value = serde_json::from_slice(&client.post(&path, None).await.body).unwrap();
    assert!(account["orders"].is_null());
    client.ca.configure(|config| config.orders_list = true);
    for name in ["a.test", "b.test", "c.test", "d.test"] {
        assert_eq!(client.post("/new-order", Some(&order(name))).await.status, 201);
    }
    let mut next = Some(format!("{path}/orders"));
    let mut sizes = Vec::new();
    while let Some(path) = next {
        let page = client.post(&path, None).await;
        let listed: Value = serde_json::from_slice(&page.body).unwrap();
        sizes.push(listed["orders"].as_array().unwrap().len());
        let link = page.head.lines().find(|line| line.ends_with(";rel=\"next\""));
        next = link.map(|line| {
            let url = line.split_once('<').unwrap().1.split_once('>').unwrap().0;
            url.strip_prefix(&client.url("")).unwrap().to_owned()
        });
    }
    assert_eq!(sizes, [3, 1]);
}

fn order(name: &str) -> Value {
    json!({ "identifiers": [{ "type": "dns", "value": name }] })
}

fn word(answer: &Response) -> String {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap().to_owned()
}

const JOSE: &str = "Content-Type: application/jose+json\r\n";
